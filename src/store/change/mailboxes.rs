//! Mailboxes: create, rename, delete, subscribe; and look up (RFC 3501 §6.3.3 to §6.3.9).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::committer::{Decider, Touches};
use crate::store::journal::record::{MailboxStep, MailboxesChange, Record, References};
use crate::store::names::{INBOX, SEPARATOR, canonical_name, customary_use, is_inferior, superiors};
use crate::store::{
    AccountId, Decided, Error, Mailbox, MailboxId, Message, ModSeq, OpenMailbox, SpecialUse, Store, Uid, UidSet,
};

/// # Mailboxes
/// Names are UTF-8, made canonical by these operations themselves (NFC; INBOX in any case is `INBOX`), separator `/`.
impl Store {
    /// All mailboxes of an account, by name; superiors that do not exist are not in it.
    pub fn mailboxes(&self, account: AccountId) -> Vec<Arc<Mailbox>> {
        let directory = self.inner.state.directory();
        directory.account(account).map(|entry| entry.mailboxes.values().cloned().collect()).unwrap_or_default()
    }

    /// The mailbox of that name.
    pub fn mailbox(&self, account: AccountId, name: &str) -> Option<Arc<Mailbox>> {
        let name = canonical_name(name).ok()?;
        self.inner.state.directory().account(account)?.mailboxes.get(&name).cloned()
    }

