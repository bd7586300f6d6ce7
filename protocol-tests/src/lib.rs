//! Conversations with mail servers that a person can read, and the runner that holds a server to them.
//!
//! A *transcript* is a text file: a rule, the RFC it comes from, and a conversation of one or several connections.
//! `README.md` beside this crate is the description of the format; [`transcript`] is its parser. The crate knows no
//! server: it is given addresses ([`subject::Subject`]) and speaks SMTP, LMTP, IMAP and POP3 to them, so the same files
//! judge Postbell in `cargo test` and any other server by address.
//!
//! From the bottom up:
//! - [`citation`]: where a rule stands.
//! - [`sections`]: which sections the RFCs have, and what they are called.
//! - [`coverage`]: what Postbell does of each RFC, where, and which case shows it: docs/RFC.md.
//! - [`bindings`]: the `$names` of a transcript and their values.
//! - [`text`]: patterns for a line of text (SMTP, POP3, the human part of IMAP's status responses).
//! - [`imap`]: IMAP responses as values, patterns over them, and rules that every IMAP session has to obey always.
//! - [`transcript`]: a transcript as data, and its parser.
//! - [`tls`]: which certificates a server may show.
//! - [`replies`]: rules that every reply of SMTP, LMTP and POP3 has to obey always.
//! - [`connection`]: a socket, TLS over it, and the framing of replies.
//! - [`places`]: where what is sent at once can be cut.
//! - [`accounts`]: the accounts that transcripts run as.
//! - [`names`]: how a server names mailboxes, and a transcript in these names.
//! - `errand`: what the runner asks of a server on its own behalf.
//! - [`subject`]: the server under test: addresses, accounts, what it offers.
//! - [`expect`]: whether the replies that came are those that a block of `S:` lines asks for.
//! - [`scram`]: what a client of SCRAM works out.
//! - [`known`]: what a server is known to do otherwise, and the sentences that it breaks.
//! - [`run`]: one transcript against one subject.
//! - [`outcome`]: how a transcript ended, and what that says about the server.
//! - [`suite`]: many transcripts, several at once.
//! - [`report`]: what a run is told as: to people, to `cargo test`, to machines.
//! - [`profile`]: a file that tells of a server.
//! - [`probe`]: whether a server is there, before the first transcript.
//! - [`dns`]: a DNS server of its own, for what a server asks of a DNS.
//! - [`postbell`]: starts a fresh Postbell, given the path of its binary.

pub mod accounts;
pub mod bindings;
pub mod citation;
pub mod connection;
pub mod coverage;
pub mod dns;
pub(crate) mod errand;
pub mod expect;
pub mod imap;
pub mod known;
pub mod names;
pub mod outcome;
pub mod places;
pub mod postbell;
pub mod probe;
pub mod profile;
pub mod replies;
pub mod report;
pub mod run;
pub mod scram;
pub mod sections;
pub mod subject;
pub mod suite;
pub mod text;
pub mod tls;
pub mod transcript;

#[cfg(test)]
mod right_servers;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod wrong_servers;
