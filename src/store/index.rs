//! The index: what the journal says, in sled, so that opening a store need not read all of it.
//!
//! sled 0.34.7 is never the truth (DESIGN §4 has the measurements): its `flush` does not sync, a power cut may leave it
//! with any older batch, with nothing, or in a state in which it panics. So each checkpoint is one batch, followed by a sync
//! of our own; the sentinel in it says how far it reaches, and what is newer is replayed from the journal; and when it can't
//! be opened, it is thrown away and made anew.
//!
//! One tree, keys with a letter before them, values of at most 7 KiB (larger pages would go to files that sled
//! never syncs):
//!
//! | key | value |
//! |---|---|
//! | `S` | [`Sentinel`] |
//! | `A` account, piece | [`AccountState`] |
//! | `T` account, piece | [`MetadataState`] |
//! | `Q` account | [`Quota`], of those who have their own |
//! | `R` account, piece | its script, the rules for what comes in |
//! | `L` alias, NUL, piece | its name and [`Alias`] |
//! | `M` mailbox, piece | [`HeadRecord`] |
//! | `C` mailbox, chunk | [`Chunk`] of up to 64 messages |
//! | `X` mailbox, mod-sequence, piece | [`Vanished`] |
//! | `B` body / 64 | the places of up to 64 bodies |
//! | `G` segment | [`SegmentUse`] |

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::journal::record::{AccountState, Counters, HeadRecord, MetadataState, Vanished};
use super::journal::segment::{Place, StoreId};
use super::mailbox::{Chunk, Messages};
use super::{AccountId, Alias, BodyId, CommitSeq, Error, MailboxId, ModSeq, Quota};

/// The form of everything in the index; another one is thrown away and made anew.
const FORMAT_VERSION: u32 = 1;
/// Values are cut into pieces of this size.
const PIECE_OCTETS: usize = 7 * 1024;
/// What sled may keep in memory.
const CACHE_OCTETS: u64 = 64 * 1024 * 1024;
/// Bodies to a value.
const BODIES_PER_CHUNK: u64 = 64;

/// How far the index reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sentinel {
    format_version: u32,
    pub(crate) store_id: StoreId,
    /// All commits up to this one are in the index.
    pub(crate) commit_seq: CommitSeq,
    /// Where the next one stands in the journal, or begins a new segment behind it.
    pub(crate) position: Option<(u32, u64)>,
    pub(crate) counters: Counters,
}

impl Sentinel {
    pub(crate) fn new(
        store_id: StoreId,
        commit_seq: CommitSeq,
        position: Option<(u32, u64)>,
        counters: Counters,
    ) -> Sentinel {
        Sentinel { format_version: FORMAT_VERSION, store_id, commit_seq, position, counters }
    }
}

/// A body's place and how many messages refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BodyEntry {
    pub(crate) place: Place,
    pub(crate) references: u32,
}

/// How much of a segment is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentUse {
    /// Octets of all records.
    pub(crate) octets: u64,
    /// Octets of deliveries that some message refers to, and of the last states of mailboxes and metadata.
    pub(crate) live: u64,
}

/// What a checkpoint writes of the bodies.
#[derive(Debug, Default)]
pub(crate) struct BodiesBatch {
    pub(crate) generation: u64,
    pub(crate) entries: Vec<(BodyId, BodyEntry)>,
    pub(crate) segments: Vec<(u32, SegmentUse)>,
    pub(crate) removed_segments: Vec<u32>,
}

/// The index of an open store.
#[derive(Debug)]
pub(crate) struct Index {
    db: sled::Db,
    dir: PathBuf,
}

/// Looks up where bodies are. Those that came one after the other stand in one value, which is read once for all of them.
/// What the index says of them must not change while it is in use.
pub(crate) struct BodyLookup<'a> {
    index: &'a Index,
    /// The last value, by its number.
    chunk: Option<(u64, Vec<(u8, BodyEntry)>)>,
}

impl BodyLookup<'_> {
    pub(crate) fn body(&mut self, body: BodyId) -> Result<Option<BodyEntry>, Error> {
        let (number, slot) = (body.0 / BODIES_PER_CHUNK, (body.0 % BODIES_PER_CHUNK) as u8);
        let chunk = match self.chunk.take() {
            Some((of, chunk)) if of == number => chunk,
            _ => self.index.body_chunk(number)?,
        };
        let entry = chunk.iter().find(|(at, _)| *at == slot).map(|(_, entry)| *entry);
        self.chunk = Some((number, chunk));
        Ok(entry)
    }
}

/// Changes to be written together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    sled: sled::Batch,
    /// How many keys it sets or removes.
    pub(crate) changes: usize,
}

/// How long sled's lock is waited for, and how often it is looked at.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_LOOK: Duration = Duration::from_millis(10);

