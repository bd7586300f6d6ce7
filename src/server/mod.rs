//! Configuration, store and listeners make a server.
//!
//! The order of a start: sockets are bound first (a taken port is the commonest mistake, and nothing was touched yet),
//! then TLS, then the store is opened, then the control socket is put beside it, and only then is anything accepted.
//! The order of a stop: no new connections, every session says goodbye, questions at the control socket are finished,
//! the store finishes what is queued and writes its checkpoint.

mod aliases;
pub mod control;
pub mod delivery;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use self::delivery::Courier;
use crate::auth::directory::Unknown;
use crate::auth::{Authenticator, Directory, Membership, Passwords};
use crate::config::{Config, Endpoint, Strangers};
use crate::net::guard::Guard;
use crate::net::limits::{SessionLimits, Sessions};
use crate::net::listener::{Address, Listener, Role};
use crate::net::tls::{self, Tls};
use crate::net::{Services, port_owner, socket_file};
use crate::observe::Observer;
use crate::policy::checks::Policy;
use crate::policy::resolver::NoAnswer;
use crate::store::{self, Store};

/// How long sessions may take to say goodbye: with the store's last checkpoint, the whole stop stays within 10 s.
const DRAIN: Duration = Duration::from_secs(7);

/// Descriptors that are kept for the store, the control socket and logs when connections take the rest.
const DESCRIPTORS_KEPT: u64 = 256;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error("port {} is taken: {} can't listen at {address}{}", address.port(), role.name(), by(owner))]
    PortTaken {
        /// What was to be spoken there.
        role: Role,
        /// Where.
        address: SocketAddr,
        /// The process that has it, where it can be found out.
        owner: Option<String>,
    },
    /// Somebody else listens at a Unix socket of that name.
    #[error("{} is taken: {} can't listen there{}", path.display(), role.name(), by(owner))]
    SocketTaken {
        /// What was to be spoken there.
        role: Role,
        /// Where.
        path: PathBuf,
        /// The process that has it, where it can be found out.
        owner: Option<String>,
    },
    /// The address can't be had for another reason: not ours, or a port or folder that needs a privilege.
    #[error("{} can't listen at {address}: {error}", role.name())]
    Bind {
        /// What was to be spoken there.
        role: Role,
        /// Where.
        address: Address,
        /// What the system says.
        error: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The data folder can't be made.
    #[error("{}: {error}", data_dir.display())]
    DataDir {
        /// The folder.
        data_dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// The control socket can't be made.
    #[error("{}: {error}", control::path(data_dir).display())]
    Control {
        /// The folder.
        data_dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Nothing can be asked of the DNS.
    #[error("the DNS can't be asked: {0}")]
    Dns(#[from] NoAnswer),
    /// The system has no random numbers for the login secret.
    #[error("logins can't be checked: {0}")]
    Authenticator(io::Error),
}

fn by(owner: &Option<String>) -> String {
    owner.as_ref().map(|owner| format!(", since {owner} does")).unwrap_or_default()
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What is spoken there.
    pub role: Role,
    /// The real address.
    pub address: Address,
    /// Whether only proxies speak there.
    pub proxied: bool,
}

impl Bound {
    fn of(listener: &Listener) -> Self {
        Self { role: listener.role(), address: listener.address().clone(), proxied: listener.proxied() }
    }
}

/// A server that runs.
pub struct Server {
    store: Store,
    addresses: Vec<Bound>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Starts everything that `config` asks for; when it returns, every socket listens.
    pub async fn start(config: Config, observer: Arc<dyn Observer>) -> Result<Server, StartError> {
        let listeners = bind(&config.listeners)?;
        let addresses = listeners.iter().map(Bound::of).collect();
        let (tls_source, data_dir, options) = (config.tls.clone(), config.data_dir.clone(), config.store.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let tls = Tls::new(tls_source)?;
            let store = open_store(&data_dir, options)?;
            match control::listen(&data_dir) {
                Ok(control) => Ok((tls, store, control, data_dir)),
                Err(error) => Err(StartError::Control { data_dir, error }),
            }
        });
        let (tls, store, control, data_dir) = match opened.await {
            Ok(opened) => opened?,
            // The task is never cancelled, so this is its panic, and it is ours.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };

        let (stop, shutdown) = watch::channel(false);
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let (membership, rules) = (config.membership.clone(), config.addresses.clone());
        let services = services(config, store.clone(), acceptor, observer, shutdown.clone()).await?;
        let services = Arc::new(services);

        let mut tasks = JoinSet::new();
        let owner = control::Owner::new(store.clone(), Some(membership), rules);
        let courier = Courier::new(&services.hostname, &services.directory, &store, &services.observer, &services.smtp)
            .numbered_with(&services.numbers);
        tasks.spawn(control::run(control, data_dir, owner, Arc::new(courier), shutdown));
        for listener in listeners {
            tasks.spawn(listener.run(Arc::clone(&services), DRAIN));
        }
        Ok(Server { store, addresses, stop, tasks, tls: tls.map(Arc::new) })
    }

    /// What listens where, with the real ports.
    pub fn addresses(&self) -> &[Bound] {
        &self.addresses
    }

    /// Where clients speak `role` over TCP, if they do; the first of several addresses.
    pub fn address(&self, role: Role) -> Option<SocketAddr> {
        self.port(role, false)
    }

    /// Where proxies speak `role`, if they do; the first of several addresses.
    pub fn proxied_address(&self, role: Role) -> Option<SocketAddr> {
        self.port(role, true)
    }

    fn port(&self, role: Role, proxied: bool) -> Option<SocketAddr> {
        let mut bound = self.addresses.iter().filter(|bound| (bound.role, bound.proxied) == (role, proxied));
        bound.find_map(|bound| match &bound.address {
            Address::Port(address) => Some(*address),
            Address::Socket { .. } => None,
        })
    }

    /// The Unix socket where `role` is spoken, if there is one; the first of several.
    pub fn socket(&self, role: Role) -> Option<&Path> {
        self.addresses.iter().filter(|bound| bound.role == role).find_map(|bound| match &bound.address {
            Address::Port(_) => None,
            Address::Socket { path, .. } => Some(path.as_path()),
        })
    }

    /// Takes the certificate anew from its files, after a renewal; false where there is no TLS. After an error the old
    /// one stays.
    pub async fn reload_certificate(&self) -> Result<bool, tls::Error> {
        let Some(tls) = self.tls.clone() else { return Ok(false) };
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(reloaded) => reloaded.map(|()| true),
            // The task is never cancelled, so this is its panic, and it is ours.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Waits until the disk has refused a write, and says how: from then on nothing more can be promised, and the
    /// process had better end. Does not return otherwise.
    pub async fn failed(&self) -> String {
        self.store.failed().await
    }

    /// Stops; returns when every session has ended and everything accepted is safe.
    pub async fn shutdown(self) -> Result<(), store::Error> {
        let Server { store, stop, mut tasks, .. } = self;
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
        store.close().await
    }
}

/// What every connection shares, as `config` has it, over a store that is open.
pub async fn services(
    config: Config,
    store: Store,
    tls: Option<TlsAcceptor>,
    observer: Arc<dyn Observer>,
    shutdown: watch::Receiver<bool>,
) -> Result<Services, StartError> {
    let (trusted_senders, policy) = match config.strangers {
        Some(Strangers { trusted, policy }) => (trusted, Some(Policy::new(policy, &config.dns, &config.hostname)?)),
        None => (Vec::new(), None),
    };
    let passwords = match &config.membership {
        Membership::Open { .. } => Passwords::Any,
        Membership::Closed { .. } => Passwords::Checked,
    };
    let directory = Directory::new(store.clone(), config.membership.clone()).with_rules(config.addresses);
    miss_postmasters(&directory, &config.membership).await;
    let sessions = Sessions::new(within_descriptors(config.sessions));
    let authenticator = Authenticator::new(directory.clone(), passwords).map_err(StartError::Authenticator)?;
    let guard = Arc::new(Guard::new(config.abuse, Arc::clone(&sessions)));
    let exempt = Arc::clone(&sessions);
    let authenticator =
        authenticator.with_shared_peers(move |peer| exempt.is_exempt(peer)).with_failed_logins(Arc::clone(&guard) as _);
    Ok(Services {
        hostname: config.hostname,
        store,
        authenticator,
        directory,
        observer,
        tls,
        plaintext_login: config.plaintext_login,
        trusted_proxies: config.trusted_proxies,
        smtp: config.smtp,
        pop3: config.pop3,
        pop3_logins: Default::default(),
        imap: config.imap,
        imap_workspace: Default::default(),
        numbers: Default::default(),
        started_at: Instant::now(),
        sessions,
        policy,
        trusted_senders,
        guard,
        shutdown,
    })
}

fn bind(endpoints: &[Endpoint]) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::with_capacity(endpoints.len());
    for Endpoint { role, address, proxied, optional } in endpoints {
        match Listener::bind(*role, address, *proxied) {
            Ok(listener) => listeners.push(listener),
            Err(error) if *optional => tracing::info!(role = role.name(), %address, %error, "not listening here"),
            Err(error) => return Err(refused(*role, address, error)),
        }
    }
    Ok(listeners)
}

fn refused(role: Role, address: &Address, error: socket_file::Error) -> StartError {
    match (address.clone(), error) {
        (Address::Socket { path, .. }, socket_file::Error::Taken { owner }) => {
            StartError::SocketTaken { role, path, owner }
        }
        (Address::Port(address), socket_file::Error::Taken { owner }) => StartError::PortTaken { role, address, owner },
        (Address::Port(address), socket_file::Error::Io(error)) if error.kind() == io::ErrorKind::AddrInUse => {
            StartError::PortTaken { role, address, owner: port_owner::find(address) }
        }
        (address, socket_file::Error::Io(error)) => StartError::Bind { role, address, error },
    }
}

/// Opens the store in `data_dir`; makes the folder, for its owner's eyes alone. Blocks.
pub fn open_store(data_dir: &Path, options: store::Options) -> Result<Store, StartError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.map_err(|error| StartError::DataDir { data_dir: data_dir.to_owned(), error })?;
    Ok(Store::open(data_dir, options)?)
}

/// Says which domains have no postmaster, whom every domain that takes mail is to have (RFC 5321 §4.5.1).
async fn miss_postmasters(directory: &Directory, membership: &Membership) {
    let Membership::Closed { domains } = membership else { return };
    for domain in domains {
        // An alias that can't be followed has been told in the log.
        if let Err(Unknown::User) = directory.addressees("postmaster", domain).await {
            tracing::warn!(
                domain,
                "nobody gets the mail of postmaster: name somebody by `postmaster` in [server], or add an alias"
            );
        }
    }
}

/// Takes as many descriptors as the system allows, and no more connections than there are descriptors for: beyond them,
/// a client is told to come later instead of hanging in a queue.
fn within_descriptors(mut limits: SessionLimits) -> SessionLimits {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let descriptors = if raised.is_ok() { maximum } else { current };
    // `None` is no limit at all.
    if let Some(descriptors) = descriptors {
        let room = usize::try_from(descriptors.saturating_sub(DESCRIPTORS_KEPT)).unwrap_or(usize::MAX).max(1);
        if room < limits.max_connections {
            tracing::info!(asked = limits.max_connections, room, "fewer descriptors than connections were asked for");
            limits.max_connections = room;
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    use super::*;
    use crate::observe::Nobody;

    fn config(data_dir: &Path, role: Role, port: u16) -> Config {
        let address = Address::Port(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let mut config = Config::dev(data_dir.to_owned());
        config.listeners.push(Endpoint { role, address, proxied: false, optional: false });
        config
    }

    async fn start(config: Config) -> Result<Server, StartError> {
        Server::start(config, Arc::new(Nobody)).await
    }

    #[tokio::test]
    async fn a_store_has_one_owner_until_that_one_stops() {
        let folder = tempfile::tempdir().unwrap();
        let first = start(config(folder.path(), Role::Pop3, 0)).await.unwrap();
        let second = start(config(folder.path(), Role::Pop3, 0)).await.err();
        assert!(matches!(second, Some(StartError::Store(store::OpenError::InUse(_)))), "{second:?}");
        first.shutdown().await.unwrap();
        start(config(folder.path(), Role::Pop3, 0)).await.unwrap().shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_before_the_store_is_touched_unless_it_is_optional() {
        let folder = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config(&folder.path().join("data"), Role::Pop3, taken.local_addr().unwrap().port());
        let refused = start(config.clone()).await.err();
        assert!(matches!(refused, Some(StartError::PortTaken { role: Role::Pop3, .. })), "{refused:?}");
        assert!(!folder.path().join("data").exists());

        config.listeners[0].optional = true;
        let server = start(config).await.unwrap();
        assert!(server.addresses().is_empty());
        server.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn who_never_asks_at_the_control_socket_does_not_delay_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(config(folder.path(), Role::Pop3, 0)).await.unwrap();
        let _silent = tokio::net::UnixStream::connect(control::path(folder.path())).await.unwrap();
        tokio::time::timeout(DRAIN / 2, server.shutdown()).await.expect("a stop within the time of a drain").unwrap();
        assert!(!control::path(folder.path()).exists());
    }

    #[tokio::test]
    async fn a_client_that_never_shakes_hands_does_not_delay_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let server = start(config(folder.path(), Role::Pop3s, 0)).await.unwrap();
        let mut silent = TcpStream::connect(server.address(Role::Pop3s).unwrap()).await.unwrap();
        tokio::time::timeout(DRAIN / 2, server.shutdown()).await.expect("a stop within the time of a drain").unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0, "the connection is closed");
    }
}
