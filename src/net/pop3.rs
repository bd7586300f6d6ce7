//! Drives a POP3 session over a connection: does what the session says, and finds out what it asks.
//!
//! Of the protocol it knows nothing. It keeps the time (autologout, stalled output, TLS handshake), turns requests into
//! calls of the authenticator and the store, and ends the session when the client leaves or the server stops.

use std::io;
use std::sync::{Arc, PoisonError};

use super::io::{close, read_some, write_all};
use super::limits::UserSlot;
use super::room::Rank;
use super::tls::upgrade;
use super::{Connection, Services, grace_is_over, now, stopping};
use crate::auth::sasl::{self, Login};
use crate::auth::scram::{Attempt, ClientFirst};
use crate::auth::{LoginError, Origin};
use crate::policy::abuse::Deed;
use crate::pop3::{Answer, Line, LoginRefused, Maildrop, Request, Security, Session, Step};
use crate::store::{self, Account, Mailbox, UidSet};

mod surrogate;
#[cfg(test)]
mod tests;

/// Serves a client until one of the two has enough.
pub async fn serve(connection: Connection, services: Arc<Services>) {
    let (id, peer) = (connection.id, connection.peer);
    let mut client =
        Client { peer, connection: id, services: &services, proven: None, inbox: None, slot: None, bad_commands: 0 };
    match client.serve(connection).await {
        Ok(()) => tracing::debug!(connection = id, %peer, "POP3 session ended"),
        Err(error) => tracing::debug!(connection = id, %peer, %error, "POP3 connection lost"),
    }
}

/// What a driver knows of its client.
struct Client<'a> {
    peer: Origin,
    connection: u64,
    services: &'a Services,
    /// Who has proved it, and takes note of it.
    proven: Option<Arc<Account>>,
    /// The INBOX of who has logged in. Its index is not kept in memory: the session has its own list of it.
    inbox: Option<Arc<Mailbox>>,
    /// The place of who has logged in.
    slot: Option<UserSlot>,
    /// Those that were counted as errors of the peer.
    bad_commands: u32,
}

