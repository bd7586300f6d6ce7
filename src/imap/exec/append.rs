//! APPEND (RFC 3501 §6.3.11), with APPENDUID (RFC 4315 §3) and literal8 (RFC 3516 §4.4).
//!
//! The message goes from the client into the store in pieces: nothing here holds it. What can be refused is refused
//! before `+`, so that a client that waits for it sends nothing in vain.

use std::sync::Arc;

use super::failure::Failure;
use super::{Context, Done, Outcome};
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
    let body = receive(cx, append.message.binary).await?;
    let message = NewMessage { body, internal_date: append.internal_date };
    let placement = Placement { mailbox: target, flags: append.flags };
    let delivered = cx.store().deliver(message, vec![placement]).await.map_err(Failure::in_target)?;
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
async fn receive(cx: &mut Context<'_>, binary: bool) -> Result<Incoming, Failure> {
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