/// Whether somebody has the index open. sled 0.34.7 says it by text alone.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

fn read_error(error: impl std::fmt::Display) -> Error {
    Error::Read(format!("the index can't be read: {error}"))
}

fn key(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![letter];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn decode<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(octets).map_err(read_error)
}

fn u64_at(key: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?))
}

impl Index {
    /// Opens the folder. sled may panic on what a crash left: that comes back as an error, too.
    ///
    /// Whoever opens it holds the store's own lock, so sled's lock can be held only by a store that this process has just
    /// let go of: sled gives it back a moment later, from a thread of its own. An index must not count as unusable for that.
    pub(crate) fn open(dir: &Path) -> Result<Index, String> {
        let give_up = Instant::now() + LOCK_WAIT;
        loop {
            let config = sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(CACHE_OCTETS);
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(db)) => return Ok(Index { db, dir: dir.to_owned() }),
                Ok(Err(error)) if is_locked(&error) && Instant::now() < give_up => sleep(LOCK_LOOK),
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err("sled panicked while it opened it".to_owned()),
            }
        }
    }

    /// The sentinel; `None` in a new index, and in one of another format.
    pub(crate) fn sentinel(&self) -> Result<Option<Sentinel>, Error> {
        let Some(octets) = self.db.get(b"S").map_err(read_error)? else { return Ok(None) };
        let sentinel: Option<Sentinel> = decode(&octets).ok();
        Ok(sentinel.filter(|sentinel| sentinel.format_version == FORMAT_VERSION))
    }

    /// All values below a letter, pieces put together, by the key without letter and piece.
    fn scan_pieces<T: DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, Error> {
        let mut values: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for entry in self.db.scan_prefix(prefix) {
            let (key, value) = entry.map_err(read_error)?;
            let Some((name, piece)) = key[1..].split_at_checked(key.len() - 3) else {
                return Err(read_error("a key is too short"));
            };
            match values.last_mut() {
                Some((last, octets)) if piece != [0, 0] && last == name => octets.extend_from_slice(&value),
                _ => values.push((name.to_vec(), value.to_vec())),
            }
        }
        values.into_iter().map(|(name, octets)| Ok((name, decode(&octets)?))).collect()
    }

    pub(crate) fn accounts(&self) -> Result<Vec<AccountState>, Error> {
        Ok(self.scan_pieces(b"A")?.into_iter().map(|(_, account)| account).collect())
    }

    pub(crate) fn metadata(&self) -> Result<Vec<MetadataState>, Error> {
        Ok(self.scan_pieces(b"T")?.into_iter().map(|(_, metadata)| metadata).collect())
    }

    pub(crate) fn quotas(&self) -> Result<Vec<(AccountId, Quota)>, Error> {
        let mut quotas = Vec::new();
        for entry in self.db.scan_prefix(b"Q") {
            let (key, value) = entry.map_err(read_error)?;
            let account = u64_at(&key, 1).ok_or_else(|| read_error("a key is too short"))?;
            quotas.push((AccountId(account), decode(&value)?));
        }
        Ok(quotas)
    }

    pub(crate) fn scripts(&self) -> Result<Vec<(AccountId, Arc<str>)>, Error> {
        let mut scripts = Vec::new();
        for (name, script) in self.scan_pieces(b"R")? {
            let account = u64_at(&name, 0).ok_or_else(|| read_error("a key is too short"))?;
            scripts.push((AccountId(account), script));
        }
        Ok(scripts)
    }

    pub(crate) fn aliases(&self) -> Result<Vec<(String, Alias)>, Error> {
        Ok(self.scan_pieces(b"L")?.into_iter().map(|(_, alias)| alias).collect())
    }

    pub(crate) fn heads(&self) -> Result<Vec<HeadRecord>, Error> {
        Ok(self.scan_pieces(b"M")?.into_iter().map(|(_, head)| head).collect())
    }

    pub(crate) fn segments(&self) -> Result<BTreeMap<u32, SegmentUse>, Error> {
        let mut segments = BTreeMap::new();
        for entry in self.db.scan_prefix(b"G") {
            let (key, value) = entry.map_err(read_error)?;
            let number = key[1..].try_into().map(u32::from_be_bytes).map_err(read_error)?;
            segments.insert(number, decode(&value)?);
        }
        Ok(segments)
    }

    /// The messages of a mailbox. Nothing of it may be in a batch that is being applied: a scan of sled is no snapshot.
    pub(crate) fn messages(&self, mailbox: MailboxId) -> Result<Messages, Error> {
        let id = mailbox.0.to_be_bytes();
        let mut chunks = Vec::new();
        for entry in self.db.scan_prefix(key(b'C', &[&id])) {
            let (_, value) = entry.map_err(read_error)?;
            chunks.push(decode::<Chunk>(&value)?);
        }
        let vanished = self.scan_pieces::<Vanished>(&key(b'X', &[&id]))?;
        Ok(Messages::new(chunks, vanished.into_iter().map(|(_, vanished)| vanished).collect()))
    }

    /// For looking up where bodies are.
    pub(crate) fn lookup(&self) -> BodyLookup<'_> {
        BodyLookup { index: self, chunk: None }
    }

    fn body_chunk(&self, number: u64) -> Result<Vec<(u8, BodyEntry)>, Error> {
        match self.db.get(key(b'B', &[&number.to_be_bytes()])).map_err(read_error)? {
            Some(octets) => decode(&octets),
            None => Ok(Vec::new()),
        }
    }

    fn set_pieces(&self, batch: &mut Batch, name: &[u8], value: &impl Serialize) -> Result<(), Error> {
        let octets = postcard::to_stdvec(value).map_err(read_error)?;
        let mut piece = 0u16;
        for part in octets.chunks(PIECE_OCTETS) {
            batch.set(key_piece(name, piece), part);
            piece += 1;
        }
        // The value may have had more pieces before.
        while self.db.contains_key(key_piece(name, piece)).map_err(read_error)? {
            batch.remove(key_piece(name, piece));
            piece += 1;
        }
        Ok(())
    }

    pub(crate) fn set_sentinel(&self, batch: &mut Batch, sentinel: &Sentinel) -> Result<(), Error> {
        batch.set(b"S".to_vec(), &postcard::to_stdvec(sentinel).map_err(read_error)?);
        Ok(())
    }

    pub(crate) fn set_account(&self, batch: &mut Batch, account: &AccountState) -> Result<(), Error> {
        self.set_pieces(batch, &key(b'A', &[&account.account.0.to_be_bytes()]), account)
    }

    pub(crate) fn set_metadata(&self, batch: &mut Batch, metadata: &MetadataState) -> Result<(), Error> {
        self.set_pieces(batch, &key(b'T', &[&metadata.account.0.to_be_bytes()]), metadata)
    }

    pub(crate) fn set_quota(&self, batch: &mut Batch, account: AccountId, quota: Option<Quota>) -> Result<(), Error> {
        let key = key(b'Q', &[&account.0.to_be_bytes()]);
        match quota {
            Some(quota) => batch.set(key, &postcard::to_stdvec(&quota).map_err(read_error)?),
            None => batch.remove(key),
        }
        Ok(())
    }

    pub(crate) fn set_script(&self, batch: &mut Batch, account: AccountId, script: Option<&str>) -> Result<(), Error> {
        let key = key(b'R', &[&account.0.to_be_bytes()]);
        match script {
            Some(script) => self.set_pieces(batch, &key, &script),
            None => self.remove_prefix(batch, &key),
        }
    }

    /// Sets an alias, or removes it. A name holds no NUL: so none is the beginning of another's key.
    pub(crate) fn set_alias(&self, batch: &mut Batch, name: &str, alias: Option<&Alias>) -> Result<(), Error> {
        let key = key(b'L', &[name.as_bytes(), &[0]]);
        match alias {
            Some(alias) => self.set_pieces(batch, &key, &(name, alias)),
            None => self.remove_prefix(batch, &key),
        }
    }

    pub(crate) fn set_head(&self, batch: &mut Batch, head: &HeadRecord) -> Result<(), Error> {
        self.set_pieces(batch, &key(b'M', &[&head.mailbox.0.to_be_bytes()]), head)
    }

    /// Sets a chunk, or removes it where it is empty.
    pub(crate) fn set_chunk(
        &self,
        batch: &mut Batch,
        mailbox: MailboxId,
        number: u32,
        chunk: Option<&Chunk>,
    ) -> Result<(), Error> {
        let key = key(b'C', &[&mailbox.0.to_be_bytes(), &number.to_be_bytes()]);
        match chunk {
            Some(chunk) => batch.set(key, &postcard::to_stdvec(chunk).map_err(read_error)?),
            None => batch.remove(key),
        }
        Ok(())
    }

    pub(crate) fn set_vanished(&self, batch: &mut Batch, mailbox: MailboxId, vanished: &Vanished) -> Result<(), Error> {
        let name = key(b'X', &[&mailbox.0.to_be_bytes(), &vanished.mod_seq.to_be_bytes()]);
        self.set_pieces(batch, &name, vanished)
    }

    /// Removes the expunge history up to a mod-sequence.
    pub(crate) fn remove_vanished(&self, batch: &mut Batch, mailbox: MailboxId, up_to: ModSeq) -> Result<(), Error> {
        for entry in self.db.scan_prefix(key(b'X', &[&mailbox.0.to_be_bytes()])) {
            let (key, _) = entry.map_err(read_error)?;
            if u64_at(&key, 9).is_some_and(|mod_seq| mod_seq > up_to) {
                break;
            }
            batch.remove(key.to_vec());
        }
        Ok(())
    }

    /// Removes messages and history of a mailbox, not its head.
    pub(crate) fn remove_messages(&self, batch: &mut Batch, mailbox: MailboxId) -> Result<(), Error> {
        for letter in *b"CX" {
            self.remove_prefix(batch, &key(letter, &[&mailbox.0.to_be_bytes()]))?;
        }
        Ok(())
    }

    /// Removes all of a mailbox.
    pub(crate) fn remove_mailbox(&self, batch: &mut Batch, mailbox: MailboxId) -> Result<(), Error> {
        self.remove_messages(batch, mailbox)?;
        self.remove_prefix(batch, &key(b'M', &[&mailbox.0.to_be_bytes()]))
    }

    pub(crate) fn remove_account(&self, batch: &mut Batch, account: AccountId) -> Result<(), Error> {
        self.remove_prefix(batch, &key(b'T', &[&account.0.to_be_bytes()]))?;
        self.remove_prefix(batch, &key(b'Q', &[&account.0.to_be_bytes()]))?;
        self.remove_prefix(batch, &key(b'R', &[&account.0.to_be_bytes()]))?;
        self.remove_prefix(batch, &key(b'A', &[&account.0.to_be_bytes()]))
    }

    fn remove_prefix(&self, batch: &mut Batch, prefix: &[u8]) -> Result<(), Error> {
        for entry in self.db.scan_prefix(prefix) {
            let (key, _) = entry.map_err(read_error)?;
            batch.remove(key.to_vec());
        }
        Ok(())
    }

    pub(crate) fn set_bodies(&self, batch: &mut Batch, mut bodies: BodiesBatch) -> Result<(), Error> {
        bodies.entries.sort_unstable_by_key(|(body, _)| *body);
        for group in bodies.entries.chunk_by(|(a, _), (b, _)| a.0 / BODIES_PER_CHUNK == b.0 / BODIES_PER_CHUNK) {
            let number = group[0].0.0 / BODIES_PER_CHUNK;
            let mut chunk: BTreeMap<u8, BodyEntry> = self.body_chunk(number)?.into_iter().collect();
            for (body, entry) in group {
                let slot = (body.0 % BODIES_PER_CHUNK) as u8;
                if entry.references == 0 {
                    chunk.remove(&slot);
                } else {
                    chunk.insert(slot, *entry);
                }
            }
            let key = key(b'B', &[&number.to_be_bytes()]);
            if chunk.is_empty() {
                batch.remove(key);
            } else {
                let rows: Vec<_> = chunk.into_iter().collect();
                batch.set(key, &postcard::to_stdvec(&rows).map_err(read_error)?);
            }
        }
        for (segment, usage) in bodies.segments {
            let key = key(b'G', &[&segment.to_be_bytes()]);
            batch.set(key, &postcard::to_stdvec(&usage).map_err(read_error)?);
        }
        for segment in bodies.removed_segments {
            batch.remove(key(b'G', &[&segment.to_be_bytes()]));
        }
        Ok(())
    }

    /// Writes the batch. It is durable when [`Index::sync`] has returned.
    pub(crate) fn apply(&self, batch: Batch) -> Result<(), Error> {
        let failed = |error: String| Error::WriteFailed(format!("the index can't be written: {error}"));
        match catch_unwind(AssertUnwindSafe(|| self.db.apply_batch(batch.sled))) {
            Ok(applied) => applied.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("sled panicked".to_owned())),
        }
    }

    /// Returns when all applied batches are on stable storage. sled's own flush writes them out without an fsync.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let failed = |error: String| Error::WriteFailed(format!("the index can't be synced: {error}"));
        match catch_unwind(AssertUnwindSafe(|| self.db.flush())) {
            Ok(flushed) => flushed.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("sled panicked".to_owned())),
        };
        File::open(self.dir.join("db")).and_then(|file| file.sync_data()).map_err(|error| failed(error.to_string()))
    }
}

impl Batch {
    fn set(&mut self, key: Vec<u8>, value: &[u8]) {
        self.sled.insert(key, value);
        self.changes += 1;
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.sled.remove(key);
        self.changes += 1;
    }
}

fn key_piece(name: &[u8], piece: u16) -> Vec<u8> {
    let mut key = name.to_vec();
    key.extend_from_slice(&piece.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_being_let_go_of_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = sled::open(dir.path()).unwrap();
        let error = sled::open(dir.path()).unwrap_err();
        assert!(is_locked(&error), "{error}");
        let letting_go = std::thread::spawn(move || {
            sleep(5 * LOCK_LOOK);
            drop(held);
        });
        Index::open(dir.path()).unwrap();
        letting_go.join().unwrap();
    }
}
