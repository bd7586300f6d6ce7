//! How many sessions there may be: in all, from one address, and of one user at one address (DESIGN §7); and what happens
//! when there are nearly as many: strangers make room ([`room`](super::room)), and patience is short.
//!
//! A session holds a slot for as long as it lives; dropping the slot gives the place back, whatever way the session
//! ended, a panic included. An IPv6 peer counts by its /64, since whoever has one address of it has all of them.
//!
//! Networks in [`SessionLimits::exempt`] are bound by the total alone. Loopback stands there by default (a webmail or a
//! proxy beside the server speaks for many people), and as it is a list, a test can empty it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::now;
use super::room::{Rank, Seat, Standing, Strangers};
use crate::auth::Origin;
use crate::policy::abuse::network_of;
use crate::store::AccountId;

/// How many sessions may live at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// In all: each costs a descriptor, and the process has a bounded number of them.
    pub max_connections: usize,
    /// From one address: one host must not take what is there for all.
    pub max_per_address: usize,
    /// Logged in as one user from one address: a client that leaks connections is stopped before it hits the others.
    pub max_per_user_and_address: usize,
    /// How much of `max_connections` is kept for those who have logged in or have a message on its way, in hundredths.
    pub reserved_percent: usize,
    /// From how much of `max_connections` on the server is stressed, in hundredths; 0: never.
    pub stressed_from_percent: usize,
    /// How long a stranger may take for anything then.
    pub stressed_timeout: Duration,
    /// Whom only `max_connections` binds.
    pub exempt: Vec<Network>,
}

/// How far below the beginning stress ends, in hundredths of all: so it does not come and go with each connection.
const CALM_PERCENT: usize = 10;

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_per_address: 100,
            max_per_user_and_address: 32,
            reserved_percent: 25,
            stressed_from_percent: 80,
            stressed_timeout: Duration::from_secs(10),
            exempt: Network::LOOPBACK.to_vec(),
        }
    }
}

/// Which limit a new session would break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// [`SessionLimits::max_connections`]
    Server,
    /// [`SessionLimits::max_per_address`]
    Address,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Full::Server => "too many connections, try again later",
            Full::Address => "too many connections from your address",
        })
    }
}

/// Counts the sessions that live.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    counts: Mutex<Counts>,
    stress: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Without those that were asked to leave.
    total: usize,
    strangers: Strangers,
    addresses: HashMap<IpAddr, usize>,
    users: HashMap<(AccountId, IpAddr), usize>,
}

