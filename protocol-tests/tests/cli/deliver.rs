//! `postbell deliver`: what becomes of a message from standard input, and which exit code its caller reads (sysexits(3)).

use super::*;

impl Site {
    /// With alice, and these keys more.
    fn with_alice(more: &str) -> Self {
        let site = Site::with(more);
        assert_eq!(code(&site.account_with_password("add", "alice@example.org", "secret")), 0);
        site
    }

    fn data(&self) -> String {
        self.folder.path().join("data").to_str().unwrap().to_owned()
    }

    fn deliver(&self, arguments: &[&str], message: &[u8]) -> Output {
        deliver(&[&["--config", &self.config()], arguments].concat(), message)
    }
}

fn spawn(arguments: &[&str]) -> Child {
    let mut command = postbell(&["deliver"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn deliver(arguments: &[&str], message: &[u8]) -> Output {
    let mut child = spawn(arguments);
    // Who refuses the message need not read it.
    let _ = child.stdin.take().unwrap().write_all(message);
    finish(child, DEADLINE)
}

#[track_caller]
fn expect(output: &Output, expected: i32, complaint: &str) {
    assert_eq!(code(output), expected, "{}", stderr(output));
    assert!(stderr(output).contains(complaint), "{}", stderr(output));
}

fn log_in(server: &Running, user: &str) -> Talk {
    let mut imap = server.connect("imap");
    assert!(imap.ask(&format!("a LOGIN {user} secret"), "a ").starts_with("a OK"));
    imap
}

/// How many messages a mailbox has.
fn count(imap: &mut Talk, mailbox: &str) -> String {
    imap.say(&format!("c STATUS {mailbox} (MESSAGES)"));
    let status = imap.until("* STATUS");
    imap.until("c OK");
    status.split("(MESSAGES ").nth(1).unwrap().trim_end_matches(')').to_owned()
}

/// The octets of the only message of INBOX.
fn body(imap: &mut Talk) -> String {
    imap.ask("s SELECT INBOX", "s OK");
    imap.say("f FETCH 1 BODY.PEEK[]");
    let fetch = imap.until("* 1 FETCH");
    let octets = fetch.split_once('{').unwrap().1.trim_end_matches('}').parse().unwrap();
    let mut body = vec![0; octets];
    imap.stream.read_exact(&mut body).unwrap();
    imap.until("f OK");
    String::from_utf8(body).unwrap()
}

const INPUT: &[u8] =
    b"From bob@elsewhere.example Mon Nov 23 15:00:00 2026\nSubject: hello\n\nFrom here\n.\nto there \xc3\xa9\r\n";
const STORED: &str = "Subject: hello\r\n\r\nFrom here\r\n.\r\nto there é\r\n";

/// What stands in front of a message that this user handed over.
fn check_trace(body: &str, sender: &str, recipient: &str) {
    let trace = body.strip_suffix(STORED).unwrap_or_else(|| panic!("{body:?}"));
    assert!(
        trace.starts_with(&format!("Return-Path: <{sender}>\r\nReceived: by mail.example.org (from user ")),
        "{trace}"
    );
    assert!(trace.contains(&format!("\r\n\tfor <{recipient}>; ")), "{trace}");
    assert_eq!(trace.matches("\r\n").count(), 4, "{trace}");
}

#[test]
fn beside_a_server_the_listener_is_rung() {
    let site = Site::with_alice("");
    let server = site.serve();
    let mut listener = log_in(&server, "alice@example.org");
    listener.ask("s SELECT INBOX", "s OK");
    listener.ask("i IDLE", "+");
    expect(&site.deliver(&["-f", "carol@elsewhere.example", "--", "Alice+lists@example.org"], INPUT), 0, "");
    listener.until("* 1 EXISTS");
    listener.ask("DONE", "i OK");
    check_trace(&body(&mut listener), "carol@elsewhere.example", "Alice+lists@example.org");

    // The folder is enough, and nobody is a sender.
    expect(&deliver(&["alice@example.org", "-f", "", "--data", &site.data()], INPUT), 0, "");
    assert_eq!(count(&mut listener, "INBOX"), "2");
    assert_eq!(code(&server.terminate()), 0);
}

#[test]
fn without_a_server_the_same_comes_of_it() {
    let site = Site::with_alice("");
    assert_eq!(code(&site.alias(&["add", "office@example.org", "alice@example.org"])), 0);
    expect(&site.deliver(&["office@example.org"], INPUT), 0, "");
    expect(&deliver(&["alice@example.org", "--data", &site.data()], INPUT), 75, "--config FILE is needed");
    let server = site.serve();
    let mut imap = log_in(&server, "alice@example.org");
    check_trace(&body(&mut imap), "", "office@example.org");
    assert_eq!(count(&mut imap, "INBOX"), "1");
}

#[test]
fn every_refusal_has_its_exit_code() {
    let site = Site::with_alice("[store]\nmax_message_octets = 65536\n");
    assert_eq!(code(&site.account_with_password("add", "full@example.org", "secret")), 0);
    assert_eq!(code(&site.account_with_password("add", "small@example.org", "secret")), 0);
    assert_eq!(code(&site.account(&["quota", "full@example.org", "--messages", "1"])), 0);
    assert_eq!(code(&site.account(&["quota", "small@example.org", "--octets", "1000"])), 0);
    let large = b"x".repeat(66_000);
    let hops = b"Received: by elsewhere.example; Mon, 23 Nov 2026 15:00:00 +0000\n".repeat(101);
    let medium = b"x".repeat(2_000);
    let refused = |site: &Site| {
        expect(&site.deliver(&[], INPUT), 64, "ADDRESS");
        expect(&site.deliver(&["a b@example.org"], INPUT), 64, "not an address");
        expect(&site.deliver(&["-f", "@", "alice@example.org"], INPUT), 64, "not an address");
        expect(&site.deliver(&["alice@example.org"], b""), 65, "standard input is empty");
        expect(&site.deliver(&["alice@example.org"], b"From nobody\n"), 65, "standard input is empty");
        expect(&site.deliver(&["alice@example.org"], &large), 65, "alice@example.org: 552 5.3.4");
        expect(&site.deliver(&["alice@example.org"], &hops), 65, "alice@example.org: 554 5.4.6");
        expect(&site.deliver(&["nobody@example.org"], INPUT), 67, "nobody@example.org: 550 5.1.1");
        expect(&site.deliver(&["alice@elsewhere.example"], INPUT), 67, "alice@elsewhere.example: 550 5.7.1");
        expect(&site.deliver(&["small@example.org"], &medium), 73, "small@example.org: 552 5.2.2");
        expect(&site.deliver(&["full@example.org"], INPUT), 75, "full@example.org: 452 4.2.2");
    };
    expect(&site.deliver(&["full@example.org"], INPUT), 0, "");
    refused(&site);
    let server = site.serve();
    refused(&site);
    let mut imap = log_in(&server, "alice@example.org");
    assert_eq!(count(&mut imap, "INBOX"), "0");

    // Who can't have it now keeps the others from it; who never can does not.
    let output = site.deliver(&["alice@example.org", "nobody@example.org", "full@example.org"], INPUT);
    expect(&output, 75, "postbell: nobody@example.org: 550 5.1.1");
    expect(&output, 75, "postbell: full@example.org: 452 4.2.2");
    assert_eq!(count(&mut imap, "INBOX"), "0");
    let output = site.deliver(&["alice@example.org", "nobody@example.org"], INPUT);
    expect(&output, 67, "nobody@example.org");
    assert!(!stderr(&output).contains("alice"), "{}", stderr(&output));
    assert_eq!(count(&mut imap, "INBOX"), "1");
}

#[test]
fn what_is_wrong_around_it_has_its_exit_code() {
    let site = Site::with_alice("");
    let wrong = site.folder.path().join("wrong.toml");
    std::fs::write(&wrong, "[server]\n").unwrap();
    expect(&deliver(&["alice@example.org", "--config", wrong.to_str().unwrap()], INPUT), 78, "hostname");
    expect(&deliver(&["alice@example.org", "--data", "/nowhere"], INPUT), 75, "there is no store");

    // A folder can be opened as a file, and not be read.
    let mut command = postbell(&["deliver", "alice@example.org", "--config", &site.config()]);
    let unreadable = std::fs::File::open(site.folder.path()).unwrap();
    expect(&run(command.stdin(unreadable)), 74, "standard input: ");

    // A server that starts or stops has the store, and does not listen.
    let server = site.serve();
    std::fs::remove_file(site.folder.path().join("data/control.sock")).unwrap();
    expect(&site.deliver(&["alice@example.org"], INPUT), 75, "in use by another process");
    drop(server);
}

#[test]
fn half_a_message_is_none() {
    let site = Site::with_alice("");
    let server = site.serve();
    let mut imap = log_in(&server, "alice@example.org");
    let mut child = spawn(&["alice@example.org", "--config", &site.config()]);
    // More than the pipe and the socket hold, so that the server has some of it.
    child.stdin.as_mut().unwrap().write_all(&b"Subject: half\n".repeat(100_000)).unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    // The next one is taken, and is the only one.
    expect(&site.deliver(&["alice@example.org"], INPUT), 0, "");
    let output = server.terminate();
    assert_eq!(code(&output), 0);
    assert!(stderr(&output).contains("message abandoned"), "{}", stderr(&output));
    drop(imap);
    let server = site.serve();
    imap = log_in(&server, "alice@example.org");
    assert_eq!(count(&mut imap, "INBOX"), "1");
}

#[test]
fn a_stop_does_not_wait_for_a_message_that_does_not_come() {
    let site = Site::with_alice("");
    let server = site.serve();
    let mut child = spawn(&["alice@example.org", "--config", &site.config()]);
    let input = child.stdin.as_mut().unwrap();
    input.write_all(&b"Subject: slow\n".repeat(100_000)).unwrap();
    assert_eq!(code(&server.terminate()), 0);
    // The program learns it when it goes on.
    let _ = input.write_all(&b"more\n".repeat(1_000_000));
    expect(&finish(child, DEADLINE), 75, "");
}
