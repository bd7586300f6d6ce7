//! A mailbox in memory: its head always, its messages while somebody uses it.
//!
//! Messages stand in chunks of 64 UIDs, as they do in the index: a scan runs over dense memory, a change dirties one chunk,
//! and whoever asks what changed since a mod-sequence skips the chunks that are older. All sessions of a mailbox share
//! this; each has its own view of it (`imap::view`).
//!
//! Only the committer changes it ([`MailboxData`]'s methods), after the journal has been synced. A reader holds the lock for
//! one look and never while it writes to a client.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use super::journal::record::{HeadRecord, MailboxState, Vanished};
use super::{AccountId, Changes, Flags, Head, MailboxId, Message, ModSeq, Snapshot, Uid, UidSet};

/// UIDs to a chunk.
pub(crate) const CHUNK_UIDS: u32 = 64;
/// Expunges that are older may be forgotten (DESIGN §12) ...
pub(crate) const HISTORY_S: i64 = 90 * 24 * 60 * 60;
/// ... but the last ones are kept whatever their age, and never more than these.
const HISTORY_MIN: usize = 1_000;
const HISTORY_MAX: usize = 100_000;

/// A mailbox: a handle that stays good through renames, and works after a deletion for what was read before.
#[derive(Debug)]
pub struct Mailbox {
    id: MailboxId,
    account: AccountId,
    data: RwLock<MailboxData>,
    /// How many [`OpenMailbox`]es there are: above 0 the messages stay in memory.
    pins: AtomicUsize,
    /// Held while the messages are loaded, so that they are loaded once.
    pub(crate) loading: Mutex<()>,
}

/// What stands in a mailbox.
#[derive(Debug)]
pub(crate) struct MailboxData {
    /// In the form in which index and journal keep it, too.
    pub(crate) head: HeadRecord,
    pub(crate) gone: bool,
    /// `None` while nobody uses it and it stands in the index as it is.
    pub(crate) messages: Option<Messages>,
    /// What the index does not know yet.
    pub(crate) dirty: Dirty,
}

/// What has to be written to the index.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) head: bool,
    pub(crate) chunks: BTreeSet<u32>,
    /// Expunges of this mod-sequence and above.
    pub(crate) vanished_from: Option<ModSeq>,
    /// Expunges forgotten up to here are still in the index.
    pub(crate) forgotten: bool,
    /// The index may hold chunks of a state that was replaced as a whole.
    pub(crate) replaced: bool,
}

impl Dirty {
    pub(crate) fn is_clean(&self) -> bool {
        !self.head && !self.replaced && !self.forgotten && self.chunks.is_empty() && self.vanished_from.is_none()
    }
}

/// The messages of a mailbox.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// By number, none empty.
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) uids: UidSet,
    /// By mod-sequence.
    pub(crate) vanished: Vec<Vanished>,
}

/// The messages whose UIDs begin at `number * 64`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) number: u32,
    pub(crate) highest_mod_seq: ModSeq,
    /// By UID.
    pub(crate) messages: Vec<Message>,
}

impl Chunk {
    fn get(&self, uid: Uid) -> Option<&Message> {
        let at = self.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        self.messages.get(at)
    }
}

impl Messages {
    /// Chunks and history as the index keeps them.
    pub(crate) fn new(chunks: Vec<Chunk>, vanished: Vec<Vanished>) -> Messages {
        let uids = chunks.iter().flat_map(|chunk| chunk.messages.iter().map(|message| message.uid)).collect();
        Messages { chunks, uids, vanished }
    }

    fn from_messages(messages: impl IntoIterator<Item = Message>, vanished: Vec<Vanished>) -> Messages {
        let mut all = Messages { vanished, ..Messages::default() };
        for message in messages {
            all.insert(message);
        }
        all
    }

    fn chunk_at(&self, number: u32) -> Result<usize, usize> {
        // Deliveries go to the end.
        match self.chunks.last() {
            Some(last) if last.number < number => Err(self.chunks.len()),
            Some(last) if last.number == number => Ok(self.chunks.len() - 1),
            _ => self.chunks.binary_search_by_key(&number, |chunk| chunk.number),
        }
    }