impl Sessions {
    /// No session lives yet.
    pub fn new(limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default(), stress: watch::Sender::new(false) })
    }

    /// A place for a connection from `peer`. Where there is none, a stranger is asked to leave; and whoever comes is a
    /// stranger, unless it is exempt.
    pub fn admit(self: &Arc<Self>, peer: &Origin) -> Result<ConnectionSlot, Full> {
        let counted = self.counted(peer);
        let rank = if counted.is_some() { Rank::Silent } else { Rank::Settled };
        self.enter(counted, rank, peer)
    }

    /// A place for a connection of which is not known yet from where it comes, until `proxy` has said so: then it gives its
    /// place back and asks for one as who it is. Till then a stranger, but none that is asked to leave: a header takes no
    /// longer than its time.
    pub(crate) fn admit_unnamed(self: &Arc<Self>, proxy: &Origin) -> Result<ConnectionSlot, Full> {
        self.enter(None, Rank::Checking, proxy)
    }

    fn enter(self: &Arc<Self>, counted: Option<IpAddr>, rank: Rank, peer: &Origin) -> Result<ConnectionSlot, Full> {
        let now = now();
        let mut counts = self.lock();
        if let Some(origin) = counted
            && counts.addresses.get(&origin).is_some_and(|held| *held >= self.limits.max_per_address)
        {
            return Err(Full::Address);
        }
        let is_full = counts.total >= self.limits.max_connections
            || rank != Rank::Settled && counts.strangers.count() >= self.max_strangers();
        if is_full {
            if !counts.strangers.make_room(counted.map(network_of), now) {
                return Err(Full::Server);
            }
            counts.total -= 1;
        }
        if let Some(origin) = counted
            && !take(&mut counts.addresses, origin, self.limits.max_per_address)
        {
            return Err(Full::Address);
        }
        counts.total += 1;
        let seat = Seat::default();
        let standing = counts.strangers.enter(rank, network_of(peer.counts_as()), &seat, now);
        self.feel(&counts);
        drop(counts);
        Ok(ConnectionSlot { sessions: Arc::clone(self), origin: counted, seat, standing })
    }

    /// Whether places are few, for now.
    pub fn is_stressed(&self) -> bool {
        *self.stress.borrow()
    }

    /// Tells when that changes.
    pub(crate) fn stress(&self) -> watch::Receiver<bool> {
        self.stress.subscribe()
    }

    /// By when a stranger must have done what it may take `patience` for.
    pub(crate) fn patience(&self, patience: Duration) -> Duration {
        if self.is_stressed() { patience.min(self.limits.stressed_timeout) } else { patience }
    }

    fn max_strangers(&self) -> usize {
        let SessionLimits { max_connections, reserved_percent, .. } = self.limits;
        (max_connections - max_connections * reserved_percent / 100).max(1)
    }

    /// Notices whether places have become few, or are no longer. Each is logged once.
    fn feel(&self, counts: &Counts) {
        let SessionLimits { max_connections, stressed_from_percent, .. } = self.limits;
        let (total, from) = (counts.total, stressed_from_percent);
        if from == 0 {
            return;
        }
        self.stress.send_if_modified(|stressed| {
            let percent = if *stressed { from.saturating_sub(CALM_PERCENT) } else { from };
            let is_stressed = total * 100 >= max_connections * percent;
            let changed = *stressed != is_stressed;
            *stressed = is_stressed;
            match (changed, is_stressed) {
                (true, true) => {
                    tracing::warn!(connections = total, max_connections, "places are few: strangers get less patience");
                }
                (true, false) => tracing::warn!(connections = total, max_connections, "there are places again"),
                (false, _) => {}
            }
            changed
        });
    }

    /// A place for a session of `account` from `peer`, asked for when it has logged in; `None`: there are
    /// [`SessionLimits::max_per_user_and_address`] already.
    pub fn admit_user(self: &Arc<Self>, account: AccountId, peer: &Origin) -> Option<UserSlot> {
        let key = self.counted(peer).map(|origin| (account, origin));
        if let Some(key) = key
            && !take(&mut self.lock().users, key, self.limits.max_per_user_and_address)
        {
            return None;
        }
        Some(UserSlot { sessions: Arc::clone(self), key })
    }

    /// Whether `peer` is in [`SessionLimits::exempt`]: it speaks for many people.
    pub fn is_exempt(&self, peer: IpAddr) -> bool {
        self.is_in_exempt_network(peer.to_canonical())
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lock().total
    }

    /// What `peer` counts as, or nothing where it is exempt: in an exempt network, or behind a Unix socket, whose mode says
    /// who may come.
    fn counted(&self, peer: &Origin) -> Option<IpAddr> {
        let address = peer.counts_as();
        let exempt = *peer == Origin::Socket || self.is_in_exempt_network(address);
        (!exempt).then(|| household(address))
    }

    fn is_in_exempt_network(&self, address: IpAddr) -> bool {
        self.limits.exempt.iter().any(|network| network.contains(address))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing in here panics between two changes that belong together.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address, or the /64 of an IPv6 address.
fn household(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

fn take<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K, max: usize) -> bool {
    // No entry is made for a peer that is refused: with a limit of 0 the map stays empty.
    let held = counts.get(&key).copied().unwrap_or(0);
    if held >= max {
        return false;
    }
    counts.insert(key, held + 1);
    true
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(held) = counts.get_mut(key) {
        *held -= 1;
        if *held == 0 {
            counts.remove(key);
        }
    }
}

/// The place of a connection; given back when it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    sessions: Arc<Sessions>,
    /// Nothing for an exempt peer, which is settled from the beginning, and for one behind a proxy that has not named it.
    origin: Option<IpAddr>,
    seat: Seat,
    standing: Standing,
}

impl ConnectionSlot {
    /// The session has come to this rank.
    pub(crate) fn stands(&mut self, rank: Rank) {
        if self.standing.rank() == rank || self.origin.is_none() {
            return;
        }
        let mut counts = self.sessions.lock();
        // Who was asked to leave has no place to change.
        if counts.strangers.leave(&self.standing) {
            self.standing = counts.strangers.enter(rank, self.standing.network(), &self.seat, now());
        } else {
            self.seat.notify_one();
        }
    }

