//! Clients that talk to a driver through a real socket, over a real store.

use std::net::SocketAddr;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::auth::{Authenticator, Directory, Membership, Passwords, credentials_from_password};
use crate::net::Stream;
use crate::net::limits::{SessionLimits, Sessions};
use crate::observe::Nobody;
use crate::store::{FlagNames, NewMessage, Options, Placement, Store};

/// A server with one account, `alice@example.org` with the password `secret`.
struct Server {
    _dir: TempDir,
    services: Arc<Services>,
    inbox: Arc<Mailbox>,
    stop: watch::Sender<bool>,
    trust: CertificateDer<'static>,
}

impl Server {
    async fn start() -> Self {
        Self::with(SessionLimits::default()).await
    }

    async fn with(limits: SessionLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let credentials = credentials_from_password("secret").unwrap();
        let alice = store.add_account("alice@example.org", "alice@example.org", credentials).await.unwrap();
        let inbox = store.mailbox(alice.id, "INBOX").unwrap();
        let directory = Directory::new(store.clone(), Membership::Closed { domains: vec!["example.org".into()] });
        let (stop, shutdown) = watch::channel(false);
        let (acceptor, trust) = tls();
        let services = Services {
            hostname: "mail.example.org".into(),
            store,
            authenticator: Authenticator::new(directory.clone(), Passwords::Checked).unwrap(),
            directory,
            observer: Arc::new(Nobody),
            tls: Some(acceptor),
            plaintext_login: false,
            smtp: Default::default(),
            pop3: Default::default(),
            imap: Default::default(),
            sessions: Sessions::new(limits),
            shutdown,
        };
        Server { _dir: dir, services: Arc::new(services), inbox, stop, trust }
    }

    async fn deliver(&self, octets: &[u8]) {
        let store = &self.services.store;
        let mut body = store.incoming();
        body.push(octets).await.unwrap();
        let placement = Placement { mailbox: Arc::clone(&self.inbox), flags: FlagNames::default() };
        store.deliver(NewMessage { body, internal_date: None }, vec![placement]).await.unwrap();
    }

    async fn expunge(&self, uid: u32) {
        let store = &self.services.store;
        let inbox = store.open_mailbox(&self.inbox).await.unwrap();
        store.expunge(&inbox, &UidSet::range(uid, uid), false).await.unwrap();
    }

    async fn exists(&self) -> u32 {
        self.inbox.head().exists
    }

    /// A connection that is being served.
    async fn connect(&self) -> (Client<TcpStream>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(local), listener.accept());
        let (tcp, peer): (TcpStream, SocketAddr) = accepted.unwrap();
        let connection = Connection { stream: Stream::Plain(tcp), peer, local, id: 1 };
        let served = tokio::spawn(serve(connection, Arc::clone(&self.services)));
        let mut client = Client::new(client.unwrap());
        client.hears("+OK mail.example.org Postbell POP3 ready").await;
        (client, served)
    }

    async fn log_in(&self) -> Client<TcpStream> {
        let (mut client, _served) = self.connect().await;
        client.says("USER alice").await;
        client.hears("+OK now the password").await;
        client.says("PASS secret").await;
        assert!(client.line().await.starts_with("+OK maildrop has "));
        client
    }
}

fn tls() -> (TlsAcceptor, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["mail.example.org".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

/// A client that reads lines.
struct Client<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    async fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} is no line")).to_owned()
    }

    async fn hears(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    /// The lines of a multi-line answer behind its first, dots taken out.
    async fn lines(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        loop {
            let start = octets.len();
            assert_ne!(self.stream.read_until(b'\n', &mut octets).await.unwrap(), 0, "the answer breaks off");
            // A line may hold bare LFs; the tests' messages hold none.
            match &octets[start..] {
                b".\r\n" => {
                    octets.truncate(start);
                    return octets;
                }
                [b'.', ..] => drop(octets.remove(start)),
                _ => {}
            }
        }
    }

    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

#[tokio::test]
async fn mail_is_listed_fetched_and_removed_at_quit() {
    let server = Server::start().await;
    let large: Vec<u8> = (0..60_000).flat_map(|number| format!(".{number} \u{fc}\0\r\n").into_bytes()).collect();
    assert!(large.len() > 2 * 256 * 1024, "more than one piece");
    server.deliver(b"Subject: one\r\n\r\nHello\r\n").await;
    server.deliver(&large).await;
    let mut client = server.log_in().await;
    client.says("STAT").await;
    client.hears(&format!("+OK 2 {}", 23 + large.len())).await;
    client.says("UIDL").await;
    client.line().await;
    let unique_ids = client.lines().await;
    client.says("RETR 2").await;
    client.hears(&format!("+OK {} octets", large.len())).await;
    assert!(client.lines().await == large, "the octets come out as they went in");
    client.says("TOP 1 0").await;
    client.hears("+OK top of message 1").await;
    assert_eq!(client.lines().await, b"Subject: one\r\n\r\n");
    client.says("DELE 2").await;
    client.hears("+OK message 2 deleted").await;
    assert_eq!(server.exists().await, 2);
    client.says("QUIT").await;
    client.hears("+OK goodbye, 1 message (23 octets) left").await;
    client.is_closed().await;
    assert_eq!(server.exists().await, 1);

    let mut client = server.log_in().await;
    client.says("UIDL").await;
    client.line().await;
    let first = unique_ids.split_inclusive(|octet| *octet == b'\n').next().unwrap();
    assert_eq!(client.lines().await, first, "the unique-id is the same in the next session");
}

#[tokio::test]
async fn a_lost_connection_removes_nothing() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let (mut client, served) = server.connect().await;
    for line in ["USER alice", "PASS secret", "DELE 1"] {
        client.says(line).await;
        assert!(client.line().await.starts_with("+OK"));
    }
    drop(client);
    served.await.unwrap();
    assert_eq!(server.exists().await, 1);
}

