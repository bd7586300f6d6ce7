//! Signs and seals messages, for tests: with the keys in `fixtures/keys`.

use mail_auth::AuthenticatedMessage;
use mail_auth::AuthenticationResults;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use mail_auth::{ArcOutput, MessageAuthenticator};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// The public halves, as a zone: `rsa` and `ed` of example.org, `seal` of list.example.
pub(super) const KEYS: &str = include_str!("../../protocol-tests/zones/keys.zone");

pub(super) const MESSAGE: &str = "From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject:  Of  signed\r\n\
    \tthings \r\nDate: Tue, 24 Nov 2026 15:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHello  Bob, \r\n\r\n\
    this is   signed.\t\r\n\r\n\r\n";

const FIELDS: [&str; 6] = ["From", "To", "Subject", "Date", "Message-ID", "From"];

pub(super) fn rsa() -> RsaKey<Sha256> {
    let pem = include_bytes!("../../fixtures/keys/rsa-2048.pem");
    RsaKey::from_key_der(PrivateKeyDer::from_pem_slice(pem).unwrap()).unwrap()
}

pub(super) fn ed25519() -> Ed25519Key {
    let pem = include_bytes!("../../fixtures/keys/ed25519.pem");
    let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
    Ed25519Key::from_pkcs8_maybe_unchecked_der(key.secret_der()).unwrap()
}

/// The message with a signature in front.
pub(super) fn signed<K: SigningKey>(key: K, selector: &str, forms: [Canonicalization; 2], message: &str) -> String {
    let signature = DkimSigner::from_key(key)
        .domain("example.org")
        .selector(selector)
        .headers(FIELDS)
        .header_canonicalization(forms[0])
        .body_canonicalization(forms[1])
        .sign(message.as_bytes())
        .unwrap();
    signature.to_header() + message
}

/// The message as a mailing list passes it on: altered, sealed by `domain`, which says what it had found.
pub(super) async fn sealed(domain: &str, message: &str) -> String {
    let nobody = MessageAuthenticator::new(
        hickory_resolver::config::ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
        Default::default(),
    )
    .unwrap();
    let parsed = AuthenticatedMessage::parse(message.as_bytes()).unwrap();
    let chain: ArcOutput<'_> = nobody.verify_arc(&parsed).await;
    let results = AuthenticationResults::new(domain);
    let set = ArcSealer::from_key(rsa())
        .domain(domain)
        .selector("seal")
        .headers(FIELDS)
        .seal(&parsed, &results, &chain)
        .unwrap();
    set.to_header() + message
}

/// The messages that transcripts send. They are signed anew with `POSTBELL_SIGN=1 cargo test --lib policy::signing`, which
/// changes their dates alone.
#[tokio::test]
async fn the_messages_of_the_transcripts_are_signed_as_their_names_say() {
    use super::results::Outcome;
    use Canonicalization::{Relaxed, Simple};
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/messages");
    let rsa_signed = signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE);
    let altered = rsa_signed.replace("Hello  Bob", "Hello  Rob");
    let listed = rsa_signed.replace("Subject:  Of", "Subject: [list] Of") + "-- \r\nTo leave the list, say so.\r\n";
    let sealed = sealed("list.example", &listed).await;
    let ed_signed = signed(ed25519(), "ed", [Relaxed, Simple], MESSAGE);
    let (dns, _server) = super::tests::resolver(KEYS).await;
    for (name, made, dkim, arc) in [
        ("signed-rsa.eml", rsa_signed, Outcome::Pass, Outcome::None),
        ("signed-ed25519.eml", ed_signed, Outcome::Pass, Outcome::None),
        ("signed-altered.eml", altered, Outcome::Fail, Outcome::None),
        ("list-sealed.eml", sealed, Outcome::Fail, Outcome::Pass),
    ] {
        let file = folder.join(name);
        if std::env::var_os("POSTBELL_SIGN").is_some() {
            std::fs::write(&file, made).unwrap();
        }
        let mut reading = super::dkim::Reading::default();
        reading.push(&std::fs::read(&file).unwrap());
        let verdicts = reading.verify(&dns).await;
        assert_eq!((verdicts.dkim[0].outcome, verdicts.arc.outcome), (dkim, arc), "{name} {verdicts:?}");
    }
}
