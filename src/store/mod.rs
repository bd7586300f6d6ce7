//! The mailbox store: its public face.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::notify::Hub;

mod types;
mod uid_set;

pub use types::*;
pub use uid_set::UidSet;

/// Limits and sizes of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest message in octets.
    pub max_message: u64,
    /// What all bodies that are being received may hold together, in octets.
    pub in_flight: u64,
}

/// An open store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    hub: Arc<Hub<Bell>>,
}

/// A mailbox: a handle that stays good through renames, and works after a deletion for what was read before.
#[derive(Debug)]
pub struct Mailbox {
    id: MailboxId,
    account: AccountId,
}

impl Mailbox {
    /// Its id.
    pub fn id(&self) -> MailboxId {
        self.id
    }
    /// Whose it is.
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// What stands above its messages, at this moment. Cheap.
    pub fn head(&self) -> Head {
        unimplemented!()
    }
}

/// A mailbox whose index is in memory for as long as this lives. Shared by all sessions that have it open.
#[derive(Clone, Debug)]
pub struct OpenMailbox {
    mailbox: Arc<Mailbox>,
}

impl std::ops::Deref for OpenMailbox {
    type Target = Arc<Mailbox>;
    fn deref(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl OpenMailbox {
    /// Head and all UIDs at one moment.
    pub fn snapshot(&self) -> Snapshot {
        unimplemented!()
    }
    /// What changed after `mod_seq`; `vanished` holds only UIDs expunged after it.
    pub fn changes_since(&self, mod_seq: ModSeq) -> Changes {
        let _ = mod_seq;
        unimplemented!()
    }
    /// The message with this UID, if it is (still) there.
    pub fn message(&self, uid: Uid) -> Option<Message> {
        let _ = uid;
        unimplemented!()
    }
    /// Those messages of `uids` that are there, ascending. At most as many as fit memory: 56 bytes each.
    pub fn messages(&self, uids: &UidSet) -> Vec<Message> {
        let _ = uids;
        unimplemented!()
    }
}

/// A message body on its way in: kept in memory up to 1 MiB, then in an unlinked file; counted against the store's
/// budget for bodies in flight until it is dropped.
#[derive(Debug)]
pub struct Incoming {}

impl Incoming {
    /// Adds bytes. Errors: [`Error::Busy`], [`Error::TooLarge`], [`Error::DiskFull`], [`Error::WriteFailed`].
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let _ = bytes;
        unimplemented!()
    }
    /// Octets so far.
    pub fn len(&self) -> u64 {
        unimplemented!()
    }
    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message that is complete and about to be stored.
#[derive(Debug)]
pub struct NewMessage {
    /// The bytes, as they are to come out.
    pub body: Incoming,
    /// INTERNALDATE; `None`: the moment of the commit, in UTC.
    pub internal_date: Option<Date>,
}

/// A message that is on disk.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The commit that made it durable.
    pub commit_seq: CommitSeq,
    /// When its sync returned.
    pub committed_at: Instant,
    /// Where it stands, in the order of the placements.
    pub places: Vec<Placed>,
}

/// # The store
/// Everything that changes state is answered after its sync, and told (through the hub) after its sync and before it is
/// answered.
impl Store {
    /// Opens the store in `dir`, or makes one. Blocks: call it off the runtime.
    pub fn open(dir: &Path, options: Options) -> Result<Store, Error> {
        let _ = (dir, options);
        unimplemented!()
    }
    /// Finishes what is queued, writes a checkpoint and lets go of the folder.
    pub async fn close(&self) -> Result<(), Error> {
        unimplemented!()
    }
    /// Where to listen for changes: [`Bell::Mailbox`], [`Bell::Account`].
    pub fn hub(&self) -> &Arc<Hub<Bell>> {
        &self.hub
    }
    /// The largest message it takes, in octets.
    pub fn max_message(&self) -> u64 {
        unimplemented!()
    }
}

/// # Accounts
/// Names are canonical addresses here: see `auth::directory`.
impl Store {
    /// The account of that canonical name.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        let _ = name;
        unimplemented!()
    }
    /// The account with that id.
    pub fn account_by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        let _ = id;
        unimplemented!()
    }
    /// All accounts, by name.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        unimplemented!()
    }
    /// Makes an account and its INBOX.
    pub async fn add_account(
        &self,
        name: &str,
        display_name: &str,
        credentials: Credentials,
    ) -> Result<Arc<Account>, Error> {
        let _ = (name, display_name, credentials);
        unimplemented!()
    }
    /// Gives it new credentials.
    pub async fn set_credentials(&self, account: AccountId, credentials: Credentials) -> Result<(), Error> {
        let _ = (account, credentials);
        unimplemented!()
    }
    /// Removes it with all its mail.
    pub async fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        let _ = account;
        unimplemented!()
    }
}

