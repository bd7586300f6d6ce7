//! The committer: one thread through which everything that changes state goes.
//!
//! It takes whatever waits at this moment as one group: each job decides its record (UIDs, mod-sequences, dates), all
//! records are written, **one** sync makes them durable (two, where records refer to bodies that came in with them: the
//! bodies go first), then memory changes, then the bells ring, then the callers are
//! answered. So a change is told only after it is durable, and many who wait share the cost of one sync.
//!
//! Decisions read published memory, which lags behind what the same group has decided already. Two things keep them
//! true: what a group hands out (UIDs, mod-sequences, keywords) is counted in the [`Decider`], and a job that must see
//! a mailbox's messages as they are does not join a group that touches that mailbox ([`Touches`]).
//!
//! Any error of a write or a sync is final (DESIGN §4.9): the kernel may have dropped what it could not write, so a
//! second sync that succeeds proves nothing. All that wait are refused, and nothing is taken any more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::incoming::Incoming;
use super::index::{Batch, Sentinel};
use super::journal::Writer;
use super::journal::record::{Counters, Record};
use super::journal::segment::Place;
use super::{
    AccountId, Bell, BodyId, CommitSeq, Error, FlagNames, Flags, Inner, KEYWORDS_MAX, Mailbox, MailboxId, ModSeq, Uid,
    Usage,
};

/// A group takes no more than these: the first caller in it waits for the last one's record.
const GROUP_JOBS: usize = 1_024;
const GROUP_OCTETS: u64 = 16 * 1024 * 1024;

/// What a job has to do with mailboxes: decides which jobs may share a group.
#[derive(Debug)]
pub(crate) enum Touches {
    /// Adds messages to these; need not see those that are there.
    Adds(Vec<MailboxId>),
    /// Must see the messages of these as they are.
    Changes(Vec<MailboxId>),
    /// Must see accounts and mailboxes as they are: has a group of its own.
    Everything,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) commit_seq: CommitSeq,
    pub(crate) committed_at: Instant,
    /// How many listeners each bell woke.
    pub(crate) told: HashMap<Bell, usize>,
}

/// Answers whoever waits for a record.
pub(crate) type Answer = Box<dyn FnOnce(Result<&Outcome, Error>) + Send>;
/// Makes a job's record from what is published.
pub(crate) type Decide = Box<dyn FnOnce(&mut Decider<'_>) -> Option<Staged> + Send>;

/// A body that stands nowhere yet; the record of its job places it. It is durable before that record is written, so that no
/// crash leaves the record without the body.
pub(crate) struct Ahead {
    pub(crate) record: Record,
    pub(crate) cache: Vec<u8>,
    pub(crate) body: Incoming,
}

/// A decided job, to be written.
pub(crate) struct Staged {
    pub(crate) ahead: Vec<Ahead>,
    pub(crate) record: Record,
    pub(crate) cache: Vec<u8>,
    pub(crate) body: Option<Incoming>,
    pub(crate) answer: Answer,
}

/// Something to be decided and committed. `decide` answers by itself when there is nothing to commit.
pub(crate) struct Job {
    pub(crate) touches: Touches,
    pub(crate) octets: u64,
    pub(crate) decide: Decide,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What the committer is asked for.
pub(crate) enum Message {
    Job(Job),
    /// All that the index lacks, as it stands between two groups.
    Collect(oneshot::Sender<Result<Collected, Error>>),
    /// Ends the committer, when all before it is done.
    Stop,
}

/// What a checkpoint writes.
pub(crate) struct Collected {
    pub(crate) batch: Batch,
    pub(crate) generation: u64,
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
}

/// Gives out what is given out once, for the jobs of one group.
pub(crate) struct Decider<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) now_unix_s: i64,
    counters: Counters,
    uid_next: HashMap<MailboxId, Uid>,
    mod_seq: HashMap<AccountId, ModSeq>,
    keywords: HashMap<MailboxId, Vec<String>>,
    /// What the group has added to accounts.
    pub(crate) quota_taken: HashMap<AccountId, Usage>,
    /// The tables that the job being decided added a keyword to, once for each.
    added: Vec<MailboxId>,
}

/// Unix seconds now.
pub(crate) fn now_unix_s() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // A clock before 1970 is wrong; 0 is as good as any other time.
        Err(_) => 0,
    }
}

