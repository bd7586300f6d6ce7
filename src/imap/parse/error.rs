//! Why a command could not be read, and what the client is told.

use std::borrow::Cow;

use crate::imap::command::Tag;
use crate::imap::response::{Code, Status};

/// A command that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Its tag, where that could be read.
    pub tag: Option<Tag>,
    /// What is wrong.
    pub fault: Fault,
    /// Where: octets of the frame in front of it.
    pub position: usize,
}

/// What is wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The grammar wants something else there: BAD.
    Expected(&'static str),
    /// There is no such command: BAD.
    UnknownCommand,
    /// The grammar is kept, but not what is said beside it: BAD.
    Invalid(&'static str),
    /// The mailbox name is no modified UTF-7 (RFC 3501 §5.1.3): such a mailbox can't be, `NO [CANNOT]`.
    MailboxName,
    /// SEARCH in a charset that we don't know: `NO [BADCHARSET]` (RFC 3501 §6.4.4).
    Charset {
        /// The result would have been saved.
        saving: bool,
    },
    /// A string of SEARCH is not in the charset that it should be in: NO.
    Undecodable {
        /// The result would have been saved.
        saving: bool,
    },
    /// More than this server keeps: `NO [LIMIT]` (RFC 5530).
    Limit(&'static str),
}

/// The charsets that we tell of; SEARCH takes all others of the WHATWG's Encoding Standard too.
const CHARSETS: [&str; 2] = ["US-ASCII", "UTF-8"];

impl ParseError {
    /// Whether `$` stands for nothing from here on: a SEARCH that would have saved its result is answered with NO
    /// (RFC 5182 §2.1).
    pub fn empties_search_result(&self) -> bool {
        matches!(self.fault, Fault::Charset { saving: true } | Fault::Undecodable { saving: true })
    }

    /// The answer: whose fault it is decides between BAD and NO.
    pub fn status(&self) -> Status {
        let (code, text): (_, Cow<'static, str>) = match self.fault {
            Fault::Expected(what) => (None, format!("Expected {what} at octet {}", self.position + 1).into()),
            Fault::UnknownCommand => (None, "Unknown command".into()),
            Fault::Invalid(what) => (None, format!("{what} at octet {}", self.position + 1).into()),
            Fault::MailboxName => (Some(Code::Cannot), "The mailbox name is not in modified UTF-7".into()),
            Fault::Charset { .. } => (Some(Code::BadCharset(CHARSETS.to_vec())), "Unknown charset".into()),
            Fault::Undecodable { .. } => (None, "A string is not in the charset of the search".into()),
            Fault::Limit(what) => (Some(Code::Limit), what.into()),
        };
        let status = match (&self.tag, self.fault) {
            (Some(tag), Fault::MailboxName | Fault::Charset { .. } | Fault::Undecodable { .. } | Fault::Limit(_)) => {
                Status::no(tag, text)
            }
            (tag, _) => Status::bad(tag.as_ref(), text),
        };
        match code {
            Some(code) => status.with_code(code),
            None => status,
        }
    }
}
