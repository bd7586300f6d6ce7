//! STATUS (RFC 3501 §6.3.10, RFC 8438 §3): numbers of a mailbox without selecting it; `\Recent` stays unclaimed.

use super::{Context, Done, Outcome, condstore};
use crate::imap::command::StatusItem;
use crate::imap::response::{Data, StatusValue};
use crate::store::{AccountId, Error, Flags, Store};

pub(super) async fn run(cx: &mut Context<'_>, name: &str, items: &[StatusItem]) -> Outcome {
    if items.contains(&StatusItem::HighestModSeq) {
        condstore::enable(cx);
    }
    let account = cx.account()?;
    let data = of(cx.store(), account, name, items).await?;
    cx.put(data);
    Ok(Done::ok("STATUS done"))
}

/// The STATUS response of a mailbox; for LIST too (RFC 5819).
pub(super) async fn of(store: &Store, account: AccountId, name: &str, items: &[StatusItem]) -> Result<Data, Error> {
    let mailbox = store.mailbox(account, name).ok_or(Error::NoSuchMailbox)?;
    let head = mailbox.head();
    // The head counts all but those above the watermark of `\Recent`: the index does, where there are any.
    let (head, recent) = if items.contains(&StatusItem::Recent) && head.first_recent_uid < head.uid_next {
        let snapshot = store.open_mailbox(&mailbox).await?.snapshot();
        let recent = snapshot.uids.len() - snapshot.uids.count_below(snapshot.head.first_recent_uid);
        (snapshot.head, recent)
    } else {
        (head, 0)
    };
    // The head counts them, but not their octets.
    let deleted_octets = if items.contains(&StatusItem::DeletedStorage) && head.deleted > 0 {
        let open = store.open_mailbox(&mailbox).await?;
        let messages = open.messages(&open.snapshot().uids);
        let deleted = messages.iter().filter(|message| message.flags.contains(Flags::DELETED));
        deleted.map(|message| u64::from(message.size)).sum()
    } else {
        0
    };
    let items = items
        .iter()
        .map(|item| match item {
            StatusItem::Messages => StatusValue::Messages(head.exists),
            StatusItem::Recent => StatusValue::Recent(recent),
            StatusItem::UidNext => StatusValue::UidNext(head.uid_next),
            StatusItem::UidValidity => StatusValue::UidValidity(head.uid_validity),
            StatusItem::Unseen => StatusValue::Unseen(head.unseen),
            StatusItem::Deleted => StatusValue::Deleted(head.deleted),
            StatusItem::DeletedStorage => StatusValue::DeletedStorage(deleted_octets),
            StatusItem::Size => StatusValue::Size(head.octets),
            StatusItem::AppendLimit => StatusValue::AppendLimit(store.max_message()),
            StatusItem::MailboxId => StatusValue::MailboxId(store.object_ids().mailbox(mailbox.id())),
            StatusItem::HighestModSeq => StatusValue::HighestModSeq(head.highest_mod_seq),
        })
        .collect();
    Ok(Data::Status { mailbox: head.name, items })
}
