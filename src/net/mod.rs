//! The only place that knows sockets: listeners, TLS, connection drivers, limits.

pub(crate) mod compression;
pub mod guard;
pub mod imap;
mod io;
pub mod limits;
pub mod listener;
pub mod pop3;
pub mod port_owner;
pub(crate) mod proxy;
mod room;
pub mod smtp;
pub mod socket_file;
pub mod stream;
#[cfg(test)]
mod testbed;
pub mod tls;
pub use stream::{Connection, Stream, Transport};

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::auth::{Authenticator, Directory, Origin};
use crate::observe::Observer;
use crate::policy::checks::Policy;
use crate::store::Store;

/// What every connection shares.
pub struct Services {
    /// Our name in greetings and trace headers.
    pub hostname: String,
    /// The store.
    pub store: Store,
    /// Whose an address is.
    pub directory: Directory,
    /// Checks passwords.
    pub authenticator: Authenticator,
    /// Looks on.
    pub observer: Arc<dyn Observer>,
    /// TLS, where it is configured.
    pub tls: Option<tokio_rustls::TlsAcceptor>,
    /// From where passwords may be given without TLS (RFC 8314 §4.1, RFC 8689 §4.4).
    pub plaintext_login: Vec<limits::Network>,
    /// Who is believed at a listener that is set up for the PROXY protocol.
    pub trusted_proxies: Vec<limits::Network>,
    /// What an SMTP or LMTP client may do.
    pub smtp: crate::smtp::Limits,
    /// What a POP3 client may do.
    pub pop3: crate::pop3::Limits,
    /// Which users of POP3 have to wait for their next login.
    pub pop3_logins: std::sync::Mutex<crate::pop3::LoginDelay>,
    /// What an IMAP client may do.
    pub imap: crate::imap::Limits,
    /// What IMAP clients share of the memory.
    pub(crate) imap_workspace: crate::imap::exec::Workspace,
    /// Numbers the connections.
    pub numbers: listener::Numbers,
    /// When the server began: signs of life fall on multiples of their interval from here.
    pub started_at: tokio::time::Instant,
    /// Who may have how many sessions; a driver asks for its place when its user has logged in.
    pub sessions: Arc<limits::Sessions>,
    /// What is asked about those who send mail from outside, and what follows.
    pub policy: Option<Policy>,
    /// About whom nothing is asked.
    pub trusted_senders: Vec<limits::Network>,
    /// Counts what strangers do.
    pub guard: Arc<guard::Guard>,
    /// Turns true when the server stops: every driver says goodbye and ends.
    pub shutdown: watch::Receiver<bool>,
}

impl Services {
    /// What holds for a stranger's mail from `peer`; `None`: nothing is asked about it. A process of this machine is no
    /// stranger.
    pub(crate) fn policy_for(&self, peer: &Origin) -> Option<&Policy> {
        if *peer == Origin::Socket {
            return None;
        }
        let peer = peer.counts_as();
        let is_trusted = self.trusted_senders.iter().any(|network| network.contains(peer));
        self.policy.as_ref().filter(|_| !is_trusted)
    }

    /// Whether `peer` may give its password without TLS: who has no address is in none of the networks.
    pub(crate) fn plaintext_login(&self, peer: &Origin) -> bool {
        peer.address().is_some_and(|peer| self.plaintext_login.iter().any(|network| network.contains(peer)))
    }
}

/// Waits until the server stops: what [`Services::shutdown`] tells.
pub(crate) async fn stopping(shutdown: &mut watch::Receiver<bool>) {
    // The sender is gone only when the server is, and then this is as true.
    let _stopping = shutdown.wait_for(|stopping| *stopping).await;
}

/// How long a driver may go on writing when the server stops: the rest of a usual message, and well within the ten
/// seconds of a stop.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Waits until the server has been stopping for the grace.
async fn grace_is_over(shutdown: &mut watch::Receiver<bool>) {
    stopping(shutdown).await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// Tokio's clock, which tests may pause, as the sessions take it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
