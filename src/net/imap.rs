//! The driver of an IMAP connection: the socket, TLS and the clocks around the framer, the session and its commands.
//!
//! - A command's future is made when the command is there and dropped when it is done, so that an idle connection holds
//!   none, nor any buffer: what one costs is its state, and [`serve`]'s own future.
//! - There is one place that waits (`Peer::wait`): for octets, for the bell of the selected mailbox, for a deadline, and
//!   for the end of the server. So each of them is heard within the same moment, in IDLE and out of it.
//! - News in IDLE are written the moment the bell rings, without any delay that would collect more of them; what has
//!   gathered while the last write was under way leaves together.
//! - COMPRESS lies between the framer and the socket ([`compression`](super::compression)). A session that has been quiet
//!   for a while gives back what compressing takes.
//! - STARTTLS: what was received before the handshake is forgotten (RFC 3501 §11.1, RFC 9051 §11.1), and the session
//!   begins anew.
//!
//! Knows no command but IDLE, and that only to wait in another way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

use super::compression::Compression;
use super::io::{close, read_some, write_all};
use super::limits::UserSlot;
use super::room::Rank;
use super::tls::upgrade;
use super::{Connection, Services, stopping};
use crate::auth::sasl::Offer;
use crate::auth::scram::ChannelBinding;
use crate::imap::command::{Command, Tag};
use crate::imap::dialect::Dialect;
use crate::imap::exec::{self, After, Client, Context, Environment, Pending, Told, idle};
use crate::imap::framer::{Event, Framer, Limits as FramerLimits};
use crate::imap::response::{Code, Condition, Response, Status};
use crate::imap::session::{Line, Session};
use crate::imap::{parse, print};
use crate::notify::Listener;
use crate::observe::Push;
use crate::policy::abuse::Deed;
use crate::store::{AccountId, Bell, Store, UidSet};

/// Said to everybody when the server stops.
const STOPPING: &str = "The server is shutting down";

/// Said to whoever has not logged in, when the place is needed.
const PLACE_IS_NEEDED: &str = "The server is full, and you have not logged in";

/// Serves an IMAP client until it goes, misbehaves, or the server stops.
pub async fn serve(connection: Connection, services: Arc<Services>) {
    let id = connection.id;
    if let Err(error) = converse(connection, services).await {
        tracing::debug!(connection = id, %error, "the IMAP connection ended");
    }
}

async fn converse(connection: Connection, services: Arc<Services>) -> io::Result<()> {
    let login_by = Instant::now() + services.sessions.patience(services.imap.login_timeout);
    let mut driver = Driver::new(connection, services, login_by);
    driver.greet().await?;
    loop {
        let ended = driver.run().await;
        // What follows is rare, and boxed: it would else be part of every idle connection.
        match ended {
            Ok(End::StartTls) => driver = Box::pin(driver.start_tls(login_by)).await?,
            Ok(End::Bye) => {
                Box::pin(driver.peer.close()).await;
                return Ok(());
            }
            Err(error) => {
                Box::pin(driver.peer.close()).await;
                return Err(error);
            }
        }
    }
}

/// Why a session is over.
enum End {
    /// All is said.
    Bye,
    /// It goes on under TLS, from the beginning.
    StartTls,
}

/// A connection and its session.
struct Driver {
    peer: Peer,
    session: Session,
}

/// What a wait came to.
enum Woken {
    /// Octets came.
    Input,
    /// The bell rang.
    Bell,
    /// The deadline passed.
    Deadline,
}

/// What came from the socket, or instead.
enum Heard {
    Octets(Vec<u8>),
    Bell,
    Nothing,
}

/// Whether the session goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Away,
}

/// The client's end: see [`Client`].
struct Peer {
    connection: Connection,
    framer: Framer,
    services: Arc<Services>,
    shutdown: watch::Receiver<bool>,
    /// Until when somebody must have logged in; `None` when somebody has.
    login_by: Option<Instant>,
    /// The place of who has logged in.
    place: Option<UserSlot>,
    /// What is between the framer and the socket, after COMPRESS.
    compression: Option<Box<Compression>>,
    /// When something was last written, or the command began.
    silent_since: Instant,
    /// What to say at the end, if it is we who end it.
    goodbye: Option<&'static str>,
}

