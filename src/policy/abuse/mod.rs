//! How much one address, and one network, may do in a while (RFC 5321 §7.8).
//!
//! A [`Ledger`] counts what strangers do ([`Deed`]) over a sliding window, and says when it is enough. It is pure: the time
//! comes in, a verdict goes out, and what is said to whom is not decided here. Nothing is counted where the limit is 0.
//!
//! What holds here:
//! - An IPv4 address counts by itself and in its /24, an IPv6 address by its /64 (which one household or one rented machine
//!   has for itself) and in its /48. A network may do [`Limits::network_factor`] times as much as an address of it, and an
//!   address that has reached its own limit adds nothing to its network: one alone never shuts out its neighbours.
//! - What is refused is not counted ([`Ledger::allow`]): who comes too fast is slowed to the limit and never locked out.
//! - Memory is short and bounded: a window, and [`ENTRIES_MAX`] entries. When the table is full, the half of them that is
//!   furthest from its limits is forgotten. So whoever wants to be forgotten has to bring half a table of others nearer to
//!   their limits than itself; a stranger that comes with ever new addresses pushes out none but those.
//! - It is no ban list, and outlives no restart.
//!
//! The defaults are beyond what an honest sender does to one server. As facts for comparison: Postfix limits no rates unless
//! told to (anvil counts by 60 s; its usual soft limit of errors is 10, the hard one 20), mox takes 300 connections and 500
//! messages a minute from an address and three times as many from its network, Stalwart 5 messages a second.

mod ledger;
mod window;

pub use ledger::{ENTRIES_MAX, Ledger};

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A new connection, of any protocol.
    Connection,
    /// MAIL: a message, or an attempt at one.
    Message,
    /// RCPT: a recipient that was accepted.
    Recipient,
    /// RCPT: a recipient that nobody is.
    UnknownRecipient,
    /// A command that was refused for good, or was none, before anybody has logged in; a TLS handshake that failed.
    Error,
    /// A wrong name or password.
    FailedLogin,
}

impl Deed {
    const ALL: [Deed; 6] =
        [Deed::Connection, Deed::Message, Deed::Recipient, Deed::UnknownRecipient, Deed::Error, Deed::FailedLogin];

    /// Over how long it is counted.
    pub fn window(self) -> Duration {
        match self {
            Deed::Connection => Duration::from_secs(60),
            _ => Duration::from_secs(60 * 60),
        }
    }

    /// What many of it are called, for replies and logs.
    pub fn plural(self) -> &'static str {
        match self {
            Deed::Connection => "connections",
            Deed::Message => "messages",
            Deed::Recipient => "recipients",
            Deed::UnknownRecipient => "unknown recipients",
            Deed::Error => "errors",
            Deed::FailedLogin => "failed logins",
        }
    }
}

/// How much an address may do in a window; 0: as much as it likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections a minute. A large sender opens some at a time and keeps them; a household's clients reconnect at once
    /// after a cut.
    pub connections_per_minute: u32,
    /// Messages an hour: 8 a second, all the time, from one address to one server.
    pub messages_per_hour: u32,
    /// Accepted recipients an hour.
    pub recipients_per_hour: u32,
    /// Errors an hour: 50 sessions that each went on to the last error they may make.
    pub errors_per_hour: u32,
    /// Unknown recipients an hour. A list with stale addresses meets it only where it has hundreds of them here, and is then
    /// told to come later with the rest.
    pub unknown_recipients_per_hour: u32,
    /// Failed logins an hour: a device with an old password tries every five minutes, on each of its connections.
    pub failed_logins_per_hour: u32,
    /// How many times as much a network may do; 0: networks are not counted.
    pub network_factor: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_minute: 300,
            messages_per_hour: 30_000,
            recipients_per_hour: 100_000,
            errors_per_hour: 1_000,
            unknown_recipients_per_hour: 300,
            failed_logins_per_hour: 100,
            network_factor: 3,
        }
    }
}

impl Limits {
    /// Nothing is counted.
    pub const OFF: Limits = Limits {
        connections_per_minute: 0,
        messages_per_hour: 0,
        recipients_per_hour: 0,
        errors_per_hour: 0,
        unknown_recipients_per_hour: 0,
        failed_logins_per_hour: 0,
        network_factor: 0,
    };

    /// How often an address may do it; `None`: as often as it likes.
    fn of(&self, deed: Deed) -> Option<u32> {
        let limit = match deed {
            Deed::Connection => self.connections_per_minute,
            Deed::Message => self.messages_per_hour,
            Deed::Recipient => self.recipients_per_hour,
            Deed::UnknownRecipient => self.unknown_recipients_per_hour,
            Deed::Error => self.errors_per_hour,
            Deed::FailedLogin => self.failed_logins_per_hour,
        };
        Some(limit).filter(|limit| *limit > 0)
    }
}

/// The network of an address, with zeros where it ends: an IPv4 /24, or an IPv6 /48.
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into(),
    }
}

/// Who has done too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The address: an IPv4 address, or the /64 of an IPv6 address.
    Address,
    /// Its network: an IPv4 /24, or an IPv6 /48.
    Network,
}

/// Too much of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Of what.
    pub deed: Deed,
    /// By whom.
    pub scope: Scope,
    /// How often it may be done in the window.
    pub limit: u32,
    /// Nobody was told so in this window yet: worth a line in the log, once.
    pub is_news: bool,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.scope {
            Scope::Address => "address",
            Scope::Network => "network",
        };
        write!(f, "too many {} from your {whose}, try again later", self.deed.plural())
    }
}
