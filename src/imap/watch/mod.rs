//! One session's picture of its account, and how what changes there becomes news for a client that asked with NOTIFY (RFC
//! 5465). What a [`View`](super::view::View) is for the selected mailbox, a [`Watch`] is for all others.
//!
//! - A session has one bell, the account's, and one cursor, the account's mod-sequence: whatever happens in any mailbox
//!   rings the one and moves the other ([`store::AccountChanges`](crate::store::AccountChanges) says where to look).
//! - Of each watched mailbox the session keeps what it has told of it, a few dozen octets ([`Told`]). News are the
//!   difference between that and the store, so that nothing is queued: what changes ten times while a client is slow is
//!   told once, as it is then.
//! - Of names likewise: [`names`] compares those that were told with those that are there.
//! - What the client did itself is not told it (§5). Its own commits are known by their mod-sequences
//!   ([`Store::take_own`](crate::store::Store::take_own)), and when nothing else has happened since the last look, the
//!   picture moves in silence. When something else has, all of it is told: too much rather than too little.
//!
//! `exec::notify` looks and prints. Nothing here knows the grammar, and nothing asks the store.

use std::sync::Arc;

use super::command::FetchItem;
use super::mailbox_filter::MailboxFilter;
use crate::notify::Listener;
use crate::store::{Bell, Head, Mailbox, MailboxId, ModSeq, Uid};

pub(crate) mod names;

/// Some of RFC 5465's events, for mailboxes that are not selected. MessageNew and MessageExpunge are one, since they always
/// stand together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events(u8);

impl Events {
    /// None.
    pub(crate) const NONE: Events = Events(0);
    /// MessageNew and MessageExpunge
    pub(crate) const MESSAGES: Events = Events(1);
    /// FlagChange
    pub(crate) const FLAGS: Events = Events(1 << 1);
    /// MailboxName
    pub(crate) const NAMES: Events = Events(1 << 2);
    /// SubscriptionChange
    pub(crate) const SUBSCRIPTIONS: Events = Events(1 << 3);
    /// MailboxMetadataChange
    pub(crate) const MAILBOX_METADATA: Events = Events(1 << 4);
    /// ServerMetadataChange: of no mailbox, so that it does not matter of which it is asked.
    pub(crate) const SERVER_METADATA: Events = Events(1 << 5);

    /// Both together.
    pub(crate) const fn union(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub(crate) const fn contains(self, other: Events) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What is told of the selected mailbox (RFC 5465 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Everything: FlagChange too, and what every session is told that has never used NOTIFY.
    All,
    /// MessageNew and MessageExpunge alone: flags that others change are not told.
    Messages,
    /// Nothing: to this client the mailbox stays as it was (§5, "snapshot").
    Nothing,
}

/// SELECTED or SELECTED-DELAYED, and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SelectedRule {
    /// Which events.
    pub(crate) attention: Attention,
    /// SELECTED: an expunge is told whenever it happens. Else where a command allows it (§6.1.2).
    pub(crate) immediate: bool,
    /// What is fetched of new messages.
    pub(crate) items: Box<[FetchItem]>,
}

impl SelectedRule {
    /// Where nothing is said about the selected mailbox (§3.1: the same as `SELECTED NONE`).
    pub(crate) fn nothing() -> SelectedRule {
        SelectedRule { attention: Attention::Nothing, immediate: false, items: Box::default() }
    }
}

/// Which events are told of which mailboxes, but for the selected one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    groups: Box<[(MailboxFilter, Events)]>,
}

impl Rules {
    /// Filters with canonical names, and their events; none for `NONE`.
    pub(crate) fn new(groups: Vec<(MailboxFilter, Events)>) -> Rules {
        Rules { groups: groups.into_boxed_slice() }
    }

    /// The events of the mailbox with that name: those of all groups that cover it (§6).
    ///
    /// What `NONE` means beside groups that cover the same mailbox the RFC leaves open. Here it takes the mailbox out of all
    /// groups that are wider than its own, so that `(mailboxes Trash NONE) (personal (…))` is everything but Trash, and
    /// `(personal NONE) (mailboxes Work (…))` is Work.
    pub(crate) fn events(&self, name: &str, subscribed: bool) -> Events {
        let covering = || self.groups.iter().filter(|(filter, _)| filter.covers(name, subscribed));
        let silent = covering().filter(|(_, events)| *events == Events::NONE).map(|(filter, _)| width(filter)).min();
        covering()
            .filter(|(filter, _)| silent.is_none_or(|silent| width(filter) <= silent))
            .fold(Events::NONE, |all, (_, events)| all.union(*events))
    }

    /// Whether some group asks for such an event.
    pub(crate) fn any(&self, events: Events) -> bool {
        self.groups.iter().any(|(_, these)| these.contains(events))
    }
}

/// How much a filter takes in, as people mean it.
fn width(filter: &MailboxFilter) -> u8 {
    match filter {
        MailboxFilter::Selected | MailboxFilter::SelectedDelayed | MailboxFilter::Mailboxes(_) => 0,
        MailboxFilter::SubtreeOne(_) => 1,
        MailboxFilter::Subtree(_) => 2,
        MailboxFilter::Inboxes | MailboxFilter::Subscribed => 3,
        MailboxFilter::Personal => 4,
    }
}

/// What a session has told of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// 0: nothing yet.
    pub(crate) uid_validity: u32,
    /// UIDNEXT; 0: what was told is not what it was.
    pub(crate) uid_next: Uid,
    /// MESSAGES.
    pub(crate) exists: u32,
    /// UNSEEN.
    pub(crate) unseen: u32,
    /// HIGHESTMODSEQ.
    pub(crate) mod_seq: ModSeq,
}

