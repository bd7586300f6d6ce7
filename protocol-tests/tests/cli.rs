//! The binary as a person or a service manager meets it: command line, exit codes, ready line, signals. What
//! belongs to one command stands in a file of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[path = "cli/accounts.rs"]
mod accounts;
#[path = "cli/deliver.rs"]
mod deliver;
#[path = "cli/rules.rs"]
mod rules;

/// How long anything may take before it counts as never.
const DEADLINE: Duration = Duration::from_secs(30);

/// A stop takes no longer than this (docs/OPERATIONS.md).
const STOP_DEADLINE: Duration = Duration::from_secs(10);

const ALL_PORTS_FREE: [&str; 12] = [
    "--smtp-port",
    "0",
    "--lmtp-port",
    "0",
    "--imap-port",
    "0",
    "--imaps-port",
    "0",
    "--pop3-port",
    "0",
    "--pop3s-port",
    "0",
];

fn postbell(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postbell"));
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// Runs to the end; panics at the deadline.
fn run(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish(child, DEADLINE)
}

fn finish(mut child: Child, deadline: Duration) -> Output {
    let until = Instant::now() + deadline;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("still running after {deadline:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that has said that it is ready; killed when it is dropped.
struct Running {
    child: Option<Child>,
    ready: serde_json::Value,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            panic!("not ready: {}", stderr(&finish(child, DEADLINE)));
        }
        Self { child: Some(child), ready: serde_json::from_str(&line).unwrap() }
    }

    fn dev(arguments: &[&str]) -> Self {
        Self::start(postbell(&["dev", "--ready-json"]).args(ALL_PORTS_FREE).args(arguments))
    }

    /// Connects, and reads the greeting.
    fn connect(&self, protocol: &str) -> Talk {
        let mut talk = Talk::connect(self.ready[protocol].as_str().unwrap_or_else(|| panic!("no {protocol}")));
        talk.line();
        talk
    }

    fn terminate(mut self) -> Output {
        let child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        finish(child, STOP_DEADLINE)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A client that speaks in lines, over TCP or a Unix socket.
struct Talk<S = TcpStream> {
    stream: BufReader<S>,
}

impl Talk {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }
}

impl Talk<UnixStream> {
    fn connect_socket(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }
}

impl<S: Read + Write> Talk<S> {
    fn say(&mut self, line: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    /// The next line; empty at the end of the connection.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Skips to the line that begins with `start`.
    fn until(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection ended before {start:?}");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    fn ask(&mut self, line: &str, start: &str) -> String {
        self.say(line);
        self.until(start)
    }
}

/// A folder with a configuration for `example.org` that takes free ports on loopback.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nhostname = \"mail.example.org\"\ndomains = [\"example.org\"]\ndata_dir = {:?}\n\
             [listen]\nsmtp = [\"127.0.0.1:0\"]\nimap = [\"127.0.0.1:0\"]\npop3 = []\n{more}",
            folder.path().join("data")
        );
        std::fs::write(folder.path().join("postbell.toml"), text).unwrap();
        Self { folder }
    }

    fn config(&self) -> String {
        self.folder.path().join("postbell.toml").to_str().unwrap().to_owned()
    }

    fn serve(&self) -> Running {
        Running::start(&mut postbell(&["serve", "--ready-json", "--config", &self.config()]))
    }

    fn account(&self, arguments: &[&str]) -> Output {
        run(postbell(&["account"]).args(arguments).args(["--config", &self.config()]))
    }

    fn alias(&self, arguments: &[&str]) -> Output {
        run(postbell(&["alias"]).args(arguments).args(["--config", &self.config()]))
    }

    fn account_with_password(&self, action: &str, address: &str, password: &str) -> Output {
        let mut command = postbell(&["account", action, address, "--password-stdin", "--config", &self.config()]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        finish(child, DEADLINE)
    }
}

fn stdout_lines(output: &Output) -> Vec<String> {
    assert_eq!(code(output), 0, "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_is_not_understood_is_2_and_help_is_0() {
    for arguments in
        [&["deev"][..], &["serve"], &["account", "add"], &["account", "list"], &["dev", "--smtp-port", "x"]]
    {
        assert_eq!(code(&run(&mut postbell(arguments))), 2, "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["dev", "--help"], &["--version"]] {
        assert_eq!(code(&run(&mut postbell(arguments))), 0, "{arguments:?}");
    }
    let site = Site::new();
    let filter = run(postbell(&["serve", "--config", &site.config()]).env("RUST_LOG", "a=b=c"));
    assert_eq!(code(&filter), 2, "{}", stderr(&filter));
    assert_eq!(code(&site.account_with_password("add", "alice@example.org", "secret")), 0);
    let no_terminal = site.account(&["remove", "alice@example.org"]);
    assert_eq!(code(&no_terminal), 2, "{}", stderr(&no_terminal));
}

#[test]
fn a_wrong_configuration_is_78_with_file_and_line() {
    let wrong = Site::with("imapz = []\n");
    let output = run(&mut postbell(&["serve", "--config", &wrong.config()]));
    assert_eq!(code(&output), 78);
    assert_eq!(
        stderr(&output),
        format!("postbell: {}:9: unknown key \"imapz\" in [listen]; did you mean \"imap\"?\n", wrong.config())
    );

    let output = run(&mut postbell(&["serve", "--config", "/nowhere/postbell.toml"]));
    assert_eq!(code(&output), 78);
    assert_eq!(stderr(&output), "postbell: /nowhere/postbell.toml: No such file or directory (os error 2)\n");

    let no_certificate = Site::with("[tls]\ncertificate_file = \"/nowhere/c.pem\"\nkey_file = \"/nowhere/k.pem\"\n");
    let output = run(&mut postbell(&["serve", "--config", &no_certificate.config()]));
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).contains("/nowhere/c.pem: No such file"), "{}", stderr(&output));
}

#[test]
fn a_taken_port_is_69_and_is_named_with_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(postbell(&["dev"]).args(&ALL_PORTS_FREE[2..]).args(["--smtp-port", &port]));
    assert_eq!(code(&output), 69);
    let message = stderr(&output);
    let expected = format!("postbell: port {port} is taken: smtp can't listen at 127.0.0.1:{port}");
    assert!(message.starts_with(&expected), "{message}");
    if cfg!(target_os = "linux") {
        assert!(message.contains(&format!("(process {})", std::process::id())), "{message}");
    }
}

#[test]
fn a_taken_socket_is_69_and_one_of_the_dead_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp");
    let path = socket.to_str().unwrap();
    // What a server leaves that was killed.
    drop(UnixListener::bind(&socket).unwrap());

    let dev = Running::dev(&["--lmtp-socket", path]);
    assert_eq!(dev.ready["lmtp_socket"], path);
    let mut lmtp = Talk::connect_socket(&socket);
    lmtp.until("220");
    lmtp.ask("LHLO client.example", "250 ");
    lmtp.ask("MAIL FROM:<bob@example.org>", "250");
    lmtp.ask("RCPT TO:<alice@localhost>", "250");
    lmtp.ask("DATA", "354");
    lmtp.ask("Subject: Through a socket\r\n\r\n.", "250");

    let second = run(postbell(&["dev", "--lmtp-socket", path]).args(ALL_PORTS_FREE));
    assert_eq!(code(&second), 69);
    let expected = format!("postbell: {path} is taken: lmtp can't listen there, since postbell (process ");
    assert!(stderr(&second).starts_with(&expected), "{}", stderr(&second));

    let output = dev.terminate();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(lmtp.until("421").starts_with("421"));
    assert!(!socket.exists(), "the name goes with the server");
}

