//! Tables of good and bad lines for each command.

use std::num::NonZeroU32;

use super::*;
use crate::imap::command::*;
use crate::imap::response::{Code, Condition};
use crate::imap::sequence_set::{SeqNumber, SequenceSet};
use crate::message::date::Civil;
use crate::message::{Section, SectionText};
use crate::store::{Date, FlagAction, FlagNames, Flags, UidSet};

mod append;
mod condstore;
mod mailboxes;
mod messages;
mod round_trip;
mod search;

fn good(line: &str) -> CommandBody {
    match command(format!("a1 {line}").as_bytes(), Dialect::REV1) {
        Ok(command) => command.body,
        Err(error) => panic!("{line:?}: {error:?}"),
    }
}

fn error(line: &str) -> ParseError {
    match command(line.as_bytes(), Dialect::REV1) {
        Ok(command) => panic!("{line:?}: {command:?}"),
        Err(error) => error,
    }
}

/// All lines are BAD, tagged.
fn all_bad(lines: &[&str]) {
    for line in lines {
        let status = error(&format!("a1 {line}")).status();
        assert_eq!(status.condition, Condition::Bad, "{line:?}");
        assert_eq!(status.tag.map(|tag| tag.to_string()).as_deref(), Some("a1"), "{line:?}");
    }
}

/// 0 is `*`.
fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let number = |n| NonZeroU32::new(n).map_or(SeqNumber::Largest, SeqNumber::Number);
    SequenceSet::new(ranges.iter().map(|(from, to)| (number(*from), number(*to)))).unwrap()
}

#[test]
fn commands_without_arguments() {
    let table = [
        ("CAPABILITY", CommandBody::Capability),
        ("noop", CommandBody::Noop),
        ("Logout", CommandBody::Logout),
        ("STARTTLS", CommandBody::StartTls),
        ("NAMESPACE", CommandBody::Namespace),
        ("IDLE", CommandBody::Idle),
        ("CHECK", CommandBody::Check),
        ("CLOSE", CommandBody::Close),
        ("UNAUTHENTICATE", CommandBody::Unauthenticate),
        ("COMPRESS DEFLATE", CommandBody::Compress),
        ("compress Deflate", CommandBody::Compress),
        ("UNSELECT", CommandBody::Unselect),
        ("EXPUNGE", CommandBody::Expunge),
    ];
    for (line, body) in table {
        assert_eq!(good(line), body);
        all_bad(&[&format!("{line} "), &format!("{line} x"), &format!(" {line}")]);
    }
}

#[test]
fn an_unknown_command_is_not_a_bad_argument() {
    for line in ["a1 XYZZY", "a1 SELECT2 INBOX", "a1 UIDFETCH 1 FLAGS", "a1 FOO_BAR"] {
        let error = error(line);
        assert_eq!(error.fault, Fault::UnknownCommand, "{line}");
        assert_eq!(error.status().text, "Unknown command");
    }
    assert_eq!(error("a1 SELECT").status().text, "Expected a space at octet 10");
    assert_eq!(error("a1 SELECT (").status().text, "Expected a mailbox name at octet 11");
    assert_eq!(
        error("a1 UID NOOP").fault,
        Fault::Expected("COPY, EXPUNGE, FETCH, MOVE, REPLACE, SEARCH, SORT, STORE or THREAD")
    );
    assert_eq!(error("a1").status().text, "Expected a space at octet 3");
    assert_eq!(error("a1 ").fault, Fault::Expected("a command"));
}

#[test]
fn without_a_tag_the_answer_has_none() {
    for line in ["", " NOOP", "+ NOOP", "a+ NOOP", "* OK", "a(b NOOP", "\u{e4} NOOP", "a\tNOOP"] {
        let status = error(line).status();
        assert_eq!((status.tag, status.condition), (None, Condition::Bad), "{line:?}");
    }
}

#[test]
fn login_and_authenticate() {
    let login = |user: &str, password: &str| CommandBody::Login {
        user: user.as_bytes().to_vec(),
        password: Secret(password.as_bytes().to_vec()),
    };
    assert_eq!(good("LOGIN alice secret"), login("alice", "secret"));
    assert_eq!(good("login \"al\\\"ice\" {3+}\r\na b"), login("al\"ice", "a b"));
    assert_eq!(good("LOGIN {5}\r\nalice \"\""), login("alice", ""));
    assert_eq!(good("LOGIN alice p]w"), login("alice", "p]w"));
    let plain = |initial_response: Option<&[u8]>| CommandBody::Authenticate {
        mechanism: "PLAIN".to_owned(),
        initial_response: initial_response.map(|octets| Secret(octets.to_vec())),
    };
    assert_eq!(good("AUTHENTICATE plain"), plain(None));
    assert_eq!(good("AUTHENTICATE PLAIN AGFsaWNlAHB3"), plain(Some(b"AGFsaWNlAHB3")));
    assert_eq!(good("AUTHENTICATE PLAIN ="), plain(Some(b"=")));
    all_bad(&[
        "LOGIN",
        "LOGIN alice",
        "LOGIN alice ",
        "LOGIN alice secret more",
        "LOGIN  alice secret",
        "LOGIN alice pass*word",
        "LOGIN alice \"secret",
        "LOGIN alice (secret)",
        "AUTHENTICATE",
        "AUTHENTICATE PLAIN ",
        "AUTHENTICATE PLAIN AGFs*WNl",
    ]);
}

#[test]
fn a_log_shows_no_password() {
    let command = command(b"a1 LOGIN alice hunter2", Dialect::REV1).unwrap();
    assert!(!format!("{command:?}").contains("hunter2"));
}

#[test]
fn id_and_enable() {
    assert_eq!(good("ID NIL"), CommandBody::Id(Vec::new()));
    assert_eq!(good("ID ()"), CommandBody::Id(Vec::new()));
    let fields = vec![("name".to_owned(), Some("x".to_owned())), ("os".to_owned(), None)];
    assert_eq!(good("ID (\"name\" \"x\" \"os\" NIL)"), CommandBody::Id(fields));
    assert_eq!(good("ENABLE condstore X"), CommandBody::Enable(vec!["CONDSTORE".to_owned(), "X".to_owned()]));
    let many = |count: usize| format!("ID ({})", vec!["\"a\" NIL"; count].join(" "));
    good(&many(30));
    all_bad(&[
        "ID",
        "ID (name \"x\")",
        "ID (\"name\")",
        "ID NIL NIL",
        &many(31),
        &format!("ID (\"{}\" NIL)", "n".repeat(31)),
        &format!("ID (\"n\" \"{}\")", "v".repeat(1025)),
        "ENABLE",
        "ENABLE (CONDSTORE)",
    ]);
}

#[test]
fn done_in_any_case() {
    assert!(is_done(b"DONE") && is_done(b"done"));
    assert!(!is_done(b"DONE ") && !is_done(b"") && !is_done(b"a DONE"));
}
