//! DKIM signatures (RFC 6376, with Ed25519 of RFC 8463 §3 and without what RFC 8301 forbids) and the ARC chain, checked over
//! a message that streams by.
//!
//! The header is kept (up to a limit), the body is only hashed while it comes: no message is ever in memory as a whole for
//! this, and none is copied. Signatures, hashes and chains are `mail-auth`'s. The DNS is asked here, for the keys that
//! signatures name, before any is checked: checking is then a computation, done on the blocking pool, where a panic over
//! a hostile message is caught and becomes `temperror`.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::ResponseCode;
use mail_auth::common::cache::NoCache;
use mail_auth::common::crypto::{Algorithm, HashAlgorithm, HashContext, HashImpl, Sha256};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::resolver::ToFqdn;
use mail_auth::common::to_a_label;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::canonicalize::BodyHasher;
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use memchr::memmem;
use tokio::task::JoinSet;

use super::arc;
use super::resolver::Resolver;
use super::results::Outcome;
use crate::auth::address::canonical_domain;

/// Octets of a header that are looked at. Where it is longer, no signature can hold.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;
/// Signatures that are checked (RFC 6376 §6.1 leaves it to us): the first ones, which those added who had it last.
const SIGNATURES_MAX: usize = 10;
/// Keys that are asked for: those of the signatures, and of 50 seals at the most (RFC 8617 §4.2.1).
const KEYS_MAX: usize = 64;
/// Octets of a signature, in base64, that tell it from another (RFC 6008 §4).
const SIGNATURE_START: usize = 8;

/// What became of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The result (RFC 8601 §2.7.1).
    pub outcome: Outcome,
    /// `d=`: who takes responsibility.
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// How `b=` begins.
    pub signature_start: String,
    /// What was wrong.
    pub problem: Option<String>,
}

/// What a message says of itself.
#[derive(Clone, Debug)]
pub struct Signed {
    /// By signature; one `none` where there is none.
    pub dkim: Vec<Verdict>,
    /// The chain.
    pub arc: arc::Verdict,
    /// The domains in From, each once, as A-labels in lower case. One that is none stands as it is.
    pub authors: Vec<String>,
}

impl Signed {
    /// When the checks took too long.
    pub(super) fn not_now() -> Signed {
        Signed::unknown(Outcome::TempError, "no answer in time")
    }

    /// When nothing could be found out.
    fn unknown(outcome: Outcome, problem: &str) -> Signed {
        let problem = Some(problem.to_owned());
        let verdict = Verdict {
            outcome,
            domain: String::new(),
            selector: String::new(),
            signature_start: String::new(),
            problem: problem.clone(),
        };
        Signed { dkim: vec![verdict], arc: arc::Verdict { outcome, sealer: None, problem }, authors: Vec::new() }
    }
}

type Sha256Context = <Sha256 as HashImpl>::Context;

/// A message while it comes in.
pub struct Reading {
    header: Vec<u8>,
    /// Where in the header an empty line was not found yet.
    searched: usize,
    at: At,
    too_long: bool,
}

enum At {
    Header,
    /// Signed, and so hashed: by both canonicalizations (RFC 6376 §3.4), since which one counts each signature says.
    Signed(Box<[BodyHasher<Sha256Context>; 2]>),
    /// Not signed: nothing of the body matters.
    Unsigned,
}

impl Default for Reading {
    fn default() -> Self {
        Self { header: Vec::new(), searched: 0, at: At::Header, too_long: false }
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("header_octets", &self.header.len()).finish_non_exhaustive()
    }
}

impl Reading {
    /// Takes the next octets. The same for every split.
    pub fn push(&mut self, octets: &[u8]) {
        match &mut self.at {
            At::Unsigned => {}
            At::Signed(hashers) => hashers.iter_mut().for_each(|hasher| hasher.write(octets)),
            At::Header => self.push_header(octets),
        }
    }

    fn push_header(&mut self, octets: &[u8]) {
        self.header.extend_from_slice(octets);
        let end = match self.header.starts_with(b"\r\n") {
            // No header at all.
            true => Some(2),
            false => memmem::find(&self.header[self.searched..], b"\r\n\r\n").map(|at| self.searched + at + 4),
        };
        self.searched = self.header.len().saturating_sub(3);
        match end {
            Some(end) => {
                let body = self.header.split_off(end);
                self.begin_body();
                self.push(&body);
            }
            None if self.header.len() > HEADER_OCTETS_MAX => {
                self.header.truncate(HEADER_OCTETS_MAX);
                self.too_long = true;
                self.at = At::Unsigned;
            }
            None => {}
        }
    }

