//! What a SEARCH looks for, ready to be asked of messages.
//!
//! Three answers: yes, no, and not to be known by what is at hand. AND is no as soon as one part is no, OR yes as soon as
//! one is yes, so that the cheap parts decide wherever they can.

use crate::imap::command::{Numbering, SearchKey};
use crate::imap::exec::failure::Failure;
use crate::imap::exec::flags;
use crate::imap::exec::messages::named;
use crate::imap::view::View;
use crate::message::date::Civil;
use crate::message::search::Needle;
use crate::message::{Address, Envelope, Summary};
use crate::store::{Date, Flags, Message, ModSeq, ObjectIds, UidSet};

/// What is at hand of a message.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) message: &'a Message,
    pub(super) summary: Option<&'a Summary>,
    /// The octets of the header.
    pub(super) header: Option<&'a [u8]>,
    /// All octets, the header's too.
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Evidence<'a> {
    /// What the index says.
    pub(super) fn index(message: &'a Message) -> Self {
        Self { message, summary: None, header: None, body: None }
    }

    fn header(&self) -> Option<&'a [u8]> {
        match (self.header, self.body, self.summary) {
            (Some(header), ..) => Some(header),
            (None, Some(body), Some(summary)) => Some(summary.structure.header.of(body)),
            _ => None,
        }
    }
}

/// Which addresses of an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Bcc,
    Cc,
    From,
    To,
}

