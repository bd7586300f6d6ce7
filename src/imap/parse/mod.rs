//! From octets to [`Command`]s: the grammar of RFC 3501 §9 and its extensions.
//!
//! Frame first, then parse: a parser here has the whole command in front of it (nom's `complete` kind), goes over it once,
//! and never asks for more. The keyword is read and then matched, so that an unknown command is not a bad argument; a
//! [`ParseError`] says where the grammar was left and what it wanted there.
//!
//! The ABNF stands above each parser. Where this grammar is kinder than the RFC's it says so; where it is stricter than
//! other servers (one space is one space, CRLF is CRLF) the RFC is (RFC
//! 9051 §2.2.1).
//!
//! - `lexeme`: atoms, strings, numbers, lists
//! - `mailbox`, `message`, `fetch`, `search`, `append`, `auth`, `notify`: commands by what they are about
//! - `flag`, `date`, `mailbox_filter`: what several of them share
//! - `metadata`: GETMETADATA, SETMETADATA
//! - `sort`, `thread`, `multisearch`: SORT, THREAD, ESEARCH
//! - `condstore`: what RFC 7162 puts into several of them
//! - `names`: mailbox names, decoded
//!
//! What the extensions of a later day put behind an argument is an error today: a client may use it only where it is
//! advertised.

use nom::Parser;

use super::command::{Command, CommandBody, Numbering, Tag};
use super::dialect::Dialect;
use crate::message::Section;
use lexeme::{Failure, Parsed, argument, expected, fail, whole};

mod append;
mod auth;
mod condstore;
mod date;
mod error;
mod fetch;
mod flag;
mod lexeme;
mod mailbox;
mod mailbox_filter;
mod message;
mod metadata;
mod multisearch;
mod names;
mod notify;
mod search;
mod sort;
mod thread;

pub use append::append_rest;
pub use error::{Fault, ParseError};

/// How deep SEARCH keys may lie in one another. Each level costs stack here and in the search itself; no client goes
/// beyond a dozen (DESIGN §7).
pub const SEARCH_DEPTH_MAX: usize = 100;

/// Reads a command: a frame as [`Framer`](super::framer::Framer) gives it, with [`Event::Command`] or [`Event::Append`].
///
/// [`Event::Command`]: super::framer::Event::Command
/// [`Event::Append`]: super::framer::Event::Append
pub fn command(frame: &[u8], dialect: Dialect) -> Result<Command, ParseError> {
    let tag = Tag::of_line(frame);
    let parsed = match &tag {
        // A tag is ASCII: as many octets as characters.
        Some(tag) => {
            let body = |rest| body(rest, dialect);
            argument(whole(body)).parse(&frame[tag.as_str().len()..]).map(|(_, body)| body)
        }
        None => expected(frame, "a tag").map(|(_, body)| body),
    };
    match (parsed, tag) {
        (Ok(mut body), Some(tag)) => match names::decode(&mut body, dialect) {
            Ok(()) => Ok(Command { tag, body }),
            Err(fault) => Err(ParseError { tag: Some(tag), fault, position: frame.len() }),
        },
        (Err(nom::Err::Error(failure) | nom::Err::Failure(failure)), tag) => Err(located(frame, tag, failure)),
        // Without a tag nothing is read, and complete parsers are never incomplete.
        (Ok(_), None) | (Err(nom::Err::Incomplete(_)), _) => {
            Err(ParseError { tag: None, fault: Fault::Expected("a tag"), position: 0 })
        }
    }
}

fn located(frame: &[u8], tag: Option<Tag>, failure: Failure<'_>) -> ParseError {
    ParseError { tag, fault: failure.fault, position: frame.len() - failure.rest.len() }
}

/// Reads a `section-spec`, as it stands between the brackets of BODY[] and in URLs (RFC 5092 §4).
pub(crate) fn section(spec: &[u8]) -> Option<Section> {
    let (_, section) = whole(fetch::section_spec).parse(spec).ok()?;
    (!spec.is_empty()).then_some(section)
}

/// Whether a line ends IDLE: `DONE` in any case (RFC 2177 §3).
pub fn is_done(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"DONE")
}

