//! Who makes room when places are few.
//!
//! Every connection is a stranger until it has logged in, or has a message on its way. Strangers may take all places but a
//! reserved share, so that those who read their mail never wait for those who say nothing. When there is no place for the
//! next one, a stranger is asked to leave: of those that did least one of the network (/24, IPv6 /48) that has most of them,
//! of these the one that came first. Never one that has logged in, and never one with a transaction.
//!
//! A stranger has [`GRACE`] to do more than nothing, but where its network has more strangers than that of the newcomer: so
//! whoever comes alone gets in beside a crowd, however fast that comes back.
//!
//! Who is asked gives up its place in the books at once and in truth a moment later: so many may be on their way out that
//! the descriptors which the server keeps for itself suffice for them ([`LEAVING_MAX`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
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

/// Those of one rank that may be asked to leave.
#[derive(Debug, Default)]
struct Seats {
    /// By network, in the order in which they came to this rank.
    networks: HashMap<IpAddr, BTreeMap<u64, (Instant, Seat)>>,
    /// The networks, by how many they have; among equals, the one whose first came first is last.
    sizes: BTreeSet<(usize, Reverse<u64>, IpAddr)>,
    total: usize,
}

impl Seats {
    /// Changes the seats of a network, and keeps the books.
    fn change<T>(&mut self, network: IpAddr, change: impl FnOnce(&mut BTreeMap<u64, (Instant, Seat)>) -> T) -> T {
        let size = |seats: &BTreeMap<u64, _>| {
            seats.first_key_value().map(|(first, _)| (seats.len(), Reverse(*first), network))
        };
        let seats = self.networks.entry(network).or_default();
        if let Some(size) = size(seats) {
            self.sizes.remove(&size);
        }
        self.total -= seats.len();
        let changed = change(seats);
        self.total += seats.len();
        match size(seats) {
            Some(size) => drop(self.sizes.insert(size)),
            None => drop(self.networks.remove(&network)),
        }
        changed
    }

    fn held_by(&self, network: IpAddr) -> usize {
        self.networks.get(&network).map_or(0, BTreeMap::len)
    }

    /// Takes one out of the network that has most, if its grace is over or it has more than the newcomer's.
    fn take_for(&mut self, newcomer: Option<IpAddr>, now: Instant) -> Option<Seat> {
        let (size, _, network) = *self.sizes.last()?;
        let is_crowd = size > newcomer.map_or(0, |newcomer| self.held_by(newcomer)) + 1;
        self.change(network, |seats| {
            let first = seats.first_entry()?;
            let had_its_time = now.saturating_duration_since(first.get().0) >= GRACE;
            (is_crowd || had_its_time).then(|| first.remove().1)
        })
    }
}

/// The strangers.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// Those that may be asked to leave, by rank.
    seats: [Seats; ASKED],
    checking: usize,
    leaving: usize,
    last_number: u64,
}

/// Where a session stands in the books.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    rank: Rank,
    network: IpAddr,
    number: u64,
}

impl Strangers {
    /// How many there are, without those on their way out.
    pub(super) fn count(&self) -> usize {
        self.seats.iter().map(|seats| seats.total).sum::<usize>() + self.checking
    }

    /// One of that network comes, or comes back, to this rank.
    pub(super) fn enter(&mut self, rank: Rank, network: IpAddr, seat: &Seat, now: Instant) -> Standing {
        self.last_number += 1;
        let number = self.last_number;
        match rank {
            Rank::Silent | Rank::Nameless | Rank::Introduced => {
                let entry = (now, Arc::clone(seat));
                self.seats[rank as usize].change(network, |seats| seats.insert(number, entry));
            }
            Rank::Checking => self.checking += 1,
            Rank::Settled => {}
        }
        Standing { rank, network, number }
    }

