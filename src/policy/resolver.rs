//! Asks the DNS, and tells three answers apart: records, none, and "not now".
//!
//! What is asked is up to strangers, so every question has a limit of time, the questions that are under way are counted,
//! and answers are kept in a bounded cache (hickory's, by their TTL). A name that no DNS could hold is not asked for: there
//! is nothing behind it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Semaphore;

/// Questions that may be under way at a time: each may hold a socket. The others wait, within their own time.
const QUESTIONS_MAX: usize = 256;

/// Records of one answer that are looked at. An answer is 64 KiB at the most, which is thousands of addresses.
const RECORDS_MAX: usize = 100;

/// Octets of a name (RFC 1035 §2.3.4), without the dot at its end.
const NAME_OCTETS_MAX: usize = 253;

/// Whom to ask, and with how much patience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// The resolvers; none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// For one question, all attempts together.
    pub timeout: Duration,
    /// Answers that are kept.
    pub cache_entries: u64,
}

impl Default for DnsSettings {
    fn default() -> Self {
        // RFC 7208 §4.6.4 gives a whole SPF check 20 s at least; a single question has a part of that.
        Self { servers: Vec::new(), timeout: Duration::from_secs(5), cache_entries: 8_192 }
    }
}

/// The DNS has no answer now: SERVFAIL, a timeout, no resolver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct NoAnswer {
    /// What was asked for.
    pub name: String,
    /// What went wrong.
    pub why: String,
}

/// The records, of which there may be none (NXDOMAIN and NODATA alike).
pub type Answer<T> = Result<Vec<T>, NoAnswer>;

/// Asks the DNS. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    timeout: Duration,
    questions: Arc<Semaphore>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks as `settings` say. Where the system names no resolver, every question has no answer, and the log says so once.
    pub fn new(settings: &DnsSettings) -> Result<Resolver, NoAnswer> {
        let config = match settings.servers.as_slice() {
            [] => system(),
            servers => ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(name_server).collect()),
        };
        let mut options = ResolverOpts::default();
        options.timeout = settings.timeout / 2;
        options.attempts = 1;
        options.cache_size = settings.cache_entries;
        // Who sends us mail is no matter of our /etc/hosts.
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = false;
        let inner = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| NoAnswer { name: "the resolver".to_owned(), why: error.to_string() })?;
        Ok(Resolver { inner, timeout: settings.timeout, questions: Arc::new(Semaphore::new(QUESTIONS_MAX)) })
    }

    /// TXT records, the strings of each put together (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    pub async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    /// IPv4 addresses.
    pub async fn ipv4(&self, name: &str) -> Answer<Ipv4Addr> {
        self.ask(name, RecordType::A, |data| if let RData::A(a) = data { Some(a.0) } else { None }).await
    }

    /// IPv6 addresses.
    pub async fn ipv6(&self, name: &str) -> Answer<Ipv6Addr> {
        self.ask(name, RecordType::AAAA, |data| if let RData::AAAA(a) = data { Some(a.0) } else { None }).await
    }

    /// Addresses of the family of `like`.
    pub async fn addresses(&self, name: &str, like: IpAddr) -> Answer<IpAddr> {
        Ok(match like {
            IpAddr::V4(_) => self.ipv4(name).await?.into_iter().map(IpAddr::from).collect(),
            IpAddr::V6(_) => self.ipv6(name).await?.into_iter().map(IpAddr::from).collect(),
        })
    }

    /// Mail exchangers, those to be tried first in front.
    pub async fn mx(&self, name: &str) -> Answer<String> {
        let mut exchangers = self
            .ask(name, RecordType::MX, |data| match data {
                RData::MX(mx) => Some((mx.preference, text(&mx.exchange))),
                _ => None,
            })
            .await?;
        exchangers.sort();
        Ok(exchangers.into_iter().map(|(_, name)| name).collect())
    }

    /// The names of an address.
    pub async fn names(&self, address: IpAddr) -> Answer<String> {
        let name = match address {
            IpAddr::V4(_) => format!("{}.in-addr.arpa", reversed(address)),
            IpAddr::V6(_) => format!("{}.ip6.arpa", reversed(address)),
        };
        self.ask(&name, RecordType::PTR, |data| if let RData::PTR(name) = data { Some(text(name)) } else { None }).await
    }

    async fn ask<T>(&self, name: &str, kind: RecordType, pick: impl Fn(&RData) -> Option<T>) -> Answer<T> {
        let Some(fqdn) = fqdn(name) else { return Ok(Vec::new()) };
        let no_answer = |why: String| NoAnswer { name: name.to_owned(), why };
        let asked = tokio::time::timeout(self.timeout, async {
            let _place = self.questions.acquire().await;
            self.inner.lookup(fqdn, kind).await
        });
        match asked.await {
            Err(_elapsed) => Err(no_answer("no answer in time".to_owned())),
            Ok(Ok(found)) => {
                Ok(found.answers().iter().filter_map(|record| pick(&record.data)).take(RECORDS_MAX).collect())
            }
            Ok(Err(error)) if says_none(&error) => Ok(Vec::new()),
            Ok(Err(error)) => Err(no_answer(error.to_string())),
        }
    }
}

