//! What a client is offered because of where it came in, and how: the terms of a session, as its driver knows them.

use crate::auth::sasl::Offer;
use crate::auth::scram::ChannelBinding;

/// The terms of a session. They change with TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether the sender may log in.
    pub auth: Auth,
    /// Whether it must, before MAIL: what a port for submission is for (RFC 6409 §4.3).
    pub needs_login: bool,
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
