//! What a client asks for, as values: the result of [`parse`](super::parse), the input of the executor.
//!
//! A value of these types is a command that the grammar allows (RFC 3501 §9 and the extensions named at each item);
//! whether the session's state allows it, and whether the mailbox exists, is the executor's business. Values can be
//! printed again ([`print::command`](super::print::command)), so that tests and clients speak the same grammar.
//!
//! Passwords show as `…` in `Debug`, so that a command can be logged.

use std::fmt;
use std::num::NonZeroU32;

use super::mailbox_filter::MailboxFilter;
use super::notify::Notify;
use super::numbers::PartialRange;
use super::sequence_set::{SeqNumber, SequenceSet};
use crate::message::Section;
use crate::message::date::Civil;
use crate::store::{Date, FlagAction, FlagNames, ModSeq, UidSet};

/// The client's name for a command, repeated in its completion: `1*<any ASTRING-CHAR except "+">` (RFC 3501 §9).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag, if the grammar allows it.
    pub fn new(tag: &[u8]) -> Option<Tag> {
        let allowed = |byte: &u8| crate::wire::chars::is_astring_char(*byte) && *byte != b'+';
        if tag.is_empty() || !tag.iter().all(allowed) {
            return None;
        }
        String::from_utf8(tag.to_vec()).ok().map(|tag| Tag(tag.into_boxed_str()))
    }

    /// The tag that a line begins with, up to its first space: of lines that are no good otherwise too, so that their
    /// answer can be tagged.
    pub fn of_line(line: &[u8]) -> Option<Tag> {
        Tag::new(line.split(|byte| *byte == b' ').next()?)
    }

    /// As the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Octets that no log may show: a password or a SASL response.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// One command with its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The client's name for it.
    pub tag: Tag,
    /// What it asks for.
    pub body: CommandBody,
}

/// How a command names messages: `FETCH` or `UID FETCH` (RFC 3501 §6.4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// By message sequence number.
    Sequence,
    /// By unique identifier.
    Uid,
}

