//! What the server says, as values: completions, states, untagged data (RFC 3501 §7, RFC 5530).
//!
//! [`print`](super::print) turns them into bytes. FETCH has no value here: it is printed straight into the output by
//! [`print::fetch::FetchWriter`](super::print::fetch::FetchWriter), since a value for each of millions of lines would
//! cost more than the line.

use std::borrow::Cow;
use std::sync::Arc;

use super::command::{Numbering, Tag};
use super::numbers::{Numbers, PartialRange};
use crate::store::{FlagNames, ModSeq, SpecialUse, Uid, UidSet};

/// One response line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// A completion, or a state.
    Status(Status),
    /// Untagged data.
    Data(Data),
    /// `+ text`: go on (RFC 3501 §7.5). For a SASL challenge the text is the challenge in base64.
    Continue(Cow<'static, str>),
}

impl From<Status> for Response {
    fn from(status: Status) -> Response {
        Response::Status(status)
    }
}

impl From<Data> for Response {
    fn from(data: Data) -> Response {
        Response::Data(data)
    }
}

/// A status response (RFC 3501 §7.1): tagged it completes a command, untagged it informs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The command that it completes; `None`: untagged.
    pub tag: Option<Tag>,
    /// Good or bad.
    pub condition: Condition,
    /// What a program may read of it.
    pub code: Option<Code>,
    /// What a person may read of it. The printer replaces what a line can't carry.
    pub text: Cow<'static, str>,
}

/// The condition of a status response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `OK` (RFC 3501 §7.1.1)
    Ok,
    /// `NO` (RFC 3501 §7.1.2): not possible.
    No,
    /// `BAD` (RFC 3501 §7.1.3): not understood, or out of place.
    Bad,
    /// `PREAUTH` (RFC 3501 §7.1.4): untagged greeting only.
    PreAuth,
    /// `BYE` (RFC 3501 §7.1.5): untagged only; the connection ends.
    Bye,
}

impl Status {
    fn new(tag: Option<&Tag>, condition: Condition, text: impl Into<Cow<'static, str>>) -> Status {
        Status { tag: tag.cloned(), condition, code: None, text: text.into() }
    }

    /// The command is done.
    pub fn ok(tag: &Tag, text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(Some(tag), Condition::Ok, text)
    }

    /// The command can't be done.
    pub fn no(tag: &Tag, text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(Some(tag), Condition::No, text)
    }

    /// The command is wrong; untagged where its tag can't be read.
    pub fn bad(tag: Option<&Tag>, text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(tag, Condition::Bad, text)
    }

    /// `* OK`
    pub fn untagged_ok(text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(None, Condition::Ok, text)
    }

    /// `* NO`: a warning.
    pub fn untagged_no(text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(None, Condition::No, text)
    }

    /// `* PREAUTH`
    pub fn pre_auth(text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(None, Condition::PreAuth, text)
    }

    /// `* BYE`
    pub fn bye(text: impl Into<Cow<'static, str>>) -> Status {
        Status::new(None, Condition::Bye, text)
    }

    /// The same with a code.
    pub fn with_code(mut self, code: Code) -> Status {
        self.code = Some(code);
        self
    }
}

