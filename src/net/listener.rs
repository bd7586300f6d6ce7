//! Where connections come in: one accept loop for each listener.
//!
//! An accepted connection gets its place ([`Sessions`](super::limits::Sessions)), its socket options and, on a port with
//! implicit TLS, its handshake; then it is the protocol's driver that speaks. Behind a proxy the proxy says first from where
//! it comes ([`proxy`]), in the clear, and only then it is counted for that address. Each runs in a task of its own, so a
//! panic ends one session and nothing else. Whoever finds no place is told so in the protocol's own words and let go.
//!
//! The loop never spins: when the process is out of descriptors it waits until a session has ended, or a moment.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinError, JoinSet};

use super::guard::NoPlace;
use super::limits::ConnectionSlot;
use super::smtp::Door;
use super::socket_file::{self, SocketFile};
use super::{Connection, Services, Stream, Transport, imap, pop3, proxy, smtp, stopping, tls};
use crate::auth::Origin;
use crate::policy::abuse::Deed;

/// How many connections the kernel holds for us until we accept them: enough for a thousand phones that come back at
/// once after a restart. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long a silent connection is left alone before TCP asks whether the peer lives. Below the 4 to 5 minutes after
/// which common NAT boxes forget a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(180);

/// How long between two of TCP's questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long bytes may stay unacknowledged before the peer counts as dead (RFC 5482): stale sessions eat the per-user
/// limit, and this is what finds them, but a phone in a tunnel comes back.
const USER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long to wait for a descriptor, if no session ends before.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(250);

/// What is spoken at a listener, and how it becomes TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// SMTP (RFC 5321), with STARTTLS where TLS is configured.
    Smtp,
    /// SMTP for those who have an account here and log in (RFC 6409), likewise.
    Submission,
    /// The same over implicit TLS (RFC 8314 §3.3).
    Submissions,
    /// LMTP (RFC 2033), with STARTTLS where TLS is configured.
    Lmtp,
    /// IMAP (RFC 3501), likewise.
    Imap,
    /// IMAP over implicit TLS (RFC 8314 §3.2).
    Imaps,
    /// POP3 (RFC 1939), with STLS where TLS is configured.
    Pop3,
    /// POP3 over implicit TLS (RFC 8314 §3.1).
    Pop3s,
}

impl Role {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Role; 8] =
        [Role::Smtp, Role::Submission, Role::Submissions, Role::Lmtp, Role::Imap, Role::Imaps, Role::Pop3, Role::Pop3s];

    /// Its name in configuration, ready line and logs.
    pub fn name(self) -> &'static str {
        match self {
            Role::Smtp => "smtp",
            Role::Submission => "submission",
            Role::Submissions => "submissions",
            Role::Lmtp => "lmtp",
            Role::Imap => "imap",
            Role::Imaps => "imaps",
            Role::Pop3 => "pop3",
            Role::Pop3s => "pop3s",
        }
    }

    /// Whether a connection begins with a TLS handshake.
    pub fn implicit_tls(self) -> bool {
        matches!(self, Role::Submissions | Role::Imaps | Role::Pop3s)
    }

    /// What a client hears that finds no place: RFC 5321 §3.8, RFC 3501 §7.1.5, RFC 3206 §3.
    fn refusal(self, reason: NoPlace) -> String {
        match self {
            Role::Smtp | Role::Submission | Role::Submissions | Role::Lmtp => format!("421 4.7.0 {reason}\r\n"),
            Role::Imap | Role::Imaps => format!("* BYE {reason}\r\n"),
            Role::Pop3 | Role::Pop3s => format!("-ERR [SYS/TEMP] {reason}\r\n"),
        }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At a TCP port.
    Port(SocketAddr),
    /// At a Unix socket of this name.
    Socket {
        /// Its name in the file system.
        path: PathBuf,
        /// Its permissions: who may write to it may connect.
        mode: u32,
    },
}

/// As the configuration names it, but for who speaks there.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Port(address) => address.fmt(f),
            Address::Socket { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens, but does not accept yet.
#[derive(Debug)]
pub struct Listener {
    role: Role,
    address: Address,
    proxied: bool,
    gate: Gate,
}

#[derive(Debug)]
enum Gate {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with the listener.
        _name: SocketFile,
    },
}

