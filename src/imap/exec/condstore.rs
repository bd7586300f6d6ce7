//! CONDSTORE and QRESYNC (RFC 7162): what makes a client aware of mod-sequences, and what it is told from then on.
//!
//! Mod-sequences are kept whether anybody asks or not, so NOMODSEQ is never said. What a client has enabled stays until the
//! connection ends (§3.1). A message has one mod-sequence for all its flags.

use super::Context;
use crate::imap::response::{Code, Status};
use crate::imap::session::Session;
use crate::store::ModSeq;

/// A CONDSTORE enabling command has come. The first one with a mailbox selected is told its HIGHESTMODSEQ (RFC 7162 §3.1).
pub(super) fn enable(cx: &mut Context<'_>) {
    if std::mem::replace(&mut cx.session.enabled.condstore, true) {
        return;
    }
    if let Some(mod_seq) = cx.session.selected().map(|selected| selected.view.safe_mod_seq()) {
        cx.put(highest_mod_seq(mod_seq));
    }
}

/// `ENABLE QRESYNC` is a CONDSTORE enabling command too (RFC 7162 §3.2.3).
pub(super) fn enable_qresync(cx: &mut Context<'_>) {
    enable(cx);
    cx.session.enabled.qresync = true;
}

/// `* OK [HIGHESTMODSEQ n]`
pub(super) fn highest_mod_seq(mod_seq: ModSeq) -> Status {
    Status::untagged_ok("The highest mod-sequence").with_code(Code::HighestModSeq(mod_seq))
}

/// What the tagged OK says when messages left the selected mailbox, and the client was told of all of them (RFC 7162
/// §3.2.7, §3.2.9).
pub(super) fn code_after_expunge(session: &mut Session) -> Option<Code> {
    let qresync = session.enabled.qresync;
    let selected = session.selected().filter(|_| qresync)?;
    Some(Code::HighestModSeq(selected.view.safe_mod_seq()))
}
