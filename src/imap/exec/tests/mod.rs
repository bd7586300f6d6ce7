//! Conversations with the executor over a real store, without sockets: what clients say and hear.

mod condstore;
mod fetching;
mod mailboxes;
mod model;
mod notify;
mod progress;
mod resync;
mod searching;
mod sharing;
mod states;

use std::io;
use std::sync::Arc;

use tempfile::TempDir;

use self::model::Gate;
use super::*;
use crate::auth::sasl::Offer;
use crate::auth::scram::ChannelBinding;
use crate::auth::{Authenticator, Directory, Membership, Passwords};
use crate::imap::Limits;
use crate::imap::framer::{self, Event, Framer};
use crate::imap::session::{Line, Session};
use crate::imap::{parse, print};
use crate::store::{Account, AccountId, FlagNames, NewMessage, Options, Placement, Store};

/// 2026-11-14 10:00 UTC
const NOW_UNIX_S: i64 = 1_794_650_400;

/// A server without sockets.
struct World {
    store: Store,
    authenticator: Authenticator,
    limits: Limits,
    workspace: Workspace,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self::open(TempDir::new().unwrap())
    }

    fn open(folder: TempDir) -> Self {
        let store = Store::open(folder.path(), Options { special_mailboxes: false, ..Options::default() }).unwrap();
        let directory = Directory::new(store.clone(), Membership::Open { max_accounts: 100 });
        let authenticator = Authenticator::new(directory, Passwords::Any).unwrap();
        Self { store, authenticator, limits: Limits::default(), workspace: Workspace::default(), folder }
    }

    /// The same mail in a new process: nothing is left of what was in memory.
    async fn restart(self) -> Self {
        let Self { store, authenticator, folder, .. } = self;
        store.close().await.unwrap();
        drop((store, authenticator));
        Self::open(folder)
    }

    fn environment(&self) -> Environment<'_> {
        Environment {
            store: &self.store,
            authenticator: &self.authenticator,
            limits: &self.limits,
            workspace: &self.workspace,
            peer: "127.0.0.1".parse().unwrap(),
            now_unix_s: NOW_UNIX_S,
        }
    }

    /// A client that has not logged in.
    fn connect(&self) -> Speaker<'_> {
        let session = Session::new(Line { tls: false, start_tls: true, login: true, sasl: Offer::default() });
        let wire = Wire {
            framer: Framer::new(framer::Limits::BEFORE_LOGIN),
            heard: Vec::new(),
            admits: true,
            progress: Default::default(),
            gate: None,
            releases: 0,
        };
        Speaker { world: self, session, wire, tag: 0 }
    }

    /// A client that has logged in as `name`.
    async fn login(&self, name: &str) -> Speaker<'_> {
        let mut speaker = self.connect();
        hears(&speaker.says(&format!("LOGIN {name} secret")).await, &["OK [CAPABILITY IMAP4rev1 "]);
        speaker
    }

    /// A client that has logged in as `name` and selected its INBOX.
    async fn select(&self, name: &str) -> Speaker<'_> {
        let mut speaker = self.login(name).await;
        let heard = speaker.says("SELECT INBOX").await;
        assert!(heard.last().unwrap().starts_with("OK [READ-WRITE]"), "{heard:?}");
        speaker
    }

    fn account(&self, name: &str) -> Arc<Account> {
        self.store.account(&format!("{name}@localhost")).expect("an account comes into being at its first login")
    }

    /// Puts a message into a mailbox, as SMTP would.
    async fn deliver_to(&self, name: &str, mailbox: &str, octets: &[u8]) {
        let mut body = self.store.incoming();
        body.push(octets).await.unwrap();
        let mailbox = self.store.mailbox(self.account(name).id, mailbox).unwrap();
        let placement = Placement { mailbox, flags: FlagNames::default() };
        self.store.deliver(NewMessage { body, internal_date: None }, vec![placement]).await.unwrap();
    }

    async fn deliver(&self, name: &str, subject: &str) {
        let message =
            format!("From: Bob <bob@example.org>\r\nSubject: {subject}\r\n\r\nHello {name},\r\nthis is {subject}.\r\n");
        self.deliver_to(name, "INBOX", message.as_bytes()).await;
    }
}