/// What a STATUS response is to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// MESSAGES and UIDNEXT.
    pub(crate) messages: bool,
    /// UIDVALIDITY
    pub(crate) uid_validity: bool,
    /// UNSEEN
    pub(crate) unseen: bool,
    /// HIGHESTMODSEQ
    pub(crate) mod_seq: bool,
}

impl Asks {
    /// All that NOTIFY SET with STATUS has to tell of a mailbox with these events (§3.1).
    ///
    /// UNSEEN is among it, since it is told when it changes.
    pub(crate) fn all(events: Events, condstore: bool) -> Asks {
        let flags = events.contains(Events::FLAGS);
        Asks { messages: true, uid_validity: true, unseen: flags, mod_seq: flags || condstore }
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_empty(self) -> bool {
        self == Asks::default()
    }
}

impl Told {
    /// Of a mailbox that has just come into being nothing is known but that it is empty.
    pub(crate) const EMPTY: Told = Told { uid_validity: 0, uid_next: 1, exists: 0, unseen: 0, mod_seq: 0 };

    /// Everything.
    pub(crate) fn all(head: &Head) -> Told {
        Told {
            uid_validity: head.uid_validity,
            uid_next: head.uid_next,
            exists: head.exists,
            unseen: head.unseen,
            mod_seq: head.highest_mod_seq,
        }
    }

    /// What a client knows of a mailbox that was selected until now: everything, if it was told all up to `head`; else
    /// something older, so that all is told again.
    pub(crate) fn left(head: &Head, told_all: bool) -> Told {
        match told_all {
            true => Told::all(head),
            false => Told { uid_next: 0, unseen: u32::MAX, mod_seq: 0, ..Told::all(head) },
        }
    }

    /// What is to be told now that the mailbox is as `head` says (§5.1 to §5.3).
    pub(crate) fn asks(&self, head: &Head, events: Events, condstore: bool) -> Asks {
        let flags = events.contains(Events::FLAGS);
        let new = self.uid_validity == 0;
        let unknown = !new && head.uid_validity != self.uid_validity;
        if !events.contains(Events::MESSAGES) || (head.highest_mod_seq <= self.mod_seq && !unknown) {
            return Asks::default();
        }
        if new {
            // A mailbox that is new to the client: it takes it to be empty (RFC 3501 §6.3.3).
            let empty = head.exists == 0 && head.uid_next == 1;
            return if empty && *self == Told::EMPTY { Asks::default() } else { Asks::all(events, condstore) };
        }
        if unknown {
            return Asks::all(events, condstore);
        }
        // A message that came raised UIDNEXT; without one, one that went lowered MESSAGES.
        let messages = (head.uid_next, head.exists) != (self.uid_next, self.exists);
        let unseen = flags && head.unseen != self.unseen;
        // §5.1: without CONDSTORE there is nothing to say of another flag than `\Seen`.
        let mod_seq = condstore && (messages || flags);
        Asks { messages, uid_validity: unseen || (mod_seq && flags), unseen, mod_seq }
    }
}

/// A mailbox that is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The mailbox.
    pub(crate) mailbox: Arc<Mailbox>,
    /// The name that was told.
    pub(crate) name: Box<str>,
    /// What its client is told of it.
    pub(crate) events: Events,
    /// What it was told.
    pub(crate) told: Told,
}

/// What a client that used NOTIFY is told, and was.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Of the selected mailbox.
    pub(crate) selected: SelectedRule,
    /// Of all others; `None` after `NOTIFY NONE`.
    pub(crate) account: Option<AccountWatch>,
}

/// The account of a client that used `NOTIFY SET`.
#[derive(Debug)]
pub(crate) struct AccountWatch {
    /// Which events.
    pub(crate) rules: Rules,
    /// The account's; taken out before the first look.
    pub(crate) bell: Listener<Bell>,
    /// The session has looked at everything up to here.
    pub(crate) cursor: ModSeq,
    /// Something may have changed that the cursor does not speak of: look at all watched mailboxes.
    pub(crate) stale: bool,
    /// By id: all mailboxes where names are watched, else those with events.
    pub(crate) mailboxes: Box<[Watched]>,
    /// The subscriptions that were told, where they are watched.
    pub(crate) subscriptions: Box<[Box<str>]>,
}

impl AccountWatch {
    /// The watched mailbox with this id.
    pub(crate) fn get(&self, id: MailboxId) -> Option<&Watched> {
        let at = self.mailboxes.binary_search_by_key(&id, |watched| watched.mailbox.id()).ok()?;
        self.mailboxes.get(at)
    }

    /// The watched mailbox with this id.
    pub(crate) fn find(&mut self, id: MailboxId) -> Option<&mut Watched> {
        let at = self.mailboxes.binary_search_by_key(&id, |watched| watched.mailbox.id()).ok()?;
        self.mailboxes.get_mut(at)
    }
}

impl Watch {
    /// After `NOTIFY NONE`, and behind an overflow (§5.8).
    pub(crate) fn none() -> Watch {
        Watch { selected: SelectedRule::nothing(), account: None }
    }

    /// The mailbox is no longer selected; its client was told all of it, or not, and this UIDVALIDITY.
    pub(crate) fn left(&mut self, mailbox: &Mailbox, told_all: bool, uid_validity: u32) {
        let Some(account) = &mut self.account else { return };
        if let Some(watched) = account.find(mailbox.id()) {
            watched.told = Told { uid_validity, ..Told::left(&mailbox.head(), told_all) };
            account.stale = true;
        }
    }
}

#[cfg(test)]
mod tests;
