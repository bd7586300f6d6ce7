//! Drives an SMTP or LMTP session over a connection: does what the session says, and finds out what it asks.
//!
//! Of the protocol it knows nothing. It keeps the time, hands the octets of messages on as they come (so that a slow
//! disk slows the client down and nothing piles up here), and ends the session when the client leaves or the server
//! stops. A message whose end has come is stored and answered first.

use std::io;
use std::sync::Arc;

use tokio::time::timeout_at;

use self::login::Login;
use super::io::{close, read_some, write_all};
use super::tls::upgrade;
use super::{Connection, Services, grace_is_over, now, stopping};
use crate::deliver::{Destination, TRACE_OCTETS, Transaction};
use crate::smtp::{Ask, Dialect, Limits, Peer, Reply, Session, Step, Tls, replies};

mod login;
#[cfg(test)]
mod tests;

/// Where a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Mail from everywhere.
    Smtp,
    /// Mail from a server beside this one.
    Lmtp,
    /// Mail of those who have an account here (RFC 6409), and log in to send it.
    Submission,
}

impl Door {
    fn dialect(self) -> Dialect {
        match self {
            Door::Smtp | Door::Submission => Dialect::Smtp,
            Door::Lmtp => Dialect::Lmtp,
        }
    }
}

/// Serves a client until one of the two has enough.
pub async fn serve(connection: Connection, services: Arc<Services>, door: Door) {
    let (id, peer) = (connection.id, connection.peer);
    let to = Destination {
        hostname: &services.hostname,
        directory: &services.directory,
        store: &services.store,
        observer: &*services.observer,
        max_hops: services.smtp.hops,
        // Neighbours have asked already, and who submits logs in.
        policy: services.policy_for(peer.ip()).filter(|_| door == Door::Smtp),
    };
    let mut transaction = Transaction::new(to, id);
    let ended = converse(connection, &services, door, &mut transaction).await;
    transaction.abandon();
    match ended {
        Ok(()) => tracing::debug!(connection = id, %peer, ?door, "session ended"),
        Err(error) => tracing::debug!(connection = id, %peer, ?door, %error, "connection lost"),
    }
}

async fn converse(
    mut connection: Connection,
    services: &Services,
    door: Door,
    transaction: &mut Transaction<'_>,
) -> io::Result<()> {
    let mut shutdown = services.shutdown.clone();
    let limits = Arc::new(Limits {
        // What SIZE promises has to fit into the store with our trace header.
        message_size: services.smtp.message_size.min(services.store.max_message().saturating_sub(TRACE_OCTETS)),
        ..services.smtp.clone()
    });
    let mut login = Login::new(services, connection.peer.ip());
    let peer = peer_of(&connection, services, &login, door);
    let mut session = Session::new(door.dialect(), services.hostname.as_str().into(), peer, Arc::clone(&limits), now());
    loop {
        match session.poll() {
            Step::Write(octets) => tokio::select! {
                written = write_all(&mut connection.stream, &octets, limits.write_timeout) => written?,
                () = grace_is_over(&mut shutdown) => return Ok(()),
            },
            Step::Ask(Ask::Deliver) => {
                let outcome = transaction.deliver().await;
                session.delivered(outcome, now());
            }
            Step::Ask(Ask::Authenticate(claim)) => tokio::select! {
                // A login may wait long for its turn.
                judged = login.judge(claim) => session.authenticated(judged, now()),
                () = stopping(&mut shutdown) => session.shut_down(),
            },
            Step::Ask(ask) => {
                let answer = answer(transaction, ask).await;
                session.answer(answer, now());
            }
            Step::Abandon => transaction.abandon(),
            Step::StartTls => {
                connection = upgrade(connection, services).await?;
                login.log_out();
                session.tls_started(peer_of(&connection, services, &login, door), now());
            }
            Step::Close => {
                close(&mut connection.stream).await;
                return Ok(());
            }
            Step::NeedInput => {
                let mut arrived = Vec::new();
                // The session always has a deadline when it waits for its client.
                let deadline = session.next_timeout().unwrap_or_else(now).into();
                tokio::select! {
                    biased;
                    () = stopping(&mut shutdown) => session.shut_down(),
                    read = timeout_at(deadline, read_some(&mut connection.stream, &mut arrived)) => match read {
                        Ok(Ok(0)) => return Ok(()),
                        Ok(Ok(_)) => session.receive(&arrived, now()),
                        Ok(Err(error)) => return Err(error),
                        Err(_elapsed) => session.timed_out(),
                    },
                }
            }
        }
    }
}

async fn answer(transaction: &mut Transaction<'_>, ask: Ask) -> Result<(), Reply> {
    match ask {
        Ask::Sender(envelope) => transaction.begin(envelope).await,
        Ask::Recipient { path, size } => transaction.add_recipient(&path, size).await,
        Ask::Open(envelope) => transaction.open(envelope).await,
        Ask::Store(octets) => transaction.push(&octets).await,
        Ask::Deliver => transaction.deliver().await.map(|_| ()),
        // The loop above asks the authenticator.
        Ask::Authenticate(_) => Err(replies::LOGIN_UNAVAILABLE),
    }
}

fn peer_of(connection: &Connection, services: &Services, login: &Login<'_>, door: Door) -> Peer {
    let (address, tls) = (connection.peer.ip(), tls(connection, services));
    Peer { address, tls, terms: login.terms(connection, door) }
}

fn tls(connection: &Connection, services: &Services) -> Tls {
    match (connection.is_tls(), &services.tls) {
        (true, _) => Tls::On(tls_parameters(connection)),
        (false, Some(_)) => Tls::Offered,
        (false, None) => Tls::Unavailable,
    }
}

/// Version and cipher suite as trace headers have them: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
fn tls_parameters(connection: &Connection) -> String {
    let parameters = connection.tls_parameters();
    parameters.map_or_else(String::new, |(version, suite)| format!("{version:?} {suite:?}").replacen('_', ".", 1))
}