/// The address backwards, as the zones of addresses have it: octets (RFC 1035 §3.5) or nibbles (RFC 3596 §2.5).
pub fn reversed(address: IpAddr) -> String {
    let labels: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(address) => {
            address.octets().iter().rev().flat_map(|octet| [octet & 15, octet >> 4]).map(|n| format!("{n:x}")).collect()
        }
    };
    labels.join(".")
}

/// "There is none" and nothing else: a server that fails says it with another code.
fn says_none(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}

/// The name, asked for as it is: no search list is tried. `None` where it can't be one.
fn fqdn(name: &str) -> Option<Name> {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.len() > NAME_OCTETS_MAX || !name.is_ascii() {
        return None;
    }
    // hickory reads escapes in names; whoever sends us mail has no use for them.
    let labels = name.split('.').map(str::as_bytes);
    if labels.clone().any(|label| label.is_empty() || label.len() > 63 || !label.iter().all(u8::is_ascii_graphic)) {
        return None;
    }
    let mut name = Name::from_labels(labels).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn text(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.to_vec())
}

fn system() -> ResolverConfig {
    match hickory_resolver::system_conf::read_system_conf() {
        Ok((config, _)) => config,
        Err(error) => {
            tracing::warn!(%error, "the system names no resolver: nothing can be asked about who sends mail");
            ResolverConfig::from_parts(None, Vec::new(), Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{resolver, resolver_at};
    use super::*;

    #[tokio::test]
    async fn records_none_and_no_answer_are_three_things() {
        let big = format!("big.example TXT \"{}\"", "x".repeat(5_000));
        let (dns, _server) = resolver(&format!(
            "a.example A 192.0.2.1\na.example A 192.0.2.2\nwww.example CNAME a.example\n\
             a.example TXT \"one \" \"text\"\na.example MX 20 second.example\na.example MX 10 First.example\n\
             1.2.0.192.in-addr.arpa PTR a.example\ndead.example SERVFAIL\nno.example REFUSED\n\
             junk.example GARBAGE\nround.example CNAME about.example\nabout.example CNAME round.example\n\
             cut.example TRUNCATED\ncut.example A 192.0.2.3\n{big}\n"
        ))
        .await;
        let two = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        assert_eq!(dns.ipv4("a.example").await.unwrap(), two);
        assert_eq!(dns.ipv4("A.Example.").await.unwrap(), two);
        assert_eq!(dns.ipv4("www.example").await.unwrap(), two, "an alias is followed");
        assert_eq!(dns.txt("a.example").await.unwrap(), [b"one text".to_vec()]);
        assert_eq!(dns.mx("a.example").await.unwrap(), ["first.example", "second.example"]);
        assert_eq!(dns.names("192.0.2.1".parse().unwrap()).await.unwrap(), ["a.example"]);
        assert_eq!(dns.ipv4("cut.example").await.unwrap(), [Ipv4Addr::new(192, 0, 2, 3)], "by TCP");
        assert_eq!(dns.txt("big.example").await.unwrap()[0].len(), 5_000, "by TCP");

        assert_eq!(dns.ipv6("a.example").await.unwrap(), [] as [Ipv6Addr; 0], "NODATA");
        assert_eq!(dns.ipv4("nowhere.example").await.unwrap(), [] as [Ipv4Addr; 0], "NXDOMAIN");
        for no_name in ["", ".", "a..b", "x y.example", "b\u{fc}cher.example", &"x".repeat(64), &"x.".repeat(200)] {
            assert_eq!(dns.ipv4(no_name).await.unwrap(), [] as [Ipv4Addr; 0], "{no_name:?}");
        }
        for failing in ["dead.example", "no.example", "junk.example"] {
            assert!(dns.ipv4(failing).await.is_err(), "{failing}");
        }
        // A circle of aliases: whatever it is called, it ends.
        let _ended = dns.ipv4("round.example").await;
    }

    #[tokio::test]
    async fn a_dead_resolver_is_no_answer_in_bounded_time() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns = resolver_at(nobody.local_addr().unwrap(), Duration::from_millis(200));
        assert_eq!(dns.ipv4("a.example").await.unwrap_err().name, "a.example");
    }

    #[test]
    fn addresses_backwards() {
        assert_eq!(reversed("192.0.2.99".parse().unwrap()), "99.2.0.192");
        assert_eq!(
            reversed("2001:db8:1:2:3:4:567:89ab".parse().unwrap()),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
        );
    }
}