    fn chunk(&self, number: u32) -> Option<&Chunk> {
        self.chunk_at(number).ok().map(|at| &self.chunks[at])
    }

    pub(crate) fn get(&self, uid: Uid) -> Option<&Message> {
        self.chunk(uid / CHUNK_UIDS)?.get(uid)
    }

    /// Those of `uids` that are there, ascending.
    pub(crate) fn select<'a>(&'a self, uids: &'a UidSet) -> impl Iterator<Item = &'a Message> + 'a {
        uids.ranges().flat_map(move |(first, last)| {
            let from = self.chunks.partition_point(|chunk| chunk.number < first / CHUNK_UIDS);
            self.chunks[from..]
                .iter()
                .take_while(move |chunk| chunk.number <= last / CHUNK_UIDS)
                .flat_map(|chunk| chunk.messages.iter())
                .filter(move |message| (first..=last).contains(&message.uid))
        })
    }

    fn insert(&mut self, message: Message) {
        let number = message.uid / CHUNK_UIDS;
        let at = match self.chunk_at(number) {
            Ok(at) => at,
            Err(at) => {
                self.chunks.insert(at, Chunk { number, highest_mod_seq: 0, messages: Vec::new() });
                at
            }
        };
        let chunk = &mut self.chunks[at];
        chunk.highest_mod_seq = chunk.highest_mod_seq.max(message.mod_seq);
        match chunk.messages.binary_search_by_key(&message.uid, |message| message.uid) {
            Ok(at) => chunk.messages[at] = message,
            Err(at) => chunk.messages.insert(at, message),
        }
        self.uids.insert(message.uid);
    }

    fn remove(&mut self, uid: Uid) -> Option<Message> {
        let at = self.chunk_at(uid / CHUNK_UIDS).ok()?;
        let chunk = &mut self.chunks[at];
        let message_at = chunk.messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        let message = chunk.messages.remove(message_at);
        if chunk.messages.is_empty() {
            self.chunks.remove(at);
        }
        self.uids.remove(uid);
        Some(message)
    }
}

impl MailboxData {
    /// A mailbox that comes into being, with nothing in it.
    pub(crate) fn new(head: HeadRecord) -> MailboxData {
        let dirty = Dirty { head: true, ..Dirty::default() };
        MailboxData { head, gone: false, messages: Some(Messages::default()), dirty }
    }

    /// A mailbox as the index keeps it; its messages are not in memory.
    pub(crate) fn from_head(head: HeadRecord) -> MailboxData {
        MailboxData { head, gone: false, messages: None, dirty: Dirty::default() }
    }

    /// The whole mailbox for the journal; `None` when its messages are not in memory.
    pub(crate) fn state_record(&self) -> Option<MailboxState> {
        let messages = self.messages.as_ref()?;
        Some(MailboxState {
            head: self.head.clone(),
            messages: messages.chunks.iter().flat_map(|chunk| chunk.messages.iter().copied()).collect(),
            vanished: messages.vanished.clone(),
        })
    }