/// What a command asks for.
///
/// Mailbox names are decoded from modified UTF-7 (RFC 3501 §5.1.3) and otherwise as the client gave them: the store makes
/// them canonical. A name that is no modified UTF-7 never becomes a command, it is refused by the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandBody {
    /// `CAPABILITY` (RFC 3501 §6.1.1)
    Capability,
    /// `NOOP` (RFC 3501 §6.1.2)
    Noop,
    /// `LOGOUT` (RFC 3501 §6.1.3)
    Logout,
    /// `ID` (RFC 2971 §3.1): at most 30 fields, empty for `NIL`.
    Id(Vec<(String, Option<String>)>),
    /// `STARTTLS` (RFC 3501 §6.2.1)
    StartTls,
    /// `AUTHENTICATE` (RFC 3501 §6.2.2), with the initial response of RFC 4959.
    Authenticate {
        /// The SASL mechanism in capitals.
        mechanism: String,
        /// The initial response in base64; `=` is one of no octets (RFC 4959 §3).
        initial_response: Option<Secret>,
    },
    /// `LOGIN` (RFC 3501 §6.2.3)
    Login {
        /// Who.
        user: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// `SELECT` (RFC 3501 §6.3.1)
    Select {
        /// The mailbox.
        mailbox: String,
        /// What stands behind it in parentheses.
        parameters: SelectParameters,
    },
    /// `EXAMINE` (RFC 3501 §6.3.2)
    Examine {
        /// The mailbox.
        mailbox: String,
        /// What stands behind it in parentheses.
        parameters: SelectParameters,
    },
    /// `CREATE` (RFC 3501 §6.3.3)
    Create {
        /// The mailbox; may end with the hierarchy separator.
        mailbox: String,
        /// What it is for, as the client names it (RFC 6154 §3); an empty list says nothing.
        uses: Vec<String>,
    },
    /// `DELETE` (RFC 3501 §6.3.4)
    Delete {
        /// The mailbox.
        mailbox: String,
    },
    /// `RENAME` (RFC 3501 §6.3.5)
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// `SUBSCRIBE` (RFC 3501 §6.3.6)
    Subscribe {
        /// The mailbox.
        mailbox: String,
    },
    /// `UNSUBSCRIBE` (RFC 3501 §6.3.7)
    Unsubscribe {
        /// The mailbox.
        mailbox: String,
    },
    /// `LIST` (RFC 3501 §6.3.8, RFC 5258, RFC 6154)
    List(List),
    /// `LSUB` (RFC 3501 §6.3.9)
    Lsub {
        /// The reference name, decoded.
        reference: String,
        /// The pattern, decoded, with `*` and `%`.
        pattern: String,
    },
    /// `STATUS` (RFC 3501 §6.3.10)
    Status {
        /// The mailbox.
        mailbox: String,
        /// What is asked, in the order given; at least one.
        items: Vec<StatusItem>,
    },
    /// `APPEND` up to the first octets of its messages (RFC 3501 §6.3.11): those, and what stands behind them, are handed
    /// out by the framer.
    Append(Append),
    /// `NAMESPACE` (RFC 2342 §5)
    Namespace,
    /// `MYRIGHTS` (RFC 4314 §3.5)
    MyRights {
        /// The mailbox.
        mailbox: String,
    },
    /// `GETMETADATA` (RFC 5464 §4.2)
    GetMetadata(GetMetadata),
    /// `SETMETADATA` (RFC 5464 §4.3)
    SetMetadata {
        /// Of which mailbox; empty: of the server.
        mailbox: String,
        /// Names as the client gave them, and values; without one the entry is removed.
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
    /// `ENABLE` (RFC 5161 §3.1): capability names in capitals, at least one.
    Enable(Vec<String>),
    /// `IDLE` (RFC 2177)
    Idle,
    /// `NOTIFY` (RFC 5465 §3.1)
    Notify(Notify),
    /// `GETQUOTA` (RFC 9208 §4.1.1): the name of a quota root.
    GetQuota(Vec<u8>),
    /// `GETQUOTAROOT` (RFC 9208 §4.1.2)
    GetQuotaRoot {
        /// The mailbox, which need not be there.
        mailbox: String,
    },
    /// `UNAUTHENTICATE` (RFC 8437 §3)
    Unauthenticate,
    /// `COMPRESS DEFLATE` (RFC 4978 §3): there is no other algorithm.
    Compress,
    /// `CHECK` (RFC 3501 §6.4.1)
    Check,
    /// `CLOSE` (RFC 3501 §6.4.2)
    Close,
    /// `UNSELECT` (RFC 3691)
    Unselect,
    /// `EXPUNGE` (RFC 3501 §6.4.3)
    Expunge,
    /// `UIDBATCHES` (RFC 10022)
    UidBatches(UidBatches),
    /// `UID EXPUNGE` (RFC 4315 §2.1)
    UidExpunge(SequenceSet),
    /// `SEARCH`, `UID SEARCH` (RFC 3501 §6.4.4)
    Search {
        /// Which numbers to answer with.
        by: Numbering,
        /// How to answer; `None` for the plain SEARCH response of RFC 3501.
        returns: Option<SearchReturn>,
        /// What to look for.
        key: SearchKey,
    },
    /// `ESEARCH` (RFC 7377 §2)
    MultiSearch {
        /// Where to look; at least one, never `SELECTED-DELAYED`, and `SELECTED` alone beside `SAVE`.
        sources: Vec<MailboxFilter>,
        /// How to answer.
        returns: SearchReturn,
        /// What to look for.
        key: SearchKey,
    },
    /// `SORT`, `UID SORT` (RFC 5256 §3)
    Sort {
        /// Which numbers to answer with.
        by: Numbering,
        /// How to answer (RFC 5267 §3); `None` for the plain SORT response.
        returns: Option<SearchReturn>,
        /// By what to sort, the first before the others; at least one.
        criteria: Vec<SortCriterion>,
        /// What to look for.
        key: SearchKey,
    },
    /// `THREAD`, `UID THREAD` (RFC 5256 §3)
    Thread {
        /// Which numbers to answer with.
        by: Numbering,
        /// How threads are made.
        algorithm: ThreadAlgorithm,
        /// What to look for.
        key: SearchKey,
    },
    /// `FETCH`, `UID FETCH` (RFC 3501 §6.4.5)
    Fetch {
        /// What `set` holds.
        by: Numbering,
        /// The messages.
        set: SequenceSet,
        /// What is asked, macros replaced by what they stand for; at least one.
        items: Vec<FetchItem>,
        /// What stands behind the items in parentheses.
        modifiers: FetchModifiers,
    },
    /// `STORE`, `UID STORE` (RFC 3501 §6.4.6)
    Store {
        /// What `set` holds.
        by: Numbering,
        /// The messages.
        set: SequenceSet,
        /// `UNCHANGEDSINCE`: only those that have no higher mod-sequence (RFC 7162 §3.1.3).
        unchanged_since: Option<ModSeq>,
        /// Add, remove or replace.
        action: FlagAction,
        /// `.SILENT`: no FETCH in answer.
        silent: bool,
        /// The flags; never `\Recent`.
        flags: FlagNames,
    },
    /// `REPLACE`, `UID REPLACE` (RFC 8508 §3), up to the first octets of the message
    Replace {
        /// What `message` is.
        by: Numbering,
        /// The message that leaves.
        message: SeqNumber,
        /// What comes instead, and whereto; one message.
        append: Append,
    },
    /// `COPY`, `UID COPY` (RFC 3501 §6.4.7)
    Copy {
        /// What `set` holds.
        by: Numbering,
        /// The messages.
        set: SequenceSet,
        /// Whereto.
        mailbox: String,
    },
    /// `MOVE`, `UID MOVE` (RFC 6851 §3)
    Move {
        /// What `set` holds.
        by: Numbering,
        /// The messages.
        set: SequenceSet,
        /// Whereto.
        mailbox: String,
    },
}

/// `UIDBATCHES`: the UIDs of the mailbox in ranges (RFC 10022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidBatches {
    /// How many messages a range holds.
    pub size: NonZeroU32,
    /// Which of the ranges, counted from 1 at the highest UIDs; `None`: all.
    pub range: Option<(NonZeroU32, NonZeroU32)>,
}

