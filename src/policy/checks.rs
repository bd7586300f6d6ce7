//! The checks of one session: begun when their input is there, waited for when their answer decides.
//!
//! What is found out of the client holds for its whole session, what is found out of the sender for a transaction. Both
//! are asked for from the first recipient on that is somebody's here (whoever only guesses at names costs the DNS nothing),
//! beside the reading of the message. Each check runs as a task of its own: its panic, or its being too late, is
//! `temperror`, and the mail is taken as if the DNS had no answer. Neighbours, who speak LMTP, have asked already (RFC
//! 2033 §1).

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::blocklist::{self, Hit};
use super::decision::{Decision, Rules};
use super::dkim::{self, Reading, Signed};
use super::dmarc::{self, Vouchers};
use super::forged::Filter;
use super::resolver::{DnsSettings, NoAnswer, Resolver};
use super::results::{self, Outcome, Verdicts};
use super::{reverse_dns, spf};
use crate::auth::address::canonical_domain;
use crate::smtp::{Envelope, Path, Reply};

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What outcomes lead to.
    pub rules: Rules,
    /// How long a message that has come waits for all of them.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        // RFC 5321 §4.5.3.2.6 gives a client ten minutes for the answer to a message; RFC 7208 §4.6.4 gives SPF 20 s.
        Self { rules: Rules::default(), timeout: Duration::from_secs(20) }
    }
}

/// What all sessions share.
#[derive(Debug)]
pub struct Policy {
    dns: Resolver,
    settings: Settings,
    /// Our name: whose results they are.
    authserv_id: String,
}

impl Policy {
    /// A policy that asks the DNS as `dns` says.
    pub fn new(settings: Settings, dns: &DnsSettings, authserv_id: &str) -> Result<Policy, NoAnswer> {
        Ok(Policy { dns: Resolver::new(dns)?, settings, authserv_id: authserv_id.to_owned() })
    }
}

/// What is known of a client.
#[derive(Clone, Debug)]
struct OfClient {
    reverse_dns: reverse_dns::Verdict,
    blocked: Vec<Hit>,
    allowed: Vec<Hit>,
}

impl OfClient {
    fn unknown(address: IpAddr) -> OfClient {
        let reverse_dns = reverse_dns::Verdict { outcome: Outcome::TempError, address, name: None };
        OfClient { reverse_dns, blocked: Vec::new(), allowed: Vec::new() }
    }
}

/// What is known of a sender: of the name that the client gave, and of the reverse-path.
type OfSender = (spf::Verdict, Option<spf::Verdict>);

/// The checks of one session.
pub struct Checks<'p> {
    policy: &'p Policy,
    client: Option<Pending<OfClient>>,
    sender: Option<Pending<OfSender>>,
    message: Option<(Reading, Filter)>,
}

/// What the checks come to.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The fields to put before the message.
    pub fields: String,
    /// What happens with it.
    pub decision: Decision,
    /// What still belongs to the message: its last octets.
    pub rest: Vec<u8>,
}

impl<'p> Checks<'p> {
    /// For a session that has just begun.
    pub fn new(policy: &'p Policy) -> Self {
        Self { policy, client: None, sender: None, message: None }
    }

    /// A recipient is somebody's here: is it refused for the client's or the sender's sake? Postmaster never is.
    pub async fn recipient(&mut self, envelope: &Envelope, recipient: &Path) -> Result<(), Reply> {
        self.begin(envelope);
        let rules = &self.policy.settings.rules;
        if !rules.may_refuse_early() || recipient.local_part().eq_ignore_ascii_case("postmaster") {
            return Ok(());
        }
        let verdicts = self.of_client_and_sender(envelope).await;
        rules.refusal_of_client(&verdicts).map_or(Ok(()), Err)
    }

    /// The message begins.
    pub fn open(&mut self) {
        self.message = Some((Reading::default(), Filter::new(&self.policy.authserv_id)));
    }

    /// The next octets of the message have come; returns those that are to be kept, and how many are not. A header stays in
    /// memory until it is checked, with what is not kept of it: whoever counts memory counts both.
    pub fn push(&mut self, octets: &[u8]) -> (Vec<u8>, usize) {
        let mut kept = Vec::with_capacity(octets.len());
        let mut gone = 0;
        match &mut self.message {
            Some((reading, filter)) => {
                reading.push(octets);
                gone = filter.push(octets, &mut kept);
            }
            None => kept.extend_from_slice(octets),
        }
        (kept, gone)
    }

