//! A message on its way in: how much has come, whether it is refused already, and whether it comes fast enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::session::Envelope;
use super::{Limits, Reply, replies};

/// How far above SIZE a message is read and dropped, so that its sender gets the reply instead of a broken connection:
/// up to as much again. Who sends more is not reading.
const DISCARD_FACTOR: u64 = 2;

/// A message that DATA or BDAT is bringing.
#[derive(Debug)]
pub(super) struct Reception {
    /// Whose it is.
    pub(super) envelope: Arc<Envelope>,
    /// How fast it comes.
    pub(super) pace: Pace,
    octets: u64,
    refusal: Option<Reply>,
}

impl Reception {
    pub(super) fn new(envelope: Arc<Envelope>, pace: Pace) -> Self {
        Self { envelope, pace, octets: 0, refusal: None }
    }

    /// Counts octets as they are going to be stored: SIZE does not count stuffed dots (RFC 1870 §3).
    pub(super) fn count(&mut self, octets: u64, limits: &Limits) {
        self.octets = self.octets.saturating_add(octets);
        if self.octets > limits.message_size {
            self.refuse(replies::TOO_LARGE);
        }
    }

    /// Why it will not be stored, if that is known.
    pub(super) fn refusal(&self) -> Option<&Reply> {
        self.refusal.as_ref()
    }

    /// It will not be stored. The first reason stays.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
    }

    /// Whether so much has come, or with `coming` will come, that its end is not worth waiting for.
    pub(super) fn is_endless(&self, coming: u64, limits: &Limits) -> bool {
        is_endless(self.octets.saturating_add(coming), limits)
    }
}

/// Whether that many octets are more than is read only to be dropped.
pub(super) fn is_endless(octets: u64, limits: &Limits) -> bool {
    octets > limits.message_size.saturating_mul(DISCARD_FACTOR)
}

/// Whether octets come fast enough: none may be missing for `data_timeout`, and all together must keep `data_rate`.
/// What the server itself takes to store them is not the client's fault and not counted.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    due: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, limits: &Limits) -> Self {
        Self { last: now, due: now + limits.data_timeout }
    }

    /// Octets have come.
    pub(super) fn received(&mut self, octets: usize, now: Instant, limits: &Limits) {
        let rate = u64::from(limits.data_rate.max(1));
        self.last = now;
        self.due += Duration::from_millis((octets as u64).saturating_mul(1_000) / rate);
    }

    /// The client had to wait for us.
    pub(super) fn waited(&mut self, from: Instant, to: Instant) {
        self.last = to;
        self.due += to.saturating_duration_since(from);
    }

    /// When its time is up.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        self.due.min(self.last + limits.data_timeout)
    }
}
