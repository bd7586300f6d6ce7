//! REPLACE and UID REPLACE (RFC 8508 §3): a message comes in, and another leaves the selected mailbox, in one commit.
//!
//! Nothing of the old message goes over to the new one (§1). APPENDUID is told untagged, before the news bring EXPUNGE or
//! VANISHED (§4.3), so that a client knows the new message before it loses sight of the old. If the old one is gone, or can't
//! be removed, nothing comes in (§3.2).

use super::append::{code, target};
use super::compose::messages;
use super::failure::Failure;
use super::messages::named;
use super::progress::Progress;
use super::{Context, Done, Outcome, old_name};
use crate::imap::command::{Append, Numbering};
use crate::imap::response::{Code, Status};
use crate::imap::sequence_set::{SeqNumber, SequenceSet};
use crate::store::{Appended, Error, Message, Usage};

pub(super) async fn run(cx: &mut Context<'_>, by: Numbering, message: SeqNumber, append: Append) -> Outcome {
    let appended = replace(cx, by, message, append).await;
    if appended.is_err() {
        // Where a literal waits for a word. Else it does nothing.
        cx.client.framer().refuse_message();
    }
    cx.put(Status::untagged_ok("The new message is there").with_code(code(appended?)));
    Ok(Done::ok("REPLACE done").expunged(true))
}

async fn replace(cx: &mut Context<'_>, by: Numbering, message: SeqNumber, append: Append) -> Result<Appended, Failure> {
    let from = cx.writable()?.mailbox.clone();
    let Message { uid, size, .. } = replaced(cx, by, message)?;
    let target = target(cx, &append.mailbox)?;
    let leaving = Usage { octets: u64::from(size), messages: 1 };
    let messages = messages(cx, append.pieces, 1, target.account(), leaving).await?;
    let replacing = cx.store().append(&target, messages, Some((from, uid)));
    let appended = cx.patiently(&Progress::unknown(), replacing).await?.map_err(Failure::in_target)?;
    old_name::tell(cx, &append.mailbox)?;
    Ok(appended)
}

/// The message that is to leave. It must be there still: what replaces nothing is no replacement.
fn replaced(cx: &mut Context<'_>, by: Numbering, message: SeqNumber) -> Result<Message, Failure> {
    let selected = cx.selected()?;
    let set = SequenceSet::new([(message, message)]).ok_or(Failure::Bad("a message was expected"))?;
    let uid = named(&selected.view, by, &set)?.first();
    match uid.and_then(|uid| selected.mailbox.message(uid)) {
        Some(message) => Ok(message),
        None if by == Numbering::Uid => Err(Failure::no(Code::NonExistent, "There is no message with that UID")),
        None => Err(Error::Gone.into()),
    }
}