impl Driver {
    fn new(connection: Connection, services: Arc<Services>, login_by: Instant) -> Self {
        let peer = Peer {
            shutdown: services.shutdown.clone(),
            connection,
            framer: Framer::new(FramerLimits::BEFORE_LOGIN),
            services,
            login_by: Some(login_by),
            place: None,
            compression: None,
            silent_since: Instant::now(),
            goodbye: None,
        };
        Driver { session: Session::new(peer.line()), peer }
    }

    async fn greet(&mut self) -> io::Result<()> {
        let greeting = Status::untagged_ok(format!("{} Postbell ready", self.peer.services.hostname))
            .with_code(Code::Capability(exec::capabilities(&self.session, &self.peer.services.store)));
        self.peer.say(&greeting.into()).await
    }

    /// Serves commands until the session is over.
    async fn run(&mut self) -> io::Result<End> {
        loop {
            let go = match self.peer.framer.next_event() {
                None => self.wait().await?,
                Some(Event::Command(frame) | Event::Append(frame)) => match self.command(frame).await? {
                    After::Continue => Go::On,
                    After::Idle(tag) => self.idle(tag).await?,
                    After::StartTls => return Ok(End::StartTls),
                    After::Compress => {
                        self.peer.compression = Some(Box::new(Compression::new()));
                        Go::On
                    }
                    After::Unauthenticated => {
                        self.peer.unauthenticated();
                        Go::On
                    }
                    After::Close => Go::Away,
                },
                Some(Event::Continue) => {
                    self.peer.say(&Response::Continue("Ready for the literal".into())).await?;
                    Go::On
                }
                Some(Event::Refused { status, close }) => self.refuse(status, close).await?,
                // They come only while a command waits for them.
                Some(Event::Message(_) | Event::MessageEnd(_) | Event::Line(_)) => {
                    self.refuse(Status::bad(None, "A command was expected"), true).await?
                }
            };
            if go == Go::Away {
                return Ok(End::Bye);
            }
        }
    }

    /// Waits for the next command. The bell is heard too: a client whose mailbox is deleted is told at once. Other news wait
    /// for the next command, since out of IDLE a client need not read (RFC 3501 §5.3), and put off no autologout.
    ///
    /// A client that used NOTIFY SET reads all the time (RFC 5465 §3.1): it is told at once, and kept alive as in IDLE.
    async fn wait(&mut self) -> io::Result<Go> {
        let listens = self.session.listens();
        let mut until = if listens { self.next_keepalive() } else { self.peer.patience() };
        loop {
            match self.peer.wait(self.session.bell(), until).await? {
                Woken::Input => return Ok(Go::On),
                Woken::Deadline if listens => {
                    self.peer.say(&Status::untagged_ok("Still here").into()).await?;
                    until = self.next_keepalive();
                }
                Woken::Deadline => return Err(self.peer.out_of_time()),
                Woken::Bell if listens => {
                    if self.push(false).await? == Go::Away {
                        return Ok(Go::Away);
                    }
                    if !self.session.listens() {
                        // An overflow: it is told nothing more, and waited for as anybody.
                        return Ok(Go::On);
                    }
                }
                Woken::Bell => {
                    if self.session.selected().is_some_and(|selected| selected.mailbox.head().gone) {
                        self.peer.say(&exec::bye_deleted().into()).await?;
                        return Ok(Go::Away);
                    }
                }
            }
        }
    }

    async fn command(&mut self, frame: Vec<u8>) -> io::Result<After> {
        let command = match parse::command(&frame, self.session.enabled.dialect) {
            Ok(command) => command,
            Err(error) => {
                self.peer.framer.refuse_message();
                if let (true, Some(selected)) = (error.empties_search_result(), self.session.selected()) {
                    selected.view.save(UidSet::new());
                }
                let go = self.refuse(error.status(), false).await?;
                return Ok(if go == Go::On { After::Continue } else { After::Close });
            }
        };
        drop(frame);
        // Boxed, and gone when it is done.
        Box::pin(self.execute(command)).await
    }

