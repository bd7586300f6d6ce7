//! POP3: whole sessions over three messages.

use std::time::Instant;

use bytes::Bytes;

use super::{Choice, seeds};
use crate::auth::sasl::Login;
use crate::auth::scram;
use crate::pop3::{Answer, Limits, Line, LoginRefused, Maildrop, Request, Security, Session, Step};
use crate::store::{BodyId, Date, Flags, Message, UidSet};

/// What lies in the maildrop, with UIDs from 1 on. None has a line that looks like a reply.
const MAIL: [&[u8]; 3] = [b"Subject: one\r\n\r\nHello\r\n", b"Subject: two\r\n\r\n.dot\r\n.\r\n..\r\nend", b"\r\n"];

/// - A conversation is the same however its octets come.
/// - What is said is lines with CRLF: replies, and lists that end with a dot (RFC 1939 §3).
/// - Messages are removed at QUIT alone, once, and behind that comes the end (RFC 1939 §6).
pub(super) fn session_answers_alike(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let (said, removed) = choice.same_for_splits(octets, |pieces| converse(choice, pieces));
    let said = String::from_utf8(said).expect("the messages are ASCII, and replies are");
    let mut in_list = false;
    for line in said.split_inclusive("\r\n") {
        let text = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} does not end with CRLF"));
        assert!(!text.contains(['\r', '\n', '\0']), "{line:?}");
        let is_reply = ["+OK", "-ERR", "+ "].iter().any(|word| text.starts_with(word));
        assert!(!(in_list && is_reply), "{line:?} in a list: {said}");
        in_list = !is_reply && text != ".";
    }
    assert!(!in_list, "a list has no end: {said}");
    if let Some(removed) = removed {
        assert!(removed.iter().all(|uid| uid as usize <= MAIL.len()));
        assert!(octets.to_ascii_uppercase().windows(4).any(|word| word == b"QUIT"));
    }
}

/// What was said, and what was removed.
fn converse(choice: Choice, pieces: &[&[u8]]) -> (Vec<u8>, Option<UidSet>) {
    let security = match choice.has(0) {
        true => Security::Tls,
        false => Security::Clear { stls: choice.has(1), plaintext_login: !choice.has(2) },
    };
    let now = Instant::now();
    let line = Line { security, scram: choice.has(3), channel: choice.has(4).then_some([7; 32]) };
    let mut session = Session::new("mail.example", line, Limits::default(), now);
    let (mut said, mut removed) = (Vec::new(), None);
    for piece in [&b""[..]].iter().chain(pieces) {
        session.receive(piece);
        loop {
            match session.poll(now) {
                Step::NeedInput => break,
                Step::Write(octets) => said.extend(octets),
                Step::Ask(request) => {
                    assert!(removed.is_none(), "{request:?} behind the removal");
                    if let Request::Remove(uids) = &request {
                        removed = Some(uids.clone());
                    }
                    session.answer(answer(request));
                }
                // What was sent ahead is dropped, so what follows depends on how it came (RFC 2595 §4).
                Step::StartTls | Step::Close => return (said, removed),
            }
        }
    }
    (said, removed)
}

fn answer(request: Request) -> Answer {
    match request {
        Request::Login(Login { name, .. }) if name == "bob" => Answer::Login(Err(LoginRefused::Credentials)),
        Request::Login(_) | Request::Open => Answer::Login(Ok(Maildrop::new(7, (1..).zip(MAIL).map(message)))),
        Request::Challenge(first) => Answer::Challenge(Ok(scram::challenge_for_tests(first))),
        Request::Prove(_) => Answer::Proved(Ok("dj1zaWc=".into())),
        Request::Downgrade(_) => Answer::Downgraded(Ok(Some(Vec::new()))),
        Request::Read { body, offset, len } => {
            let octets = MAIL[body.0 as usize - 1];
            let from = octets.len().min(offset as usize);
            Answer::Read(Ok(Bytes::from_static(&octets[from..octets.len().min(from.saturating_add(len))])))
        }
        Request::Remove(_) => Answer::Removed(Ok(())),
    }
}

fn message((uid, octets): (u32, &[u8])) -> Message {
    Message {
        uid,
        flags: Flags::NONE,
        mod_seq: 1,
        body: BodyId(uid.into()),
        size: octets.len() as u32,
        internal_date: Date { unix_s: 0, offset_min: 0 },
        save_date_unix_s: 0,
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let login = b"USER alice\r\nPASS secret\r\n".to_vec();
    let mut inputs = seeds::conversations("pop3");
    inputs.extend(seeds::conversations("pop3").into_iter().map(|said| [login.clone(), said].concat()));
    inputs.push([&login[..], b"UIDL\r\nLIST\r\nTOP 2 1\r\nRETR 2\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n"].concat());
    seeds::with_choices(&[0x00, 0x19], &inputs)
}
