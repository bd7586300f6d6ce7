//! SORT and UID SORT (RFC 5256), by the names that are shown too (SORT=DISPLAY, RFC 5957), answered with SORT, or as result
//! options ask (ESORT, RFC 5267 §3.1).
//!
//! First it is a SEARCH. Of each message that was found one string of octets is made that holds all that it is sorted by:
//! strings as i;unicode-casemap places them, numbers with the highest octet first, and what is to be reversed with all bits
//! turned around. So one comparison of octets is the comparison by all criteria, and the strings of a whole mailbox lie in
//! one piece of memory. Sequence numbers decide where they are equal (§3).
//!
//! A string takes part with its first [`SORT_OCTETS_MAX`](crate::message::collation::SORT_OCTETS_MAX) octets. A key that
//! stands there twice decides nothing the second time, so nine keys are the most that are looked at.

use super::failure::Failure;
use super::messages::{BATCH, batches, groups};
use super::progress::Progress;
use super::search::{self, Found, Question};
use super::{Context, Done, Environment, Outcome};
use crate::imap::command::{Numbering, SearchKey, SearchReturn, SortCriterion, SortKey, Tag};
use crate::imap::numbers::Numbers;
use crate::imap::response::Data;
use crate::message::collation::sort_place;
use crate::message::{Address, BaseSubject, Summary};
use crate::store::{Error, Message, OpenMailbox, Uid, UidSet};

/// How many summaries are in memory at a time.
const GROUP_MESSAGES: usize = 256;

pub(super) async fn run(
    cx: &mut Context<'_>,
    tag: &Tag,
    by: Numbering,
    returns: Option<SearchReturn>,
    criteria: &[SortCriterion],
    key: SearchKey,
) -> Outcome {
    let by_mod_seq = search::enables_condstore(cx, &key);
    let found = match search::find(cx, key).await {
        Ok(Found { uids, highest_mod_seq }) => {
            let mailbox = cx.selected()?.mailbox.clone();
            let (environment, uids) = (cx.environment, uids.set());
            // Counted anew it would seem to go back.
            let sorting = order(environment, &mailbox, &uids, criteria);
            let sorted = cx.patiently(&Progress::unknown(), sorting).await?;
            sorted.map(|sorted| Found { uids: Numbers::Sorted(sorted), highest_mod_seq })
        }
        Err(failure) => Err(failure),
    };
    let question = Question { tag, by, returns, by_mod_seq };
    search::conclude(cx, question, found, |numbers, mod_seq| Data::Sort { numbers, mod_seq })?;
    Ok(Done::ok("SORT done"))
}

/// The messages in the order of the criteria; those that are gone meanwhile are left out.
async fn order(
    environment: Environment<'_>,
    mailbox: &OpenMailbox,
    uids: &UidSet,
    criteria: &[SortCriterion],
) -> Result<Vec<Uid>, Failure> {
    let Environment { store, workspace, .. } = environment;
    let criteria = Criteria::new(criteria);
    let _place = workspace.for_order().await;
    let mut keys = Keys::default();
    for batch in batches(uids, BATCH) {
        let messages = mailbox.messages(&batch);
        if !criteria.needs_summary {
            messages.iter().for_each(|message| keys.add(message, &criteria, None));
            continue;
        }
        for messages in groups(&messages, GROUP_MESSAGES) {
            let _place = workspace.for_search().await;
            let summaries = store.read_summaries(messages.iter().map(|message| message.body).collect()).await;
            let (messages, criteria) = (messages.to_vec(), criteria.clone());
            keys = off_the_runtime(move || {
                for (message, summary) in messages.iter().zip(summaries) {
                    match summary {
                        Ok(summary) => keys.add(message, &criteria, Some(&summary)),
                        Err(Error::Gone) => {}
                        // What can't be read has nothing to be sorted by but what the index says.
                        Err(Error::Damaged(what)) => {
                            tracing::error!(uid = message.uid, what, "a message could not be read to be sorted");
                            keys.add(message, &criteria, None);
                        }
                        Err(other) => return Err(other),
                    }
                }
                Ok(keys)
            })
            .await??;
        }
    }
    Ok(off_the_runtime(move || keys.sorted()).await?)
}

/// Runs what takes long where it keeps nobody waiting.
pub(super) async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Read(error.to_string()))
}

/// What is sorted by.
#[derive(Clone, Debug)]
struct Criteria {
    criteria: Vec<SortCriterion>,
    needs_summary: bool,
}

impl Criteria {
    fn new(given: &[SortCriterion]) -> Self {
        let mut criteria: Vec<SortCriterion> = Vec::new();
        for criterion in given {
            if !criteria.iter().any(|known| known.key == criterion.key) {
                criteria.push(*criterion);
            }
        }
        let needs_summary = criteria.iter().any(|one| !matches!(one.key, SortKey::Arrival | SortKey::Size));
        Self { criteria, needs_summary }
    }
}

/// The keys of messages, one behind the other.
#[derive(Debug, Default)]
struct Keys {
    octets: Vec<u8>,
    /// The UIDs, and where the key of each ends.
    messages: Vec<(Uid, usize)>,
}

