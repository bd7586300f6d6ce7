//! Metadata: named values at mailboxes, and at the account itself, which is what a user sees as "the server" (RFC 5464).
//!
//! All of an account's metadata is always in memory, bounded by the limits below, and goes into index and journal as one
//! [`MetadataState`]. Names are kept in lower case (RFC 5464 §3.2). Each entry has the mod-sequence of its last change; an
//! entry that was removed leaves its name behind with the mod-sequence of its removal, so that whoever asks what changed
//! is told of it, too.
//!
//! What a mailbox is for (RFC 6154 §4) has one truth, the mailbox's head. [`SPECIAL_USE_ENTRY`] shows it: here stands only
//! that it changed, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::journal::record::{MetadataState, Stated, StoredEntry};
use super::{AccountId, MailboxId, MetadataChange, MetadataChanges, ModSeq};

/// The longest value in octets. RFC 5464 §4.1 asks for 1,024 at least; colours, comments and a client's settings are far
/// below, and all of it stays in memory.
pub const METADATA_VALUE_MAX: usize = 64 * 1024;
/// The longest name in octets: names stay behind when their values are gone.
pub const METADATA_NAME_MAX: usize = 255;
/// The most entries of one mailbox, and of the account itself. RFC 5464 §4.1 asks for 10 at least; each client brings a few.
pub const METADATA_ENTRIES_MAX: usize = 100;
/// The most entries of an account with its mailboxes: each change of one writes them all, with the next checkpoint.
pub(crate) const METADATA_ACCOUNT_ENTRIES_MAX: usize = 5_000;
/// What names and values of an account may take together, in octets: what a client can make the server hold in memory.
pub(crate) const METADATA_ACCOUNT_OCTETS_MAX: usize = 1024 * 1024;
/// How many names of removed entries an account keeps. A session asks again with every look, so that it needs those of the
/// last moments only; one that is further behind is told that there were more.
const REMOVED_MAX: usize = 1_000;

/// The entry that shows what a mailbox is for (RFC 6154 §4).
pub const SPECIAL_USE_ENTRY: &str = "/private/specialuse";

/// An entry's place: a mailbox or the account itself, and its name.
type Key = (Option<MailboxId>, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// `None`: it was removed.
    value: Option<Arc<[u8]>>,
    mod_seq: ModSeq,
}

/// The metadata of an account and of its mailboxes.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    entries: BTreeMap<Key, Entry>,
    /// The last removal whose name was forgotten since the store was opened. Nobody asks for what was before that.
    forgotten: ModSeq,
    /// The last [`MetadataState`] about it.
    pub(crate) stated: Option<Stated>,
}

/// Whether an account may have so many entries with so many octets.
fn fits(entries: usize, octets: usize) -> bool {
    entries <= METADATA_ACCOUNT_ENTRIES_MAX && octets <= METADATA_ACCOUNT_OCTETS_MAX
}

/// The keys of a mailbox, or of the account itself.
fn all_of(mailbox: Option<MailboxId>) -> impl std::ops::RangeBounds<Key> {
    let next = match mailbox {
        None => Some(MailboxId(0)),
        Some(MailboxId(id)) => Some(MailboxId(id.saturating_add(1))),
    };
    (mailbox, String::new())..(next, String::new())
}

impl Metadata {
    /// As index and journal keep it.
    pub(crate) fn from_record(state: MetadataState) -> Metadata {
        let entry = |stored: StoredEntry| {
            let value = stored.value.map(Arc::from);
            ((stored.mailbox, stored.name), Entry { value, mod_seq: stored.mod_seq })
        };
        Metadata { entries: state.entries.into_iter().map(entry).collect(), forgotten: 0, stated: state.stated }
    }

    /// As index and journal keep it.
    pub(crate) fn record(&self, account: AccountId) -> MetadataState {
        let stored = |((mailbox, name), entry): (&Key, &Entry)| StoredEntry {
            mailbox: *mailbox,
            name: name.clone(),
            value: entry.value.as_deref().map(<[u8]>::to_vec),
            mod_seq: entry.mod_seq,
        };
        MetadataState { account, stated: self.stated, entries: self.entries.iter().map(stored).collect() }
    }