impl Decider<'_> {
    /// The next UID of a mailbox (RFC 3501 §2.3.1.1: strictly ascending, never twice).
    pub(crate) fn uid(&mut self, mailbox: &Mailbox) -> Result<Uid, Error> {
        let next = self.uid_next.entry(mailbox.id()).or_insert_with(|| mailbox.read().head.uid_next);
        let uid = *next;
        // UIDNEXT must itself fit 32 bits.
        *next = uid.checked_add(1).ok_or(Error::NoUidLeft)?;
        Ok(uid)
    }

    /// The next mod-sequence of an account.
    pub(crate) fn mod_seq(&mut self, account: AccountId) -> Result<ModSeq, Error> {
        let last = match self.mod_seq.get(&account) {
            Some(last) => *last,
            None => {
                let directory = self.inner.state.directory();
                directory.account(account).ok_or(Error::NoSuchAccount)?.highest_mod_seq
            }
        };
        self.mod_seq.insert(account, last + 1);
        Ok(last + 1)
    }

    pub(crate) fn body_id(&mut self) -> BodyId {
        self.counters.body += 1;
        BodyId(self.counters.body)
    }

    pub(crate) fn mailbox_id(&mut self) -> MailboxId {
        self.counters.mailbox += 1;
        MailboxId(self.counters.mailbox)
    }

    pub(crate) fn account_id(&mut self) -> AccountId {
        self.counters.account += 1;
        AccountId(self.counters.account)
    }

    /// A UIDVALIDITY that no mailbox of the store ever had, and above all of them (DESIGN §12).
    pub(crate) fn uid_validity(&mut self) -> u32 {
        let now = u32::try_from(self.now_unix_s).unwrap_or(0);
        self.counters.uid_validity = now.max(self.counters.uid_validity.saturating_add(1));
        self.counters.uid_validity
    }

    /// The bits of named flags in a mailbox; keywords that are new to it are added to its table, as far as there is room.
    /// Returns the flags, the names that are new, and whether some found no room.
    pub(crate) fn flags(&mut self, mailbox: &Mailbox, names: &FlagNames) -> (Flags, Vec<String>, bool) {
        if names.keywords.is_empty() {
            return (names.system, Vec::new(), false);
        }
        let table = self.keywords.entry(mailbox.id()).or_insert_with(|| mailbox.read().head.keywords.as_ref().clone());
        let (mut flags, mut new, mut full) = (names.system, Vec::new(), false);
        for name in &names.keywords {
            let index = match table.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                Some(index) => index,
                None if table.len() < KEYWORDS_MAX => {
                    table.push(name.clone());
                    self.added.push(mailbox.id());
                    new.push(name.clone());
                    table.len() - 1
                }
                None => {
                    full = true;
                    continue;
                }
            };
            flags = flags.union(Flags::keyword(index));
        }
        (flags, new, full)
    }

    /// The job that was being decided commits nothing: no record names the keywords that it added. (UIDs and
    /// mod-sequences that it took are just never given.)
    fn take_back(&mut self) {
        for mailbox in self.added.drain(..) {
            if let Some(table) = self.keywords.get_mut(&mailbox) {
                table.pop();
            }
        }
    }

    /// What was decided is published.
    fn forget(&mut self) {
        self.uid_next.clear();
        self.mod_seq.clear();
        self.keywords.clear();
        self.quota_taken.clear();
    }
}

/// Where the records of a group stand.
struct Written {
    /// Those of [`Staged::ahead`], of all jobs.
    ahead: Vec<(Record, CommitSeq, Place)>,
    /// Those of the jobs themselves, in their order.
    own: Vec<(CommitSeq, Place)>,
}

/// The jobs of one group.
#[derive(Default)]
struct Group {
    staged: Vec<Staged>,
    touched: HashSet<MailboxId>,
    octets: u64,
    closed: bool,
}

impl Group {
    fn admits(&self, touches: &Touches) -> bool {
        match touches {
            _ if self.closed || self.staged.len() >= GROUP_JOBS || self.octets >= GROUP_OCTETS => false,
            Touches::Adds(_) => true,
            Touches::Changes(mailboxes) => !mailboxes.iter().any(|mailbox| self.touched.contains(mailbox)),
            Touches::Everything => self.staged.is_empty(),
        }
    }

    fn add(&mut self, touches: Touches) {
        match touches {
            Touches::Adds(mailboxes) | Touches::Changes(mailboxes) => self.touched.extend(mailboxes),
            Touches::Everything => self.closed = true,
        }
    }
}

/// The committer's own state; it lives on its thread, or with whoever is in its place ([`ByHand`](super::ByHand)).
pub(crate) struct Committer {
    pub(crate) inner: Arc<Inner>,
    pub(crate) writer: Writer,
    /// The last commit.
    pub(crate) commit_seq: CommitSeq,
    /// What was given out last.
    pub(crate) counters: Counters,
    pub(crate) messages: Receiver<Message>,
}

impl Committer {
    /// Works until it is stopped.
    pub(crate) fn run(mut self) {
        // When every handle of the store is gone nobody can ask for anything any more.
        self.work(|messages| messages.recv().ok());
    }

    /// Does what waits now, and returns.
    pub(crate) fn run_waiting(&mut self) {
        self.work(|messages| messages.try_recv().ok());
    }

    fn work(&mut self, next: impl Fn(&Receiver<Message>) -> Option<Message>) {
        let inner = Arc::clone(&self.inner);
        let mut decider = Decider {
            inner: &inner,
            now_unix_s: 0,
            counters: self.counters,
            uid_next: HashMap::new(),
            mod_seq: HashMap::new(),
            keywords: HashMap::new(),
            quota_taken: HashMap::new(),
            added: Vec::new(),
        };
        let mut waiting = None;
        while let Some(message) = waiting.take().or_else(|| next(&self.messages)) {
            match message {
                Message::Job(job) => waiting = self.commit_group(job, &mut decider),
                Message::Collect(answer) => {
                    // Whoever asked has gone when nobody receives it; the next checkpoint then writes all of it again,
                    // which only the maintenance thread's end can cause.
                    let _gone = answer.send(self.collect(decider.counters));
                }
                Message::Stop => break,
            }
        }
        self.counters = decider.counters;
    }