#[tokio::test]
async fn two_sessions_and_imap_share_a_maildrop() {
    let server = Server::start().await;
    for number in 1..=3 {
        server.deliver(format!("Subject: {number}\r\n\r\n").as_bytes()).await;
    }
    let mut phone = server.log_in().await;
    let mut desktop = server.log_in().await;
    server.expunge(1).await;
    server.deliver(b"Subject: 4\r\n\r\n").await;
    for client in [&mut phone, &mut desktop] {
        client.says("STAT").await;
        client.hears("+OK 3 42").await;
        client.says("RETR 2").await;
        client.hears("+OK 14 octets").await;
        assert_eq!(client.lines().await, b"Subject: 2\r\n\r\n");
    }
    for client in [&mut phone, &mut desktop] {
        client.says("RETR 1").await;
        client.hears("-ERR [SYS/TEMP] message 1 was removed by another client").await;
        client.says("DELE 1").await;
        client.hears("+OK message 1 deleted").await;
        client.says("DELE 2").await;
        client.hears("+OK message 2 deleted").await;
        client.says("QUIT").await;
        client.hears("+OK goodbye, 1 message (14 octets) left").await;
    }
    assert_eq!(server.exists().await, 2, "the third, and the one that nobody saw");
}

#[tokio::test]
async fn stls_drops_what_was_injected_before_it() {
    let server = Server::start().await;
    let (mut client, _served) = server.connect().await;
    client.says("STLS\r\nNOOP\r\nUSER mallory").await;
    client.hears("+OK begin TLS").await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.trust.clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("mail.example.org").unwrap();
    assert_eq!(client.stream.buffer(), b"");
    let tls = TlsConnector::from(Arc::new(config)).connect(name, client.stream.into_inner()).await.unwrap();
    let mut client = Client::new(tls);
    client.says("PASS secret").await;
    client.hears("-ERR USER comes first").await;
    client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    client.hears("+OK maildrop has 0 messages (0 octets)").await;
    client.says("QUIT").await;
    client.hears("+OK goodbye, 0 messages (0 octets) left").await;
    client.is_closed().await;
}

#[tokio::test]
async fn a_stop_is_told_and_removes_nothing() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let mut client = server.log_in().await;
    client.says("DELE 1").await;
    client.hears("+OK message 1 deleted").await;
    let (mut stranger, _served) = server.connect().await;
    server.stop.send_replace(true);
    for client in [&mut client, &mut stranger] {
        client.hears("-ERR [SYS/TEMP] shutting down").await;
        client.is_closed().await;
    }
    assert_eq!(server.exists().await, 1);
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let limits = SessionLimits { max_per_user_and_address: 1, exempt: Vec::new(), ..SessionLimits::default() };
    let server = Server::with(limits).await;
    let mut first = server.log_in().await;
    let (mut second, _served) = server.connect().await;
    second.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    second.hears("-ERR [IN-USE] you have too many sessions").await;
    first.says("QUIT").await;
    first.hears("+OK goodbye, 0 messages (0 octets) left").await;
    first.is_closed().await;
    drop(first);
    // The place is free when the session is over, a moment after its last line.
    loop {
        second.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
        match second.line().await {
            line if line.starts_with("-ERR [IN-USE]") => tokio::task::yield_now().await,
            line => break assert_eq!(line, "+OK maildrop has 0 messages (0 octets)"),
        }
    }
}

#[tokio::test]
async fn the_third_wrong_password_ends_the_connection() {
    tokio::time::pause();
    let server = Server::start().await;
    let (mut client, _served) = server.connect().await;
    for _ in 0..3 {
        client.says("AUTH PLAIN AGFsaWNlAHdyb25n").await;
        client.hears("-ERR [AUTH] wrong name or password").await;
    }
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_autologout_closes_without_a_word() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let mut client = server.log_in().await;
    client.says("DELE 1").await;
    client.hears("+OK message 1 deleted").await;
    let start = tokio::time::Instant::now();
    client.is_closed().await;
    assert_eq!(start.elapsed().as_secs(), 600);
    assert_eq!(server.exists().await, 1);
}
