//! Drives an SMTP or LMTP session over a connection: does what the session says, and finds out what it asks.
//!
//! Of the protocol it knows nothing. It keeps the time, hands the octets of messages on as they come (so that a slow
//! disk slows the client down and nothing piles up here), and ends the session when the client leaves or the server
//! stops. A message whose end has come is stored and answered first.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use self::login::Login;
use super::guard::Watched;
use super::io::{close, read_some, write_all};
use super::room::Rank;
use super::tls::upgrade;
use super::{Connection, Services, grace_is_over, now, stopping};
use crate::deliver::{Destination, TRACE_OCTETS, Transaction};
use crate::policy::abuse::Deed;
use crate::smtp::{Ask, Dialect, Limits, Path, Peer, Reply, Session, Standing, Step, Tls, replies};

/// How long the last word may take to one who makes room.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// How many recipients a session may name for which it is not told whether they exist; then it ends. Enough for an honest
/// sender that pipelines the recipients of a message.
const GUESSES_MAX: u32 = 100;

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
        policy: services.policy_for(&peer).filter(|_| door == Door::Smtp),
    };
    let watched = match door {
        Door::Smtp | Door::Submission => services.guard.watch(peer.counts_as()),
        Door::Lmtp => services.guard.trust(),
    };
    let mut desk = Desk { transaction: Transaction::new(to, id), watched, is_known: false, guesses: 0 };
    let ended = converse(connection, &services, door, &mut desk).await;
    desk.transaction.abandon();
    match ended {
        Ok(()) => tracing::debug!(connection = id, %peer, ?door, "session ended"),
        Err(error) => tracing::debug!(connection = id, %peer, ?door, %error, "connection lost"),
    }
}

