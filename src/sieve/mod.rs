//! Sieve (RFC 5228): the language in which somebody says what is to become of mail that comes in for them.
//!
//! A script goes three ways: [`parse`] reads the grammar and knows no command; `compile` knows the commands, and makes a
//! program of what was read, or says all that is wrong with it, with line and column; [`Script::run`] runs the program over
//! one message and says what to do. It does nothing itself: whoever asked files the message.
//!
//! The rules of this module:
//! - **Mail is never lost by a script.** A script that can't be read, or that fails as it runs, gives an error and nothing
//!   else; whoever asked then keeps the message (RFC 5228 §2.10.6). Actions before the error are not taken: all or none.
//! - **A script costs bounded time**, whoever wrote it and whatever it is run over: the language has no loops, what nests is
//!   limited ([`DEPTH_MAX`]), and comparing is counted ([`STEPS_MAX`]).
//! - What is not implemented is not announced, and a script that requires it is refused: see [`EXTENSIONS`].
//! - It knows no store, no protocol, no clock and no socket. What it has to know of the account's mailboxes it asks
//!   ([`Mailboxes`]).
//!
//! RFC 5228 (the language, `fileinto`, `envelope`, `encoded-character`), RFC 3894 (`copy`), RFC 5232 (`imap4flags`), RFC 5233
//! (`subaddress`), RFC 5490 (`mailbox`), RFC 8579 (`special-use`).

mod compile;
mod encoded;
mod flags;
mod matcher;
mod parse;
mod position;
#[cfg(any(test, fuzzing))]
mod print;
mod program;
mod run;
mod syntax;
#[cfg(test)]
mod tests;

pub use flags::Flags;
pub use position::{Position, Problem};
pub use program::{NamedMailbox, Script};
pub use run::{Action, Failure, FileInto, Mail, Mailboxes, NoMailboxes, Outcome, Path};

/// What is read of a script, printed as another one that reads as the same; `None`: it can't be read.
#[cfg(any(test, fuzzing))]
pub(crate) fn printed(script: &[u8]) -> Option<String> {
    parse::script(script).ok().map(|commands| print::script(&commands))
}

/// The extensions that `require` may name (RFC 5228 §6). The comparators of RFC 5228 §2.7.3 need not be named, but may.
pub const EXTENSIONS: &[&str] = &[
    "comparator-i;ascii-casemap",
    "comparator-i;octet",
    "copy",
    "encoded-character",
    "envelope",
    "fileinto",
    "imap4flags",
    "mailbox",
    "special-use",
    "subaddress",
];

/// The longest script, in octets: some thousand rules. All scripts lie in memory.
pub const SCRIPT_OCTETS_MAX: usize = 128 * 1024;

/// How deep blocks may lie in one another, and apart from them tests. RFC 5228 §2.10.7 wants fifteen of each; reading and
/// running recurse, and this bounds their stacks.
pub const DEPTH_MAX: usize = 32;

/// How many copies of one message a script may file. A person's script makes two or three.
pub const ACTIONS_MAX: usize = 16;

/// How many addresses a script may redirect one message to (RFC 5228 §10 wants a limit).
pub const REDIRECTS_MAX: usize = 4;

/// What a script may spend on one message. A step is an octet that `:matches` looks at, or sixteen that the others do, or a
/// field that is looked up: a large script over a large header stays far below it, and all of it is a tenth of a second.
pub const STEPS_MAX: u64 = 50_000_000;

/// How many problems of one script are told.
pub const PROBLEMS_MAX: usize = 100;