    fn begin_body(&mut self) {
        let has = |name: &str| {
            let lower = self.header.to_ascii_lowercase();
            memmem::find(&lower, name.as_bytes()).is_some()
        };
        self.at = match has("dkim-signature") || has("arc-message-signature") {
            true => At::Signed(Box::new(
                [Canonicalization::Relaxed, Canonicalization::Simple]
                    .map(|form| BodyHasher::new(Sha256::hasher(), form, 0)),
            )),
            false => At::Unsigned,
        };
    }

    /// The message has come: checks its signatures and its chain, and finds its authors.
    pub async fn verify(self, dns: &Resolver) -> Signed {
        let message = Arc::new(self.end());
        let names = match message.on_the_side(Message::keys).await {
            Ok(names) => names,
            Err(signed) => return signed,
        };
        let keys = ask_for(dns, names).await;
        match message.on_the_side(move |message| message.check(&keys)).await {
            Ok(signed) | Err(signed) => signed,
        }
    }

    /// The message has come, and no key can be had: what can be said without a DNS, and the names of the keys.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn verify_without_keys(self) -> (Signed, BTreeSet<String>) {
        let message = self.end();
        (message.check(&Keys(BTreeMap::new())), message.keys())
    }

    fn end(mut self) -> Message {
        if matches!(self.at, At::Header) {
            // It ended within its header: an empty body has a hash as well (RFC 6376 §3.4.3).
            self.begin_body();
        }
        let hashes = match self.at {
            At::Signed(hashers) => Some(hashers.map(|hasher| hasher.finish().0.complete().as_ref().to_vec())),
            _ => None,
        };
        Message { header: self.header, hashes, too_long: self.too_long }
    }
}

/// What of a message is needed to check it.
struct Message {
    header: Vec<u8>,
    /// Of the body: relaxed, simple.
    hashes: Option<[Vec<u8>; 2]>,
    too_long: bool,
}

impl Message {
    /// Runs `work` where it keeps nobody waiting; a panic in it is logged, and the message's verdict is "not now".
    async fn on_the_side<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Message) -> T + Send + 'static,
    ) -> Result<T, Signed> {
        let message = Arc::clone(self);
        let worked = tokio::task::spawn_blocking(move || catch_unwind(AssertUnwindSafe(|| work(&message)))).await;
        match worked {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_panic)) => {
                tracing::error!("checking the signatures of a message panicked; it is taken without them");
                Err(Signed::unknown(Outcome::TempError, "the check failed"))
            }
            Err(error) => Err(Signed::unknown(Outcome::TempError, &error.to_string())),
        }
    }

    fn parsed(&self) -> Option<AuthenticatedMessage<'_>> {
        let mut parsed = AuthenticatedMessage::parse(&self.header)?;
        parsed.dkim_headers.truncate(SIGNATURES_MAX);
        for (form, algorithm, _, hash) in &mut parsed.body_hashes {
            // Of the header alone, the parser has hashed an empty body.
            *hash = match (&self.hashes, algorithm, form) {
                (Some([relaxed, _]), HashAlgorithm::Sha256, Canonicalization::Relaxed) => relaxed.clone(),
                (Some([_, simple]), HashAlgorithm::Sha256, Canonicalization::Simple) => simple.clone(),
                _ => Vec::new(),
            };
        }
        Some(parsed)
    }

    /// The names of the keys that are needed.
    fn keys(&self) -> BTreeSet<String> {
        let Some(parsed) = self.parsed() else { return BTreeSet::new() };
        let dkim = parsed.dkim_headers.iter().filter(|it| is_allowed(&it.header)).map(|it| it.header.domain_key());
        let chain = parsed.ams_headers.last().map(|it| it.header.domain_key());
        let seals = parsed.as_headers.iter().map(|it| it.header.domain_key());
        dkim.chain(chain).chain(seals).take(KEYS_MAX).map(|name| name.to_fqdn().into_owned()).collect()
    }

    fn check(&self, keys: &Keys) -> Signed {
        let Some(mut parsed) = self.parsed() else { return Signed::unknown(Outcome::None, "no header") };
        let authors = authors(&parsed.from);
        if self.too_long {
            return Signed { authors, ..Signed::unknown(Outcome::PermError, "the header is longer than we look at") };
        }
        // RFC 8301 §3.1 forbids it, and no key is asked for it.
        let (allowed, others): (Vec<_>, Vec<_>) = parsed.dkim_headers.drain(..).partition(|it| is_allowed(&it.header));
        parsed.dkim_headers = allowed;
        let mut dkim: Vec<Verdict> = others.iter().map(|it| forbidden(&it.header)).collect();
        let checked = AUTHENTICATOR.as_ref().ok().and_then(|authenticator| {
            let outputs = now(authenticator.verify_dkim(keys.parameters(&parsed)))?;
            Some((outputs, now(authenticator.verify_arc(keys.parameters(&parsed)))?))
        });
        let Some((outputs, chain)) = checked else {
            return Signed { authors, ..Signed::unknown(Outcome::TempError, "a key was not at hand") };
        };
        dkim.extend(outputs.iter().take(SIGNATURES_MAX).map(verdict));
        if dkim.is_empty() {
            // One that can't even be parsed says nothing, but it is there (RFC 8601 §2.7.1).
            let (outcome, problem) = match parsed.has_dkim_errors {
                true => (Outcome::Neutral, Some("the signature can't be read".to_owned())),
                false => (Outcome::None, None),
            };
            dkim.extend(
                Signed::unknown(outcome, "").dkim.into_iter().map(|it| Verdict { problem: problem.clone(), ..it }),
            );
        }
        Signed { dkim, arc: arc::Verdict::of(&chain), authors }
    }
}

