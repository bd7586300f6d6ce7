//! Which addresses are ours, and whose.

use std::sync::Arc;

use crate::store::{Account, Store};

/// Which accounts there are.
#[derive(Clone, Debug)]
pub enum Membership {
    /// `dev`: any address makes its account, up to a number; a bare name is at `localhost`.
    Open {
        /// How many accounts may come into being.
        max_accounts: usize,
    },
    /// `serve`: only accounts that were added, in these domains (A-labels).
    Closed {
        /// The domains.
        domains: Vec<String>,
    },
}

/// Finds the account of an address.
#[derive(Clone, Debug)]
pub struct Directory {
    store: Store,
    membership: Membership,
}

/// Why an address is nobody's here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Its domain is not ours: 550 5.7.1, relaying denied.
    Domain,
    /// We have no such user: 550 5.1.1.
    User,
    /// `dev`'s number of accounts is used up: 452 4.2.2... or a store error: 451.
    Unavailable(String),
}

impl Directory {
    /// A directory over `store`.
    pub fn new(store: Store, membership: Membership) -> Self {
        Self { store, membership }
    }
    /// The account that `local_part` at `domain` belongs to, `+detail` cut off; made where membership is open.
    /// An empty domain is a bare name (`postmaster`, or dev's `alice`).
    pub async fn resolve(&self, local_part: &str, domain: &str) -> Result<Arc<Account>, Unknown> {
        let _ = (local_part, domain, &self.store, &self.membership);
        unimplemented!()
    }
    /// The account whose owner logs in as `name`; made where membership is open.
    pub async fn resolve_login(&self, name: &str) -> Result<Arc<Account>, Unknown> {
        let _ = name;
        unimplemented!()
    }
}
