//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2), with the parameters of RFC 7162 (§3.1.8, §3.2.5). A client of IMAP4rev2 is
//! told LIST, and neither RECENT nor UNSEEN (RFC 9051 §6.3.2).
//!
//! The session takes its bell before its first look ([`notify`](crate::notify)), and keeps it for as long as the mailbox is
//! selected: what happens after the snapshot is news for the next command, or for IDLE.

use std::sync::Arc;

use super::failure::Failure;
use super::messages::{BATCH, batches};
use super::{Context, Done, Outcome, condstore, flags, list, old_name, resync};
use crate::imap::command::SelectParameters;
use crate::imap::response::{Code, Data, ListEntry, Status};
use crate::imap::session::{Selected, State};
use crate::imap::view::View;
use crate::store::{Bell, Error, Flags, OpenMailbox, Snapshot};

pub(super) async fn run(cx: &mut Context<'_>, name: &str, parameters: SelectParameters, read_only: bool) -> Outcome {
    if parameters.resync.is_some() && !cx.session.enabled.qresync {
        // RFC 7162 §3.2.5; nothing has changed yet.
        return Err(Failure::Bad("ENABLE QRESYNC first"));
    }
    // Whatever was selected is left first, so that after a SELECT that fails no mailbox is selected (RFC 3501 §6.3.1).
    if cx.session.selected().is_some() {
        cx.session.unselect();
        // What follows is of another mailbox (RFC 7162 §3.2.11).
        cx.put(Status::untagged_ok("The mailbox that was selected is closed").with_code(Code::Closed));
    }
    if parameters.condstore {
        condstore::enable(cx);
    }
    let State::Authenticated(account) = &cx.session.state else { return Err(Failure::Bad("log in first")) };
    let account = Arc::clone(account);
    let store = cx.store();
    let mailbox = store.mailbox(account.id, name).ok_or(Error::NoSuchMailbox)?;
    let bell = store.hub().listen(Bell::Mailbox(mailbox.id()));
    let mailbox = store.open_mailbox(&mailbox).await?;
    // The claim comes first: what arrives between claim and snapshot is recent here, and perhaps elsewhere too, which
    // RFC 3501 §2.3.2 prefers to nowhere. EXAMINE takes nothing (§6.3.2).
    let dialect = cx.session.enabled.dialect;
    let claimed = (!read_only && !dialect.rev2).then(|| store.claim_recent(&mailbox));
    let snapshot = mailbox.snapshot();
    if snapshot.head.gone {
        return Err(Error::NoSuchMailbox.into());
    }
    let mut view = View::new(&snapshot, claimed.unwrap_or(snapshot.head.first_recent_uid));
    if dialect.rev2 {
        view.forget_recent();
    }
    // UNSEEN is a sequence number, and is gone from IMAP4rev2 (RFC 9586 §3, RFC 9051 §6.3.2, appendix E).
    let tells_unseen = !dialect.rev2 && !dialect.uid_only;
    let unseen = if tells_unseen { first_unseen(&mailbox, &snapshot) } else { None };

    let head = &snapshot.head;
    cx.put(flags::flags(&head.keywords));
    cx.put(Data::Exists(view.exists()));
    if dialect.rev2 {
        // RFC 9051 §6.3.2
        let entry = list::entry_of(store, account.id, head);
        let old_name = old_name::normalised(cx, name).map(|_| name.to_owned());
        cx.put(Data::List(ListEntry { old_name, ..entry }));
    } else {
        cx.put(Data::Recent(view.recent()));
    }
    if let Some(sequence) = unseen {
        cx.put(Status::untagged_ok("The first unseen message").with_code(Code::Unseen(sequence)));
    }
    cx.put(flags::permanent_flags(&head.keywords, read_only));
    cx.put(Status::untagged_ok("The next message's UID").with_code(Code::UidNext(head.uid_next)));
    cx.put(Status::untagged_ok("UIDs are valid").with_code(Code::UidValidity(head.uid_validity)));
    let id = cx.store().object_ids().mailbox(mailbox.id());
    cx.put(Status::untagged_ok("The mailbox's object identifier").with_code(Code::MailboxId(id)));
    cx.put(condstore::highest_mod_seq(head.highest_mod_seq));
    cx.session.state = State::Selected(Box::new(Selected {
        account,
        mailbox,
        view,
        uid_validity: head.uid_validity,
        read_only,
        bell,
    }));
    if let Some(resync) = &parameters.resync {
        resync::tell(cx, resync, head).await?;
    }
    Ok(if read_only {
        Done::ok("EXAMINE done").with_code(Code::ReadOnly)
    } else {
        Done::ok("SELECT done").with_code(Code::ReadWrite)
    })
}

/// The sequence number of the first message without `\Seen`.
fn first_unseen(mailbox: &OpenMailbox, snapshot: &Snapshot) -> Option<u32> {
    if snapshot.head.unseen == 0 {
        return None;
    }
    batches(&snapshot.uids, BATCH).find_map(|batch| {
        let messages = mailbox.messages(&batch);
        let unseen = messages.iter().find(|message| !message.flags.contains(Flags::SEEN))?;
        snapshot.uids.position(unseen.uid).map(|position| position + 1)
    })
}
