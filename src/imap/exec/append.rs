//! APPEND (RFC 3501 §6.3.11) of one message or several (RFC 3502 §6.3.11), with APPENDUID (RFC 4315 §3), literal8 (RFC
//! 3516 §4.4), UTF8 (RFC 6855 §4) and CATENATE (RFC 4469).
//!
//! A header with octets above 127 is taken from every client, whatever it has enabled and whether it says `UTF8 (…)` or not.
//! RFC 6855 §4 would have it refused before `ENABLE UTF8=ACCEPT`; but much old mail has such headers, and who moves it here
//! must not lose it. It is kept as it came, and shown in literals.
//!
//! All of its messages come in, in one commit, or none. What can be refused is refused before `+`, so that a client that
//! waits for it sends nothing in vain.

use std::sync::Arc;

use super::compose::{MESSAGES_MAX, messages};
use super::failure::Failure;
use super::progress::Progress;
use super::{Context, Done, Outcome, old_name};
use crate::imap::command::Append;
use crate::imap::response::Code;
use crate::store::{Appended, Appending, Error, Mailbox, Placement, Store, Usage};

pub(super) async fn run(cx: &mut Context<'_>, append: Append) -> Outcome {
    let appended = append_all(cx, append).await;
    if appended.is_err() {
        // Where a literal waits for a word. Else it does nothing.
        cx.client.framer().refuse_message();
    }
    Ok(Done::ok("APPEND done").with_code(code(appended?)))
}

async fn append_all(cx: &mut Context<'_>, append: Append) -> Result<Appended, Failure> {
    let target = target(cx, &append.mailbox)?;
    let account = target.account();
    let messages = messages(cx, append.pieces, MESSAGES_MAX, account, Usage::default()).await?;
    let storing = store(cx.store(), target, messages);
    let appended = cx.patiently(&Progress::unknown(), storing).await?.map_err(Failure::in_target)?;
    old_name::tell(cx, &append.mailbox)?;
    Ok(appended)
}

/// The mailbox that messages are to come to.
pub(super) fn target(cx: &Context<'_>, name: &str) -> Result<Arc<Mailbox>, Failure> {
    cx.store().mailbox(cx.account()?, name).ok_or_else(|| Failure::no_target(name))
}

/// APPENDUID: the UIDs are in the order of the messages, which is ascending (RFC 3502,
/// "MULTIAPPEND Interaction with UIDPLUS Extension").
pub(super) fn code(appended: Appended) -> Code {
    let Appended { uid_validity, uids } = appended;
    Code::AppendUid { uid_validity, uids: uids.into_iter().collect() }
}

/// One message is a delivery like others; several are more than that.
async fn store(store: &Store, target: Arc<Mailbox>, mut messages: Vec<Appending>) -> Result<Appended, Error> {
    match messages.pop() {
        Some(Appending { message, flags }) if messages.is_empty() => {
            let delivered = store.deliver(message, vec![Placement { mailbox: target, flags }]).await?;
            let uid_validity = delivered.places.first().map_or(0, |place| place.uid_validity);
            Ok(Appended { uid_validity, uids: delivered.places.iter().map(|place| place.uid).collect() })
        }
        last => {
            messages.extend(last);
            store.append(&target, messages, None).await
        }
    }
}
