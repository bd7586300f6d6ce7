//! Which addresses are ours, and whose.
//!
//! Spelling is settled by [`address`](super::address); here it is decided whether a canonical address is an account.
//! What it leads to otherwise (aliases, catch-alls) is [`resolution`](super::resolution)'s to find.
//! Two rules for names without a domain: as a recipient only `postmaster` may come so (RFC 5321 §4.1.1.3), and is the
//! first of our domains that has one; at login a bare name is completed where there is one domain to complete it with.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::address::{Address, BadAddress, canonical_domain};
use super::resolution::{Meaning, Rules, meaning};
use crate::store::{self, Account, Credentials, Store};

/// How many accounts may come into being in `dev`: enough for any experiment, and a stop for a runaway one.
pub const DEV_ACCOUNTS_MAX: usize = 10_000;

/// Where a bare name lives in `dev`.
const DEV_DOMAIN: &str = "localhost";

/// The one mailbox that every SMTP server knows without a domain (RFC 5321 §4.5.1).
const POSTMASTER: &str = "postmaster";

/// Which accounts there are.
#[derive(Clone, Debug)]
pub enum Membership {
    /// `dev`: any address makes its account, up to a number; a bare name is at `localhost`.
    Open {
        /// How many accounts the store may hold before no more are made: [`DEV_ACCOUNTS_MAX`].
        max_accounts: usize,
    },
    /// `serve`: only accounts that were added, in these domains.
    Closed {
        /// The domains as A-labels in lower case: what [`canonical_domain`] returns.
        domains: Vec<String>,
    },
}

/// Finds the account of an address. Clones are the same directory.
#[derive(Clone, Debug)]
pub struct Directory {
    store: Store,
    membership: Membership,
    rules: Arc<Rules>,
    /// Held while an account is made, so that racing deliveries to a new address make one account and the number of
    /// accounts is never passed.
    making: Arc<Mutex<()>>,
}

/// Who gets what is sent to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Whose it is.
    pub account: Arc<Account>,
    /// What the address had behind its separator (RFC 5233), as given: for filing.
    pub detail: Option<String>,
}

/// Why an address is nobody's here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Its domain is not ours, or none at all: 550 5.7.1, relaying denied.
    Domain,
    /// We have no such user: 550 5.1.1.
    User,
    /// It can't be said now, or no more accounts are made; the text says why: 451 4.3.0.
    Unavailable(String),
}

/// Whose an address is, seen from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Mail for it comes to that account.
    Own,
    /// Its domain is ours, and it is somebody else's or nobody's.
    OfAnother,
    /// Its domain is none of ours.
    Foreign,
}

impl From<BadAddress> for Unknown {
    fn from(bad: BadAddress) -> Self {
        match bad {
            BadAddress::LocalPart => Unknown::User,
            BadAddress::Domain => Unknown::Domain,
        }
    }
}

impl Directory {
    /// A directory over `store`, with the common rules.
    pub fn new(store: Store, membership: Membership) -> Self {
        Self { store, membership, rules: Arc::default(), making: Arc::default() }
    }

    /// The same with other rules.
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    /// Those who get what is sent to `local_part` at `domain`, at least one; accounts are made where membership is open. The
    /// local part is written as in an address, in quotes where it needs them.
    /// An empty domain is a bare name (`postmaster`, or dev's `alice`).
    pub async fn addressees(&self, local_part: &str, domain: &str) -> Result<Vec<Addressee>, Unknown> {
        match &self.membership {
            Membership::Open { .. } if domain.is_empty() => self.followed(local_part, DEV_DOMAIN).await,
            Membership::Closed { domains } if domain.is_empty() => {
                if !local_part.eq_ignore_ascii_case(POSTMASTER) {
                    return Err(Unknown::Domain);
                }
                for domain in domains {
                    match self.followed(POSTMASTER, domain).await {
                        Err(Unknown::User) => {}
                        found => return found,
                    }
                }
                Err(Unknown::User)
            }
            // The domain first: whoever asks about a foreign one learns nothing about our users.
            Membership::Closed { domains } if !domains.contains(&canonical_domain(domain)?) => Err(Unknown::Domain),
            Membership::Open { .. } | Membership::Closed { .. } => self.followed(local_part, domain).await,
        }
    }

    async fn followed(&self, local_part: &str, domain: &str) -> Result<Vec<Addressee>, Unknown> {
        let Meaning { accounts, nobody, troubles } = meaning(&self.store, &self.rules, local_part, domain)?;
        if let Some(trouble) = troubles.first() {
            tracing::error!(local_part, domain, %trouble, "mail waits, since an alias can't be followed");
            return Err(Unknown::Unavailable(trouble.to_string()));
        }
        let mut addressees = Vec::with_capacity(accounts.len() + nobody.len());
        for (name, detail) in accounts {
            // It may be removed at this very moment.
            if let Some(account) = self.store.account(&name) {
                addressees.push(Addressee { account, detail });
            }
        }
        for address in nobody {
            match &self.membership {
                Membership::Open { max_accounts } => {
                    let account = self.find_or_make(&address, *max_accounts).await?;
                    addressees.push(Addressee { account, detail: address.detail });
                }
                Membership::Closed { .. } => {
                    tracing::debug!(address = address.name, "nobody's");
                }
            }
        }
        if addressees.is_empty() { Err(Unknown::User) } else { Ok(addressees) }
    }

