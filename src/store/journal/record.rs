//! What a journal record says, and how it stands in a segment.
//!
//! ```text
//! offset 8-aligned   40 octets of header | metadata | parsed cache | body | zeros up to the next multiple of 8
//! ```
//! All numbers are little-endian. The header's checksum covers header and metadata together with the segment's salt and
//! the record's offset, so that nothing inside a body can pass for a record, nor a record that was moved; a second one
//! covers the header alone. Cache and body have checksums of their own: a rebuild reads metadata and seeks over both.
//!
//! The metadata is a [`Record`] in postcard's form (<https://postcard.jamesmunns.com/wire-format>). Its variants may only
//! be added to at the end. A record carries all that it decides (UIDs, mod-sequences, dates), so that replaying it needs
//! no clock and no chance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::store::{
    AccountId, Alias, BodyId, CommitSeq, Credentials, Date, Flags, MailboxId, Message, ModSeq, Quota, SpecialUse, Uid,
    UidSet,
};

/// Octets of a record's header.
pub(crate) const HEADER_OCTETS: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// More metadata than this is refused when read: nothing we write comes near.
pub(crate) const MAX_META_OCTETS: u32 = 512 * 1024 * 1024;

/// What happened. The journal's truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// A body came in and stands in these places.
    Delivery(Delivery),
    /// COPY, MOVE: references to bodies that are there. MULTIAPPEND and REPLACE: to bodies that came in just before it, as
    /// deliveries without places.
    References(References),
    /// Flags of some messages changed.
    Flags(FlagsChange),
    /// Messages were expunged.
    Expunge(Expunge),
    /// Mailboxes of one account were made, renamed, deleted, subscribed.
    Mailboxes(MailboxesChange),
    /// An account was made, with its INBOX.
    AddAccount(AddAccount),
    /// An account got other credentials.
    SetCredentials(AccountId, Credentials),
    /// An account was removed with all it had.
    RemoveAccount(AccountId),
    /// All of a mailbox, instead of all records about it that came before. Written before compaction drops those.
    MailboxState(MailboxState),
    /// All of an account but its mailboxes' messages, likewise.
    AccountState(AccountState),
    /// Which accounts and mailboxes there are: what came before and is not in it was deleted.
    StoreState(StoreState),
    /// INBOX was renamed: a mailbox was made, and all messages moved there (RFC 3501 §6.3.5).
    RenameInbox(MailboxesChange, References),
    /// Metadata of a mailbox, or of the account itself, was set or removed (RFC 5464).
    SetMetadata(SetMetadata),
    /// All of an account's metadata, instead of all records about it that came before.
    MetadataState(MetadataState),
    /// An account was made, with its INBOX and these mailboxes.
    AddAccountWith(AddAccount, MailboxesChange),
    /// An account may hold so much, or (`None`) what the store lets everybody hold. Said again before compaction drops it.
    SetQuota(AccountId, Option<Quota>),
    /// An account has this script for mail that comes in, or (`None`) none any more. Said again before compaction drops it.
    SetScript(AccountId, Option<Arc<str>>),
    /// The mail of this address goes there, or (`None`) it is no alias any more. Said again before compaction drops it.
    SetAlias(String, Option<Alias>),
}

/// See [`Record::Delivery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) body: BodyId,
    pub(crate) internal_date: Date,
    pub(crate) save_date_unix_s: i64,
    pub(crate) places: Vec<DeliveryPlace>,
}

/// One mailbox that a delivery stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeliveryPlace {
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) uid: Uid,
    pub(crate) mod_seq: ModSeq,
    pub(crate) flags: Flags,
    pub(crate) new_keywords: Vec<String>,
}

/// See [`Record::References`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct References {
    pub(crate) account: AccountId,
    pub(crate) from: MailboxId,
    pub(crate) to: MailboxId,
    /// The messages as they stand in the target.
    pub(crate) messages: Vec<Message>,
    pub(crate) new_keywords: Vec<String>,
    /// MOVE, REPLACE: UIDs that left the source, with the same mod-sequence.
    pub(crate) moved: UidSet,
    pub(crate) mod_seq: ModSeq,
    pub(crate) unix_s: i64,
}

/// See [`Record::Flags`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FlagsChange {
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) uids: UidSet,
    /// New flags are `(old & !clear) | set`.
    pub(crate) clear: Flags,
    pub(crate) set: Flags,
    pub(crate) new_keywords: Vec<String>,
    pub(crate) mod_seq: ModSeq,
}

/// See [`Record::Expunge`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Expunge {
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) uids: UidSet,
    pub(crate) mod_seq: ModSeq,
    pub(crate) unix_s: i64,
}