/// RFC 8301 §3.1 for the algorithm; RFC 6376 §5.4 for From, without which a signature says nothing of the author.
fn is_allowed(signature: &mail_auth::dkim::Signature) -> bool {
    signature.a != Algorithm::RsaSha1 && signature.h.iter().any(|name| name.eq_ignore_ascii_case("from"))
}

fn forbidden(signature: &mail_auth::dkim::Signature) -> Verdict {
    let problem = match signature.a {
        Algorithm::RsaSha1 => "rsa-sha1 is not accepted",
        _ => "From is not signed",
    };
    Verdict { outcome: Outcome::PermError, problem: Some(problem.to_owned()), ..named(signature) }
}

fn named(signature: &mail_auth::dkim::Signature) -> Verdict {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&signature.b);
    Verdict {
        outcome: Outcome::None,
        domain: signature.d.to_ascii_lowercase(),
        selector: signature.s.to_ascii_lowercase(),
        signature_start: base64.chars().take(SIGNATURE_START).collect(),
        problem: None,
    }
}

fn verdict(output: &DkimOutput<'_>) -> Verdict {
    let (outcome, problem) = match output.result() {
        DkimResult::Pass => (Outcome::Pass, None),
        DkimResult::None => (Outcome::None, None),
        // RFC 8601 §2.7.1: what was signed and did not hold has failed; neutral is what could not be read.
        DkimResult::Neutral(error @ Error::Dkim(DkimError::FailedBodyHashMatch | DkimError::SignatureExpired)) => {
            (Outcome::Fail, Some(reason(error)))
        }
        DkimResult::Neutral(error) => (Outcome::Neutral, Some(reason(error))),
        DkimResult::Fail(error) => (Outcome::Fail, Some(reason(error))),
        DkimResult::PermError(error) => (Outcome::PermError, Some(reason(error))),
        DkimResult::TempError(error) => (Outcome::TempError, Some(reason(error))),
    };
    let named = output.signature().map_or_else(|| Signed::unknown(Outcome::None, "").dkim.remove(0), named);
    Verdict { outcome, problem, ..named }
}

/// What was wrong, in words of ours.
pub(super) fn reason(error: &Error) -> String {
    use mail_auth::common::crypto::CryptoError;
    match error {
        Error::Dkim(DkimError::FailedBodyHashMatch) | Error::Arc(mail_auth::arc::ArcError::FailedBodyHashMatch) => {
            "the body was altered".to_owned()
        }
        Error::Crypto(CryptoError::FailedVerification) => "the signature does not hold".to_owned(),
        Error::Dns(DnsError::RecordNotFound(_)) => "no key".to_owned(),
        Error::Dns(DnsError::InvalidRecordType) | Error::ParseError => "the key can't be read".to_owned(),
        Error::Dns(DnsError::Resolver(_)) => "the key could not be asked for".to_owned(),
        // RFC 6376 §3.5 leaves it to us.
        Error::Dkim(DkimError::SignatureLength) | Error::Arc(mail_auth::arc::ArcError::SignatureLength) => {
            "l= is not accepted".to_owned()
        }
        other => other.to_string(),
    }
}