impl Gate {
    async fn accept(&self) -> io::Result<(Stream, Origin)> {
        match self {
            Gate::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Plain(Transport::Tcp(stream)), peer.into()))
            }
            Gate::Unix { listener, _name } => {
                let (stream, _unnamed) = listener.accept().await?;
                Ok((Stream::Unix(stream), Origin::Socket))
            }
        }
    }
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. `proxied`: each connection begins with a header of the PROXY protocol. To be
    /// called inside a runtime.
    pub fn bind(role: Role, address: &Address, proxied: bool) -> Result<Self, socket_file::Error> {
        match address {
            Address::Port(address) => {
                let socket = Self::bind_port(*address)?;
                let address = Address::Port(socket.local_addr()?);
                Ok(Self { role, address, proxied, gate: Gate::Tcp(socket) })
            }
            Address::Socket { path, mode } => {
                let (listener, _name) = socket_file::bind(path, *mode)?;
                Ok(Self { role, address: address.clone(), proxied, gate: Gate::Unix { listener, _name } })
            }
        }
    }

    fn bind_port(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted server takes its port back while old connections are in TIME_WAIT.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // `[::]:25` and `0.0.0.0:25` may stand side by side, and a peer's address has one form only.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    }

    /// What is spoken here.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The real address, with the port that was taken.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether only proxies speak here.
    pub fn proxied(&self) -> bool {
        self.proxied
    }

    /// Accepts until the services shut down; then closes the port and waits at most `drain` for the sessions to say
    /// goodbye. What still runs then is dropped.
    pub async fn run(self, services: Arc<Services>, drain: Duration) {
        let Self { role, address, proxied, gate } = self;
        let mut sessions = JoinSet::new();
        let mut shutdown = services.shutdown.clone();
        tracing::info!(role = role.name(), %address, proxied, "listening");
        loop {
            tokio::select! {
                () = stopping(&mut shutdown) => break,
                Some(ended) = sessions.join_next() => report_panic(role, ended),
                accepted = gate.accept() => match accepted {
                    Ok((stream, peer)) if proxied => start_behind_proxy(role, stream, peer, &services, &mut sessions),
                    Ok((stream, peer)) => start(role, stream, peer, &services, &mut sessions),
                    Err(error) if is_peers_fault(&error) => {}
                    Err(error) => {
                        tracing::warn!(role = role.name(), %error, "can't accept connections for a moment");
                        wait_for_descriptor(role, &mut sessions).await;
                    }
                },
            }
        }
        drop(gate);
        let ended = tokio::time::timeout(drain, async {
            while let Some(ended) = sessions.join_next().await {
                report_panic(role, ended);
            }
        });
        if ended.await.is_err() {
            tracing::warn!(role = role.name(), sessions = sessions.len(), "sessions did not end in time");
            sessions.shutdown().await;
        }
    }
}

/// Numbers for connections, whatever is spoken on them: a server gives none twice. Clones count on together.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Arc<AtomicU64>);

