//! Opening a store: what the index says, then what is newer in the journal; or everything from the journal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, watch};

use super::by_hand::Requests;
use super::committer::{Committer, now_unix_s};
use super::disk::{Disk, RealDisk};
use super::incoming::Intake;
use super::index::{Index, Sentinel};
use super::journal::record::Counters;
use super::journal::segment::{self, HeaderError, Purpose, Scan, ScanError, Scanned, Segment};
use super::journal::{Journal, Writer};
use super::maintenance::Maintenance;
use super::state::State;
use super::{CommitSeq, Error, Hub, Inner, Options, QUEUED_JOBS, Store, Threads};

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store in {0} is in use by another process")]
    InUse(PathBuf),
    /// A file or folder can't be used.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It was written by another version, or something else is wrong that opening must not change.
    #[error("{0}")]
    Refused(String),
}

/// Damage that was found in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) segment: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// How a store was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) journal: Arc<Journal>,
    pub(crate) commit_seq: CommitSeq,
    pub(crate) writer: Writer,
    pub(crate) damage: Vec<Damage>,
    /// Segments that a crash ended before they began.
    pub(crate) never_whole: Vec<String>,
    /// Why the index was made anew, if it was.
    pub(crate) rebuilt: Option<String>,
}

/// The folders of a store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Layout {
        Layout { root: root.to_owned() }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    fn make(&self) -> Result<(), OpenError> {
        for dir in [self.journal(), self.spool()] {
            fs::create_dir_all(&dir).map_err(|error| OpenError::Io { path: dir, error })?;
        }
        // The folders must outlast a power cut as the files in them do.
        let sync = File::open(&self.root).and_then(|dir| dir.sync_all());
        sync.map_err(|error| OpenError::Io { path: self.root.clone(), error })
    }

    /// One process owns a store. The lock goes with the process, however it ends.
    pub(crate) fn lock(&self) -> Result<File, OpenError> {
        let path = self.root.join("lock");
        let failed = |error| OpenError::Io { path: path.clone(), error };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Store {
    /// Opens the store in `dir`, or makes one. Blocks: call it off the runtime.
    ///
    /// After a crash it replays what the index does not know yet; when the index can't be used, it makes it anew from the
    /// journal, and keeps the old one beside it. Both need no person.
    pub fn open(dir: &Path, options: Options) -> Result<Store, OpenError> {
        Store::open_on(Arc::new(RealDisk), dir, options)
    }

    pub(crate) fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Store, OpenError> {
        let (store, committer) = Store::open_without_committer(disk, dir, options, None)?;
        store
            .spawn("store-commit", || committer.run())
            .map_err(|error| OpenError::Io { path: dir.to_owned(), error })?;
        Ok(store)
    }

    /// Opens a store whose committer is the caller's to run; with `asked`, that one is told when somebody waits for it.
    pub(crate) fn open_without_committer(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        asked: Option<Arc<Notify>>,
    ) -> Result<(Store, Committer), OpenError> {
        let started = Instant::now();
        fs::create_dir_all(dir).map_err(|error| OpenError::Io { path: dir.to_owned(), error })?;
        let layout = Layout::new(dir);
        layout.make()?;
        let lock = layout.lock()?;
        let opened = open_state(disk, &layout, options.segment_octets, false)?;
        for damage in &opened.damage {
            let Damage { segment, from, to } = damage;
            tracing::error!(segment, from, to, "the journal is damaged: records between these octets are lost");
        }
        for path in &opened.never_whole {
            tracing::warn!(path, "a journal segment that was never begun is passed over");
        }
        let intake = Intake {
            used: AtomicU64::new(0),
            budget: options.in_flight_octets,
            max_message: options.max_message_octets,
            dir: layout.spool(),
            disk_full: AtomicBool::new(false),
        };
        let inner = Arc::new(Inner {
            hub: Hub::new(),
            journal: opened.journal,
            state: opened.state,
            intake: Arc::new(intake),
            options,
            verified: Mutex::default(),
            failure: watch::Sender::new(None),
            _lock: lock,
        });
        let (sender, messages) = std::sync::mpsc::channel();
        let requests = Requests { sender, asked };
        let (maintenance, orders) = std::sync::mpsc::channel();
        let committer = Committer {
            inner: Arc::clone(&inner),
            writer: opened.writer,
            commit_seq: opened.commit_seq,
            counters: inner.state.directory().counters,
            messages,
        };
        let keeper =
            Maintenance { inner: Arc::clone(&inner), requests: requests.clone(), orders, stuck: BTreeSet::new() };
        let threads = Arc::new(Threads { requests, maintenance, handles: Mutex::default() });
        let store = Store { inner, threads, queue: Arc::new(Semaphore::new(QUEUED_JOBS)), own: None };
        store
            .spawn("store-maintenance", || keeper.run())
            .map_err(|error| OpenError::Io { path: dir.to_owned(), error })?;
        tracing::info!(
            accounts = store.inner.state.directory().accounts().count(),
            commit_seq = opened.commit_seq,
            rebuilt = opened.rebuilt.is_some(),
            took_ms = started.elapsed().as_millis() as u64,
            "the store is open"
        );
        Ok((store, committer))
    }

    /// One of the threads that end with the store.
    fn spawn(&self, name: &'static str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let inner = Arc::clone(&self.inner);
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // A bug must end in refusals that are seen, not in callers that wait for ever.
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                inner.fail(&format!("the thread {name} panicked"));
            }
        })?;
        self.threads.handles.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(())
    }
}