/// Parameters of SELECT and EXAMINE (RFC 4466 §2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectParameters {
    /// `CONDSTORE` (RFC 7162 §3.1.8)
    pub condstore: bool,
    /// `QRESYNC`; boxed, since it is rare and large.
    pub resync: Option<Box<QuickResync>>,
}

/// `QRESYNC`: what the client remembers of the mailbox (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickResync {
    /// The UIDVALIDITY of then, 1 or more.
    pub uid_validity: u32,
    /// It knows everything up to this mod-sequence, 1 or more.
    pub mod_seq: ModSeq,
    /// The UIDs that it asks about, at least one; `None`: all that the mailbox ever gave.
    pub known_uids: Option<UidSet>,
    /// Some messages that it knows by both numbers.
    pub matches: Option<MatchData>,
}

/// `seq-match-data`: the nth sequence number belonged to the nth UID (RFC 7162 §3.2.5.2). As many in both, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchData {
    /// Message sequence numbers, ascending.
    pub numbers: UidSet,
    /// UIDs, ascending.
    pub uids: UidSet,
}

/// Modifiers of FETCH (RFC 4466 §2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchModifiers {
    /// `CHANGEDSINCE`: only messages with a higher mod-sequence, which is 1 or more (RFC 7162 §3.1.4.1).
    pub changed_since: Option<ModSeq>,
    /// `VANISHED`: the expunged ones too. Only in UID FETCH, and beside `CHANGEDSINCE` (RFC 7162 §3.2.6).
    pub vanished: bool,
    /// `PARTIAL`: only those at these places among the messages that the set names; in UID FETCH (RFC 9394 §3.3).
    pub partial: Option<PartialRange>,
}

/// `LIST` with the options of RFC 5258 §6 and RFC 6154 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Which mailboxes; `None` for the plain `LIST` of RFC 3501.
    pub select: Option<ListSelect>,
    /// The reference name, decoded.
    pub reference: String,
    /// The patterns, decoded, with `*` and `%`; one in plain `LIST`, else at least one.
    pub patterns: Vec<String>,
    /// What to say of each; `None` without a `RETURN`.
    pub returns: Option<ListReturn>,
}

/// Selection options (RFC 5258 §3.1, RFC 6154 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSelect {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `REMOTE`
    pub remote: bool,
    /// `RECURSIVEMATCH`, only beside an option that selects.
    pub recursive_match: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
}

/// Return options (RFC 5258 §3.2, RFC 6154 §2, RFC 5819 §2, RFC 8440 §3, RFC 9590 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReturn {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `CHILDREN`
    pub children: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
    /// `STATUS`: what is asked of each mailbox; empty where nothing is.
    pub status: Vec<StatusItem>,
    /// `MYRIGHTS`
    pub my_rights: bool,
    /// `METADATA`: the entries that are asked of each mailbox; empty where none is.
    pub metadata: Vec<String>,
}

