//! STORE and UID STORE (RFC 3501 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).
//!
//! All messages change in one commit. The client is sent the new flags, or with `.SILENT` reckons them itself, which it can
//! do only if it knew the old ones: see [`View::acknowledge_silent`](crate::imap::view::View::acknowledge_silent).

use super::failure::Failure;
use super::messages::named;
use super::progress::Progress;
use super::{Context, Done, Outcome, condstore, flags};
use crate::imap::command::Numbering;
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::Code;
use crate::imap::sequence_set::SequenceSet;
use crate::imap::session::Selected;
use crate::store::{FlagAction, FlagNames, FlagsChanged, Message, ModSeq, UidSet};

/// What to change.
pub(super) struct Change {
    /// What `set` holds.
    pub(super) by: Numbering,
    /// The messages.
    pub(super) set: SequenceSet,
    /// Only those with no higher mod-sequence.
    pub(super) unchanged_since: Option<ModSeq>,
    /// How.
    pub(super) action: FlagAction,
    /// No flags in answer.
    pub(super) silent: bool,
    /// The flags.
    pub(super) flags: FlagNames,
}

pub(super) async fn run(cx: &mut Context<'_>, change: Change) -> Outcome {
    let store = cx.store();
    let uids = named(&cx.writable()?.view, change.by, &change.set)?;
    if change.unchanged_since.is_some() {
        condstore::enable(cx);
    }
    let selected = cx.writable()?;
    let before = if change.silent { selected.mailbox.messages(&uids) } else { Vec::new() };
    let Change { action, unchanged_since, .. } = change;
    let mailbox = selected.mailbox.clone();
    let changing = store.change_flags(&mailbox, &uids, action, change.flags.clone(), unchanged_since);
    let FlagsChanged { messages, modified } = cx.patiently(&Progress::unknown(), changing).await??;
    if change.silent {
        reckon(cx.selected()?, &before, &messages, &change);
    }
    answer(cx, &messages, change.by, change.silent).await?;
    // Why they were not changed (RFC 7162 §3.1.3), so that the client need not ask.
    let refused = cx.selected()?.mailbox.messages(&modified);
    answer(cx, &refused, change.by, false).await?;
    conclude(cx.selected()?, &change, &uids, &messages, modified)
}

/// The tagged answer.
fn conclude(selected: &Selected, change: &Change, uids: &UidSet, changed: &[Message], modified: UidSet) -> Outcome {
    // A client that numbers messages named one that is gone without its knowledge (RFC 2180 §4.2.2, §4.2.3); a UID that is
    // not there is passed over (RFC 3501 §6.4.8). With `.SILENT` what is gone needs no flags: that is no failure (RFC 2180
    // §4.2.1).
    let there = changed.len() + modified.len() as usize;
    let gone = change.by == Numbering::Sequence && !change.silent && there < uids.len() as usize;
    let code = (!modified.is_empty()).then(|| {
        Code::Modified(match change.by {
            Numbering::Uid => modified,
            Numbering::Sequence => modified.iter().filter_map(|uid| selected.view.sequence(uid)).collect(),
        })
    });
    match (code, gone) {
        // RFC 7162 §3.1.3, example 11
        (code, true) => {
            Err(Failure::no(code.unwrap_or(Code::ExpungeIssued), "Some of the messages are no longer there"))
        }
        (Some(code), false) => Ok(Done::ok("Some of the messages had changed").with_code(code)),
        (None, false) => Ok(Done::ok("STORE done")),
    }
}

/// Sends the flags that the messages have now; with `.SILENT` only what the client can't reckon, which after CONDSTORE is
/// the mod-sequence at least (RFC 7162 §3.1.3, §3.1.4.2).
async fn answer(cx: &mut Context<'_>, messages: &[Message], by: Numbering, silent: bool) -> Result<(), Failure> {
    let enabled = cx.session.enabled;
    if silent && !enabled.condstore {
        return Ok(());
    }
    let keywords = cx.keywords()?;
    for message in messages {
        // Not by `cx.selected()`, which would hold the output too.
        let selected = cx.session.selected().ok_or(Failure::Bad("select a mailbox first"))?;
        if let Some(sequence) = selected.view.sequence(message.uid) {
            let mut line = FetchWriter::begin(&mut cx.output, sequence, message.uid, enabled.dialect);
            if !silent || !selected.view.is_told(message) {
                line.flags(message.flags, &keywords, selected.view.is_recent(message.uid));
            }
            // The UID form implies that UIDs are told (RFC 3501 §6.4.8), and mod-sequences come with them (RFC 7162 §3.2.4).
            if by == Numbering::Uid || enabled.condstore {
                line.implied_uid(message.uid);
            }
            if enabled.condstore {
                line.mod_seq(message.mod_seq);
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