    /// The account that `local_part` at `domain` is the name of, whether with its detail or without; made where membership
    /// is open. An alias is no name of an account: nobody logs in by one.
    pub async fn resolve(&self, local_part: &str, domain: &str) -> Result<Arc<Account>, Unknown> {
        let domain = if domain.is_empty() { DEV_DOMAIN } else { domain };
        if let Membership::Closed { domains } = &self.membership
            && !domains.contains(&canonical_domain(domain)?)
        {
            return Err(Unknown::Domain);
        }
        let whole = Address::with_separators(local_part, domain, "")?;
        let cut = Address::with_separators(local_part, domain, &self.rules.separators)?;
        match [&whole, &cut].into_iter().find_map(|address| self.store.account(&address.name)) {
            Some(account) => Ok(account),
            None if [&whole, &cut].into_iter().any(|address| self.store.alias(&address.name).is_some()) => {
                Err(Unknown::User)
            }
            None => match self.membership {
                Membership::Open { max_accounts } => self.find_or_make(&cut, max_accounts).await,
                Membership::Closed { .. } => Err(Unknown::User),
            },
        }
    }

    /// The account whose owner logs in as `name`, which is an address or, where there is one domain, a local part;
    /// made where membership is open.
    pub async fn resolve_login(&self, name: &str) -> Result<Arc<Account>, Unknown> {
        let (local_part, domain) = self.split_login(name);
        if domain.is_empty() && matches!(self.membership, Membership::Closed { .. }) {
            return Err(Unknown::User);
        }
        self.resolve(local_part, domain).await
    }

    /// The characters any of which separates a user from its detail.
    pub fn separators(&self) -> &str {
        &self.rules.separators
    }

    /// Whether any address makes its account: then there is no foreign one.
    pub fn is_open(&self) -> bool {
        matches!(self.membership, Membership::Open { .. })
    }

    /// Whose an address is, seen from `account`. In `dev` everybody is whoever they say. Errs where it can't be said now.
    pub async fn ownership(&self, account: &str, local_part: &str, domain: &str) -> Result<Ownership, Unknown> {
        if self.is_open() {
            return Ok(Ownership::Own);
        }
        match self.addressees(local_part, domain).await {
            Ok(owners) if owners.iter().any(|owner| owner.account.name == account) => Ok(Ownership::Own),
            Ok(_) | Err(Unknown::User) => Ok(Ownership::OfAnother),
            Err(Unknown::Domain) => Ok(Ownership::Foreign),
            Err(unavailable) => Err(unavailable),
        }
    }

    /// A secret of the store: see [`Store::secret`].
    pub(super) fn secret(&self, purpose: &str) -> [u8; 32] {
        self.store.secret(purpose)
    }

    /// The canonical address that somebody who logs in as `name` means, whether there is such an account or not.
    pub(super) fn canonical_login(&self, name: &str) -> Option<String> {
        let (local_part, domain) = self.split_login(name);
        let domain = if domain.is_empty() { DEV_DOMAIN } else { domain };
        let named = |separators| Address::with_separators(local_part, domain, separators).map(|address| address.name);
        // An account of just this name comes first, as it does when the address is resolved.
        match named("") {
            Ok(whole) if self.store.account(&whole).is_some() => Some(whole),
            _ => named(&self.rules.separators).ok(),
        }
    }

    fn split_login<'a>(&'a self, name: &'a str) -> (&'a str, &'a str) {
        match (name.rsplit_once('@'), &self.membership) {
            (Some(parts), _) => parts,
            (None, Membership::Closed { domains }) if domains.len() == 1 => (name, &domains[0]),
            (None, _) => (name, ""),
        }
    }

    async fn find_or_make(&self, address: &Address, max_accounts: usize) -> Result<Arc<Account>, Unknown> {
        if let Some(account) = self.store.account(&address.name) {
            return Ok(account);
        }
        let _making = self.making.lock().await;
        if let Some(account) = self.store.account(&address.name) {
            return Ok(account);
        }
        if self.store.accounts().len() >= max_accounts {
            return Err(Unknown::Unavailable(format!("no more than {max_accounts} accounts are made here")));
        }
        let no_password = Credentials { password_hash: String::new(), scram_sha_256: None };
        match self.store.add_account(&address.name, &address.display_name, no_password).await {
            Ok(account) => Ok(account),
            // `account add` through the control socket was faster.
            Err(store::Error::AccountExists) => self.store.account(&address.name).ok_or(Unknown::User),
            Err(error) => Err(Unknown::Unavailable(error.to_string())),
        }
    }
}
