//! DMARC (RFC 7489): what the domain in From wants done with mail that nobody vouches for.
//!
//! Records are read by `mail-auth`. Which record holds, and what an organisation is, is found by asking the DNS upwards,
//! name by name (RFC 9989 §4.10, which replaces the list of public suffixes of RFC 7489 §3.2): no list has to be kept
//! up to date. Of RFC 7489 stays what senders still rely on: `pct` (§6.6.4), and that each domain of a From with
//! several has its say (§6.6.1). Several records at one name are none (§6.6.3).

use std::net::IpAddr;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::dmarc::{Alignment, Dmarc as Record, Policy as Wish, Psd};

use super::resolver::{NoAnswer, Resolver};
use super::results::Outcome;

/// Author domains that are looked at. A From with more is no honest one: it counts as failed (`permerror`).
const DOMAINS_MAX: usize = 5;
/// Labels of a name from which on the walk leaves some out: eight questions at the most (RFC 9989 §4.10).
const LABELS_MAX: usize = 8;

/// What the owner of a domain wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Nothing.
    None,
    /// Look on it with suspicion.
    Quarantine,
    /// Refuse it.
    Reject,
}

impl Policy {
    /// As records have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Quarantine => "quarantine",
            Policy::Reject => "reject",
        }
    }
}

/// What DMARC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The domain in From; of several that whose policy is followed.
    pub domain: String,
    /// `pass`, `fail`, `none`, `temperror`, `permerror`.
    pub outcome: Outcome,
    /// What its owner wants, sampled (`pct`) and weakened (`t=y`) as the record says.
    pub policy: Policy,
    /// What was wrong.
    pub problem: Option<String>,
}

/// Who vouches for a message.
#[derive(Clone, Debug, Default)]
pub struct Vouchers {
    /// The domain of SPF, where it passed; and whether the DNS failed.
    pub spf: Option<(String, Outcome)>,
    /// The domains of DKIM signatures, with their outcomes: those that passed, and those that the DNS failed.
    pub dkim: Vec<(String, Outcome)>,
}

/// The verdict for the domains in From, A-labels in lower case; `sample` from 0 to 99 decides for `pct`.
pub async fn check(dns: &Resolver, authors: &[String], vouchers: &Vouchers, sample: u8) -> Verdict {
    let wrong = |problem: &str| Verdict {
        domain: authors.first().cloned().unwrap_or_default(),
        outcome: Outcome::PermError,
        policy: Policy::None,
        problem: Some(problem.to_owned()),
    };
    if authors.is_empty() {
        return wrong("no domain in From");
    }
    if authors.len() > DOMAINS_MAX {
        return wrong("too many domains in From");
    }
    let mut worst: Option<Verdict> = None;
    for author in authors {
        let verdict = check_author(dns, author, vouchers, sample).await;
        if worst.as_ref().is_none_or(|worst| severity(&verdict) > severity(worst)) {
            worst = Some(verdict);
        }
    }
    worst.unwrap_or_else(|| wrong("no domain in From"))
}

/// RFC 7489 §6.6.1: of several, the most strict policy among those that fail.
fn severity(verdict: &Verdict) -> (u8, Policy) {
    match verdict.outcome {
        Outcome::Fail => (3, verdict.policy),
        Outcome::TempError => (2, verdict.policy),
        Outcome::PermError => (1, verdict.policy),
        _ => (0, Policy::None),
    }
}

async fn check_author(dns: &Resolver, author: &str, vouchers: &Vouchers, sample: u8) -> Verdict {
    let verdict = |outcome, policy, problem| Verdict { domain: author.to_owned(), outcome, policy, problem };
    match judge(dns, author, vouchers, sample).await {
        Ok(Some((outcome, policy))) => verdict(outcome, policy, None),
        Ok(None) => verdict(Outcome::None, Policy::None, None),
        Err(no_answer) => verdict(Outcome::TempError, Policy::None, Some(no_answer.to_string())),
    }
}

