//! The table of who did what.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::window::Window;
use super::{Deed, Excess, Limits, Scope, network_of};

/// Entries at the most: what a hash table of 32,768 places holds, some 4 MiB.
pub const ENTRIES_MAX: usize = 28_672;

/// Counts what strangers do. Keys come from strangers, so the table hashes with std's SipHash and a secret.
#[derive(Debug)]
pub struct Ledger {
    limits: Limits,
    start: Instant,
    entries: HashMap<Key, Entry>,
    entries_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    scope: Scope,
    /// With zeros where the scope ends.
    prefix: IpAddr,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    windows: [Window; Deed::ALL.len()],
    touched: Duration,
}

impl Ledger {
    /// Nobody has done anything yet.
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, start: now, entries: HashMap::new(), entries_max: ENTRIES_MAX }
    }

    /// Whether `peer` may do this once more. If so, it is counted; what is refused is not.
    pub fn allow(&mut self, peer: IpAddr, deed: Deed, now: Instant) -> Result<(), Excess> {
        match self.excess(peer, deed, now) {
            Some(excess) => Err(excess),
            None => {
                self.note(peer, deed, 1, now);
                Ok(())
            }
        }
    }

    /// `peer` has done this. It is not asked whether it may: what has happened is counted.
    pub fn note(&mut self, peer: IpAddr, deed: Deed, times: u32, now: Instant) {
        let Some(limit) = self.limits.of(deed) else { return };
        let at = self.at(now);
        let address = Key::new(peer, Scope::Address);
        let room = limit.saturating_sub(self.count(address, deed, at));
        self.add(address, deed, times, at);
        if self.limits.network_factor > 0 {
            self.add(Key::new(peer, Scope::Network), deed, times.min(room), at);
        }
    }

    /// Whether `peer` has done this as often as it may.
    pub fn excess(&mut self, peer: IpAddr, deed: Deed, now: Instant) -> Option<Excess> {
        let at = self.at(now);
        [Scope::Address, Scope::Network].into_iter().find_map(|scope| {
            let limit = self.limit(scope, deed)?;
            let key = Key::new(peer, scope);
            if self.count(key, deed, at) < limit {
                return None;
            }
            let window = &mut self.entries.get_mut(&key)?.windows[deed as usize];
            Some(Excess { deed, scope, limit, is_news: window.tell(deed.window(), at) })
        })
    }

    /// Whether `peer` has done half of what it may of this: no reason to refuse it, but to watch it.
    pub fn is_suspect(&self, peer: IpAddr, deed: Deed, now: Instant) -> bool {
        let count = self.count(Key::new(peer, Scope::Address), deed, self.at(now));
        self.limits.of(deed).is_some_and(|limit| count >= limit.div_ceil(2))
    }

    fn limit(&self, scope: Scope, deed: Deed) -> Option<u32> {
        let limit = self.limits.of(deed)?;
        match scope {
            Scope::Address => Some(limit),
            Scope::Network => Some(limit.saturating_mul(self.limits.network_factor)).filter(|limit| *limit > 0),
        }
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    fn count(&self, key: Key, deed: Deed, at: Duration) -> u32 {
        self.entries.get(&key).map_or(0, |entry| entry.windows[deed as usize].count(deed.window(), at))
    }

    fn add(&mut self, key: Key, deed: Deed, times: u32, at: Duration) {
        if times == 0 {
            return;
        }
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&key) {
            self.make_room(at);
        }
        let entry = self.entries.entry(key).or_default();
        entry.touched = at;
        entry.windows[deed as usize].add(times, deed.window(), at);
    }

    /// Forgets the half that is furthest from its limits; among equals, who was seen last stays. The next half a table of
    /// entries then comes cheap.
    fn make_room(&mut self, at: Duration) {
        let mut ranks: Vec<_> = self.entries.iter().map(|(key, entry)| (self.rank(*key, entry, at), *key)).collect();
        let middle = ranks.len() / 2;
        ranks.select_nth_unstable_by_key(middle, |(rank, _)| *rank);
        for (_, key) in &ranks[..middle] {
            self.entries.remove(key);
        }
    }

    /// How near to one of its limits it is, in millionths, and when it was last seen.
    fn rank(&self, key: Key, entry: &Entry, at: Duration) -> (u64, Duration) {
        let nearness = |deed: Deed| {
            let limit = self.limit(key.scope, deed)?;
            Some(u64::from(entry.windows[deed as usize].count(deed.window(), at)) * 1_000_000 / u64::from(limit))
        };
        (Deed::ALL.into_iter().filter_map(nearness).max().unwrap_or(0), entry.touched)
    }
}