    async fn execute(&mut self, command: Command) -> io::Result<After> {
        let services = Arc::clone(&self.peer.services);
        self.peer.silent_since = Instant::now();
        if !self.session.is_authenticated() {
            self.peer.connection.place.stands(Rank::Checking);
        }
        // Whoever is told what happens is not told what he does himself (RFC 5465 §5).
        let remembering = self.session.listens().then(|| services.store.remembering());
        let environment = self.peer.environment(&services, remembering.as_ref().unwrap_or(&services.store));
        let mut context = Context::new(environment, &mut self.session, &mut self.peer);
        let after = exec::run(&mut context, command).await;
        if self.session.is_authenticated() {
            self.peer.login_by = None;
            self.peer.connection.place.stands(Rank::Settled);
        }
        after
    }

    /// Answers what is no command.
    async fn refuse(&mut self, status: Status, close: bool) -> io::Result<Go> {
        let bad = status.condition == Condition::Bad;
        if bad && !self.session.is_authenticated() {
            self.peer.services.guard.watch(self.peer.connection.peer.counts_as()).note(Deed::Error, 1);
        }
        self.peer.say(&status.into()).await?;
        if self.session.count(bad, &self.peer.services.imap) {
            self.peer.say(&exec::bye_hopeless().into()).await?;
            return Ok(Go::Away);
        }
        Ok(if close { Go::Away } else { Go::On })
    }

    /// The server's half of STARTTLS, after its OK (RFC 3501 §6.2.1). Nothing of what was there goes on but the connection:
    /// not what the client has sent behind its command (CVE-2011-0411), nor what was known of it; but its time to log in
    /// runs on.
    async fn start_tls(self, login_by: Instant) -> io::Result<Driver> {
        let Peer { connection, services, .. } = self.peer;
        let connection = upgrade(connection, &services).await?;
        Ok(Driver::new(connection, services, login_by))
    }

    /// IDLE (RFC 2177): from behind `+ idling` to the line that ends it.
    async fn idle(&mut self, tag: Tag) -> io::Result<Go> {
        let mut keepalive = self.next_keepalive();
        loop {
            match self.peer.framer.next_event() {
                Some(Event::Line(line)) => return self.end_idle(&tag, &line).await,
                Some(Event::Refused { status, close }) => {
                    return self.refuse(Status { tag: Some(tag), ..status }, close).await;
                }
                // Nothing else is a line.
                Some(_) => return self.refuse(Status::bad(Some(&tag), "DONE was expected"), true).await,
                None => {}
            }
            match self.peer.wait(self.session.bell(), keepalive).await? {
                Woken::Input => {}
                Woken::Bell => {
                    if self.push(true).await? == Go::Away {
                        return Ok(Go::Away);
                    }
                }
                Woken::Deadline => {
                    self.peer.say(&Status::untagged_ok("Still here").into()).await?;
                    keepalive = self.next_keepalive();
                }
            }
        }
    }

    /// Tells a client that listens what is new, in IDLE or out of it, and the observer that it was told.
    async fn push(&mut self, idles: bool) -> io::Result<Go> {
        self.peer.silent_since = Instant::now();
        // Boxed, and gone when it is done, as a command is.
        let (told, pushed) = Box::pin(async {
            let services = Arc::clone(&self.peer.services);
            let environment = self.peer.environment(&services, &services.store);
            let mut context = Context::new(environment, &mut self.session, &mut self.peer);
            let told = if idles { idle::news(&mut context).await? } else { exec::told_unasked(&mut context).await? };
            Ok::<_, io::Error>((told, context.pushed))
        })
        .await?;
        let written_at = std::time::Instant::now();
        for (mailbox_id, mod_seq) in pushed {
            let connection = self.peer.connection.id;
            self.peer.services.observer.pushed(&Push { mailbox_id, mod_seq, connection, written_at });
        }
        Ok(if told == Told::Deleted { Go::Away } else { Go::On })
    }

