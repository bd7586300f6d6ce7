//! For the tests of the drivers: a server with one account, and clients that talk to it through real sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::guard::{Guard, Settings};
use super::limits::{Network, SessionLimits, Sessions};
use super::{Connection, Services, Stream, Transport};
use crate::auth::{Authenticator, Directory, Membership, Origin, Passwords, credentials_from_password};
use crate::observe::Nobody;
use crate::store::{FlagNames, Mailbox, NewMessage, Options, Placement, Store, UidSet};

/// A server with one account, `alice@example.org` with the password `secret`.
pub(super) struct Server {
    _dir: TempDir,
    pub(super) services: Arc<Services>,
    pub(super) inbox: Arc<Mailbox>,
    /// Sends `true` to stop it.
    pub(super) stop: watch::Sender<bool>,
    trust: CertificateDer<'static>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A server with other services than the usual ones.
    pub(super) async fn with(change: impl FnOnce(&mut Services)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let credentials = credentials_from_password("secret").unwrap();
        let alice = store.add_account("alice@example.org", "alice@example.org", credentials).await.unwrap();
        let inbox = store.mailbox(alice.id, "INBOX").unwrap();
        let directory = Directory::new(store.clone(), Membership::Closed { domains: vec!["example.org".into()] });
        let (stop, shutdown) = watch::channel(false);
        let (acceptor, trust) = tls();
        let sessions = Sessions::new(SessionLimits::default());
        let mut services = Services {
            hostname: "mail.example.org".into(),
            store,
            authenticator: Authenticator::new(directory.clone(), Passwords::Checked).unwrap(),
            directory,
            observer: Arc::new(Nobody),
            tls: Some(acceptor),
            plaintext_login: Network::LOOPBACK.to_vec(),
            trusted_proxies: Network::LOOPBACK.to_vec(),
            smtp: Default::default(),
            pop3: Default::default(),
            pop3_logins: Default::default(),
            imap: Default::default(),
            imap_workspace: Default::default(),
            numbers: Default::default(),
            started_at: tokio::time::Instant::now(),
            guard: Arc::new(Guard::new(Settings::OFF, Arc::clone(&sessions))),
            sessions,
            policy: None,
            trusted_senders: Vec::new(),
            shutdown,
        };
        change(&mut services);
        Server { _dir: dir, services: Arc::new(services), inbox, stop, trust }
    }

    pub(super) async fn deliver(&self, octets: &[u8]) {
        let store = &self.services.store;
        let mut body = store.incoming();
        body.push(octets).await.unwrap();
        let placement = Placement { mailbox: Arc::clone(&self.inbox), flags: FlagNames::default() };
        store.deliver(NewMessage { body, internal_date: None }, vec![placement]).await.unwrap();
    }

    pub(super) async fn expunge(&self, uid: u32) {
        let store = &self.services.store;
        let inbox = store.open_mailbox(&self.inbox).await.unwrap();
        store.expunge(&inbox, &UidSet::range(uid, uid), false).await.unwrap();
    }

    pub(super) fn exists(&self) -> u32 {
        self.inbox.head().exists
    }

    /// Both ends of a connection through a Unix socket.
    pub(super) fn socket_connection(&self) -> (Client<UnixStream>, Connection) {
        let (client, server) = UnixStream::pair().unwrap();
        let place = Box::new(self.services.sessions.admit(&Origin::Socket).unwrap());
        (Client::new(client), Connection { stream: Stream::Unix(server), peer: Origin::Socket, id: 1, place })
    }

    /// Both ends of a connection.
    pub(super) async fn connection(&self) -> (Client<TcpStream>, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (tcp, peer): (TcpStream, SocketAddr) = accepted.unwrap();
        let peer = peer.into();
        let place = Box::new(self.services.sessions.admit(&peer).unwrap());
        (Client::new(client.unwrap()), Connection { stream: Stream::Plain(Transport::Tcp(tcp)), peer, id: 1, place })
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
pub(super) struct Client<S> {
    pub(super) stream: BufReader<S>,
}

impl Client<TcpStream> {
    /// The client's half of a TLS handshake. Nothing may be left unread.
    pub(super) async fn start_tls(self, server: &Server) -> Client<TlsStream<TcpStream>> {
        self.start_tls_as(server, rustls::ALL_VERSIONS).await
    }

    /// The same, with these versions of TLS alone.
    pub(super) async fn start_tls_as(
        self,
        server: &Server,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Client<TlsStream<TcpStream>> {
        assert_eq!(self.stream.buffer(), b"");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(server.trust.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("mail.example.org").unwrap();
        Client::new(TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(super) async fn says(&mut self, line: &str) {
        self.says_octets(format!("{line}\r\n").as_bytes()).await;
    }

    pub(super) async fn says_octets(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} is no line")).to_owned()
    }

    pub(super) async fn hears(&mut self, expected: &str) {
        assert_eq!(self.line().await, expected);
    }

    pub(super) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
