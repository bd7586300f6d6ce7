//! Before the first transcript: whether the server is there, and takes the accounts. What is wrong is one sentence.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

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

/// Sends a message, and looks whether the account that it was for has it: where it does not, every case that waits for
/// mail would fail.
pub async fn mail_comes(subject: &Subject) -> Result<(), String> {
    let Some(road) = subject.delivers_by().filter(|_| subject.endpoint(Service::Imap).is_some()) else { return Ok(()) };
    let lease = subject.accounts(1).await?;
    let account = lease.names.first().cloned().unwrap_or_default();
    let address = subject.address_of(&account);
    let mut reader = Errand::begin(subject, Service::Imap).await?;
    reader.login(&account).await?;
    let before = reader.messages().await?;
    let refused = |error: String| format!("{} does not take mail for {address}: {error}", road.name());
    let mut sending = Errand::begin(subject, road).await.map_err(refused)?;
    let submits = matches!(road, Service::Submission | Service::Submissions);
    if submits {
        sending.login(&account).await.map_err(refused)?;
    }
    let sender = if submits { address.as_str() } else { "sender@example.com" };
    sending.deliver(sender, &address).await.map_err(refused)?;
    let deadline = subject.deadline();
    while reader.messages().await? == before {
        if Instant::now() >= deadline {
            return Err(format!(
                "mail for {address}, which {} took, does not come to the INBOX of {account}: say what its address is \
                 by --address, or --deliver how",
                road.name()
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// How long a mailbox is left alone between two looks.
const PAUSE: Duration = Duration::from_millis(20);

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
