//! Accounts: add, give new credentials, remove; and look up.

use std::sync::Arc;

use crate::store::committer::{Decider, Touches};
use crate::store::journal::record::{AddAccount, MailboxStep, MailboxesChange, Record};
use crate::store::special_use::CUSTOMARY_MAILBOXES;
use crate::store::{Account, AccountId, Credentials, Decided, Error, Store};

/// # Accounts
/// Names are canonical addresses here: see `auth::directory`.
impl Store {
    /// The account of that canonical name.
    pub fn account(&self, name: &str) -> Option<Arc<Account>> {
        self.inner.state.directory().account_named(name).map(|entry| Arc::clone(&entry.account))
    }

    /// The account with that id.
    pub fn account_by_id(&self, id: AccountId) -> Option<Arc<Account>> {
        self.inner.state.directory().account(id).map(|entry| Arc::clone(&entry.account))
    }

    /// All accounts, by name.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        let mut accounts: Vec<_> =
            self.inner.state.directory().accounts().map(|entry| Arc::clone(&entry.account)).collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        accounts
    }

    /// Makes an account and its INBOX, and where [`Options::special_mailboxes`](crate::store::Options::special_mailboxes) says so, the mailboxes that clients look
    /// for; all are subscribed. It is one commit, and the only one that makes them: what a user deletes stays deleted.
    ///
    /// Errors: [`Error::AccountExists`].
    pub async fn add_account(
        &self,
        name: &str,
        display_name: &str,
        credentials: Credentials,
    ) -> Result<Arc<Account>, Error> {
        let (name, display_name) = (name.to_owned(), display_name.to_owned());
        let id = self
            .commit(Touches::Everything, 0, move |decider| {
                if decider.inner.state.directory().account_named(&name).is_some() {
                    return Err(Error::AccountExists);
                }
                let account = decider.account_id();
                let mod_seq = 1;
                let add = AddAccount {
                    account,
                    name,
                    display_name,
                    credentials,
                    inbox: decider.mailbox_id(),
                    inbox_uid_validity: decider.uid_validity(),
                    mod_seq,
                };
                let record = match decider.inner.options.special_mailboxes {
                    true => {
                        let steps = special_mailboxes(decider);
                        Record::AddAccountWith(add, MailboxesChange { account, mod_seq, steps })
                    }
                    false => Record::AddAccount(add),
                };
                Ok(Decided::record(record, move |_| account))
            })
            .await?;
        self.account_by_id(id).ok_or(Error::NoSuchAccount)
    }

    /// Gives it new credentials.
    ///
    /// Errors: [`Error::NoSuchAccount`].
    pub async fn set_credentials(&self, account: AccountId, credentials: Credentials) -> Result<(), Error> {
        self.commit(Touches::Everything, 0, move |decider| {
            decider.inner.state.directory().account(account).ok_or(Error::NoSuchAccount)?;
            Ok(Decided::record(Record::SetCredentials(account, credentials), |_| ()))
        })
        .await
    }

    /// Removes it with all its mail.
    ///
    /// Errors: [`Error::NoSuchAccount`].
    pub async fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        // What its messages refer to is given free, so they are needed in memory.
        let mut open = Vec::new();
        for mailbox in self.mailboxes(account) {
            open.push(self.open_mailbox(&mailbox).await?);
        }
        self.commit(Touches::Everything, 0, move |decider| {
            decider.inner.state.directory().account(account).ok_or(Error::NoSuchAccount)?;
            Ok(Decided::record(Record::RemoveAccount(account), move |_| drop(open)))
        })
        .await
    }
}

/// The steps that make and subscribe the mailboxes that clients look for (RFC 6154 §2).
fn special_mailboxes(decider: &mut Decider<'_>) -> Vec<MailboxStep> {
    let mut steps = Vec::new();
    for (name, special_use) in CUSTOMARY_MAILBOXES {
        steps.push(MailboxStep::Create {
            mailbox: decider.mailbox_id(),
            name: name.to_owned(),
            uid_validity: decider.uid_validity(),
            special_use: Some(special_use),
        });
        steps.push(MailboxStep::Subscribe { name: name.to_owned() });
    }
    steps
}