#[test]
fn serve_gives_its_socket_the_mode_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp");
    let site = Site::with(&format!("lmtp = [\"unix:{}\"]\nlmtp_socket_mode = \"0622\"\n", socket.display()));
    let server = site.serve();
    assert_eq!(server.ready["lmtp_socket"], socket.to_str().unwrap());
    assert!(server.ready["lmtp"].is_null());
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o622);
    assert_eq!(code(&server.terminate()), 0);
}

#[test]
fn dev_says_where_it_listens_and_ends_with_0_at_sigterm() {
    let dev = Running::dev(&[]);
    for protocol in ["smtp", "lmtp", "imap", "imaps", "pop3", "pop3s"] {
        let address = dev.ready[protocol].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{protocol} at {address}");
        TcpStream::connect(address).unwrap();
    }
    let data = dev.ready["data"].as_str().unwrap().to_owned();
    assert!(Path::new(&data).is_dir());
    let output = dev.terminate();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(!Path::new(&data).exists(), "a temporary store is removed");
}

#[test]
fn at_sigterm_every_session_hears_a_goodbye() {
    let dev = Running::dev(&[]);
    let mut idling = dev.connect("imap");
    idling.ask("a LOGIN alice any", "a OK");
    idling.ask("b SELECT INBOX", "b OK");
    idling.ask("c IDLE", "+");
    let mut greeted = dev.connect("imap");
    let mut smtp = dev.connect("smtp");
    let pop3 = dev.connect("pop3");

    let output = dev.terminate();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(idling.until("* BYE").starts_with("* BYE"));
    assert!(greeted.until("* BYE").starts_with("* BYE"));
    assert!(smtp.until("421").starts_with("421"));
    let mut rest = Vec::new();
    pop3.stream.into_inner().read_to_end(&mut rest).unwrap();
}

#[test]
fn dev_keeps_mail_in_the_folder_it_is_given_and_shows_each_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mail");
    let data = data.to_str().unwrap();

    let dev = Running::dev(&["--data", data]);
    let mut smtp = dev.connect("smtp");
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask("MAIL FROM:<bob@example.org>", "250");
    smtp.ask("RCPT TO:<alice@localhost>", "250");
    smtp.ask("DATA", "354");
    smtp.ask("Subject: Lunch?\r\n\r\nAt noon.\r\n.", "250");
    let output = dev.terminate();
    let shown = stderr(&output);
    assert_eq!(code(&output), 0, "{shown}");
    let line = shown.lines().find(|line| line.contains("\"Lunch?\"")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("alice@localhost") && line.contains("INBOX") && line.contains("uid 1"), "{line}");

    let dev = Running::dev(&["--data", data]);
    let mut imap = dev.connect("imap");
    imap.ask("a LOGIN alice any", "a OK");
    assert_eq!(imap.ask("b SELECT INBOX", "* 1 EXISTS"), "* 1 EXISTS");
}