    /// Becomes what the record says.
    pub(crate) fn replace(&mut self, state: MailboxState) {
        let messages = Messages::from_messages(state.messages, state.vanished);
        let chunks = messages.chunks.iter().map(|chunk| chunk.number).collect();
        let dirty = Dirty { head: true, chunks, vanished_from: Some(0), forgotten: false, replaced: true };
        *self = MailboxData { head: state.head, gone: false, messages: Some(messages), dirty };
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            name: self.head.name.clone(),
            uid_validity: self.head.uid_validity,
            uid_next: self.head.uid_next,
            exists: self.head.exists,
            unseen: self.head.unseen,
            deleted: self.head.deleted,
            octets: self.head.octets,
            first_recent_uid: self.head.first_recent_uid,
            highest_mod_seq: self.head.highest_mod_seq,
            keywords: Arc::clone(&self.head.keywords),
            special_use: self.head.special_use,
            gone: self.gone,
        }
    }

    /// Something of it changed: its mod-sequence counts on.
    pub(crate) fn touch(&mut self, mod_seq: ModSeq) {
        self.head.highest_mod_seq = self.head.highest_mod_seq.max(mod_seq);
        self.dirty.head = true;
    }

    fn count(&mut self, message: &Message, by: i32) {
        let add = |count: &mut u32, yes: bool| {
            if yes {
                *count = count.saturating_add_signed(by);
            }
        };
        add(&mut self.head.exists, true);
        add(&mut self.head.unseen, !message.flags.contains(Flags::SEEN));
        add(&mut self.head.deleted, message.flags.contains(Flags::DELETED));
        self.head.octets = self.head.octets.saturating_add_signed(i64::from(message.size) * i64::from(by));
    }

    pub(crate) fn add_keywords(&mut self, names: &[String]) {
        if !names.is_empty() {
            let table = Arc::make_mut(&mut self.head.keywords);
            for name in names {
                // A record that is replayed over a newer index finds its keywords there.
                if !table.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    table.push(name.clone());
                }
            }
            self.dirty.head = true;
        }
    }

    /// A message comes in. The messages are in memory.
    pub(crate) fn insert(&mut self, message: Message) {
        let Some(messages) = &mut self.messages else { return };
        messages.insert(message);
        self.dirty.chunks.insert(message.uid / CHUNK_UIDS);
        self.head.uid_next = self.head.uid_next.max(message.uid.saturating_add(1));
        self.count(&message, 1);
        self.touch(message.mod_seq);
    }

    /// Flags become `(old & !clear) | set`. The messages are in memory.
    pub(crate) fn change_flags(&mut self, uids: &UidSet, clear: Flags, set: Flags, mod_seq: ModSeq) {
        let Some(mut messages) = self.messages.take() else { return };
        for (first, last) in uids.ranges() {
            let from = messages.chunks.partition_point(|chunk| chunk.number < first / CHUNK_UIDS);
            for chunk in &mut messages.chunks[from..] {
                if chunk.number > last / CHUNK_UIDS {
                    break;
                }
                for message in chunk.messages.iter_mut().filter(|message| (first..=last).contains(&message.uid)) {
                    self.count(message, -1);
                    message.flags = message.flags.minus(clear).union(set);
                    message.mod_seq = mod_seq;
                    self.count(message, 1);
                    chunk.highest_mod_seq = chunk.highest_mod_seq.max(mod_seq);
                    self.dirty.chunks.insert(chunk.number);
                }
            }
        }
        self.messages = Some(messages);
        self.touch(mod_seq);
    }

    /// Messages leave; returns those that were there. The messages are in memory.
    pub(crate) fn expunge(&mut self, uids: &UidSet, mod_seq: ModSeq, unix_s: i64) -> Vec<Message> {
        let Some(mut messages) = self.messages.take() else { return Vec::new() };
        let present = messages.uids.intersection(uids);
        let mut removed = Vec::with_capacity(present.len() as usize);
        for uid in present.iter() {
            if let Some(message) = messages.remove(uid) {
                self.count(&message, -1);
                self.dirty.chunks.insert(uid / CHUNK_UIDS);
                removed.push(message);
            }
        }
        if !removed.is_empty() {
            messages.vanished.push(Vanished { mod_seq, unix_s, uids: present });
            self.dirty.vanished_from = Some(self.dirty.vanished_from.map_or(mod_seq, |from| from.min(mod_seq)));
            self.touch(mod_seq);
        }
        self.messages = Some(messages);
        removed
    }

    /// Forgets expunges that are too old or too many.
    pub(crate) fn trim_history(&mut self, now_unix_s: i64) {
        let Some(messages) = &mut self.messages else { return };
        let len = messages.vanished.len();
        let old = messages.vanished.partition_point(|vanished| vanished.unix_s < now_unix_s - HISTORY_S);
        let forget = old.min(len.saturating_sub(HISTORY_MIN)).max(len.saturating_sub(HISTORY_MAX));
        if let Some(last) = forget.checked_sub(1).map(|at| messages.vanished[at].mod_seq) {
            self.head.history_from = self.head.history_from.max(last);
            messages.vanished.drain(..forget);
            self.dirty.forgotten = true;
            self.dirty.head = true;
        }
    }

    pub(crate) fn rename(&mut self, name: String, uid_validity: u32, mod_seq: ModSeq) {
        self.head.name = name;
        self.head.uid_validity = uid_validity;
        self.touch(mod_seq);
    }

    fn changes_since(&self, mod_seq: ModSeq) -> Changes {
        let highest_mod_seq = self.head.highest_mod_seq;
        let mut changes = Changes { highest_mod_seq, ..Changes::default() };
        let Some(messages) = &self.messages else { return changes };
        if mod_seq >= highest_mod_seq {
            return changes;
        }
        changes.history_lost = mod_seq < self.head.history_from;
        let changed = messages.chunks.iter().filter(|chunk| chunk.highest_mod_seq > mod_seq);
        changes.changed = changed
            .flat_map(|chunk| chunk.messages.iter().filter(|message| message.mod_seq > mod_seq))
            .copied()
            .collect();
        let from = messages.vanished.partition_point(|vanished| vanished.mod_seq <= mod_seq);
        for vanished in &messages.vanished[from..] {
            changes.vanished.insert_all(&vanished.uids);
        }
        changes
    }
}