/// What is behind the tag: `command-any / command-auth / command-nonauth / command-select`. Whether the state allows it is
/// not the grammar's business.
fn body(rest: &[u8], dialect: Dialect) -> Parsed<'_, CommandBody> {
    let (arguments, verb) = lexeme::word("a command").parse(rest)?;
    let mailbox_command = |body: fn(String) -> CommandBody| argument(mailbox::mailbox).map(body).parse(arguments);
    let plain = match verb.as_str() {
        "APPEND" => return append::append(arguments),
        "AUTHENTICATE" => return auth::authenticate(arguments),
        "CAPABILITY" => CommandBody::Capability,
        "CHECK" => CommandBody::Check,
        "CLOSE" => CommandBody::Close,
        "COMPRESS" => return argument(auth::compress).parse(arguments),
        "COPY" => return message::copy(arguments, Numbering::Sequence),
        "CREATE" => return mailbox::create(arguments),
        "DELETE" => return mailbox_command(|mailbox| CommandBody::Delete { mailbox }),
        "ENABLE" => return auth::enable(arguments),
        "ESEARCH" => return multisearch::esearch(arguments, dialect),
        "EXAMINE" => {
            let examine = |(mailbox, parameters)| CommandBody::Examine { mailbox, parameters };
            return condstore::select.map(examine).parse(arguments);
        }
        "EXPUNGE" => CommandBody::Expunge,
        "FETCH" => return fetch::fetch(arguments, Numbering::Sequence),
        "GETMETADATA" => return metadata::get(arguments),
        "GETQUOTA" => {
            return argument(lexeme::named("a quota root", lexeme::astring))
                .map(|root| CommandBody::GetQuota(root.into_owned()))
                .parse(arguments);
        }
        "GETQUOTAROOT" => return mailbox_command(|mailbox| CommandBody::GetQuotaRoot { mailbox }),
        "ID" => return auth::id(arguments),
        "IDLE" => CommandBody::Idle,
        "LIST" => return mailbox::list(arguments),
        "LOGIN" => return auth::login(arguments),
        "LOGOUT" => CommandBody::Logout,
        "LSUB" => return mailbox::lsub(arguments),
        "MOVE" => return message::move_messages(arguments, Numbering::Sequence),
        "MYRIGHTS" => return mailbox_command(|mailbox| CommandBody::MyRights { mailbox }),
        "NAMESPACE" => CommandBody::Namespace,
        "NOOP" => CommandBody::Noop,
        "NOTIFY" => return notify::notify(arguments),
        "RENAME" => return mailbox::rename(arguments),
        "REPLACE" => return append::replace(arguments, Numbering::Sequence),
        "SEARCH" => return search::search(arguments, Numbering::Sequence, dialect),
        "SELECT" => {
            let select = |(mailbox, parameters)| CommandBody::Select { mailbox, parameters };
            return condstore::select.map(select).parse(arguments);
        }
        "SETMETADATA" => return metadata::set(arguments),
        "SORT" => return sort::sort(arguments, Numbering::Sequence),
        "STARTTLS" => CommandBody::StartTls,
        "STATUS" => return mailbox::status(arguments),
        "STORE" => return message::store(arguments, Numbering::Sequence),
        "SUBSCRIBE" => return mailbox_command(|mailbox| CommandBody::Subscribe { mailbox }),
        "THREAD" => return thread::thread(arguments, Numbering::Sequence),
        "UIDBATCHES" => return message::uid_batches(arguments),
        "UID" => return argument(|rest| uid(rest, dialect)).parse(arguments),
        "UNAUTHENTICATE" => CommandBody::Unauthenticate,
        "UNSELECT" => CommandBody::Unselect,
        "UNSUBSCRIBE" => return mailbox_command(|mailbox| CommandBody::Unsubscribe { mailbox }),
        _ => return fail(rest, Fault::UnknownCommand),
    };
    Ok((arguments, plain))
}

/// ```abnf
/// uid = "UID" SP (copy / fetch / search / store)   ; RFC 3501 §9
///     / "UID" SP move                              ; RFC 6851 §3
///     / "UID" SP "EXPUNGE" SP sequence-set         ; RFC 4315 §2.1
///     / "UID" SP replace                           ; RFC 8508 §5
///     / "UID" SP (sort / thread)                   ; RFC 5256 §5
/// ```
fn uid(rest: &[u8], dialect: Dialect) -> Parsed<'_, CommandBody> {
    const WHAT: &str = "COPY, EXPUNGE, FETCH, MOVE, REPLACE, SEARCH, SORT, STORE or THREAD";
    let (arguments, verb) = lexeme::word(WHAT).parse(rest)?;
    match verb.as_str() {
        "COPY" => message::copy(arguments, Numbering::Uid),
        "EXPUNGE" => argument(message::sequence_set).map(CommandBody::UidExpunge).parse(arguments),
        "FETCH" => fetch::fetch(arguments, Numbering::Uid),
        "MOVE" => message::move_messages(arguments, Numbering::Uid),
        "REPLACE" => append::replace(arguments, Numbering::Uid),
        "SEARCH" => search::search(arguments, Numbering::Uid, dialect),
        "SORT" => sort::sort(arguments, Numbering::Uid),
        "STORE" => message::store(arguments, Numbering::Uid),
        "THREAD" => thread::thread(arguments, Numbering::Uid),
        _ => fail(rest, Fault::Expected(WHAT)),
    }
}

#[cfg(test)]
mod tests;
