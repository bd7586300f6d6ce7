//! STORE and UID STORE (RFC 3501 §6.4.6).
//!
//! All messages change in one commit. The client is sent the new flags, or with `.SILENT` reckons them itself, which it can
//! do only if it knew the old ones: see [`View::acknowledge_silent`](crate::imap::view::View::acknowledge_silent).

use super::failure::Failure;
use super::messages::named;
use super::{Context, Done, Outcome, flags};
use crate::imap::command::Numbering;
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::Code;
use crate::imap::sequence_set::SequenceSet;
use crate::imap::session::Selected;
use crate::store::{FlagAction, FlagNames, Message};

/// What to change.
pub(super) struct Change {
    /// What `set` holds.
    pub(super) by: Numbering,
    /// The messages.
    pub(super) set: SequenceSet,
    /// How.
    pub(super) action: FlagAction,
    /// No FETCH in answer.
    pub(super) silent: bool,
    /// The flags.
    pub(super) flags: FlagNames,
}

pub(super) async fn run(cx: &mut Context<'_>, change: Change) -> Outcome {
    let store = cx.store();
    let selected = cx.writable()?;
    let uids = named(&selected.view, change.by, &change.set)?;
    let before = if change.silent { selected.mailbox.messages(&uids) } else { Vec::new() };
    let changed =
        store.change_flags(&selected.mailbox, &uids, change.action, change.flags.clone(), None).await?.messages;
    if change.silent {
        // Whatever is gone needs no flags: that is no failure (RFC 2180 §4.2.1).
        reckon(selected, &before, &changed, &change);
        return Ok(Done::ok("STORE done"));
    }
    answer(cx, &changed, change.by).await?;
    // A client that numbers messages named one that is gone without its knowledge (RFC 2180 §4.2.2, §4.2.3); a UID that is
    // not there is passed over (RFC 3501 §6.4.8).
    if change.by == Numbering::Sequence && changed.len() < uids.len() as usize {
        return Err(Failure::no(Code::ExpungeIssued, "Some of the messages are no longer there"));
    }
    Ok(Done::ok("STORE done"))
}

/// Sends the flags that the messages have now.
async fn answer(cx: &mut Context<'_>, changed: &[Message], by: Numbering) -> Result<(), Failure> {
    let keywords = cx.keywords()?;
    for message in changed {
        // Not by `cx.selected()`, which would hold the output too.
        let selected = cx.session.selected().ok_or(Failure::Bad("select a mailbox first"))?;
        if let Some(sequence) = selected.view.sequence(message.uid) {
            let mut line = FetchWriter::begin(&mut cx.output, sequence);
            line.flags(message.flags, &keywords, selected.view.is_recent(message.uid));
            // The UID form implies that UIDs are told (RFC 3501 §6.4.8).
            if by == Numbering::Uid {
                line.uid(message.uid);
            }
            line.end();
            selected.view.acknowledge(message);
        }
        cx.step().await?;
    }
    Ok(())
}

/// What the client knows without being told; the rest is among the news.
fn reckon(selected: &mut Selected, before: &[Message], changed: &[Message], change: &Change) {
    let bits = flags::bits(&change.flags, &selected.mailbox.head().keywords);
    let mut before = before.iter().peekable();
    for after in changed {
        while before.next_if(|message| message.uid < after.uid).is_some() {}
        if let Some(message) = before.next_if(|message| message.uid == after.uid) {
            selected.view.acknowledge_silent(message, after, change.action, bits);
        }
    }
}
