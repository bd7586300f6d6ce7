//! NOTIFY (RFC 5465): what a client is told at any time, of which mailboxes.
//!
//! - `rules`: which events may stand together, and what is refused
//! - `account`: what is new in the account, as STATUS and LIST responses
//!
//! The selected mailbox is told of by `news`, as always. When what is told, in IDLE, between commands and during one:
//! docs/NOTIFY.md.
//!
//! A second NOTIFY SET replaces the first, but not what was told: what changes between the two is told by the rules of one
//! of them.

mod account;
mod rules;

pub(super) use account::tell as tell_account;

use std::sync::Arc;

use super::failure::Failure;
use super::news::{When, tell};
use super::{Context, Done, Outcome, condstore, metadata};
use crate::imap::notify::{EventGroup, Notify};
use crate::imap::response::Code;
use crate::imap::watch::{AccountWatch, Asks, Events, Rules, Told, Watch, Watched};
use crate::notify::Listener;
use crate::store::{Bell, Error, Mailbox, ModSeq, Names};

pub(super) async fn run(cx: &mut Context<'_>, notify: Notify) -> Outcome {
    match notify {
        Notify::None => {
            cx.session.watch = Some(Box::new(Watch::none()));
            Ok(Done::ok("NOTIFY done, nothing is told from here on"))
        }
        Notify::Set { status, groups } => set(cx, status, groups).await,
    }
}

async fn set(cx: &mut Context<'_>, status: bool, groups: Vec<EventGroup>) -> Outcome {
    let account = cx.account()?;
    let rules::Checked { selected, rules, enables_condstore } = rules::check(groups)?;
    let store = cx.store();
    // Whatever happens from here on rings for the first look.
    let bell = store.hub().listen(Bell::Account(account));
    let cursor = store.account_mod_seq(account);
    let names = store.names(account).ok_or(Error::NoSuchAccount)?;
    if kept(&rules, &names).count() > cx.environment.limits.watched_mailboxes {
        return Err(Failure::no(Code::NotificationOverflow, "There are too many mailboxes to watch"));
    }
    // Nothing is refused any more. What ENABLE METADATA asked for is told up to here, and what NOTIFY asks for behind it.
    if cx.session.watch.is_none() {
        metadata::tell(cx.session, cx.environment.store, &mut cx.output);
    }
    let before = cx.session.watch.take().and_then(|watch| watch.account);
    let mut watch = begin(rules, bell, cursor, &names, before);
    if enables_condstore {
        condstore::enable(cx);
    }
    if status {
        let condstore = cx.session.enabled.condstore;
        let own = cx.session.selected().map(|selected| selected.mailbox.id());
        for watched in &mut watch.mailboxes {
            if Some(watched.mailbox.id()) != own && watched.events.contains(Events::MESSAGES) {
                let head = watched.mailbox.head();
                watched.told = Told::all(&head);
                cx.put(account::status(&head, Asks::all(watched.events, condstore)));
                cx.step().await?;
            }
        }
    }
    cx.session.watch = Some(Box::new(Watch { selected, account: Some(watch) }));
    // It implies a NOOP (RFC 5465 §3.1). That the selected mailbox is gone is found again with the tagged answer.
    tell(cx, When::NotifySet).await?;
    Ok(Done::ok("NOTIFY done"))
}

/// The mailboxes that have to be kept in mind: all where names are watched, since each of them may get a name that is; else
/// those whose messages are.
fn kept<'n>(rules: &'n Rules, names: &'n Names) -> impl Iterator<Item = (&'n str, &'n Arc<Mailbox>, Events)> {
    let all = rules.any(Events::NAMES);
    names.mailboxes.iter().filter_map(move |(name, mailbox)| {
        let events = rules.events(name, names.subscriptions.contains(name));
        (all || events.contains(Events::MESSAGES)).then_some((name.as_str(), mailbox, events))
    })
}

/// A client that begins to be told knows everything: what it does not know STATUS tells it. One that was told before goes on
/// from what it was told.
fn begin(
    rules: Rules,
    bell: Listener<Bell>,
    cursor: ModSeq,
    names: &Names,
    before: Option<AccountWatch>,
) -> AccountWatch {
    let watches = |events| rules.any(events) && before.as_ref().is_some_and(|before| before.rules.any(events));
    let (goes_on, same_subscriptions) = (watches(Events::NAMES), watches(Events::SUBSCRIPTIONS));
    let watched = |(name, mailbox, events): (&str, &Arc<Mailbox>, Events)| {
        let known = before.as_ref().and_then(|before| before.get(mailbox.id()));
        let known = known.filter(|known| known.events.contains(Events::MESSAGES));
        let told = known.map_or_else(|| Told::all(&mailbox.head()), |known| known.told);
        Watched { mailbox: Arc::clone(mailbox), name: name.into(), events, told }
    };
    let mut mailboxes: Vec<Watched> = match &before {
        // Names that were not told yet are told next.
        Some(before) if goes_on => {
            let events = |name: &str| rules.events(name, names.subscriptions.contains(name));
            before.mailboxes.iter().map(|known| watched((&known.name, &known.mailbox, events(&known.name)))).collect()
        }
        _ => kept(&rules, names).map(watched).collect(),
    };
    mailboxes.sort_by_key(|watched| watched.mailbox.id());
    let subscriptions = match &before {
        Some(before) if same_subscriptions => before.subscriptions.clone(),
        _ if rules.any(Events::SUBSCRIPTIONS) => names.subscriptions.iter().map(|name| name.as_str().into()).collect(),
        _ => Box::default(),
    };
    let cursor = before.as_ref().map_or(cursor, |before| before.cursor);
    let mailboxes = mailboxes.into_boxed_slice();
    AccountWatch { bell, cursor, stale: before.is_some(), mailboxes, subscriptions, rules }
}
