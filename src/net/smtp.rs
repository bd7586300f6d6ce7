//! Drives an SMTP or LMTP session over a connection: does what the session says, and finds out what it asks.
//!
//! Of the protocol it knows nothing. It keeps the time, hands the octets of messages on as they come (so that a slow
//! disk slows the client down and nothing piles up here), and ends the session when the client leaves or the server
//! stops. A message whose end has come is stored and answered first.

use std::io;
use std::sync::Arc;

use tokio::time::timeout_at;

use super::io::{close, read_some, write_all};
use super::tls::upgrade;
use super::{Connection, Services, grace_is_over, now, stopping};
use crate::deliver::{Destination, TRACE_OCTETS, Transaction};
use crate::smtp::{Ask, Dialect, Limits, Peer, Reply, Session, Step, Tls};

#[cfg(test)]
mod tests;

/// Serves a client until one of the two has enough.
pub async fn serve(connection: Connection, services: Arc<Services>, dialect: Dialect) {
    let (id, peer) = (connection.id, connection.peer);
    let to = Destination {
        hostname: &services.hostname,
        directory: &services.directory,
        store: &services.store,
        observer: &*services.observer,
        max_hops: services.smtp.hops,
    };
    let mut transaction = Transaction::new(to, id);
    let ended = converse(connection, &services, dialect, &mut transaction).await;
    transaction.abandon();
    match ended {
        Ok(()) => tracing::debug!(connection = id, %peer, ?dialect, "session ended"),
        Err(error) => tracing::debug!(connection = id, %peer, ?dialect, %error, "connection lost"),
    }
}

async fn converse(
    mut connection: Connection,
    services: &Services,
    dialect: Dialect,
    transaction: &mut Transaction<'_>,
) -> io::Result<()> {
    let mut shutdown = services.shutdown.clone();
    let limits = Arc::new(Limits {
        // What SIZE promises has to fit into the store with our trace header.
        message_size: services.smtp.message_size.min(services.store.max_message().saturating_sub(TRACE_OCTETS)),
        ..services.smtp.clone()
    });
    let peer = Peer { origin: connection.peer, tls: tls(&connection, services) };
    let mut session = Session::new(dialect, services.hostname.as_str().into(), peer, Arc::clone(&limits), now());
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
            Step::Ask(ask) => {
                let answer = answer(transaction, ask).await;
                session.answer(answer, now());
            }
            Step::Abandon => transaction.abandon(),
            Step::StartTls => {
                connection = upgrade(connection, services).await?;
                session.tls_started(tls_parameters(&connection), now());
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
    }
}

fn tls(connection: &Connection, services: &Services) -> Tls {
    match (connection.is_tls(), &services.tls) {
        (true, _) => Tls::On(tls_parameters(connection)),
        (false, Some(_)) if connection.can_start_tls() => Tls::Offered,
        (false, _) => Tls::Unavailable,
    }
}

/// Version and cipher suite as trace headers have them: `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
fn tls_parameters(connection: &Connection) -> String {
    let parameters = connection.tls_parameters();
    parameters.map_or_else(String::new, |(version, suite)| format!("{version:?} {suite:?}").replacen('_', ".", 1))
}
