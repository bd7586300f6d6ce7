//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a client proves that it knows a password, and the server that it knew it too,
//! without either of them sending it. With `-PLUS` the proof is bound to the TLS channel it came through (RFC 9266), so
//! that nobody between the two can pass it on.
//!
//! This file knows the messages and the arithmetic; what follows which is `sasl`'s, and who somebody is the
//! [`Authenticator`](super::Authenticator)'s.
//!
//! ```text
//! C: n,,n=user,r=abc                       ClientFirst
//! S: r=abcXYZ,s=<salt>,i=15000             ClientFirst::challenge
//! C: c=biws,r=abcXYZ,p=<proof>             Pending::prove
//! S: v=<signature>                         Attempt::check
//! ```
//!
//! Rules:
//! - Text that the proof is made of is kept as it came, never printed anew (RFC 5802 §5.1: the name goes "as received"
//!   into the hash).
//! - `y` where `-PLUS` was offered is the mark of somebody who took it out of the list: refused (RFC 5802 §6).
//! - Nothing is kept of an account between two messages: its keys are looked up again for the proof, so that a password
//!   that changes meanwhile is not good any more.
//! - What is wrong with a final message (nonce, channel binding, proof) is found out together at the end, and answered
//!   alike.
//! - The channel is bound by `tls-exporter` alone. RFC 5802 §6.1 asks for `tls-unique`, which TLS 1.3 does not have and
//!   which is not safe before it (RFC 9266 §1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::password::hmac_sha_256;
use super::sasl::Failure;
use crate::store::ScramVerifier;

/// What a TLS channel is known by: 32 octets of its exporter (RFC 9266 §4.2).
pub type ChannelBinding = [u8; 32];

/// The type of channel binding that we know, as clients write it.
const TLS_EXPORTER: &str = "tls-exporter";

/// Our half of the nonce: 144 random bits in base64, which has no comma.
const NONCE_OCTETS: usize = 18;

/// What the client thinks of channel binding: `gs2-cbind-flag` (RFC 5802 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag<'m> {
    /// `n`: it can't.
    No,
    /// `y`: it could, but believes that we can't.
    NotOffered,
    /// `p=`: it does, by this.
    By(&'m str),
}

/// The client's first message: who it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFirst {
    /// The name, as SASLprep leaves it.
    pub(super) name: String,
    gs2_header: String,
    bare: String,
    nonce: String,
    /// What the final message has to be bound to.
    binding: Option<ChannelBinding>,
}

impl ClientFirst {
    /// ```abnf
    /// client-first-message      = gs2-header client-first-message-bare
    /// gs2-header                = gs2-cbind-flag "," [ authzid ] ","
    /// client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
    /// ```
    ///
    /// `plus`: the mechanism is `-PLUS`; `channel`: what the connection can be bound to, where `-PLUS` was offered.
    pub(super) fn parse(message: &str, plus: bool, channel: Option<ChannelBinding>) -> Result<Self, Failure> {
        const WHAT: Failure = Failure::Malformed("SCRAM begins with a GS2 header, a name and a nonce");
        let (flag, rest) = message.split_once(',').ok_or(WHAT)?;
        let (authzid, bare) = rest.split_once(',').ok_or(WHAT)?;
        let gs2_header = &message[..message.len() - bare.len()];
        let flag = match flag {
            "n" => Flag::No,
            "y" => Flag::NotOffered,
            _ => Flag::By(flag.strip_prefix("p=").filter(|name| is_binding_name(name)).ok_or(WHAT)?),
        };
        let mut attributes = bare.split(',');
        let first = attributes.next().ok_or(WHAT)?;
        if first.starts_with("m=") {
            // RFC 5802 §5.1: an extension that must be understood, and is not.
            return Err(Failure::Malformed("no extension of SCRAM is known here"));
        }
        let username = saslname(first.strip_prefix("n=").ok_or(WHAT)?)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(WHAT)?;
        if nonce.is_empty() || !nonce.bytes().all(|octet| octet.is_ascii_graphic()) || !attributes.all(is_attribute) {
            return Err(WHAT);
        }
        // As with PLAIN, nobody acts for somebody else.
        if !authzid.is_empty() && saslname(authzid.strip_prefix("a=").ok_or(WHAT)?)? != username {
            return Err(Failure::NotAuthorized);
        }
        let binding = match (flag, plus, channel) {
            (Flag::No, false, _) | (Flag::NotOffered, false, None) => None,
            (Flag::By(TLS_EXPORTER), true, Some(channel)) => Some(channel),
            // RFC 5802 §6: a downgrade, another type of binding, or a flag that does not go with the mechanism.
            _ => return Err(Failure::NotAuthorized),
        };
        // RFC 5802 §5.1: a name that can't be prepared, or has nothing left then, ends the exchange.
        let name = stringprep::saslprep(&username).map_err(|_| Failure::NotAuthorized)?.into_owned();
        if name.is_empty() {
            return Err(Failure::NotAuthorized);
        }
        Ok(Self { name, gs2_header: gs2_header.into(), bare: bare.into(), nonce: nonce.into(), binding })
    }

