//! THREAD and UID THREAD (RFC 5256): messages in threads, by base subject ([`ORDEREDSUBJECT`](tree::Tree::by_subject)) or by
//! what they refer to ([`references`]).
//!
//! First it is a SEARCH. What is needed of each message that was found is small and of one size: subjects and Message IDs
//! are only compared for equality, so each is kept as 128 bits of a keyed hash, which nobody outside can make collide. Both
//! algorithms say of each message where it belongs, and [`tree`] puts the answer in order.
//!
//! Nothing here is worse than sorting takes, and nothing recurses: a thread may be as deep as there are messages.

mod forest;
mod references;
mod tree;

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use self::references::{References, TooManyReferences};
use self::tree::{Member, Tree};
use super::failure::Failure;
use super::messages::{BATCH, batches, groups};
use super::progress::Progress;
use super::search::{self, Found};
use super::sort::off_the_runtime;
use super::{Context, Done, Environment, Outcome};
use crate::imap::command::{Numbering, SearchKey, ThreadAlgorithm};
use crate::imap::numbers::Numbers;
use crate::imap::response::{Code, Data, ThreadMark};
use crate::message::msg_id::each_msg_id;
use crate::message::{BaseSubject, Summary};
use crate::store::{BodyId, Error, Message, OpenMailbox, UidSet};

/// How many summaries are in memory at a time.
const GROUP_MESSAGES: usize = 256;

pub(super) async fn run(cx: &mut Context<'_>, by: Numbering, algorithm: ThreadAlgorithm, key: SearchKey) -> Outcome {
    search::enables_condstore(cx, &key);
    let Found { uids, .. } = search::find(cx, key).await?;
    let selected = cx.selected()?;
    let numbers = search::numbers(&uids, by, &selected.view).list();
    let mailbox = selected.mailbox.clone();
    let threading = threads(cx.environment, &mailbox, algorithm, uids, numbers);
    // Counted anew it would seem to go back.
    let marks = cx.patiently(&Progress::unknown(), threading).await??;
    cx.put(Data::Thread(marks));
    Ok(Done::ok("THREAD done"))
}

/// The threads of these messages, which the client calls `numbers`; those that are gone meanwhile are left out.
async fn threads(
    environment: Environment<'_>,
    mailbox: &OpenMailbox,
    algorithm: ThreadAlgorithm,
    uids: Numbers,
    numbers: Vec<u32>,
) -> Result<Vec<ThreadMark>, Failure> {
    let uids = uids.set();
    let _place = environment.workspace.for_order().await;
    let mut gathering = Gathering::new(algorithm, uids.len());
    for batch in batches(&uids, BATCH) {
        let messages = mailbox.messages(&batch);
        for messages in groups(&messages, GROUP_MESSAGES) {
            gathering = gather(environment, gathering, &uids, &numbers, messages).await?;
        }
    }
    Ok(off_the_runtime(move || gathering.tree().marks()).await?)
}

/// Takes in a group of messages.
async fn gather(
    environment: Environment<'_>,
    mut gathering: Gathering,
    uids: &UidSet,
    numbers: &[u32],
    messages: &[Message],
) -> Result<Gathering, Failure> {
    let Environment { store, workspace, .. } = environment;
    let _place = workspace.for_search().await;
    let mut read: Vec<Read> = Vec::with_capacity(messages.len());
    let summaries = store.read_summaries(messages.iter().map(|message| message.body).collect()).await;
    for (message, summary) in messages.iter().zip(summaries) {
        let Some(summary) = readable(message.body, summary)? else { continue };
        let number = uids.position(message.uid).and_then(|at| numbers.get(at as usize));
        let Some(number) = number.copied() else { continue };
        let octets = match (&gathering.references, &summary) {
            (Some(_), Some(summary)) => summary.octets_for_references(),
            _ => 0,
        };
        // A few headers are too long for their References to lie with the summary.
        let header = match octets {
            0 => Bytes::new(),
            octets => {
                let header = store.read_range(message.body, 0, octets as usize).await;
                let Some(header) = readable(message.body, header)? else { continue };
                header.unwrap_or_default()
            }
        };
        read.push(Read { number, arrived_unix_s: message.internal_date.unix_s, summary, header });
    }
    off_the_runtime(move || {
        for message in &read {
            gathering.take(message)?;
        }
        Ok(gathering)
    })
    .await?
    .map_err(|TooManyReferences| Failure::no(Code::Limit, "the messages refer to too many others"))
}

