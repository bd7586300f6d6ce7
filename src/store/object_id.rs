//! Object identifiers (RFC 8474): names of mailboxes and bodies that stay for as long as the store lives.
//!
//! Ids count up, and would tell how many mailboxes and messages a server has. So what is shown is a keyed hash of the id:
//! HMAC-SHA-256 with the store's random id, which every journal segment carries, as its key. The same store gives the same
//! names for ever, through restarts and rebuilds; 128 bits of hash never meet. A store without any record has no id to keep
//! yet, and nothing to name.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{BodyId, MailboxId, Store};

/// How much of the hash is shown: 22 characters of base64url.
const SHOWN_OCTETS: usize = 16;

/// Makes the object identifiers of a store.
#[derive(Clone)]
pub struct ObjectIds {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for ObjectIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectIds(…)")
    }
}

/// # Object identifiers
impl Store {
    /// What makes the object identifiers of this store.
    pub fn object_ids(&self) -> ObjectIds {
        ObjectIds::new(self.inner.journal.store_id())
    }

    /// A secret for one purpose, the same for as long as the store lives: another hash under the same key. Purposes are
    /// longer than what identifiers are made of, and never meet them.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        let mut mac = self.object_ids().mac;
        mac.update(b"secret: ");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl ObjectIds {
    fn new(store_id: &[u8; 16]) -> Self {
        // HMAC fills a key up to its block with zeros (RFC 2104 §2); a whole block is a key that can't fail.
        let mut block = [0; 64];
        block[..store_id.len()].copy_from_slice(store_id);
        Self { mac: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into()) }
    }

    /// MAILBOXID: the same through renames (RFC 8474 §4).
    pub fn mailbox(&self, id: MailboxId) -> String {
        self.derive('M', id.0)
    }

    /// EMAILID: the same wherever a message was copied or moved (RFC 8474 §5.1).
    pub fn body(&self, id: BodyId) -> String {
        self.derive('E', id.0)
    }

    /// A letter in front keeps kinds apart, and an identifier from beginning with `-` or being `NIL` (RFC 8474 §8.1).
    fn derive(&self, kind: char, id: u64) -> String {
        let mut mac = self.mac.clone();
        // A letter of ASCII, one octet.
        mac.update(&[kind as u8]);
        mac.update(&id.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let mut shown = String::from(kind);
        URL_SAFE_NO_PAD.encode_string(&hash[..SHOWN_OCTETS], &mut shown);
        shown
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::{Credentials, INBOX, Options};

    /// What was given out is kept by clients: these must never change.
    #[test]
    fn the_same_store_gives_the_same_names_for_ever() {
        let ids = ObjectIds::new(b"0123456789abcdef");
        assert_eq!(ids.mailbox(MailboxId(1)), "MyGTmxPkLlbqWrOngCd6GaA");
        assert_eq!(ids.body(BodyId(1)), "E2Mmj6wD9pYlOiNl_QVoG2A");
    }

    #[test]
    fn names_are_objectids_and_never_meet() {
        let stores = [ObjectIds::new(b"0123456789abcdef"), ObjectIds::new(b"0123456789abcdeg")];
        let mut seen = HashSet::new();
        for ids in stores {
            for id in 0..500 {
                for name in [ids.mailbox(MailboxId(id)), ids.body(BodyId(id))] {
                    assert!(name.len() <= 255);
                    assert!(
                        name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet)),
                        "{name}"
                    );
                    assert!(seen.insert(name));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_is_opened_again_gives_the_same_names() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let credentials = Credentials { password_hash: String::new(), scram_sha_256: None };
        let account = store.add_account("alice", "alice", credentials).await.unwrap().id;
        let name = |store: &Store| {
            let mailbox = store.object_ids().mailbox(store.mailbox(account, INBOX).unwrap().id());
            (mailbox, store.secret("one purpose"))
        };
        let before = name(&store);
        store.close().await.unwrap();
        drop(store);
        let store = Store::open(folder.path(), Options::default()).unwrap();
        assert_eq!(name(&store), before);
        assert_ne!(store.secret("another purpose"), before.1);
    }
}