    /// `server-first-message = nonce "," salt "," iteration-count`, and what waits for the answer. Errs where the system
    /// has no random numbers.
    pub(super) fn challenge(self, salt: &[u8], iterations: u32) -> Result<(String, Pending), getrandom::Error> {
        let mut random = [0; NONCE_OCTETS];
        getrandom::fill(&mut random)?;
        Ok(self.challenge_with(&STANDARD.encode(random), salt, iterations))
    }

    fn challenge_with(self, server_nonce: &str, salt: &[u8], iterations: u32) -> (String, Pending) {
        let Self { name, gs2_header, bare, nonce, binding } = self;
        let nonce = nonce + server_nonce;
        let message = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        let mut bound = gs2_header.into_bytes();
        bound.extend(binding.iter().flatten());
        let firsts = format!("{bare},{message}");
        (message, Pending { name, firsts, nonce, binding: STANDARD.encode(bound) })
    }
}

/// An exchange that waits for the client's final message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    name: String,
    /// Both first messages with a comma between: how the text that is proved begins.
    firsts: String,
    nonce: String,
    /// The `c=` that has to come.
    binding: String,
}

impl Pending {
    /// ```abnf
    /// client-final-message               = client-final-message-without-proof "," proof
    /// client-final-message-without-proof = channel-binding "," nonce ["," extensions]
    /// ```
    pub(super) fn prove(self, message: &str) -> Result<Attempt, Failure> {
        const WHAT: Failure = Failure::Malformed("SCRAM ends with a channel binding, a nonce and a proof");
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(WHAT)?;
        let proof = STANDARD.decode(proof).map_err(|_| WHAT)?.try_into().map_err(|_| WHAT)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|attribute| attribute.strip_prefix("c=")).ok_or(WHAT)?;
        let nonce = attributes.next().and_then(|attribute| attribute.strip_prefix("r=")).ok_or(WHAT)?;
        if !attributes.all(is_attribute) {
            return Err(WHAT);
        }
        Ok(Attempt {
            fits: binding == self.binding && nonce == self.nonce,
            auth_message: format!("{},{without_proof}", self.firsts),
            name: self.name,
            proof,
        })
    }
}

/// A proof, to be checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    pub(super) name: String,
    /// Nonce and channel are those of this exchange.
    fits: bool,
    auth_message: String,
    proof: [u8; 32],
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Attempt {
    /// The server's final message where the proof is good, in base64. Takes as long where it is not.
    ///
    /// RFC 5802 §3: `ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage)`, and `H(ClientKey)` is the StoredKey.
    pub(super) fn check(&self, verifier: &ScramVerifier) -> Option<String> {
        let message = [self.auth_message.as_bytes()];
        let mut client_key = hmac_sha_256(&key(&verifier.stored_key), &message);
        for (octet, proof) in client_key.iter_mut().zip(self.proof) {
            *octet ^= proof;
        }
        let proven: bool = Sha256::digest(client_key).as_slice().ct_eq(&verifier.stored_key).into();
        let signature = hmac_sha_256(&key(&verifier.server_key), &message);
        let answer = STANDARD.encode(format!("v={}", STANDARD.encode(signature)));
        (proven && self.fits).then_some(answer)
    }
}

/// The keys are digests: 32 octets. One of another length fits nothing, since the lengths are compared too.
fn key(key: &[u8]) -> [u8; 32] {
    key.try_into().unwrap_or_default()
}