    /// Whether there are mailboxes below that name, which need not be one itself.
    pub fn has_inferiors(&self, account: AccountId, name: &str) -> bool {
        let Ok(mut below) = canonical_name(name) else { return false };
        below.push(SEPARATOR);
        let directory = self.inner.state.directory();
        let inferior = directory.account(account).and_then(|entry| entry.mailboxes.range(below.clone()..).next());
        inferior.is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// Whether that name is subscribed.
    pub fn is_subscribed(&self, account: AccountId, name: &str) -> bool {
        let Ok(name) = canonical_name(name) else { return false };
        let directory = self.inner.state.directory();
        directory.account(account).is_some_and(|entry| entry.subscriptions.contains(&name))
    }

    /// The mailbox of the account with that id.
    pub fn mailbox_by_id(&self, account: AccountId, id: MailboxId) -> Option<Arc<Mailbox>> {
        let directory = self.inner.state.directory();
        directory.mailbox(id).filter(|mailbox| mailbox.account() == account).cloned()
    }

    /// The subscribed names, sorted; they need not exist (RFC 3501 §6.3.6).
    pub fn subscriptions(&self, account: AccountId) -> Vec<String> {
        let directory = self.inner.state.directory();
        directory.account(account).map(|entry| entry.subscriptions.iter().cloned().collect()).unwrap_or_default()
    }

    /// The account's mod-sequence: the highest that anything in it has.
    pub fn account_mod_seq(&self, account: AccountId) -> ModSeq {
        self.inner.state.directory().account(account).map_or(0, |entry| entry.highest_mod_seq)
    }

    /// Makes a mailbox, and its missing superiors (RFC 3501 §6.3.3). A trailing separator is ignored. Another mailbox that
    /// has the special use loses it. Without a special use it gets the one that its name says, if no other mailbox of the
    /// account has that use.
    ///
    /// Errors: [`Error::MailboxExists`] (INBOX always does), [`Error::BadName`], [`Error::SpecialUse`],
    /// [`Error::NoSuchAccount`].
    pub async fn create_mailbox(
        &self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<Arc<Mailbox>, Error> {
        let name = canonical_name(name.strip_suffix(SEPARATOR).unwrap_or(name))?;
        special_use.map_or(Ok(()), |special_use| special_use.check(&name))?;
        let id = self
            .commit(Touches::Everything, 0, move |decider| {
                let there = names(decider, account)?;
                if there.contains_key(&name) {
                    return Err(Error::MailboxExists);
                }
                let mut steps = create_superiors(decider, &there, &name);
                if let Some(special_use) = special_use {
                    let loses = |mailbox| MailboxStep::SetSpecialUse { mailbox, special_use: None };
                    steps.extend(with_use(decider, account, special_use).map(loses));
                }
                let special_use = special_use.or_else(|| free_customary_use(decider, account, &name));
                let mailbox = decider.mailbox_id();
                let uid_validity = decider.uid_validity();
                steps.push(MailboxStep::Create { mailbox, name, uid_validity, special_use });
                change(decider, account, steps, move || mailbox)
            })
            .await?;
        self.inner.state.directory().mailbox(id).cloned().ok_or(Error::NoSuchMailbox)
    }

    /// Renames it and its inferiors, making missing superiors of the new name. Renaming INBOX moves its messages into a new
    /// mailbox and leaves INBOX empty, and its inferiors where they are (RFC 3501 §6.3.5); its metadata is there twice then
    /// (RFC 5464 §4.1).
    ///
    /// Errors: [`Error::NoSuchMailbox`], [`Error::MailboxExists`], [`Error::BadName`], [`Error::TooMuchMetadata`].
    pub async fn rename_mailbox(&self, account: AccountId, from: &str, to: &str) -> Result<(), Error> {
        let from = canonical_name(from)?;
        let to = canonical_name(to.strip_suffix(SEPARATOR).unwrap_or(to))?;
        if from == INBOX {
            return self.rename_inbox(account, to).await;
        }
        self.commit(Touches::Everything, 0, move |decider| {
            let there = names(decider, account)?;
            if is_inferior(&to, &from) {
                return Err(Error::BadName("a mailbox can't become its own inferior"));
            }
            // A superior that does not exist itself is renamed by renaming what stands below it.
            let renamed: Vec<_> = there.iter().filter(|(name, _)| **name == from || is_inferior(name, &from)).collect();
            if renamed.is_empty() {
                return Err(Error::NoSuchMailbox);
            }
            if there.contains_key(&to) {
                return Err(Error::MailboxExists);
            }
            let mut steps = create_superiors(decider, &there, &to);
            for (old, (mailbox, old_uid_validity)) in renamed {
                let name = canonical_name(&format!("{to}{}", &old[from.len()..]))?;
                if there.contains_key(&name) {
                    return Err(Error::MailboxExists);
                }
                let used_before = {
                    let directory = decider.inner.state.directory();
                    directory.account(account).is_some_and(|entry| entry.used_names.contains(&name))
                };
                // A client may remember the UIDs that another mailbox had under this name.
                let uid_validity = if used_before { decider.uid_validity() } else { *old_uid_validity };
                steps.push(MailboxStep::Rename { mailbox: *mailbox, name, uid_validity });
            }
            change(decider, account, steps, || ())
        })
        .await
    }

    async fn rename_inbox(&self, account: AccountId, to: String) -> Result<(), Error> {
        let inbox = self.mailbox(account, INBOX).ok_or(Error::NoSuchAccount)?;
        let inbox = self.open_mailbox(&inbox).await?;
        self.commit(Touches::Everything, 0, move |decider| {
            let there = names(decider, account)?;
            if there.contains_key(&to) {
                return Err(Error::MailboxExists);
            }
            let fits = {
                let directory = decider.inner.state.directory();
                directory.metadata(account).is_none_or(|metadata| metadata.has_room_for_copy(inbox.id()))
            };
            if !fits {
                return Err(Error::TooMuchMetadata);
            }
            let mut steps = create_superiors(decider, &there, &to);
            let (target, uid_validity) = (decider.mailbox_id(), decider.uid_validity());
            let special_use = free_customary_use(decider, account, &to);
            steps.push(MailboxStep::Create { mailbox: target, name: to, uid_validity, special_use });
            let (mod_seq, unix_s) = (decider.mod_seq(account)?, decider.now_unix_s);
            let there = inbox.messages(&UidSet::range(1, Uid::MAX));
            let moved = there.iter().map(|message| message.uid).collect();
            let messages = (1..)
                .zip(there)
                .map(|(uid, message)| Message { uid, mod_seq, save_date_unix_s: unix_s, ..message })
                .collect();
            // The new mailbox takes the whole table, so that the flags stay as they are.
            let new_keywords = inbox.read().head.keywords.as_ref().clone();
            let change = MailboxesChange { account, mod_seq, steps };
            let from = inbox.id();
            let references = References { account, from, to: target, messages, new_keywords, moved, mod_seq, unix_s };
            Ok(Decided::record(Record::RenameInbox(change, references), move |_| drop(inbox)))
        })
        .await
    }

    /// Deletes it with its messages; inferiors stay.
    ///
    /// Errors: [`Error::NoSuchMailbox`], [`Error::IsInbox`], [`Error::BadName`].
    pub async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), Error> {
        let name = canonical_name(name)?;
        if name == INBOX {
            return Err(Error::IsInbox);
        }
        let mailbox = self.mailbox(account, &name).ok_or(Error::NoSuchMailbox)?;
        // What its messages refer to is given free, so they are needed in memory.
        let open = self.open_mailbox(&mailbox).await?;
        self.commit(Touches::Everything, 0, move |decider| {
            if open.read().gone || open.read().head.name != name {
                return Err(Error::NoSuchMailbox);
            }
            let steps = vec![MailboxStep::Delete { mailbox: open.id() }];
            change(decider, account, steps, move || drop(open))
        })
        .await
    }

    /// Adds or removes a subscription; both are fine when it is so already (RFC 3501 §6.3.6, §6.3.7).
    ///
    /// Errors: [`Error::BadName`], [`Error::NoSuchAccount`].
    pub async fn set_subscribed(&self, account: AccountId, name: &str, subscribed: bool) -> Result<(), Error> {
        let name = canonical_name(name)?;
        self.commit(Touches::Everything, 0, move |decider| {
            let is = {
                let directory = decider.inner.state.directory();
                directory.account(account).ok_or(Error::NoSuchAccount)?.subscriptions.contains(&name)
            };
            if is == subscribed {
                return Ok(Decided::Nothing(()));
            }
            let step = if subscribed { MailboxStep::Subscribe { name } } else { MailboxStep::Unsubscribe { name } };
            change(decider, account, vec![step], || ())
        })
        .await
    }

    /// Brings its messages into memory, for as long as the returned handle or a clone of it lives.
    ///
    /// Errors: [`Error::NoSuchMailbox`] when it has been deleted, [`Error::Read`].
    pub async fn open_mailbox(&self, mailbox: &Arc<Mailbox>) -> Result<OpenMailbox, Error> {
        let open = OpenMailbox::pin(mailbox);
        let (loaded, gone) = {
            let data = open.read();
            (data.messages.is_some(), data.gone)
        };
        if gone {
            return Err(Error::NoSuchMailbox);
        }
        if !loaded {
            let (inner, mailbox) = (Arc::clone(&self.inner), Arc::clone(mailbox));
            tokio::task::spawn_blocking(move || inner.state.load_messages(&mailbox))
                .await
                .map_err(|error| Error::Read(error.to_string()))??;
        }
        Ok(open)
    }
}

/// The use that the name says, if no mailbox of the account has it.
fn free_customary_use(decider: &Decider<'_>, account: AccountId, name: &str) -> Option<SpecialUse> {
    let special_use = customary_use(name)?;
    with_use(decider, account, special_use).is_none().then_some(special_use)
}

/// The mailbox of the account that has this use.
pub(super) fn with_use(decider: &Decider<'_>, account: AccountId, special_use: SpecialUse) -> Option<MailboxId> {
    let directory = decider.inner.state.directory();
    let mut mailboxes = directory.account(account)?.mailboxes.values();
    mailboxes.find(|mailbox| mailbox.read().head.special_use == Some(special_use)).map(|mailbox| mailbox.id())
}

/// The account's mailboxes by name, with their UIDVALIDITY.
fn names(decider: &Decider<'_>, account: AccountId) -> Result<BTreeMap<String, (MailboxId, u32)>, Error> {
    let directory = decider.inner.state.directory();
    let entry = directory.account(account).ok_or(Error::NoSuchAccount)?;
    let with_validity = entry.mailboxes.iter();
    Ok(with_validity.map(|(name, mailbox)| (name.clone(), (mailbox.id(), mailbox.read().head.uid_validity))).collect())
}

fn create_superiors(
    decider: &mut Decider<'_>,
    there: &BTreeMap<String, (MailboxId, u32)>,
    name: &str,
) -> Vec<MailboxStep> {
    superiors(name)
        .filter(|superior| !there.contains_key(*superior))
        .map(|superior| MailboxStep::Create {
            mailbox: decider.mailbox_id(),
            name: superior.to_owned(),
            uid_validity: decider.uid_validity(),
            special_use: None,
        })
        .collect()
}

fn change<T: Send + 'static>(
    decider: &mut Decider<'_>,
    account: AccountId,
    steps: Vec<MailboxStep>,
    answer: impl FnOnce() -> T + Send + 'static,
) -> Result<Decided<T>, Error> {
    let mod_seq = decider.mod_seq(account)?;
    Ok(Decided::record(Record::Mailboxes(MailboxesChange { account, mod_seq, steps }), move |_| answer()))
}
