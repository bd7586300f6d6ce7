//! The mailbox store: accounts, mailboxes and messages, durable.
//!
//! The journal ([`journal`]) is the truth, one record for each change; memory ([`state`]) is what is served; the index
//! ([`index`], sled) stands behind it so that opening a store need not read the whole journal. `docs/STORE.md` has the
//! format and says what is durable when.
//!
//! The rules that hold here:
//! - Whatever changes state goes through the one committer ([`committer`]) and is answered after its sync.
//! - It is told (through [`Hub`]) after its sync and never while a lock is held; a wake-up carries no data.
//! - Memory changes only by [`state::State::apply`], with the same record that the journal got.
//! - A UID, once given, is never given again in a mailbox of that UIDVALIDITY; a UIDVALIDITY never in the whole store.
//!
//! The store knows no protocol, and shows no type of sled's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot, watch};

use crate::notify::Hub;

mod bodies;
mod by_hand;
mod change;
mod check;
mod committer;
mod directory;
pub(crate) mod disk;
mod incoming;
mod index;
pub(crate) mod journal;
mod mailbox;
mod maintenance;
mod metadata;
mod names;
mod object_id;
mod open;
mod read;
mod special_use;
mod state;
#[cfg(test)]
mod tests;
mod touched;
mod types;
mod uid_set;

pub use by_hand::ByHand;
pub use check::{Finding, Report};
pub use incoming::Incoming;
pub use mailbox::{Mailbox, OpenMailbox};
pub use metadata::{METADATA_ENTRIES_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX, SPECIAL_USE_ENTRY};
pub use names::{INBOX, SEPARATOR, canonical_name};
pub use object_id::ObjectIds;
pub use open::OpenError;
pub use touched::{AccountChanges, Names};
pub use types::*;
pub use uid_set::UidSet;

use self::by_hand::Requests;
use self::committer::{Ahead, Decider, Job, Message as Request, Outcome, Staged, Touches};
use self::incoming::Intake;
use self::journal::Journal;
use self::journal::record::Record;
use self::state::State;

/// How many changes may wait for the committer.
const QUEUED_JOBS: usize = 4_096;

/// Limits and sizes of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest message in octets; at most 1 GiB.
    pub max_message_octets: u64,
    /// What all bodies that are being received may hold together, in octets.
    pub in_flight_octets: u64,
    /// A journal segment is full at this size in octets; smaller ones are for tests.
    pub segment_octets: u64,
    /// What the messages of mailboxes that nobody uses may take of memory, in octets, before they are dropped from it.
    pub idle_index_octets: u64,
    /// What an account may hold that has no limits of its own.
    pub quota: Quota,
    /// Whether a new account has mailboxes for drafts, sent mail and the like from the beginning.
    pub special_mailboxes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_message_octets: 50 * 1024 * 1024,
            in_flight_octets: 64 * 1024 * 1024,
            segment_octets: journal::SEGMENT_OCTETS,
            idle_index_octets: 64 * 1024 * 1024,
            quota: Quota::default(),
            special_mailboxes: true,
        }
    }
}

/// What all handles and threads of a store share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) hub: Arc<Hub<Bell>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) state: State,
    pub(crate) intake: Arc<Intake>,
    pub(crate) options: Options,
    /// Bodies that were read in pieces lately, and match their checksums.
    pub(crate) verified: Mutex<HashSet<BodyId>>,
    /// Why the store takes no more changes, once it does not.
    failure: watch::Sender<Option<String>>,
    /// Held for as long as the store is open: one process owns a store.
    _lock: std::fs::File,
}

impl Inner {
    fn free_space(&self) -> std::io::Result<u64> {
        self.journal.free_space()
    }

    fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    fn fail(&self, reason: &str) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                tracing::error!(reason, "the store takes no more changes");
                *failure = Some(reason.to_owned());
            }
            first
        });
    }
}

/// The threads of an open store; they end with its last handle.
#[derive(Debug)]
struct Threads {
    requests: Requests,
    maintenance: std::sync::mpsc::Sender<maintenance::Order>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Stops them, with or without a last checkpoint, and waits for their end.
    fn stop(&self, checkpoint: bool) -> Result<(), Error> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.is_empty() {
            return Ok(());
        }
        let (answer, answered) = std::sync::mpsc::channel();
        let order = if checkpoint { maintenance::Order::Close(answer) } else { maintenance::Order::Abandon(answer) };
        let closed = match self.maintenance.send(order).ok().and_then(|()| answered.recv().ok()) {
            Some(closed) => closed,
            None => Err(Error::WriteFailed("the maintenance thread has died".to_owned())),
        };
        // An error means that the committer has ended already.
        let _ended = self.requests.send(Request::Stop);
        for handle in handles.drain(..) {
            if handle.join().is_err() {
                return Err(Error::WriteFailed("a thread of the store has died".to_owned()));
            }
        }
        closed
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Err(error) = self.stop(false) {
            tracing::error!(%error, "the store did not end well");
        }
    }
}

/// What was changed through a handle, since it was asked last.
type Own = Mutex<Vec<(AccountId, ModSeq)>>;

/// An open store; clones are the same store. When the last is dropped without [`Store::close`], nothing that was answered
/// is lost, but the next opening takes longer.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    threads: Arc<Threads>,
    queue: Arc<Semaphore>,
    /// What was changed through this handle, where somebody wants to know.
    own: Option<Arc<Own>>,
}