    /// The message has come; `id` names it in the log.
    pub async fn conclude(&mut self, envelope: &Envelope, id: &str) -> Conclusion {
        self.begin(envelope);
        let deadline = Instant::now() + self.policy.settings.timeout;
        let (reading, filter) =
            self.message.take().unwrap_or_else(|| (Reading::default(), Filter::new(&self.policy.authserv_id)));
        let mut rest = Vec::new();
        let forged = filter.end(&mut rest);
        let policy = self.policy;
        let signed = async { timeout_at(deadline, reading.verify(&policy.dns)).await.ok() };
        let (mut verdicts, signed) = tokio::join!(self.of_client_and_sender(envelope), signed);
        let signed = signed.unwrap_or_else(Signed::not_now);
        verdicts.dmarc = Some(dmarc_of(&policy.dns, &verdicts, &signed, deadline).await);
        verdicts.dkim = signed.dkim;
        verdicts.arc = Some(signed.arc).filter(|chain| chain.outcome != Outcome::None);
        self.forget();

        let decision = policy.settings.rules.decide(&verdicts);
        log(&verdicts, &decision, forged, envelope, id);
        let fields =
            results::print(&verdicts, &policy.authserv_id, address(envelope), &sender(envelope), helo(envelope));
        Conclusion { fields, decision, rest }
    }

    /// The transaction is over.
    pub fn forget(&mut self) {
        self.sender = None;
        self.message = None;
    }

    /// Asks for what is not asked for yet.
    fn begin(&mut self, envelope: &Envelope) {
        let (policy, address) = (self.policy, address(envelope));
        self.client.get_or_insert_with(|| {
            let (dns, rules) = (policy.dns.clone(), policy.settings.rules.clone());
            Pending::new(async move {
                let (reverse_dns, blocked, allowed) = tokio::join!(
                    reverse_dns::check(&dns, address),
                    blocklist::check(&dns, &rules.blocklists, address),
                    blocklist::check(&dns, &rules.allowlists, address),
                );
                OfClient { reverse_dns, blocked, allowed }
            })
        });
        self.sender.get_or_insert_with(|| {
            let (dns, receiver) = (policy.dns.clone(), policy.authserv_id.clone());
            let helo = helo(envelope).to_owned();
            let path = envelope.reverse_path.clone();
            Pending::new(async move {
                let client = spf::Client { address, helo: &helo, receiver: &receiver };
                let of_path = async {
                    let path = path.as_ref()?;
                    let domain = canonical_domain(path.domain()).ok()?;
                    Some(spf::check_mail_from(&dns, &client, path.local_part(), &domain).await)
                };
                tokio::join!(spf::check_helo(&dns, &client), of_path)
            })
        });
    }

    async fn of_client_and_sender(&mut self, envelope: &Envelope) -> Verdicts {
        let deadline = Instant::now() + self.policy.settings.timeout;
        let (client, sender) = tokio::join!(wait(&mut self.client, deadline), wait(&mut self.sender, deadline));
        let client = client.unwrap_or_else(|| OfClient::unknown(address(envelope)));
        let (spf_helo, spf_mail_from) = sender.unwrap_or_else(|| unknown_sender(envelope));
        Verdicts {
            reverse_dns: Some(client.reverse_dns),
            spf_helo: Some(spf_helo),
            spf_mail_from,
            blocked: client.blocked,
            allowed: client.allowed,
            ..Verdicts::default()
        }
    }
}

fn unknown_sender(envelope: &Envelope) -> OfSender {
    let verdict = |identity, domain: &str| spf::Verdict {
        identity,
        domain: domain.to_owned(),
        outcome: Outcome::TempError,
        mechanism: None,
        problem: Some("no answer in time".to_owned()),
        explanation: None,
    };
    let path = envelope.reverse_path.as_ref().map(Path::domain);
    (verdict(spf::Identity::Helo, helo(envelope)), path.map(|domain| verdict(spf::Identity::MailFrom, domain)))
}