impl Keys {
    /// Adds a message; UIDs ascend.
    fn add(&mut self, message: &Message, criteria: &Criteria, summary: Option<&Summary>) {
        for criterion in &criteria.criteria {
            let beginning = self.octets.len();
            match criterion.key {
                SortKey::Arrival => self.number(message.internal_date.unix_s),
                // RFC 5256 §2.2
                SortKey::Date => {
                    let sent = summary.and_then(Summary::sent_unix_s);
                    self.number(sent.unwrap_or(message.internal_date.unix_s));
                }
                SortKey::Size => self.number(i64::from(message.size)),
                SortKey::Subject => {
                    let raw = summary.and_then(|summary| summary.envelope.subject.as_deref());
                    self.string(&BaseSubject::of(raw).into_sort_place());
                }
                SortKey::Cc => self.string(&mailbox(first(summary.map(|summary| &*summary.envelope.cc)))),
                SortKey::From => self.string(&mailbox(first(summary.map(|summary| &*summary.envelope.from)))),
                SortKey::To => self.string(&mailbox(first(summary.map(|summary| &*summary.envelope.to)))),
                SortKey::DisplayFrom => self.string(&display(first(summary.map(|summary| &*summary.envelope.from)))),
                SortKey::DisplayTo => self.string(&display(first(summary.map(|summary| &*summary.envelope.to)))),
            }
            if criterion.reverse {
                self.octets[beginning..].iter_mut().for_each(|octet| *octet = !*octet);
            }
        }
        self.messages.push((message.uid, self.octets.len()));
    }

    /// Compared octet by octet, the sign turned around: as numbers are.
    fn number(&mut self, number: i64) {
        self.octets.extend_from_slice(&(number ^ i64::MIN).to_be_bytes());
    }

    /// With an end that is below whatever could follow, so that a shorter string comes before those that begin with it.
    fn string(&mut self, string: &[u8]) {
        for octet in string {
            self.octets.push(*octet);
            if *octet == 0 {
                self.octets.push(u8::MAX);
            }
        }
        self.octets.extend_from_slice(&[0, 0]);
    }

    fn sorted(self) -> Vec<Uid> {
        let Self { octets, messages } = self;
        let mut beginning = 0;
        let mut keyed: Vec<(&[u8], Uid)> = Vec::with_capacity(messages.len());
        for (uid, end) in messages {
            keyed.push((&octets[beginning..end], uid));
            beginning = end;
        }
        // UIDs are in the order of sequence numbers.
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, uid)| uid).collect()
    }
}

fn first(addresses: Option<&[Address]>) -> Option<&Address> {
    addresses?.first()
}

/// `addr-mailbox` (RFC 5256 §3): of a group its name.
fn mailbox(address: Option<&Address>) -> Vec<u8> {
    address.and_then(|address| address.mailbox.as_ref()).map(|mailbox| sort_place(mailbox)).unwrap_or_default()
}

/// What is shown of an address (RFC 5957 §3).
fn display(address: Option<&Address>) -> Vec<u8> {
    let Some(address) = address else { return Vec::new() };
    let name = address.name.as_ref().map(|name| sort_place(name)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| match (&address.mailbox, &address.host) {
        (Some(mailbox), Some(host)) => sort_place(&[mailbox, &b"@"[..], host].concat()),
        (Some(mailbox), None) => sort_place(mailbox),
        (None, _) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    fn string(string: &[u8], reverse: bool) -> Vec<u8> {
        let mut keys = Keys::default();
        keys.string(string);
        if reverse {
            keys.octets.iter_mut().for_each(|octet| *octet = !*octet);
        }
        keys.octets
    }

    proptest! {
        #[test]
        fn octets_compare_as_what_they_stand_for(
            one in (prop::collection::vec(0u8..3, 0..4), any::<i64>()),
            other in (prop::collection::vec(0u8..3, 0..4), any::<i64>()),
            reverse in any::<bool>(),
        ) {
            let key = |(text, number): &(Vec<u8>, i64)| {
                let mut keys = Keys { octets: string(text, reverse), messages: Vec::new() };
                keys.number(*number);
                keys.octets
            };
            let by_text = if reverse { other.0.cmp(&one.0) } else { one.0.cmp(&other.0) };
            prop_assert_eq!(key(&one).cmp(&key(&other)), by_text.then(one.1.cmp(&other.1)));
        }
    }

    #[test]
    fn a_key_counts_once() {
        let by = |key, reverse| SortCriterion { key, reverse };
        let criteria = Criteria::new(&[by(SortKey::Size, true), by(SortKey::Arrival, false), by(SortKey::Size, false)]);
        assert_eq!(criteria.criteria, [by(SortKey::Size, true), by(SortKey::Arrival, false)]);
        assert!(!criteria.needs_summary);
    }

    /// RFC 5957 §3
    #[test]
    fn names_that_are_shown() {
        let address = |name: Option<&str>, mailbox: Option<&str>, host: Option<&str>| Address {
            name: name.map(Into::into),
            adl: None,
            mailbox: mailbox.map(Into::into),
            host: host.map(Into::into),
        };
        let shown = |name, mailbox, host| display(Some(&address(name, mailbox, host)));
        assert_eq!(shown(Some("=?utf-8?q?Zo=C3=AB?="), Some("a"), Some("b")), sort_place("Zoë".as_bytes()));
        assert_eq!(shown(Some(""), Some("a"), Some("b")), sort_place(b"a@b"));
        assert_eq!(shown(None, Some("a"), Some("b")), sort_place(b"a@b"));
        assert_eq!(shown(None, Some("friends"), None), sort_place(b"friends"));
        assert_eq!(shown(None, None, None), [0; 0]);
        assert_eq!(display(None).cmp(&sort_place(b"a")), Ordering::Less);
    }
}
