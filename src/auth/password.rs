//! What is kept of a password, and how one is checked against it.
//!
//! Two things are kept, from the first account on: an argon2id hash (RFC 9106) in PHC form, for mechanisms that send
//! the password, and a SCRAM-SHA-256 verifier (RFC 5802 §3, RFC 7677), for those that do not. Both are made of the
//! password as SASLprep leaves it (RFC 4013), so that one password typed on two keyboards is one password.
//!
//! Everything public here costs tens of milliseconds of a core: call it off the runtime. How many may run at a time is
//! decided by the [`Authenticator`](super::Authenticator).

use std::borrow::Cow;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::store::{Credentials, ScramVerifier};

/// Memory of one hash in KiB. With two passes and one lane it is the first choice of OWASP's password storage cheat
/// sheet; one hash takes about 27 ms here, and a login storm on two cores holds 38 MiB.
const ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory.
const ARGON2_PASSES: u32 = 2;

/// Lanes: a hash uses one core, as many hashes as there are cores run beside one another.
const ARGON2_LANES: u32 = 1;

/// Octets of a salt: 128 bits never repeat (RFC 9106 §3.1 recommends them).
pub(super) const SALT_OCTETS: usize = 16;

/// Rounds of PBKDF2 behind a SCRAM verifier. RFC 7677 §4 asks for 4,096 at least and counts 15,000 as a tenth of a
/// second of its day. The client pays for them at each login, a phone too.
pub(super) const SCRAM_ITERATIONS: u32 = 15_000;

/// A longer password is refused: nobody types it, and it is hashed before anybody is known.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// Why something can't be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// More than [`PASSWORD_OCTETS_MAX`].
    #[error("the password is longer than {PASSWORD_OCTETS_MAX} octets")]
    TooLong,
    /// SASLprep refuses it (RFC 4013 §2.3 to §2.5).
    #[error("the password holds control characters, or others that not every client can send (RFC 4013)")]
    Unpreparable,
    /// The system gives no random numbers, or no memory to hash in.
    #[error("the password can't be hashed now")]
    Unavailable,
}

/// What to keep of `password`. Takes tens of milliseconds.
pub fn credentials_from_password(password: &str) -> Result<Credentials, BadPassword> {
    if password.len() > PASSWORD_OCTETS_MAX {
        return Err(BadPassword::TooLong);
    }
    let prepared = stringprep::saslprep(password).map_err(|_| BadPassword::Unpreparable)?;
    if prepared.is_empty() {
        return Err(BadPassword::Empty);
    }
    Ok(Credentials {
        password_hash: hash(prepared.as_bytes(), &random_salt()?)?,
        scram_sha_256: Some(scram_verifier(prepared.as_bytes(), &random_salt()?, SCRAM_ITERATIONS)),
    })
}

/// Whether `password` is the one behind `password_hash`. Takes as long whether it is or not, and whether there is a
/// usable hash or not; compares in constant time.
pub(super) fn verify(password: &str, password_hash: &str) -> bool {
    // What SASLprep refuses was never accepted as a password either: hashing it as it is keeps the time the same.
    let prepared = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
    let parsed = match PasswordHash::new(password_hash) {
        Ok(parsed) => parsed,
        Err(error) => {
            if !password_hash.is_empty() {
                tracing::error!(%error, "a stored password hash can't be read");
            }
            spend(prepared.as_bytes());
            return false;
        }
    };
    // PasswordVerifier takes the costs from the hash, so that those of older accounts stay good when ours rise.
    argon2().verify_password(prepared.as_bytes(), &parsed).is_ok()
}

/// Takes the time of [`verify`] for somebody who does not exist.
pub(super) fn verify_nobody(password: &str) {
    spend(stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password)).as_bytes());
}

fn spend(prepared: &[u8]) {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    // The result is of no interest, nor is an error: whoever asked is refused.
    let _spent = argon2().hash_password_into(prepared, &[0; SALT_OCTETS], &mut output);
    std::hint::black_box(output);
}

fn argon2() -> Argon2<'static> {
    // These numbers are within the bounds of RFC 9106 §3.1, which a test shows; the default would be as good.
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(prepared: &[u8], salt: &[u8]) -> Result<String, BadPassword> {
    let salt = SaltString::encode_b64(salt).map_err(|_| BadPassword::Unavailable)?;
    let hash = argon2().hash_password(prepared, &salt).map_err(|_| BadPassword::Unavailable)?;
    Ok(hash.to_string())
}

fn random_salt() -> Result<[u8; SALT_OCTETS], BadPassword> {
    let mut salt = [0; SALT_OCTETS];
    getrandom::fill(&mut salt).map_err(|_| BadPassword::Unavailable)?;
    Ok(salt)
}

/// RFC 5802 §3: `SaltedPassword := Hi(Normalize(password), salt, i)`, `ClientKey := HMAC(SaltedPassword, "Client
/// Key")`, `StoredKey := H(ClientKey)`, `ServerKey := HMAC(SaltedPassword, "Server Key")`.
pub(super) fn scram_verifier(prepared: &[u8], salt: &[u8], iterations: u32) -> ScramVerifier {
    let salted_password = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(prepared, salt, iterations);
    let client_key = hmac_sha_256(&salted_password, &[b"Client Key"]);
    ScramVerifier {
        iterations,
        salt: salt.to_vec(),
        stored_key: Sha256::digest(client_key).to_vec(),
        server_key: hmac_sha_256(&salted_password, &[b"Server Key"]).to_vec(),
    }
}

/// HMAC-SHA-256 (RFC 2104) over the pieces of a message.
pub(super) fn hmac_sha_256(key: &[u8; 32], message: &[&[u8]]) -> [u8; 32] {
    // `new` takes a key of a block's size (64 octets): ours, zero-padded, which is what RFC 2104 §2 step 1 does.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
    for piece in message {
        mac.update(piece);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_good_and_another_is_not() {
        let credentials = credentials_from_password("tr\u{e4}um weiter").unwrap();
        assert!(credentials.password_hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "our costs are in use");
        assert!(verify("tr\u{e4}um weiter", &credentials.password_hash));
        assert!(verify("tra\u{308}um\u{a0}weiter", &credentials.password_hash), "as another keyboard gives it");
        assert!(!verify("traum weiter", &credentials.password_hash));
        assert!(!verify("", &credentials.password_hash));
    }

    #[test]
    fn without_a_hash_no_password_is_good() {
        assert!(!verify("", ""));
        assert!(!verify("secret", ""));
        assert!(!verify("secret", "$argon2id$nonsense"));
    }

    #[test]
    fn what_cannot_be_sent_cannot_be_a_password() {
        assert_eq!(credentials_from_password("").unwrap_err(), BadPassword::Empty);
        assert_eq!(credentials_from_password("\u{ad}").unwrap_err(), BadPassword::Empty);
        assert_eq!(credentials_from_password("a\u{7}b").unwrap_err(), BadPassword::Unpreparable);
        assert_eq!(credentials_from_password(&"x".repeat(1025)).unwrap_err(), BadPassword::TooLong);
    }
}
