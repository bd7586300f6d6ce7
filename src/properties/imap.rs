//! Commands of IMAP: the framer and its literals, the grammar and its printer.

use super::{Choice, seeds};
use crate::imap::command::{Command, CommandBody};
use crate::imap::dialect::Dialect;
use crate::imap::framer::{Event, Framer, Limits};
use crate::imap::response::{Condition, Response};
use crate::imap::{parse, print};

/// Limits that an input can reach.
const SMALL: Limits = Limits { line: 200, literal: 100, command: 400, message: 300 };

fn dialect(choice: Choice) -> Dialect {
    Dialect { rev2: choice.has(0), utf8_accept: choice.has(1), uid_only: choice.has(2) }
}

/// - A stream is the same commands however it arrives.
/// - No command is longer than its limits have it, no message either; behind a `BYE` nothing comes.
/// - What is refused gets one line, and each command an answer.
pub(super) fn stream_frames_alike(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let limits = match (choice.has(3), choice.has(4)) {
        (true, _) => SMALL,
        (false, true) => Limits::after_login(1 << 20),
        (false, false) => Limits::BEFORE_LOGIN,
    };
    let events = choice.same_for_splits(octets, |pieces| frame(limits, dialect(choice), pieces));
    let mut message_octets = 0;
    for (number, event) in events.iter().enumerate() {
        match event {
            Event::Command(frame) | Event::Append(frame) | Event::MessageEnd(frame) => {
                // And the CRLF of a literal's head.
                assert!(frame.len() <= limits.command + 2, "{} octets", frame.len());
                message_octets = 0;
            }
            Event::Message(octets) => {
                message_octets += octets.len() as u64;
                assert!(message_octets <= octets.len() as u64, "pieces of a message are one event here");
            }
            Event::Line(line) => assert!(line.len() <= limits.line && !line.contains(&b'\n')),
            Event::Refused { status, close } => {
                assert_eq!(*close, status.condition == Condition::Bye);
                assert!(!close || number + 1 == events.len(), "something comes behind BYE");
                is_one_line(&Response::Status(status.clone()));
            }
            Event::Continue => {}
        }
    }
}

/// A session that takes every second length of APPEND.
fn frame(limits: Limits, dialect: Dialect, pieces: &[&[u8]]) -> Vec<Event> {
    let mut framer = Framer::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        framer.receive(piece.to_vec());
        while let Some(event) = framer.next_event() {
            match &event {
                Event::Command(frame) => match parse::command(frame, dialect) {
                    Ok(Command { body: CommandBody::Idle | CommandBody::Authenticate { .. }, .. }) => {
                        framer.expect_line()
                    }
                    Ok(_) => {}
                    Err(error) => {
                        assert!(error.position <= frame.len());
                        is_one_line(&Response::Status(error.status()));
                    }
                },
                Event::Append(frame) if frame.len().is_multiple_of(2) => framer.accept_message(),
                Event::Append(_) => framer.refuse_message(),
                _ => {}
            }
            match (events.last_mut(), event) {
                (Some(Event::Message(before)), Event::Message(octets)) => before.extend(octets),
                (_, event) => events.push(event),
            }
        }
    }
    events
}

fn is_one_line(response: &Response) {
    let mut out = Vec::new();
    print::response(&mut out, response, Dialect::REV1);
    let line = out.strip_suffix(b"\r\n").expect("a response ends with CRLF");
    assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "{}", out.escape_ascii());
}

/// A command that can be read is printed as one command, which is read as the same; what can't be read gets one line.
pub(super) fn command_reads_as_printed(input: &[u8]) {
    let (choice, frame) = Choice::of(input);
    let command = match parse::command(frame, dialect(choice)) {
        Ok(command) => command,
        Err(error) => {
            assert!(error.position <= frame.len());
            return is_one_line(&Response::Status(error.status()));
        }
    };
    let mut printed = Vec::new();
    print::command(&mut printed, &command);
    let mut framer = Framer::new(Limits::after_login(u64::MAX));
    framer.receive(printed.clone());
    let (Some(Event::Command(again) | Event::Append(again)), false) = (framer.next_event(), framer.has_unread()) else {
        panic!("this is not one command: {}", printed.escape_ascii());
    };
    assert_eq!(parse::command(&again, Dialect::REV1), Ok(command), "{}", printed.escape_ascii());
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let mut inputs = seeds::conversations("imap");
    inputs.push(b"a APPEND x {3}\r\nabc\r\nb NOOP\r\n".to_vec());
    inputs.push(
        b"a APPEND xy {3+}\r\nabc {2+}\r\nde\r\nb LOGIN {1}\r\na {1+}\r\nb\r\nc IDLE\r\ndone\r\nd NOOP\n\r\n".to_vec(),
    );
    seeds::with_choices(&[0x10, 0x08], &inputs)
}

pub(super) fn commands() -> Vec<Vec<u8>> {
    let mut inputs = seeds::lines("imap");
    inputs.retain(|line| line.len() < 2_000);
    inputs.push(b"a LOGIN {3+}\r\na\"b {2+}\r\n\\\\".to_vec());
    seeds::with_choices(&[0, 3], &inputs)
}
