//! FETCH and UID FETCH (RFC 3501 §6.4.5), with BINARY (RFC 3516, RFC 9051 §6.4.5), MODSEQ, CHANGEDSINCE and VANISHED (RFC
//! 7162), and PARTIAL (RFC 9394 §3.3).
//!
//! A command is planned once ([`plan`]) and runs over its messages in batches: their index entries are looked up
//! together, their summaries read together, `\Seen` set in one commit, and then a line is written for each. Octets of
//! messages are read from where they lie ([`octets`]), so that an answer of any size passes through one step of output.
//!
//! What has gone wrong with one message does not stop the others (RFC 2180 §4.1): the tagged answer says it at the end.

mod octets;
mod plan;

use std::sync::Arc;

use bytes::Bytes;

use self::octets::Reader;
use self::plan::Plan;
use super::failure::Failure;
use super::messages::{batches, groups, named};
use super::progress::Progress;
use super::{Context, Done, Outcome, condstore, resync};
use crate::imap::command::{FetchItem, FetchModifiers, Numbering};
use crate::imap::numbers::Numbers;
use crate::imap::print::fetch::FetchWriter;
use crate::imap::response::{Code, Status};
use crate::imap::sequence_set::SequenceSet;
use crate::message::Summary;
use crate::store::{Error, FlagAction, FlagNames, Flags, Message, ModSeq, Uid, UidSet};

pub(super) async fn run(
    cx: &mut Context<'_>,
    by: Numbering,
    set: &SequenceSet,
    items: Vec<FetchItem>,
    modifiers: FetchModifiers,
) -> Outcome {
    if modifiers.vanished && !cx.session.enabled.qresync {
        // RFC 7162 §3.2.6
        return Err(Failure::Bad("ENABLE QRESYNC first"));
    }
    let mut uids = named(&cx.selected()?.view, by, set)?;
    // First the places, then what changed there (RFC 9394 §3.4).
    if let Some(range) = modifiers.partial {
        uids = Numbers::Ascending(uids).part(range).set();
    }
    // The UID form implies that UIDs are told (RFC 3501 §6.4.8), which a line that begins with one does (RFC 9586 §3).
    let tells_uid = by == Numbering::Uid && !cx.session.enabled.dialect.uid_only;
    let plan = Plan::new(items, tells_uid, modifiers);
    if plan.tells_mod_seq {
        condstore::enable(cx);
    }
    let uids = match modifiers.changed_since {
        Some(mod_seq) => changed(cx, &uids, mod_seq, modifiers.vanished.then_some(set))?,
        None => uids,
    };
    let selected = cx.selected()?;
    let sets_seen = plan.sets_seen && !selected.read_only;
    let mut fetch = Fetch { plan, sets_seen, trouble: Trouble::default(), progress: Progress::to(uids.len()) };
    for batch in batches(&uids, fetch.plan.batch()) {
        fetch.batch(cx, &batch).await?;
        // An answer that fits one step never waits: give the thread to others now and then.
        tokio::task::yield_now().await;
    }
    fetch.trouble.conclude(by)
}

/// What a client wants to be sent of messages that are new to it (RFC 5465 §5.2). It did not ask for just these, so that
/// nothing is `\Seen` by it; what can't be read is left out, and it will find that out when it asks. Errs when the client is
/// gone.
pub(super) async fn tell_new(cx: &mut Context<'_>, items: Vec<FetchItem>, uids: &UidSet) -> std::io::Result<()> {
    let plan = Plan::new(items, false, FetchModifiers::default());
    let mut fetch = Fetch { plan, sets_seen: false, trouble: Trouble::default(), progress: Progress::to(uids.len()) };
    for batch in batches(uids, fetch.plan.batch()) {
        match fetch.batch(cx, &batch).await {
            Ok(()) => {}
            Err(Failure::Disconnected(error)) => return Err(error),
            Err(failure) => failure.report("NOTIFY"),
        }
    }
    Ok(())
}

