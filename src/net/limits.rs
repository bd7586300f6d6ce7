//! How many sessions there may be: in all, from one address, and of one user at one address (DESIGN §7).
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

use crate::auth::Origin;
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
    /// Whom only `max_connections` binds.
    pub exempt: Vec<Network>,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_per_address: 100,
            max_per_user_and_address: 32,
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
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    addresses: HashMap<IpAddr, usize>,
    users: HashMap<(AccountId, IpAddr), usize>,
}

impl Sessions {
    /// No session lives yet.
    pub fn new(limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// A place for a connection from `peer`.
    pub fn admit(self: &Arc<Self>, peer: &Origin) -> Result<ConnectionSlot, Full> {
        let mut slot = self.admit_unnamed()?;
        slot.name(peer)?;
        Ok(slot)
    }

    /// A place for a connection of which is not known yet from where it comes: behind a proxy, until it has said so.
    pub fn admit_unnamed(self: &Arc<Self>) -> Result<ConnectionSlot, Full> {
        let mut counts = self.lock();
        if counts.total >= self.limits.max_connections {
            return Err(Full::Server);
        }
        counts.total += 1;
        drop(counts);
        Ok(ConnectionSlot { sessions: Arc::clone(self), origin: None })
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
    origin: Option<IpAddr>,
}

impl ConnectionSlot {
    /// Counts it for `peer`, from where it turned out to come. To be called once.
    pub fn name(&mut self, peer: &Origin) -> Result<(), Full> {
        if let Some(origin) = self.sessions.counted(peer) {
            if !take(&mut self.sessions.lock().addresses, origin, self.sessions.limits.max_per_address) {
                return Err(Full::Address);
            }
            self.origin = Some(origin);
        }
        Ok(())
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.sessions.lock();
        counts.total -= 1;
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
        Sessions::new(SessionLimits { max_connections, max_per_address, max_per_user_and_address: 2, exempt })
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
        let sessions = sessions(4, 1, &[]);
        let _neighbours = [Origin::Socket, Origin::Socket].map(|origin| sessions.admit(&origin).unwrap());
        let hidden = Origin::Hidden(ip("192.0.2.9"));
        let _one = sessions.admit(&hidden).unwrap();
        assert_eq!(sessions.admit(&hidden).unwrap_err(), Full::Address);
        assert_eq!(sessions.admit(&from("192.0.2.9")).unwrap_err(), Full::Address);
        let _other = sessions.admit(&from("192.0.2.1")).unwrap();
        assert_eq!(sessions.admit(&Origin::Socket).unwrap_err(), Full::Server, "the total binds everybody");
    }

    #[test]
    fn whoever_comes_through_a_proxy_is_counted_when_he_is_known() {
        let sessions = sessions(3, 1, &[]);
        let mut first = sessions.admit_unnamed().unwrap();
        let mut second = sessions.admit_unnamed().unwrap();
        first.name(&from("192.0.2.1")).unwrap();
        assert_eq!(second.name(&from("192.0.2.1")).unwrap_err(), Full::Address);
        let _third = sessions.admit(&from("192.0.2.2")).unwrap();
        assert_eq!(sessions.admit_unnamed().unwrap_err(), Full::Server);
        drop(second);
        assert_eq!(sessions.admit(&from("192.0.2.1")).unwrap_err(), Full::Address, "the refused took no place of his");
        drop(first);
        sessions.admit(&from("192.0.2.1")).unwrap();
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