/// See [`Record::Mailboxes`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MailboxesChange {
    pub(crate) account: AccountId,
    pub(crate) mod_seq: ModSeq,
    pub(crate) steps: Vec<MailboxStep>,
}

impl MailboxesChange {
    /// The mailboxes that its steps name.
    fn mailboxes(&self) -> Vec<MailboxId> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                MailboxStep::Create { mailbox, .. }
                | MailboxStep::Rename { mailbox, .. }
                | MailboxStep::Delete { mailbox }
                | MailboxStep::SetSpecialUse { mailbox, .. } => Some(*mailbox),
                MailboxStep::Subscribe { .. } | MailboxStep::Unsubscribe { .. } => None,
            })
            .collect()
    }

    /// Whether metadata goes or changes with it.
    fn changes_metadata(&self) -> bool {
        let changes =
            |step: &MailboxStep| matches!(step, MailboxStep::Delete { .. } | MailboxStep::SetSpecialUse { .. });
        self.steps.iter().any(changes)
    }
}

/// One step of a [`MailboxesChange`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MailboxStep {
    Create { mailbox: MailboxId, name: String, uid_validity: u32, special_use: Option<SpecialUse> },
    Rename { mailbox: MailboxId, name: String, uid_validity: u32 },
    Delete { mailbox: MailboxId },
    Subscribe { name: String },
    Unsubscribe { name: String },
    SetSpecialUse { mailbox: MailboxId, special_use: Option<SpecialUse> },
}

/// See [`Record::AddAccount`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddAccount {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) credentials: Credentials,
    pub(crate) inbox: MailboxId,
    pub(crate) inbox_uid_validity: u32,
    pub(crate) mod_seq: ModSeq,
}

/// UIDs that left a mailbox together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vanished {
    pub(crate) mod_seq: ModSeq,
    pub(crate) unix_s: i64,
    pub(crate) uids: UidSet,
}

/// What stands above a mailbox's messages; the form in which index and journal keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadRecord {
    pub(crate) mailbox: MailboxId,
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: Uid,
    pub(crate) first_recent_uid: Uid,
    pub(crate) highest_mod_seq: ModSeq,
    /// Expunges after this mod-sequence are all in the history.
    pub(crate) history_from: ModSeq,
    /// Shared with whoever has asked for the head.
    pub(crate) keywords: Arc<Vec<String>>,
    pub(crate) special_use: Option<SpecialUse>,
    /// The last [`MailboxState`] about it; in a state, the one before that.
    pub(crate) stated: Option<Stated>,
    pub(crate) exists: u32,
    pub(crate) unseen: u32,
    pub(crate) deleted: u32,
    pub(crate) octets: u64,
}

impl HeadRecord {
    /// The head of a mailbox with nothing in it.
    pub(crate) fn new(
        mailbox: MailboxId,
        account: AccountId,
        name: String,
        uid_validity: u32,
        special_use: Option<SpecialUse>,
        mod_seq: ModSeq,
    ) -> HeadRecord {
        HeadRecord {
            mailbox,
            account,
            name,
            uid_validity,
            uid_next: 1,
            first_recent_uid: 1,
            highest_mod_seq: mod_seq,
            history_from: 0,
            keywords: Arc::default(),
            special_use,
            stated: None,
            exists: 0,
            unseen: 0,
            deleted: 0,
            octets: 0,
        }
    }
}

/// Where a [`MailboxState`] stands. It is needed until there is a later one, and nothing about the mailbox that came before
/// it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stated {
    pub(crate) commit_seq: CommitSeq,
    pub(crate) segment: u32,
    /// Octets of the whole record.
    pub(crate) octets: u64,
}

/// See [`Record::MailboxState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MailboxState {
    pub(crate) head: HeadRecord,
    pub(crate) messages: Vec<Message>,
    pub(crate) vanished: Vec<Vanished>,
}

/// See [`Record::AccountState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountState {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) credentials: Credentials,
    pub(crate) subscriptions: Vec<String>,
    /// Names that a mailbox had and has no more: a rename onto one of them takes a fresh UIDVALIDITY.
    pub(crate) used_names: Vec<String>,
    pub(crate) highest_mod_seq: ModSeq,
}

/// See [`Record::SetMetadata`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetMetadata {
    pub(crate) account: AccountId,
    /// `None`: the account itself.
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) mod_seq: ModSeq,
    /// Names and values; without a value it is removed.
    pub(crate) entries: Vec<(String, Option<Vec<u8>>)>,
    /// What mailboxes are for from here on, of those where that changes (RFC 6154 §4).
    pub(crate) uses: Vec<(MailboxId, Option<SpecialUse>)>,
}