/// The domains of From, each once.
fn authors(from: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let domains = from.iter().map(|address| address.rsplit_once('@').map_or("", |(_, domain)| domain));
    domains
        .map(|domain| canonical_domain(domain).unwrap_or_else(|_| domain.to_owned()))
        .filter(|domain| !domain.is_empty() && seen.insert(domain.clone()))
        .collect()
}

/// The keys, or why there are none, by the names that `mail-auth` asks for.
struct Keys(BTreeMap<String, Txt>);

/// Asks for all at once.
async fn ask_for(dns: &Resolver, names: BTreeSet<String>) -> Keys {
    let mut asked = JoinSet::new();
    for name in names {
        let dns = dns.clone();
        asked.spawn(async move {
            // A domain may be written in Unicode (RFC 8616 §4).
            let found = match dns.txt(&to_a_label(name.trim_end_matches('.'))).await {
                Ok(records) => key_in(&records),
                Err(error) => Txt::Error(Error::Dns(DnsError::Resolver(error.to_string()))),
            };
            (name, found)
        });
    }
    Keys(asked.join_all().await.into_iter().collect())
}

/// RFC 6376 §3.6.2.2: several records at one name are undefined; the first that is a key counts.
fn key_in(records: &[Vec<u8>]) -> Txt {
    let mut found = Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain)));
    for record in records {
        match DomainKey::parse(record) {
            Ok(key) => return Txt::DomainKey(Arc::new(key)),
            Err(error) => found = Txt::Error(error),
        }
    }
    found
}

impl Keys {
    fn parameters<'k, 'm>(&'k self, message: &'m AuthenticatedMessage<'m>) -> ParametersOf<'k, 'm> {
        Parameters::new(message).with_txt_cache(self)
    }
}

type None<K, V> = NoCache<K, V>;
type ParametersOf<'k, 'm> = Parameters<
    'k,
    &'m AuthenticatedMessage<'m>,
    Keys,
    None<Box<str>, mail_auth::RecordSet<mail_auth::MX>>,
    None<Box<str>, mail_auth::RecordSet<std::net::Ipv4Addr>>,
    None<Box<str>, mail_auth::RecordSet<std::net::Ipv6Addr>>,
    None<std::net::IpAddr, mail_auth::RecordSet<Box<str>>>,
>;

/// Knows an answer to every question: what is not there, nobody has. So no check ever waits for a DNS.
impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.0.iter().find(|(known, _)| {
            let known: Box<str> = known.as_str().into();
            <Box<str> as Borrow<Q>>::borrow(&known) == name
        });
        Some(found.map_or_else(
            || Txt::Error(Error::Dns(DnsError::RecordNotFound(ResponseCode::NXDomain))),
            |(_, found)| found.clone(),
        ))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

/// `mail-auth`'s checker, with a resolver that has nobody to ask.
static AUTHENTICATOR: LazyLock<Result<MessageAuthenticator, NetError>> = LazyLock::new(|| {
    MessageAuthenticator::new(ResolverConfig::from_parts(None, Vec::new(), Vec::new()), ResolverOpts::default())
});