/// Those of `uids` that changed after `mod_seq`; and where the gone ones are asked for too, tells which of `vanished_of` are
/// (RFC 7162 §3.1.4.1, §3.2.6).
fn changed(
    cx: &mut Context<'_>,
    uids: &UidSet,
    mod_seq: ModSeq,
    vanished_of: Option<&SequenceSet>,
) -> Result<UidSet, Failure> {
    let selected = cx.selected()?;
    let changes = selected.mailbox.changes_since(mod_seq);
    if let Some(set) = vanished_of {
        let asked = match set.is_saved() {
            // What vanished may still be in it: it leaves when its going is told.
            true => selected.view.saved().clone(),
            false => set.uids(&resync::given(&selected.mailbox.head())),
        };
        resync::tell_vanished(cx, &asked, &changes)?;
    }
    let changed: UidSet = changes.changed.iter().map(|message| message.uid).collect();
    Ok(changed.intersection(uids))
}

/// What could not be served.
#[derive(Debug, Default)]
struct Trouble {
    /// Messages that are gone.
    expunged: bool,
    /// Messages that can't be read.
    damaged: usize,
    /// Parts whose encoding nobody knows.
    unknown_encoding: bool,
}

impl Trouble {
    /// The tagged answer.
    fn conclude(self, by: Numbering) -> Outcome {
        if self.damaged > 0 {
            let text = format!("{} messages are damaged and could not be fetched", self.damaged);
            return Err(Failure::no(Code::Corruption, text));
        }
        if self.unknown_encoding {
            // RFC 3516 §4.3
            return Err(Failure::no(Code::UnknownCte, "A part has a content transfer encoding that is not known"));
        }
        // A client that numbers messages named one that is gone without its knowledge (RFC 2180 §4.1.2); a UID that is not
        // there is passed over (RFC 3501 §6.4.8).
        if self.expunged && by == Numbering::Sequence {
            return Err(Failure::no(Code::ExpungeIssued, "Some of the messages are no longer there"));
        }
        Ok(Done::ok("FETCH done"))
    }
}

/// A FETCH in progress.
struct Fetch {
    plan: Plan,
    /// Some item sets `\Seen`, and the mailbox may be changed.
    sets_seen: bool,
    trouble: Trouble,
    progress: Progress,
}

impl Fetch {
    async fn batch(&mut self, cx: &mut Context<'_>, batch: &UidSet) -> Result<(), Failure> {
        let mut messages = cx.selected()?.mailbox.messages(batch);
        self.trouble.expunged |= messages.len() < batch.len() as usize;
        let newly_seen = if self.sets_seen { see(cx, &mut messages).await? } else { UidSet::new() };
        let keywords = if self.plan.tells_flags || !newly_seen.is_empty() { cx.keywords()? } else { Arc::default() };
        for messages in groups(&messages, octets::SMALL_MESSAGES) {
            cx.tell_progress(&self.progress).await?;
            let mut summaries = self.summaries(cx, messages).await.into_iter();
            let mut bodies = self.bodies(cx, messages).await.into_iter();
            for message in messages {
                // What was read, in the order of the messages; nothing where nothing is needed.
                let read = (summaries.next().transpose(), bodies.next().flatten().transpose());
                let (summary, whole) = match read {
                    (Ok(summary), Ok(whole)) => (summary, whole),
                    (Err(error), _) | (_, Err(error)) => {
                        self.unreadable(message.uid, error)?;
                        continue;
                    }
                };
                let tells_flags = self.plan.tells_flags || newly_seen.contains(message.uid);
                let summary = summary.as_deref();
                self.line(cx, Line { message, summary, whole, keywords: &keywords, tells_flags }).await?;
                cx.step().await?;
            }
            self.progress.add(messages.len());
        }
        Ok(())
    }

    async fn bodies(&self, cx: &Context<'_>, messages: &[Message]) -> Vec<Option<Result<Bytes, Error>>> {
        if self.plan.reads_octets { octets::read_small(cx.store(), messages).await } else { Vec::new() }
    }

    async fn summaries(&self, cx: &Context<'_>, messages: &[Message]) -> Vec<Result<Arc<Summary>, Error>> {
        if !self.plan.needs_summary {
            return Vec::new();
        }
        cx.store().read_summaries(messages.iter().map(|message| message.body).collect()).await
    }

