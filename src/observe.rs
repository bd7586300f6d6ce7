//! Who is told what happened, for people and meters to look at: `dev`'s live line, later metrics and the comparison.
//!
//! Observing decides nothing: the server behaves the same with nobody looking.

use std::time::Instant;

use crate::store::{CommitSeq, MailboxId, ModSeq, Uid};

/// A message was stored in a mailbox.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The account's name.
    pub account: String,
    /// The mailbox's name.
    pub mailbox: String,
    /// The mailbox's id.
    pub mailbox_id: MailboxId,
    /// The UID it got.
    pub uid: Uid,
    /// The mod-sequence it got.
    pub mod_seq: ModSeq,
    /// Its commit.
    pub commit_seq: CommitSeq,
    /// Its size in octets.
    pub octets: u64,
    /// Its subject, decoded, control characters removed, at most 200 characters.
    pub subject: String,
    /// How many listeners of the mailbox were woken.
    pub told: usize,
    /// How many listeners of the account were woken: sessions that used NOTIFY, which may tell of this mailbox or not, and
    /// may listen to it, too.
    pub watching: usize,
    /// When its sync returned.
    pub committed_at: Instant,
}

/// A session wrote news of a mailbox to its client without being asked.
#[derive(Clone, Copy, Debug)]
pub struct Push {
    /// The mailbox.
    pub mailbox_id: MailboxId,
    /// The news reach up to this mod-sequence.
    pub mod_seq: ModSeq,
    /// Which connection.
    pub connection: u64,
    /// When the write to the socket returned.
    pub written_at: Instant,
}

/// Looks on. Both methods are called on runtime threads and must return at once.
pub trait Observer: Send + Sync {
    /// A message was stored; called once a mailbox.
    fn delivered(&self, delivery: &Delivery);
    /// A session told its client.
    fn pushed(&self, push: &Push);
}

/// Looks away.
#[derive(Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn delivered(&self, _: &Delivery) {}
    fn pushed(&self, _: &Push) {}
}
