//! Metadata: set, remove and read; and what changed (RFC 5464).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::committer::{Decider, Touches};
use crate::store::journal::record::{Record, SetMetadata};
use crate::store::metadata::{METADATA_NAME_MAX, METADATA_VALUE_MAX, Metadata, SPECIAL_USE_ENTRY};
use crate::store::{AccountId, Decided, Error, MailboxId, MetadataChanges, ModSeq, SpecialUse, Store};

/// An entry's name and its value; without one it is removed.
type Setting = (String, Option<Vec<u8>>);

/// # Metadata
/// Entries have names in any case, and are kept by their names in lower case. Without a mailbox they are the account's own:
/// what RFC 5464 calls the server's is different for each account, since accounts share nothing. Each change takes a
/// mod-sequence of the account, and rings its bell and the mailbox's, whose HIGHESTMODSEQ counts on (RFC 7162 §3.2).
impl Store {
    /// All entries of a mailbox, or of the account itself, by name; [`SPECIAL_USE_ENTRY`] among them, where the mailbox is
    /// for something.
    pub fn metadata(&self, account: AccountId, mailbox: Option<MailboxId>) -> Vec<(String, Arc<[u8]>)> {
        let directory = self.inner.state.directory();
        let stored = directory.metadata(account).into_iter().flat_map(|metadata| metadata.of(mailbox));
        let mut entries: BTreeMap<String, Arc<[u8]>> =
            stored.map(|(name, value)| (name.to_owned(), Arc::clone(value))).collect();
        let mailbox = mailbox.and_then(|mailbox| directory.mailbox(mailbox));
        if let Some(special_use) = mailbox.and_then(|mailbox| mailbox.read().head.special_use) {
            entries.insert(SPECIAL_USE_ENTRY.to_owned(), special_use.name().as_bytes().into());
        }
        entries.into_iter().collect()
    }

    /// What changed in an account after a mod-sequence, in the order of the changes, each entry once; removed entries too,
    /// but of those only the last thousand: [`MetadataChanges::history_lost`] says whether there were more. What was at a
    /// deleted mailbox is not told.
    pub fn metadata_changes_since(&self, account: AccountId, mod_seq: ModSeq) -> MetadataChanges {
        let directory = self.inner.state.directory();
        directory.metadata(account).map(|metadata| metadata.changes_since(mod_seq)).unwrap_or_default()
    }

    /// Sets entries, and removes those without a value: all of them or, after an error, none. Returns the mod-sequence of
    /// the change; `None` where all was so already.
    ///
    /// Errors: [`Error::MetadataTooLarge`], [`Error::MetadataNameTooLong`], [`Error::TooMuchMetadata`],
    /// [`Error::SpecialUse`], [`Error::NoSuchMailbox`], [`Error::NoSuchAccount`].
    pub async fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: Vec<Setting>,
    ) -> Result<Option<ModSeq>, Error> {
        let mut settings: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for (name, value) in entries {
            if name.len() > METADATA_NAME_MAX {
                return Err(Error::MetadataNameTooLong { limit: METADATA_NAME_MAX });
            }
            if value.as_ref().is_some_and(|value| value.len() > METADATA_VALUE_MAX) {
                return Err(Error::MetadataTooLarge { limit: METADATA_VALUE_MAX });
            }
            // An entry that is named twice gets its last value.
            settings.insert(name.to_ascii_lowercase(), value);
        }
        self.commit(Touches::Everything, 0, move |decider| decide(decider, account, mailbox, settings)).await
    }
}

fn decide(
    decider: &mut Decider<'_>,
    account: AccountId,
    mailbox: Option<MailboxId>,
    mut settings: BTreeMap<String, Option<Vec<u8>>>,
) -> Result<Decided<Option<ModSeq>>, Error> {
    let mut uses = Vec::new();
    if let Some(mailbox) = mailbox {
        name_of(decider, account, mailbox)?;
        if let Some(value) = settings.remove(SPECIAL_USE_ENTRY) {
            uses = uses_changed(decider, account, mailbox, value.as_deref())?;
        }
    }
    {
        let directory = decider.inner.state.directory();
        let none = Metadata::default();
        let metadata = directory.metadata(account).unwrap_or(&none);
        let there: BTreeMap<&str, &Arc<[u8]>> = metadata.of(mailbox).collect();
        settings.retain(|name, value| value.as_deref() != there.get(name.as_str()).map(|value| value.as_ref()));
        let set = settings.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        if !metadata.has_room(mailbox, &set) {
            return Err(Error::TooMuchMetadata);
        }
    }
    if settings.is_empty() && uses.is_empty() {
        return Ok(Decided::Nothing(None));
    }
    let mod_seq = decider.mod_seq(account)?;
    let entries = settings.into_iter().collect();
    let record = Record::SetMetadata(SetMetadata { account, mailbox, mod_seq, entries, uses });
    Ok(Decided::record(record, move |_| Some(mod_seq)))
}

/// What mailboxes are for when this one is given what the value of [`SPECIAL_USE_ENTRY`] says.
fn uses_changed(
    decider: &Decider<'_>,
    account: AccountId,
    mailbox: MailboxId,
    value: Option<&[u8]>,
) -> Result<Vec<(MailboxId, Option<SpecialUse>)>, Error> {
    let names = std::str::from_utf8(value.unwrap_or_default()).map_err(|_| Error::SpecialUse("it is no text"))?;
    let special_use = SpecialUse::from_names(names.split(' ').filter(|name| !name.is_empty()))?;
    let (name, before) = name_of(decider, account, mailbox)?;
    if special_use == before {
        return Ok(Vec::new());
    }
    let mut uses = Vec::new();
    if let Some(special_use) = special_use {
        special_use.check(&name)?;
        uses.extend(super::mailboxes::with_use(decider, account, special_use).map(|loses| (loses, None)));
    }
    uses.push((mailbox, special_use));
    Ok(uses)
}

/// A mailbox's name and what it is for.
fn name_of(
    decider: &Decider<'_>,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<(String, Option<SpecialUse>), Error> {
    let directory = decider.inner.state.directory();
    let mailbox = directory.mailbox(mailbox).filter(|mailbox| mailbox.account() == account);
    let data = mailbox.ok_or(Error::NoSuchMailbox)?.read();
    Ok((data.head.name.clone(), data.head.special_use))
}