impl Mailbox {
    pub(crate) fn new(data: MailboxData) -> Arc<Mailbox> {
        let (id, account) = (data.head.mailbox, data.head.account);
        let data = RwLock::new(data);
        Arc::new(Mailbox { id, account, data, pins: AtomicUsize::new(0), loading: Mutex::new(()) })
    }

    /// Its id.
    pub fn id(&self) -> MailboxId {
        self.id
    }

    /// Whose it is.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// What stands above its messages, at this moment. Cheap.
    pub fn head(&self) -> Head {
        self.read().head()
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, MailboxData> {
        self.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, MailboxData> {
        self.data.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the messages from memory if nobody uses them and the index has them all.
    pub(crate) fn evict(&self) -> bool {
        let mut data = self.write();
        // Under the lock: whoever opens the mailbox counts first and looks for the messages after.
        if self.pins.load(Ordering::SeqCst) == 0 && data.dirty.is_clean() && !data.gone {
            data.messages = None;
            return true;
        }
        false
    }
}

/// A mailbox whose messages are in memory for as long as this lives. Shared by all sessions that have it open.
#[derive(Debug)]
pub struct OpenMailbox {
    mailbox: Arc<Mailbox>,
}

impl std::ops::Deref for OpenMailbox {
    type Target = Arc<Mailbox>;
    fn deref(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Clone for OpenMailbox {
    fn clone(&self) -> Self {
        OpenMailbox::pin(&self.mailbox)
    }
}

impl Drop for OpenMailbox {
    fn drop(&mut self) {
        self.mailbox.pins.fetch_sub(1, Ordering::SeqCst);
    }
}

impl OpenMailbox {
    /// Keeps the messages in memory if they are there; whoever pins looks whether they are, and loads them if not.
    pub(crate) fn pin(mailbox: &Arc<Mailbox>) -> OpenMailbox {
        mailbox.pins.fetch_add(1, Ordering::SeqCst);
        OpenMailbox { mailbox: Arc::clone(mailbox) }
    }

    /// Head and all UIDs at one moment.
    pub fn snapshot(&self) -> Snapshot {
        let data = self.read();
        let uids = data.messages.as_ref().map(|messages| messages.uids.clone()).unwrap_or_default();
        Snapshot { head: data.head(), uids }
    }

    /// What changed after `mod_seq`. Its cost grows with what changed, and by a sixty-fourth of a step for each message
    /// that is there.
    pub fn changes_since(&self, mod_seq: ModSeq) -> Changes {
        self.read().changes_since(mod_seq)
    }

    /// The message with this UID, if it is (still) there.
    pub fn message(&self, uid: Uid) -> Option<Message> {
        self.read().messages.as_ref()?.get(uid).copied()
    }

    /// Those messages of `uids` that are there, ascending; 64 octets of memory each.
    pub fn messages(&self, uids: &UidSet) -> Vec<Message> {
        let data = self.read();
        data.messages.as_ref().map(|messages| messages.select(uids).copied().collect()).unwrap_or_default()
    }

    /// The lowest UID without `\Seen` (RFC 3501 §7.1, UNSEEN).
    pub fn first_unseen(&self) -> Option<Uid> {
        let data = self.read();
        if data.head.unseen == 0 {
            return None;
        }
        let mut messages = data.messages.as_ref()?.chunks.iter().flat_map(|chunk| chunk.messages.iter());
        messages.find(|message| !message.flags.contains(Flags::SEEN)).map(|message| message.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BodyId, Date};

    fn message(uid: Uid, mod_seq: ModSeq) -> Message {
        Message {
            uid,
            flags: Flags::NONE,
            mod_seq,
            body: BodyId(u64::from(uid)),
            size: 10,
            internal_date: Date { unix_s: 0, offset_min: 0 },
            save_date_unix_s: 0,
        }
    }

    fn mailbox_of(count: u32) -> OpenMailbox {
        let head = HeadRecord::new(MailboxId(1), AccountId(1), "INBOX".to_owned(), 1, None, 1);
        let mut data = MailboxData::new(head);
        for uid in 1..=count {
            data.insert(message(uid, u64::from(uid) + 1));
        }
        OpenMailbox::pin(&Mailbox::new(data))
    }

    #[test]
    fn changes_are_what_came_after_and_each_once() {
        let mailbox = mailbox_of(200);
        mailbox.write().change_flags(&UidSet::range(60, 70), Flags::NONE, Flags::SEEN, 300);
        mailbox.write().expunge(&UidSet::range(65, 66), 301, 0);
        let changes = mailbox.changes_since(201);
        assert_eq!(changes.highest_mod_seq, 301);
        let uids: Vec<_> = changes.changed.iter().map(|message| message.uid).collect();
        assert_eq!(uids, [60, 61, 62, 63, 64, 67, 68, 69, 70]);
        assert_eq!(changes.vanished.iter().collect::<Vec<_>>(), [65, 66]);
        assert!(mailbox.changes_since(301).changed.is_empty());
        assert_eq!(mailbox.changes_since(300).vanished.len(), 2);
    }

    #[test]
    fn counts_follow_the_messages() {
        let mailbox = mailbox_of(100);
        mailbox.write().change_flags(&UidSet::range(1, 10), Flags::NONE, Flags::SEEN.union(Flags::DELETED), 300);
        let head = mailbox.head();
        assert_eq!((head.exists, head.unseen, head.deleted, head.octets), (100, 90, 10, 1000));
        assert_eq!(mailbox.first_unseen(), Some(11));
        mailbox.write().expunge(&UidSet::range(1, 64), 301, 0);
        let head = mailbox.head();
        assert_eq!((head.exists, head.unseen, head.deleted, head.octets, head.uid_next), (36, 36, 0, 360, 101));
        assert_eq!(mailbox.messages(&UidSet::range(1, u32::MAX)).len(), 36);
        assert_eq!(mailbox.snapshot().uids.ranges().collect::<Vec<_>>(), [(65, 100)]);
    }

    #[test]
    fn an_anchor_older_than_the_history_is_told_so() {
        let mailbox = mailbox_of(3_000);
        for uid in 1..=2_000 {
            mailbox.write().expunge(&UidSet::range(uid, uid), 10_000 + u64::from(uid), 5);
        }
        mailbox.write().trim_history(5 + HISTORY_S);
        assert!(!mailbox.changes_since(3_001).history_lost, "90 days are not over");
        mailbox.write().trim_history(6 + HISTORY_S);
        let changes = mailbox.changes_since(3_001);
        assert!(changes.history_lost);
        assert!(!mailbox.changes_since(11_000).history_lost);
        assert_eq!(mailbox.changes_since(11_000).vanished.len(), 1_000);
    }

    #[test]
    fn messages_in_use_or_unsaved_stay_in_memory() {
        let open = mailbox_of(3);
        let mailbox = Arc::clone(&open);
        open.write().dirty = Dirty::default();
        assert!(!mailbox.evict(), "it is open");
        drop(open);
        mailbox.write().dirty.head = true;
        assert!(!mailbox.evict(), "the index does not know it yet");
        mailbox.write().dirty = Dirty::default();
        assert!(mailbox.evict());
    }
}