    /// One leaves its rank. False: it was asked to leave before, and has no place any more.
    pub(super) fn leave(&mut self, standing: &Standing) -> bool {
        match standing.rank {
            Rank::Silent | Rank::Nameless | Rank::Introduced => {
                let seats = &mut self.seats[standing.rank as usize];
                seats.change(standing.network, |seats| seats.remove(&standing.number)).is_some()
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

    /// Asks one to leave for a newcomer of that network, or for one that is exempt. False: there is none that may be asked,
    /// or too many are leaving already.
    pub(super) fn make_room(&mut self, newcomer: Option<IpAddr>, now: Instant) -> bool {
        if self.leaving >= LEAVING_MAX {
            return false;
        }
        let Some(seat) = self.seats.iter_mut().find_map(|seats| seats.take_for(newcomer, now)) else { return false };
        seat.notify_one();
        self.leaving += 1;
        true
    }
}

impl Standing {
    pub(super) fn rank(&self) -> Rank {
        self.rank
    }

    pub(super) fn network(&self) -> IpAddr {
        self.network
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network for each number.
    fn network(number: u8) -> IpAddr {
        IpAddr::from([10, 0, number, 0])
    }

    #[test]
    fn the_least_and_longest_leaves_first_and_the_settled_never() {
        let (mut strangers, start) = (Strangers::default(), Instant::now());
        let ranks = [Rank::Introduced, Rank::Settled, Rank::Silent, Rank::Checking, Rank::Nameless, Rank::Silent];
        let mut standings = Vec::new();
        for (index, rank) in ranks.into_iter().enumerate() {
            let at = start + index as u32 * GRACE;
            standings.push(strangers.enter(rank, network(index as u8), &Seat::default(), at));
        }
        assert_eq!(strangers.count(), 5);
        assert!(!strangers.make_room(None, start), "all have their grace");
        let later = start + 10 * GRACE;
        let mut left = Vec::new();
        while strangers.make_room(None, later) {
            // Those that are in the books no more: their seats are gone.
            let stays = |standing: &Standing| {
                let seats = strangers.seats.get(standing.rank as usize);
                seats.is_none_or(|seats| seats.held_by(standing.network) > 0)
            };
            left.extend(
                (0..ranks.len()).filter(|index| !stays(&standings[*index])).find(|index| !left.contains(index)),
            );
        }
        assert_eq!(left, [2, 5, 4, 0]);
        let stayed: Vec<Rank> =
            standings.iter().filter(|standing| strangers.leave(standing)).map(Standing::rank).collect();
        assert_eq!(stayed, [Rank::Settled, Rank::Checking]);
        assert_eq!(strangers.count(), 0);
        assert!(strangers.seats.iter().all(|seats| seats.networks.is_empty() && seats.sizes.is_empty()));
    }

    #[test]
    fn whoever_comes_alone_gets_in_beside_a_crowd() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        let enter = |strangers: &mut Strangers, of| strangers.enter(Rank::Silent, network(of), &Seat::default(), now);
        let crowd: Vec<_> = (0..3).map(|_| enter(&mut strangers, 1)).collect();
        let alone = enter(&mut strangers, 2);
        assert!(!strangers.make_room(Some(network(1)), now), "the crowd makes no room for its own");
        assert!(strangers.make_room(Some(network(3)), now));
        assert!(!strangers.leave(&crowd[0]));
        assert!(!strangers.make_room(Some(network(2)), now), "two are no crowd for one who is there already");
        assert!(strangers.make_room(Some(network(3)), now));
        assert!(!strangers.make_room(Some(network(3)), now), "one is none at all");
        assert!(strangers.leave(&alone));
    }

    #[test]
    fn so_many_may_be_leaving_and_no_more() {
        let (mut strangers, now) = (Strangers::default(), Instant::now());
        for _ in 0..LEAVING_MAX + 1 {
            strangers.enter(Rank::Silent, network(1), &Seat::default(), now);
        }
        assert!((0..LEAVING_MAX).all(|_| strangers.make_room(None, now + GRACE)));
        assert!(!strangers.make_room(None, now + GRACE));
        strangers.left();
        assert!(strangers.make_room(None, now + GRACE));
    }
}
