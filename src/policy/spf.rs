//! SPF (RFC 7208): may this address send for this domain?
//!
//! Records are read, and macros expanded, by `mail-auth`; `check_host()` itself is here, for what it must be exact about:
//! two records are an error (§4.5), terms that ask the DNS are counted to ten (§4.6.4) and those that find nothing to two,
//! `exists` asks for IPv4 addresses alone (§5.7), and a DNS without an answer is `temperror` wherever it turns up.

use std::net::IpAddr;
use std::pin::Pin;

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::spf::{Directive, Macro, Mechanism, Qualifier, Spf as Record, Variables};

use super::resolver::{NoAnswer, Resolver};
use super::results::Outcome;

/// Terms that ask the DNS (RFC 7208 §4.6.4).
const LOOKUPS_MAX: usize = 10;
/// Of these, so many may find nothing (RFC 7208 §4.6.4).
const VOID_LOOKUPS_MAX: usize = 2;
/// Mail exchangers of one `mx`, and names of one `ptr` (RFC 7208 §4.6.4).
const NAMES_MAX: usize = 10;
/// Characters of an explanation that go into a reply: a stranger wrote it.
const EXPLANATION_CHARS: usize = 200;
/// Octets of a name; what a macro makes longer loses labels on the left (RFC 7208 §7.3).
const NAME_OCTETS_MAX: usize = 253;

/// Whose permission was asked for (RFC 7208 §2.3 and §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The name that the client gave.
    Helo,
    /// The reverse-path.
    MailFrom,
}

/// What SPF says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose permission.
    pub identity: Identity,
    /// The domain that was asked.
    pub domain: String,
    /// The result (RFC 7208 §2.6).
    pub outcome: Outcome,
    /// The mechanism that matched, by its name.
    pub mechanism: Option<&'static str>,
    /// What was wrong with record or DNS.
    pub problem: Option<String>,
    /// What the domain says about its refusals (RFC 7208 §6.2), in ASCII.
    pub explanation: Option<String>,
}

/// Who asks for permission.
#[derive(Clone, Debug)]
pub struct Client<'c> {
    /// From where.
    pub address: IpAddr,
    /// The name it gave.
    pub helo: &'c str,
    /// Our name, for explanations.
    pub receiver: &'c str,
}

/// Whether the client may send for `local_part@domain`. The domain is in A-labels.
pub async fn check_mail_from(dns: &Resolver, client: &Client<'_>, local_part: &str, domain: &str) -> Verdict {
    check(dns, client, Identity::MailFrom, &format!("{local_part}@{domain}"), domain).await
}

/// Whether the client may use the name that it gave (RFC 7208 §2.3). An address literal is no name.
pub async fn check_helo(dns: &Resolver, client: &Client<'_>) -> Verdict {
    check(dns, client, Identity::Helo, &format!("postmaster@{}", client.helo), client.helo).await
}

async fn check(dns: &Resolver, client: &Client<'_>, identity: Identity, sender: &str, domain: &str) -> Verdict {
    let mut check = Check { dns, client, sender, lookups: 0, voids: 0, names: None, explanation: None };
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let (outcome, mechanism, problem) = match check.check_host(domain.clone(), true).await {
        Ok(Some(found)) => (found.outcome, Some(found.mechanism), None),
        Ok(None) => (Outcome::None, None, None),
        Err(Stop::Temporary(why)) => (Outcome::TempError, None, Some(why)),
        Err(Stop::Permanent(why)) => (Outcome::PermError, None, Some(why)),
    };
    Verdict { identity, domain, outcome, mechanism, problem, explanation: check.explanation }
}

/// Why there is no result.
enum Stop {
    Temporary(String),
    Permanent(String),
}

impl From<NoAnswer> for Stop {
    fn from(no_answer: NoAnswer) -> Self {
        Stop::Temporary(no_answer.to_string())
    }
}

fn permanent<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Permanent(why.into()))
}

