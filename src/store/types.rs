//! The nouns of the store: identifiers, flags, messages as the index knows them, and errors.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Mailbox, UidSet};

/// A message's unique identifier in its mailbox, 1 or more (RFC 3501 §2.3.1.1).
pub type Uid = u32;

/// The account-wide modification sequence, below 2^63 (RFC 7162 §3.1.1).
pub type ModSeq = u64;

/// A store-wide number that orders all commits.
pub type CommitSeq = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names an account for as long as the store lives; never given twice.
    AccountId
}
id! {
    /// Names a mailbox through renames; never given twice.
    MailboxId
}
id! {
    /// Names the stored bytes of a message, however many mailboxes refer to them; never given twice.
    BodyId
}

/// What a listener can listen to in the store's [`Hub`](crate::notify::Hub).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bell {
    /// Rings when messages or flags of this mailbox change, and when it is renamed or deleted.
    Mailbox(MailboxId),
    /// Rings when anything in this account changes.
    Account(AccountId),
}

/// A message's flags in one mailbox: five system flags, and up to [`KEYWORDS_MAX`] keywords whose names stand in the
/// mailbox's table ([`Head::keywords`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flags(pub u64);

/// How many keywords one mailbox can have: what is left of 64 bits after the system flags, one bit spare.
pub const KEYWORDS_MAX: usize = 58;

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// `\Seen`
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(1 << 2);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(1 << 3);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(1 << 4);
    const KEYWORD_SHIFT: usize = 6;

    /// The flag of the keyword at `index` of the mailbox's table; `index` is below [`KEYWORDS_MAX`].
    pub const fn keyword(index: usize) -> Flags {
        assert!(index < KEYWORDS_MAX);
        Flags(1 << (index + Self::KEYWORD_SHIFT))
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// These flags less `other`.
    pub const fn minus(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// The indexes of the keywords that are set, ascending.
    pub fn keywords(self) -> impl Iterator<Item = usize> {
        (0..KEYWORDS_MAX).filter(move |index| self.contains(Self::keyword(*index)))
    }
}

/// Flags by name, as a client gives them: keywords get their bit when the change is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlagNames {
    /// System flags only.
    pub system: Flags,
    /// Keywords; compared without regard to ASCII case, shown as first given.
    pub keywords: Vec<String>,
}

/// How a STORE changes flags (RFC 3501 §6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagAction {
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
    /// `FLAGS`
    Replace,
}

/// A moment with the zone it was given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix_s: i64,
    /// Minutes east of UTC, -1439 to 1439.
    pub offset_min: i16,
}

/// A message as the index of its mailbox knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: Flags,
    /// The mod-sequence of its last change.
    pub mod_seq: ModSeq,
    /// Where its bytes are.
    pub body: BodyId,
    /// Octets of the stored message.
    pub size: u32,
    /// INTERNALDATE (RFC 3501 §2.3.3).
    pub internal_date: Date,
    /// When it came into this mailbox, Unix seconds (SAVEDATE, RFC 8514).
    pub save_date_unix_s: i64,
}

/// What stands above a mailbox's messages: a copy, true at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// UTF-8 in NFC, components separated by `/`; `INBOX` in capitals.
    pub name: String,
    /// UIDVALIDITY: changes on a rename onto a name that was used before, else never.
    pub uid_validity: u32,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// How many messages there are.
    pub exists: u32,
    /// How many of them lack `\Seen`.
    pub unseen: u32,
    /// How many of them have `\Deleted`.
    pub deleted: u32,
    /// The octets of all messages.
    pub octets: u64,
    /// The first UID that no session has been told as `\Recent`.
    pub first_recent_uid: Uid,
    /// The highest mod-sequence that touched this mailbox.
    pub highest_mod_seq: ModSeq,
    /// Names of the keywords, by index; it only grows.
    pub keywords: Arc<Vec<String>>,
    /// Special uses as a client names them, with the backslash (RFC 6154): `\Sent`.
    pub special_use: Option<SpecialUse>,
    /// Deleted: the handle still works for what was read before, but nothing can be changed.
    pub gone: bool,
}

/// What a mailbox is for (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "RFC 6154 §2 names them")]
pub enum SpecialUse {
    All,
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
}

/// An entry of metadata that changed (RFC 5464): it has another value, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataChange {
    /// Of which mailbox; `None`: of the account itself, the server in RFC 5464's words.
    pub mailbox: Option<MailboxId>,
    /// Its name, in lower case.
    pub entry: String,
    /// When it changed last.
    pub mod_seq: ModSeq,
}

/// What changed in an account's metadata after a mod-sequence, each entry once.
#[derive(Clone, Debug, Default)]
pub struct MetadataChanges {
    /// In the order of the changes; removed entries too.
    pub changes: Vec<MetadataChange>,
    /// More entries were removed than are remembered: some of their names are missing.
    pub history_lost: bool,
}

/// What changed in a mailbox after a mod-sequence, each message once.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The mailbox's highest mod-sequence: what to ask from next.
    pub highest_mod_seq: ModSeq,
    /// Messages that are there and were added or changed; ascending by UID.
    pub changed: Vec<Message>,
    /// UIDs that were expunged.
    pub vanished: UidSet,
    /// The expunge history does not reach back to the mod-sequence that was asked from: compare all UIDs instead.
    pub history_lost: bool,
}

/// All UIDs of a mailbox and its head at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The head.
    pub head: Head,
    /// All UIDs.
    pub uids: UidSet,
}

/// A mailbox that a message is to be put into.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Where.
    pub mailbox: Arc<Mailbox>,
    /// With which flags.
    pub flags: FlagNames,
}

