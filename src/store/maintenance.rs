//! The maintenance thread: checkpoints, compaction, and an eye on the free space.
//!
//! **A checkpoint** brings the index up to what the journal says. The committer gathers the changes between two groups;
//! this thread writes and syncs them, so that no delivery waits for sled.
//!
//! **Compaction** gives back the space of expunged messages, a segment at a time, once less than half of it is needed:
//! 1. All that the segment's records say about accounts and mailboxes is said again, as state records in the present
//!    segment (commits like any other, synced), unless a later state says it already; so a rebuild without the old
//!    segment never repeats a UID and brings nothing back.
//! 2. Bodies that are needed are copied into a segment of its own kind, with the `commit_seq` they always had, and synced.
//! 3. The index is pointed there by a checkpoint, synced.
//! 4. The old segment is removed. Whoever reads it at this moment reads on.
//!
//! A crash between any two steps leaves a store that opens: records that stand twice have the same `commit_seq` and count
//! once.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};

use super::by_hand::Requests;
use super::committer::{Job, Message as Request, Staged, Touches};
use super::journal::Writer;
use super::journal::record::Record;
use super::journal::segment::{Purpose, Scan, Scanned, Segment};
use super::{AccountId, Error, Inner, MailboxId};

/// How often this thread looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// A checkpoint is written at least this often while there are changes: bounds the replay after a crash.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);
/// ... and after this much of the journal.
const CHECKPOINT_OCTETS: u64 = 64 * 1024 * 1024;
/// A message in memory, in octets.
const MESSAGE_OCTETS: u64 = 64;

/// What the maintenance thread is told.
pub(crate) enum Order {
    /// Write a last checkpoint, say how it went, and end.
    Close(Sender<Result<(), Error>>),
    /// End.
    Abandon(Sender<Result<(), Error>>),
    /// Write a checkpoint and compact what can be compacted, now.
    #[cfg(test)]
    Compact(Sender<Result<(), Error>>),
}

/// The maintenance thread's own state.
pub(crate) struct Maintenance {
    pub(crate) inner: Arc<Inner>,
    pub(crate) requests: Requests,
    pub(crate) orders: Receiver<Order>,
    /// Segments that can't be compacted, since they are damaged: not tried again before the store is opened again.
    pub(crate) stuck: BTreeSet<u32>,
}