async fn judge(
    dns: &Resolver,
    author: &str,
    vouchers: &Vouchers,
    sample: u8,
) -> Result<Option<(Outcome, Policy)>, NoAnswer> {
    let walk = walk(dns, author).await?;
    let organisation = organisation(&walk, author);
    let own = walk.iter().find(|found| found.name == author);
    let above = walk.iter().find(|found| found.name == organisation).or(walk.last());
    let Some(found) = own.or(above) else { return Ok(None) };
    let record = &found.record;
    let wish = if own.is_some() {
        &record.p
    } else if record.np != record.sp && !exists(dns, author).await? {
        &record.np
    } else {
        &record.sp
    };
    let policy = match wish {
        Wish::Reject => Policy::Reject,
        Wish::Quarantine => Policy::Quarantine,
        Wish::None => Policy::None,
        // RFC 7489 §6.6.3: without a policy, an address for reports makes it "none"; without that, it is no record.
        Wish::Unspecified if record.rua.is_empty() => return Ok(None),
        Wish::Unspecified => Policy::None,
    };
    let policy = if record.t || sample >= found.percent { weaker(policy) } else { policy };

    let mut failed = false;
    for ((domain, outcome), alignment) in
        vouchers.spf.iter().map(|it| (it, record.aspf)).chain(vouchers.dkim.iter().map(|it| (it, record.adkim)))
    {
        if !matches!(outcome, Outcome::Pass | Outcome::TempError) {
            continue;
        }
        match is_aligned(dns, domain, author, organisation, alignment).await {
            Ok(true) if *outcome == Outcome::Pass => return Ok(Some((Outcome::Pass, policy))),
            Ok(false) => {}
            // It might have vouched.
            Ok(true) | Err(_) => failed = true,
        }
    }
    Ok(Some((if failed { Outcome::TempError } else { Outcome::Fail }, policy)))
}

/// RFC 7489 §6.6.4: what is not in the sample gets the next milder policy. RFC 9989 has `t=y` for the same.
fn weaker(policy: Policy) -> Policy {
    match policy {
        Policy::Reject => Policy::Quarantine,
        Policy::Quarantine | Policy::None => Policy::None,
    }
}

/// A record, and where it stands.
struct At<'n> {
    name: &'n str,
    record: Record,
    /// `pct`.
    percent: u8,
}

/// The records from `domain` upwards (RFC 9989 §4.10).
async fn walk<'n>(dns: &Resolver, domain: &'n str) -> Result<Vec<At<'n>>, NoAnswer> {
    let mut found = Vec::new();
    let labels = domain.split('.').count();
    for (index, name) in std::iter::successors(Some(domain), |name| name.split_once('.').map(|(_, up)| up)).enumerate()
    {
        let left = labels - index;
        if labels < 2 || (index > 0 && left >= LABELS_MAX) {
            continue;
        }
        let mut texts = dns.txt(&format!("_dmarc.{name}")).await?;
        texts.retain(|text| is_dmarc(text));
        let [text] = texts.as_slice() else { continue };
        let Ok(record) = Record::parse(text) else { continue };
        let stops = record.psd != Psd::Default;
        found.push(At { name, record, percent: percent(text) });
        if stops {
            break;
        }
    }
    Ok(found)
}

/// The organisational domain by a walk from `start` (RFC 9989 §4.10.2).
fn organisation<'n>(walk: &[At<'n>], start: &'n str) -> &'n str {
    for found in walk {
        match found.record.psd {
            Psd::No => return found.name,
            Psd::Yes if found.name != start => {
                let below = start.len() - found.name.len() - 1;
                let from = start[..below].rfind('.').map_or(0, |dot| dot + 1);
                return &start[from..];
            }
            _ => {}
        }
    }
    walk.last().map_or(start, |found| found.name)
}

