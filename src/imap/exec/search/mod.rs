//! SEARCH and UID SEARCH (RFC 3501 §6.4.4), answered with SEARCH, or as result options ask (RFC 4731, RFC 9394), and
//! remembered for `$` (RFC 5182).
//!
//! What a key needs decides what is read ([`criteria`]): most are decided by the index of the mailbox alone, some by the
//! summary that lies beside each message, few by its header, and BODY and TEXT by the whole message. A message goes only
//! as far as it takes to be sure of it: `UNSEEN BODY x` reads no message that was seen. Bodies are read in groups of
//! bounded size, and looked through off the runtime; few searches do so at a time ([`workspace`](super::workspace)). Where
//! only the text can tell, small messages are read with their summaries at once, on several cores.

mod criteria;
mod result;

use std::sync::Arc;

use bytes::Bytes;

use self::criteria::{Criteria, Evidence, Ground};
pub(super) use self::result::{answer, named, numbers};
use super::failure::Failure;
use super::messages::{BATCH, SMALL_OCTETS, batches, groups};
use super::progress::Progress;
use super::workspace::Workspace;
use super::{Context, Done, Environment, Outcome, condstore};
use crate::imap::command::{Numbering, SearchKey, SearchReturn, Tag};
use crate::imap::numbers::Numbers;
use crate::imap::response::{Code, Data, ESearch, Status};
use crate::imap::view::View;
use crate::message::Summary;
use crate::store::{Error, Message, ModSeq, OpenMailbox, Store, Uid, UidSet};

/// How many octets of messages are read before they are looked through, and how many messages: one group is in memory at
/// a time, and one message of the greatest size makes a group.
const GROUP_OCTETS: u64 = 4 << 20;
const GROUP_MESSAGES: usize = 256;

/// Into how many shares a group is divided that is looked through on several cores, and how small a share may be: below
/// that it is done before another core has woken.
const SHARES: usize = 4;
const SHARE_MIN: usize = 32;

pub(super) async fn run(
    cx: &mut Context<'_>,
    tag: &Tag,
    by: Numbering,
    returns: Option<SearchReturn>,
    key: SearchKey,
) -> Outcome {
    let by_mod_seq = enables_condstore(cx, &key);
    let found = find(cx, key).await;
    // RFC 9051 §6.4.4: without result options ALL is meant.
    let rev2 = cx.session.enabled.dialect.rev2;
    let returns = returns.or_else(|| rev2.then(|| SearchReturn { all: true, ..SearchReturn::default() }));
    let question = Question { tag, by, returns, by_mod_seq };
    conclude(cx, question, found, |numbers, mod_seq| Data::Search { numbers, mod_seq })?;
    Ok(Done::ok("SEARCH done"))
}

/// Whether the search asks by mod-sequence; then it is a CONDSTORE enabling command (RFC 7162 §3.1.5).
pub(super) fn enables_condstore(cx: &mut Context<'_>, key: &SearchKey) -> bool {
    let by_mod_seq = key.any(&|key| matches!(key, SearchKey::ModSeq(_)));
    if by_mod_seq {
        condstore::enable(cx);
    }
    by_mod_seq
}

/// What a search was asked to answer with.
pub(super) struct Question<'a> {
    pub(super) tag: &'a Tag,
    pub(super) by: Numbering,
    pub(super) returns: Option<SearchReturn>,
    /// The mod-sequence is told too.
    pub(super) by_mod_seq: bool,
}

/// What was found, in its order.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) uids: Numbers,
    /// Of all of them (RFC 7162 §3.1.6).
    pub(super) highest_mod_seq: Option<ModSeq>,
}

/// Answers and saves as the result options ask, or with the plain response where there are none. RFC 5182 §2.1: what is
/// answered with NO leaves `$` empty, and with BAD as it was.
pub(super) fn conclude(
    cx: &mut Context<'_>,
    question: Question<'_>,
    found: Result<Found, Failure>,
    plain: impl FnOnce(Vec<u32>, Option<ModSeq>) -> Data,
) -> Result<(), Failure> {
    let Question { tag, by, returns, by_mod_seq } = question;
    let selected = cx.selected()?;
    let Found { uids, highest_mod_seq } = match found {
        Ok(found) => found,
        Err(failure) => {
            if returns.is_some_and(|returns| returns.save) && !matches!(failure, Failure::Bad(_)) {
                selected.view.save(UidSet::new());
            }
            return Err(failure);
        }
    };
    let numbers = result::numbers(&uids, by, &selected.view);
    let Some(returns) = returns else {
        cx.put(plain(numbers.list(), highest_mod_seq.filter(|_| by_mod_seq)));
        return Ok(());
    };
    let named = result::named(&uids, returns);
    let mod_seq = match &named {
        _ if !by_mod_seq => None,
        None => highest_mod_seq,
        Some(uids) => selected.mailbox.messages(uids).iter().map(|message| message.mod_seq).max(),
    };
    if returns.save {
        selected.view.save(named.unwrap_or_else(|| uids.set()));
    }
    if let Some(answer) = result::answer(tag, by, returns, numbers) {
        cx.put(Data::ESearch(ESearch { mod_seq, ..answer }));
    }
    Ok(())
}

