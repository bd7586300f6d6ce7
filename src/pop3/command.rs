//! What a client may ask for, and when. Made by [`parse`](super::parse), run by [`Session`](super::Session).

use std::fmt;

/// A command, complete and well-formed, by the states it is allowed in (RFC 1939 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// In both states (RFC 2449 §5).
    Capa,
    /// In both states (RFC 6856 §3).
    Lang {
        /// The language range; none asks which there are.
        range: Option<String>,
    },
    /// In both states, with another meaning in each (RFC 1939 §4, §6).
    Quit,
    /// Before the login only.
    Authorization(Authorization),
    /// After the login only.
    Transaction(Transaction),
}

/// A command of the AUTHORIZATION state (RFC 1939 §7, RFC 2595 §4, RFC 5034 §4, RFC 6856 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFCs name them")]
pub enum Authorization {
    Auth { mechanism: String, initial_response: Option<Secret> },
    Pass { password: Secret },
    Stls,
    User { name: String },
    Utf8,
}

/// A command of the TRANSACTION state (RFC 1939 §5, §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFC names them")]
pub enum Transaction {
    Dele { number: u32 },
    List { number: Option<u32> },
    Noop,
    Retr { number: u32 },
    Rset,
    Stat,
    Top { number: u32, lines: u32 },
    Uidl { number: Option<u32> },
}

/// Why a line is no command. The text is ours: nothing of the line is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCommand {
    /// We know no such keyword.
    Unknown,
    /// The arguments are wrong; the usage says which there are.
    Arguments {
        /// The command as it should be.
        usage: &'static str,
    },
    /// Something other than printable characters stands where they must.
    Characters,
}

/// Text that no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
