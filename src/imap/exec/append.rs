//! APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315 §3), literal8 (RFC 3516 §4.4) and UTF8 (RFC 6855 §4).
//!
//! A client that has enabled neither UTF8=ACCEPT nor IMAP4rev2 may not put octets above 127 into the header of a message
//! (RFC 6855 §4). Others may, and are not held to say `UTF8 (…)` around it: IMAP4rev2 knows no such form (RFC 9051 §6.3.12).
//!
//! The message goes from the client into the store in pieces: nothing here holds it. What can be refused is refused
//! before `+`, so that a client that waits for it sends nothing in vain.

use std::sync::Arc;

use super::failure::Failure;
use super::{Context, Done, Outcome, old_name};
use crate::imap::command::Append;
use crate::imap::framer::Event;
use crate::imap::response::{Code, Response};
use crate::store::{Incoming, Mailbox, NewMessage, Placement, UidSet, Usage};

pub(super) async fn run(cx: &mut Context<'_>, append: Append) -> Outcome {
    let target = match target(cx, &append.mailbox).and_then(|target| {
        // The committer has the last word; a client that waits for `+` sends nothing in vain.
        let more = Usage { octets: append.message.octets, messages: 1 };
        cx.store().room(target.account(), more)?;
        Ok(target)
    }) {
        Ok(target) => target,
        Err(failure) => {
            cx.client.framer().refuse_message();
            return Err(failure);
        }
    };
    cx.client.framer().accept_message();
    let header = if cx.session.enabled.dialect.utf8() { None } else { Some(HeaderWatch::default()) };
    let body = receive(cx, append.message.binary, header).await?;
    let message = NewMessage { body, internal_date: append.internal_date };
    let placement = Placement { mailbox: target, flags: append.flags };
    let delivered = cx.store().deliver(message, vec![placement]).await.map_err(Failure::in_target)?;
    old_name::tell(cx, &append.mailbox)?;
    let done = Done::ok("APPEND done");
    Ok(match delivered.places.first() {
        Some(place) => {
            let uids = UidSet::range(place.uid, place.uid);
            done.with_code(Code::AppendUid { uid_validity: place.uid_validity, uids })
        }
        None => done,
    })
}

fn target(cx: &Context<'_>, name: &str) -> Result<Arc<Mailbox>, Failure> {
    cx.store().mailbox(cx.account()?, name).ok_or_else(|| Failure::no_target(name))
}

/// Takes the message. When the store won't, the rest of it is read all the same: it would else be taken for commands.
/// `header`: watches that it is ASCII, where it has to be.
async fn receive(cx: &mut Context<'_>, binary: bool, mut header: Option<HeaderWatch>) -> Result<Incoming, Failure> {
    let mut body = cx.store().incoming();
    let mut trouble = None;
    loop {
        match cx.event().await? {
            Event::Continue => cx.put(Response::Continue("Ready for the message".into())),
            Event::Message(_) if trouble.is_some() => {}
            Event::Message(octets) => {
                if !binary && octets.contains(&0) {
                    // RFC 3501 §4.3: a literal is CHAR8, which NUL is not.
                    trouble = Some(Failure::Bad("A message with NUL needs a literal8 (RFC 3516)"));
                } else if header.as_mut().is_some_and(|header| header.has_8bit(&octets)) {
                    let text = "ENABLE UTF8=ACCEPT goes before a header with octets above 127 (RFC 6855)".into();
                    trouble = Some(Failure::No { code: None, text });
                } else if let Err(error) = body.push(&octets).await {
                    trouble = Some(error.into());
                }
            }
            Event::MessageEnd => return trouble.map_or(Ok(body), Err),
            Event::Refused { status, close } => return Err(Failure::Refused { status: Box::new(status), close }),
            // The framer hands out nothing else while a message is on its way.
            Event::Command(_) | Event::Append(_) | Event::Line(_) => {
                return Err(Failure::Bad("A message was expected"));
            }
        }
    }
}

/// Looks at a message that comes in pieces, up to the blank line behind its header.
#[derive(Debug)]
struct HeaderWatch {
    /// The header is over.
    done: bool,
    /// Nothing but a CR stands in this line yet.
    at_line_start: bool,
}

impl Default for HeaderWatch {
    fn default() -> Self {
        Self { done: false, at_line_start: true }
    }
}

impl HeaderWatch {
    /// Whether the header has an octet above 127 in this piece. A line ends with CRLF or with LF, as everywhere in messages.
    fn has_8bit(&mut self, piece: &[u8]) -> bool {
        if self.done {
            return false;
        }
        for octet in piece {
            match octet {
                b'\n' if self.at_line_start => {
                    self.done = true;
                    return false;
                }
                b'\n' => self.at_line_start = true,
                b'\r' => {}
                128.. => return true,
                _ => self.at_line_start = false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_with_the_blank_line_however_it_is_split() {
        let has_8bit = |message: &[u8], piece: usize| {
            let mut watch = HeaderWatch::default();
            message.chunks(piece).any(|piece| watch.has_8bit(piece))
        };
        for piece in [1, 2, 3, 100] {
            assert!(!has_8bit("A: a\r\nB: b\r\n\r\nä\r\n".as_bytes(), piece));
            assert!(!has_8bit("A: a\n\nä".as_bytes(), piece));
            assert!(!has_8bit("\r\nä".as_bytes(), piece));
            assert!(has_8bit("A: a\r\nB: ä\r\n\r\nx".as_bytes(), piece));
            assert!(has_8bit("A: a\r\n ä".as_bytes(), piece));
        }
    }
}
