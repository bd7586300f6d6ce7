//! Passwords that were good, remembered so that the next check costs a microsecond instead of a hash.
//!
//! What is kept is HMAC-SHA-256 under a secret that this process drew and never writes anywhere, over the account, the
//! password and the stored hash. It is of no use outside the process, and when the stored hash changes (a new password,
//! even the same one set again) it fits no more.

use std::collections::HashMap;
use std::io;

use subtle::ConstantTimeEq;

use super::password::hmac_sha_256;
use crate::store::{Account, AccountId};

/// Entries at the most, one for each account that logged in: some 5 MiB.
const ACCOUNTS_MAX: usize = 65_536;

/// The last good password of each account, as a keyed hash.
pub(super) struct Remembered {
    secret: [u8; 32],
    tags: HashMap<AccountId, [u8; 32]>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").field("accounts", &self.tags.len()).finish_non_exhaustive()
    }
}

impl Remembered {
    /// Remembers nobody yet. Errs where the system has no random numbers.
    pub(super) fn new() -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { secret, tags: HashMap::new() })
    }

    /// Whether this password is known to be good for the account as it is now.
    pub(super) fn knows(&self, account: &Account, password: &str) -> bool {
        let tag = self.tag(account, password);
        self.tags.get(&account.id).is_some_and(|known| known.ct_eq(&tag).into())
    }

    /// This password was good.
    pub(super) fn remember(&mut self, account: &Account, password: &str) {
        if self.tags.len() >= ACCOUNTS_MAX && !self.tags.contains_key(&account.id) {
            // Whichever comes first: the map is in no order that anybody could foresee.
            if let Some(other) = self.tags.keys().next().copied() {
                self.tags.remove(&other);
            }
        }
        self.tags.insert(account.id, self.tag(account, password));
    }

    fn tag(&self, account: &Account, password: &str) -> [u8; 32] {
        // The length keeps password and hash apart.
        let (id, length) = (account.id.0.to_be_bytes(), (password.len() as u64).to_be_bytes());
        let hash = account.credentials.password_hash.as_bytes();
        hmac_sha_256(&self.secret, &[&id, &length, password.as_bytes(), hash])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Credentials;

    fn account(id: u64, password_hash: &str) -> Account {
        Account {
            id: AccountId(id),
            name: "alice@example.org".into(),
            display_name: "alice@example.org".into(),
            credentials: Credentials { password_hash: password_hash.into(), scram_sha_256: None },
        }
    }

    #[test]
    fn a_password_is_known_until_it_is_set_anew() {
        let mut remembered = Remembered::new().unwrap();
        let alice = account(1, "$hash");
        assert!(!remembered.knows(&alice, "secret"));
        remembered.remember(&alice, "secret");
        assert!(remembered.knows(&alice, "secret"));
        assert!(!remembered.knows(&alice, "Secret"));
        assert!(!remembered.knows(&account(2, "$hash"), "secret"));
        assert!(!remembered.knows(&account(1, "$other"), "secret"));
        assert!(!remembered.knows(&account(1, "t$hash"), "secre"), "password and hash do not run together");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut remembered = Remembered::new().unwrap();
        for id in 0..=ACCOUNTS_MAX as u64 {
            remembered.remember(&account(id, ""), "");
        }
        assert_eq!(remembered.tags.len(), ACCOUNTS_MAX);
        assert!(remembered.knows(&account(ACCOUNTS_MAX as u64, ""), ""), "the newest is never the one dropped");
    }
}
