//! A Postbell in this process, as one of the transcripts' configurations has it, to which clients connect in memory.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use postbell::auth::{Origin, credentials_from_password};
use postbell::config::{Config, Endpoint};
use postbell::net::limits::Network;
use postbell::net::listener::{self, Address, Role};
use postbell::net::tls::Tls;
use postbell::net::{Stream, Transport};
use postbell::observe::Nobody;
use postbell::server::services;
use postbell::store::{Credentials, Store};
use protocol_tests::postbell as started;
use protocol_tests::subject::Subject;
use protocol_tests::transcript::Service;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_local};

/// What is on its way at the most.
const ON_THE_WAY_OCTETS: usize = 64 * 1024;

/// A server that ends with this value.
pub(crate) struct Server {
    pub(crate) subject: Subject,
    sessions: Arc<Mutex<JoinSet<()>>>,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// A folder in memory, where there is one.
fn folder() -> Result<tempfile::TempDir, String> {
    let in_memory = tempfile::Builder::new().prefix("postbell-splits").tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).map_err(|error| error.to_string())
}

/// Whether it can be here: what asks a DNS does so through a socket, and what only a proxy speaks to is not taught here.
pub(crate) fn can_be_in_memory(configuration: &str, configurations: &Path) -> bool {
    // `dev` has no file; another that is missing is told of when it is to be started.
    let asks_a_dns = std::fs::read_to_string(configurations.join(format!("{configuration}.toml")))
        .is_ok_and(|text| text.contains("{dns "));
    !asks_a_dns && !configuration.starts_with("proxied")
}

/// Starts it, on the runtime's own thread.
pub(crate) async fn start(configuration: &str, configurations: &Path) -> Result<Server, String> {
    let folder = folder()?;
    let (config, user) = if configuration == "dev" {
        let mut config = Config::dev(folder.path().join("data"));
        let address = Address::Port(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        let endpoint = |role| Endpoint { role, address: address.clone(), proxied: false, optional: false };
        config.listeners = Role::ALL.into_iter().map(endpoint).collect();
        config.plaintext_login = Network::ALL.to_vec();
        (config, "t{n}@localhost")
    } else {
        let (path, _no_dns) = started::written(configuration, configurations, folder.path()).await?;
        (Config::load(&path).map_err(|error| error.to_string())?, "t{n}@example.org")
    };
    let tls = Tls::new(config.tls.clone()).map_err(|error| error.to_string())?;
    let opened = Store::open_by_hand(&config.data_dir, config.store.clone());
    let (store, mut by_hand) = opened.map_err(|error| error.to_string())?;
    spawn_local(async move {
        loop {
            by_hand.asked().await;
            by_hand.commit();
        }
    });
    let roles: Vec<Role> = config.listeners.iter().map(|endpoint| endpoint.role).collect();
    let (stop, shutdown) = watch::channel(false);
    let acceptor = tls.map(|tls| tls.acceptor.clone());
    let services = services(config, store.clone(), acceptor, Arc::new(Nobody), shutdown).await;
    let services = Arc::new(services.map_err(|error| error.to_string())?);

    let offered = roles.iter().filter_map(|role| Service::named(role.name()));
    let nowhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let mut subject =
        Subject::new(offered.map(|service| (service, nowhere)).collect::<BTreeMap<_, _>>(), user, PASSWORD);
    let sessions = Arc::new(Mutex::new(JoinSet::new()));
    let taken = Arc::clone(&sessions);
    subject.dial = Some(Box::new(move |service: Service, peer: IpAddr| {
        let (client, server) = tokio::io::duplex(ON_THE_WAY_OCTETS);
        let role = Role::ALL.into_iter().find(|role| role.name() == service.name()).ok_or("no such role")?;
        let peer = Origin::from(SocketAddr::new(peer, 1));
        let mut sessions = taken.lock().unwrap_or_else(PoisonError::into_inner);
        listener::start(role, Stream::Plain(Transport::Memory(server)), peer, &services, &mut sessions);
        Ok(Box::new(client))
    }));
    if configuration != "dev" {
        let (provisioned, ruled) = (store.clone(), store);
        subject.provision = Some(Box::new(move |user, _password| {
            let store = provisioned.clone();
            Box::pin(async move {
                let added = store.add_account(&user, &user, CREDENTIALS.clone()).await;
                added.map(|_account| ()).map_err(|error| error.to_string())
            })
        }));
        subject.give_rules = Some(Box::new(move |user, script| {
            let store = ruled.clone();
            Box::pin(async move {
                let account = store.account(&user).ok_or("no such account")?;
                let script = String::from_utf8(script).map_err(|error| error.to_string())?;
                store.set_script(account.id, Some(Arc::from(script))).await.map_err(|error| error.to_string())
            })
        }));
    }
    Ok(Server { subject, sessions, _stop: stop, _folder: folder })
}

/// The password of every account.
const PASSWORD: &str = "correct-horse";

/// To hash a password takes long, so it is done once for all accounts; and to hash it again at each login takes as long, so
/// this hash is a cheap one: a server takes the costs from the hash.
static CREDENTIALS: LazyLock<Credentials> = LazyLock::new(|| {
    let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).expect("costs");
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = SaltString::encode_b64(&[7; 16]).expect("a salt");
    let hash = cheap.hash_password(PASSWORD.as_bytes(), &salt).expect("a password that can be hashed");
    let credentials = credentials_from_password(PASSWORD).expect("a password that can be hashed");
    Credentials { password_hash: hash.to_string(), ..credentials }
});

impl Server {
    /// Whether a session has panicked: that ends one session and is survived, but it is a bug.
    pub(crate) fn is_whole(&self) -> Result<(), String> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = sessions.try_join_next() {
            ended.map_err(|error| format!("a session's task: {error}"))?;
        }
        Ok(())
    }
}