/// DMARC, when SPF and DKIM are known.
async fn dmarc_of(dns: &Resolver, verdicts: &Verdicts, signed: &Signed, deadline: Instant) -> dmarc::Verdict {
    let not_now = |domain: Option<&String>| dmarc::Verdict {
        domain: domain.cloned().unwrap_or_default(),
        outcome: Outcome::TempError,
        policy: dmarc::Policy::None,
        problem: Some("no answer in time".to_owned()),
    };
    let is_unknown = signed.authors.is_empty() && signed.dkim.iter().any(|it| it.outcome == Outcome::TempError);
    if is_unknown {
        return not_now(None);
    }
    let vouchers = Vouchers {
        spf: verdicts.spf().map(|verdict| (verdict.domain.clone(), verdict.outcome)),
        dkim: signed.dkim.iter().map(|verdict| (verdict.domain.clone(), verdict.outcome)).collect(),
    };
    let (dns, authors) = (dns.clone(), signed.authors.clone());
    let mut check = Pending::new(async move { dmarc::check(&dns, &authors, &vouchers, sample()).await });
    check.get(deadline).await.unwrap_or_else(|| not_now(signed.authors.first()))
}

/// A number from 0 to 99, of which `pct` decides. Without random numbers everything is in the sample.
fn sample() -> u8 {
    let mut octets = [0; 4];
    match getrandom::fill(&mut octets) {
        Ok(()) => (u32::from_be_bytes(octets) % 100) as u8,
        Err(_) => 0,
    }
}

fn log(verdicts: &Verdicts, decision: &Decision, forged: usize, envelope: &Envelope, id: &str) {
    let shown = |it: &dkim::Verdict| match (it.domain.as_str(), it.outcome.as_str()) {
        ("", outcome) => outcome.to_owned(),
        (domain, outcome) => format!("{domain}={outcome}"),
    };
    let dkim: Vec<String> = verdicts.dkim.iter().map(shown).collect();
    let outcome_of = |outcome: Option<Outcome>| outcome.map_or("", Outcome::as_str);
    tracing::info!(
        id,
        peer = %envelope.peer,
        helo = envelope.client.name,
        iprev = outcome_of(verdicts.reverse_dns.as_ref().map(|it| it.outcome)),
        spf = outcome_of(verdicts.spf().map(|it| it.outcome)),
        dkim = dkim.join(" "),
        arc = outcome_of(verdicts.arc.as_ref().map(|it| it.outcome)),
        dmarc = outcome_of(verdicts.dmarc.as_ref().map(|it| it.outcome)),
        author = verdicts.dmarc.as_ref().map_or("", |it| &it.domain),
        listed = verdicts.blocked.len(),
        forged,
        is_junk = matches!(decision, Decision::Take { is_junk: true }),
        refused = matches!(decision, Decision::Refuse(_)),
        "checked"
    );
}

fn address(envelope: &Envelope) -> IpAddr {
    envelope.peer.counts_as()
}

fn helo(envelope: &Envelope) -> &str {
    &envelope.client.name
}

fn sender(envelope: &Envelope) -> String {
    envelope.reverse_path.as_ref().map(Path::to_string).unwrap_or_default()
}

/// A check that runs as a task, or what it came to. Dropped, it is given up.
enum Pending<T> {
    Running(JoinSet<T>),
    Done(T),
    /// It panicked.
    Failed,
}

impl<T: Clone + Send + 'static> Pending<T> {
    fn new(check: impl Future<Output = T> + Send + 'static) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(check);
        Pending::Running(tasks)
    }

    /// What it came to; `None` if that is not known by then. It may be asked again.
    async fn get(&mut self, deadline: Instant) -> Option<T> {
        if let Pending::Running(tasks) = self {
            *self = match timeout_at(deadline, tasks.join_next()).await.ok()? {
                Some(Ok(done)) => Pending::Done(done),
                Some(Err(error)) => {
                    tracing::error!(%error, "a check failed; the mail is taken without it");
                    Pending::Failed
                }
                None => Pending::Failed,
            };
        }
        match self {
            Pending::Done(done) => Some(done.clone()),
            Pending::Running(_) | Pending::Failed => None,
        }
    }
}