/// A response code (RFC 3501 §7.1, RFC 5530 §3 where no other is named).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 3501 §7.1 and RFC 5530 §3 name them")]
pub enum Code {
    Alert,
    /// The charsets that SEARCH knows.
    BadCharset(Vec<&'static str>),
    Capability(Vec<Cow<'static, str>>),
    Parse,
    PermanentFlags {
        /// Flags that can be changed for good.
        flags: FlagNames,
        /// `\*`: new keywords can be made.
        new_keywords: bool,
    },
    ReadOnly,
    ReadWrite,
    TryCreate,
    UidNext(Uid),
    UidValidity(u32),
    /// The sequence number of the first message without `\Seen`.
    Unseen(u32),
    /// RFC 4315 §3
    AppendUid {
        uid_validity: u32,
        uids: UidSet,
    },
    /// RFC 4315 §3: `to[i]` is the copy of `from[i]`; as many in both, and at least one.
    CopyUid {
        uid_validity: u32,
        from: Vec<Uid>,
        to: Vec<Uid>,
    },
    /// RFC 4315 §3
    UidNotSticky,
    /// RFC 7162 §3.1.2.1
    HighestModSeq(ModSeq),
    /// RFC 7162 §3.1.3: sequence numbers or UIDs, at least one.
    Modified(UidSet),
    /// RFC 7162 §3.2.11
    Closed,
    ExpungeIssued,
    AuthenticationFailed,
    AuthorizationFailed,
    Expired,
    PrivacyRequired,
    ContactAdmin,
    NoPerm,
    InUse,
    Corruption,
    ServerBug,
    ClientBug,
    Cannot,
    Limit,
    OverQuota,
    AlreadyExists,
    NonExistent,
    Unavailable,
    /// RFC 4469 §4.2, RFC 7888 §5
    TooBig,
    /// RFC 3516 §4.3
    UnknownCte,
    /// RFC 9051 §7.1
    HasChildren,
    /// RFC 8474 §4.1, §4.2
    MailboxId(String),
    /// RFC 5182 §2.5
    NotSaved,
    /// RFC 4978 §3
    CompressionActive,
    /// RFC 9585 §4
    InProgress {
        /// Of which command.
        tag: Option<Tag>,
        /// How far it has come.
        current: Option<u32>,
        /// How far it has to go; not 0, and known only where `current` is.
        goal: Option<u32>,
    },
    /// RFC 4469 §4.1: the URL.
    BadUrl(String),
    /// RFC 5465 §5.8
    NotificationOverflow,
    /// RFC 5465 §3.1: the events that there are.
    BadEvent(Vec<&'static str>),
    /// RFC 9586 §3
    UidRequired,
    /// RFC 10022
    TooSmall,
    /// RFC 6154 §3
    UseAttr,
    /// RFC 5464 §4.2.1: octets of the largest value that was left out.
    MetadataLongEntries(u64),
    /// RFC 5464 §4.3: octets of the largest value that is taken.
    MetadataMaxSize(u64),
    /// RFC 5464 §4.3
    MetadataTooMany,
}

/// Untagged data (RFC 3501 §7.2 to §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `CAPABILITY` (RFC 3501 §7.2.1)
    Capability(Vec<Cow<'static, str>>),
    /// `ENABLED` (RFC 5161 §3.2)
    Enabled(Vec<Cow<'static, str>>),
    /// `LIST` (RFC 3501 §7.2.2)
    List(ListEntry),
    /// `LSUB` (RFC 3501 §7.2.3)
    Lsub(ListEntry),
    /// `QUOTA` of the one quota root (RFC 9208 §4.2.1): what is limited, as usage and limit.
    Quota {
        /// `STORAGE`
        storage: Option<(u64, u64)>,
        /// `MESSAGE`
        messages: Option<(u64, u64)>,
    },
    /// `QUOTAROOT` (RFC 9208 §4.2.2)
    QuotaRoot {
        /// UTF-8.
        mailbox: String,
        /// Whether the one quota root is the mailbox's.
        rooted: bool,
    },
    /// `STATUS` (RFC 3501 §7.2.4)
    Status {
        /// Of which mailbox, UTF-8.
        mailbox: String,
        /// What it is.
        items: Vec<StatusValue>,
    },
    /// `SEARCH` (RFC 3501 §7.2.5)
    Search {
        /// Sequence numbers or UIDs.
        numbers: Vec<u32>,
        /// The highest mod-sequence of what was found, where the client asked by mod-sequence and something was found
        /// (RFC 7162 §3.1.6).
        mod_seq: Option<ModSeq>,
    },
    /// `SORT` (RFC 5256 §4)
    Sort {
        /// Sequence numbers or UIDs, in order.
        numbers: Vec<u32>,
        /// As in SEARCH (RFC 7162 §3.1.6).
        mod_seq: Option<ModSeq>,
    },
    /// `THREAD` (RFC 5256 §4): threads one behind the other, as [`ThreadMark`] says.
    Thread(Vec<ThreadMark>),
    /// `ESEARCH` (RFC 4731 §3.1)
    ESearch(ESearch),
    /// `MYRIGHTS` (RFC 4314 §3.8)
    MyRights {
        /// To which mailbox, UTF-8.
        mailbox: String,
        /// A letter for each.
        rights: &'static str,
    },
    /// `METADATA` with values (RFC 5464 §4.4.1)
    Metadata {
        /// Of which mailbox, UTF-8; empty: of the server.
        mailbox: String,
        /// Names and values, at least one; `None`: it has none.
        entries: Vec<(String, Option<Arc<[u8]>>)>,
    },
    /// `METADATA` without values: these entries changed (RFC 5464 §4.4.2).
    MetadataChanged {
        /// Of which mailbox, UTF-8; empty: of the server.
        mailbox: String,
        /// Their names, at least one.
        entries: Vec<String>,
    },
    /// `UIDBATCHES` (RFC 10022)
    UidBatches {
        /// Of the command.
        tag: Tag,
        /// The highest and the lowest UID of each range.
        ranges: Vec<(Uid, Uid)>,
    },
    /// `FLAGS` (RFC 3501 §7.2.6)
    Flags(FlagNames),
    /// `EXISTS` (RFC 3501 §7.3.1)
    Exists(u32),
    /// `RECENT` (RFC 3501 §7.3.2)
    Recent(u32),
    /// `EXPUNGE` (RFC 3501 §7.4.1): the sequence number.
    Expunge(u32),
    /// `VANISHED` (RFC 7162 §3.2.10)
    Vanished {
        /// `(EARLIER)`: told in answer to a question; nothing is renumbered by it.
        earlier: bool,
        /// At least one.
        uids: UidSet,
    },
    /// `NAMESPACE` (RFC 2342 §5): one personal namespace with an empty prefix and this separator, no other.
    Namespace {
        /// The hierarchy separator.
        separator: char,
    },
    /// `ID` (RFC 2971 §3.2); empty for `NIL`.
    Id(Vec<(Cow<'static, str>, Option<Cow<'static, str>>)>),
}

/// What THREAD is made of (RFC 5256 §5). Flat, since threads nest as deep as there are messages: a number is the child of the
/// one before it, and lists in a row are siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadMark {
    /// `(`
    Open,
    /// A sequence number or UID.
    Number(u32),
    /// `)`
    Close,
}

/// What a SEARCH with result options found: only what was asked for and is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ESearch {
    /// Of the command.
    pub tag: Tag,
    /// In which mailbox, and its UIDVALIDITY: in answer to the command ESEARCH (RFC 7377 §2.1).
    pub mailbox: Option<(String, u32)>,
    /// What the numbers are.
    pub by: Numbering,
    /// The lowest.
    pub min: Option<u32>,
    /// The highest.
    pub max: Option<u32>,
    /// All; empty where not asked for, and where nothing was found.
    pub all: Numbers,
    /// Some, with the range that was asked for: told where nothing lies in it too (RFC 9394 §3.1).
    pub partial: Option<(PartialRange, Numbers)>,
    /// How many.
    pub count: Option<u32>,
    /// The highest mod-sequence of what is returned, where the client asked by mod-sequence and something was found
    /// (RFC 4731 §3.2).
    pub mod_seq: Option<ModSeq>,
}

/// A mailbox in LIST or LSUB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListEntry {
    /// Its attributes.
    pub attributes: Vec<ListAttribute>,
    /// The hierarchy separator; `None` where there is no hierarchy.
    pub separator: Option<char>,
    /// Its name, UTF-8.
    pub mailbox: String,
    /// `CHILDINFO`: `("SUBSCRIBED")` of RFC 5258 §4, only in answer to RECURSIVEMATCH.
    pub subscribed_child: bool,
    /// `OLDNAME`: what the client called it (RFC 9051 §6.3.9.7), for clients of IMAP4rev2 alone; or the name that it had,
    /// for those who asked for it with NOTIFY (RFC 5465 §5.4).
    pub old_name: Option<String>,
}

/// What LIST says of a mailbox (RFC 3501 §7.2.2, RFC 3348 §3, RFC 5258 §3.4, RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFCs name them")]
pub enum ListAttribute {
    NoInferiors,
    NoSelect,
    Marked,
    Unmarked,
    HasChildren,
    HasNoChildren,
    NonExistent,
    Subscribed,
    Remote,
    SpecialUse(SpecialUse),
}

/// One item of STATUS (RFC 3501 §6.3.10, RFC 8438 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 3501 §6.3.10 names them")]
pub enum StatusValue {
    Messages(u32),
    Recent(u32),
    UidNext(Uid),
    UidValidity(u32),
    Unseen(u32),
    /// RFC 9051 §6.3.11, RFC 9208 §4.1.4
    Deleted(u32),
    /// RFC 9208 §4.1.4, in octets.
    DeletedStorage(u64),
    /// Octets of all messages, below 2^63.
    Size(u64),
    /// RFC 7889 §3.1: octets of the largest message that it takes.
    AppendLimit(u64),
    /// RFC 8474 §4.3
    MailboxId(String),
    /// RFC 7162 §3.1.7
    HighestModSeq(ModSeq),
}
