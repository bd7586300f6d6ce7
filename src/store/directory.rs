//! Who and what there is: accounts and their mailboxes, by name and id. Always in memory, all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::journal::record::{AccountState, Counters, StoreState};
use super::mailbox::Mailbox;
use super::metadata::Metadata;
use super::touched::Touched;
use super::{Account, AccountId, Alias, MailboxId, ModSeq, Quota, Usage};

/// Accounts and mailboxes by name and id.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    accounts: HashMap<AccountId, AccountEntry>,
    by_name: HashMap<String, AccountId>,
    mailboxes: HashMap<MailboxId, Arc<Mailbox>>,
    /// Apart from the accounts, since in a rebuild an account's own record may come later.
    metadata: HashMap<AccountId, Metadata>,
    /// Limits of those who have their own; apart for the same reason.
    quotas: HashMap<AccountId, Quota>,
    /// Scripts for mail that comes in; apart for the same reason.
    scripts: HashMap<AccountId, Arc<str>>,
    aliases: BTreeMap<String, Arc<Alias>>,
    pub(crate) counters: Counters,
}

/// An account with all that belongs to it.
#[derive(Debug)]
pub(crate) struct AccountEntry {
    pub(crate) account: Arc<Account>,
    pub(crate) mailboxes: BTreeMap<String, Arc<Mailbox>>,
    pub(crate) subscriptions: BTreeSet<String>,
    pub(crate) used_names: BTreeSet<String>,
    pub(crate) highest_mod_seq: ModSeq,
    pub(crate) touched: Touched,
}

impl AccountEntry {
    pub(crate) fn record(&self) -> AccountState {
        AccountState {
            account: self.account.id,
            name: self.account.name.clone(),
            display_name: self.account.display_name.clone(),
            credentials: self.account.credentials.clone(),
            subscriptions: self.subscriptions.iter().cloned().collect(),
            used_names: self.used_names.iter().cloned().collect(),
            highest_mod_seq: self.highest_mod_seq,
        }
    }
}

impl Directory {
    /// Nobody and nothing yet, with the numbers that were given out.
    pub(crate) fn new(counters: Counters) -> Directory {
        Directory { counters, ..Directory::default() }
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&AccountEntry> {
        self.accounts.get(&id)
    }

    pub(crate) fn account_named(&self, name: &str) -> Option<&AccountEntry> {
        self.accounts.get(self.by_name.get(name)?)
    }

    pub(crate) fn account_mut(&mut self, id: AccountId) -> Option<&mut AccountEntry> {
        self.accounts.get_mut(&id)
    }

    pub(crate) fn accounts(&self) -> impl Iterator<Item = &AccountEntry> {
        self.accounts.values()
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Option<&Arc<Mailbox>> {
        self.mailboxes.get(&id)
    }

    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.mailboxes.values()
    }

    /// The accounts and mailboxes that `state` does not name.
    pub(crate) fn not_in(&self, state: &StoreState) -> (Vec<AccountId>, Vec<MailboxId>) {
        let accounts: HashSet<_> = state.accounts.iter().collect();
        let mailboxes: HashSet<_> = state.mailboxes.iter().collect();
        (
            self.accounts.keys().filter(|id| !accounts.contains(id)).copied().collect(),
            self.mailboxes.keys().filter(|id| !mailboxes.contains(id)).copied().collect(),
        )
    }

    /// The record that says what there is.
    pub(crate) fn record(&self) -> StoreState {
        let mut accounts: Vec<_> = self.accounts.keys().copied().collect();
        let mut mailboxes: Vec<_> = self.mailboxes.keys().copied().collect();
        accounts.sort_unstable();
        mailboxes.sort_unstable();
        StoreState { accounts, mailboxes, counters: self.counters }
    }

    pub(crate) fn add_account(&mut self, state: AccountState) {
        let account = Arc::new(Account {
            id: state.account,
            name: state.name,
            display_name: state.display_name,
            credentials: state.credentials,
        });
        self.counters.account = self.counters.account.max(account.id.0);
        self.by_name.insert(account.name.clone(), account.id);
        let entry = AccountEntry {
            mailboxes: BTreeMap::new(),
            subscriptions: state.subscriptions.into_iter().collect(),
            used_names: state.used_names.into_iter().collect(),
            highest_mod_seq: state.highest_mod_seq,
            touched: Touched::new(state.highest_mod_seq),
            account,
        };
        // The state of an account that is there: its mailboxes stay, and whoever watches it goes on.
        let entry = match self.accounts.remove(&entry.account.id) {
            Some(AccountEntry { mailboxes, touched, .. }) => AccountEntry { mailboxes, touched, ..entry },
            None => entry,
        };
        self.accounts.insert(entry.account.id, entry);
    }

    /// Removes an account; the name may be another account's by now.
    pub(crate) fn remove_account(&mut self, id: AccountId) {
        self.metadata.remove(&id);
        self.quotas.remove(&id);
        self.scripts.remove(&id);
        if let Some(entry) = self.accounts.remove(&id)
            && self.by_name.get(&entry.account.name) == Some(&id)
        {
            self.by_name.remove(&entry.account.name);
        }
    }

    /// Adds a mailbox. In a rebuild its account may still be unknown: [`Directory::name_mailboxes`] follows.
    pub(crate) fn add_mailbox(&mut self, mailbox: Arc<Mailbox>) {
        let (name, uid_validity) = {
            let data = mailbox.read();
            (data.head.name.clone(), data.head.uid_validity)
        };
        self.counters.mailbox = self.counters.mailbox.max(mailbox.id().0);
        self.counters.uid_validity = self.counters.uid_validity.max(uid_validity);
        if let Some(entry) = self.accounts.get_mut(&mailbox.account()) {
            entry.mailboxes.insert(name, Arc::clone(&mailbox));
        }
        self.mailboxes.insert(mailbox.id(), mailbox);
    }

    /// Finds for each mailbox its name in its account, once all records of a rebuild were applied: before, the account's
    /// record may have come later than the mailbox's, and names may have been given again before it was known that they
    /// are free. Returns the mailboxes whose account is not there.
    pub(crate) fn name_mailboxes(&mut self) -> Vec<MailboxId> {
        for entry in self.accounts.values_mut() {
            entry.mailboxes.clear();
        }
        let mut without_account = Vec::new();
        for (id, mailbox) in &self.mailboxes {
            match self.accounts.get_mut(&mailbox.account()) {
                Some(entry) => {
                    entry.mailboxes.insert(mailbox.read().head.name.clone(), Arc::clone(mailbox));
                }
                None => without_account.push(*id),
            }
        }
        without_account
    }

    /// The limits that are an account's own.
    pub(crate) fn quota(&self, account: AccountId) -> Option<Quota> {
        self.quotas.get(&account).copied()
    }

    /// All limits that are an account's own.
    pub(crate) fn quotas(&self) -> impl Iterator<Item = (AccountId, Quota)> {
        self.quotas.iter().map(|(account, quota)| (*account, *quota))
    }

    pub(crate) fn set_quota(&mut self, account: AccountId, quota: Option<Quota>) {
        match quota {
            Some(quota) => self.quotas.insert(account, quota),
            None => self.quotas.remove(&account),
        };
    }

    /// An account's script.
    pub(crate) fn script(&self, account: AccountId) -> Option<Arc<str>> {
        self.scripts.get(&account).cloned()
    }

    /// All scripts.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (AccountId, &Arc<str>)> {
        self.scripts.iter().map(|(account, script)| (*account, script))
    }

