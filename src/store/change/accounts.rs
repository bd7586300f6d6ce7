//! Accounts: add, give new credentials, remove; and look up.

use std::sync::Arc;

use crate::store::committer::Touches;
use crate::store::journal::record::{AddAccount, Record};
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

    /// Makes an account and its INBOX, which is subscribed.
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
                let record = Record::AddAccount(AddAccount {
                    account,
                    name,
                    display_name,
                    credentials,
                    inbox: decider.mailbox_id(),
                    inbox_uid_validity: decider.uid_validity(),
                    mod_seq: 1,
                });
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
