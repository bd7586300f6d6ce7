//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051): what a client asks, what a session knows, and what it answers.
//!
//! From the wire inward: [`framer`] makes commands of octets, [`parse`] makes values of them ([`command`]); `session`
//! says what may come when, `exec` does it over the store's face, `view` turns the store's changes into what this client
//! can follow; [`response`] and [`print`] bring it to the wire again. `net::imap` drives them.
//!
//! What it offers beside RFC 3501 stands in one list: `exec/capability.rs`. `docs/RFC.md` says where each part is.
//!
//! A session begins in IMAP4rev1; what the client enables changes the form of lines ([`dialect`]): IMAP4rev2, UTF8=ACCEPT
//! (RFC 6855), UIDONLY (RFC 9586).
//!
//! Knows no socket, no clock and no other protocol.

use std::time::Duration;

pub mod command;
pub mod dialect;
pub(crate) mod exec;
pub mod framer;
pub mod mailbox_filter;
pub mod notify;
pub mod numbers;
pub mod parse;
pub mod print;
pub mod response;
pub mod sequence_set;
pub(crate) mod session;
pub(crate) mod url;
pub(crate) mod view;
pub(crate) mod watch;

/// What an IMAP client may do (DESIGN §7). How much it may send in one command: [`framer::Limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a client has logged in; strangers hold a connection no longer. 60 s.
    pub login_timeout: Duration,
    /// Without a command (not in IDLE). RFC 3501 §5.4 wants at least 30 minutes.
    pub autologout: Duration,
    /// Between two signs of life of an IDLE: below the 5 minutes after which many NATs forget a connection.
    pub keepalive_interval: Duration,
    /// While a command runs, without anything written: then the client is told that it does. RFC 9585 §3 wants 10 s or more.
    pub progress_interval: Duration,
    /// How long a client may take nothing of a step of output (256 KiB). 5 min.
    pub stalled_output: Duration,
    /// After so long without a word a compressed session gives back what compressing takes: the pauses in a burst of commands
    /// are shorter, and what is said behind one costs some microseconds more. 2 s.
    pub compression_rest: Duration,
    /// How many BAD answers a connection gets before login: whoever does not speak IMAP is gone soon. 3.
    pub bad_commands_before_login: u32,
    /// How many BAD answers in a row after login: a client in a loop is stopped. 20.
    pub bad_commands: u32,
    /// Failed logins of a connection: guessing costs a connection each few.
    pub login_failures: u32,
    /// How many mailboxes a session may watch by NOTIFY: 1 MiB of what it has told of them. Only an account that has more can
    /// pass it (RFC 5465 §5.8). 10,000.
    pub watched_mailboxes: usize,
    /// What the operator has to say to all users.
    pub notices: Notices,
}

/// What every user can read of the server by METADATA (RFC 5464 §3.2.1.1); empty where the operator says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// `/shared/comment`: a note.
    pub comment: String,
    /// `/shared/admin`: the URI of whom to ask, such as `mailto:postmaster@example.org`.
    pub admin: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(60),
            autologout: Duration::from_secs(30 * 60),
            keepalive_interval: Duration::from_secs(2 * 60),
            progress_interval: Duration::from_secs(10),
            stalled_output: Duration::from_secs(5 * 60),
            compression_rest: Duration::from_secs(2),
            bad_commands_before_login: 3,
            bad_commands: 20,
            login_failures: crate::auth::LOGIN_FAILURES_MAX,
            watched_mailboxes: 10_000,
            notices: Notices::default(),
        }
    }
}