#[test]
fn the_demo_shows_every_message_arriving() {
    let mut command = postbell(&["dev", "--demo"]);
    let mut child = command.args(ALL_PORTS_FREE).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let shown: Vec<String> =
        lines.by_ref().map(Result::unwrap).take_while(|line| !line.starts_with("Demo done")).collect();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    // Else the server would end by the broken pipe, not by the signal.
    let _rest: Vec<_> = lines.collect();
    let output = finish(child, STOP_DEADLINE);
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let fixtures = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/messages")).unwrap().count();
    for number in 1..=fixtures {
        let exists = format!("\"* {number} EXISTS\"");
        assert!(shown.iter().any(|line| line.contains(&exists)), "{shown:#?}");
    }
    let deliveries = shown.iter().filter(|line| line.contains("alice@localhost  INBOX  uid")).count();
    assert_eq!(deliveries, fixtures, "{shown:#?}");
}

#[test]
fn two_processes_cannot_own_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let first = Running::dev(&["--data", data]);
    let second = run(postbell(&["dev", "--data", data]).args(ALL_PORTS_FREE));
    assert_eq!(code(&second), 1, "{}", stderr(&second));
    first.connect("imap").ask("a LOGIN alice any", "a OK");
}

#[test]
fn check_says_what_is_wrong_and_rebuild_mends_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let dev = Running::dev(&["--data", data]);
    let mut smtp = dev.connect("smtp");
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask("MAIL FROM:<bob@example.org>", "250");
    smtp.ask("RCPT TO:<alice@localhost>", "250");
    smtp.ask("DATA", "354");
    smtp.ask("Subject: kept\r\n\r\nkept\r\n.", "250");
    let in_use = run(&mut postbell(&["check", "--data", data]));
    assert_eq!(code(&in_use), 1);
    assert!(stderr(&in_use).contains("in use"), "{}", stderr(&in_use));
    assert_eq!(code(&dev.terminate()), 0);

    let whole = stdout_lines(&run(&mut postbell(&["check", "--data", data])));
    assert_eq!(whole.last().map(String::as_str), Some("nothing is wrong"), "{whole:?}");
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    assert_eq!(code(&run(&mut postbell(&["check", "--data", data]))), 1);
    assert_eq!(code(&run(&mut postbell(&["check", "--data", data, "--rebuild"]))), 0);
    let whole = stdout_lines(&run(&mut postbell(&["check", "--data", data])));
    assert_eq!(whole.last().map(String::as_str), Some("nothing is wrong"), "{whole:?}");
    assert!(whole[0].contains("1 messages"), "{whole:?}");
}

#[test]
fn a_folder_without_a_store_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [folder.path().to_owned(), folder.path().join("misspelt")] {
        let data = folder.to_str().unwrap();
        for arguments in [
            &["account", "list"][..],
            &["account", "passwd", "alice@example.org", "--password-stdin"],
            &["account", "remove", "alice@example.org", "--yes"],
            &["check"],
            &["check", "--rebuild"],
            &["sieve", "get", "alice@example.org"],
            &["sieve", "remove", "alice@example.org"],
        ] {
            let output = run(postbell(arguments).args(["--data", data]));
            assert_eq!(code(&output), 1, "{arguments:?}");
            assert_eq!(stderr(&output), format!("postbell: there is no store in {data}\n"), "{arguments:?}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn serve_takes_mail_for_its_accounts_alone() {
    let site = Site::new();
    assert_eq!(code(&site.account_with_password("add", "alice@example.org", "secret")), 0);
    let server = site.serve();
    assert!(server.ready.get("pop3").is_none(), "an empty list turns a protocol off");
    let mut smtp = server.connect("smtp");
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask("MAIL FROM:<bob@elsewhere.example>", "250");
    smtp.ask("RCPT TO:<alice@example.org>", "250");
    smtp.ask("RCPT TO:<nobody@example.org>", "550");
    smtp.ask("RCPT TO:<alice@elsewhere.example>", "550");
}

#[test]
fn whoever_finds_no_place_is_told_so() {
    let site = Site::with("[sessions]\nmax_per_address = 2\nexempt_networks = []\n");
    let server = site.serve();
    let held = [server.connect("imap"), server.connect("smtp")];
    let address = |protocol: &str| server.ready[protocol].as_str().unwrap().to_owned();
    let refusal = "too many connections from your address";
    assert_eq!(Talk::connect(&address("imap")).line(), format!("* BYE {refusal}"));
    assert_eq!(Talk::connect(&address("smtp")).line(), format!("421 4.7.0 {refusal}"));
    drop(held);
    // The places come back when the server has seen the end of the two: soon, but not at once.
    let until = Instant::now() + DEADLINE;
    while !Talk::connect(&address("imap")).line().starts_with("* OK") {
        assert!(Instant::now() < until, "the places did not come back");
    }
}