/// What a stranger is told of a name that has no verifier: a salt that looks like any other, and is the same each time
/// (RFC 5802 §9 leaves it to us; a salt that changes, or an early NO, would tell who exists). No proof is good against the
/// keys.
pub(super) fn nobody(secret: &[u8; 32], name: &str, salt_octets: usize, iterations: u32) -> ScramVerifier {
    let derive = |what: &[u8]| hmac_sha_256(secret, &[what, name.as_bytes()]);
    let mut salt = derive(b"salt ").to_vec();
    salt.truncate(salt_octets);
    ScramVerifier {
        iterations,
        salt,
        stored_key: derive(b"stored key ").to_vec(),
        server_key: derive(b"server key ").to_vec(),
    }
}

/// `saslname = 1*(value-safe-char / "=2C" / "=3D")`; it has no comma here.
fn saslname(name: &str) -> Result<String, Failure> {
    const WHAT: Failure = Failure::Malformed("a name of SCRAM is not empty, and in it , is =2C and = is =3D");
    let mut parts = name.split('=');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (octet, rest) = part.split_at_checked(2).ok_or(WHAT)?;
        decoded.push(match octet {
            "2C" => ',',
            "3D" => '=',
            _ => return Err(WHAT),
        });
        decoded.push_str(rest);
    }
    if decoded.is_empty() || decoded.contains('\0') { Err(WHAT) } else { Ok(decoded) }
}

/// `cb-name = 1*(ALPHA / DIGIT / "." / "-")`
fn is_binding_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'))
}

/// `attr-val = ALPHA "=" 1*value-char`: an extension, which is passed over.
fn is_attribute(attribute: &str) -> bool {
    matches!(attribute.as_bytes(), [letter, b'=', _, ..] if letter.is_ascii_alphabetic()) && !attribute.contains('\0')
}

/// What comes behind a client's first message, for tests of profiles.
#[cfg(any(test, fuzzing))]
pub(crate) fn challenge_for_tests(first: ClientFirst) -> super::sasl::Step {
    let (challenge, pending) = first.challenge_with("server", b"salt", 4096);
    super::sasl::Exchange::scram(&challenge, pending)
}

/// The client's half, for tests.
#[cfg(test)]
pub(crate) mod client {
    use super::*;