/// Where a message was put.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Where.
    pub mailbox: Arc<Mailbox>,
    /// The UIDVALIDITY it had then.
    pub uid_validity: u32,
    /// The UID it got.
    pub uid: Uid,
    /// The mod-sequence it got.
    pub mod_seq: ModSeq,
    /// How many listeners of that mailbox were woken.
    pub told: usize,
    /// How many listeners of its account were woken; some of them may listen to the mailbox, too.
    pub watching: usize,
}

/// Where messages were put that came in together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: u32,
    /// The UIDs they got, in the order of the messages, ascending.
    pub uids: Vec<Uid>,
}

/// What COPY and MOVE did: UIDs there, for UIDs here, in the same order (RFC 4315 §3).
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: u32,
    /// UIDs in the source that were still there, ascending.
    pub from: Vec<Uid>,
    /// UIDs in the target, ascending, as many as `from`.
    pub to: Vec<Uid>,
}

/// What a flag change did.
#[derive(Clone, Debug, Default)]
pub struct FlagsChanged {
    /// The messages that are there, with the flags that they have now, ascending by UID; those that already had them too.
    pub messages: Vec<Message>,
    /// UIDs refused since their mod-sequence is above UNCHANGEDSINCE (RFC 7162 §3.1.3).
    pub modified: UidSet,
}

/// How an account proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// argon2id in PHC form; empty: no password is good.
    pub password_hash: String,
    /// The verifier for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
    pub scram_sha_256: Option<ScramVerifier>,
}

/// What a server keeps of a password for SCRAM (RFC 5802 §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// At least 4096 (RFC 7677 §4).
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// StoredKey.
    pub stored_key: Vec<u8>,
    /// ServerKey.
    pub server_key: Vec<u8>,
}

/// How much an account may hold (RFC 9208); `None`: as much as there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// The octets of all its messages.
    pub octets: Option<u64>,
    /// How many messages.
    pub messages: Option<u64>,
}

/// How much an account holds, or would get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The octets of all messages; one that stands in two mailboxes counts twice.
    pub octets: u64,
    /// How many messages.
    pub messages: u64,
}

/// How many aliases a store holds: all of them are in memory, some hundred octets each.
pub const ALIASES_MAX: usize = 100_000;

/// An address that is no account's own, and who gets its mail. The store keeps it and asks nothing: what an address means
/// is [`auth::alias`](crate::auth::alias)'s to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The address as it was first given.
    pub display_name: String,
    /// The addresses that its mail goes to, as they were given.
    pub targets: Vec<String>,
}

/// An account: a copy, true at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The canonical address: local part in lower case, domain as A-label.
    pub name: String,
    /// The address as it was first given.
    pub display_name: String,
    /// How it proves who it is.
    pub credentials: Credentials,
}

/// Why the store said no.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// There is no such account (any more).
    #[error("there is no such account")]
    NoSuchAccount,
    /// An account of that name is there.
    #[error("an account of that name is there already")]
    AccountExists,
    /// There is room for no more aliases.
    #[error("a store holds at most {ALIASES_MAX} aliases")]
    TooManyAliases,
    /// There is no such mailbox (any more).
    #[error("there is no such mailbox")]
    NoSuchMailbox,
    /// A mailbox of that name is there.
    #[error("a mailbox of that name is there already")]
    MailboxExists,
    /// INBOX can be neither made nor deleted.
    #[error("INBOX is always there: it can be neither created nor deleted")]
    IsInbox,
    /// The name can't be a mailbox's; the text says why.
    #[error("this can't be the name of a mailbox: {0}")]
    BadName(&'static str),
    /// The mailbox's keyword table is full.
    #[error("a mailbox holds at most {KEYWORDS_MAX} different keywords")]
    TooManyKeywords,
    /// A value of metadata is too large.
    #[error("a value of metadata holds at most {limit} octets")]
    MetadataTooLarge {
        /// The limit in octets.
        limit: usize,
    },
    /// There is no room for more metadata.
    #[error("there is no room for more metadata")]
    TooMuchMetadata,
    /// The name of an entry of metadata is too long.
    #[error("the name of an entry holds at most {limit} octets")]
    MetadataNameTooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// The mailbox can't have that special use; the text says why.
    #[error("this special use can't be given: {0}")]
    SpecialUse(&'static str),
    /// The mailbox has given out its last UID.
    #[error("the mailbox has no UID left to give")]
    NoUidLeft,
    /// Too little free space (DESIGN: less than 1.5 times the largest message).
    #[error("the disk is too full to take mail")]
    DiskFull,
    /// The shared budget for bodies in flight is used up.
    #[error("too many messages are being received at this moment")]
    Busy,
    /// A message larger than the store takes.
    #[error("the message is larger than {limit} octets")]
    TooLarge {
        /// The limit in octets.
        limit: u64,
    },
    /// The account may hold no more.
    #[error("there is no room: the quota is used up")]
    OverQuota {
        /// It would not have had room in an empty account either.
        hopeless: bool,
    },
    /// The message was expunged in the meantime.
    #[error("the message is no longer there")]
    Gone,
    /// The stored bytes do not match their checksum, or can't be found.
    #[error("the stored message is damaged: {0}")]
    Damaged(String),
    /// A read failed.
    #[error("the store can't be read: {0}")]
    Read(String),
    /// A write or a sync failed: the store takes no more changes until it is opened again.
    #[error("the store can't be written, and takes no more changes: {0}")]
    WriteFailed(String),
    /// The store is closing.
    #[error("the store is closing")]
    Closing,
}

impl Error {
    /// Whether trying again later may help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::DiskFull | Error::Busy | Error::Read(_) | Error::WriteFailed(_) | Error::Closing)
    }
}