impl Field {
    fn of(self, envelope: &Envelope) -> &[Address] {
        match self {
            Field::Bcc => &envelope.bcc,
            Field::Cc => &envelope.cc,
            Field::From => &envelope.from,
            Field::To => &envelope.to,
        }
    }
}

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Days in a row, by [`Civil::unix_days`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Days {
    first: i64,
    last: i64,
}

impl Days {
    fn before(day: Civil) -> Self {
        Self { first: i64::MIN, last: day.unix_days() - 1 }
    }

    fn on(day: Civil) -> Self {
        Self { first: day.unix_days(), last: day.unix_days() }
    }

    fn since(day: Civil) -> Self {
        Self { first: day.unix_days(), last: i64::MAX }
    }

    fn contain(self, day: i64) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

/// What a search key is resolved against.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    /// The session's picture.
    pub(super) view: &'a View,
    /// The keywords of the mailbox.
    pub(super) keywords: &'a [String],
    /// What ages are counted from.
    pub(super) now_unix_s: i64,
    /// What EMAILIDs are made with.
    pub(super) object_ids: &'a ObjectIds,
}

/// A search key, resolved against a session's view and a mailbox's keywords.
#[derive(Debug)]
pub(super) enum Criteria {
    Always(bool),
    /// All of these flags are set.
    Flags(Flags),
    Uids(UidSet),
    /// INTERNALDATE falls on one of these days, in its own zone.
    Received(Days),
    /// INTERNALDATE is this moment or earlier, in Unix seconds.
    ReceivedUntil(i64),
    /// INTERNALDATE is this moment or later, in Unix seconds.
    ReceivedFrom(i64),
    /// The save date falls on one of these days, in UTC.
    Saved(Days),
    /// `Date:` falls on one of these days, in its own zone.
    Sent(Days),
    /// The object identifier of its body is this.
    EmailId(ObjectIds, String),
    LargerThan(u64),
    /// This mod-sequence or a higher one (RFC 7162 §3.1.5).
    ModSeq(ModSeq),
    SmallerThan(u64),
    Addresses(Field, Needle),
    Subject(Needle),
    Header(String, Needle),
    Body(Needle),
    Text(Needle),
    Not(Box<Criteria>),
    All(Vec<Criteria>),
    Any(Vec<Criteria>),
}

impl Criteria {
    /// Resolves a key. Its depth is bounded by the parser, and so is this recursion.
    pub(super) fn new(key: SearchKey, ground: &Ground<'_>) -> Result<Self, Failure> {
        let Ground { view, keywords, now_unix_s, object_ids } = *ground;
        let resolve = |key| Self::new(key, ground);
        let recent = || Self::Uids(view.recent_uids().clone());
        let not = |criteria| Self::Not(Box::new(criteria));
        let keyword = |name: &str| flags::keyword(name, keywords).map_or(Self::Always(false), Self::Flags);
        Ok(match key {
            SearchKey::All => Self::Always(true),
            SearchKey::Answered => Self::Flags(Flags::ANSWERED),
            SearchKey::Bcc(text) => Self::Addresses(Field::Bcc, Needle::new(&text)),
            SearchKey::Before(day) => Self::Received(Days::before(day)),
            SearchKey::Body(text) => Self::Body(Needle::new(&text)),
            SearchKey::Cc(text) => Self::Addresses(Field::Cc, Needle::new(&text)),
            SearchKey::Deleted => Self::Flags(Flags::DELETED),
            SearchKey::Draft => Self::Flags(Flags::DRAFT),
            SearchKey::EmailId(id) => Self::EmailId(object_ids.clone(), id),
            SearchKey::Flagged => Self::Flags(Flags::FLAGGED),
            SearchKey::From(text) => Self::Addresses(Field::From, Needle::new(&text)),
            SearchKey::Header(name, text) => Self::Header(name, Needle::new(&text)),
            SearchKey::Keyword(name) => keyword(&name),
            SearchKey::Larger(octets) => Self::LargerThan(octets),
            SearchKey::ModSeq(mod_seq) => Self::ModSeq(mod_seq),
            // RECENT and UNSEEN, both (RFC 3501 §6.4.4).
            SearchKey::New => Self::All(vec![recent(), not(Self::Flags(Flags::SEEN))]),
            SearchKey::Not(key) => not(resolve(*key)?),
            SearchKey::Old => not(recent()),
            // The moment that lies exactly so far back is both older and younger (RFC 5032 §3).
            SearchKey::Older(seconds) => Self::ReceivedUntil(now_unix_s - i64::from(seconds.get())),
            SearchKey::On(day) => Self::Received(Days::on(day)),
            SearchKey::Or(one, other) => Self::Any(vec![resolve(*one)?, resolve(*other)?]),
            SearchKey::Recent => recent(),
            SearchKey::SavedBefore(day) => Self::Saved(Days::before(day)),
            SearchKey::SaveDateSupported => Self::Always(true),
            SearchKey::SavedOn(day) => Self::Saved(Days::on(day)),
            SearchKey::SavedSince(day) => Self::Saved(Days::since(day)),
            SearchKey::Seen => Self::Flags(Flags::SEEN),
            SearchKey::SentBefore(day) => Self::Sent(Days::before(day)),
            SearchKey::SentOn(day) => Self::Sent(Days::on(day)),
            SearchKey::SentSince(day) => Self::Sent(Days::since(day)),
            SearchKey::Since(day) => Self::Received(Days::since(day)),
            SearchKey::Smaller(octets) => Self::SmallerThan(octets),
            SearchKey::Subject(text) => Self::Subject(Needle::new(&text)),
            SearchKey::Text(text) => Self::Text(Needle::new(&text)),
            // No threads are kept: THREADID is NIL for all (RFC 8474 §5.2).
            SearchKey::ThreadId(_) => Self::Always(false),
            SearchKey::To(text) => Self::Addresses(Field::To, Needle::new(&text)),
            SearchKey::Uid(set) => Self::Uids(named(view, Numbering::Uid, &set)?),
            SearchKey::Unanswered => not(Self::Flags(Flags::ANSWERED)),
            SearchKey::Undeleted => not(Self::Flags(Flags::DELETED)),
            SearchKey::Undraft => not(Self::Flags(Flags::DRAFT)),
            SearchKey::Unflagged => not(Self::Flags(Flags::FLAGGED)),
            SearchKey::Unkeyword(name) => not(keyword(&name)),
            SearchKey::Unseen => not(Self::Flags(Flags::SEEN)),
            SearchKey::Younger(seconds) => Self::ReceivedFrom(now_unix_s - i64::from(seconds.get())),
            // RFC 7377 §2: numbers beyond the mailbox are no error in any search, and find nothing.
            SearchKey::Sequence(set) if !set.is_saved() => Self::Uids(set.uids_by_number_within(view.known())),
            SearchKey::Sequence(set) => Self::Uids(named(view, Numbering::Sequence, &set)?),
            SearchKey::And(keys) => Self::All(keys.into_iter().map(resolve).collect::<Result<_, _>>()?),
        })
    }

    /// Whether the message is looked for; `None`: more of it must be read to know.
    pub(super) fn decide(&self, evidence: &Evidence<'_>) -> Option<bool> {
        let Evidence { message, summary, body, .. } = *evidence;
        match self {
            Self::Always(matches) => Some(*matches),
            Self::Flags(flags) => Some(message.flags.contains(*flags)),
            Self::Uids(uids) => Some(uids.contains(message.uid)),
            Self::Received(days) => Some(days.contain(unix_days(message.internal_date))),
            Self::ReceivedUntil(moment) => Some(message.internal_date.unix_s <= *moment),
            Self::ReceivedFrom(moment) => Some(message.internal_date.unix_s >= *moment),
            Self::Saved(days) => Some(days.contain(message.save_date_unix_s.div_euclid(DAY_S))),
            Self::EmailId(object_ids, id) => Some(object_ids.body(message.body) == *id),
            Self::LargerThan(octets) => Some(u64::from(message.size) > *octets),
            Self::ModSeq(mod_seq) => Some(message.mod_seq >= *mod_seq),
            Self::SmallerThan(octets) => Some(u64::from(message.size) < *octets),
            // A message without a date was sent on no day.
            Self::Sent(days) => {
                summary.map(|summary| summary.sent.is_some_and(|sent| days.contain(sent.civil().unix_days())))
            }
            Self::Addresses(field, needle) => {
                summary.map(|summary| needle.is_in_addresses(field.of(&summary.envelope)))
            }
            Self::Subject(needle) => {
                summary.map(|summary| summary.envelope.subject.as_ref().is_some_and(|text| needle.is_in_field(text)))
            }
            Self::Header(name, needle) => evidence.header().map(|header| needle.is_in_header(header, name.as_bytes())),
            Self::Body(needle) => Some(needle.is_in_body(body?, summary?)),
            Self::Text(needle) => Some(needle.is_in_message(body?, summary?)),
            Self::Not(criteria) => criteria.decide(evidence).map(|matches| !matches),
            Self::All(all) => conclude(all, evidence, false),
            Self::Any(any) => conclude(any, evidence, true),
        }
    }

    /// Whether a summary could decide some key.
    pub(super) fn asks_summary(&self) -> bool {
        match self {
            Self::Sent(_) | Self::Addresses(..) | Self::Subject(_) => true,
            Self::Not(criteria) => criteria.asks_summary(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::asks_summary),
            _ => false,
        }
    }

    /// Whether some key needs the whole message.
    pub(super) fn needs_body(&self) -> bool {
        match self {
            Self::Body(_) | Self::Text(_) => true,
            Self::Not(criteria) => criteria.needs_body(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_body),
            _ => false,
        }
    }
}

/// `decisive` if one part is; the opposite if all parts are; else it is not known.
fn conclude(parts: &[Criteria], evidence: &Evidence<'_>, decisive: bool) -> Option<bool> {
    let mut conclusion = Some(!decisive);
    for part in parts {
        match part.decide(evidence) {
            Some(answer) if answer == decisive => return Some(decisive),
            Some(_) => {}
            None => conclusion = None,
        }
    }
    conclusion
}

/// The day on the calendar of the date's own zone: time and zone are not compared (RFC 3501 §6.4.4).
fn unix_days(date: Date) -> i64 {
    (date.unix_s + 60 * i64::from(date.offset_min)).div_euclid(DAY_S)
}