/// Reads a store into memory, and leaves index and journal ready to be written to. With `rebuild`, the index is made anew
/// whatever it says.
pub(crate) fn open_state(
    disk: Arc<dyn Disk>,
    layout: &Layout,
    segment_octets: u64,
    rebuild: bool,
) -> Result<Opened, OpenError> {
    let (journal, never_whole) =
        Journal::open(disk, &layout.journal(), segment_octets).map_err(|error| match error.error {
            HeaderError::Io(io) => OpenError::Io { path: error.path, error: io },
            _ => OpenError::Refused(format!("{error}; nothing was changed")),
        })?;
    let (state, replay, rebuilt) = match reusable(layout, &journal, rebuild)? {
        Ok((state, replay)) => (state, replay, None),
        Err(reason) => {
            let (state, replay) = from_journal(layout, &journal, &reason)?;
            (state, replay, Some(reason))
        }
    };
    state.bodies().adopt_segments(&journal).map_err(|error| OpenError::Io { path: layout.journal(), error })?;
    let writer = match replay.end {
        Some((segment, end)) => {
            // What was just read may still be only in the system's memory, and is about to be told to clients.
            segment.file.sync_data().map_err(|error| OpenError::Io { path: layout.journal(), error })?;
            match end {
                Some(end) if end < segment_octets => Writer::resume(Arc::clone(&journal), segment, end),
                _ => Writer::new(Arc::clone(&journal), Purpose::Commits),
            }
        }
        None => Writer::new(Arc::clone(&journal), Purpose::Commits),
    };
    if rebuilt.is_some() {
        checkpoint(&state, &journal, &writer, replay.commit_seq).map_err(refused)?;
    }
    Ok(Opened {
        state,
        commit_seq: replay.commit_seq,
        writer,
        damage: replay.damage,
        never_whole: never_whole.iter().map(|error| error.path.display().to_string()).collect(),
        rebuilt,
        journal,
    })
}

pub(crate) fn refused(error: impl std::fmt::Display) -> OpenError {
    OpenError::Refused(error.to_string())
}

/// Makes the index what the journal says, before anybody is served.
fn checkpoint(state: &State, journal: &Journal, writer: &Writer, commit_seq: CommitSeq) -> Result<(), Error> {
    let (mut batch, generation, _) = state.collect(now_unix_s())?;
    let counters = state.directory().counters;
    let sentinel = Sentinel::new(*journal.store_id(), commit_seq, writer.position(), counters);
    state.index.set_sentinel(&mut batch, &sentinel)?;
    state.index.apply(batch)?;
    state.index.sync()?;
    state.collected(generation);
    Ok(())
}

/// What index and journal say together, or why the index can't be used.
fn reusable(layout: &Layout, journal: &Journal, rebuild: bool) -> Result<Result<(State, Replay), String>, OpenError> {
    if rebuild {
        return Ok(Err("it was asked for".to_owned()));
    }
    if !layout.index().exists() && !journal.segments().is_empty() {
        return Ok(Err("it is not there".to_owned()));
    }
    match from_index(layout, journal) {
        Ok(opened) => Ok(Ok(opened)),
        Err(Unusable::Index(reason)) => Ok(Err(reason)),
        Err(Unusable::Journal(reason)) => Err(OpenError::Refused(reason)),
    }
}