impl Maintenance {
    /// Works until it is told to end.
    pub(crate) fn run(mut self) {
        let mut checkpointed = Instant::now();
        let mut checkpointed_octets = self.journal_octets();
        loop {
            match self.orders.recv_timeout(LOOK) {
                Ok(Order::Close(answer)) => {
                    let closed = if self.inner.failure().is_some() { Ok(()) } else { self.checkpoint() };
                    // Whoever closes waits for it.
                    let _gone = answer.send(closed);
                    return;
                }
                Ok(Order::Abandon(answer)) => {
                    let _gone = answer.send(Ok(()));
                    return;
                }
                #[cfg(test)]
                Ok(Order::Compact(answer)) => {
                    let _gone = answer.send(self.checkpoint().and_then(|()| self.compact()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.inner.failure().is_some() {
                continue;
            }
            self.look_at_free_space();
            let octets = self.journal_octets().saturating_sub(checkpointed_octets);
            // Whoever commits by hand may be waiting for this thread's end.
            let by_itself = !self.requests.are_served_by_hand();
            let due = by_itself && (checkpointed.elapsed() >= CHECKPOINT_INTERVAL || octets >= CHECKPOINT_OCTETS);
            if due && self.inner.state.is_dirty() {
                if let Err(error) = self.checkpoint().and_then(|()| self.compact()) {
                    self.inner.fail(&error.to_string());
                    continue;
                }
                checkpointed = Instant::now();
                checkpointed_octets = self.journal_octets();
                self.evict();
            }
        }
    }

    fn journal_octets(&self) -> u64 {
        self.inner.state.bodies().segments().values().map(|usage| usage.octets).sum()
    }

    fn look_at_free_space(&self) {
        match self.inner.free_space() {
            Ok(free) => {
                let full = free < self.inner.options.max_message_octets.saturating_mul(3) / 2;
                if self.inner.intake.disk_full.swap(full, Ordering::Relaxed) != full {
                    tracing::warn!(free_octets = free, full, "the free space has passed the limit for taking mail");
                }
            }
            Err(error) => tracing::warn!(%error, "the free space can't be read"),
        }
    }

    /// Brings the index up to now, durably.
    pub(crate) fn checkpoint(&self) -> Result<(), Error> {
        let (answer, collected) = oneshot::channel();
        self.requests.send(Request::Collect(answer)).map_err(|_| Error::Closing)?;
        let collected = collected.blocking_recv().map_err(|_| Error::Closing)??;
        let changes = collected.batch.changes;
        let index = &self.inner.state.index;
        index.apply(collected.batch)?;
        index.sync()?;
        self.inner.state.collected(collected.generation);
        tracing::debug!(changes, mailboxes = collected.mailboxes.len(), "checkpoint");
        Ok(())
    }

    /// Drops the messages of mailboxes that nobody uses, until what is left fits.
    fn evict(&self) {
        let mailboxes: Vec<_> = self.inner.state.directory().mailboxes().cloned().collect();
        let loaded = |mailbox: &super::Mailbox| {
            let data = mailbox.read();
            if data.messages.is_some() { u64::from(data.head.exists) * MESSAGE_OCTETS } else { 0 }
        };
        let mut octets: u64 = mailboxes.iter().map(|mailbox| loaded(mailbox)).sum();
        for mailbox in mailboxes {
            if octets <= self.inner.options.idle_index_octets {
                return;
            }
            let of_this = loaded(&mailbox);
            if of_this > 0 && mailbox.evict() {
                octets -= of_this;
            }
        }
    }

    /// Compacts all segments of which less than half is needed, but the one that is being written to.
    fn compact(&mut self) -> Result<(), Error> {
        let newest =
            self.inner.journal.segments().iter().rev().find(|s| s.purpose == Purpose::Commits).map(|s| s.number);
        let wasteful: Vec<u32> = {
            let bodies = self.inner.state.bodies();
            let segments = bodies.segments().iter();
            segments.filter(|(_, usage)| usage.live * 2 < usage.octets).map(|(number, _)| *number).collect()
        };
        for number in wasteful {
            if Some(number) == newest || self.stuck.contains(&number) {
                continue;
            }
            let Some(segment) = self.inner.journal.segment(number) else { continue };
            let compacted = match self.compact_segment(&segment) {
                // What can't be read costs its space, and no more: mail goes on being taken.
                Err(Error::Read(reason) | Error::Damaged(reason)) => {
                    tracing::error!(
                        segment = number,
                        reason,
                        "a segment can't be compacted; `postbell check` says more"
                    );
                    false
                }
                compacted => compacted?,
            };
            if !compacted {
                self.stuck.insert(number);
            }
        }
        Ok(())
    }

    /// Compacts a segment; returns whether it could be removed.
    fn compact_segment(&self, segment: &Arc<Segment>) -> Result<bool, Error> {
        let started = Instant::now();
        let failed =
            |error: io::Error| Error::WriteFailed(format!("segment {} can't be compacted: {error}", segment.number));
        let mut mailboxes: BTreeSet<MailboxId> = BTreeSet::new();
        let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
        let mut metadata: BTreeSet<AccountId> = BTreeSet::new();
        let mut quotas: BTreeSet<AccountId> = BTreeSet::new();
        let mut scripts: BTreeSet<AccountId> = BTreeSet::new();
        let mut aliases: BTreeSet<String> = BTreeSet::new();
        let mut deliveries = Vec::new();
        let mut scan = Scan::new(Arc::clone(segment), None);
        while let Some(scanned) = scan.next().map_err(|error| Error::Read(error.to_string()))? {
            let Scanned::Record(found) = scanned else { continue };
            // What came before a mailbox's last state need not be said again.
            let stated = |mailbox: &MailboxId| self.inner.state.stated(*mailbox);
            mailboxes
                .extend(found.record.mailboxes().into_iter().filter(|mailbox| found.commit_seq >= stated(mailbox)));
            accounts.extend(found.record.accounts());
            let stated = |account: &AccountId| self.inner.state.metadata_stated(*account);
            metadata.extend(found.record.metadata().filter(|account| found.commit_seq >= stated(account)));
            quotas.extend(found.record.quota());
            scripts.extend(found.record.script());
            aliases.extend(found.record.alias().map(str::to_owned));
            if let Record::Delivery(delivery) = &found.record {
                deliveries.push((delivery.body, found));
            }
        }
        // 1. What the records say is said again.
        let (mailboxes_said, accounts_said) = (mailboxes.len(), accounts.len());
        for account in accounts {
            let said = self.commit_state(Touches::Everything, 0, move |inner| {
                Ok(inner.state.directory().account(account).map(|entry| Record::AccountState(entry.record())))
            })?;
            wait(said)?;
        }
        for account in metadata {
            let said = self.commit_state(Touches::Everything, 0, move |inner| {
                let directory = inner.state.directory();
                Ok(directory.metadata(account).map(|metadata| Record::MetadataState(metadata.record(account))))
            })?;
            wait(said)?;
        }
        for account in quotas {
            // That there are none is said too: an older record in another segment would else be believed again.
            let said = self.commit_state(Touches::Everything, 0, move |inner| {
                let directory = inner.state.directory();
                Ok(directory.account(account).map(|_| Record::SetQuota(account, directory.quota(account))))
            })?;
            wait(said)?;
        }
        for account in scripts {
            // Likewise.
            let said = self.commit_state(Touches::Everything, 0, move |inner| {
                let directory = inner.state.directory();
                Ok(directory.account(account).map(|_| Record::SetScript(account, directory.script(account))))
            })?;
            wait(said)?;
        }
        for name in aliases {
            // Likewise for one that is gone.
            let said = self.commit_state(Touches::Everything, 0, move |inner| {
                let alias = inner.state.directory().alias(&name).map(|alias| alias.as_ref().clone());
                Ok(Some(Record::SetAlias(name, alias)))
            })?;
            wait(said)?;
        }
        // Asked for together, so that they share syncs.
        let mut said = Vec::with_capacity(mailboxes_said);
        for mailbox in mailboxes {
            let exists = self.inner.state.directory().mailbox(mailbox).map_or(0, |mailbox| mailbox.read().head.exists);
            let octets = u64::from(exists) * MESSAGE_OCTETS;
            said.push(self.commit_state(Touches::Changes(vec![mailbox]), octets, move |inner| {
                let Some(mailbox) = inner.state.directory().mailbox(mailbox).cloned() else { return Ok(None) };
                inner.state.load_messages(&mailbox)?;
                let data = mailbox.read();
                Ok(data.state_record().map(Record::MailboxState))
            })?);
        }
        said.into_iter().try_for_each(wait)?;
        wait(self.commit_state(Touches::Everything, 0, |inner| {
            Ok(Some(Record::StoreState(inner.state.directory().record())))
        })?)?;
        // 2. Bodies that are needed are copied.
        let mut writer = Writer::new(Arc::clone(&self.inner.journal), Purpose::Compacted);
        let mut moved = Vec::new();
        for (body, found) in deliveries {
            let needed = self.inner.state.bodies().get(body, &mut self.inner.state.index.lookup())?;
            if needed.is_some_and(|entry| entry.place == found.place) {
                let place = writer.copy(segment, &found)?;
                moved.push((body, found.place, place));
            }
        }
        writer.sync().map_err(failed)?;
        // 3. The index is pointed there.
        let copied = moved.len();
        let still_needed = {
            let state = &self.inner.state;
            let (mut bodies, mut index) = (state.bodies(), state.index.lookup());
            for (body, from, to) in moved {
                bodies.moved(body, from, to, &mut index)?;
            }
            let still_needed = bodies.segments().get(&segment.number).map_or(0, |usage| usage.live);
            if still_needed == 0 {
                bodies.remove_segment(segment.number);
            }
            still_needed
        };
        self.checkpoint()?;
        if still_needed > 0 {
            // A record whose header or metadata is damaged was not found; its body may still be read by the index.
            tracing::error!(
                segment = segment.number,
                still_needed,
                "a segment is damaged, and stays for what is left in it"
            );
            return Ok(false);
        }
        // 4. The old segment goes.
        self.inner.journal.remove(segment.number).map_err(failed)?;
        tracing::info!(
            segment = segment.number,
            copied,
            mailboxes = mailboxes_said,
            accounts = accounts_said,
            took_ms = started.elapsed().as_millis() as u64,
            "a segment is compacted"
        );
        Ok(true)
    }

    /// Asks for a record that the committer makes from what is published, if it makes one; [`wait`] follows.
    fn commit_state(
        &self,
        touches: Touches,
        octets: u64,
        make: impl FnOnce(&Inner) -> Result<Option<Record>, Error> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        // The queue's bound is for clients; what this thread asks for is bounded by the mailboxes of one segment.
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().map_err(|_| Error::Closing)?;
        let (answer, answered) = oneshot::channel();
        let decide = Box::new(move |decider: &mut super::Decider<'_>| match make(decider.inner) {
            Ok(Some(record)) => Some(Staged {
                ahead: Vec::new(),
                record,
                cache: Vec::new(),
                body: None,
                answer: Box::new(move |outcome| {
                    let _gone = answer.send(outcome.map(|_| ()));
                }),
            }),
            Ok(None) => {
                let _gone = answer.send(Ok(()));
                None
            }
            Err(error) => {
                let _gone = answer.send(Err(error));
                None
            }
        });
        self.requests.send(Request::Job(Job { touches, octets, decide, permit })).map_err(|_| Error::Closing)?;
        Ok(answered)
    }
}

/// Waits until what [`Maintenance::commit_state`] asked for is durable.
fn wait(said: oneshot::Receiver<Result<(), Error>>) -> Result<(), Error> {
    said.blocking_recv().map_err(|_| Error::Closing)?
}