/// What matches.
#[derive(Debug, Default)]
struct Matches {
    uids: UidSet,
    highest_mod_seq: Option<ModSeq>,
}

impl Matches {
    fn take(&mut self, uid: Uid, mod_seq: ModSeq) {
        self.uids.insert(uid);
        self.highest_mod_seq = self.highest_mod_seq.max(Some(mod_seq));
    }
}

/// What to look for, and where. The picture of the mailbox that it was made from is not needed any more.
pub(super) struct Plan {
    mailbox: OpenMailbox,
    criteria: Criteria,
    /// Everything that the client counts.
    candidates: UidSet,
}

impl Plan {
    /// What the key asks of a mailbox, as it is in this picture.
    pub(super) fn new(
        environment: Environment<'_>,
        mailbox: &OpenMailbox,
        view: &View,
        key: SearchKey,
    ) -> Result<Self, Failure> {
        let Environment { store, now_unix_s, .. } = environment;
        let keywords = mailbox.head().keywords;
        let ground = Ground { view, keywords: &keywords, now_unix_s, object_ids: &store.object_ids() };
        let criteria = Criteria::new(key, &ground)?;
        Ok(Self { mailbox: mailbox.clone(), criteria, candidates: view.known().clone() })
    }

    /// Finds what matches; tells of messages that could not be searched.
    pub(super) async fn carry_out(self, cx: &mut Context<'_>) -> Result<Found, Failure> {
        let Environment { store, workspace, .. } = cx.environment;
        let Self { mailbox, criteria, candidates } = self;
        let progress = Progress::to(candidates.len());
        let mut search = Search {
            store,
            workspace,
            mailbox: &mailbox,
            progress: &progress,
            reads_all: criteria.needs_body() && !criteria.asks_summary(),
            criteria: Arc::new(criteria),
            group: Group::default(),
            found: Matches::default(),
            damaged: 0,
        };
        cx.patiently(&progress, search.through(&candidates)).await??;
        let Search { found: Matches { uids, highest_mod_seq }, damaged, .. } = search;
        if damaged > 0 {
            let text = format!("{damaged} messages could not be searched");
            cx.put(Status::untagged_no(text).with_code(Code::Corruption));
        }
        Ok(Found { uids: Numbers::Ascending(uids), highest_mod_seq })
    }
}

/// Finds what matches in the selected mailbox; tells of messages that could not be searched.
pub(super) async fn find(cx: &mut Context<'_>, key: SearchKey) -> Result<Found, Failure> {
    let environment = cx.environment;
    let selected = cx.selected()?;
    let plan = Plan::new(environment, &selected.mailbox, &selected.view, key)?;
    plan.carry_out(cx).await
}

/// A search in progress.
struct Search<'a> {
    store: &'a Store,
    workspace: &'a Workspace,
    mailbox: &'a OpenMailbox,
    progress: &'a Progress,
    criteria: Arc<Criteria>,
    /// Nothing that a summary could tell is among the criteria, and a body is needed.
    reads_all: bool,
    group: Group,
    found: Matches,
    damaged: usize,
}

/// Messages that are to be looked through together.
#[derive(Default)]
struct Group {
    /// To be read as a whole.
    unread: Vec<(Message, Arc<Summary>)>,
    /// Their headers are read, and are enough.
    headers: Vec<(Message, Arc<Summary>, Bytes)>,
    /// What all of them hold.
    octets: u64,
}