    async fn end_idle(&mut self, tag: &Tag, line: &[u8]) -> io::Result<Go> {
        self.peer.silent_since = Instant::now();
        let services = Arc::clone(&self.peer.services);
        let environment = self.peer.environment(&services, &services.store);
        let mut context = Context::new(environment, &mut self.session, &mut self.peer);
        let after = Box::pin(idle::end(&mut context, tag, line)).await?;
        Ok(if after == After::Close { Go::Away } else { Go::On })
    }

    /// The next sign of life: at the same moments for all connections of a user, so that a phone is woken once for all its
    /// mailboxes, and at others for other users, so that they do not come all at once.
    fn next_keepalive(&self) -> Instant {
        let mut hasher = DefaultHasher::new();
        self.session.account().map(|account| account.id).hash(&mut hasher);
        let interval = self.peer.services.imap.keepalive_interval.max(Duration::from_millis(1));
        next_multiple(self.peer.services.started_at, Instant::now(), interval, hasher.finish())
    }
}

/// The time on the wall, in Unix seconds; 0 where a clock stands before 1970.
fn now_unix_s() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The first moment after `now` that is a multiple of `interval` from `epoch`, shifted by a phase that `seed` chooses.
fn next_multiple(epoch: Instant, now: Instant, interval: Duration, seed: u64) -> Instant {
    // An interval is at most some minutes in ns, and a process lives less than 500 years: 64 bits are enough.
    let interval_ns = interval.as_nanos().max(1) as u64;
    let phase_ns = seed % interval_ns;
    let elapsed_ns = now.saturating_duration_since(epoch).as_nanos() as u64;
    let since_last_ns = (elapsed_ns + interval_ns - phase_ns) % interval_ns;
    now + Duration::from_nanos(interval_ns - since_last_ns)
}

impl Peer {
    /// What protects the line.
    fn line(&self) -> Line {
        let tls = self.connection.is_tls();
        Line {
            tls,
            start_tls: self.connection.can_start_tls() && self.services.tls.is_some(),
            login: tls || self.services.plaintext_login(&self.connection.peer),
            sasl: Offer {
                scram: self.services.authenticator.offers_scram(),
                channel: self.connection.channel_binding().is_some(),
            },
        }
    }

    /// What a command has at hand, over this handle of the store.
    fn environment<'s>(&self, services: &'s Services, store: &'s Store) -> Environment<'s> {
        Environment {
            store,
            authenticator: &services.authenticator,
            limits: &services.imap,
            workspace: &services.imap_workspace,
            peer: self.connection.peer.counts_as(),
            now_unix_s: now_unix_s(),
        }
    }

    /// Until when to wait for a client that has something to do.
    fn patience(&self) -> Instant {
        self.login_by.unwrap_or_else(|| Instant::now() + self.services.imap.autologout)
    }

    /// What follows UNAUTHENTICATE and its OK: somebody must log in again in time, and nothing is compressed.
    fn unauthenticated(&mut self) {
        self.login_by = Some(Instant::now() + self.services.imap.login_timeout);
        if let Some(compression) = &mut self.compression {
            compression.end();
        }
    }

    /// Gives the framer what has arrived and is not decompressed yet; says whether there was anything.
    fn decompress(&mut self) -> io::Result<bool> {
        let Some(compression) = &mut self.compression else { return Ok(false) };
        let Ok(octets) = compression.next() else {
            self.goodbye = Some("This is no DEFLATE");
            return Err(io::ErrorKind::InvalidData.into());
        };
        if compression.is_over() {
            self.compression = None;
        }
        let Some(octets) = octets else { return Ok(false) };
        self.framer.receive(octets);
        Ok(true)
    }

    /// Waits for octets, which go to the framer, for the bell if there is one, and for the deadline. Errs at the end of
    /// the stream, and when the server stops.
    async fn wait(&mut self, mut bell: Option<&mut Listener<Bell>>, until: Instant) -> io::Result<Woken> {
        loop {
            if self.decompress()? {
                // However much an octet holds, others have their turn.
                tokio::task::yield_now().await;
                return Ok(Woken::Input);
            }
            let rest = self.compression.as_ref().filter(|compression| compression.can_rest());
            let pause = rest.map_or(until, |_| until.min(Instant::now() + self.services.imap.compression_rest));
            match self.hear(bell.as_deref_mut(), pause).await? {
                Heard::Octets(octets) => match &mut self.compression {
                    Some(compression) => compression.receive(octets),
                    None => {
                        self.framer.receive(octets);
                        return Ok(Woken::Input);
                    }
                },
                Heard::Bell => return Ok(Woken::Bell),
                Heard::Nothing if pause < until => {
                    if let Some(compression) = &mut self.compression {
                        compression.rest();
                    }
                }
                Heard::Nothing => return Ok(Woken::Deadline),
            }
        }
    }