/// See [`Record::MetadataState`]; the form in which the index keeps it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataState {
    pub(crate) account: AccountId,
    /// The last state about it; in a state, the one before that.
    pub(crate) stated: Option<Stated>,
    pub(crate) entries: Vec<StoredEntry>,
}

/// An entry of metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredEntry {
    /// `None`: of the account itself.
    pub(crate) mailbox: Option<MailboxId>,
    pub(crate) name: String,
    /// `None`: it was removed.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) mod_seq: ModSeq,
}

/// See [`Record::StoreState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreState {
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) counters: Counters,
}

/// Numbers that are given once and never again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// The highest that were given.
    pub(crate) account: u64,
    pub(crate) mailbox: u64,
    pub(crate) body: u64,
    /// The highest UIDVALIDITY of the whole store.
    pub(crate) uid_validity: u32,
}

impl Record {
    /// The mailboxes whose state a replay of this record changes.
    pub(crate) fn mailboxes(&self) -> Vec<MailboxId> {
        match self {
            Record::Delivery(delivery) => delivery.places.iter().map(|place| place.mailbox).collect(),
            Record::References(references) => vec![references.from, references.to],
            Record::Flags(change) => vec![change.mailbox],
            Record::Expunge(expunge) => vec![expunge.mailbox],
            Record::Mailboxes(change) => change.mailboxes(),
            Record::RenameInbox(change, references) => {
                let mut mailboxes = change.mailboxes();
                mailboxes.push(references.from);
                mailboxes
            }
            Record::AddAccount(add) => vec![add.inbox],
            Record::AddAccountWith(add, change) => {
                let mut mailboxes = change.mailboxes();
                mailboxes.push(add.inbox);
                mailboxes
            }
            Record::MailboxState(state) => vec![state.head.mailbox],
            Record::SetMetadata(set) => {
                set.mailbox.into_iter().chain(set.uses.iter().map(|(mailbox, _)| *mailbox)).collect()
            }
            Record::SetCredentials(..)
            | Record::SetQuota(..)
            | Record::SetScript(..)
            | Record::SetAlias(..)
            | Record::RemoveAccount(_)
            | Record::AccountState(_)
            | Record::StoreState(_)
            | Record::MetadataState(_) => Vec::new(),
        }
    }

    /// The mod-sequences that it gives, and in which account.
    pub(crate) fn mod_seqs(&self) -> Vec<(AccountId, ModSeq)> {
        match self {
            Record::Delivery(delivery) => delivery.places.iter().map(|place| (place.account, place.mod_seq)).collect(),
            Record::References(References { account, mod_seq, .. })
            | Record::Flags(FlagsChange { account, mod_seq, .. })
            | Record::Expunge(Expunge { account, mod_seq, .. })
            | Record::Mailboxes(MailboxesChange { account, mod_seq, .. })
            | Record::RenameInbox(MailboxesChange { account, mod_seq, .. }, _)
            | Record::AddAccount(AddAccount { account, mod_seq, .. })
            | Record::AddAccountWith(AddAccount { account, mod_seq, .. }, _)
            | Record::SetMetadata(SetMetadata { account, mod_seq, .. }) => vec![(*account, *mod_seq)],
            Record::SetCredentials(..)
            | Record::SetQuota(..)
            | Record::SetScript(..)
            | Record::SetAlias(..)
            | Record::RemoveAccount(_)
            | Record::MetadataState(_)
            | Record::MailboxState(_)
            | Record::AccountState(_)
            | Record::StoreState(_) => Vec::new(),
        }
    }

    /// The accounts whose state a replay of this record changes.
    pub(crate) fn accounts(&self) -> Vec<AccountId> {
        match self {
            Record::Delivery(delivery) => delivery.places.iter().map(|place| place.account).collect(),
            Record::References(References { account, .. })
            | Record::Flags(FlagsChange { account, .. })
            | Record::Expunge(Expunge { account, .. })
            | Record::Mailboxes(MailboxesChange { account, .. })
            | Record::RenameInbox(MailboxesChange { account, .. }, _)
            | Record::AddAccount(AddAccount { account, .. })
            | Record::AddAccountWith(AddAccount { account, .. }, _)
            | Record::SetCredentials(account, _)
            | Record::SetQuota(account, _)
            | Record::SetScript(account, _)
            | Record::RemoveAccount(account)
            | Record::AccountState(AccountState { account, .. })
            | Record::SetMetadata(SetMetadata { account, .. })
            | Record::MetadataState(MetadataState { account, .. }) => vec![*account],
            Record::MailboxState(state) => vec![state.head.account],
            Record::SetAlias(..) | Record::StoreState(_) => Vec::new(),
        }
    }

    /// The alias that a replay of this record changes.
    pub(crate) fn alias(&self) -> Option<&str> {
        match self {
            Record::SetAlias(name, _) => Some(name),
            _ => None,
        }
    }

