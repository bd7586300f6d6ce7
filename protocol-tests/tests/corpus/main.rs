//! Real-life and hostile messages through a running server: in over each door, out over each road, octet for octet; with
//! envelopes and structures that agree with the octets; and none, however broken, stops the server, holds it up, or takes
//! more than a stated amount of its memory.
//!
//! ```text
//! cargo test --test corpus
//! ```
//! The messages are those of `fixtures/`, and some that are large or repeat themselves: those are made here.

mod doors;
mod hostile;
mod server;
mod structure;

use std::path::Path;

use protocol_tests::imap::value::{Kind, Response, Value};

use doors::Door;
use server::{Imap, Server};

/// The messages of `fixtures/` and their names.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut messages = Vec::new();
    for folder in ["messages", "real-life", "broken"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            messages.push((name, std::fs::read(path).unwrap()));
        }
    }
    messages.sort();
    assert!(messages.len() > 150, "the corpus is not there");
    messages
}

#[test]
fn each_message_comes_out_as_it_went_in() {
    let messages = fixtures();
    let mut server = Server::start(&Door::ALL.map(Door::user));
    for door in Door::ALL {
        door.bring_in(&server, &messages);
        let out = doors::take_out(&server, door.user());
        let stored: Vec<_> =
            messages.iter().filter_map(|(name, message)| Some((name, door.stored(message)?))).collect();
        assert_eq!(out.len(), stored.len(), "{door:?}");
        for (out, (name, stored)) in out.iter().zip(&stored) {
            let trace = out.strip_suffix(&**stored).unwrap_or_else(|| panic!("{name} by {door:?} is another"));
            assert!(is_trace(trace, door), "{name} by {door:?}: {:?}", String::from_utf8_lossy(trace));
        }
    }
    assert!(server.is_alive());
}

/// What a door puts before a message: whole fields (RFC 5321 §4.4), and APPEND nothing.
fn is_trace(octets: &[u8], door: Door) -> bool {
    if door == Door::Append {
        return octets.is_empty();
    }
    let text = std::str::from_utf8(octets).unwrap();
    let is_line = |line: &str| {
        let names = ["Return-Path: ", "Received: ", "Received-SPF: ", "Authentication-Results: "];
        line.ends_with("\r\n") && (line.starts_with([' ', '\t']) || names.iter().any(|name| line.starts_with(name)))
    };
    text.starts_with("Return-Path: <a@example.net>\r\nReceived: ") && text.split_inclusive('\n').all(is_line)
}

#[test]
fn envelopes_and_structures_agree_with_the_octets() {
    let messages = fixtures();
    let server = Server::start(&["append"]);
    Door::Append.bring_in(&server, &messages);
    let stored: Vec<_> = messages.iter().filter(|(_, message)| Door::Append.stored(message).is_some()).collect();
    let mut imap = Imap::log_in(&server, "append");
    imap.command("EXAMINE INBOX");
    for (number, (name, _)) in (1..).zip(&stored) {
        structure::check(&mut imap, number, name);
    }
    let count = stored.len();
    for command in [
        "SORT (ARRIVAL) UTF-8 ALL",
        "SORT (SUBJECT DATE FROM TO CC SIZE) UTF-8 ALL",
        "SORT (DISPLAYFROM DISPLAYTO) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "THREAD ORDEREDSUBJECT UTF-8 ALL",
        "SEARCH NOT TEXT zzqzzqzz",
        "SEARCH NOT OR BODY zzqzzqzz OR SUBJECT zzqzzqzz OR FROM zzqzzqzz HEADER X-None zzqzzqzz",
        "SEARCH OR SENTSINCE 1-Jan-1990 NOT SENTSINCE 1-Jan-1990",
    ] {
        let numbers: usize = imap.command(command).iter().map(numbers_of).sum();
        assert_eq!(numbers, count, "{command} names each message once");
    }
    let previews = imap.command("FETCH 1:* (PREVIEW)");
    assert_eq!(previews.iter().filter(|response| response.word(1).as_deref() == Some("FETCH")).count(), count);
}

/// How many numbers a response to SEARCH, SORT or THREAD has.
fn numbers_of(response: &Response) -> usize {
    fn count(value: &Value) -> usize {
        match value {
            Value::List(values) => values.iter().map(count).sum(),
            Value::Atom(atom) => usize::from(atom.iter().all(u8::is_ascii_digit)),
            _ => 0,
        }
    }
    let is_one =
        response.kind == Kind::Untagged && matches!(response.word(0).as_deref(), Some("SEARCH" | "SORT" | "THREAD"));
    if is_one { response.values[1..].iter().map(count).sum() } else { 0 }
}
