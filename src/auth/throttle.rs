//! How long somebody who failed to log in waits before the next try (RFC 4954 §9, RFC 1939 §13, RFC 3501 §11.2).
//!
//! Failures are counted for a peer address (IPv6: its /64, which one household can use up) and for an account name,
//! whether such an account exists or not; the larger count decides. A peer that has logged in to that very account
//! lately waits only for its own failures there: so nobody can lock the owner out by guessing at the account from
//! elsewhere, or from behind the same NAT. A peer that speaks for many people is counted by names alone.
//!
//! Pure: the time comes in, a delay goes out, and who waits for it is not decided here. Everything is forgotten soon and
//! the table is bounded; it is no ban list.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The wait after a first failure: a person who mistyped hardly notices.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The longest wait: well below the minute after which mail clients give up.
const LONGEST_DELAY: Duration = Duration::from_secs(15);

/// How long a failure counts after the last one.
const FAILURES_MEMORY: Duration = Duration::from_secs(5 * 60);

/// How long a peer that logged in is known: a client that polls, or comes back once a day.
const WELCOME_MEMORY: Duration = Duration::from_secs(26 * 60 * 60);

/// Entries at the most, some 150 octets each. Whoever wants to push others out pays an argon2 hash for each.
const ENTRIES_MAX: usize = 16_384;

/// Who tries to log in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: IpAddr,
    /// It speaks for many people: a failure of one says nothing about the others.
    pub(super) is_shared: bool,
}

/// The failures of late.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    entries: HashMap<Key, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Peer(IpAddr),
    Name(String),
    Pair(IpAddr, String),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    /// A pair that has logged in; peers and names never are.
    welcome: bool,
    touched: Instant,
}

impl Entry {
    fn is_fresh(&self, now: Instant) -> bool {
        let memory = if self.welcome { WELCOME_MEMORY } else { FAILURES_MEMORY };
        now.saturating_duration_since(self.touched) < memory
    }

    fn delay(&self, now: Instant) -> Duration {
        if self.failures == 0 || now.saturating_duration_since(self.touched) >= FAILURES_MEMORY {
            return Duration::ZERO;
        }
        // 2^4 seconds are more than the longest delay already.
        (FIRST_DELAY * (1 << (self.failures - 1).min(4))).min(LONGEST_DELAY)
    }
}

impl Throttle {
    /// How long `peer` waits before it may try `name`.
    pub(super) fn delay(&self, peer: Peer, name: &str, now: Instant) -> Duration {
        let address = household(peer.address);
        let fresh = |key: Key| self.entries.get(&key).filter(|entry| entry.is_fresh(now));
        if let Some(pair) = fresh(Key::Pair(address, name.to_owned())) {
            return pair.delay(now);
        }
        let of = |key: Key| fresh(key).map_or(Duration::ZERO, |entry| entry.delay(now));
        // A shared peer has no entry of its own.
        of(Key::Peer(address)).max(of(Key::Name(name.to_owned())))
    }

    /// `peer` failed to be `name`.
    pub(super) fn failed(&mut self, peer: Peer, name: &str, now: Instant) {
        let address = household(peer.address);
        if !peer.is_shared {
            self.count(Key::Peer(address), now);
        }
        self.count(Key::Name(name.to_owned()), now);
        let pair = Key::Pair(address, name.to_owned());
        if self.entries.get(&pair).is_some_and(|entry| entry.is_fresh(now)) {
            self.count(pair, now);
        }
    }

    /// Whether `peer` has lately proved to be `name`.
    pub(super) fn is_welcome(&self, peer: Peer, name: &str, now: Instant) -> bool {
        let pair = self.entries.get(&Key::Pair(household(peer.address), name.to_owned()));
        pair.is_some_and(|entry| entry.welcome && entry.is_fresh(now))
    }

    /// `peer` tries on though it is not listened to: it goes on waiting, and no name does for its sake.
    pub(super) fn insisted(&mut self, peer: Peer, now: Instant) {
        if !peer.is_shared {
            self.count(Key::Peer(household(peer.address)), now);
        }
    }

    /// `peer` has proved to be `name`.
    pub(super) fn succeeded(&mut self, peer: Peer, name: &str, now: Instant) {
        self.put(
            Key::Pair(household(peer.address), name.to_owned()),
            Entry { failures: 0, welcome: true, touched: now },
        );
    }

    fn count(&mut self, key: Key, now: Instant) {
        let (failures, welcome) = match self.entries.get(&key) {
            Some(entry) if entry.delay(now).is_zero() => (0, entry.welcome),
            Some(entry) => (entry.failures, entry.welcome),
            None => (0, false),
        };
        self.put(key, Entry { failures: failures.saturating_add(1), welcome, touched: now });
    }

