//! COPY and MOVE (RFC 3501 §6.4.7, RFC 6851, RFC 9051 §6.4.7, §6.4.8), with COPYUID (RFC 4315 §3).
//!
//! Both are one commit: all that is there of what was named, or nothing. The bytes stay where they are.

use super::failure::Failure;
use super::messages::named;
use super::progress::Progress;
use super::{Context, Done, Outcome};
use crate::imap::command::Numbering;
use crate::imap::response::{Code, Status};
use crate::imap::sequence_set::SequenceSet;
use crate::imap::session::Selected;
use crate::store::{Copied, UidSet};

pub(super) async fn copy(cx: &mut Context<'_>, by: Numbering, set: &SequenceSet, target: &str) -> Outcome {
    let store = cx.store();
    let account = cx.account()?;
    let selected = cx.selected()?;
    let uids = present(selected, by, set)?;
    let target = store.mailbox(account, target).ok_or_else(|| Failure::no_target(target))?;
    let from = selected.mailbox.clone();
    let copying = store.copy(&from, &uids, &target);
    let copied = cx.patiently(&Progress::unknown(), copying).await?.map_err(Failure::in_target)?;
    Ok(match code(copied) {
        Some(code) => Done::ok("COPY done").with_code(code),
        None => Done::ok("Nothing to copy"),
    })
}

pub(super) async fn move_messages(cx: &mut Context<'_>, by: Numbering, set: &SequenceSet, target: &str) -> Outcome {
    let store = cx.store();
    let account = cx.account()?;
    let selected = cx.writable()?;
    let uids = present(selected, by, set)?;
    let target = store.mailbox(account, target).ok_or_else(|| Failure::no_target(target))?;
    let from = selected.mailbox.clone();
    let moving = store.move_messages(&from, &uids, &target);
    let moved = cx.patiently(&Progress::unknown(), moving).await?.map_err(Failure::in_target)?;
    // RFC 6851 §4.3: COPYUID goes ahead of the EXPUNGE responses, untagged, so that the client knows where each message
    // went before it loses sight of it.
    Ok(match code(moved) {
        Some(code) => {
            cx.put(Status::untagged_ok("Moved").with_code(code));
            Done::ok("MOVE done").expunged(true)
        }
        None => Done::ok("Nothing to move"),
    })
}

/// The messages that are named. By sequence number all of them must still be there: the client does not know yet which are
/// gone, and would take a part for the whole (RFC 2180 §4.4.1).
fn present(selected: &Selected, by: Numbering, set: &SequenceSet) -> Result<UidSet, Failure> {
    let uids = named(&selected.view, by, set)?;
    let gone = by == Numbering::Sequence && !uids.difference(&selected.mailbox.snapshot().uids).is_empty();
    if gone { Err(Failure::no(Code::ExpungeIssued, "Some of the messages are no longer there")) } else { Ok(uids) }
}

/// COPYUID, where there is something to tell.
fn code(copied: Copied) -> Option<Code> {
    let Copied { uid_validity, from, to } = copied;
    (!from.is_empty()).then_some(Code::CopyUid { uid_validity, from, to })
}
