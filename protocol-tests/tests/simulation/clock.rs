//! Virtual time, and whose turn it is.
//!
//! The runtime's clock is paused: it goes on only when nobody has anything to do, and then to the next moment at which
//! somebody has. Each party (somebody's thoughts, either direction of his connection, the disk) has a millisecond of its
//! own in every [`period`](Clock::new), and acts in no other. So two parties never act at the same moment, and it is the
//! seed, not the scheduler, that decides who comes first.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::network::LONG_OCTETS;

/// Whose millisecond it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    /// The disk's.
    pub(crate) const DISK: Turn = Turn(0);

    /// Of the seat with this number: its thoughts.
    pub(crate) fn thoughts(seat: usize) -> Turn {
        Turn(1 + 3 * seat as u64)
    }

    /// The way from it to the server.
    pub(crate) fn there(seat: usize) -> Turn {
        Turn(2 + 3 * seat as u64)
    }

    /// The way back.
    pub(crate) fn back(seat: usize) -> Turn {
        Turn(3 + 3 * seat as u64)
    }
}

/// The clock of a world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    period_ms: u64,
}

impl Clock {
    /// A clock with a turn for each of `seats` in every period. To be called on a paused runtime.
    pub(crate) fn new(seats: usize) -> Self {
        Self { start: Instant::now(), period_ms: (1 + 3 * seats as u64).next_power_of_two() }
    }

    /// How long after a change whoever listens knows of it, at the latest: several long lines on the slowest network.
    pub(crate) fn bound(&self) -> Duration {
        Duration::from_secs(10) + Duration::from_millis(self.period_ms) * 3 * LONG_OCTETS as u32
    }

    /// After so long without an answer something is wrong: a disk that takes its time, and the slowest network, take less.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(120) + 4 * self.bound()
    }

    /// Since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits as long as this, and then for the turn.
    pub(crate) async fn turn(&self, turn: Turn, after: Duration) {
        let earliest_ms = (self.now() + after).as_millis() as u64;
        let into = earliest_ms % self.period_ms;
        let at_ms = earliest_ms + (self.period_ms + turn.0 - into) % self.period_ms;
        sleep_until(self.start + Duration::from_millis(at_ms)).await;
    }
}
