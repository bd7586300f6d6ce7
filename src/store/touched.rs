//! What of an account changed lately: for those who watch all of it with one cursor (`imap::watch`).
//!
//! The order in which a change is made known here keeps everybody's cursor right: it is touched first or with it, then it is
//! in memory, and only then it counts in the account's mod-sequence, which is what cursors move to. So whoever looks in
//! between may see it early, and looks again.
//!
//! Nothing of this is on disk. Whoever asks began to watch after the store was opened, so that what happened before is
//! never asked for; and what is too long ago is answered with "look at everything", which is right as well.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::{AccountId, Mailbox, MailboxId, ModSeq, Store};

/// How many changes an account remembers, changes of one mailbox in a row being one. Watchers are behind by a few only, and
/// one that is further behind compares all its mailboxes. 1 KiB for an account at the most.
const LATEST_MAX: usize = 64;

/// What changed, by mod-sequence.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// The mailboxes whose messages changed after `from`, ascending by mod-sequence.
    latest: VecDeque<(ModSeq, MailboxId)>,
    from: ModSeq,
    /// The last change of names or subscriptions.
    directory: ModSeq,
    /// The last change of metadata.
    metadata: ModSeq,
    /// Where the messages of INBOX went when it was renamed the last time, and when.
    inbox_renamed: Option<(ModSeq, MailboxId)>,
}

impl Touched {
    /// An account with that mod-sequence, of whose past nothing is known.
    pub(crate) fn new(mod_seq: ModSeq) -> Touched {
        Touched { from: mod_seq, directory: mod_seq, metadata: mod_seq, ..Touched::default() }
    }

    /// Messages of the mailbox changed.
    pub(crate) fn touch(&mut self, mailbox: MailboxId, mod_seq: ModSeq) {
        match self.latest.back_mut() {
            Some((last, same)) if *same == mailbox => *last = mod_seq.max(*last),
            _ => self.latest.push_back((mod_seq, mailbox)),
        }
        if self.latest.len() > LATEST_MAX
            && let Some((mod_seq, _)) = self.latest.pop_front()
        {
            self.from = self.from.max(mod_seq);
        }
    }

    /// Names or subscriptions change.
    pub(crate) fn touch_directory(&mut self, mod_seq: ModSeq) {
        self.directory = self.directory.max(mod_seq);
    }

    /// Metadata changes.
    pub(crate) fn touch_metadata(&mut self, mod_seq: ModSeq) {
        self.metadata = self.metadata.max(mod_seq);
    }

    /// INBOX was renamed: its messages are in that mailbox now.
    pub(crate) fn rename_inbox(&mut self, to: MailboxId, mod_seq: ModSeq) {
        self.inbox_renamed = Some((mod_seq, to));
    }

    /// The mailboxes that changed after `mod_seq`; `None` where that is too long ago.
    fn since(&self, mod_seq: ModSeq) -> Option<BTreeSet<MailboxId>> {
        let after = self.latest.iter().rev().take_while(|(at, _)| *at > mod_seq);
        (mod_seq >= self.from).then(|| after.map(|(_, mailbox)| *mailbox).collect())
    }
}

/// What changed in an account after a mod-sequence: where to look.
#[derive(Clone, Debug)]
pub struct AccountChanges {
    /// The account's mod-sequence: what to ask from next.
    pub mod_seq: ModSeq,
    /// Names or subscriptions changed.
    pub directory: bool,
    /// Metadata changed: [`Store::metadata_changes_since`] says which.
    pub metadata: bool,
    /// The mailboxes whose messages changed; `None`: any of them may have.
    pub mailboxes: Option<BTreeSet<MailboxId>>,
}

/// All names of an account at one moment.
#[derive(Clone, Debug)]
pub struct Names {
    /// The last change of any of them.
    pub mod_seq: ModSeq,
    /// The mailboxes, by name.
    pub mailboxes: Vec<(String, Arc<Mailbox>)>,
    /// The subscribed names; they need not exist (RFC 3501 §6.3.6).
    pub subscriptions: BTreeSet<String>,
    /// Where the messages of INBOX went when it was renamed the last time since the store was opened, and when.
    pub inbox_renamed: Option<(ModSeq, MailboxId)>,
}

/// # Watching an account
/// Listen to [`Bell::Account`](super::Bell::Account) first, then look.
impl Store {
    /// What changed after `mod_seq`, at no cost that grows with the account; `None` when the account is gone.
    pub fn account_changes_since(&self, account: AccountId, mod_seq: ModSeq) -> Option<AccountChanges> {
        let directory = self.inner.state.directory();
        let entry = directory.account(account)?;
        Some(AccountChanges {
            mod_seq: entry.highest_mod_seq,
            directory: entry.touched.directory > mod_seq,
            metadata: entry.touched.metadata > mod_seq,
            mailboxes: entry.touched.since(mod_seq),
        })
    }

    /// All names; `None` when the account is gone.
    pub fn names(&self, account: AccountId) -> Option<Names> {
        let directory = self.inner.state.directory();
        let entry = directory.account(account)?;
        Some(Names {
            mod_seq: entry.touched.directory,
            mailboxes: entry.mailboxes.iter().map(|(name, mailbox)| (name.clone(), Arc::clone(mailbox))).collect(),
            subscriptions: entry.subscriptions.clone(),
            inbox_renamed: entry.touched.inbox_renamed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_is_told_where_to_look_or_that_everything_may_have_changed() {
        let mut touched = Touched::new(10);
        touched.touch(MailboxId(1), 11);
        touched.touch(MailboxId(2), 12);
        touched.touch(MailboxId(2), 13);
        touched.touch(MailboxId(1), 14);
        assert_eq!(touched.latest.len(), 3);
        assert_eq!(touched.since(9), None);
        assert_eq!(touched.since(10), Some([MailboxId(1), MailboxId(2)].into()));
        assert_eq!(touched.since(12), Some([MailboxId(1), MailboxId(2)].into()));
        assert_eq!(touched.since(13), Some([MailboxId(1)].into()));
        assert_eq!(touched.since(14), Some([].into()));
        for mod_seq in 15..1_000 {
            touched.touch(MailboxId(mod_seq % 7), mod_seq);
        }
        assert_eq!(touched.latest.len(), LATEST_MAX);
        assert_eq!(touched.since(900), None);
        assert_eq!(touched.since(990).map(|mailboxes| mailboxes.len()), Some(7));
    }
}