/// `None`: it is gone. What is damaged has a place all the same, and nothing is known of it.
fn readable<T>(body: BodyId, read: Result<T, Error>) -> Result<Option<Option<T>>, Failure> {
    match read {
        Ok(read) => Ok(Some(Some(read))),
        Err(Error::Gone) => Ok(None),
        Err(Error::Damaged(what)) => {
            tracing::error!(%body, what, "a message could not be read to be threaded");
            Ok(Some(None))
        }
        Err(other) => Err(other.into()),
    }
}

/// What was read of a message.
struct Read {
    number: u32,
    arrived_unix_s: i64,
    summary: Option<std::sync::Arc<Summary>>,
    /// Where the summary lacks References.
    header: Bytes,
}

/// 128 bits that stand for octets: two keyed hashes of 64 bits. Two different ones among a million meet once in 10^26.
#[derive(Debug, Default)]
struct Digest {
    keys: [RandomState; 2],
}

impl Digest {
    fn of(&self, octets: &[u8]) -> u128 {
        let [one, other] = &self.keys;
        u128::from(one.hash_one(octets)) << 64 | u128::from(other.hash_one(octets))
    }
}

/// What is known of the messages so far.
#[derive(Debug)]
struct Gathering {
    digest: Digest,
    members: Vec<Member>,
    /// For REFERENCES alone.
    references: Option<References>,
}

impl Gathering {
    fn new(algorithm: ThreadAlgorithm, messages: u32) -> Self {
        let references = (algorithm == ThreadAlgorithm::References).then(References::default);
        Self { digest: Digest::default(), members: Vec::with_capacity(messages as usize), references }
    }

    /// Takes in a message; they come in the order of the mailbox.
    fn take(&mut self, read: &Read) -> Result<(), TooManyReferences> {
        let summary = read.summary.as_deref();
        let subject = BaseSubject::of(summary.and_then(|summary| summary.envelope.subject.as_deref()));
        let identity = subject.identity();
        self.members.push(Member {
            number: read.number,
            // RFC 5256 §2.2
            sent_unix_s: summary.and_then(Summary::sent_unix_s).unwrap_or(read.arrived_unix_s),
            subject: (!identity.is_empty()).then(|| self.digest.of(identity)),
            is_reply: subject.is_reply,
        });
        let Some(references) = &mut self.references else { return Ok(()) };
        let digest = &self.digest;
        let first = |field: Option<&[u8]>| {
            let mut first = None;
            each_msg_id(field.unwrap_or_default(), |id| {
                first = Some(digest.of(id));
                false
            });
            first
        };
        let envelope = summary.map(|summary| &summary.envelope);
        references.begin(first(envelope.and_then(|envelope| envelope.message_id.as_deref())))?;
        let mut too_many = Ok(());
        let mut none = true;
        let field = summary.and_then(|summary| summary.references(&read.header));
        each_msg_id(field.unwrap_or_default(), |id| {
            none = false;
            too_many = references.refer(digest.of(id));
            too_many.is_ok()
        });
        too_many?;
        // Only where References has none (RFC 5256 §3).
        if let Some(id) = first(envelope.and_then(|envelope| envelope.in_reply_to.as_deref())).filter(|_| none) {
            references.refer(id)?;
        }
        references.end();
        Ok(())
    }

    fn tree(self) -> Tree {
        match self.references {
            None => Tree::by_subject(self.members),
            Some(references) => references.tree(self.members),
        }
    }
}
