//! The server under test: where it listens, which accounts it takes, what it offers.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connection::{Arrival, Connection, Reply};
use crate::imap::value::{Kind, Value};
use crate::transcript::{Language, Need, Service};

/// Makes an account, where the server does not take any: given its address and its password.
pub type Provision =
    Box<dyn Fn(String, String) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Gives an account rules: given its address and a script of Sieve (RFC 5228).
pub type GiveRules =
    Box<dyn Fn(String, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// A running server.
pub struct Subject {
    /// Where each service listens.
    pub addresses: BTreeMap<Service, SocketAddr>,
    /// The form of an account's address; `{n}` becomes a number that is used once.
    pub user: String,
    /// The password of each account.
    pub password: String,
    /// What it takes over SMTP it passes on to the mailboxes: there it is a little later than the 250 (RFC 5321 §2.1).
    pub relay: bool,
    /// Stretches every deadline: 1 on a quiet machine.
    pub patience: f64,
    /// Makes accounts; `None` where any address is one.
    pub provision: Option<Provision>,
    /// Gives accounts rules; `None` where the runner knows no way.
    pub give_rules: Option<GiveRules>,
    next_user: AtomicU64,
    next_peer: AtomicU32,
    offers: Mutex<HashMap<Service, Vec<String>>>,
}

/// How long an expectation waits before it fails, where nothing stretches it.
pub const DEADLINE: Duration = Duration::from_secs(5);

impl Subject {
    /// A server at these addresses. `TRANSCRIPT_PATIENCE` stretches the deadlines (a factor, 1 by default).
    pub fn new(addresses: BTreeMap<Service, SocketAddr>, user: &str, password: &str) -> Subject {
        let patience = std::env::var("TRANSCRIPT_PATIENCE").ok().and_then(|p| p.parse().ok()).unwrap_or(1.0);
        // Accounts of an earlier run against the same server are left alone.
        let seconds = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        Subject {
            addresses,
            user: user.to_owned(),
            password: password.to_owned(),
            relay: false,
            patience,
            provision: None,
            give_rules: None,
            next_user: AtomicU64::new(seconds % 1_000_000 * 10_000),
            next_peer: AtomicU32::new(0),
            offers: Mutex::default(),
        }
    }

    /// The moment by which something has to have happened.
    pub fn deadline(&self) -> Instant {
        Instant::now() + DEADLINE.mul_f64(self.patience)
    }

    /// An account that no other transcript has.
    pub async fn fresh_user(&self) -> Result<String, String> {
        let number = self.next_user.fetch_add(1, Ordering::Relaxed);
        let user = self.user.replace("{n}", &number.to_string());
        if let Some(provision) = &self.provision {
            provision(user.clone(), self.password.clone()).await?;
        }
        Ok(user)
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

    /// The first of the needs that the server does not offer.
    pub async fn lacks(&self, needs: &[Need]) -> Result<Option<String>, String> {
        for need in needs {
            if !self.addresses.contains_key(&need.service) {
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

    /// What a service announces, before login or STARTTLS or behind it, in upper case; asked for once.
    async fn offered(&self, service: Service) -> Result<Vec<String>, String> {
        let mut offers = self.offers.lock().await;
        if let Some(known) = offers.get(&service) {
            return Ok(known.clone());
        }
        let address = self.addresses[&service];
        let mut connection =
            Connection::open("", address, self.fresh_peer(), service.is_tls(), service.language()).await?;
        let deadline = self.deadline();
        connection.reply(deadline).await?;
        let mut words = match service.language() {
            Language::Imap => self.imap_capabilities(&mut connection, deadline).await?,
            Language::Smtp => {
                let hello = if service == Service::Lmtp { "LHLO probe.example\r\n" } else { "EHLO probe.example\r\n" };
                let mut words = asked(&mut connection, hello, deadline).await?;
                if words.iter().any(|word| word == "STARTTLS") && !service.is_tls() {
                    // AUTH and REQUIRETLS are offered by many behind it alone.
                    asked(&mut connection, "STARTTLS\r\n", deadline).await?;
                    connection.handshake().await.map_err(|error| error.to_string())?;
                    words.extend(asked(&mut connection, hello, deadline).await?);
                }
                words
            }
            Language::Pop3 | Language::Lines => {
                connection.send(b"CAPA\r\n", false, deadline).await?;
                connection.reply(deadline).await?;
                let listing = connection.multi_line(deadline).await?;
                listing.split(|&b| b == b'\n').map(|l| first_word(Some(l))).collect()
            }
        };
        words.sort();
        offers.insert(service, words.clone());
        Ok(words)
    }

    async fn imap_capabilities(&self, connection: &mut Connection, deadline: Instant) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        let login = format!("p2 LOGIN {} {}", self.fresh_user().await?, self.password);
        for (tag, command) in [("p1", "p1 CAPABILITY"), ("p2", &login), ("p3", "p3 CAPABILITY")] {
            connection.send(format!("{command}\r\n").as_bytes(), false, deadline).await?;
            loop {
                let Arrival::Reply(Reply::Imap(response)) = connection.reply(deadline).await? else {
                    return Err(format!("no answer to {tag} while asking for capabilities"));
                };
                if response.word(0).as_deref() == Some("CAPABILITY") {
                    words.extend(response.values.iter().filter_map(|value| match value {
                        Value::Atom(atom) => Some(String::from_utf8_lossy(atom).to_ascii_uppercase()),
                        _ => None,
                    }));
                }
                if matches!(response.kind, Kind::Tagged(_)) {
                    break;
                }
            }
        }
        Ok(words)
    }
}

/// The first words of the lines that answer a command of SMTP.
async fn asked(connection: &mut Connection, command: &str, deadline: Instant) -> Result<Vec<String>, String> {
    connection.send(command.as_bytes(), false, deadline).await?;
    match connection.reply(deadline).await? {
        Arrival::Reply(Reply::Lines(lines)) => Ok(lines.iter().map(|line| first_word(line.get(4..))).collect()),
        other => Err(format!("no answer to {command:?}: {other:?}")),
    }
}

/// `APPENDLIMIT` is offered by `APPENDLIMIT=1000` too.
fn is_offered(word: &str, capability: &str) -> bool {
    let left = word.get(..capability.len()).filter(|begin| begin.eq_ignore_ascii_case(capability));
    left.is_some_and(|begin| matches!(word.as_bytes().get(begin.len()), None | Some(b'=')))
}

fn first_word(line: Option<&[u8]>) -> String {
    let line = String::from_utf8_lossy(line.unwrap_or(b"")).to_ascii_uppercase();
    line.split_ascii_whitespace().next().unwrap_or("").to_owned()
}