/// What the index says, and then what is newer in the journal.
pub(crate) fn from_index(layout: &Layout, journal: &Journal) -> Result<(State, Replay), Unusable> {
    let read = || {
        let index = Index::open(&layout.index()).map_err(Unusable::Index)?;
        let sentinel = usable(&index, journal)?;
        let state = State::load(index, sentinel.counters).map_err(unusable)?;
        let mut replay = Replay::default();
        replay.newer(journal, &state, &sentinel)?;
        state.bodies().give_up_unplaced();
        Ok((state, replay))
    };
    // sled reads its pages when they are asked for: what a crash left may come to light at any of these steps.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Unusable::Index("reading it panicked".to_owned())))
}

/// Puts aside the index that can't be used, and makes a new one from the journal.
fn from_journal(layout: &Layout, journal: &Journal, reason: &str) -> Result<(State, Replay), OpenError> {
    tracing::warn!(reason, "the index can't be used; it is made anew from the journal");
    let dir = layout.index();
    if dir.exists() {
        put_aside(&dir)?;
    }
    let index = Index::open(&dir).map_err(|reason| refused(format!("a new index can't be made: {reason}")))?;
    rebuilt(index, journal)
}

/// What all of the journal says. The index is new.
pub(crate) fn rebuilt(index: Index, journal: &Journal) -> Result<(State, Replay), OpenError> {
    let mut state = State::rebuild(index);
    let mut replay = Replay::default();
    replay.all(journal, &state).map_err(refused)?;
    state.end_rebuild().map_err(refused)?;
    Ok((state, replay))
}

/// Keeps the index that can't be used, for whoever wants to know why; only the last one.
fn put_aside(dir: &Path) -> Result<(), OpenError> {
    let aside = dir.with_extension("unusable");
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(|error| OpenError::Io { path: aside.clone(), error })?;
    }
    fs::rename(dir, &aside).map_err(|error| OpenError::Io { path: dir.to_owned(), error })
}

/// Whose fault it is that index and journal do not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// The index: it can be made anew.
    #[error("{0}")]
    Index(String),
    /// The journal: making the index anew would lose what only the index still knows of, or would fail as well.
    #[error("{0}")]
    Journal(String),
}

impl From<ScanError> for Unusable {
    fn from(error: ScanError) -> Self {
        Unusable::Journal(error.to_string())
    }
}

/// An error of the store's while a record is applied: only the index can have caused it.
fn unusable(error: Error) -> Unusable {
    Unusable::Index(error.to_string())
}

/// The index's sentinel, if index and journal fit each other; that of a new index, where there is no journal yet.
fn usable(index: &Index, journal: &Journal) -> Result<Sentinel, Unusable> {
    let numbers: Vec<u32> = journal.segments().iter().map(|segment| segment.number).collect();
    let Some(sentinel) = index.sentinel().map_err(unusable)? else {
        return match numbers.is_empty() {
            true => Ok(Sentinel::new(*journal.store_id(), 0, None, Counters::default())),
            false => Err(Unusable::Index("it is empty".to_owned())),
        };
    };
    if numbers.is_empty() && sentinel.commit_seq > 0 {
        return Err(Unusable::Journal(
            "the index is there and the journal is not: the journal holds the mail; put its folder back".to_owned(),
        ));
    }
    if !numbers.is_empty() && sentinel.store_id != *journal.store_id() {
        return Err(Unusable::Index("it belongs to another store".to_owned()));
    }
    // An older batch of sled's knows segments that compaction has removed since.
    let known = index.segments().map_err(unusable)?;
    if let Some(number) = known.keys().find(|number| !numbers.contains(number)) {
        return Err(Unusable::Index(format!("it knows segment {number}, which is not there")));
    }
    // A journal that was put back from a backup: the index is written only when the journal is synced that far.
    if let Some((number, end)) = sentinel.position
        && let Some(segment) = journal.segment(number)
        && segment.file.len().map_err(|error| Unusable::Journal(error.to_string()))? < end
    {
        return Err(Unusable::Index("it is newer than the journal".to_owned()));
    }
    Ok(sentinel)
}