impl Search<'_> {
    async fn through(&mut self, candidates: &UidSet) -> Result<(), Failure> {
        for batch in batches(candidates, BATCH) {
            let messages = self.mailbox.messages(&batch);
            let found = messages.len();
            let mut undecided = Vec::new();
            for message in messages {
                match self.criteria.decide(&Evidence::index(&message)) {
                    Some(matches) => self.note(&message, matches),
                    None => undecided.push(message),
                }
            }
            // What the index decides is done at once, and the others group by group.
            self.progress.add(found - undecided.len());
            for messages in groups(&undecided, GROUP_MESSAGES) {
                let _place = self.workspace.for_search().await;
                // Where only the text can tell, a small message is read once, with its summary.
                let (small, others): (Vec<Message>, Vec<Message>) =
                    messages.iter().partition(|message| self.reads_all && message.size <= SMALL_OCTETS);
                self.look_at(&small).await?;
                self.by_summary(&others).await?;
                self.look_through().await?;
                self.progress.add(messages.len());
            }
            // Long loops without a wait let others have the thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn note(&mut self, message: &Message, matches: bool) {
        if matches {
            self.found.take(message.uid, message.mod_seq);
        }
    }

    /// Looks through messages on several cores, each of which reads its own.
    async fn look_at(&mut self, messages: &[Message]) -> Result<(), Failure> {
        let share = messages.len().div_ceil(SHARES).max(SHARE_MIN);
        let looking: Vec<_> = messages
            .chunks(share)
            .map(|share| {
                let (store, criteria, share) = (self.store.clone(), Arc::clone(&self.criteria), share.to_vec());
                tokio::spawn(async move {
                    let bodies = share.iter().map(|message| message.body).collect();
                    let look = move |at: usize, read: Result<(&Summary, &[u8]), Error>| {
                        let message = &share[at];
                        let (summary, body) = read?;
                        let evidence =
                            Evidence { summary: Some(summary), body: Some(body), ..Evidence::index(message) };
                        Ok((*message, criteria.decide(&evidence).unwrap_or(false)))
                    };
                    store.look_at_messages(bodies, look).await
                })
            })
            .collect();
        for looking in looking {
            // As with `look_through`: who knows what matched if something panicked.
            let looked = looking.await.map_err(|error| Error::Read(error.to_string()))??;
            for looked in looked {
                match looked {
                    Ok((message, matches)) => self.note(&message, matches),
                    Err(error) => self.unreadable(error)?,
                }
            }
        }
        Ok(())
    }

    async fn by_summary(&mut self, messages: &[Message]) -> Result<(), Failure> {
        let bodies = messages.iter().map(|message| message.body).collect();
        let summaries = self.store.read_summaries(bodies).await;
        for (message, summary) in messages.iter().zip(summaries) {
            let summary = match summary {
                Ok(summary) => summary,
                Err(error) => {
                    self.unreadable(error)?;
                    continue;
                }
            };
            match self.criteria.decide(&Evidence { summary: Some(&summary), ..Evidence::index(message) }) {
                Some(matches) => self.note(message, matches),
                None => self.read(*message, summary).await?,
            }
        }
        Ok(())
    }

    /// Takes the message into the group, and looks through the group when it is full.
    async fn read(&mut self, message: Message, summary: Arc<Summary>) -> Result<(), Failure> {
        if self.criteria.needs_body() || message.size <= SMALL_OCTETS {
            self.group.octets += u64::from(message.size);
            self.group.unread.push((message, summary));
        } else {
            let octets = summary.header_octets();
            match self.store.read_range(message.body, 0, octets as usize).await {
                Ok(header) => {
                    self.group.octets += u64::from(octets);
                    self.group.headers.push((message, summary, header));
                }
                Err(error) => self.unreadable(error)?,
            }
        }
        let members = self.group.unread.len() + self.group.headers.len();
        if self.group.octets >= GROUP_OCTETS || members >= GROUP_MESSAGES {
            self.look_through().await?;
        }
        Ok(())
    }

    async fn look_through(&mut self) -> Result<(), Failure> {
        let Group { unread, headers, .. } = std::mem::take(&mut self.group);
        if unread.is_empty() && headers.is_empty() {
            return Ok(());
        }
        let bodies = unread.iter().map(|(message, _)| message.body).collect();
        let mut wholes = Vec::with_capacity(unread.len());
        for ((message, summary), read) in unread.into_iter().zip(self.store.read_bodies(bodies).await) {
            match read {
                Ok(body) => wholes.push((message, summary, body)),
                Err(error) => self.unreadable(error)?,
            }
        }
        let criteria = Arc::clone(&self.criteria);
        let matching = tokio::task::spawn_blocking(move || {
            let by_header = headers.iter().map(|(message, summary, header)| {
                (message, Evidence { summary: Some(summary), header: Some(header), ..Evidence::index(message) })
            });
            let by_body = wholes.iter().map(|(message, summary, body)| {
                (message, Evidence { summary: Some(summary), body: Some(body), ..Evidence::index(message) })
            });
            // With everything at hand there is no doubt left.
            let matches = |evidence: &Evidence<'_>| criteria.decide(evidence).unwrap_or(false);
            let found = by_header.chain(by_body).filter(|(_, evidence)| matches(evidence));
            found.map(|(message, _)| (message.uid, message.mod_seq)).collect::<Vec<_>>()
        });
        // It errs only when a message made it panic, or when the server stops: neither says which matched.
        for (uid, mod_seq) in matching.await.map_err(|error| Error::Read(error.to_string()))? {
            self.found.take(uid, mod_seq);
        }
        Ok(())
    }

    /// Expunged in the meantime: no match. Damaged: counted, and the others are searched.
    fn unreadable(&mut self, error: Error) -> Result<(), Failure> {
        match error {
            Error::Gone => Ok(()),
            Error::Damaged(what) => {
                tracing::error!(what, "a message could not be searched");
                self.damaged += 1;
                Ok(())
            }
            other => Err(other.into()),
        }
    }
}