    fn put(&mut self, key: Key, entry: Entry) {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&key) {
            self.make_room(entry.touched);
        }
        self.entries.insert(key, entry);
    }

    /// Forgets what is stale; where that is not enough, the older half, so that the next entries come cheap.
    fn make_room(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.is_fresh(now));
        if self.entries.len() >= ENTRIES_MAX {
            let mut times: Vec<Instant> = self.entries.values().map(|entry| entry.touched).collect();
            let (_, median, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
            let median = *median;
            self.entries.retain(|_, entry| entry.touched > median);
        }
    }
}

/// What counts as one peer.
fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn peer(text: &str) -> Peer {
        Peer { address: text.parse().unwrap(), is_shared: false }
    }

    #[test]
    fn delays_double_from_1_s_to_15_s() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let delays: Vec<u64> = (0..7)
            .map(|_| {
                let delay = throttle.delay(peer("192.0.2.1"), "alice@example.org", now).as_secs();
                throttle.failed(peer("192.0.2.1"), "alice@example.org", now);
                delay
            })
            .collect();
        assert_eq!(delays, [0, 1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn both_the_peer_and_the_name_are_slowed() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(peer("192.0.2.1"), "alice", now);
        throttle.failed(peer("192.0.2.1"), "bob", now);
        assert_eq!(throttle.delay(peer("192.0.2.1"), "carol", now), 2 * S);
        assert_eq!(throttle.delay(peer("192.0.2.2"), "alice", now), S);
        assert_eq!(throttle.delay(peer("192.0.2.2"), "carol", now), Duration::ZERO);
    }

    #[test]
    fn users_of_a_shared_peer_wait_for_their_own_failures_alone() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let webmail = Peer { is_shared: true, ..peer("127.0.0.1") };
        throttle.failed(webmail, "alice", now);
        assert_eq!(throttle.delay(webmail, "alice", now), S);
        assert_eq!(throttle.delay(webmail, "bob", now), Duration::ZERO);
    }

    #[test]
    fn the_owner_does_not_wait_for_those_who_guess() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let (home, elsewhere) = (peer("192.0.2.1"), peer("198.51.100.1"));
        throttle.succeeded(home, "alice", now);
        (0..9).for_each(|_| throttle.failed(elsewhere, "alice", now));
        assert_eq!(throttle.delay(elsewhere, "alice", now), LONGEST_DELAY);
        assert_eq!(throttle.delay(home, "alice", now), Duration::ZERO);
        throttle.failed(home, "alice", now);
        assert_eq!(throttle.delay(home, "alice", now), S, "but for its own failures");
        assert_eq!(throttle.delay(home, "bob", now), S);
    }

    #[test]
    fn failures_are_forgotten_and_a_welcome_too() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        throttle.failed(peer("192.0.2.1"), "alice", start);
        assert_eq!(throttle.delay(peer("192.0.2.1"), "alice", start + FAILURES_MEMORY), Duration::ZERO);
        throttle.failed(peer("192.0.2.1"), "alice", start + FAILURES_MEMORY);
        assert_eq!(throttle.delay(peer("192.0.2.1"), "alice", start + FAILURES_MEMORY), S, "counting begins anew");

        throttle.succeeded(peer("192.0.2.9"), "alice", start);
        let later = start + WELCOME_MEMORY;
        throttle.failed(peer("192.0.2.1"), "alice", later);
        assert_eq!(throttle.delay(peer("192.0.2.9"), "alice", later), S);
    }

    #[test]
    fn one_ipv6_household_is_one_peer() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(peer("2001:db8:1:2::1"), "a", now);
        assert_eq!(throttle.delay(peer("2001:db8:1:2:ffff::7"), "b", now), S);
        assert_eq!(throttle.delay(peer("2001:db8:1:3::1"), "b", now), Duration::ZERO);
        throttle.failed(peer("::ffff:192.0.2.1"), "c", now);
        assert_eq!(throttle.delay(peer("192.0.2.1"), "d", now), S);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_newest() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let mut now = start;
        for number in 0..ENTRIES_MAX {
            now += Duration::from_millis(1);
            throttle.failed(peer("192.0.2.1"), &number.to_string(), now);
            assert!(throttle.entries.len() <= ENTRIES_MAX);
        }
        assert_eq!(throttle.delay(peer("192.0.2.2"), &(ENTRIES_MAX - 1).to_string(), now), S);
    }
}