/// What STATUS can tell (RFC 3501 §6.3.10, RFC 8438 §3, RFC 7889 §3.1, RFC 8474 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 3501 §6.3.10 names them")]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Size,
    AppendLimit,
    MailboxId,
    /// RFC 7162 §3.1.7
    HighestModSeq,
    /// RFC 9051 §6.3.11, RFC 9208 §4.1.4
    Deleted,
    /// RFC 9208 §4.1.4
    DeletedStorage,
}

/// `GETMETADATA` (RFC 5464 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMetadata {
    /// Of which mailbox; empty: of the server.
    pub mailbox: String,
    /// Which entries, at least one; as the client gave them.
    pub entries: Vec<String>,
    /// `MAXSIZE`: values with more octets are left out (RFC 5464 §4.2.1).
    pub max_size: Option<u64>,
    /// `DEPTH` (RFC 5464 §4.2.2)
    pub depth: Depth,
}

/// Which entries below a named one are meant, too (RFC 5464 §4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// None.
    #[default]
    Zero,
    /// Those immediately below it.
    One,
    /// All.
    Infinity,
}

/// What `APPEND` and `REPLACE` have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whereto.
    pub mailbox: String,
    /// What stands up to the first octets of a message, or up to the end where there are none.
    pub pieces: Vec<AppendPiece>,
}

/// A piece of the messages of an `APPEND`, in the order of the line: what a message is, and then where its octets come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendPiece {
    /// A message begins (RFC 3502); [`Literal`](Self::Literal) or [`Catenate`](Self::Catenate) follows.
    Message {
        /// With which flags; never `\Recent`.
        flags: FlagNames,
        /// INTERNALDATE; `None`: the moment of the commit.
        internal_date: Option<Date>,
    },
    /// It is this literal; its octets follow, and what stands behind them.
    Literal(LiteralHeader),
    /// `UTF8 (`: it is this literal8, behind which `)` stands (RFC 6855 §4).
    Utf8(LiteralHeader),
    /// `CATENATE (`: it is put together of parts, at least one (RFC 4469 §3).
    Catenate,
    /// `TEXT`: these octets follow, and what stands behind them.
    Text(LiteralHeader),
    /// `UTF8 (` among the parts: the octets of this literal8 follow, behind which `)` stands (RFC 6855 §4).
    Utf8Text(LiteralHeader),
    /// `URL`: octets of a message that is here.
    Url(Vec<u8>),
    /// `)`: that was the last part.
    EndCatenate,
}

/// The head of a literal: `{n}`, `{n+}` (RFC 7888), `~{n}`, `~{n+}` (RFC 3516 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiteralHeader {
    /// How many octets follow.
    pub octets: u64,
    /// `+`: they follow at once, without our continuation.
    pub non_synchronizing: bool,
    /// `~`: NUL is allowed.
    pub binary: bool,
}

/// Result options (RFC 4731 §3.1, RFC 5182 §2, RFC 9394 §3.1): at least one is set, and never both `all` and `partial`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchReturn {
    /// `MIN`: the lowest number.
    pub min: bool,
    /// `MAX`: the highest number.
    pub max: bool,
    /// `ALL`, or none at all: every number, as a set.
    pub all: bool,
    /// `COUNT`: how many there are.
    pub count: bool,
    /// `SAVE`: they are what `$` means from here on.
    pub save: bool,
    /// `PARTIAL`: those at these places.
    pub partial: Option<PartialRange>,
}

/// `sort-criterion` (RFC 5256 §5)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortCriterion {
    /// By what.
    pub key: SortKey,
    /// `REVERSE`: descending.
    pub reverse: bool,
}

/// `sort-key` (RFC 5256 §5, RFC 5957 §5)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 5256 §3 and RFC 5957 §4 name them")]
pub enum SortKey {
    Arrival,
    Cc,
    Date,
    DisplayFrom,
    DisplayTo,
    From,
    Size,
    Subject,
    To,
}

/// `thread-alg` (RFC 5256 §5)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By base subject.
    OrderedSubject,
    /// By what messages refer to, and then by base subject.
    References,
}