async fn wait<T: Clone + Send + 'static>(pending: &mut Option<Pending<T>>, deadline: Instant) -> Option<T> {
    pending.as_mut()?.get(deadline).await
}

#[cfg(test)]
mod tests {
    use super::super::decision::Action;
    use super::super::signing::{KEYS, MESSAGE};
    use super::super::tests::resolver;
    use super::*;
    use crate::smtp::{Client, Command, Dialect, MailParameters, parse_command};

    fn path(text: &str) -> Path {
        match parse_command(format!("RCPT TO:{text}").as_bytes()) {
            Ok(Command::Rcpt(path, _)) => path,
            other => panic!("{other:?}"),
        }
    }

    fn envelope(sender: &str) -> Envelope {
        Envelope {
            dialect: Dialect::Smtp,
            client: Client { name: "mx.example.org".into(), extended: true },
            // As a socket of both families has it.
            peer: "[::ffff:192.0.2.1]:25".parse::<std::net::SocketAddr>().unwrap().into(),
            tls: None,
            account: None,
            is_submission: false,
            reverse_path: Some(path(sender)),
            parameters: MailParameters::default(),
            recipients: Vec::new(),
            recipient_parameters: Vec::new(),
        }
    }

    fn policy(dns: Resolver, rules: Rules) -> Policy {
        Policy {
            dns,
            settings: Settings { rules, timeout: Duration::from_secs(5) },
            authserv_id: "here.example".into(),
        }
    }

    #[tokio::test]
    async fn postmaster_is_within_reach_of_whoever_is_refused() {
        let (dns, _server) = resolver("bad.example TXT \"v=spf1 -all\"\n").await;
        let policy = policy(dns, Rules { spf_fail: Action::Refuse, ..Rules::default() });
        let mut checks = Checks::new(&policy);
        let envelope = envelope("<a@bad.example>");
        assert_eq!(checks.recipient(&envelope, &path("<alice@here.example>")).await.unwrap_err().enhanced(), "5.7.23");
        assert_eq!(checks.recipient(&envelope, &path("<PostMaster@here.example>")).await, Ok(()));
        // The next sender is another.
        checks.forget();
        let other = self::envelope("<a@good.example>");
        assert_eq!(checks.recipient(&other, &path("<alice@here.example>")).await, Ok(()));
    }

    #[tokio::test]
    async fn what_comes_to_conclusions_is_the_message_as_it_came() {
        let zone = format!("{KEYS}\n1.2.0.192.in-addr.arpa PTR mx.example.org\nmx.example.org A 192.0.2.1\n");
        let (dns, _server) = resolver(&zone).await;
        let policy = policy(dns, Rules::default());
        let mut checks = Checks::new(&policy);
        checks.open();
        let forged = format!("Authentication-Results: here.example; none\r\n{MESSAGE}");
        let (mut kept, gone) = checks.push(forged.as_bytes());
        assert_eq!(gone, forged.len() - MESSAGE.len());
        let conclusion = checks.conclude(&envelope("<a@nothing.example>"), "1-1-1").await;
        kept.extend(conclusion.rest);
        assert_eq!(String::from_utf8(kept).unwrap(), MESSAGE);
        let passed =
            "Authentication-Results: here.example;\r\n\tiprev=pass (mx.example.org) policy.iprev=192.0.2.1;\r\n";
        assert!(conclusion.fields.starts_with(passed), "{}", conclusion.fields);
        assert_eq!(conclusion.decision, Decision::Take { is_junk: false });
    }

    #[tokio::test]
    async fn a_check_that_panics_or_is_late_is_no_answer_and_never_a_lost_message() {
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut panics: Pending<u8> = Pending::new(async { panic!("of a test") });
        assert_eq!(panics.get(Instant::now() + Duration::from_secs(5)).await, None);
        assert_eq!(panics.get(soon()).await, None);
        let (send, receive) = tokio::sync::oneshot::channel::<u8>();
        let mut late = Pending::new(async { receive.await.unwrap_or(0) });
        assert_eq!(late.get(soon()).await, None);
        send.send(7).unwrap();
        assert_eq!(late.get(Instant::now() + Duration::from_secs(5)).await, Some(7));
        assert_eq!(late.get(soon()).await, Some(7));
    }
}