    /// What [`wait`](Self::wait) is made of.
    async fn hear(&mut self, bell: Option<&mut Listener<Bell>>, until: Instant) -> io::Result<Heard> {
        let mut octets = Vec::new();
        // Before the login the place may be needed. Boxed, since few wait so.
        let stranger = self.login_by.is_some().then(|| Box::pin(self.connection.place.asked_to_leave()));
        self.connection.place.stands(if stranger.is_some() { Rank::Nameless } else { Rank::Settled });
        let asked_to_leave = async {
            match stranger {
                Some(asked) => asked.await,
                None => std::future::pending().await,
            }
        };
        let rung = async {
            match bell {
                Some(bell) => bell.rung().await,
                None => std::future::pending().await,
            }
        };
        // In this order: an end is an end, and what the client says goes before what it did not ask for.
        tokio::select! {
            biased;
            () = stopping(&mut self.shutdown) => {
                self.goodbye = Some(STOPPING);
                return Err(io::Error::other(STOPPING));
            }
            () = asked_to_leave => {
                self.goodbye = Some(PLACE_IS_NEEDED);
                return Err(io::Error::other(PLACE_IS_NEEDED));
            }
            read = read_some(&mut self.connection.stream, &mut octets) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            () = rung => return Ok(Heard::Bell),
            () = tokio::time::sleep_until(until) => return Ok(Heard::Nothing),
        }
        Ok(Heard::Octets(octets))
    }

    /// The client let its time pass.
    fn out_of_time(&mut self) -> io::Error {
        self.goodbye =
            Some(if self.login_by.is_some() { "Too slow to log in" } else { "Autologout; idle for too long" });
        io::ErrorKind::TimedOut.into()
    }

    async fn say(&mut self, response: &Response) -> io::Result<()> {
        let mut octets = Vec::new();
        // Only lines without names and strings come from here: they are the same in every dialect.
        print::response(&mut octets, response, Dialect::REV1);
        self.send(&octets).await
    }

    async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.silent_since = Instant::now();
        let compressed = self.compression.as_mut().map(|compression| compression.compress(octets));
        let octets = compressed.as_deref().unwrap_or(octets);
        write_all(&mut self.connection.stream, octets, self.services.imap.stalled_output).await
    }

    /// The last words.
    async fn close(mut self) {
        let said = match self.goodbye {
            Some(text) => self.say(&Status::bye(text).into()).await,
            None => Ok(()),
        };
        // Whoever takes no last words has gone already.
        if said.is_ok() {
            close(&mut self.connection.stream).await;
        }
    }
}

impl Client for Peer {
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Pending<'a, io::Result<()>> {
        Box::pin(self.send(octets))
    }

    fn receive(&mut self) -> Pending<'_, io::Result<()>> {
        Box::pin(async {
            let until = self.patience();
            match self.wait(None, until).await? {
                Woken::Deadline => Err(self.out_of_time()),
                Woken::Input | Woken::Bell => Ok(()),
            }
        })
    }

    fn admit(&mut self, account: AccountId) -> bool {
        self.place = self.services.sessions.admit_user(account, &self.connection.peer);
        self.place.is_some()
    }

    fn release(&mut self) {
        self.place = None;
    }

    fn channel_binding(&self) -> Option<ChannelBinding> {
        self.connection.channel_binding()
    }

    fn progress_due(&mut self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep_until(self.silent_since + self.services.imap.progress_interval))
    }

    fn is_progress_due(&self) -> bool {
        self.silent_since.elapsed() >= self.services.imap.progress_interval
    }

    fn framer(&mut self) -> &mut Framer {
        &mut self.framer
    }
}

#[cfg(test)]
mod tests;