    /// Commits `first` with what waits behind it; returns the message that could not join.
    fn commit_group(&mut self, first: Job, decider: &mut Decider<'_>) -> Option<Message> {
        decider.now_unix_s = now_unix_s();
        let mut group = Group::default();
        let mut held_up = None;
        self.join(first, &mut group, decider);
        while let Ok(message) = self.messages.try_recv() {
            match message {
                Message::Job(job) if group.admits(&job.touches) => self.join(job, &mut group, decider),
                other => {
                    held_up = Some(other);
                    break;
                }
            }
        }
        if !group.staged.is_empty() {
            match self.write(&mut group) {
                Ok(written) => self.publish(group, written),
                Err(error) => self.fail(group, &error),
            }
        }
        decider.forget();
        held_up
    }

    fn join(&mut self, job: Job, group: &mut Group, decider: &mut Decider<'_>) {
        let Job { touches, octets, decide, permit } = job;
        let decided = decide(decider).and_then(|staged| match decider.admit(&staged) {
            Ok(()) => Some(staged),
            Err(error) => {
                (staged.answer)(Err(error));
                None
            }
        });
        match decided {
            Some(staged) => {
                decider.added.clear();
                group.staged.push(staged);
                group.octets += octets;
                group.add(touches);
            }
            None => decider.take_back(),
        }
        drop(permit);
    }

    /// Writes the group and makes it durable. Commits are numbered as they are written.
    fn write(&mut self, group: &mut Group) -> Result<Written, Error> {
        if let Some(reason) = self.inner.failure() {
            return Err(Error::WriteFailed(reason));
        }
        let none = super::incoming::Stored::none();
        let mut written = Written { ahead: Vec::new(), own: Vec::with_capacity(group.staged.len()) };
        for Ahead { record, cache, body } in group.staged.iter_mut().flat_map(|staged| staged.ahead.drain(..)) {
            self.commit_seq += 1;
            let place = self.writer.append(self.commit_seq, &record, &cache, &body.stored)?;
            written.ahead.push((record, self.commit_seq, place));
        }
        if !written.ahead.is_empty() {
            self.sync()?;
        }
        for staged in &group.staged {
            self.commit_seq += 1;
            let body = staged.body.as_ref().map_or(&none, |incoming| &incoming.stored);
            let place = self.writer.append(self.commit_seq, &staged.record, &staged.cache, body)?;
            written.own.push((self.commit_seq, place));
        }
        self.sync()?;
        Ok(written)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.writer.sync().map_err(|error| Error::WriteFailed(error.to_string()))
    }

    /// The group is durable: memory changes, bells ring, callers are answered.
    fn publish(&mut self, group: Group, written: Written) {
        let committed_at = Instant::now();
        let mut rung = Vec::with_capacity(group.staged.len());
        let mut bells: HashMap<Bell, usize> = HashMap::new();
        let mut answers = Vec::with_capacity(group.staged.len());
        for (record, commit_seq, place) in written.ahead {
            if let Err(error) = self.inner.state.apply(record, commit_seq, place) {
                self.inner.fail(&error.to_string());
            }
        }
        for (staged, (commit_seq, place)) in group.staged.into_iter().zip(written.own) {
            match self.inner.state.apply(staged.record, commit_seq, place) {
                Ok(of_this) => {
                    bells.extend(of_this.iter().map(|bell| (*bell, 0)));
                    rung.push(of_this);
                }
                // The commit is durable and memory does not show it: only opening the store again can mend that.
                Err(error) => {
                    self.inner.fail(&error.to_string());
                    rung.push(Vec::new());
                }
            }
            answers.push((commit_seq, staged.answer));
        }
        for (bell, told) in &mut bells {
            *told = self.inner.hub.wake(bell);
        }
        for ((commit_seq, answer), of_this) in answers.into_iter().zip(rung) {
            let told = of_this.into_iter().map(|bell| (bell, bells.get(&bell).copied().unwrap_or(0))).collect();
            answer(Ok(&Outcome { commit_seq, committed_at, told }));
        }
    }

    fn fail(&self, group: Group, error: &Error) {
        self.inner.fail(&error.to_string());
        for staged in group.staged {
            (staged.answer)(Err(error.clone()));
        }
    }

    fn collect(&self, counters: Counters) -> Result<Collected, Error> {
        if let Some(reason) = self.inner.failure() {
            return Err(Error::WriteFailed(reason));
        }
        let (mut batch, generation, mailboxes) = self.inner.state.collect(now_unix_s())?;
        let store_id = *self.inner.journal.store_id();
        let sentinel = Sentinel::new(store_id, self.commit_seq, self.writer.position(), counters);
        self.inner.state.index.set_sentinel(&mut batch, &sentinel)?;
        Ok(Collected { batch, generation, mailboxes })
    }
}