    pub(crate) fn set_script(&mut self, account: AccountId, script: Option<Arc<str>>) {
        match script {
            Some(script) => self.scripts.insert(account, script),
            None => self.scripts.remove(&account),
        };
    }

    pub(crate) fn alias(&self, name: &str) -> Option<&Arc<Alias>> {
        self.aliases.get(name)
    }

    /// All aliases, by name.
    pub(crate) fn aliases(&self) -> &BTreeMap<String, Arc<Alias>> {
        &self.aliases
    }

    pub(crate) fn set_alias(&mut self, name: String, alias: Option<Alias>) {
        match alias {
            Some(alias) => self.aliases.insert(name, Arc::new(alias)),
            None => self.aliases.remove(&name),
        };
    }

    /// What an account holds.
    pub(crate) fn usage(&self, account: AccountId) -> Usage {
        let mailboxes = self.accounts.get(&account).map(|entry| entry.mailboxes.values());
        mailboxes.into_iter().flatten().fold(Usage::default(), |sum, mailbox| {
            let data = mailbox.read();
            sum.plus(Usage { octets: data.head.octets, messages: u64::from(data.head.exists) })
        })
    }

    /// An account's metadata; `None`: it never had any.
    pub(crate) fn metadata(&self, account: AccountId) -> Option<&Metadata> {
        self.metadata.get(&account)
    }

    /// An account's metadata, to be changed.
    pub(crate) fn metadata_mut(&mut self, account: AccountId) -> &mut Metadata {
        self.metadata.entry(account).or_default()
    }

    pub(crate) fn all_metadata(&self) -> impl Iterator<Item = (AccountId, &Metadata)> {
        self.metadata.iter().map(|(account, metadata)| (*account, metadata))
    }

    pub(crate) fn set_metadata(&mut self, account: AccountId, metadata: Metadata) {
        self.metadata.insert(account, metadata);
    }

    /// A mailbox was deleted.
    pub(crate) fn remove_metadata_of(&mut self, account: AccountId, mailbox: MailboxId) {
        if let Some(metadata) = self.metadata.get_mut(&account) {
            metadata.remove_mailbox(mailbox);
        }
    }

    /// Drops metadata, limits and scripts of accounts and mailboxes that are not there, once all records of a rebuild were applied: the
    /// records that removed them may be gone.
    pub(crate) fn retain_metadata(&mut self) {
        let Directory { accounts, mailboxes, metadata, quotas, scripts, .. } = self;
        scripts.retain(|account, _| accounts.contains_key(account));
        quotas.retain(|account, _| accounts.contains_key(account));
        metadata.retain(|account, _| accounts.contains_key(account));
        for of_account in metadata.values_mut() {
            of_account.retain(|mailbox| mailboxes.contains_key(&mailbox));
        }
    }

    pub(crate) fn remove_mailbox(&mut self, id: MailboxId) -> Option<Arc<Mailbox>> {
        let mailbox = self.mailboxes.remove(&id)?;
        let name = mailbox.read().head.name.clone();
        if let Some(entry) = self.accounts.get_mut(&mailbox.account()) {
            // In a rebuild another mailbox may have the name already, or this one may not be named yet.
            if entry.mailboxes.get(&name).is_some_and(|there| there.id() == id) {
                entry.mailboxes.remove(&name);
            }
            entry.used_names.insert(name);
        }
        Some(mailbox)
    }

    /// What those who watch the account are told to look at; before its mod-sequence counts.
    pub(crate) fn touched(&mut self, account: AccountId, touch: impl FnOnce(&mut Touched)) {
        if let Some(entry) = self.accounts.get_mut(&account) {
            touch(&mut entry.touched);
        }
    }

    pub(crate) fn count_mod_seq(&mut self, account: AccountId, mod_seq: ModSeq) {
        if let Some(entry) = self.accounts.get_mut(&account) {
            entry.highest_mod_seq = entry.highest_mod_seq.max(mod_seq);
        }
    }
}
