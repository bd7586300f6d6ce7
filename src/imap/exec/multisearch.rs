//! MULTISEARCH (RFC 7377): the command ESEARCH, which looks through several mailboxes and answers for each in which something
//! was found, with UIDs.
//!
//! Mailboxes are opened one after the other, each as it is at that moment, and its answer is with the client before too many
//! of them have come together: so the command takes no more memory for a thousand mailboxes than for one. The selected one
//! is searched as the session sees it. Each mailbox counts once, however often it is named, and what is not there is passed
//! over (§2.2). There is no limit to their number: a client could as well ask one by one.

use std::collections::HashSet;
use std::sync::Arc;

use super::failure::Failure;
use super::search::{self, Found};
use super::sort::off_the_runtime;
use super::{Context, Done, Outcome};
use crate::imap::command::{Numbering, SearchKey, SearchReturn, Tag};
use crate::imap::mailbox_filter::MailboxFilter;
use crate::imap::response::{Data, ESearch};
use crate::imap::view::View;
use crate::store::{AccountId, Error, Mailbox, OpenMailbox, Store, UidSet};

pub(super) async fn run(
    cx: &mut Context<'_>,
    tag: &Tag,
    sources: Vec<MailboxFilter>,
    returns: SearchReturn,
    key: SearchKey,
) -> Outcome {
    let by_mod_seq = search::enables_condstore(cx, &key);
    let question = Question { tag, returns, by_mod_seq };
    let account = cx.account()?;
    let selected = cx.session.selected().map(|selected| selected.mailbox.clone());
    let selected_too = sources.contains(&MailboxFilter::Selected);
    let store = cx.store().clone();
    let mailboxes = off_the_runtime(move || covered(&store, account, sources)).await?;
    let is_selected = |mailbox: &Mailbox| selected.as_ref().is_some_and(|selected| selected.id() == mailbox.id());
    if selected_too || mailboxes.iter().any(|mailbox| is_selected(mailbox)) {
        search_selected(cx, &question, key.clone()).await?;
        cx.step().await?;
    }
    for mailbox in mailboxes.iter().filter(|mailbox| !is_selected(mailbox)) {
        let mailbox = match cx.store().open_mailbox(mailbox).await {
            Ok(mailbox) => mailbox,
            // Deleted since it was listed.
            Err(Error::NoSuchMailbox | Error::Gone) => continue,
            Err(other) => return Err(other.into()),
        };
        let snapshot = mailbox.snapshot();
        let view = View::new(&snapshot, snapshot.head.first_recent_uid);
        let found = search::Plan::new(cx.environment, &mailbox, &view, key.clone())?.carry_out(cx).await?;
        answer(cx, &question, &mailbox, found);
        cx.step().await?;
    }
    Ok(Done::ok("ESEARCH done"))
}

/// What to answer with.
struct Question<'a> {
    tag: &'a Tag,
    returns: SearchReturn,
    /// The mod-sequence is told too.
    by_mod_seq: bool,
}

/// The mailboxes that the filters cover, each once.
fn covered(store: &Store, account: AccountId, sources: Vec<MailboxFilter>) -> Vec<Arc<Mailbox>> {
    let filters: Vec<_> = sources.into_iter().map(MailboxFilter::canonical).collect();
    let subscribed: HashSet<String> = match filters.contains(&MailboxFilter::Subscribed) {
        true => store.subscriptions(account).into_iter().collect(),
        false => HashSet::new(),
    };
    let is_covered = |mailbox: &Arc<Mailbox>| {
        let name = mailbox.head().name;
        filters.iter().any(|filter| filter.covers(&name, subscribed.contains(&name)))
    };
    store.mailboxes(account).into_iter().filter(is_covered).collect()
}

async fn search_selected(cx: &mut Context<'_>, question: &Question<'_>, key: SearchKey) -> Result<(), Failure> {
    let saves = question.returns.save;
    let found = match search::find(cx, key).await {
        Ok(found) => found,
        Err(failure) => {
            // RFC 5182 §2.1
            if saves && !matches!(failure, Failure::Bad(_)) {
                cx.selected()?.view.save(UidSet::new());
            }
            return Err(failure);
        }
    };
    let selected = cx.selected()?;
    if saves {
        let named = search::named(&found.uids, question.returns);
        selected.view.save(named.unwrap_or_else(|| found.uids.set()));
    }
    let mailbox = selected.mailbox.clone();
    answer(cx, question, &mailbox, found);
    Ok(())
}

/// Answers for a mailbox in which something was found (RFC 7377 §2.1).
fn answer(cx: &mut Context<'_>, question: &Question<'_>, mailbox: &OpenMailbox, found: Found) {
    let Question { tag, returns, by_mod_seq } = *question;
    let Found { uids, highest_mod_seq } = found;
    if uids.is_empty() {
        return;
    }
    let mod_seq = match search::named(&uids, returns) {
        _ if !by_mod_seq => None,
        None => highest_mod_seq,
        Some(uids) => mailbox.messages(&uids).iter().map(|message| message.mod_seq).max(),
    };
    let head = mailbox.head();
    if let Some(answer) = search::answer(tag, Numbering::Uid, returns, uids) {
        cx.put(Data::ESearch(ESearch { mailbox: Some((head.name, head.uid_validity)), mod_seq, ..answer }));
    }
}