/// One client.
struct Speaker<'w> {
    world: &'w World,
    session: Session,
    wire: Wire,
    tag: u32,
}

/// A client's end without a socket: everything it will say is there already.
struct Wire {
    framer: Framer,
    heard: Vec<u8>,
    admits: bool,
    releases: u32,
    /// How many times more the client is to hear that a command is at work.
    progress: std::sync::atomic::AtomicU32,
    /// Where answers go instead of into `heard`, and may have to wait.
    gate: Option<Arc<Gate>>,
}

impl Wire {
    fn take_progress(&self) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.progress.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

impl Client for Wire {
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Pending<'a, io::Result<()>> {
        if let Some(gate) = &self.gate {
            return Box::pin(gate.passes(octets));
        }
        self.heard.extend_from_slice(octets);
        Box::pin(async { Ok(()) })
    }

    fn receive(&mut self) -> Pending<'_, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::UnexpectedEof.into()) })
    }

    fn admit(&mut self, _: AccountId) -> bool {
        self.admits
    }

    fn release(&mut self) {
        self.releases += 1;
    }

    fn channel_binding(&self) -> Option<ChannelBinding> {
        None
    }

    fn progress_due(&mut self) -> Pending<'_, ()> {
        match self.take_progress() {
            true => Box::pin(std::future::ready(())),
            false => Box::pin(std::future::pending()),
        }
    }

    fn is_progress_due(&self) -> bool {
        self.take_progress()
    }

    fn framer(&mut self) -> &mut Framer {
        &mut self.framer
    }
}

impl Speaker<'_> {
    /// Says a command and hears the lines of the answer; the tag is left out of the last.
    async fn says(&mut self, command: &str) -> Vec<String> {
        self.says_octets(command.as_bytes()).await
    }

    async fn says_octets(&mut self, command: &[u8]) -> Vec<String> {
        self.tag += 1;
        let tag = format!("a{} ", self.tag);
        self.wire.framer.receive([tag.as_bytes(), command, b"\r\n"].concat());
        while let Some(event) = self.wire.framer.next_event() {
            self.hears_event(event).await;
        }
        self.heard().into_iter().map(|line| line.strip_prefix(&tag).unwrap_or(&line).to_owned()).collect()
    }

    /// What the driver does.
    async fn hears_event(&mut self, event: Event) {
        let status = match event {
            Event::Command(frame) | Event::Append(frame) => {
                match parse::command(&frame, self.session.enabled.dialect) {
                    Ok(command) => {
                        let store = self.world.store.remembering();
                        let environment = Environment { store: &store, ..self.world.environment() };
                        let mut cx = Context::new(environment, &mut self.session, &mut self.wire);
                        run(&mut cx, command).await.unwrap();
                        return;
                    }
                    Err(error) => error.status(),
                }
            }
            Event::Continue => return self.wire.heard.extend_from_slice(b"+ go\r\n"),
            Event::Refused { status, .. } => status,
            other => panic!("{other:?}"),
        };
        print::response(&mut self.wire.heard, &status.into(), self.session.enabled.dialect);
    }

    /// What IDLE would be told at this moment.
    async fn listens(&mut self) -> Vec<String> {
        let mut cx = Context::new(self.world.environment(), &mut self.session, &mut self.wire);
        idle::news(&mut cx).await.unwrap();
        self.heard()
    }

    /// What a client that used NOTIFY SET would be told at this moment, with no command in progress.
    async fn reads(&mut self) -> Vec<String> {
        let mut cx = Context::new(self.world.environment(), &mut self.session, &mut self.wire);
        told_unasked(&mut cx).await.unwrap();
        self.heard()
    }

    fn heard(&mut self) -> Vec<String> {
        let heard = String::from_utf8(std::mem::take(&mut self.wire.heard)).expect("UTF-8");
        heard.split_terminator("\r\n").map(str::to_owned).collect()
    }
}

/// Each line begins as expected, and there is no other.
#[track_caller]
fn hears(heard: &[String], expected: &[&str]) {
    let same = heard.len() == expected.len() && heard.iter().zip(expected).all(|(line, begin)| line.starts_with(begin));
    assert!(same, "heard {heard:#?}\nexpected {expected:#?}");
}
