//! What a FETCH needs, known before the first message is touched.

use crate::imap::command::{FetchItem, FetchModifiers};
use crate::message::SectionText;

/// How many messages go together where only their index entries are needed: see
/// [`BATCH`](crate::imap::exec::messages::BATCH).
const BATCH_INDEX: u32 = crate::imap::exec::messages::BATCH;

/// Where summaries are read: a summary is some KB, and one batch of them is in memory.
const BATCH_SUMMARIES: u32 = 256;

/// Where reading sets `\Seen`: what is marked as seen but was not sent when the client went away is at most this.
const BATCH_SEEING: u32 = 32;

/// What is to be done with each message.
#[derive(Debug)]
pub(super) struct Plan {
    /// What to write, but FLAGS and MODSEQ.
    pub(super) items: Vec<FetchItem>,
    /// FLAGS are asked for.
    pub(super) tells_flags: bool,
    /// MODSEQ is asked for.
    pub(super) tells_mod_seq: bool,
    /// Some item is made of the summary, or found with it.
    pub(super) needs_summary: bool,
    /// Some item is made of the message's octets.
    pub(super) reads_octets: bool,
    /// Some item sets `\Seen`.
    pub(super) sets_seen: bool,
}

impl Plan {
    /// The plan for these items; `tells_uid`: the UID is among them, named or not.
    pub(super) fn new(mut items: Vec<FetchItem>, tells_uid: bool, modifiers: FetchModifiers) -> Self {
        if tells_uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let tells_flags = items.contains(&FetchItem::Flags);
        // CHANGEDSINCE implies MODSEQ (RFC 7162 §3.1.4.1).
        let tells_mod_seq = modifiers.changed_since.is_some() || items.contains(&FetchItem::ModSeq);
        items.retain(|item| !matches!(item, FetchItem::Flags | FetchItem::ModSeq));
        Self {
            tells_flags,
            tells_mod_seq,
            needs_summary: items.iter().any(needs_summary),
            reads_octets: items.iter().any(reads_octets),
            sets_seen: items.iter().any(sets_seen),
            items,
        }
    }

    /// How many messages go together.
    pub(super) fn batch(&self) -> u32 {
        match self {
            Plan { sets_seen: true, .. } => BATCH_SEEING,
            Plan { needs_summary: true, .. } => BATCH_SUMMARIES,
            _ => BATCH_INDEX,
        }
    }
}

fn needs_summary(item: &FetchItem) -> bool {
    match item {
        FetchItem::Flags
        | FetchItem::InternalDate
        | FetchItem::ModSeq
        | FetchItem::Rfc822
        | FetchItem::Rfc822Size
        | FetchItem::SaveDate
        | FetchItem::EmailId
        | FetchItem::ThreadId
        | FetchItem::Uid => false,
        // The whole message is where it is.
        FetchItem::BodySection { section, .. } => !section.path.is_empty() || section.text.is_some(),
        FetchItem::Envelope
        | FetchItem::Preview { .. }
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Body
        | FetchItem::BodyStructure
        | FetchItem::Binary { .. }
        | FetchItem::BinarySize { .. } => true,
    }
}

fn reads_octets(item: &FetchItem) -> bool {
    match item {
        // They are in the summary; where they are not, the reader reads what it lacks.
        FetchItem::BodySection { section, .. } if section.is_common_fields() => false,
        FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::BodySection { .. }
        | FetchItem::Binary { .. }
        | FetchItem::BinarySize { .. } => true,
        FetchItem::Envelope
        | FetchItem::Flags
        | FetchItem::InternalDate
        | FetchItem::Rfc822Size
        | FetchItem::Body
        | FetchItem::BodyStructure
        | FetchItem::SaveDate
        | FetchItem::EmailId
        | FetchItem::ThreadId
        | FetchItem::ModSeq
        | FetchItem::Preview { .. }
        | FetchItem::Uid => false,
    }
}

/// RFC 3501 §6.4.5, RFC 3516 §4.2.
fn sets_seen(item: &FetchItem) -> bool {
    match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        FetchItem::BodySection { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        FetchItem::Envelope
        | FetchItem::Flags
        | FetchItem::InternalDate
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Size
        | FetchItem::Body
        | FetchItem::BodyStructure
        | FetchItem::SaveDate
        | FetchItem::EmailId
        | FetchItem::ThreadId
        | FetchItem::ModSeq
        | FetchItem::Preview { .. }
        | FetchItem::Uid
        | FetchItem::BinarySize { .. } => false,
    }
}

/// `RFC822.HEADER` and `RFC822.TEXT` are sections by another name.
pub(super) fn text_of(item: &FetchItem) -> Option<SectionText> {
    match item {
        FetchItem::Rfc822Header => Some(SectionText::Header),
        FetchItem::Rfc822Text => Some(SectionText::Text),
        _ => None,
    }
}