impl Key {
    fn new(peer: IpAddr, scope: Scope) -> Self {
        let prefix = match (peer.to_canonical(), scope) {
            (IpAddr::V4(v4), Scope::Address) => IpAddr::V4(v4),
            (IpAddr::V6(v6), Scope::Address) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
            (peer, Scope::Network) => network_of(peer),
        };
        Self { scope, prefix }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn ledger(network_factor: u32) -> (Ledger, Instant) {
        let now = Instant::now();
        let limits = Limits { connections_per_minute: 2, errors_per_hour: 4, network_factor, ..Limits::OFF };
        (Ledger::new(limits, now), now)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn refused(excess: Result<(), Excess>) -> Option<Scope> {
        excess.err().map(|excess| excess.scope)
    }

    #[test]
    fn an_address_is_slowed_to_its_limit_and_never_locked_out() {
        let (mut ledger, now) = ledger(0);
        let peer = ip("192.0.2.1");
        let mut allowed = [0; 3];
        for second in 0..180 {
            let now = now + Duration::from_secs(second);
            allowed[second as usize / 60] += u32::from(ledger.allow(peer, Deed::Connection, now).is_ok());
        }
        // What was done before the minute is rounded up.
        assert_eq!(allowed, [2, 1, 1], "however often it comes");
        assert!(ledger.allow(ip("192.0.2.2"), Deed::Connection, now).is_ok(), "its neighbour");
    }

    #[test]
    fn a_network_may_do_more_than_an_address_but_not_without_limit() {
        let (mut ledger, now) = ledger(2);
        for address in 1..=2 {
            let peer = IpAddr::from([192, 0, 2, address]);
            assert_eq!(
                [(); 3].map(|()| refused(ledger.allow(peer, Deed::Connection, now))),
                [None, None, Some(Scope::Address)]
            );
        }
        assert_eq!(refused(ledger.allow(ip("192.0.2.3"), Deed::Connection, now)), Some(Scope::Network));
        assert_eq!(refused(ledger.allow(ip("192.0.3.3"), Deed::Connection, now)), None);
    }

    #[test]
    fn one_address_alone_does_not_shut_out_its_network() {
        let (mut ledger, now) = ledger(2);
        ledger.note(ip("192.0.2.1"), Deed::Error, 1_000, now);
        assert_eq!(ledger.excess(ip("192.0.2.1"), Deed::Error, now).map(|excess| excess.scope), Some(Scope::Address));
        assert_eq!(ledger.excess(ip("192.0.2.2"), Deed::Error, now), None);
    }

    #[test]
    fn ipv6_counts_by_64_and_48() {
        let (mut ledger, now) = ledger(2);
        assert!(ledger.allow(ip("2001:db8:1:1::1"), Deed::Connection, now).is_ok());
        assert!(ledger.allow(ip("2001:db8:1:1::2"), Deed::Connection, now).is_ok());
        assert_eq!(refused(ledger.allow(ip("2001:db8:1:1:9::"), Deed::Connection, now)), Some(Scope::Address));
        assert!(ledger.allow(ip("2001:db8:1:2::1"), Deed::Connection, now).is_ok());
        assert!(ledger.allow(ip("2001:db8:1:3::1"), Deed::Connection, now).is_ok());
        assert_eq!(refused(ledger.allow(ip("2001:db8:1:4::1"), Deed::Connection, now)), Some(Scope::Network));
        assert!(ledger.allow(ip("2001:db8:2::1"), Deed::Connection, now).is_ok());
        ledger.note(ip("::ffff:192.0.2.1"), Deed::Error, 4, now);
        assert!(ledger.excess(ip("192.0.2.1"), Deed::Error, now).is_some(), "one address has one form");
    }

    #[test]
    fn it_is_news_once_and_forgotten_after_the_window() {
        let (mut ledger, now) = ledger(0);
        let peer = ip("192.0.2.1");
        ledger.note(peer, Deed::Error, 1, now);
        assert!(!ledger.is_suspect(peer, Deed::Error, now));
        ledger.note(peer, Deed::Error, 3, now);
        assert!(ledger.is_suspect(peer, Deed::Error, now));
        let excess = ledger.excess(peer, Deed::Error, now).unwrap();
        assert_eq!(excess, Excess { deed: Deed::Error, scope: Scope::Address, limit: 4, is_news: true });
        assert_eq!(excess.to_string(), "too many errors from your address, try again later");
        assert!(!ledger.excess(peer, Deed::Error, now).unwrap().is_news);
        assert_eq!(ledger.excess(peer, Deed::Error, now + 2 * HOUR), None);
        assert!(!ledger.is_suspect(peer, Deed::Error, now + 2 * HOUR));
    }

    #[test]
    fn what_has_no_limit_is_not_even_counted() {
        let (mut ledger, now) = ledger(3);
        assert!((0..100).all(|_| ledger.allow(ip("192.0.2.1"), Deed::Message, now).is_ok()));
        assert!(ledger.entries.is_empty());
    }

    #[test]
    fn new_addresses_do_not_wash_an_old_one_clean() {
        let (mut ledger, now) = ledger(3);
        ledger.entries_max = 100;
        let guilty = ip("192.0.2.1");
        ledger.note(guilty, Deed::Error, 4, now);
        for number in 0..10_000_u32 {
            let stranger = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + (number << 8)));
            ledger.allow(stranger, Deed::Connection, now + Duration::from_millis(number.into())).unwrap();
            assert!(ledger.entries.len() <= 100);
        }
        assert!(ledger.excess(guilty, Deed::Error, now + Duration::from_secs(10)).is_some());
    }
}
