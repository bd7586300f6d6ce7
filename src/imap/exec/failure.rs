//! Why a command was not done, and the one place that turns it into an answer: NO with the code that a program can read
//! (RFC 3501 §7.1, RFC 5530), or BAD where the client is wrong.

use std::borrow::Cow;
use std::io;

use crate::imap::command::Tag;
use crate::imap::parse::ParseError;
use crate::imap::response::{Code, Status};
use crate::imap::sequence_set::OutOfRange;
use crate::store;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The client is wrong.
    #[error("{0}")]
    Bad(&'static str),
    /// The client has given up sequence numbers, and uses one (RFC 9586 §3).
    #[error("only UIDs name messages after ENABLE UIDONLY")]
    UidRequired,
    /// It can't be done.
    #[error("{text}")]
    No {
        /// For programs.
        code: Option<Code>,
        /// For people.
        text: Cow<'static, str>,
    },
    /// The mailbox was selected by EXAMINE.
    #[error("the mailbox is selected read-only")]
    ReadOnly,
    /// The store can't, or can't now.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// There is no such mailbox, but there could be: what COPY, MOVE and APPEND say (RFC 3501 §6.3.11, §6.4.7).
    #[error("there is no such mailbox; it can be created")]
    TryCreate,
    /// The name or the password is wrong; which is not told.
    #[error("wrong name or password")]
    Login {
        /// It was the last try that the connection had.
        last: bool,
    },
    /// What came behind a message is no part of the command.
    #[error("the command can't be read")]
    Parse(ParseError),
    /// Answered already, with this tagged response.
    #[error("refused")]
    Refused {
        /// The answer.
        status: Box<Status>,
        /// The connection can't go on.
        close: bool,
    },
    /// The client is gone.
    #[error(transparent)]
    Disconnected(#[from] io::Error),
}

impl From<OutOfRange> for Failure {
    fn from(_: OutOfRange) -> Self {
        Failure::Bad("there are not so many messages")
    }
}

impl Failure {
    /// NO with a code.
    pub(crate) fn no(code: Code, text: impl Into<Cow<'static, str>>) -> Self {
        Failure::No { code: Some(code), text: text.into() }
    }

    /// There is no mailbox of that name to put messages into. TRYCREATE, unless it is certain that it can't be created
    /// (RFC 3501 §6.3.11).
    pub(crate) fn no_target(name: &str) -> Self {
        store::canonical_name(name).err().map_or(Failure::TryCreate, Failure::Store)
    }

    /// The store's answer, where a missing mailbox is a target that the client could create.
    pub(crate) fn in_target(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchMailbox => Failure::TryCreate,
            other => Failure::Store(other),
        }
    }

    /// Whether the connection can't go on after the answer.
    pub(crate) fn closes(&self) -> bool {
        matches!(self, Failure::Refused { close: true, .. } | Failure::Login { last: true })
    }

    /// What is said behind the answer: behind BYE a client need not read on (RFC 3501 §7.1.5).
    pub(crate) fn farewell(&self) -> Option<Status> {
        matches!(self, Failure::Login { last: true }).then(|| Status::bye("Too many failed logins"))
    }

    /// Leaves a line in the log where the trouble is ours, so that somebody reads of it.
    pub(crate) fn report(&self, command: &'static str) {
        if let Failure::Store(
            error @ (store::Error::Read(_) | store::Error::WriteFailed(_) | store::Error::Damaged(_)),
        ) = self
        {
            tracing::error!(command, %error, "the store failed");
        }
    }

    /// The answer to the command with this tag; an error where there is nobody to answer.
    pub(crate) fn into_status(self, tag: &Tag) -> io::Result<Status> {
        Ok(match self {
            Failure::Bad(text) => Status::bad(Some(tag), text),
            Failure::UidRequired => {
                Status::bad(Some(tag), "Only UIDs name messages after ENABLE UIDONLY").with_code(Code::UidRequired)
            }
            Failure::No { code: Some(code), text } => Status::no(tag, text).with_code(code),
            Failure::No { code: None, text } => Status::no(tag, text),
            Failure::ReadOnly => Status::no(tag, "the mailbox is selected read-only").with_code(Code::ReadOnly),
            Failure::TryCreate => {
                Status::no(tag, "there is no such mailbox; it can be created").with_code(Code::TryCreate)
            }
            Failure::Store(error) => Status::no(tag, error_text(&error)).with_code(code_of(&error)),
            Failure::Login { .. } => Status::no(tag, "Wrong name or password").with_code(Code::AuthenticationFailed),
            Failure::Parse(error) => ParseError { tag: Some(tag.clone()), ..error }.status(),
            Failure::Refused { status, .. } => Status { tag: Some(tag.clone()), ..*status },
            Failure::Disconnected(error) => return Err(error),
        })
    }
}

/// What a client is told of the store's trouble: the cause where it is the client's, and no file names where it is ours.
fn error_text(error: &store::Error) -> Cow<'static, str> {
    match error {
        store::Error::Read(_) => "the mail can't be read at the moment".into(),
        store::Error::WriteFailed(_) => "the mail can't be changed at the moment".into(),
        store::Error::Damaged(_) => "the stored message is damaged".into(),
        other => other.to_string().into(),
    }
}

/// RFC 5530 §3, RFC 4469 §4.2, RFC 5464 §4.3, RFC 6154 §3.
fn code_of(error: &store::Error) -> Code {
    match error {
        store::Error::NoSuchAccount | store::Error::NoSuchMailbox => Code::NonExistent,
        store::Error::AccountExists | store::Error::MailboxExists => Code::AlreadyExists,
        store::Error::IsInbox | store::Error::BadName(_) => Code::Cannot,
        store::Error::TooManyKeywords
        | store::Error::TooManyAliases
        | store::Error::NoUidLeft
        | store::Error::MetadataNameTooLong { .. } => Code::Limit,
        store::Error::MetadataTooLarge { limit } => Code::MetadataMaxSize(*limit as u64),
        store::Error::TooMuchMetadata => Code::MetadataTooMany,
        store::Error::SpecialUse(_) => Code::UseAttr,
        store::Error::TooLarge { .. } => Code::TooBig,
        store::Error::OverQuota { .. } => Code::OverQuota,
        store::Error::Gone => Code::ExpungeIssued,
        store::Error::Damaged(_) => Code::Corruption,
        store::Error::DiskFull
        | store::Error::Busy
        | store::Error::Read(_)
        | store::Error::WriteFailed(_)
        | store::Error::Closing => Code::Unavailable,
    }
}
