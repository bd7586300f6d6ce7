//! Who makes room when places are few.
//!
//! Every connection is a stranger until it has logged in, or has a message on its way. Strangers may take all places but a
//! reserved share, so that those who read their mail never wait for those who say nothing. When there is no place for the
//! next one, the stranger that did least is asked to leave, of those the one that has been so for longest; never one that
//! has logged in, and never one with a transaction. A stranger has [`GRACE`] to do more than nothing.
//!
//! Who is asked gives up its place in the books at once and in truth a moment later: so many may be on their way out that
//! the descriptors which the server keeps for itself suffice for them ([`LEAVING_MAX`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long a stranger has before it may be asked to leave: some round trips on a bad line.
const GRACE: Duration = Duration::from_secs(1);

/// How many may be on their way out at one time: half of the descriptors that are kept beside those of connections.
const LEAVING_MAX: usize = 128;

/// What a session has done for its place, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Nothing yet: an SMTP client that has not said hello, or a TLS handshake.
    Silent,
    /// An IMAP or POP3 client that may log in.
    Nameless,
    /// An SMTP client that said hello, and has no transaction.
    Introduced,
    /// One whose login is being looked at: a stranger still, but not asked to leave.
    Checking,
    /// One that has logged in, has a transaction, or is trusted.
    Settled,
}

/// How many ranks may be asked to leave.
const ASKED: usize = Rank::Checking as usize;

/// Where a session hears that it is asked to leave.
pub(super) type Seat = Arc<Notify>;

/// The strangers.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Those that may be asked to leave, by rank, in the order in which they came to it.
    seats: [BTreeMap<u64, (Instant, Seat)>; ASKED],
    checking: usize,
    leaving: usize,
    last_number: u64,
}

/// Where a session stands in the books.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    rank: Rank,
    number: u64,
}

impl Strangers {
    /// How many there are, without those on their way out.
    pub(super) fn count(&self) -> usize {
        self.seats.iter().map(BTreeMap::len).sum::<usize>() + self.checking
    }

    /// One comes, or comes back, to this rank.
    pub(super) fn enter(&mut self, rank: Rank, seat: &Seat, now: Instant) -> Standing {
        self.last_number += 1;
        match rank {
            Rank::Silent | Rank::Nameless | Rank::Introduced => {
                self.seats[rank as usize].insert(self.last_number, (now, Arc::clone(seat)));
            }
            Rank::Checking => self.checking += 1,
            Rank::Settled => {}
        }
        Standing { rank, number: self.last_number }
    }

    /// One leaves its rank. False: it was asked to leave before, and has no place any more.
    pub(super) fn leave(&mut self, standing: &Standing) -> bool {
        match standing.rank {
            Rank::Silent | Rank::Nameless | Rank::Introduced => {
                self.seats[standing.rank as usize].remove(&standing.number).is_some()
            }
            Rank::Checking => {
                self.checking -= 1;
                true
            }
            Rank::Settled => true,
        }
    }

    /// One that was asked to leave has left.
    pub(super) fn left(&mut self) {
        self.leaving -= 1;
    }

    /// Asks the one that did least to leave. False: there is none, or too many are leaving already.
    pub(super) fn make_room(&mut self, now: Instant) -> bool {
        if self.leaving >= LEAVING_MAX {
            return false;
        }
        for seats in &mut self.seats {
            if let Some(first) = seats.first_entry()
                && now.saturating_duration_since(first.get().0) >= GRACE
            {
                let (_, seat) = first.remove();
                seat.notify_one();
                self.leaving += 1;
                return true;
            }
        }
        false
    }
}

impl Standing {
    pub(super) fn rank(&self) -> Rank {
        self.rank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_and_longest_leaves_first_and_the_settled_never() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let ranks = [Rank::Introduced, Rank::Settled, Rank::Silent, Rank::Checking, Rank::Nameless, Rank::Silent];
        let seats = ranks.map(|_| Seat::default());
        let mut standings = Vec::new();
        for (index, rank) in ranks.into_iter().enumerate() {
            standings.push(strangers.enter(rank, &seats[index], start + index as u32 * GRACE));
        }
        assert_eq!(strangers.count(), 5);
        assert!(!strangers.make_room(start + GRACE / 2), "all have their grace");
        let later = start + 10 * GRACE;
        assert!((0..4).all(|_| strangers.make_room(later)));
        assert!(!strangers.make_room(later));
        let stayed: Vec<Rank> =
            standings.iter().filter(|standing| strangers.leave(standing)).map(Standing::rank).collect();
        assert_eq!(stayed, [Rank::Settled, Rank::Checking]);
        assert_eq!(strangers.count(), 0);
    }

    #[test]
    fn the_order_is_silent_nameless_introduced() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        let standings = [Rank::Introduced, Rank::Nameless, Rank::Silent].map(|rank| {
            strangers.enter(rank, &Seat::default(), now)
        });
        for left in (0..3).rev() {
            assert!(strangers.make_room(now + GRACE));
            assert_eq!(strangers.count(), left);
            assert!(!strangers.leave(&standings[left]), "{:?}", standings[left]);
        }
    }

    #[test]
    fn so_many_may_be_leaving_and_no_more() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        (0..LEAVING_MAX + 1).for_each(|_| drop(strangers.enter(Rank::Silent, &Seat::default(), now)));
        assert!((0..LEAVING_MAX).all(|_| strangers.make_room(now + GRACE)));
        assert!(!strangers.make_room(now + GRACE));
        strangers.left();
        assert!(strangers.make_room(now + GRACE));
    }
}