struct Found {
    outcome: Outcome,
    mechanism: &'static str,
}

struct Check<'c> {
    dns: &'c Resolver,
    client: &'c Client<'c>,
    sender: &'c str,
    lookups: usize,
    voids: usize,
    /// The validated names of the client (RFC 7208 §5.5), once they were asked for.
    names: Option<Vec<String>>,
    explanation: Option<String>,
}

impl Check<'_> {
    /// RFC 7208 §4: the result for `domain`; `None`: it has no record. Ends, since each round counts as a lookup.
    fn check_host(
        &mut self,
        domain: String,
        explains: bool,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Found>, Stop>> + Send + '_>> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(None) };
            for directive in &record.directives {
                if self.matches(directive, &domain).await? {
                    let outcome = match directive.qualifier {
                        Qualifier::Pass => Outcome::Pass,
                        Qualifier::Fail => Outcome::Fail,
                        Qualifier::SoftFail => Outcome::SoftFail,
                        Qualifier::Neutral => Outcome::Neutral,
                    };
                    if let (Outcome::Fail, true, Some(exp)) = (outcome, explains, &record.exp) {
                        self.explanation = self.explain(exp, &domain).await;
                    }
                    return Ok(Some(Found { outcome, mechanism: name(&directive.mechanism) }));
                }
            }
            let Some(redirect) = &record.redirect else {
                return Ok(Some(Found { outcome: Outcome::Neutral, mechanism: "default" }));
            };
            self.count()?;
            let target = self.expand(redirect, &domain).await?;
            match self.check_host(target.clone(), explains).await? {
                Some(found) => Ok(Some(found)),
                None => permanent(format!("redirect to {target}, which has no record")),
            }
        })
    }

    /// RFC 7208 §4.3 to §4.6: the one record of a domain.
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        if !domain.contains('.') || domain.starts_with('[') {
            return Ok(None);
        }
        let mut records = self.dns.txt(domain).await?;
        records.retain(|record| is_spf(record));
        match records.as_slice() {
            [] => Ok(None),
            [record] => match Record::parse(record) {
                Ok(record) => Ok(Some(record)),
                Err(_) => permanent(format!("the record of {domain} can't be read")),
            },
            _ => permanent(format!("{domain} has several records")),
        }
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return permanent(format!("more than {LOOKUPS_MAX} terms that ask the DNS"));
        }
        Ok(())
    }

    fn count_void<T>(&mut self, found: &[T]) -> Result<(), Stop> {
        self.voids += usize::from(found.is_empty());
        if self.voids > VOID_LOOKUPS_MAX {
            return permanent(format!("more than {VOID_LOOKUPS_MAX} terms that find nothing in the DNS"));
        }
        Ok(())
    }

    /// RFC 7208 §5.
    async fn matches(&mut self, directive: &Directive, domain: &str) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4 { addr, mask } => Ok(within((*addr).into(), self.client.address, *mask, 0)),
            Mechanism::Ip6 { addr, mask } => Ok(within((*addr).into(), self.client.address, 0, *mask)),
            Mechanism::Include { macro_string } => self.include(macro_string, domain).await,
            Mechanism::A { macro_string, ip4_mask, ip6_mask } => {
                self.count()?;
                let target = self.expand(macro_string, domain).await?;
                let addresses = self.dns.addresses(&target, self.client.address).await?;
                self.count_void(&addresses)?;
                Ok(addresses.into_iter().any(|address| within(address, self.client.address, *ip4_mask, *ip6_mask)))
            }
            Mechanism::Mx { macro_string, ip4_mask, ip6_mask } => {
                self.count()?;
                let target = self.expand(macro_string, domain).await?;
                let exchangers = self.dns.mx(&target).await?;
                self.count_void(&exchangers)?;
                if exchangers.len() > NAMES_MAX {
                    return permanent(format!("{target} has more than {NAMES_MAX} mail exchangers"));
                }
                for exchanger in exchangers {
                    let addresses = self.dns.addresses(&exchanger, self.client.address).await?;
                    if addresses.into_iter().any(|it| within(it, self.client.address, *ip4_mask, *ip6_mask)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Ptr { macro_string } => {
                self.count()?;
                let target = self.expand(macro_string, domain).await?;
                Ok(self.validated_names().await.iter().any(|name| is_in(name, &target)))
            }
            Mechanism::Exists { macro_string } => {
                self.count()?;
                let target = self.expand(macro_string, domain).await?;
                let found = self.dns.ipv4(&target).await?;
                self.count_void(&found)?;
                Ok(!found.is_empty())
            }
        }
    }

    /// RFC 7208 §5.2.
    async fn include(&mut self, macro_string: &Macro, domain: &str) -> Result<bool, Stop> {
        self.count()?;
        let target = self.expand(macro_string, domain).await?;
        match self.check_host(target.clone(), false).await? {
            Some(found) => Ok(found.outcome == Outcome::Pass),
            None => permanent(format!("includes {target}, which has no record")),
        }
    }

    /// RFC 7208 §5.5: the client's names that lead back to its address. A DNS that fails leaves names out.
    async fn validated_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.names {
            return names.clone();
        }
        let address = self.client.address;
        let mut validated = Vec::new();
        for name in self.dns.names(address).await.unwrap_or_default().into_iter().take(NAMES_MAX) {
            if self.dns.addresses(&name, address).await.unwrap_or_default().contains(&address) {
                validated.push(name);
            }
        }
        self.names = Some(validated.clone());
        validated
    }

    /// RFC 7208 §7: the domain that a term names; its own where it names none.
    async fn expand(&mut self, macro_string: &Macro, domain: &str) -> Result<String, Stop> {
        if macro_string.needs_ptr() {
            self.count()?;
        }
        let text = self.evaluate(macro_string, domain).await;
        let mut name = text.trim_end_matches('.');
        while name.len() > NAME_OCTETS_MAX {
            name = name.split_once('.').map_or("", |(_, rest)| rest);
        }
        Ok(name.to_ascii_lowercase())
    }

    async fn evaluate(&mut self, macro_string: &Macro, domain: &str) -> String {
        let names = if macro_string.needs_ptr() { self.validated_names().await } else { Vec::new() };
        // RFC 7208 §7.3: the domain itself, else one below it, else any, else "unknown".
        let name = names.iter().find(|name| *name == domain);
        let name = name.or_else(|| names.iter().find(|name| is_in(name, domain))).or(names.first());
        let mut variables = Variables::new();
        variables.set_ip(&self.client.address);
        variables.set_sender(self.sender.as_bytes());
        variables.set_domain(domain.as_bytes());
        variables.set_helo_domain(self.client.helo.as_bytes());
        variables.set_host_domain(self.client.receiver.as_bytes());
        variables.set_validated_domain(name.map_or("unknown", String::as_str).as_bytes());
        macro_string.eval(&variables, domain, false).into_owned()
    }

    /// RFC 7208 §6.2. Whatever goes wrong here is no matter of the result.
    async fn explain(&mut self, exp: &Macro, domain: &str) -> Option<String> {
        let target = self.expand(exp, domain).await.ok()?;
        let texts = self.dns.txt(&target).await.ok()?;
        let [text] = texts.as_slice() else { return None };
        let text = Macro::parse(text).ok()?;
        let explanation = self.evaluate(&text, domain).await;
        let is_printable = !explanation.is_empty() && explanation.chars().all(|c| c == ' ' || c.is_ascii_graphic());
        is_printable.then(|| explanation.chars().take(EXPLANATION_CHARS).collect())
    }
}