impl Numbers {
    /// The next.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Gives a new connection its place, its number and its task: what a listener does with whatever it accepts.
pub fn start(role: Role, stream: Stream, peer: Origin, services: &Arc<Services>, sessions: &mut JoinSet<()>) {
    if let Some(connection) = begin(role, stream, peer, services) {
        sessions.spawn(serve_from_the_handshake(role, connection, Arc::clone(services)));
    }
}

/// The same, once the proxy has said from where the connection comes. Whoever is no proxy of ours is not even listened to.
fn start_behind_proxy(
    role: Role,
    mut stream: Stream,
    proxy: Origin,
    services: &Arc<Services>,
    sessions: &mut JoinSet<()>,
) {
    if !proxy.address().is_some_and(|proxy| services.trusted_proxies.iter().any(|network| network.contains(proxy))) {
        tracing::info!(role = role.name(), peer = %proxy, "connection refused: it comes from none of trusted_proxies");
        return;
    }
    let unnamed = match services.sessions.admit_unnamed(&proxy) {
        Ok(unnamed) => unnamed,
        Err(full) => return refuse(role, &mut stream, &proxy, NoPlace::Full(full)),
    };
    let services = Arc::clone(services);
    sessions.spawn(async move {
        // As large and short-lived as a handshake's state.
        let Some(peer) = Box::pin(proxied_peer(role, &mut stream, proxy, &services)).await else { return };
        drop(unnamed);
        if let Some(connection) = begin(role, stream, peer, &services) {
            serve_from_the_handshake(role, connection, services).await;
        }
    });
}

/// From where the connection comes, as the proxy says; `None` when it says nothing that can be believed.
async fn proxied_peer(role: Role, stream: &mut Stream, proxy: Origin, services: &Services) -> Option<Origin> {
    let mut shutdown = services.shutdown.clone();
    let header = tokio::select! {
        header = proxy::receive(stream) => header,
        () = stopping(&mut shutdown) => return None,
    };
    match header {
        Ok(proxy::Header::Local) => Some(proxy),
        Ok(proxy::Header::From(peer)) => Some(peer.into()),
        Ok(proxy::Header::Unknown) => Some(Origin::Hidden(proxy.counts_as())),
        Err(error) => {
            tracing::warn!(role = role.name(), %proxy, %error, "connection refused");
            None
        }
    }
}

/// A connection with its place, its number and its socket options, unless there is no place for it or it is gone already.
fn begin(role: Role, mut stream: Stream, peer: Origin, services: &Services) -> Option<Connection> {
    let place = match admit(role, &peer, services) {
        Ok(place) => Box::new(place),
        Err(reason) => {
            refuse(role, &mut stream, &peer, reason);
            return None;
        }
    };
    if let Err(error) = prepare(&stream) {
        // The peer is gone already.
        tracing::debug!(role = role.name(), %peer, %error, "connection lost before it began");
        return None;
    }
    let id = services.numbers.next();
    tracing::debug!(role = role.name(), connection = id, %peer, "connected");
    Some(Connection { stream, peer, id, place })
}

/// The session, and before it the handshake, if it begins with one.
async fn serve_from_the_handshake(role: Role, connection: Connection, services: Arc<Services>) {
    if !role.implicit_tls() {
        return serve(role, connection, services).await;
    }
    // The handshake's state is large and short-lived: boxed, it is no part of the session's memory.
    let connection = Box::pin(shake_hands(role, connection, &services)).await;
    if let Some(connection) = connection {
        serve(role, connection, services).await;
    }
}

/// A place for a connection, if there is one and its peer has not done too much of late.
fn admit(role: Role, peer: &Origin, services: &Services) -> Result<ConnectionSlot, NoPlace> {
    let watched = if role == Role::Lmtp { services.guard.trust() } else { services.guard.watch(peer.counts_as()) };
    watched.may_connect().map_err(NoPlace::Excess)?;
    let place = services.sessions.admit(peer).map_err(NoPlace::Full)?;
    // Whoever found no place is not reproached with it.
    watched.note(Deed::Connection, 1);
    Ok(place)
}

/// Says that there is no place, where that can be said in the clear.
fn refuse(role: Role, stream: &mut Stream, peer: &Origin, reason: NoPlace) {
    tracing::debug!(role = role.name(), %peer, %reason, "connection refused");
    if !role.implicit_tls() {
        tell(stream, &role.refusal(reason));
    }
}

/// One attempt, without waiting: the buffer of a new socket is empty, and whom it does not reach is refused by the close
/// all the same.
fn tell(stream: &mut Stream, refusal: &str) {
    let _told = match stream {
        Stream::Plain(Transport::Tcp(stream)) => stream.try_write(refusal.as_bytes()),
        Stream::Unix(stream) => stream.try_write(refusal.as_bytes()),
        Stream::Plain(Transport::Memory(memory)) => {
            match Pin::new(memory).poll_write(&mut Context::from_waker(Waker::noop()), refusal.as_bytes()) {
                Poll::Ready(written) => written,
                Poll::Pending => Ok(0),
            }
        }
        // No handshake was made for whom nobody serves.
        Stream::Tls(_) => Ok(0),
    };
}

fn prepare(stream: &Stream) -> io::Result<()> {
    // A process of this machine is not lost without the kernel's saying so.
    let Stream::Plain(Transport::Tcp(stream)) = stream else { return Ok(()) };
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// The handshake of a port with implicit TLS; `None` when it fails, takes too long, or the server stops.
async fn shake_hands(role: Role, connection: Connection, services: &Services) -> Option<Connection> {
    let (id, peer) = (connection.id, connection.peer);
    match tls::upgrade(connection, services).await {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::info!(role = role.name(), connection = id, %peer, %error, "no TLS");
            None
        }
    }
}

/// The protocol's driver, boxed: so the task of each protocol is as large as its own driver, not as the largest.
fn serve(role: Role, connection: Connection, services: Arc<Services>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    match role {
        Role::Smtp => Box::pin(smtp::serve(connection, services, Door::Smtp)),
        Role::Submission | Role::Submissions => Box::pin(smtp::serve(connection, services, Door::Submission)),
        Role::Lmtp => Box::pin(smtp::serve(connection, services, Door::Lmtp)),
        Role::Imap | Role::Imaps => Box::pin(imap::serve(connection, services)),
        Role::Pop3 | Role::Pop3s => Box::pin(pop3::serve(connection, services)),
    }
}

fn report_panic(role: Role, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        // The panic hook has logged where; this says that it cost one session.
        tracing::error!(role = role.name(), "a session ended by a panic; the others go on");
    }
}

/// Errors of `accept` that concern one connection which is gone already (accept(2)).
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

async fn wait_for_descriptor(role: Role, sessions: &mut JoinSet<()>) {
    tokio::select! {
        Some(ended) = sessions.join_next() => report_panic(role, ended),
        () = tokio::time::sleep(DESCRIPTOR_WAIT) => {}
    }
}

#[cfg(test)]
mod tests;
