//! Postbell: a mail server whose one obsession is the last hop.
//!
//! The modules, lowest first; nothing imports upward, and the protocols never import one another.
//! `docs/ARCHITECTURE.md` follows one message through them.

/// What stands on the wire: lines, dot-stuffing, literals, character classes, modified UTF-7.
pub mod wire;

/// What is inside a message: envelope, structure, sections, addresses, dates. Knows no protocol state.
pub mod message;

/// Sieve (RFC 5228): rules for mail that comes in, as a language. Knows no store.
pub mod sieve;

/// Wakes whoever listens to a key. Knows nothing of mail.
pub mod notify;

/// Accounts, mailboxes and messages, durable. Knows no protocol.
pub mod store;

/// Who is told what happened, for people and meters. Decides nothing.
pub mod observe;

/// Who somebody is: passwords, SASL mechanisms, throttling. Knows no socket.
pub mod auth;

/// SMTP and LMTP (RFC 5321, RFC 2033) as a state machine. Knows no socket and no store.
pub mod smtp;

/// POP3 (RFC 1939) as a state machine. Knows no socket.
pub mod pop3;

/// IMAP (RFC 3501): grammar, view, commands. Knows no socket.
pub mod imap;

/// What is taken from whom, how much of it, and where it comes from: SPF, DKIM, DMARC, ARC, blocklists. Knows no socket of
/// a client.
pub mod policy;

/// An accepted transaction becomes stored messages.
pub mod deliver;

/// Listeners, TLS, connection drivers, limits: the only place that knows sockets.
pub mod net;

/// What a server is told before it starts. Reads files, opens nothing.
pub mod config;

/// Configuration, store and listeners make a server.
pub mod server;

/// What a person types: `dev`, `serve`, `account`, `sieve`, `check`.
pub mod cli;

/// What holds for any octets, at each door through which strangers' octets come. Built for tests and fuzzing alone.
#[cfg(any(test, fuzzing))]
pub mod properties;