/// # Mailboxes
/// Names are UTF-8, made canonical by these operations themselves (NFC; INBOX in any case is `INBOX`), separator `/`.
impl Store {
    /// All mailboxes of an account, by name; superiors that do not exist are not in it.
    pub fn mailboxes(&self, account: AccountId) -> Vec<Arc<Mailbox>> {
        let _ = account;
        unimplemented!()
    }
    /// The mailbox of that name.
    pub fn mailbox(&self, account: AccountId, name: &str) -> Option<Arc<Mailbox>> {
        let _ = (account, name);
        unimplemented!()
    }
    /// The subscribed names, sorted; they need not exist (RFC 3501 §6.3.6).
    pub fn subscriptions(&self, account: AccountId) -> Vec<String> {
        let _ = account;
        unimplemented!()
    }
    /// Makes a mailbox, and its missing superiors. A trailing separator is ignored.
    pub async fn create_mailbox(
        &self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<Arc<Mailbox>, Error> {
        let _ = (account, name, special_use);
        unimplemented!()
    }
    /// Renames it and its inferiors. Renaming INBOX moves its messages into a new mailbox and leaves INBOX empty
    /// (RFC 3501 §6.3.5).
    pub async fn rename_mailbox(&self, account: AccountId, from: &str, to: &str) -> Result<(), Error> {
        let _ = (account, from, to);
        unimplemented!()
    }
    /// Deletes it with its messages; inferiors stay.
    pub async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), Error> {
        let _ = (account, name);
        unimplemented!()
    }
    /// Adds or removes a subscription.
    pub async fn set_subscribed(&self, account: AccountId, name: &str, subscribed: bool) -> Result<(), Error> {
        let _ = (account, name, subscribed);
        unimplemented!()
    }
    /// Brings its index into memory.
    pub async fn open_mailbox(&self, mailbox: &Arc<Mailbox>) -> Result<OpenMailbox, Error> {
        let _ = mailbox;
        unimplemented!()
    }
}

/// # Messages
impl Store {
    /// A body to be received.
    pub fn incoming(&self) -> Incoming {
        unimplemented!()
    }
    /// Stores a message once and places it in each of the mailboxes, in one commit.
    pub async fn deliver(&self, message: NewMessage, placements: Vec<Placement>) -> Result<Delivered, Error> {
        let _ = (message, placements);
        unimplemented!()
    }
    /// Copies those of `uids` that are there, with flags and INTERNALDATE.
    pub async fn copy(&self, from: &OpenMailbox, uids: &UidSet, to: &Arc<Mailbox>) -> Result<Copied, Error> {
        let _ = (from, uids, to);
        unimplemented!()
    }
    /// Moves those of `uids` that are there, in one commit (RFC 6851).
    pub async fn move_messages(&self, from: &OpenMailbox, uids: &UidSet, to: &Arc<Mailbox>) -> Result<Copied, Error> {
        let _ = (from, uids, to);
        unimplemented!()
    }
    /// Changes flags; with `unchanged_since`, only of messages whose mod-sequence is not above it.
    pub async fn change_flags(
        &self,
        mailbox: &OpenMailbox,
        uids: &UidSet,
        action: FlagAction,
        flags: FlagNames,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged, Error> {
        let _ = (mailbox, uids, action, flags, unchanged_since);
        unimplemented!()
    }
    /// Expunges those of `uids` that are there, whatever their flags; `only_deleted`: only those with `\Deleted`.
    pub async fn expunge(&self, mailbox: &OpenMailbox, uids: &UidSet, only_deleted: bool) -> Result<UidSet, Error> {
        let _ = (mailbox, uids, only_deleted);
        unimplemented!()
    }
    /// Takes for one session what no session was told as `\Recent`: returns the first such UID; all from there to UIDNEXT
    /// are this session's. Returns UIDNEXT when there are none.
    pub fn claim_recent(&self, mailbox: &OpenMailbox) -> Uid {
        let _ = mailbox;
        unimplemented!()
    }
    /// The whole body.
    pub async fn read_body(&self, body: BodyId) -> Result<Bytes, Error> {
        let _ = body;
        unimplemented!()
    }
    /// Some octets of a body: from `offset`, at most `len`, fewer at its end.
    pub async fn read_range(&self, body: BodyId, offset: u64, len: usize) -> Result<Bytes, Error> {
        let _ = (body, offset, len);
        unimplemented!()
    }
    /// What was found in the message when it came in, without opening the body; `None` where it could not be parsed.
    pub async fn read_summary(&self, body: BodyId) -> Result<Option<Arc<crate::message::Summary>>, Error> {
        let _ = body;
        unimplemented!()
    }
    /// Several summaries in one go, in the same order: the way for FETCH over many messages.
    pub async fn read_summaries(&self, bodies: &[BodyId]) -> Vec<Result<Option<Arc<crate::message::Summary>>, Error>> {
        let _ = bodies;
        unimplemented!()
    }
}
