//! What the tests of the drivers share: a server without listeners over a real store, and clients that talk to a driver
//! through real sockets.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::limits::{SessionLimits, Sessions};
use super::{Connection, Services, Stream};
use crate::auth::{Authenticator, Directory, Membership, Passwords, credentials_from_password};
use crate::observe::Nobody;
use crate::store::{INBOX, Mailbox, Options, Store};

/// A server with one account, `alice@example.org` with the password `secret`.
pub(super) struct Server {
    _dir: TempDir,
    pub(super) services: Arc<Services>,
    /// Alice's.
    pub(super) inbox: Arc<Mailbox>,
    /// Made true, the server stops.
    pub(super) stop: watch::Sender<bool>,
    trust: CertificateDer<'static>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(SessionLimits::default()).await
    }

    pub(super) async fn with(limits: SessionLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let credentials = credentials_from_password("secret").unwrap();
        let alice = store.add_account("alice@example.org", "alice@example.org", credentials).await.unwrap();
        let inbox = store.mailbox(alice.id, INBOX).unwrap();
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

    /// A connection that `serve` serves.
    pub(super) async fn connect<F>(
        &self,
        serve: impl FnOnce(Connection, Arc<Services>) -> F,
    ) -> (Client<TcpStream>, JoinHandle<()>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(local), listener.accept());
        let (tcp, peer): (TcpStream, SocketAddr) = accepted.unwrap();
        let connection = Connection { stream: Stream::Plain(tcp), peer, local, id: 1 };
        let served = tokio::spawn(serve(connection, Arc::clone(&self.services)));
        (Client::new(client.unwrap()), served)
    }

    /// The client's side of a TLS handshake.
    pub(super) async fn handshake(&self, client: Client<TcpStream>) -> Client<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.trust.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("mail.example.org").unwrap();
        assert_eq!(client.stream.buffer(), b"", "nothing comes in the clear any more");
        let tls = TlsConnector::from(Arc::new(config)).connect(name, client.stream.into_inner()).await.unwrap();
        Client::new(tls)
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

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a line, or several with CRLF between them.
    pub(super) async fn says(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
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

    /// Nothing more comes.
    pub(super) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