    /// The values of a mailbox, or of the account itself, by name.
    pub(crate) fn of(&self, mailbox: Option<MailboxId>) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        let entries = self.entries.range(all_of(mailbox));
        entries.filter_map(|((_, name), entry)| Some((name.as_str(), entry.value.as_ref()?)))
    }

    /// What changed after a mod-sequence, removed entries too; in the order of the changes.
    pub(crate) fn changes_since(&self, mod_seq: ModSeq) -> MetadataChanges {
        let changed = self.entries.iter().filter(|(_, entry)| entry.mod_seq > mod_seq);
        let mut changes: Vec<_> = changed
            .map(|((mailbox, name), entry)| MetadataChange {
                mailbox: *mailbox,
                entry: name.clone(),
                mod_seq: entry.mod_seq,
            })
            .collect();
        changes.sort_by_key(|change| change.mod_seq);
        MetadataChanges { changes, history_lost: self.forgotten > mod_seq }
    }

    /// Sets an entry, or removes it. [`Metadata::forget_removed`] follows when all are set.
    pub(crate) fn set(&mut self, mailbox: Option<MailboxId>, name: String, value: Option<Vec<u8>>, mod_seq: ModSeq) {
        self.entries.insert((mailbox, name), Entry { value: value.map(Arc::from), mod_seq });
    }

    /// What stands at one mailbox stands at another one, too: INBOX is renamed (RFC 5464 §4.1).
    pub(crate) fn copy(&mut self, from: MailboxId, to: MailboxId, mod_seq: ModSeq) {
        let values: Vec<_> = self.of(Some(from)).map(|(name, value)| (name.to_owned(), Arc::clone(value))).collect();
        for (name, value) in values {
            self.entries.insert((Some(to), name), Entry { value: Some(value), mod_seq });
        }
    }

    /// A mailbox is deleted, and its metadata with it (RFC 5464 §4.1).
    pub(crate) fn remove_mailbox(&mut self, mailbox: MailboxId) {
        self.retain(|there| there != mailbox);
    }

    /// Keeps what is the account's own, or belongs to these mailboxes.
    pub(crate) fn retain(&mut self, is_there: impl Fn(MailboxId) -> bool) {
        self.entries.retain(|(mailbox, _), _| mailbox.is_none_or(&is_there));
    }

    /// Whether the limits allow what would be there with these entries set.
    pub(crate) fn has_room(&self, mailbox: Option<MailboxId>, set: &BTreeMap<&str, Option<&[u8]>>) -> bool {
        let of_this = self.of(mailbox).filter(|(name, _)| !set.contains_key(name)).count();
        let added = set.values().flatten().count();
        if added > 0 && of_this + added > METADATA_ENTRIES_MAX {
            return false;
        }
        let added_octets = set.iter().filter_map(|(name, value)| Some(name.len() + (*value)?.len())).sum::<usize>();
        let (kept, kept_octets) = self.usage(|key| key.0 != mailbox || !set.contains_key(key.1.as_str()));
        added == 0 || fits(kept + added, kept_octets + added_octets)
    }

    /// Whether the limits allow that what stands at a mailbox stands at another one, too.
    pub(crate) fn has_room_for_copy(&self, mailbox: MailboxId) -> bool {
        let (all, all_octets) = self.usage(|_| true);
        let (copied, copied_octets) = self.usage(|key| key.0 == Some(mailbox));
        copied == 0 || fits(all + copied, all_octets + copied_octets)
    }

    /// How many of these entries there are, and what they take in octets.
    fn usage(&self, counts: impl Fn(&Key) -> bool) -> (usize, usize) {
        let entries = self.entries.iter().filter(|(key, _)| counts(key));
        let octets = entries.filter_map(|((_, name), entry)| Some(name.len() + entry.value.as_ref()?.len()));
        octets.fold((0, 0), |(count, sum), octets| (count + 1, sum + octets))
    }

    /// Forgets the names that were removed first, where there are too many.
    pub(crate) fn forget_removed(&mut self) {
        let removed = self.entries.iter().filter(|(_, entry)| entry.value.is_none());
        let mut removed: Vec<(ModSeq, Key)> = removed.map(|(key, entry)| (entry.mod_seq, key.clone())).collect();
        let Some(surplus) = removed.len().checked_sub(REMOVED_MAX).filter(|surplus| *surplus > 0) else { return };
        removed.sort_unstable();
        for (mod_seq, key) in removed.drain(..surplus) {
            self.entries.remove(&key);
            self.forgotten = self.forgotten.max(mod_seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox() -> Option<MailboxId> {
        Some(MailboxId(1))
    }

    fn names(metadata: &Metadata, mailbox: Option<MailboxId>) -> Vec<&str> {
        metadata.of(mailbox).map(|(name, _)| name).collect()
    }

    #[test]
    fn each_mailbox_has_its_own_and_the_account_too() {
        let mut metadata = Metadata::default();
        metadata.set(None, "/private/a".to_owned(), Some(vec![1]), 2);
        metadata.set(inbox(), "/private/b".to_owned(), Some(vec![2]), 3);
        metadata.set(Some(MailboxId(2)), "/private/c".to_owned(), Some(vec![3]), 4);
        assert_eq!(names(&metadata, None), ["/private/a"]);
        assert_eq!(names(&metadata, inbox()), ["/private/b"]);
        metadata.remove_mailbox(MailboxId(1));
        assert_eq!(names(&metadata, inbox()), [""; 0]);
        assert_eq!(names(&metadata, Some(MailboxId(2))), ["/private/c"]);
    }

    #[test]
    fn a_removed_entry_is_told_as_a_change_and_the_oldest_are_forgotten() {
        let mut metadata = Metadata::default();
        metadata.set(inbox(), "/private/stays".to_owned(), Some(vec![1]), 2);
        for number in 0..REMOVED_MAX as ModSeq + 2 {
            metadata.set(inbox(), format!("/private/{number}"), None, 10 + number);
        }
        metadata.forget_removed();
        assert_eq!(names(&metadata, inbox()), ["/private/stays"]);
        let MetadataChanges { changes, history_lost } = metadata.changes_since(0);
        assert!(history_lost);
        assert_eq!(changes.len(), REMOVED_MAX + 1);
        assert_eq!(changes[0].entry, "/private/stays");
        assert_eq!(changes[1].entry, "/private/2", "0 and 1 are forgotten");
        assert!(metadata.changes_since(10).history_lost, "1 was removed behind it");
        assert!(!metadata.changes_since(11).history_lost);
        assert_eq!(metadata.changes_since(10 + REMOVED_MAX as ModSeq).changes.len(), 1);
    }

    #[test]
    fn there_is_room_up_to_the_limits() {
        let mut metadata = Metadata::default();
        for number in 0..METADATA_ENTRIES_MAX {
            metadata.set(inbox(), format!("/private/{number}"), Some(vec![0; 10_000]), 2);
        }
        let set = |name: &'static str, octets: &'static [u8]| BTreeMap::from([(name, Some(octets))]);
        assert!(!metadata.has_room(inbox(), &set("/private/another", b"x")), "the mailbox is full");
        assert!(metadata.has_room(inbox(), &set("/private/7", b"x")), "a value may be replaced");
        assert!(metadata.has_room(inbox(), &BTreeMap::from([("/private/7", None)])), "and removed");
        assert!(metadata.has_room(None, &set("/private/another", b"x")));
        static LARGE: [u8; 60_000] = [0; 60_000];
        assert!(!metadata.has_room(None, &set("/private/large", &LARGE)), "the account is full");
    }

    #[test]
    fn a_record_holds_all_of_it() {
        let mut metadata = Metadata::default();
        metadata.set(None, "/private/a".to_owned(), Some(vec![0, 255]), 2);
        metadata.set(inbox(), "/private/b".to_owned(), None, 3);
        let record = metadata.record(AccountId(1));
        assert_eq!(Metadata::from_record(record.clone()).record(AccountId(1)), record);
    }
}
