//! STATUS (RFC 3501 §6.3.10): numbers of a mailbox without selecting it; `\Recent` stays unclaimed.

use super::{Context, Done, Outcome, condstore};
use crate::imap::command::StatusItem;
use crate::imap::response::{Data, StatusValue};
use crate::store::{Error, Head};

pub(super) async fn run(cx: &mut Context<'_>, name: &str, items: &[StatusItem]) -> Outcome {
    if items.contains(&StatusItem::HighestModSeq) {
        condstore::enable(cx);
    }
    let account = cx.account()?;
    let store = cx.store();
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
    let items = items.iter().map(|item| value(*item, &head, recent)).collect();
    cx.put(Data::Status { mailbox: head.name, items });
    Ok(Done::ok("STATUS done"))
}

fn value(item: StatusItem, head: &Head, recent: u32) -> StatusValue {
    match item {
        StatusItem::Messages => StatusValue::Messages(head.exists),
        StatusItem::Recent => StatusValue::Recent(recent),
        StatusItem::UidNext => StatusValue::UidNext(head.uid_next),
        StatusItem::UidValidity => StatusValue::UidValidity(head.uid_validity),
        StatusItem::Unseen => StatusValue::Unseen(head.unseen),
        StatusItem::HighestModSeq => StatusValue::HighestModSeq(head.highest_mod_seq),
    }
}