/// RFC 7489 §3.1.
async fn is_aligned(
    dns: &Resolver,
    domain: &str,
    author: &str,
    organisation_of_author: &str,
    alignment: Alignment,
) -> Result<bool, NoAnswer> {
    if domain == author {
        return Ok(true);
    }
    let is_below =
        domain.strip_suffix(organisation_of_author).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if alignment == Alignment::Strict || !is_below {
        return Ok(false);
    }
    Ok(organisation(&walk(dns, domain).await?, domain) == organisation_of_author)
}

/// Whether the DNS knows anything of `domain`, by what mail needs.
async fn exists(dns: &Resolver, domain: &str) -> Result<bool, NoAnswer> {
    let any_v4 = IpAddr::from([0; 4]);
    let any_v6 = IpAddr::from([0u16; 8]);
    Ok(!dns.mx(domain).await?.is_empty()
        || !dns.addresses(domain, any_v4).await?.is_empty()
        || !dns.addresses(domain, any_v6).await?.is_empty())
}

/// RFC 7489 §6.3: `v=DMARC1` comes first.
fn is_dmarc(text: &[u8]) -> bool {
    let text: Vec<u8> = text.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    text.strip_prefix(b"v=DMARC1").is_some_and(|rest| rest.first().is_none_or(|octet| *octet == b';'))
}

