//! POP3: RFC 1939 with the extensions of RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH), RFC 3206
//! (response codes) and RFC 6856 (UTF8, LANG).
//!
//! [`parse`] makes a [`command`] of a line, [`Session`] answers it with a [`reply`], and [`maildrop`] is what the client
//! sees of its INBOX: a numbered list, taken at login, that nothing changes until the session ends. A message leaves
//! through [`retrieval`], in steps. The session owns no socket, no clock and no store: it asks for logins, octets and
//! removals, and `net::pop3` answers.
//!
//! Rules that hold here:
//! - What DELE marked is removed by QUIT and by nothing else: not by a lost connection, not by the autologout, not by a
//!   stop of the server (RFC 1939 §6).
//! - Many sessions may read one maildrop at a time; there is no lock (`docs/decisions/0003-pop3-no-maildrop-lock.md`).
//! - A client that has not said UTF8 is shown no header with UTF-8 in it, but a surrogate (RFC 6856 §2.1,
//!   `docs/decisions/0013-pop3-surrogates.md`).
//! - POP3 changes no flag: to fetch a copy is not to read it.
//! - APOP is not offered: it would need the password itself in the store.

pub mod command;
pub mod login_delay;
pub mod maildrop;
mod parse;
mod reply;
mod retrieval;
mod session;

use std::time::Duration;

pub use login_delay::LoginDelay;
pub use maildrop::Maildrop;
pub use session::{Answer, Line, LoginRefused, Request, Security, Session, Step};

/// A command line at the most, CRLF included. RFC 2449 §4 asks for 255 octets; passwords may be longer than its authors
/// thought. Lines of a SASL exchange have the limit of [`sasl`](crate::auth::sasl::RESPONSE_OCTETS_MAX).
pub(crate) const LINE_OCTETS_MAX: usize = 512;

/// What a client may do (DESIGN §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a session may wait for a command: at least 10 minutes (RFC 1939 §3).
    pub autologout: Duration,
    /// How long a client may take nothing of what is sent to it; phones in tunnels come back within this.
    pub stalled_output: Duration,
    /// After so many lines that are no command we hang up: it is not a mail client.
    pub bad_commands: u32,
    /// After so many failed logins we hang up.
    pub login_failures: u32,
    /// How long a user has to wait from one login to the next, in whole seconds; zero: not at all (RFC 2449 §6.5).
    pub login_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            autologout: Duration::from_secs(10 * 60),
            stalled_output: Duration::from_secs(5 * 60),
            bad_commands: 20,
            login_failures: crate::auth::LOGIN_FAILURES_MAX,
            login_delay: Duration::ZERO,
        }
    }
}
