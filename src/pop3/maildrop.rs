//! What a client sees of its INBOX: a numbered list, fixed when it logged in.
//!
//! Numbers run from 1 without a gap in the order of the UIDs, and stay what they are whatever IMAP, deliveries or other
//! POP3 sessions do meanwhile (RFC 1939 §5: after the maildrop was opened, each message has its number). New mail shows
//! in the next session. A message that was expunged elsewhere keeps its number; fetching it fails, and deleting it is
//! done already.
//!
//! Sizes are the octets that RETR sends, dot-stuffing not counted (RFC 1939 §11): our messages are stored with CRLF.
//! One exception: a message stored without a final CRLF (only BDAT and APPEND can bring one) is sent with it, since the
//! final dot needs a line of its own, and so is up to 2 octets longer than said.

use std::fmt;

use crate::store::{BodyId, Message, Uid, UidSet};

/// A message of the maildrop: 16 octets of memory each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uid: Uid,
    pub(super) octets: u32,
    pub(super) body: BodyId,
}

/// A maildrop as it was at login, and what is marked as deleted in it.
#[derive(Clone, Debug)]
pub struct Maildrop {
    uid_validity: u32,
    entries: Vec<Entry>,
    /// What `entries` come to.
    all: Total,
    marked: UidSet,
    /// What is left of `all` without those that are marked.
    left: Total,
}

/// Why a number names no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSuchMessage {
    /// There are only so many.
    OutOfRange {
        /// How many.
        messages: usize,
    },
    /// DELE took it.
    Marked,
}

/// How many messages, and how many octets they have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) messages: usize,
    pub(super) octets: u64,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.messages == 1 { "" } else { "s" };
        write!(f, "{} message{plural} ({} octets)", self.messages, self.octets)
    }
}

impl Maildrop {
    /// The maildrop of these messages, ascending by UID, in a mailbox with this UIDVALIDITY.
    pub fn new(uid_validity: u32, messages: impl IntoIterator<Item = Message>) -> Self {
        let entries = messages.into_iter().map(|Message { uid, size, body, .. }| Entry { uid, octets: size, body });
        let entries: Vec<Entry> = entries.collect();
        let octets = entries.iter().map(|entry| u64::from(entry.octets)).sum();
        let all = Total { messages: entries.len(), octets };
        Self { uid_validity, entries, all, marked: UidSet::new(), left: all }
    }

    /// The message with this number, unless it is marked.
    pub(super) fn get(&self, number: u32) -> Result<Entry, NoSuchMessage> {
        let index = (number as usize).checked_sub(1);
        match index.and_then(|index| self.entries.get(index)) {
            None => Err(NoSuchMessage::OutOfRange { messages: self.entries.len() }),
            Some(entry) if self.marked.contains(entry.uid) => Err(NoSuchMessage::Marked),
            Some(entry) => Ok(*entry),
        }
    }

    /// Marks it as deleted.
    pub(super) fn mark(&mut self, number: u32) -> Result<(), NoSuchMessage> {
        let entry = self.get(number)?;
        self.marked.insert(entry.uid);
        self.left.messages -= 1;
        self.left.octets -= u64::from(entry.octets);
        Ok(())
    }

    /// Takes all marks away.
    pub(super) fn unmark_all(&mut self) {
        self.marked = UidSet::new();
        self.left = self.all;
    }

    /// Those that are marked.
    pub(super) fn marked(&self) -> &UidSet {
        &self.marked
    }

    /// Those from `number` on that are not marked, with their numbers.
    pub(super) fn from(&self, number: u32) -> impl Iterator<Item = (u32, Entry)> + '_ {
        let entries = self.entries.get(number.saturating_sub(1) as usize..).unwrap_or_default();
        let numbered = (number..).zip(entries.iter().copied());
        numbered.filter(|(_, entry)| !self.marked.contains(entry.uid))
    }

    /// All that are not marked (RFC 1939 §5: marked ones are not counted).
    pub(super) fn total(&self) -> Total {
        self.left
    }

    /// The unique-id (RFC 1939 §7): UIDVALIDITY and UID never name another message, so this is stable for ever, whatever
    /// happens to the store's inner order. At most 21 characters.
    pub(super) fn unique_id(&self, entry: Entry) -> String {
        format!("{}.{}", self.uid_validity, entry.uid)
    }
}
