//! The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), for `{scram …}`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The client's last message, and the server's that has to follow it, both in base64. `first` is the client's first
/// message, `challenge` the server's in base64; where `first` begins with `p=`, the proof is bound to `channel`.
pub fn finish(
    first: &[u8],
    channel: Option<[u8; 32]>,
    challenge: &[u8],
    password: &[u8],
) -> Result<(String, String), String> {
    let first = std::str::from_utf8(first).map_err(|e| e.to_string())?;
    let challenge = STANDARD.decode(challenge).map_err(|e| format!("the challenge: {e}"))?;
    let challenge = String::from_utf8(challenge).map_err(|e| format!("the challenge: {e}"))?;
    let attribute = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
    let (Some(nonce), Some(salt), Some(iterations)) = (attribute("r="), attribute("s="), attribute("i=")) else {
        return Err(format!("no challenge of SCRAM: {challenge}"));
    };
    let salt = STANDARD.decode(salt).map_err(|e| format!("the salt: {e}"))?;
    let iterations = iterations.parse().map_err(|e| format!("the iterations: {e}"))?;
    let (header, bare) = first.match_indices(',').nth(1).map_or(("", first), |(at, _)| first.split_at(at + 1));

    let mut bound = header.as_bytes().to_vec();
    if header.starts_with("p=") {
        bound.extend(channel.ok_or("there is no TLS to be bound to")?);
    }
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
    let auth_message = format!("{bare},{challenge},{without_proof}");
    let salted = salted(password, &salt, iterations);
    let client_key = hmac(&salted, b"Client Key")?;
    let mut proof = hmac(&Sha256::digest(&client_key), auth_message.as_bytes())?;
    proof.iter_mut().zip(client_key).for_each(|(octet, key)| *octet ^= key);
    let signature = hmac(&hmac(&salted, b"Server Key")?, auth_message.as_bytes())?;
    Ok((
        STANDARD.encode(format!("{without_proof},p={}", STANDARD.encode(proof))),
        STANDARD.encode(format!("v={}", STANDARD.encode(signature))),
    ))
}

/// SaltedPassword. Clients may keep it as long as salt and iterations stay the same (RFC 5802 §5.1): to work it out takes as
/// long as all else that a conversation does.
fn salted(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    type Known = BTreeMap<(Vec<u8>, Vec<u8>, u32), [u8; 32]>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
    let key = (password.to_vec(), salt.to_vec(), iterations);
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
    known.unwrap_or_else(|| {
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations);
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, salted);
        salted
    })
}

fn hmac(key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).map_err(|e| e.to_string())?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange printed in RFC 7677 §3.
    #[test]
    fn the_example_of_rfc_7677() {
        let challenge =
            STANDARD.encode("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let (last, signature) =
            finish(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", None, challenge.as_bytes(), b"pencil").unwrap();
        let shown = |base64: &str| String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap();
        assert!(shown(&last).ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        assert_eq!(shown(&signature), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
