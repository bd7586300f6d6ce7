//! What a client is offered because of where it came in, and how: the terms of a session, as its driver knows them.

use std::time::Duration;

use crate::auth::sasl::Offer;
use crate::auth::scram::ChannelBinding;

/// The terms of a session. They change with TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether the sender may log in.
    pub auth: Auth,
    /// Whether it must, before MAIL: what a port for submission is for (RFC 6409 §4.3).
    pub needs_login: bool,
    /// Whether a sender who asks for a notice of delivery gets one: DSN (RFC 3461). That is so where every sender has its
    /// mail here.
    pub notifies: bool,
    /// What becomes of a client that speaks when it has to wait.
    pub haste: Haste,
}

/// Whether a client may speak before the greeting (RFC 5321 §3.1, §4.3.1), and behind DATA before the 354 (RFC 2920 §3.1:
/// DATA ends a group of commands). Whoever does so does not listen: senders of junk, and browsers made to talk to this port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Haste {
    /// It may: scripts beside the server do.
    #[default]
    Tolerated,
    /// It is sent away.
    Refused {
        /// The greeting is held back so long: a client that does not wait for it shows itself.
        greeting_delay: Duration,
    },
}

/// Whether a sender may log in (RFC 4954).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// No: there is no AUTH here.
    #[default]
    Off,
    /// Behind STARTTLS: whoever listens could read a password here.
    UnderTls,
    /// Yes.
    Offered {
        /// By which mechanisms.
        offer: Offer,
        /// What a SCRAM exchange can be bound to.
        channel: Option<ChannelBinding>,
    },
}
