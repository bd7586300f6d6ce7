//! The script that docs/OPERATIONS.md shows people does what they are told it does.

use super::{Known, path, script, show};
use crate::sieve::Mail;

const PAGE: &str = include_str!("../../../docs/OPERATIONS.md");

fn shown() -> &'static str {
    let (_, behind) = PAGE.split_once("```sieve\n").expect("a script");
    behind.split_once("```").expect("its end").0
}

#[test]
fn the_script_that_people_are_shown() {
    let script = script(shown());
    assert_eq!(script.warnings(), []);
    let known = Known(&[("INBOX", ""), ("Junk", "\\Junk")]);
    for (to, header, expected) in [
        ("alice", "Subject: dinner", "implicit keep"),
        ("alice", "List-Id: Rust <rust-users.example.org>\r\nFrom: boss@example.org", "Lists/Rust!"),
        ("alice+shop", "Subject: your parcel", "implicit keep \\Seen"),
        ("alice", "From: The Boss <boss@example.org>", "implicit keep \\Flagged"),
        ("alice", "From: boss@example.org\r\nList-Id: <x>", "implicit keep"),
        ("alice", "Subject: Make =?utf-8?q?money?= really fast", "\\Junk or Junk"),
    ] {
        let to = path(&format!("{to}@example.org"));
        let mail = Mail { header: header.as_bytes(), octets: 5, from: None, to: &to, separators: "+" };
        let outcome = script.run(&mail, &known);
        assert_eq!((show(&outcome.actions).as_str(), outcome.failure), (expected, None), "{header}");
    }
}
