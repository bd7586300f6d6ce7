//! The server under test: where it listens, which accounts it takes, what it offers, how it names mailboxes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::accounts::{Lease, Provision, Supply};
use crate::connection::{Connection, Endpoint, Stream};
use crate::errand::Errand;
use crate::names::Names;
use crate::tls::Trust;
use crate::transcript::{Language, Need, Service, Transcript};

/// Gives an account rules: given its address and a script of Sieve (RFC 5228).
pub type GiveRules =
    Box<dyn Fn(String, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Connects to a service otherwise than by TCP, from an address of loopback: for a server in the same process.
pub type Dial = Box<dyn Fn(Service, IpAddr) -> Result<Box<dyn Stream>, String> + Send + Sync>;

/// A running server.
pub struct Subject {
    /// Where each service listens.
    pub addresses: BTreeMap<Service, SocketAddr>,
    /// The names by which these were found, which TLS asks for; `localhost` where there is none.
    pub hosts: BTreeMap<Service, String>,
    /// Which certificates are good enough.
    pub trust: Trust,
    /// The accounts.
    pub supply: Supply,
    /// The password of each account.
    pub password: String,
    /// The mail address of an account, `{user}` being its name; `None` where the name is the address.
    pub address: Option<String>,
    /// What it takes over SMTP it passes on to the mailboxes: there it is a little later than the 250 (RFC 5321 §2.1).
    pub relay: bool,
    /// Stretches every deadline: 1 on a quiet machine.
    pub patience: f64,
    /// Makes accounts; `None` where there is no need to.
    pub provision: Option<Provision>,
    /// Gives accounts rules; `None` where the runner knows no way.
    pub give_rules: Option<GiveRules>,
    /// How `deliver` goes where a transcript does not say; the first that is there of SMTP, LMTP and submission where
    /// nothing is named.
    pub delivery: Option<Service>,
    /// How it names mailboxes.
    pub names: Names,
    /// Its IMAP is IMAP4rev2 alone (RFC 9051).
    pub rev2_only: bool,
    /// Services that take a password only behind STARTTLS.
    pub secured: BTreeSet<Service>,
    /// Connects; `None`: by TCP, to the addresses.
    pub dial: Option<Dial>,
    next_peer: AtomicU32,
    offers: Mutex<HashMap<Service, Vec<String>>>,
}

/// How long an expectation waits before it fails, where nothing stretches it.
pub const DEADLINE: Duration = Duration::from_secs(5);

impl Subject {
    /// A server at these addresses, with accounts of this form ([`Supply::new`]). `TRANSCRIPT_PATIENCE` stretches the
    /// deadlines (a factor, 1 by default).
    pub fn new(addresses: BTreeMap<Service, SocketAddr>, user: &str, password: &str) -> Subject {
        let patience = std::env::var("TRANSCRIPT_PATIENCE").ok().and_then(|p| p.parse().ok()).unwrap_or(1.0);
        Subject {
            addresses,
            hosts: BTreeMap::new(),
            trust: Trust::Any,
            supply: Supply::new(user),
            password: password.to_owned(),
            address: None,
            relay: false,
            patience,
            provision: None,
            give_rules: None,
            delivery: None,
            names: Names::default(),
            rev2_only: false,
            secured: BTreeSet::new(),
            dial: None,
            next_peer: AtomicU32::new(0),
            offers: Mutex::default(),
        }
    }

    /// The moment by which something has to have happened.
    pub fn deadline(&self) -> Instant {
        Instant::now() + DEADLINE.mul_f64(self.patience)
    }

    /// Where a service is. A server that speaks IMAP only over TLS speaks IMAP there; so with the others.
    pub fn endpoint(&self, service: Service) -> Option<Endpoint> {
        let behind_tls = match service {
            Service::Imap => Some(Service::Imaps),
            Service::Pop3 => Some(Service::Pop3s),
            Service::Submission => Some(Service::Submissions),
            _ => None,
        };
        let there = std::iter::once(service).chain(behind_tls).find(|service| self.addresses.contains_key(service))?;
        Some(Endpoint {
            service,
            address: *self.addresses.get(&there)?,
            host: self.hosts.get(&there).cloned().unwrap_or_else(|| "localhost".to_owned()),
            tls: there.is_tls(),
            rev2_only: self.rev2_only,
            trust: self.trust.clone(),
        })
    }

    /// Opens a connection to a service; with its handshake, if it begins with one.
    pub async fn connect(
        &self,
        name: &str,
        service: Service,
        peer: IpAddr,
        language: Language,
    ) -> Result<Connection, String> {
        let endpoint = self.endpoint(service).ok_or_else(|| format!("no {}", service.name()))?;
        match &self.dial {
            Some(dial) => Connection::over(name, dial(service, peer)?, endpoint, language).await,
            None => Connection::open(name, endpoint, peer, language).await,
        }
    }

    /// Whether connections begin with STARTTLS because the service takes no password without.
    pub fn starts_tls(&self, service: Service) -> bool {
        self.secured.contains(&service)
    }

    /// So many accounts that no other transcript has, with nothing in them.
    pub async fn accounts(&self, count: usize) -> Result<Lease, String> {
        let lease = self.supply.take(count).await?;
        for name in &lease.names {
            if let Some(provision) = &self.provision {
                provision(name.clone(), self.password.clone()).await?;
            }
            let readers = [Service::Imap, Service::Pop3];
            if let Some(service) = readers.into_iter().find(|service| self.endpoint(*service).is_some())
                && lease.is_used()
            {
                let errand = Errand::begin(self, service).await;
                let emptied = match errand {
                    Ok(errand) => errand.empty(name, &lease).await,
                    Err(error) => Err(error),
                };
                emptied.map_err(|error| format!("emptying {name}: {error}"))?;
            }
        }
        Ok(lease)
    }

    /// An account to ask with, whatever is in it.
    pub(crate) async fn any_account(&self) -> Result<String, String> {
        if let Supply::Few(few) = &self.supply {
            return Ok(few.first().to_owned());
        }
        let lease = self.accounts(1).await?;
        lease.names.first().cloned().ok_or_else(|| "no account".to_owned())
    }

    /// The mail address of an account.
    pub fn address_of(&self, user: &str) -> String {
        self.address.as_ref().map_or_else(|| user.to_owned(), |form| form.replace("{user}", user))
    }

    /// An address of loopback for the clients of one transcript, so that what a server holds against an address (failed
    /// logins, open sessions) stays with the transcript that caused it.
    pub fn fresh_peer(&self) -> IpAddr {
        let number = self.next_peer.fetch_add(1, Ordering::Relaxed) % 0xfe_ffff;
        let [_, a, b, c] = number.to_be_bytes();
        IpAddr::from([127, a + 1, b, c])
    }

    /// The initial response of SASL PLAIN for an account (RFC 4616 §2).
    pub fn sasl_plain(&self, user: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{}", self.password))
    }

    /// How `deliver` goes.
    pub fn delivers_by(&self) -> Option<Service> {
        let roads = [Service::Smtp, Service::Lmtp, Service::Submission, Service::Submissions];
        self.delivery.or_else(|| roads.into_iter().find(|service| self.addresses.contains_key(service)))
    }

    /// What a transcript needs and the server does not offer, if there is something.
    pub async fn lacks(&self, transcript: &Transcript) -> Result<Option<String>, String> {
        if let Some(lacking) = self.lacks_capability(&transcript.needs).await? {
            return Ok(Some(lacking));
        }
        if let Some(service) = transcript.services().into_iter().find(|service| self.endpoint(*service).is_none()) {
            return Ok(Some(service.name().to_owned()));
        }
        if transcript.delivers() && self.delivers_by().is_none() {
            return Ok(Some("a way to deliver: smtp, lmtp or submission".to_owned()));
        }
        if transcript.has_rules() && self.give_rules.is_none() {
            return Ok(Some("rules".to_owned()));
        }
        let cold = transcript.cold_services();
        if !transcript.is_about_tls()
            && let Some(service) = cold.into_iter().find(|service| self.starts_tls(*service))
        {
            return Ok(Some(format!("{} without TLS", service.name())));
        }
        if self.rev2_only && transcript.wants_rev1() {
            return Ok(Some("imap IMAP4rev1".to_owned()));
        }
        if transcript.wants_address() && !self.address_of(&self.any_account().await?).contains('@') {
            return Ok(Some("the mail address of an account".to_owned()));
        }
        if matches!(self.supply, Supply::Few(_)) && transcript.wants_new_account() {
            return Ok(Some("a new account".to_owned()));
        }
        Ok(self.supply.lacks(1 + transcript.users.len()))
    }

    async fn lacks_capability(&self, needs: &[Need]) -> Result<Option<String>, String> {
        for need in needs {
            if self.endpoint(need.service).is_none() {
                return Ok(Some(need.service.name().to_owned()));
            }
            if let Some(capability) = &need.capability
                && !self.offered(need.service).await?.iter().any(|word| is_offered(word, capability))
            {
                return Ok(Some(format!("{} {capability}", need.service.name())));
            }
        }
        Ok(None)
    }

    /// What a service announces, before TLS, behind it, or after login; in upper case, and asked for once.
    pub(crate) async fn offered(&self, service: Service) -> Result<Vec<String>, String> {
        let mut offers = self.offers.lock().await;
        if let Some(known) = offers.get(&service) {
            return Ok(known.clone());
        }
        let mut errand = Errand::greeted(self, service).await?;
        let mut words = errand.announced().await?;
        // AUTH and REQUIRETLS are offered by many behind STARTTLS alone.
        let has_tls = service.language() == Language::Smtp && words.iter().any(|word| word == "STARTTLS");
        if has_tls || self.starts_tls(service) {
            errand.start_tls().await?;
            words.extend(errand.announced().await?);
        }
        if service.language() == Language::Imap {
            let mut errand = Errand::begin(self, service).await?;
            errand.login(&self.any_account().await?).await?;
            words.extend(errand.announced().await?);
        }
        words.sort();
        words.dedup();
        offers.insert(service, words.clone());
        Ok(words)
    }
}

/// `APPENDLIMIT` is offered by `APPENDLIMIT=1000` too.
fn is_offered(word: &str, capability: &str) -> bool {
    let left = word.get(..capability.len()).filter(|begin| begin.eq_ignore_ascii_case(capability));
    left.is_some_and(|begin| matches!(word.as_bytes().get(begin.len()), None | Some(b'=')))
}
