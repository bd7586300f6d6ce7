//! Which addresses are ours, and whose.
//!
//! Spelling is settled by [`address`](super::address); here it is decided whether a canonical address is an account.
//! Two rules for names without a domain: as a recipient only `postmaster` may come so (RFC 5321 §4.1.1.3), and is the
//! first of our domains that has one; at login a bare name is completed where there is one domain to complete it with.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::address::{Address, BadAddress, canonical_domain};
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
    /// A directory over `store`.
    pub fn new(store: Store, membership: Membership) -> Self {
        Self { store, membership, making: Arc::default() }
    }

    /// Those who get what is sent to `local_part` at `domain`, at least one; an account is made where membership is open. The
    /// local part is written as in an address, in quotes where it needs them.
    /// An empty domain is a bare name (`postmaster`, or dev's `alice`).
    pub async fn addressees(&self, local_part: &str, domain: &str) -> Result<Vec<Addressee>, Unknown> {
        Ok(vec![self.addressee(local_part, domain).await?])
    }

    /// The account that `local_part` at `domain` belongs to, `+detail` cut off; made where membership is open.
    pub async fn resolve(&self, local_part: &str, domain: &str) -> Result<Arc<Account>, Unknown> {
        Ok(self.addressee(local_part, domain).await?.account)
    }

    async fn addressee(&self, local_part: &str, domain: &str) -> Result<Addressee, Unknown> {
        match &self.membership {
            Membership::Open { max_accounts } => {
                let domain = if domain.is_empty() { DEV_DOMAIN } else { domain };
                let address = Address::new(local_part, domain)?;
                let account = self.find_or_make(&address, *max_accounts).await?;
                Ok(Addressee { account, detail: address.detail })
            }
            Membership::Closed { domains } if domain.is_empty() => {
                if !local_part.eq_ignore_ascii_case(POSTMASTER) {
                    return Err(Unknown::Domain);
                }
                let found = domains.iter().find_map(|domain| self.store.account(&format!("{POSTMASTER}@{domain}")));
                Ok(Addressee { account: found.ok_or(Unknown::User)?, detail: None })
            }
            Membership::Closed { domains } => {
                // The domain first: whoever asks about a foreign one learns nothing about our users.
                if !domains.contains(&canonical_domain(domain)?) {
                    return Err(Unknown::Domain);
                }
                let address = Address::new(local_part, domain)?;
                let account = self.store.account(&address.name).ok_or(Unknown::User)?;
                Ok(Addressee { account, detail: address.detail })
            }
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
        Address::new(local_part, domain).ok().map(|address| address.name)
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