/// Reads the journal into a state.
#[derive(Default)]
pub(crate) struct Replay {
    /// The highest commit that was seen.
    commit_seq: CommitSeq,
    damage: Vec<Damage>,
    /// The newest segment of commits, and where it ends if nothing unreadable stands there.
    end: Option<(Arc<Segment>, Option<u64>)>,
}

impl Replay {
    /// Applies what the index does not know.
    fn newer(&mut self, journal: &Journal, state: &State, sentinel: &Sentinel) -> Result<(), Unusable> {
        self.commit_seq = sentinel.commit_seq;
        let (first, offset) = sentinel.position.unwrap_or((0, 0));
        let all = journal.segments();
        let mut before = first;
        // What compaction wrote is older than the checkpoint, or stands in another segment, too.
        for segment in all.iter().filter(|segment| segment.purpose == Purpose::Commits && segment.number >= first) {
            let offset = (segment.number == first).then_some(offset);
            let mut scan = Scan::new(Arc::clone(segment), offset);
            let mut begins = true;
            while let Some(record) = self.next(&mut scan)? {
                if record.commit_seq <= sentinel.commit_seq {
                    continue;
                }
                // Segments between that are gone held the commits between: compaction has said what they said, but as
                // states that replace all before them, in segments that are not read here.
                let between = all.iter().filter(|other| (before + 1..segment.number).contains(&other.number)).count();
                let gone = (segment.number - before).saturating_sub(1) as usize > between;
                if begins && gone && record.commit_seq > self.commit_seq + 1 {
                    let (from, to) = (self.commit_seq + 1, record.commit_seq - 1);
                    return Err(Unusable::Index(format!("it is older than a compaction, and lacks {from} to {to}")));
                }
                begins = false;
                self.apply(record, state).map_err(unusable)?;
            }
            before = segment.number;
        }
        Ok(())
    }

    /// Applies all of the journal, in the order of `commit_seq`: within a segment records are in order, so the segments
    /// are merged.
    fn all(&mut self, journal: &Journal, state: &State) -> Result<(), Unusable> {
        let mut scans: BTreeMap<u32, Scan> =
            journal.segments().into_iter().map(|s| (s.number, Scan::new(s, None))).collect();
        let mut heads = BTreeMap::new();
        let mut order = BinaryHeap::new();
        for (number, scan) in &mut scans {
            if let Some(record) = self.next(scan)? {
                order.push(Reverse((record.commit_seq, *number)));
                heads.insert(*number, record);
            }
        }
        let mut applied = 0;
        while let Some(Reverse((commit_seq, number))) = order.pop() {
            if let Some(record) = heads.remove(&number)
                // Compaction was interrupted: the record stands twice.
                && commit_seq > applied
            {
                applied = commit_seq;
                self.apply(record, state).map_err(unusable)?;
            }
            if let Some(scan) = scans.get_mut(&number)
                && let Some(record) = self.next(scan)?
            {
                order.push(Reverse((record.commit_seq, number)));
                heads.insert(number, record);
            }
        }
        Ok(())
    }

    fn apply(&mut self, record: segment::Found, state: &State) -> Result<(), Error> {
        self.commit_seq = self.commit_seq.max(record.commit_seq);
        state.apply(record.record, record.commit_seq, record.place)?;
        Ok(())
    }

    /// The next record of a segment; damage is noted.
    fn next(&mut self, scan: &mut Scan) -> Result<Option<segment::Found>, ScanError> {
        loop {
            let whole = match scan.next()? {
                Some(Scanned::Record(record)) => return Ok(Some(*record)),
                Some(Scanned::Damage { from, to }) => {
                    self.damage.push(Damage { segment: scan.segment().number, from, to });
                    continue;
                }
                // Never answered; nothing is overwritten: writing goes on in a new segment.
                Some(Scanned::Tail) => None,
                None => Some(scan.offset()),
            };
            let newest = self.end.as_ref().is_none_or(|(segment, _)| segment.number <= scan.segment().number);
            if scan.segment().purpose == Purpose::Commits && newest {
                let same = self.end.as_ref().is_some_and(|(segment, _)| segment.number == scan.segment().number);
                // After a tail the scan ends once more, at the end of the file.
                if !same {
                    self.end = Some((Arc::clone(scan.segment()), whole));
                }
            }
            if whole.is_some() {
                return Ok(None);
            }
        }
    }
}