    /// The account whose limits a replay of this record changes.
    pub(crate) fn quota(&self) -> Option<AccountId> {
        match self {
            Record::SetQuota(account, _) => Some(*account),
            _ => None,
        }
    }

    /// The account whose script a replay of this record changes.
    pub(crate) fn script(&self) -> Option<AccountId> {
        match self {
            Record::SetScript(account, _) => Some(*account),
            _ => None,
        }
    }

    /// The account whose metadata a replay of this record changes.
    pub(crate) fn metadata(&self) -> Option<AccountId> {
        match self {
            Record::SetMetadata(SetMetadata { account, .. })
            | Record::MetadataState(MetadataState { account, .. })
            | Record::RenameInbox(MailboxesChange { account, .. }, _) => Some(*account),
            Record::Mailboxes(change) if change.changes_metadata() => Some(change.account),
            _ => None,
        }
    }
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) commit_seq: CommitSeq,
    pub(crate) meta_len: u32,
    pub(crate) cache_len: u32,
    pub(crate) body_len: u32,
    pub(crate) cache_crc: u32,
    pub(crate) body_crc: u32,
}

impl Header {
    pub(crate) const MAGIC: [u8; 4] = *b"PbRc";

    /// The header as it stands in the segment, checksum included.
    pub(crate) fn encode(&self, salt: u64, offset: u64, meta: &[u8]) -> [u8; HEADER_OCTETS] {
        let mut octets = [0; HEADER_OCTETS];
        octets[0..4].copy_from_slice(&Self::MAGIC);
        // 4..8 is the checksum.
        octets[8..16].copy_from_slice(&self.commit_seq.to_le_bytes());
        octets[16..20].copy_from_slice(&self.meta_len.to_le_bytes());
        octets[20..24].copy_from_slice(&self.cache_len.to_le_bytes());
        octets[24..28].copy_from_slice(&self.body_len.to_le_bytes());
        octets[28..32].copy_from_slice(&self.cache_crc.to_le_bytes());
        octets[32..36].copy_from_slice(&self.body_crc.to_le_bytes());
        let own_crc = own_checksum(salt, offset, &octets);
        octets[36..40].copy_from_slice(&own_crc.to_le_bytes());
        let crc = checksum(salt, offset, &octets, meta);
        octets[4..8].copy_from_slice(&crc.to_le_bytes());
        octets
    }

    /// Reads the header that was written at this place of this segment, and its checksum for [`Header::is_intact`]; `None`
    /// where there is none.
    ///
    /// A header has a checksum of its own, so that no length is believed, and no metadata read, that is not ours: behind
    /// damage a scan looks at octets that a sender chose.
    pub(crate) fn decode(octets: &[u8; HEADER_OCTETS], salt: u64, offset: u64) -> Option<(Header, u32)> {
        if octets[0..4] != Self::MAGIC {
            return None;
        }
        let (header, crc, own_crc) = Self::fields(octets);
        (own_checksum(salt, offset, octets) == own_crc).then_some((header, crc))
    }

    /// Reads a header whatever its checksums say, for a place that the index knows: what is damaged in it need not be what
    /// is wanted of it.
    pub(crate) fn decode_damaged(octets: &[u8; HEADER_OCTETS]) -> Header {
        Self::fields(octets).0
    }

    /// The header and its two checksums.
    fn fields(octets: &[u8; HEADER_OCTETS]) -> (Header, u32, u32) {
        let u32_at = |at: usize| u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let commit_seq = u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32;
        let header = Header {
            commit_seq,
            meta_len: u32_at(16),
            cache_len: u32_at(20),
            body_len: u32_at(24),
            cache_crc: u32_at(28),
            body_crc: u32_at(32),
        };
        (header, u32_at(4), u32_at(36))
    }

    /// Whether header and metadata are what was written at this place of this segment.
    pub(crate) fn is_intact(octets: &[u8; HEADER_OCTETS], crc: u32, salt: u64, offset: u64, meta: &[u8]) -> bool {
        checksum(salt, offset, octets, meta) == crc
    }
}

/// CRC-32C over salt, offset, and the header between its two checksums.
fn own_checksum(salt: u64, offset: u64, header: &[u8; HEADER_OCTETS]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_le_bytes());
    let crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc32c::crc32c_append(crc, &header[8..36])
}

/// CRC-32C over salt, offset, the header without its first checksum, and the metadata.
fn checksum(salt: u64, offset: u64, header: &[u8; HEADER_OCTETS], meta: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&salt.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &offset.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &header[0..4]);
    crc = crc32c::crc32c_append(crc, &header[8..]);
    crc32c::crc32c_append(crc, meta)
}