    /// Waits until the session is asked to leave. What it does in a higher rank it may finish first.
    pub(crate) fn asked_to_leave(&self) -> impl Future<Output = ()> + Send + use<> {
        let seat = Arc::clone(&self.seat);
        async move { seat.notified().await }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.sessions.lock();
        if counts.strangers.leave(&self.standing) {
            counts.total -= 1;
            self.sessions.feel(&counts);
        } else {
            counts.strangers.left();
        }
        if let Some(origin) = &self.origin {
            give_back(&mut counts.addresses, origin);
        }
    }
}

/// The place of a session that has logged in; given back when it is dropped.
#[derive(Debug)]
pub struct UserSlot {
    sessions: Arc<Sessions>,
    key: Option<(AccountId, IpAddr)>,
}

impl Drop for UserSlot {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            give_back(&mut self.sessions.lock().users, key);
        }
    }
}

/// An IP network as people write it: `127.0.0.0/8`, `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// This machine: `127.0.0.0/8` and `::1`.
    pub const LOOPBACK: [Network; 2] = [
        Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
        Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
    ];

    /// Everywhere.
    pub const ALL: [Network; 2] = [
        Network { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 },
        Network { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 },
    ];

    /// Whether `peer` is in it.
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - self.prefix)).unwrap_or(0);
                network.to_bits() & mask == peer.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - self.prefix)).unwrap_or(0);
                network.to_bits() & mask == peer.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr =
            address.parse().map_err(|_| format!("{text:?} is not a network such as 127.0.0.0/8 or ::1"))?;
        let prefix = match prefix {
            None => bits(address),
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits(address))
                .ok_or_else(|| format!("{text:?}: the prefix is a number from 0 to {}", bits(address)))?,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(max_connections: usize, max_per_address: usize, exempt: &[&str]) -> Arc<Sessions> {
        let exempt = exempt.iter().map(|network| network.parse().unwrap()).collect();
        Sessions::new(SessionLimits {
            max_connections,
            max_per_address,
            max_per_user_and_address: 2,
            exempt,
            ..SessionLimits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn from(text: &str) -> Origin {
        std::net::SocketAddr::new(ip(text), 4711).into()
    }

    #[test]
    fn an_address_gets_its_share_and_no_more_until_one_ends() {
        let sessions = sessions(10, 2, &[]);
        let first = sessions.admit(&from("192.0.2.1")).unwrap();
        let _second = sessions.admit(&from("192.0.2.1")).unwrap();
        assert_eq!(sessions.admit(&from("192.0.2.1")).unwrap_err(), Full::Address);
        let _other = sessions.admit(&from("192.0.2.2")).unwrap();
        drop(first);
        let _third = sessions.admit(&from("192.0.2.1")).unwrap();
        assert_eq!(sessions.connections(), 3);
    }

    #[test]
    fn ipv6_counts_by_its_64_and_a_mapped_address_as_ipv4() {
        let sessions = sessions(10, 1, &[]);
        let _one = sessions.admit(&from("2001:db8::1")).unwrap();
        assert!(sessions.admit(&from("2001:db8::ffff:1")).is_err());
        let _neighbour = sessions.admit(&from("2001:db8:0:1::1")).unwrap();
        let _four = sessions.admit(&from("192.0.2.1")).unwrap();
        assert!(sessions.admit(&from("::ffff:192.0.2.1")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_did_least_makes_room_and_a_share_is_reserved() {
        let sessions = sessions(4, 10, &[]);
        let peer = &from("192.0.2.1");
        let mut first = sessions.admit(peer).unwrap();
        let second = sessions.admit(peer).unwrap();
        let third = sessions.admit(peer).unwrap();
        assert_eq!(sessions.admit(peer).unwrap_err(), Full::Server, "the fourth place is for who is settled");
        first.stands(Rank::Settled);
        let fourth = sessions.admit(peer).unwrap();
        tokio::time::advance(Duration::from_secs(2)).await;
        let _fifth = sessions.admit(peer).unwrap();
        second.asked_to_leave().await;
        assert_eq!(sessions.connections(), 4);
        drop(second);
        assert_eq!(sessions.connections(), 4, "its place was given away before");
        drop((first, third, fourth));
        assert_eq!(sessions.connections(), 1);
    }

    #[test]
    fn stress_begins_and_ends_once() {
        let sessions = sessions(10, 10, &[]);
        let stress = sessions.stress();
        let mut held: Vec<_> = (0..7).map(|_| sessions.admit(&from("192.0.2.1")).unwrap()).collect();
        held.iter_mut().for_each(|slot| slot.stands(Rank::Settled));
        assert!(!stress.has_changed().unwrap());
        held.push(sessions.admit(&from("192.0.2.1")).unwrap());
        assert!(sessions.is_stressed());
        assert_eq!(sessions.patience(Duration::from_secs(300)), Duration::from_secs(10));
        held.truncate(7);
        assert!(sessions.is_stressed(), "it does not end at once");
        held.truncate(6);
        assert!(!sessions.is_stressed());
        assert_eq!(sessions.patience(Duration::from_secs(300)), Duration::from_secs(300));
    }

    #[test]
    fn the_exempt_are_bound_by_the_total_alone() {
        let sessions = sessions(3, 1, &["127.0.0.0/8"]);
        let held: Vec<_> = (0..3).map(|_| sessions.admit(&from("127.0.0.1")).unwrap()).collect();
        assert_eq!(sessions.admit(&from("127.0.0.1")).unwrap_err(), Full::Server);
        drop(held);
        assert_eq!(sessions.connections(), 0);
        assert!(sessions.lock().addresses.is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn a_unix_socket_is_exempt_and_whom_a_proxy_hides_counts_as_the_proxy() {
        let sessions = sessions(8, 1, &[]);
        let _neighbours = [Origin::Socket, Origin::Socket].map(|origin| sessions.admit(&origin).unwrap());
        let hidden = Origin::Hidden(ip("192.0.2.9"));
        let _one = sessions.admit(&hidden).unwrap();
        assert_eq!(sessions.admit(&hidden).unwrap_err(), Full::Address);
        assert_eq!(sessions.admit(&from("192.0.2.9")).unwrap_err(), Full::Address);
        let _other = sessions.admit(&from("192.0.2.1")).unwrap();
        assert_eq!(sessions.connections(), 4, "the total counts everybody");
    }

    #[test]
    fn whoever_comes_through_a_proxy_is_counted_when_it_is_known() {
        let sessions = sessions(2, 1, &[]);
        let unnamed = [(); 2].map(|()| sessions.admit_unnamed(&from("192.0.2.9")).unwrap());
        assert_eq!(sessions.admit_unnamed(&from("192.0.2.9")).unwrap_err(), Full::Server);
        assert_eq!(sessions.admit(&from("192.0.2.1")).unwrap_err(), Full::Server, "nobody is asked to leave");
        drop(unnamed);
        assert_eq!(sessions.connections(), 0);
        let _first = sessions.admit(&from("192.0.2.9")).unwrap();
        let _second = sessions.admit_unnamed(&from("192.0.2.9")).expect("the proxy itself is not counted");
    }

    #[test]
    fn a_user_is_counted_at_each_address() {
        let sessions = sessions(10, 10, &[]);
        let (alice, bob) = (AccountId(1), AccountId(2));
        let first = sessions.admit_user(alice, &from("192.0.2.1"));
        let _second = sessions.admit_user(alice, &from("192.0.2.1")).unwrap();
        assert!(sessions.admit_user(alice, &from("192.0.2.1")).is_none());
        assert!(sessions.admit_user(alice, &from("192.0.2.2")).is_some());
        assert!(sessions.admit_user(bob, &from("192.0.2.1")).is_some());
        drop(first);
        assert!(sessions.admit_user(alice, &from("192.0.2.1")).is_some());
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        for (network, inside, outside) in [
            ("127.0.0.0/8", "127.9.9.9", "128.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(ip(inside)), "{network} has {inside}");
            assert!(!parsed.contains(ip(outside)), "{network} lacks {outside}");
        }
        for wrong in ["", "localhost", "127.0.0.0/33", "::1/129", "127.0.0.1/", "127.0.0.1/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?}");
        }
    }
}
