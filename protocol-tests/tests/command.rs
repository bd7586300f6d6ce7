//! The command as people and programs run it: exit codes, sentences, formats. The server is a few lines of POP3, and wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};

/// What it says to a line that begins so; it knows no `STAT` (RFC 1939 §5).
const ANSWERS: [(&str, &str); 7] = [
    ("CAPA", "+OK\r\nUSER\r\n.\r\n"),
    ("USER", "+OK\r\n"),
    ("PASS wrong", "-ERR no\r\n"),
    ("PASS", "+OK\r\n"),
    ("NOOP", "+OK\r\n"),
    ("QUIT", "+OK bye\r\n"),
    ("", "-ERR what\r\n"),
];

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    writer.write_all(b"+OK hello\r\n")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer = ANSWERS.iter().find(|(word, _)| line.starts_with(word)).map_or("", |(_, answer)| answer);
        writer.write_all(answer.as_bytes())?;
        if line.starts_with("QUIT") {
            break;
        }
    }
    Ok(())
}

fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_protocol-tests")).args(arguments).output().unwrap()
}

/// One sentence on standard error, nothing on standard output, and 2.
#[track_caller]
fn cannot_run(arguments: &[&str], sentence: &str) {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(sentence), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_be_run_is_told_in_a_sentence() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let place = format!("localhost:{}", server().port());
    cannot_run(&["run"], "no address: say where the server is");
    cannot_run(&["run", "--imap", &nobody], &format!("imap: nothing listens at {nobody}"));
    cannot_run(&["run", "--imap", "localhost"], "\"localhost\" is not HOST:PORT");
    cannot_run(&["run", "--pop3", &place, "pop3/sesion"], "did you mean");
    cannot_run(&["run", "--pop3", &place, "--user", "alice"], "say --empty if that may be");
    cannot_run(&["run", "--pop3", &place, "--password", "wrong"], "does not let");
    cannot_run(&["run", "--pop3", &place, "--deliver", "lmtp"], "delivered by lmtp");
    cannot_run(&["run", "--pop3", &place, "--deliver", "pop3"], "nobody delivers mail by pop3");
    cannot_run(&["run", "--pop3", &place, "--patience", "0"], "stretched by 0");
    cannot_run(&["run", "--pop3", &place, "--patience", "1e30"], "up to 1000 is enough");
    cannot_run(&["run", "--pop3", &place, "--users", "a,b,a", "--empty"], "a is named twice");
    cannot_run(&["run", "--pop3", &place, "--users", "a,", "--empty"], "without a name");
    cannot_run(&["run", "--pop3", &place, "--level", "own"], "nobody else is held to");
    cannot_run(&["run", "--pop3", &place, "--output", "nowhere/report"], "nowhere/report");
    cannot_run(&["run", "--profile", "nowhere.toml"], "nowhere.toml");
    cannot_run(&["explain", "pop3/session/user-paas"], "did you mean");
}

#[test]
fn the_exit_code_says_whether_something_failed_and_what_is_not_offered_does_not_pass() {
    let place = format!("localhost:{}", server().port());
    let passes = ["run", "--pop3", &place, "pop3/session/unknown-command"];
    let output = run(&passes);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let output = run(&["run", "--pop3", &place, "push/idle/delivery-rings"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "who has asked nothing has no reason to be content");
    assert!(said.contains("0 passed, 0 failed, 1 not offered"), "{said}");
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("nothing was run: no case is offered, the first for want of imap")
    );
    let output = run(&["run", "--pop3", &place, "pop3/session/user-pass"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn programs_read_json_with_a_version() {
    let place = format!("localhost:{}", server().port());
    let output =
        run(&["run", "--pop3", &place, "--format", "json", "pop3/session/unknown-command", "push/idle/delivery-rings"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["summary"]["not-offered"], 1);
    let outcomes: Vec<&str> =
        report["cases"].as_array().unwrap().iter().map(|case| case["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["passed", "not-offered"]);
    assert_eq!(report["cases"][1]["reason"], "imap");
}

#[test]
fn each_conversation_is_shown_to_who_asks() {
    let place = format!("localhost:{}", server().port());
    let said = |flag: &[&str]| {
        let arguments = [&["run", "--pop3", &place][..], flag, &["pop3/session/unknown-command"]].concat();
        String::from_utf8(run(&arguments).stdout).unwrap()
    };
    assert!(said(&["-v"]).contains("→ NOOP"), "{}", said(&["-v"]));
    assert!(!said(&[]).contains("→ NOOP"));
}
