//! Where somebody comes from: an address, or a place that has none.
//!
//! Two questions are kept apart, since their answers differ where there is no address. What is *true*
//! ([`Origin::address`]) goes into trace headers and verdicts, and opens what an address opens; what somebody *counts as*
//! ([`Origin::counts_as`]) goes into limits and throttles, which need a key for everybody.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From this address and port, as the kernel or a trusted proxy says.
    Address(SocketAddr),
    /// From a process of this machine, through a Unix socket.
    Socket,
    /// From a program of this machine that hands over a message itself, run by this user: no protocol is spoken.
    Program {
        /// The user's number, as the kernel says.
        uid: u32,
    },
    /// From somebody behind the proxy at this address, which does not say who (UNKNOWN in the PROXY protocol). In limits and
    /// verdicts it is the proxy, as a proxy's own health checks are; but it gives no password that only the proxy's address
    /// would allow.
    Hidden(IpAddr),
}

impl Origin {
    /// The address, where there is one and it is known.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Origin::Address(peer) => Some(peer.ip()),
            Origin::Socket | Origin::Program { .. } | Origin::Hidden(_) => None,
        }
    }

    /// The address to count it by: loopback for this machine, and the proxy for whom it hides.
    pub fn counts_as(&self) -> IpAddr {
        match self {
            Origin::Address(peer) => peer.ip(),
            Origin::Socket | Origin::Program { .. } => Ipv4Addr::LOCALHOST.into(),
            Origin::Hidden(proxy) => *proxy,
        }
    }
}

/// In one form: an IPv4 address that came as an IPv6 one (RFC 4291 §2.5.5.2) is an IPv4 address.
impl From<SocketAddr> for Origin {
    fn from(peer: SocketAddr) -> Self {
        Origin::Address(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
    }
}

/// For logs.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Address(peer) => peer.fmt(f),
            Origin::Socket => f.write_str("unix"),
            Origin::Program { uid } => write!(f, "program of user {uid}"),
            Origin::Hidden(proxy) => write!(f, "unknown behind {proxy}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_and_what_counts() {
        let mapped = Origin::from("[::ffff:192.0.2.1]:25".parse::<SocketAddr>().unwrap());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (origin, address, counts_as, shown) in [
            (mapped, Some(ip("192.0.2.1")), ip("192.0.2.1"), "192.0.2.1:25"),
            (Origin::Socket, None, ip("127.0.0.1"), "unix"),
            (Origin::Program { uid: 1000 }, None, ip("127.0.0.1"), "program of user 1000"),
            (Origin::Hidden(ip("192.0.2.9")), None, ip("192.0.2.9"), "unknown behind 192.0.2.9"),
        ] {
            assert_eq!((origin.address(), origin.counts_as(), &*origin.to_string()), (address, counts_as, shown));
        }
    }

    #[test]
    fn an_origin_costs_a_connection_no_more_than_an_address() {
        assert_eq!(size_of::<Origin>(), size_of::<SocketAddr>());
    }
}