/// RFC 7208 §4.5: the version, then a space or the end.
fn is_spf(record: &[u8]) -> bool {
    let (version, rest) = record.split_at_checked(6).unwrap_or((b"", b""));
    version.eq_ignore_ascii_case(b"v=spf1") && rest.first().is_none_or(|octet| *octet == b' ')
}

/// Whether `name` is `domain`, or below it.
fn is_in(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether both addresses are in one network; of two families they never are.
fn within(one: IpAddr, other: IpAddr, mask4: u32, mask6: u128) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()) & mask4 == 0,
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()) & mask6 == 0,
        _ => false,
    }
}

fn name(mechanism: &Mechanism) -> &'static str {
    match mechanism {
        Mechanism::All => "all",
        Mechanism::Include { .. } => "include",
        Mechanism::A { .. } => "a",
        Mechanism::Mx { .. } => "mx",
        Mechanism::Ptr { .. } => "ptr",
        Mechanism::Ip4 { .. } => "ip4",
        Mechanism::Ip6 { .. } => "ip6",
        Mechanism::Exists { .. } => "exists",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolver;
    use super::*;

    const CLIENT: &str = "192.0.2.3";

    /// The records of example.org, and what they say of alice@example.org who comes from [`CLIENT`].
    async fn of(record: &str, others: &str) -> Verdict {
        from(CLIENT, record, others).await
    }

    async fn from(address: &str, record: &str, others: &str) -> Verdict {
        let (dns, _server) = resolver(&format!("example.org TXT \"{record}\"\n{others}")).await;
        let client = Client { address: address.parse().unwrap(), helo: "mx.example.org", receiver: "here.example" };
        check_mail_from(&dns, &client, "alice", "example.org").await
    }

    /// RFC 7208 §5, §6.1, §7
    #[tokio::test]
    async fn each_mechanism_and_qualifier() {
        let zone = "a.example A 192.0.2.3\na.example AAAA 2001:db8::3\nexample.org MX 10 a.example\n\
                    other.example A 192.0.2.77\n3.2.0.192.in-addr.arpa PTR a.example\n\
                    3.2.0.192.in-addr.arpa PTR liar.example\nin.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n\
                    out.example TXT \"v=spf1 -all\"\nalice._at.3.2.0.192.who.example A 127.0.0.2\n";
        for (record, outcome, mechanism) in [
            ("v=spf1", Outcome::Neutral, "default"),
            ("v=spf1 -all", Outcome::Fail, "all"),
            ("v=spf1 ~all", Outcome::SoftFail, "all"),
            ("v=spf1 ?all", Outcome::Neutral, "all"),
            ("V=SPF1 +ALL", Outcome::Pass, "all"),
            ("v=spf1 ip4:192.0.2.3 -all", Outcome::Pass, "ip4"),
            ("v=spf1 ip4:192.0.2.4 -all", Outcome::Fail, "all"),
            ("v=spf1 ip4:192.0.2.4/29 -all", Outcome::Pass, "ip4"),
            ("v=spf1 ip6:::/0 -all", Outcome::Fail, "all"),
            ("v=spf1 a:a.example -all", Outcome::Pass, "a"),
            ("v=spf1 a:other.example -all", Outcome::Fail, "all"),
            ("v=spf1 a:other.example/24 -all", Outcome::Pass, "a"),
            ("v=spf1 mx -all", Outcome::Pass, "mx"),
            ("v=spf1 ptr:a.example -all", Outcome::Pass, "ptr"),
            ("v=spf1 ptr:liar.example -all", Outcome::Fail, "all"),
            ("v=spf1 exists:%{l}._at.%{ir}.who.example -all", Outcome::Pass, "exists"),
            ("v=spf1 a:%{p} -all", Outcome::Pass, "a"),
            ("v=spf1 include:in.example -all", Outcome::Pass, "include"),
            ("v=spf1 include:out.example ~all", Outcome::SoftFail, "all"),
            ("v=spf1 redirect=in.example", Outcome::Pass, "ip4"),
            ("v=spf1 redirect=out.example", Outcome::Fail, "all"),
        ] {
            let verdict = of(record, zone).await;
            assert_eq!((verdict.outcome, verdict.mechanism), (outcome, Some(mechanism)), "{record} {verdict:?}");
        }
        assert_eq!(from("2001:db8::3", "v=spf1 mx -all", zone).await.outcome, Outcome::Pass);
        assert_eq!(from("2001:db8::4", "v=spf1 ip6:2001:db8::/64 -all", zone).await.outcome, Outcome::Pass);
    }

    /// RFC 7208 §4.5, §4.6
    #[tokio::test]
    async fn what_is_wrong_for_good_is_permerror() {
        let mut many = "example.net TXT \"v=spf1 mx -all\"\n".to_owned();
        for number in 0..11 {
            many += &format!(
                "example.net MX 10 m{number}.example\nl{number}.example TXT \"v=spf1 include:l{}.example\"\n",
                number + 1
            );
        }
        many += "round.example TXT \"v=spf1 include:round.example\"\ntwo.example TXT \"v=spf1\"\ntwo.example TXT \"v=spf1 a\"\n";
        for record in [
            "v=spf1 nonsense",
            "v=spf1 ip4:1.2.3",
            "v=spf1 include:nowhere.example -all",
            "v=spf1 redirect=nowhere.example",
            "v=spf1 include:round.example",
            "v=spf1 redirect=example.org",
            "v=spf1 include:l0.example",
            "v=spf1 include:two.example",
            "v=spf1 mx:example.net",
            "v=spf1 a:n1.example a:n2.example a:n3.example +all",
            "v=spf1 exists:n1.example exists:n2.example exists:n3.example +all",
        ] {
            let verdict = of(record, &many).await;
            assert_eq!(verdict.outcome, Outcome::PermError, "{record} {verdict:?}");
            assert!(verdict.problem.is_some(), "{record}");
        }
        let two = of("v=spf1 +all", "example.org TXT \"v=spf1 -all\"").await;
        assert_eq!(two.problem.as_deref(), Some("example.org has several records"));
        assert_eq!(of("v=spf1 a:n1.example a:n2.example +all", "").await.outcome, Outcome::Pass, "two may be void");
    }

    #[tokio::test]
    async fn a_dns_that_fails_is_temperror_wherever_it_turns_up() {
        for record in [
            "v=spf1 a:dead.example",
            "v=spf1 mx:dead.example",
            "v=spf1 exists:dead.example",
            "v=spf1 include:dead.example",
            "v=spf1 redirect=dead.example",
        ] {
            assert_eq!(of(record, "dead.example SERVFAIL").await.outcome, Outcome::TempError, "{record}");
        }
        assert_eq!(of("v=spf1 +all", "example.org SERVFAIL").await.outcome, Outcome::TempError);
    }

    #[tokio::test]
    async fn without_a_record_there_is_no_result() {
        let (dns, _server) = resolver("example.org TXT \"v=spf10 -all\"\nexample.org TXT \"something else\"\n").await;
        for helo in ["example.org", "nowhere.example", "localhost", "[192.0.2.3]", "", "b\u{fc}ro", "..."] {
            let client = Client { address: CLIENT.parse().unwrap(), helo, receiver: "here.example" };
            assert_eq!(check_helo(&dns, &client).await.outcome, Outcome::None, "{helo:?}");
        }
    }

    #[tokio::test]
    async fn a_domain_may_explain_itself_in_printable_ascii() {
        let zone = "why.example TXT \"%{i} is not ours, says %{d} to %{r}\"\nbad.example TXT \"a\u{fc}b\"\n";
        let verdict = of("v=spf1 exp=why.example -all", zone).await;
        assert_eq!(verdict.explanation.as_deref(), Some("192.0.2.3 is not ours, says example.org to here.example"));
        assert_eq!(of("v=spf1 exp=bad.example -all", zone).await.explanation, None);
        assert_eq!(of("v=spf1 exp=nowhere.example -all", zone).await.explanation, None);
    }
}
