//! What a command in progress has at hand: the store, its session, and the client at the other end.
//!
//! Responses collect in a buffer that is handed to the client when it is full ([`STEP_OCTETS`]), and when the command
//! ends. So a FETCH over a million messages holds no more than one step of its answer, and runs no faster than its client
//! reads: the write waits, and with it the command.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::failure::Failure;
use super::news;
use super::workspace::Workspace;
use crate::auth::Authenticator;
use crate::auth::scram::ChannelBinding;
use crate::imap::Limits;
use crate::imap::command::Tag;
use crate::imap::framer::{Event, Framer};
use crate::imap::print;
use crate::imap::response::Response;
use crate::imap::session::{Selected, Session};
use crate::imap::view::News;
use crate::store::{AccountId, MailboxId, ModSeq, Store};

/// How much of an answer is held at the most before it goes to the client: what one write of the driver takes. In tests a
/// few lines are a step, so that what happens between two steps is tested by short answers.
pub(crate) const STEP_OCTETS: usize = if cfg!(test) { 256 } else { 256 * 1024 };

/// Something under way, behind a trait object.
pub(crate) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The client's end of a command in progress. The driver has sockets and clocks behind it, a test has neither.
pub(crate) trait Client: Send + Sync {
    /// Writes all of it; waits for as long as the client takes nothing.
    fn write<'a>(&'a mut self, octets: &'a [u8]) -> Pending<'a, io::Result<()>>;
    /// Gives the framer what arrives next; errs at the end of the stream, and when nothing came for too long.
    fn receive(&mut self) -> Pending<'_, io::Result<()>>;
    /// Asks for a place among the sessions of that account, once it is known who the client is; `false`: there are too many.
    fn admit(&mut self, account: AccountId) -> bool;
    /// Gives the place back.
    fn release(&mut self);
    /// What the TLS channel is known by, where the session's line says that there is such a thing.
    fn channel_binding(&self) -> Option<ChannelBinding>;
    /// Waits until the client should hear that a command is at work: nothing was written for a while (RFC 9585 §3).
    fn progress_due(&mut self) -> Pending<'_, ()>;
    /// Whether that is so now.
    fn is_progress_due(&self) -> bool;
    /// What arrived.
    fn framer(&mut self) -> &mut Framer;
}

/// What all commands of a connection share.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    /// The mail.
    pub(crate) store: &'a Store,
    /// Checks passwords.
    pub(crate) authenticator: &'a Authenticator,
    /// What a client may do.
    pub(crate) limits: &'a Limits,
    /// Memory for what is large.
    pub(crate) workspace: &'a Workspace,
    /// Who the client is, for the throttle of logins.
    pub(crate) peer: IpAddr,
    /// When the command began, Unix seconds: what WITHIN counts ages from.
    pub(crate) now_unix_s: i64,
}

/// What a command in progress has at hand.
pub(crate) struct Context<'a> {
    /// What is shared.
    pub(crate) environment: Environment<'a>,
    /// Whose command it is.
    pub(crate) session: &'a mut Session,
    /// The client.
    pub(crate) client: &'a mut dyn Client,
    /// The command's tag, once it runs.
    pub(crate) tag: Option<Tag>,
    /// Responses that are not written yet.
    pub(crate) output: Vec<u8>,
    /// Of which mailboxes news are among them, and up to which mod-sequence.
    pub(crate) pushed: Vec<(MailboxId, ModSeq)>,
}

impl<'a> Context<'a> {
    /// At the beginning of a command.
    pub(crate) fn new(environment: Environment<'a>, session: &'a mut Session, client: &'a mut dyn Client) -> Self {
        Self { environment, session, client, tag: None, output: Vec::new(), pushed: Vec::new() }
    }

    /// The mail.
    pub(crate) fn store(&self) -> &'a Store {
        self.environment.store
    }

    /// Whose mail it is. The table of facts has kept everybody else out; if it ever did not, the answer is BAD.
    pub(crate) fn account(&self) -> Result<AccountId, Failure> {
        self.session.account().map(|account| account.id).ok_or(Failure::Bad("log in first"))
    }

    /// The selected mailbox; see [`account`](Self::account).
    pub(crate) fn selected(&mut self) -> Result<&mut Selected, Failure> {
        self.session.selected().ok_or(Failure::Bad("select a mailbox first"))
    }

    /// The selected mailbox, if it may be changed.
    pub(crate) fn writable(&mut self) -> Result<&mut Selected, Failure> {
        match self.selected()? {
            selected if selected.read_only => Err(Failure::ReadOnly),
            selected => Ok(selected),
        }
    }

    /// Adds a response.
    pub(crate) fn put(&mut self, response: impl Into<Response>) {
        print::response(&mut self.output, &response.into(), self.session.enabled.dialect);
    }

    /// Adds what the session's view found new.
    pub(crate) fn put_news(&mut self, news: &[News]) {
        let enabled = self.session.enabled;
        if let Some(selected) = self.session.selected() {
            news::print(&mut self.output, news, selected, enabled);
        }
    }

    /// The keywords of the selected mailbox; new ones are told to the client, so that it knows what it will read.
    pub(crate) fn keywords(&mut self) -> Result<Arc<Vec<String>>, Failure> {
        let selected = self.selected()?;
        let keywords = selected.mailbox.head().keywords;
        let learnt = selected.view.learn_keywords(&keywords);
        self.put_news(learnt.as_slice());
        Ok(keywords)
    }

    /// Hands over what was collected, if it is a step.
    pub(crate) async fn step(&mut self) -> io::Result<()> {
        if self.output.len() >= STEP_OCTETS { self.flush().await } else { Ok(()) }
    }

    /// Hands over what was collected.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.client.write(&self.output).await?;
            self.output.clear();
        }
        Ok(())
    }

    /// What the client sends next, while the command is in progress.
    pub(crate) async fn event(&mut self) -> io::Result<Event> {
        self.flush().await?;
        loop {
            match self.client.framer().next_event() {
                Some(event) => return Ok(event),
                None => self.client.receive().await?,
            }
        }
    }
}