    /// Writes the line of one message.
    async fn line(&mut self, cx: &mut Context<'_>, line: Line<'_>) -> Result<(), Failure> {
        let enabled = cx.session.enabled;
        let Some(selected) = cx.session.selected() else { return Ok(()) };
        let Line { message, summary, whole, keywords, tells_flags } = line;
        let Some(sequence) = selected.view.sequence(message.uid) else { return Ok(()) };
        let beginning = cx.output.len();
        let environment = cx.environment;
        let mut writer = FetchWriter::begin(&mut cx.output, sequence, message.uid, enabled.dialect);
        let mut reader = Reader::new(environment, &mut *cx.client, message, summary, whole);
        let unasked = tells_flags && !self.plan.tells_flags && enabled.condstore;
        if tells_flags {
            writer.flags(message.flags, keywords, selected.view.is_recent(message.uid));
        }
        // `\Seen` was set by it: as with all FETCH responses that nobody asked for (RFC 7162 §3.2.4).
        if unasked && !self.plan.items.contains(&FetchItem::Uid) {
            writer.implied_uid(message.uid);
        }
        let tells_mod_seq = self.plan.tells_mod_seq || unasked;
        if tells_mod_seq {
            writer.mod_seq(message.mod_seq);
        }
        let mut written = Ok(());
        for item in &self.plan.items {
            written = reader.write(item, &mut writer).await;
            if written.is_err() {
                break;
            }
        }
        let flushed = reader.flushed();
        match written {
            Ok(()) => writer.end(),
            // Some of the line is with the client: it ends where an item ended.
            Err(_) if flushed => writer.end(),
            Err(_) => cx.output.truncate(beginning),
        }
        match written {
            Ok(()) => {
                // Without its mod-sequence the message is still news for who keeps mod-sequences.
                if tells_flags && (tells_mod_seq || !enabled.condstore) {
                    selected.view.acknowledge(message);
                }
                Ok(())
            }
            Err(octets::Trouble::Store(error)) => self.unreadable(message.uid, error),
            Err(octets::Trouble::UnknownEncoding) => {
                self.trouble.unknown_encoding = true;
                Ok(())
            }
            Err(octets::Trouble::Disconnected(error)) => Err(error.into()),
        }
    }

    fn unreadable(&mut self, uid: Uid, error: Error) -> Result<(), Failure> {
        match error {
            Error::Gone => self.trouble.expunged = true,
            Error::Damaged(what) => {
                tracing::error!(uid, what, "a message could not be fetched");
                self.trouble.damaged += 1;
            }
            other => return Err(other.into()),
        }
        Ok(())
    }
}

/// What a line is made of.
struct Line<'a> {
    message: &'a Message,
    summary: Option<&'a Summary>,
    /// The message's octets, where they were read already.
    whole: Option<Bytes>,
    keywords: &'a [String],
    tells_flags: bool,
}

/// Sets `\Seen` on those that lack it, and returns which those are: their lines tell the new flags, as RFC 3501 §6.4.5
/// wishes.
async fn see(cx: &mut Context<'_>, messages: &mut [Message]) -> Result<UidSet, Failure> {
    let unseen: UidSet =
        messages.iter().filter(|message| !message.flags.contains(Flags::SEEN)).map(|message| message.uid).collect();
    if unseen.is_empty() {
        return Ok(unseen);
    }
    let store = cx.store();
    let mailbox = cx.selected()?.mailbox.clone();
    let seen = FlagNames { system: Flags::SEEN, keywords: Vec::new() };
    match store.change_flags(&mailbox, &unseen, FlagAction::Add, seen, None).await {
        Ok(changed) => {
            for now in changed.messages {
                if let Ok(at) = messages.binary_search_by_key(&now.uid, |message| message.uid) {
                    messages[at] = now;
                }
            }
            Ok(unseen)
        }
        // A full disk must not keep anybody from reading.
        Err(error) => {
            tracing::warn!(%error, "messages could not be marked as seen");
            cx.put(Status::untagged_no("The messages could not be marked as seen"));
            Ok(UidSet::new())
        }
    }
}