/// RFC 7489 §6.3: `pct`, 100 where it is not there or is no number.
fn percent(text: &[u8]) -> u8 {
    let text = String::from_utf8_lossy(text);
    let value = text.split(';').filter_map(|tag| tag.split_once('=')).find(|(name, _)| name.trim() == "pct");
    value.and_then(|(_, value)| value.trim().parse().ok()).filter(|percent| *percent <= 100).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolver;
    use super::*;

    fn dkim(domain: &str) -> Vouchers {
        Vouchers { spf: None, dkim: vec![(domain.to_owned(), Outcome::Pass)] }
    }

    fn spf(domain: &str) -> Vouchers {
        Vouchers { spf: Some((domain.to_owned(), Outcome::Pass)), dkim: Vec::new() }
    }

    const ZONE: &str = "_dmarc.example.org TXT \"v=DMARC1; p=reject; sp=quarantine\"\n\
        _dmarc.strict.example TXT \"v=DMARC1;p=reject;adkim=s;aspf=s\"\n_dmarc.none.example TXT \"v=DMARC1; p=none\"\n\
        _dmarc.own.example.org TXT \"v=DMARC1; p=none\"\n_dmarc.some.example TXT \"v=DMARC1; p=reject; pct=30\"\n\
        _dmarc.try.example TXT \"v=DMARC1; p=quarantine; t=y\"\n_dmarc.dead.example SERVFAIL\n\
        _dmarc.two.example TXT \"v=DMARC1; p=reject\"\n_dmarc.two.example TXT \"v=DMARC1; p=none\"\n\
        _dmarc.gone.example TXT \"v=DMARC1; p=none; np=reject\"\nreal.gone.example A 192.0.2.1\n\
        _dmarc.bad.example TXT \"v=DMARC1; p=perhaps\"\n_dmarc.psd TXT \"v=DMARC1; p=none; psd=y\"\n\
        _dmarc.rua.example TXT \"v=DMARC1; rua=mailto:a@rua.example\"\n";

    #[tokio::test]
    async fn who_vouches_and_what_is_wanted() {
        let (dns, _server) = resolver(ZONE).await;
        for (author, vouchers, outcome, policy) in [
            ("example.org", Vouchers::default(), Outcome::Fail, Policy::Reject),
            ("example.org", dkim("example.org"), Outcome::Pass, Policy::Reject),
            ("example.org", dkim("mail.example.org"), Outcome::Pass, Policy::Reject),
            ("example.org", spf("bounce.example.org"), Outcome::Pass, Policy::Reject),
            ("example.org", dkim("example.net"), Outcome::Fail, Policy::Reject),
            ("example.org", dkim("notexample.org"), Outcome::Fail, Policy::Reject),
            ("shop.example.org", Vouchers::default(), Outcome::Fail, Policy::Quarantine),
            ("shop.example.org", dkim("example.org"), Outcome::Pass, Policy::Quarantine),
            ("own.example.org", Vouchers::default(), Outcome::Fail, Policy::None),
            ("strict.example", dkim("mail.strict.example"), Outcome::Fail, Policy::Reject),
            ("strict.example", spf("strict.example"), Outcome::Pass, Policy::Reject),
            ("none.example", Vouchers::default(), Outcome::Fail, Policy::None),
            ("some.example", Vouchers::default(), Outcome::Fail, Policy::Quarantine),
            ("try.example", Vouchers::default(), Outcome::Fail, Policy::None),
            ("dead.example", dkim("dead.example"), Outcome::TempError, Policy::None),
            ("two.example", Vouchers::default(), Outcome::None, Policy::None),
            ("bad.example", Vouchers::default(), Outcome::None, Policy::None),
            ("rua.example", Vouchers::default(), Outcome::Fail, Policy::None),
            ("nothing.example", dkim("nothing.example"), Outcome::None, Policy::None),
            ("real.gone.example", Vouchers::default(), Outcome::Fail, Policy::None),
            ("ghost.gone.example", Vouchers::default(), Outcome::Fail, Policy::Reject),
            ("a.one.psd", dkim("b.two.psd"), Outcome::Fail, Policy::None),
            ("a.one.psd", dkim("b.one.psd"), Outcome::Pass, Policy::None),
        ] {
            let verdict = check(&dns, &[author.to_owned()], &vouchers, 30).await;
            assert_eq!((verdict.outcome, verdict.policy), (outcome, policy), "{author} {vouchers:?}");
        }
        let within = check(&dns, &["some.example".to_owned()], &Vouchers::default(), 29).await;
        assert_eq!(within.policy, Policy::Reject, "in the sample");
    }

    #[tokio::test]
    async fn a_signature_that_the_dns_fails_is_temperror_only_where_it_could_vouch() {
        let (dns, _server) = resolver(ZONE).await;
        for (signer, outcome) in [("example.org", Outcome::TempError), ("example.net", Outcome::Fail)] {
            let vouchers = Vouchers { spf: None, dkim: vec![(signer.to_owned(), Outcome::TempError)] };
            assert_eq!(check(&dns, &["example.org".to_owned()], &vouchers, 0).await.outcome, outcome, "{signer}");
        }
    }

    #[tokio::test]
    async fn of_several_domains_the_strictest_that_fails_is_followed() {
        let (dns, _server) = resolver(ZONE).await;
        let authors = ["none.example", "example.org", "nothing.example"].map(str::to_owned);
        let verdict = check(&dns, &authors, &dkim("none.example"), 0).await;
        assert_eq!(
            (verdict.domain.as_str(), verdict.outcome, verdict.policy),
            ("example.org", Outcome::Fail, Policy::Reject)
        );
        assert_eq!(check(&dns, &[], &Vouchers::default(), 0).await.outcome, Outcome::PermError);
        let many: Vec<String> = (0..10_000).map(|number| format!("d{number}.example")).collect();
        assert_eq!(check(&dns, &many, &Vouchers::default(), 0).await.outcome, Outcome::PermError);
    }

    /// RFC 9989 §4.10, in place of RFC 7489 §3.2
    #[tokio::test]
    async fn a_walk_asks_eight_times_at_the_most() {
        let (dns, _server) = resolver("_dmarc.h.example TXT \"v=DMARC1; p=reject\"\n").await;
        let deep = format!("{}h.example", "x.".repeat(100));
        assert_eq!(check(&dns, &[deep], &Vouchers::default(), 0).await.policy, Policy::Reject);
    }
}