/// What SEARCH looks for (RFC 3501 §6.4.4). Strings are UTF-8, decoded from the command's charset; the depth of
/// [`Not`](Self::Not), [`Or`](Self::Or) and [`And`](Self::And) together is at most
/// [`SEARCH_DEPTH_MAX`](super::parse::SEARCH_DEPTH_MAX).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 3501 §6.4.4 names them")]
pub enum SearchKey {
    All,
    Answered,
    Bcc(String),
    Before(Civil),
    Body(String),
    Cc(String),
    Deleted,
    Draft,
    /// RFC 8474 §6
    EmailId(String),
    Flagged,
    From(String),
    /// The field's name and what it holds; empty: that it is there.
    Header(String, String),
    Keyword(String),
    Larger(u64),
    /// This mod-sequence or a higher one. Which metadata item is meant is read and passed over, since a message has one
    /// mod-sequence for all (RFC 7162 §3.1.5).
    ModSeq(ModSeq),
    New,
    Not(Box<SearchKey>),
    Old,
    /// INTERNALDATE is so many seconds ago, or more (RFC 5032 §3).
    Older(NonZeroU32),
    On(Civil),
    Or(Box<SearchKey>, Box<SearchKey>),
    Recent,
    /// RFC 8514 §4.3
    SavedBefore(Civil),
    /// RFC 8514 §4.3: all messages have a save date.
    SaveDateSupported,
    /// RFC 8514 §4.3
    SavedOn(Civil),
    /// RFC 8514 §4.3
    SavedSince(Civil),
    Seen,
    SentBefore(Civil),
    SentOn(Civil),
    SentSince(Civil),
    Since(Civil),
    Smaller(u64),
    Subject(String),
    Text(String),
    /// RFC 8474 §6
    ThreadId(String),
    To(String),
    Uid(SequenceSet),
    Unanswered,
    Undeleted,
    Undraft,
    Unflagged,
    Unkeyword(String),
    Unseen,
    /// INTERNALDATE is so many seconds ago, or less (RFC 5032 §3).
    Younger(NonZeroU32),
    /// Message sequence numbers.
    Sequence(SequenceSet),
    /// All of these, two or more: keys in a row, or in parentheses.
    And(Vec<SearchKey>),
}

impl SearchKey {
    /// Whether this key, or one inside of it, is such a one.
    pub(crate) fn any(&self, is_one: &impl Fn(&SearchKey) -> bool) -> bool {
        is_one(self)
            || match self {
                SearchKey::Not(key) => key.any(is_one),
                SearchKey::Or(one, other) => one.any(is_one) || other.any(is_one),
                SearchKey::And(keys) => keys.iter().any(|key| key.any(is_one)),
                _ => false,
            }
    }
}

/// What FETCH asks of each message (RFC 3501 §6.4.5, RFC 3516 §4.2). `ALL`, `FAST` and `FULL` are replaced by the items
/// that they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// `ENVELOPE`
    Envelope,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822`: the whole message, sets `\Seen`.
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.SIZE` (RFC 3501 §2.3.4)
    Rfc822Size,
    /// `RFC822.TEXT`: sets `\Seen`.
    Rfc822Text,
    /// `BODY`: the structure without extension data.
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `EMAILID` (RFC 8474 §5.1)
    EmailId,
    /// `THREADID` (RFC 8474 §5.2)
    ThreadId,
    /// `SAVEDATE` (RFC 8514 §4.2)
    SaveDate,
    /// `PREVIEW` (RFC 8970 §3)
    Preview {
        /// `(LAZY)`: only if it is at hand (RFC 8970 §4.1).
        lazy: bool,
    },
    /// `UID`
    Uid,
    /// `MODSEQ` (RFC 7162 §3.1.4.2)
    ModSeq,
    /// `BODY[section]<partial>`, `BODY.PEEK[section]<partial>`
    BodySection {
        /// `.PEEK`: `\Seen` is not set.
        peek: bool,
        /// Of which part what.
        section: Section,
        /// Which octets of it.
        partial: Option<Partial>,
    },
    /// `BINARY[part]<partial>`, `BINARY.PEEK[part]<partial>`: with the transfer encoding undone (RFC 3516 §4.2).
    Binary {
        /// `.PEEK`: `\Seen` is not set.
        peek: bool,
        /// The part's numbers; empty: the whole message.
        part: Vec<u32>,
        /// Which octets of it.
        partial: Option<Partial>,
    },
    /// `BINARY.SIZE[part]` (RFC 3516 §4.2)
    BinarySize {
        /// The part's numbers; empty: the whole message.
        part: Vec<u32>,
    },
}

/// A range of octets, `<offset.length>` (RFC 3501 §6.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The first octet, from 0.
    pub offset: u64,
    /// How many octets at the most; 1 or more.
    pub length: u64,
}
