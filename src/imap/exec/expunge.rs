//! EXPUNGE and UID EXPUNGE (RFC 3501 §6.4.3, RFC 4315 §2.1): messages with `\Deleted` go, all of them or those named.
//!
//! Only messages that the client was told of: one that came in a moment ago, `\Deleted` already, is not meant. The EXPUNGE
//! responses, or VANISHED (RFC 7162 §3.2.7, §3.2.9), are the news that follow.

use super::messages::named;
use super::progress::Progress;
use super::{Context, Done, Outcome};
use crate::imap::command::Numbering;
use crate::imap::sequence_set::SequenceSet;

pub(super) async fn run(cx: &mut Context<'_>, set: Option<&SequenceSet>) -> Outcome {
    let store = cx.store();
    let selected = cx.writable()?;
    let uids = match set {
        None => selected.view.known().clone(),
        Some(set) => named(&selected.view, Numbering::Uid, set)?,
    };
    let mailbox = selected.mailbox.clone();
    let expunged = cx.patiently(&Progress::unknown(), store.expunge(&mailbox, &uids, true)).await??;
    Ok(Done::ok("EXPUNGE done").expunged(!expunged.is_empty()))
}