impl Client<'_> {
    async fn serve(&mut self, mut connection: Connection) -> io::Result<()> {
        let services = self.services;
        let limits = &services.pop3;
        let mut shutdown = services.shutdown.clone();
        let login_by = now() + services.sessions.patience(limits.autologout);
        let line = self.line(&connection);
        let mut session = Session::new(&services.hostname, line, limits.clone(), now());
        loop {
            if *shutdown.borrow() {
                session.shut_down();
            }
            match session.poll(now()) {
                Step::Write(octets) => tokio::select! {
                    written = write_all(&mut connection.stream, &octets, limits.stalled_output) => written?,
                    () = grace_is_over(&mut shutdown) => return Ok(()),
                },
                Step::Ask(request) => {
                    // A login may wait long for its turn; what else is asked is soon answered, and an UPDATE is finished.
                    let is_login = matches!(request, Request::Login(_) | Request::Prove(_));
                    // Who sent more behind it, and then ended its side, has not left: it wants the answers.
                    let may_leave = is_login && !session.has_unread();
                    if is_login {
                        connection.place.stands(Rank::Checking);
                    }
                    tokio::select! {
                        answer = self.find_out(request) => session.answer(answer),
                        () = connection.gone_without_a_word(), if may_leave => return Ok(()),
                        () = stopping(&mut shutdown), if is_login => {}
                    }
                }
                Step::StartTls => {
                    // What the client sent behind STLS was in the session, and the session has dropped it.
                    connection = upgrade(connection, services).await?;
                    session.tls_started(connection.channel_binding());
                }
                Step::Close => {
                    close(&mut connection.stream).await;
                    return Ok(());
                }
                Step::NeedInput => {
                    if self.inbox.is_none() {
                        let bad_commands = session.bad_commands();
                        services.guard.watch(self.peer.counts_as()).note(Deed::Error, bad_commands - self.bad_commands);
                        self.bad_commands = bad_commands;
                    }
                    let mut arrived = Vec::new();
                    let is_stranger = self.inbox.is_none();
                    connection.place.stands(if is_stranger { Rank::Nameless } else { Rank::Settled });
                    let asked_to_leave = connection.place.asked_to_leave();
                    let timeout = session.next_timeout();
                    let timeout = if is_stranger { timeout.min(login_by) } else { timeout };
                    tokio::select! {
                        () = asked_to_leave, if is_stranger => return Ok(()),
                        read = read_some(&mut connection.stream, &mut arrived) => match read? {
                            // Without QUIT there is no UPDATE (RFC 1939 §6).
                            0 => return Ok(()),
                            _ => session.receive(&arrived),
                        },
                        () = tokio::time::sleep_until(timeout.into()) => session.timed_out(),
                        () = stopping(&mut shutdown) => {}
                    }
                }
            }
        }
    }

    async fn find_out(&mut self, request: Request) -> Answer {
        let store = &self.services.store;
        match request {
            Request::Login(login) => Answer::Login(self.log_in(login).await),
            Request::Challenge(first) => Answer::Challenge(self.challenge(first).await),
            Request::Prove(attempt) => Answer::Proved(self.prove(attempt).await),
            Request::Open => Answer::Login(self.open_proven().await),
            Request::Downgrade(body) => Answer::Downgraded(surrogate::patches(store, body).await),
            Request::Read { body, offset, len } => Answer::Read(store.read_range(body, offset, len).await),
            Request::Remove(uids) => Answer::Removed(self.remove(&uids).await),
        }
    }

    fn line(&self, connection: &Connection) -> Line {
        let security = if connection.is_tls() {
            Security::Tls
        } else {
            // Nobody listens on loopback who could not read the store.
            let plaintext_login = self.services.plaintext_login(&self.peer);
            Security::Clear { stls: connection.can_start_tls() && self.services.tls.is_some(), plaintext_login }
        };
        let scram = self.services.authenticator.offers_scram();
        Line { security, scram, channel: connection.channel_binding() }
    }

    async fn log_in(&mut self, login: Login) -> Result<Maildrop, LoginRefused> {
        let authenticator = &self.services.authenticator;
        let account =
            authenticator.login(&login.name, &login.password, self.peer.counts_as()).await.map_err(refused)?;
        self.open(account).await
    }

    async fn challenge(&self, first: ClientFirst) -> Result<sasl::Step, LoginRefused> {
        self.services.authenticator.challenge(first).await.map_err(refused)
    }

    async fn prove(&mut self, attempt: Attempt) -> Result<String, LoginRefused> {
        let (account, signature) =
            self.services.authenticator.prove(&attempt, self.peer.counts_as()).await.map_err(refused)?;
        self.proven = Some(account);
        Ok(signature)
    }

    async fn open_proven(&mut self) -> Result<Maildrop, LoginRefused> {
        let account = self.proven.take().ok_or(LoginRefused::Unavailable)?;
        self.open(account).await
    }

    /// The maildrop of somebody who is who he says he is, if nothing else is in the way.
    async fn open(&mut self, account: Arc<Account>) -> Result<Maildrop, LoginRefused> {
        let Services { sessions, pop3_logins, pop3: limits, .. } = self.services;
        let slot = sessions.admit_user(account.id, &self.peer).ok_or(LoginRefused::TooManySessions)?;
        // Both tables are whole after each step, so a panic elsewhere while one was locked does no harm to it.
        let logins = || pop3_logins.lock().unwrap_or_else(PoisonError::into_inner);
        if !logins().admit(account.id, limits.login_delay, now()) {
            return Err(LoginRefused::TooSoon);
        }
        let opened = self.open_inbox(&account).await;
        match opened {
            Ok(_) => self.slot = Some(slot),
            Err(_) => logins().take_back(account.id),
        }
        opened
    }

    async fn open_inbox(&mut self, account: &Account) -> Result<Maildrop, LoginRefused> {
        let store = &self.services.store;
        let inbox = store.mailbox(account.id, "INBOX").ok_or(store::Error::NoSuchMailbox);
        let opened = match inbox {
            Ok(inbox) => store.open_mailbox(&inbox).await,
            Err(error) => Err(error),
        };
        let inbox = opened.map_err(|error| {
            tracing::error!(connection = self.connection, account = account.name, %error, "no INBOX for POP3");
            if error.is_temporary() { LoginRefused::Unavailable } else { LoginRefused::Broken }
        })?;
        let snapshot = inbox.snapshot();
        let maildrop = Maildrop::new(snapshot.head.uid_validity, inbox.messages(&snapshot.uids));
        tracing::info!(connection = self.connection, peer = %self.peer, account = account.name, "POP3 login");
        self.inbox = Some(Arc::clone(&inbox));
        Ok(maildrop)
    }

    async fn remove(&self, uids: &UidSet) -> Result<(), store::Error> {
        let inbox = self.inbox.as_ref().ok_or(store::Error::NoSuchMailbox)?;
        let store = &self.services.store;
        let inbox = store.open_mailbox(inbox).await?;
        store.expunge(&inbox, uids, false).await.map(|_removed| ()).inspect_err(|error| {
            tracing::warn!(connection = self.connection, %error, "POP3 could not remove messages");
        })
    }
}

fn refused(error: LoginError) -> LoginRefused {
    match error {
        LoginError::Refused => LoginRefused::Credentials,
        LoginError::Unavailable => LoginRefused::Unavailable,
    }
}