/// Runs a check to its end at once: all that it asks for is at hand. `None` where it would wait after all.
fn now<T>(check: impl Future<Output = T>) -> Option<T> {
    match pin!(check).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use mail_auth::dkim::Canonicalization::{Relaxed, Simple};
    use proptest::prelude::*;

    use super::super::signing::{KEYS, MESSAGE, ed25519, rsa, sealed, signed};
    use super::super::tests::resolver;
    use super::*;

    fn read(message: &str, pieces: usize) -> Reading {
        let mut reading = Reading::default();
        message.as_bytes().chunks(pieces).for_each(|piece| reading.push(piece));
        reading
    }

    async fn verify(message: &str) -> Signed {
        let (dns, _server) = resolver(KEYS).await;
        read(message, 7).verify(&dns).await
    }

    async fn first(message: &str) -> (Outcome, Option<String>) {
        let mut signed = verify(message).await;
        let verdict = signed.dkim.remove(0);
        (verdict.outcome, verdict.problem)
    }

    fn failed(problem: &str) -> (Outcome, Option<String>) {
        (Outcome::Fail, Some(problem.to_owned()))
    }

    /// RFC 6376 §3.7
    #[tokio::test]
    async fn a_signed_message_verifies_and_one_octet_more_or_less_does_not() {
        let (dns, _server) = resolver(KEYS).await;
        for forms in [[Relaxed, Relaxed], [Relaxed, Simple], [Simple, Relaxed], [Simple, Simple]] {
            for message in [signed(rsa(), "rsa", forms, MESSAGE), signed(ed25519(), "ed", forms, MESSAGE)] {
                for pieces in [1, 2, 3, 1_000_000] {
                    let verdicts = read(&message, pieces).verify(&dns).await;
                    assert_eq!(verdicts.dkim[0].outcome, Outcome::Pass, "{forms:?} {verdicts:?}");
                    assert_eq!(verdicts.dkim[0].domain, "example.org");
                    assert_eq!(verdicts.authors, ["example.org"]);
                }
                let altered = message.replace("this is", "thi5 is");
                assert_eq!(read(&altered, 9).verify(&dns).await.dkim[0].outcome, Outcome::Fail, "{forms:?}");
                let altered = message.replace("To: bob", "To: rob");
                assert_eq!(read(&altered, 9).verify(&dns).await.dkim[0].outcome, Outcome::Fail, "{forms:?}");
            }
        }
    }

    /// RFC 6376 §3.4
    #[tokio::test]
    async fn canonical_forms_forgive_white_space_or_do_not() {
        let change = |message: String| message.replace("this is   signed.\t\r\n", "this is signed.\r\n");
        let relaxed = change(signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE));
        assert_eq!(first(&relaxed).await, (Outcome::Pass, None));
        let simple = change(signed(rsa(), "rsa", [Relaxed, Simple], MESSAGE));
        assert_eq!(first(&simple).await, failed("the body was altered"));
        let header = signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE).replace("Of  signed", "of signed");
        assert_eq!(first(&header).await, failed("the signature does not hold"));
    }

    /// RFC 6376 §3.5, §3.6, RFC 8301 §3.1, §3.2
    #[tokio::test]
    async fn what_is_wrong_with_a_signature_is_told() {
        let good = signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE);
        let permanent = |problem: &str| (Outcome::PermError, Some(problem.to_owned()));
        for (message, verdict) in [
            (good.replace("s=rsa;", "s=nowhere;"), permanent("no key")),
            (good.replace("a=rsa-sha256", "a=rsa-sha1"), permanent("rsa-sha1 is not accepted")),
            (good.replace("h=Message-ID:Date:Subject:To:From:From", "h=To:Subject"), permanent("From is not signed")),
            (MESSAGE.to_owned(), (Outcome::None, None)),
            ("\r\nno header\r\n".to_owned(), (Outcome::None, Some("no header".to_owned()))),
        ] {
            assert_eq!(first(&message).await, verdict, "{message}");
        }
        assert_eq!(first(&good.replace("s=rsa;", "s=dead;")).await.0, Outcome::TempError);
        assert_eq!(first(&good.replace("s=rsa;", "s=revoked;")).await.0, Outcome::PermError);
        assert_eq!(first(&good.replace("c=relaxed", "l=2; c=relaxed")).await.0, Outcome::Neutral);
        assert_eq!(first(&good.replace("v=1;", "v=2;")).await.0, Outcome::Neutral);
        // One that ended long ago.
        assert_eq!(first(&good.replace("c=relaxed", "x=2; t=1; c=relaxed")).await.0, Outcome::Fail);
    }

    /// RFC 8617 §5.2
    #[tokio::test]
    async fn a_chain_holds_as_long_as_nobody_touches_it() {
        let altered = signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE).replace("Subject:  Of", "Subject: [list] Of");
        let message = sealed("list.example", &altered).await;
        let verdicts = verify(&message).await;
        assert_eq!(verdicts.dkim[0].outcome, Outcome::Fail);
        assert_eq!(verdicts.arc.outcome, Outcome::Pass, "{:?}", verdicts.arc);
        assert!(verdicts.arc.is_sealed_by(&["list.example".to_owned()]));
        assert!(!verdicts.arc.is_sealed_by(&["example".to_owned()]));

        let broken = verify(&message.replace("[list]", "[tsil]")).await.arc;
        assert_eq!(broken.outcome, Outcome::Fail);
        assert!(!broken.is_sealed_by(&["list.example".to_owned()]));
        assert_eq!(verify(&message.replace("ARC-Seal", "ARC-Gone")).await.arc.outcome, Outcome::Fail);
        assert_eq!(verify(MESSAGE).await.arc.outcome, Outcome::None);
    }

    #[tokio::test]
    async fn a_thousand_signatures_ten_thousand_authors_and_a_megabyte_of_header_are_bounded() {
        let signature = signed(rsa(), "rsa", [Relaxed, Relaxed], MESSAGE).replace(MESSAGE, "");
        let verdicts = verify(&(signature.repeat(1_000) + MESSAGE)).await;
        assert_eq!(verdicts.dkim.len(), SIGNATURES_MAX);

        let from: Vec<String> = (0..10_000).map(|number| format!("a@d{number}.example")).collect();
        let verdicts = verify(&format!("From: {}\r\n\r\n", from.join(",\r\n "))).await;
        assert!(verdicts.authors.len() > 100, "{}", verdicts.authors.len());

        let long = format!("{}X: {}\r\n\r\nbody", MESSAGE.split("\r\n\r\n").next().unwrap(), "x".repeat(2 << 20));
        let verdicts = verify(&(signature + "From: a@example.org\r\n" + &long)).await;
        assert_eq!(verdicts.dkim[0].outcome, Outcome::PermError);
        assert_eq!(verdicts.authors, ["example.org"], "whom it claims to be from is known all the same");
    }

    proptest! {
        /// Fields with names that matter, made of pieces that matter, and noise.
        #[test]
        fn no_message_stops_the_check(
            fields in prop::collection::vec((0usize..7, prop::collection::vec((0usize..24, any::<String>()), 0..12)), 0..8),
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            const NAMES: [&str; 7] = ["From", "DKIM-Signature", "ARC-Seal", "ARC-Message-Signature",
                "ARC-Authentication-Results", "DKIM2-Signature", "Message-Instance"];
            const PIECES: [&str; 24] = ["v=1;", "a=rsa-sha256;", "a=ed25519-sha256;", "d=example.org;", "s=rsa;", "b=AAAA;",
                "bh=AAAA;", "h=From:To;", "i=1;", "i=4294967295;", "cv=none;", "cv=pass;", "c=simple/relaxed;", "l=9;",
                "x=1;", "t=18446744073709551615;", "<a@b.example>,", "\"", "(", "\r\n ", "=", ";", "=?utf-8?q?=", "@["];
            let mut message = Vec::new();
            for (name, pieces) in fields {
                message.extend_from_slice(NAMES[name].as_bytes());
                message.push(b':');
                for (piece, text) in pieces {
                    message.extend_from_slice(PIECES[piece].as_bytes());
                    message.extend(text.bytes().take(8));
                }
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(&noise);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut reading = Reading::default();
            reading.push(&message);
            let verdicts = runtime.block_on(async {
                // Keys that are no keys: whatever a stranger's DNS says must not matter either.
                let (dns, _server) = resolver("*._domainkey.example.org TXT \"v=DKIM1; p=AAAA\"").await;
                reading.verify(&dns).await
            });
            let died = |problem: &Option<String>| problem.as_deref() == Some("the check failed");
            prop_assert!(verdicts.dkim.iter().all(|verdict| !died(&verdict.problem)), "a panic");
        }

        #[test]
        fn no_record_stops_a_parser(text in ".{0,200}", octets in prop::collection::vec(any::<u8>(), 0..200)) {
            for prefix in ["", "v=spf1 ", "v=DMARC1;", "v=DKIM1;p="] {
                for record in [[prefix.as_bytes(), text.as_bytes()].concat(), [prefix.as_bytes(), &octets].concat()] {
                    let _ = mail_auth::spf::Spf::parse(&record);
                    let _ = mail_auth::spf::Macro::parse(&record);
                    let _ = mail_auth::dmarc::Dmarc::parse(&record);
                    let _ = DomainKey::parse(&record);
                }
            }
        }
    }
}