    /// The client's final message, and the signature that the server has to answer with (as `v=…`).
    pub(crate) fn finish(
        gs2_header: &str,
        channel: Option<ChannelBinding>,
        bare: &str,
        server_first: &str,
        password: &str,
    ) -> (String, String) {
        let attribute = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let salt = STANDARD.decode(attribute("s=")).unwrap();
        let prepared = stringprep::saslprep(password).unwrap();
        let iterations = attribute("i=").parse().unwrap();
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(prepared.as_bytes(), &salt, iterations);
        let client_key = hmac_sha_256(&salted, &[b"Client Key"]);
        let server_key = hmac_sha_256(&salted, &[b"Server Key"]);
        let mut bound = gs2_header.as_bytes().to_vec();
        bound.extend(channel.iter().flatten());
        let without_proof = format!("c={},r={}", STANDARD.encode(bound), attribute("r="));
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let mut proof = hmac_sha_256(&stored_key, &[auth_message.as_bytes()]);
        for (octet, key) in proof.iter_mut().zip(client_key) {
            *octet ^= key;
        }
        let signature = STANDARD.encode(hmac_sha_256(&server_key, &[auth_message.as_bytes()]));
        (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={signature}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::password::scram_verifier;

    const CHANNEL: ChannelBinding = [7; 32];

    /// The exchange printed in RFC 7677 §3.
    #[test]
    fn the_example_of_rfc_7677() {
        let first = ClientFirst::parse("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false, None).unwrap();
        assert_eq!(first.name, "user");
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (challenge, pending) = first.challenge_with("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &salt, 4096);
        assert_eq!(challenge, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let (made, _) = client::finish("n,,", None, "n=user,r=rOprNGfwEbeRWgbNEkqO", &challenge, "pencil");
        assert_eq!(made, last, "our test client is a good one");
        let answer = pending.prove(last).unwrap().check(&scram_verifier(b"pencil", &salt, 4096)).unwrap();
        assert_eq!(STANDARD.decode(answer).unwrap(), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn the_flag_goes_with_the_mechanism_and_with_what_was_offered() {
        let parse = |header: &str, plus, channel| ClientFirst::parse(&format!("{header}n=u,r=x"), plus, channel);
        for (header, plus, channel) in [
            ("n,,", false, None),
            ("n,,", false, Some(CHANNEL)),
            ("y,,", false, None),
            ("p=tls-exporter,,", true, Some(CHANNEL)),
            ("n,a=u,", false, None),
        ] {
            assert!(parse(header, plus, channel).is_ok(), "{header} {plus} {channel:?}");
        }
        for (header, plus, channel) in [
            ("y,,", false, Some(CHANNEL)),
            ("y,,", true, Some(CHANNEL)),
            ("n,,", true, Some(CHANNEL)),
            ("p=tls-exporter,,", false, Some(CHANNEL)),
            ("p=tls-exporter,,", true, None),
            ("p=tls-unique,,", true, Some(CHANNEL)),
            ("n,a=boss,", false, None),
        ] {
            assert_eq!(parse(header, plus, channel), Err(Failure::NotAuthorized), "{header} {plus} {channel:?}");
        }
    }

    #[test]
    fn names_are_decoded_and_prepared() {
        let name = |name: &str| ClientFirst::parse(&format!("n,,n={name},r=x"), false, None).map(|first| first.name);
        assert_eq!(name("a=2Cb=3Dc"), Ok("a,b=c".into()));
        assert_eq!(name("I\u{ad}X\u{aa}"), Ok("IXa".into()), "RFC 4013 §3");
        assert_eq!(name("\u{7}"), Err(Failure::NotAuthorized));
        assert_eq!(name("\u{ad}"), Err(Failure::NotAuthorized), "nothing is left of it");
        for bad in ["", "a=", "a=2", "a=2c", "a=41"] {
            assert!(matches!(name(bad), Err(Failure::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_first_message_is_malformed() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=u",
            "n,,n=u,r=",
            "n,,n=u,r=a b",
            "n,,r=x,n=u",
            "n,,m=1,n=u,r=x",
            "x,,n=u,r=x",
            "p=,,n=u,r=x",
            "p=a_b,,n=u,r=x",
            "n,u,n=u,r=x",
            "n,,n=u,r=x,",
            "n,,n=u,r=x,1=2",
            "n,,n=u,r=x,e",
            "N,,n=u,r=x",
        ] {
            assert!(matches!(ClientFirst::parse(message, false, None), Err(Failure::Malformed(_))), "{message}");
        }
        assert!(ClientFirst::parse("n,,n=u,r=x,e=more,f=of it", false, None).is_ok(), "RFC 5802 §5.1: passed over");
    }

    #[test]
    fn what_is_no_final_message_is_malformed() {
        let pending = || {
            let first = ClientFirst::parse("n,,n=u,r=x", false, None).unwrap();
            first.challenge_with("y", b"salt", 4096).1
        };
        let proof = STANDARD.encode([0; 32]);
        let short = STANDARD.encode([0; 31]);
        for message in [
            String::new(),
            "c=biws,r=xy".into(),
            format!("c=biws,p={proof}"),
            format!("r=xy,c=biws,p={proof}"),
            format!("c=biws,r=xy,p={short}"),
            "c=biws,r=xy,p=!".into(),
            format!("c=biws,r=xy,,p={proof}"),
        ] {
            assert!(matches!(pending().prove(&message), Err(Failure::Malformed(_))), "{message}");
        }
        assert!(pending().prove(&format!("c=biws,r=xy,e=more,p={proof}")).is_ok());
    }

    #[test]
    fn a_final_message_of_another_exchange_or_channel_is_no_good() {
        let verifier = scram_verifier(b"pencil", b"salt", 4096);
        let header = "p=tls-exporter,,";
        let try_with = |channel, replace: (&str, &str)| {
            let first = ClientFirst::parse(&format!("{header}n=u,r=x"), true, Some(CHANNEL)).unwrap();
            let (challenge, pending) = first.challenge_with("y", b"salt", 4096);
            let challenge = challenge.replace(replace.0, replace.1);
            let (last, _) = client::finish(header, channel, "n=u,r=x", &challenge, "pencil");
            pending.prove(&last).unwrap().check(&verifier)
        };
        assert!(try_with(Some(CHANNEL), ("", "")).is_some());
        assert!(try_with(Some([8; 32]), ("", "")).is_none(), "somebody in between");
        assert!(try_with(None, ("", "")).is_none(), "bound to nothing");
        assert!(try_with(Some(CHANNEL), ("r=xy", "r=xz")).is_none(), "another nonce");
    }

    /// Even with a proof that is right over the text that the client sent.
    #[test]
    fn nonce_and_channel_are_checked_by_themselves() {
        let verifier = scram_verifier(b"pencil", b"salt", 4096);
        let first = ClientFirst::parse("n,,n=u,r=x", false, None).unwrap();
        let (challenge, pending) = first.challenge_with("y", b"salt", 4096);
        // The text of the final message is the client's, so a proof over a foreign nonce is a right one.
        let final_of = |without_proof: &str| {
            let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(b"pencil", b"salt", 4096);
            let client_key = hmac_sha_256(&salted, &[b"Client Key"]);
            let stored_key: [u8; 32] = Sha256::digest(client_key).into();
            let mut proof = hmac_sha_256(&stored_key, &[format!("n=u,r=x,{challenge},{without_proof}").as_bytes()]);
            proof.iter_mut().zip(client_key).for_each(|(octet, key)| *octet ^= key);
            format!("{without_proof},p={}", STANDARD.encode(proof))
        };
        let good = |without_proof| pending.clone().prove(&final_of(without_proof)).unwrap().check(&verifier).is_some();
        assert!(good("c=biws,r=xy"));
        assert!(!good("c=biws,r=xz"));
        assert!(!good("c=eSws,r=xy"), "y,, where n,, was said");
    }

    #[test]
    fn nobody_has_the_same_salt_each_time_and_no_password() {
        let secret = [3; 32];
        let nobody = |name| nobody(&secret, name, 16, 4096);
        assert_eq!(nobody("a@example.org"), nobody("a@example.org"));
        assert_ne!(nobody("a@example.org").salt, nobody("b@example.org").salt);
        assert_eq!(nobody("a@example.org").salt.len(), 16);
    }

    proptest! {
        #[test]
        fn client_and_server_agree_on_any_name_and_password(
            name in "[a-zA-Z0-9äöüß€=,@.]{1,20}",
            password in "[a-zA-Z0-9 äöüß€]{1,20}",
            other in "[a-z]{1,10}",
            salt in proptest::collection::vec(any::<u8>(), 1..32),
            plus in any::<bool>(),
        ) {
            prop_assume!(stringprep::saslprep(&name).is_ok_and(|prepared| !prepared.is_empty()));
            let prepared = stringprep::saslprep(&password);
            prop_assume!(prepared.as_ref().is_ok_and(|prepared| !prepared.trim().is_empty() && *prepared != other));
            let verifier = scram_verifier(prepared.unwrap().as_bytes(), &salt, 16);
            let (header, channel) = if plus { ("p=tls-exporter,,", Some(CHANNEL)) } else { ("n,,", None) };
            let bare = format!("n={},r=c", name.replace('=', "=3D").replace(',', "=2C"));
            let first = ClientFirst::parse(&format!("{header}{bare}"), plus, channel).unwrap();
            let (challenge, pending) = first.challenge(&salt, 16).unwrap();
            let (last, signature) = client::finish(header, channel, &bare, &challenge, &password);
            let answer = pending.clone().prove(&last).unwrap().check(&verifier);
            prop_assert_eq!(answer, Some(STANDARD.encode(signature)));
            let (wrong, _) = client::finish(header, channel, &bare, &challenge, &other);
            prop_assert_eq!(pending.prove(&wrong).unwrap().check(&verifier), None);
        }

        #[test]
        fn no_text_panics(first in ".{0,60}", last in ".{0,60}") {
            let _parsed = ClientFirst::parse(&first, false, None);
            let first = ClientFirst::parse("n,,n=u,r=x", false, None).unwrap();
            let _proved = first.challenge_with("y", b"salt", 4096).1.prove(&last);
        }
    }
}