async fn converse(mut connection: Connection, services: &Services, door: Door, desk: &mut Desk<'_>) -> io::Result<()> {
    let mut shutdown = services.shutdown.clone();
    let mut stress = services.sessions.stress();
    let mut limits = limits_of(services, &desk.watched, *stress.borrow_and_update());
    let mut login = Login::new(services, connection.peer);
    let peer = peer_of(&connection, services, &login, door);
    let mut session = Session::new(door.dialect(), services.hostname.as_str().into(), peer, Arc::clone(&limits), now());
    loop {
        connection.place.stands(if desk.watched.is_trusted() { Rank::Settled } else { rank(&session) });
        match session.poll() {
            Step::Write(octets) => tokio::select! {
                written = write_all(&mut connection.stream, &octets, limits.write_timeout) => written?,
                () = grace_is_over(&mut shutdown) => return Ok(()),
            },
            Step::Ask(Ask::Deliver) => {
                let outcome = desk.transaction.complete().await;
                session.delivered(outcome, now());
            }
            Step::Ask(Ask::Authenticate(claim)) => {
                let has_more_to_say = session.has_unread();
                tokio::select! {
                    // A login may wait long for its turn.
                    judged = login.judge(claim) => session.authenticated(judged, now()),
                    () = connection.gone_without_a_word(), if !has_more_to_say => return Ok(()),
                    () = stopping(&mut shutdown) => session.shut_down(),
                }
            }
            Step::Ask(ask) => {
                let answer = desk.answer(ask).await;
                session.answer(answer, now());
            }
            Step::Abandon => desk.transaction.abandon(),
            Step::Pause(until) => match desk.enough_of(&mut session) {
                Some(reply) => session.dismiss(&reply),
                None => tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => session.resume(now()),
                    () = connection.gone() => return Ok(()),
                    () = stopping(&mut shutdown) => session.shut_down(),
                },
            },
            Step::StartTls => {
                connection = upgrade(connection, services).await?;
                login.log_out();
                session.tls_started(peer_of(&connection, services, &login, door), now());
            }
            Step::Close => {
                desk.watched.note(Deed::Error, session.take_errors());
                close(&mut connection.stream).await;
                return Ok(());
            }
            Step::NeedInput => {
                if let Some(reply) = desk.enough_of(&mut session) {
                    session.dismiss(&reply);
                    continue;
                }
                let mut arrived = Vec::new();
                let is_busy = session.standing() == Standing::Busy;
                let asked_to_leave = connection.place.asked_to_leave();
                // The session always has a deadline when it waits for its client.
                let deadline = session.next_timeout().unwrap_or_else(now).into();
                tokio::select! {
                    biased;
                    () = stopping(&mut shutdown) => session.shut_down(),
                    () = asked_to_leave, if !is_busy => {
                        session.dismiss(&replies::PLACE_IS_NEEDED);
                        return part(connection, &mut session).await;
                    }
                    Ok(()) = stress.changed() => {
                        limits = limits_of(services, &desk.watched, *stress.borrow_and_update());
                        session.set_limits(Arc::clone(&limits));
                    }
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

/// What the client may do. When places are few, whoever is not trusted gets less patience, and may err once: as Postfix
/// has it (its STRESS_README). An error is still answered as it should be, so a sender learns who is unknown.
fn limits_of(services: &Services, watched: &Watched<'_>, is_stressed: bool) -> Arc<Limits> {
    let usual = Limits {
        // What SIZE promises has to fit into the store with our trace header.
        message_size: services.smtp.message_size.min(services.store.max_message().saturating_sub(TRACE_OCTETS)),
        tarpit: watched.tarpit(),
        ..services.smtp.clone()
    };
    if !is_stressed || watched.is_trusted() {
        return Arc::new(usual);
    }
    Arc::new(Limits {
        command_timeout: services.sessions.patience(usual.command_timeout),
        data_timeout: services.sessions.patience(usual.data_timeout),
        write_timeout: services.sessions.patience(usual.write_timeout),
        errors: usual.errors.min(2),
        junk_commands: usual.junk_commands.min(1),
        ..usual
    })
}

fn rank(session: &Session) -> Rank {
    match session.standing() {
        Standing::Stranger => Rank::Silent,
        Standing::Introduced => Rank::Introduced,
        Standing::Busy => Rank::Settled,
    }
}

/// The last word to a client whose place is given away. It is not waited for: others do.
async fn part(mut connection: Connection, session: &mut Session) -> io::Result<()> {
    while let Step::Write(octets) = session.poll() {
        write_all(&mut connection.stream, &octets, LAST_WORD_TIMEOUT).await?;
    }
    Ok(())
}

/// Where a session's questions are answered: by the ledger first, then by the transaction.
struct Desk<'a> {
    transaction: Transaction<'a>,
    watched: Watched<'a>,
    /// Whether its sender has logged in.
    is_known: bool,
    /// Recipients that were refused since their sender has named too many unknown ones.
    guesses: u32,
}

impl<'a> Desk<'a> {
    /// What is counted of the sender.
    fn watched(&self) -> Watched<'a> {
        if self.is_known { self.watched.trusted() } else { self.watched }
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Reply> {
        match ask {
            Ask::Sender(envelope) => {
                // Whoever has an account here is known by name.
                self.is_known = envelope.account.is_some();
                self.watched().allow(Deed::Message).map_err(|_| replies::TOO_MANY_MESSAGES_OF_LATE)?;
                self.transaction.begin(envelope).await
            }
            Ask::Recipient { path, size } => self.recipient(&path, size).await,
            Ask::Open(envelope) => self.transaction.open(envelope).await,
            Ask::Store(octets) => self.transaction.push(&octets).await,
            Ask::Deliver => self.transaction.complete().await.map(|_| ()),
            // The loop above asks the authenticator.
            Ask::Authenticate(_) => Err(replies::LOGIN_UNAVAILABLE),
        }
    }

    async fn recipient(&mut self, path: &Path, size: Option<u64>) -> Result<(), Reply> {
        let watched = self.watched();
        if watched.excess(Deed::UnknownRecipient).is_some() {
            self.guesses += 1;
            return Err(replies::TOO_MANY_UNKNOWN_OF_LATE);
        }
        if watched.excess(Deed::Recipient).is_some() {
            return Err(replies::TOO_MANY_RECIPIENTS_OF_LATE);
        }
        let added = self.transaction.add_recipient(path, size).await;
        match &added {
            Ok(()) => watched.note(Deed::Recipient, 1),
            Err(reply) if *reply == replies::NO_SUCH_USER => watched.note(Deed::UnknownRecipient, 1),
            Err(_) => {}
        }
        added
    }

    /// Counts the session's errors; the reply for a client that is to leave.
    fn enough_of(&self, session: &mut Session) -> Option<Reply> {
        if self.guesses >= GUESSES_MAX {
            return Some(replies::GUESSES_TOO_MUCH);
        }
        let errors = session.take_errors();
        self.watched.note(Deed::Error, errors);
        // Who is over the limit and does nothing wrong now may finish: it came in before.
        let is_over = errors > 0 && self.watched.excess(Deed::Error).is_some();
        is_over.then_some(replies::TOO_MANY_ERRORS_OF_LATE)
    }
}

fn peer_of(connection: &Connection, services: &Services, login: &Login<'_>, door: Door) -> Peer {
    let (origin, tls) = (connection.peer, tls(connection, services));
    Peer { origin, tls, terms: login.terms(connection, door) }
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
