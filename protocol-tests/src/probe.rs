//! Before the first transcript: whether the server is there, and takes the accounts. What is wrong is one sentence.

use std::net::SocketAddr;

use crate::errand::Errand;
use crate::names::Names;
use crate::subject::Subject;
use crate::transcript::{Language, Service};

/// The addresses of `HOST:PORT`, those of IPv4 first: clients of loopback have addresses of their own there.
pub async fn resolve(place: &str) -> Result<Vec<SocketAddr>, String> {
    if place.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
        return Err(format!("{place:?} is not HOST:PORT"));
    }
    let found = tokio::net::lookup_host(place).await.map_err(|error| format!("{place}: {error}"))?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.dedup();
    if addresses.is_empty() { Err(format!("{place} has no address")) } else { Ok(addresses) }
}

/// The first of the addresses where something listens.
pub async fn listening(place: &str, subject: &Subject) -> Result<SocketAddr, String> {
    let mut why = String::new();
    for address in resolve(place).await? {
        let connecting = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout_at(subject.deadline(), connecting).await {
            Ok(Ok(_)) => return Ok(address),
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = "no answer in time".to_owned(),
        }
    }
    Err(format!("nothing listens at {place} ({why})"))
}

/// Asks each service for its greeting, where it wants TLS, whether an account can log in, and how mailboxes are named
/// where `asks_names`.
pub async fn services(subject: &mut Subject, asks_names: bool) -> Result<(), String> {
    for service in subject.addresses.keys().copied().collect::<Vec<_>>() {
        let place = subject.addresses[&service];
        let wrong = |error: String| format!("{} at {place}: {error}", service.name());
        if wants_tls(subject, service).await.map_err(wrong)? {
            subject.secured.insert(service);
        }
    }
    let readers = [Service::Imap, Service::Pop3, Service::Submission];
    if subject.endpoint(Service::Imap).is_some() {
        let offered = subject.offered(Service::Imap).await.map_err(|error| format!("what imap offers: {error}"))?;
        let offers = |word: &str| offered.iter().any(|w| w == word);
        subject.rev2_only = offers("IMAP4REV2") && !offers("IMAP4REV1");
    }
    for service in readers.into_iter().filter(|service| subject.endpoint(*service).is_some()).collect::<Vec<_>>() {
        let asks_names = asks_names && service == Service::Imap;
        if let Some(names) = logs_in(subject, service, asks_names).await? {
            subject.names = names;
        }
    }
    Ok(())
}

/// Logs in, and asks how mailboxes are named where `asks_names`.
async fn logs_in(subject: &Subject, service: Service, asks_names: bool) -> Result<Option<Names>, String> {
    let account = subject.any_account().await?;
    let refused = |error: String| format!("{} does not let {account} log in: {error}", service.name());
    let mut errand = Errand::begin(subject, service).await.map_err(refused)?;
    errand.login(&account).await.map_err(refused)?;
    if !asks_names {
        return Ok(None);
    }
    let capabilities = errand.announced().await?;
    errand.names(&capabilities).await.map(Some).map_err(|error| format!("asking how mailboxes are named: {error}"))
}

/// Whether a service takes passwords only behind STARTTLS: by LOGINDISABLED (RFC 3501 §6.2.3), by CAPA without USER and
/// SASL (RFC 2595 §4, RFC 2449 §6), by EHLO without AUTH (RFC 4954 §4).
async fn wants_tls(subject: &Subject, service: Service) -> Result<bool, String> {
    let mut errand = Errand::greeted(subject, service).await?;
    let words = match service {
        // Where nobody logs in, nothing is asked for.
        Service::Smtp | Service::Lmtp => return Ok(false),
        _ => errand.announced().await?,
    };
    let announced = |word: &str| words.iter().any(|w| w == word);
    Ok(match service.language() {
        Language::Imap => announced("STARTTLS") && announced("LOGINDISABLED"),
        Language::Pop3 => announced("STLS") && !announced("USER") && !announced("SASL"),
        Language::Smtp | Language::Lines => announced("STARTTLS") && !announced("AUTH"),
    })
}