/// A message that is complete and about to be stored.
#[derive(Debug)]
pub struct NewMessage {
    /// The bytes, as they are to come out.
    pub body: Incoming,
    /// INTERNALDATE; `None`: the moment of the commit, in UTC.
    pub internal_date: Option<Date>,
}

/// A message that is about to be stored together with others.
#[derive(Debug)]
pub struct Appending {
    /// The message.
    pub message: NewMessage,
    /// Its flags.
    pub flags: FlagNames,
}

/// A message that is on disk.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The commit that made it durable.
    pub commit_seq: CommitSeq,
    /// When its sync returned.
    pub committed_at: Instant,
    /// What was found in it.
    pub summary: Arc<crate::message::Summary>,
    /// Where it stands, in the order of the placements; each mailbox once.
    pub places: Vec<Placed>,
    /// Which recipients, counted from 0, could not have it: only by [`Store::deliver_to_recipients`].
    pub refused: Vec<(usize, Error)>,
}

/// # The store
/// It is opened by [`Store::open`].
impl Store {
    /// Finishes what is queued, writes a checkpoint and lets go of the folder. Other handles of this store then get
    /// [`Error::Closing`].
    pub async fn close(&self) -> Result<(), Error> {
        self.queue.close();
        let threads = Arc::clone(&self.threads);
        match tokio::task::spawn_blocking(move || threads.stop(true)).await {
            Ok(stopped) => stopped,
            Err(error) => Err(Error::WriteFailed(error.to_string())),
        }
    }

    /// Waits until a write or a sync has failed, and says why: the store then takes no more changes, and the process had
    /// better end. Does not return otherwise.
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives in `inner`, which this handle holds.
            Err(_) => std::future::pending().await,
        }
    }

    /// A handle that remembers what is changed through it, and through its clones: see [`take_own`](Self::take_own).
    pub fn remembering(&self) -> Store {
        Store { own: Some(Arc::default()), ..self.clone() }
    }

    /// The mod-sequences of what was changed in this account through a handle that remembers, since this was asked last.
    pub fn take_own(&self, account: AccountId) -> Vec<ModSeq> {
        let Some(own) = &self.own else { return Vec::new() };
        let own = std::mem::take(&mut *own.lock().unwrap_or_else(PoisonError::into_inner));
        own.into_iter().filter(|(whose, _)| *whose == account).map(|(_, mod_seq)| mod_seq).collect()
    }

    /// Where to listen for changes: [`Bell::Mailbox`], [`Bell::Account`].
    pub fn hub(&self) -> &Arc<Hub<Bell>> {
        &self.inner.hub
    }

    /// The largest message it takes, in octets.
    pub fn max_message(&self) -> u64 {
        self.inner.options.max_message_octets
    }

    /// A body to be received.
    pub fn incoming(&self) -> Incoming {
        Incoming::new(Arc::clone(&self.inner.intake))
    }

    /// Has a change decided and committed by the committer, and waits until it is durable and told.
    ///
    /// `decide` runs on the committer's thread and returns either the answer, when there is nothing to commit, or the
    /// record with a function that makes the answer once it is published.
    async fn commit<T: Send + 'static>(
        &self,
        touches: Touches,
        octets: u64,
        decide: impl FnOnce(&mut Decider<'_>) -> Result<Decided<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.queue).acquire_owned().await.map_err(|_| Error::Closing)?;
        let (answer, answered) = oneshot::channel();
        let own = self.own.clone();
        let decide = Box::new(move |decider: &mut Decider<'_>| {
            // Nobody receives an answer when the caller has gone meanwhile: the change stands all the same.
            match decide(decider) {
                Ok(Decided::Nothing(value)) => {
                    let _gone = answer.send(Ok(value));
                    None
                }
                Err(error) => {
                    let _gone = answer.send(Err(error));
                    None
                }
                Ok(Decided::Commit(commitment)) => {
                    let Commitment { ahead, record, cache, body, finish } = *commitment;
                    let made = own.as_ref().map_or_else(Vec::new, |_| record.mod_seqs());
                    let answer = Box::new(move |outcome: Result<&Outcome, Error>| {
                        if let (Some(own), Ok(_)) = (own, &outcome) {
                            own.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
                        }
                        let _gone = answer.send(outcome.map(finish));
                    });
                    Some(Staged { ahead, record, cache, body, answer })
                }
            }
        });
        let job = Job { touches, octets, decide, permit };
        self.threads.requests.send(Request::Job(job)).map_err(|_| Error::Closing)?;
        answered.await.unwrap_or(Err(Error::Closing))
    }
}

/// What [`Store::commit`]'s function decides.
enum Decided<T> {
    /// There is nothing to commit.
    Nothing(T),
    /// A record is to be written.
    Commit(Box<Commitment<T>>),
}

/// A record to be written, and how the answer is made once it is published.
struct Commitment<T> {
    /// Bodies that the record refers to: durable before it is.
    ahead: Vec<Ahead>,
    record: Record,
    cache: Vec<u8>,
    body: Option<Incoming>,
    finish: Finish<T>,
}

type Finish<T> = Box<dyn FnOnce(&Outcome) -> T + Send>;

impl<T> Decided<T> {
    /// A record without a body.
    fn record(record: Record, finish: impl FnOnce(&Outcome) -> T + Send + 'static) -> Self {
        Decided::Commit(Box::new(Commitment {
            ahead: Vec::new(),
            record,
            cache: Vec::new(),
            body: None,
            finish: Box::new(finish),
        }))
    }
}
