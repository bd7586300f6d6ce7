//! A POP3 session as a state machine: AUTHORIZATION, TRANSACTION, UPDATE (RFC 1939 §3).
//!
//! It owns no socket, clock or store. The driver hands in what has arrived ([`Session::receive`]) and does what
//! [`Session::poll`] says, until it says [`Step::Close`]. What the session can't know it asks for ([`Step::Ask`]), and
//! stands still until it is answered.
//!
//! Commands may be pipelined (RFC 2449 §6.6): they are framed one by one, each when the one before it is done, and their
//! answers leave together as far as they fit one step. Except behind STLS: what was sent in the clear before TLS began is
//! dropped unread (RFC 2595 §4).

use std::mem;
use std::time::Instant;

use bytes::Bytes;

use super::command::{self, BadCommand, Command};
use super::maildrop::{Maildrop, Total};
use super::reply::{self, Code};
use super::{LINE_OCTETS_MAX, Limits, parse};
use crate::auth::sasl::{self, Login, Mechanism, Offer};
use crate::auth::scram::{Attempt, ChannelBinding, ClientFirst};
use crate::message::downgrade::Patch;
use crate::store::{self, BodyId, UidSet};
use crate::wire::line::{Framed, Framer};

mod authorization;
mod language;
#[cfg(test)]
mod tests;
mod transaction;

use authorization::{Authorization, mechanisms};
use transaction::{Doing, list};

/// Answers are collected up to this before they are written: a few TCP windows, and all a session holds beside a piece
/// of a message.
const OUTPUT_OCTETS: usize = 64 * 1024;

/// Whether others can listen, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS is on.
    Tls,
    /// It is not.
    Clear {
        /// Whether it can be turned on: we have a certificate.
        stls: bool,
        /// Whether passwords are taken all the same: from loopback, or where the operator said so.
        plaintext_login: bool,
    },
}

impl Security {
    fn takes_passwords(self) -> bool {
        matches!(self, Security::Tls | Security::Clear { plaintext_login: true, .. })
    }

    fn offers_stls(self) -> bool {
        matches!(self, Security::Clear { stls: true, .. })
    }
}

/// What a session has to know of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether others can listen.
    pub security: Security,
    /// Passwords are checked: there is something to prove.
    pub scram: bool,
    /// What the TLS channel is known by, where that is safe.
    pub channel: Option<ChannelBinding>,
}

impl Line {
    fn offer(&self) -> Offer {
        Offer { scram: self.scram, channel: self.channel.is_some() }
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this.
    Write(Vec<u8>),
    /// Find this out and call [`Session::answer`]. Until then, the session asks the same again.
    Ask(Request),
    /// Drop whatever was read and not handed in, do the TLS handshake, and call [`Session::tls_started`].
    StartTls,
    /// Close the connection.
    Close,
    /// Read, at most until [`Session::next_timeout`].
    NeedInput,
}

/// What the session can't know.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Is this a user of ours, and what is in the INBOX? [`Answer::Login`].
    Login(Login),
    /// What comes behind the first message of SCRAM? [`Answer::Challenge`].
    Challenge(ClientFirst),
    /// Is this proof good? [`Answer::Proved`].
    Prove(Attempt),
    /// What is in the INBOX of who has just proved it? [`Answer::Login`].
    Open,
    /// What of this message is to be shown otherwise to a client that has not said UTF8? [`Answer::Downgraded`].
    Downgrade(BodyId),
    /// Octets of a message, at most `len` from `offset`: [`Answer::Read`].
    Read {
        /// Of which.
        body: BodyId,
        /// From where.
        offset: u64,
        /// How many at the most.
        len: usize,
    },
    /// Remove these from the maildrop, for good; those that are gone already don't matter: [`Answer::Removed`].
    Remove(UidSet),
}

/// The answer to a [`Request`].
#[derive(Debug)]
pub enum Answer {
    /// The maildrop at this moment.
    Login(Result<Maildrop, LoginRefused>),
    /// The next step of the exchange.
    Challenge(Result<sasl::Step, LoginRefused>),
    /// It is, and this is what proves to the client that we know the password too.
    Proved(Result<String, LoginRefused>),
    /// Headers in their order, and what is shown in their place; `None`: it can't be shown.
    Downgraded(Result<Option<Vec<Patch>>, store::Error>),
    /// The octets; none at the end of the message.
    Read(Result<Bytes, store::Error>),
    /// They are removed, durably.
    Removed(Result<(), store::Error>),
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefused {
    /// Wrong name or password.
    Credentials,
    /// It can't be said now.
    Unavailable,
    /// The maildrop can't be opened before somebody has repaired it.
    Broken,
    /// The last login was a moment ago (RFC 2449 §6.5).
    TooSoon,
    /// This user has as many sessions as there may be.
    TooManySessions,
}

#[derive(Debug)]
enum State {
    Authorization(Authorization),
    Transaction {
        maildrop: Maildrop,
        doing: Doing,
    },
    /// QUIT was given, the marked messages are being removed (RFC 1939 §6).
    Update {
        marked: UidSet,
        left: Total,
    },
    StartingTls,
    Closed,
}

/// A POP3 session.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    line: Line,
    state: State,
    /// UTF8 was given (RFC 6856 §2.1).
    utf8: bool,
    framer: Framer,
    /// What has arrived. Empty whenever the session needs input: an idle session holds no buffer.
    input: Vec<u8>,
    /// How much of it is framed.
    framed: usize,
    output: Vec<u8>,
    bad_commands: u32,
    login_failures: u32,
    /// Since when the client is expected to say something.
    waiting_since: Instant,
    /// The last step was ours.
    working: bool,
}

impl Session {
    /// A session that begins with the greeting of `hostname`.
    pub fn new(hostname: &str, line: Line, limits: Limits, now: Instant) -> Self {
        let mut output = Vec::new();
        // No `<…>` in it: that would offer APOP (RFC 1939 §7).
        reply::ok(&mut output, format_args!("{hostname} Postbell POP3 ready"));
        Self {
            limits,
            line,
            state: State::idle(),
            utf8: false,
            framer: Framer::new(LINE_OCTETS_MAX),
            input: Vec::new(),
            framed: 0,
            output,
            bad_commands: 0,
            login_failures: 0,
            waiting_since: now,
            working: true,
        }
    }

    /// Takes what has arrived. To be called when the session needs input.
    pub fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    /// What to do next.
    pub fn poll(&mut self, now: Instant) -> Step {
        // The time of the client runs from the moment it has our answers (RFC 1939 §3: any command resets the timer; an
        // octet that completes none does not).
        if mem::take(&mut self.working) {
            self.waiting_since = now;
        }
        let step = self.step();
        self.working = step != Step::NeedInput;
        step
    }

    fn step(&mut self) -> Step {
        loop {
            if self.output.len() >= OUTPUT_OCTETS {
                return Step::Write(mem::take(&mut self.output));
            }
            let wanted = match &mut self.state {
                State::Transaction { maildrop, doing: doing @ Doing::Listing { .. } } => {
                    list(maildrop, doing, &mut self.output);
                    continue;
                }
                // Not flushed before: the answer leaves with the first piece.
                State::Transaction { doing: Doing::Downgrading(retrieval), .. } => {
                    return Step::Ask(Request::Downgrade(retrieval.entry().body));
                }
                State::Transaction { doing: Doing::Retrieving(retrieval), .. } => {
                    let (offset, len) = retrieval.next_piece();
                    return Step::Ask(Request::Read { body: retrieval.entry().body, offset, len });
                }
                State::Authorization(Authorization::Checking(login)) => Step::Ask(Request::Login(login.clone())),
                State::Authorization(Authorization::Identifying(first)) => Step::Ask(Request::Challenge(first.clone())),
                State::Authorization(Authorization::Proving(attempt)) => Step::Ask(Request::Prove(attempt.clone())),
                State::Authorization(Authorization::Opening) => Step::Ask(Request::Open),
                State::Update { marked, .. } => Step::Ask(Request::Remove(marked.clone())),
                State::StartingTls => Step::StartTls,
                State::Closed => Step::Close,
                State::Authorization(_) | State::Transaction { doing: Doing::Nothing, .. } => match self.next_line() {
                    Some(framed) => {
                        self.line(framed);
                        continue;
                    }
                    None => Step::NeedInput,
                },
            };
            if self.output.is_empty() {
                return wanted;
            }
            return Step::Write(mem::take(&mut self.output));
        }
    }

    /// When to give up waiting for input.
    pub fn next_timeout(&self) -> Instant {
        self.waiting_since + self.limits.autologout
    }

    /// The time was up: the connection is closed without a word and without UPDATE (RFC 1939 §3).
    pub fn timed_out(&mut self) {
        self.close_silently();
    }

    /// The server stops: says so where a reply may stand, and removes nothing. An UPDATE that has begun is finished.
    pub fn shut_down(&mut self) {
        match &self.state {
            State::Update { .. } | State::Closed => {}
            // In the middle of an answer: a reply would become part of a message.
            State::Transaction {
                doing: Doing::Listing { .. } | Doing::Downgrading(_) | Doing::Retrieving(_), ..
            }
            | State::StartingTls => {
                self.close_silently();
            }
            State::Authorization(_) | State::Transaction { doing: Doing::Nothing, .. } => {
                reply::err_with(&mut self.output, Code::SysTemp, format_args!("shutting down"));
                self.state = State::Closed;
            }
        }
    }

    /// Whether octets of the client wait to be looked at: commands that it sent behind the one that runs (RFC 2449 §6.6).
    pub fn has_unread(&self) -> bool {
        self.framed < self.input.len()
    }

    /// How many lines were no command, or none for their moment.
    pub fn bad_commands(&self) -> u32 {
        self.bad_commands
    }

    /// TLS is on, and its channel is known by that: everything begins anew but the counts of what went wrong (RFC 2595 §4).
    pub fn tls_started(&mut self, channel: Option<ChannelBinding>) {
        self.line = Line { security: Security::Tls, channel, ..self.line };
        self.state = State::idle();
        self.utf8 = false;
        self.framer = Framer::new(LINE_OCTETS_MAX);
        self.drop_input();
    }

    /// The answer to what was asked for.
    pub fn answer(&mut self, answer: Answer) {
        match (mem::replace(&mut self.state, State::Closed), answer) {
            (State::Authorization(Authorization::Checking(_) | Authorization::Opening), Answer::Login(result)) => {
                self.logged_in(result)
            }
            (State::Authorization(Authorization::Identifying(_)), Answer::Challenge(result)) => self.identified(result),
            (State::Authorization(Authorization::Proving(_)), Answer::Proved(result)) => self.proved(result),
            (State::Transaction { maildrop, doing: Doing::Downgrading(retrieval) }, Answer::Downgraded(result)) => {
                self.downgraded(maildrop, retrieval, result);
            }
            (State::Transaction { maildrop, doing: Doing::Retrieving(retrieval) }, Answer::Read(result)) => {
                self.retrieved(maildrop, retrieval, result);
            }
            (State::Update { left, .. }, Answer::Removed(result)) => self.updated(left, result),
            (_, _) => {
                tracing::error!("the driver gave an answer that was not asked for");
                self.close_silently();
            }
        }
    }

    fn close_silently(&mut self) {
        self.output = Vec::new();
        self.state = State::Closed;
    }

    fn next_line(&mut self) -> Option<Framed> {
        let mut rest = &self.input[self.framed..];
        let framed = self.framer.next(&mut rest);
        let left = rest.len();
        if left == 0 {
            self.drop_input();
        } else {
            self.framed = self.input.len() - left;
        }
        framed
    }

    fn drop_input(&mut self) {
        self.input = Vec::new();
        self.framed = 0;
    }

    fn line(&mut self, framed: Framed) {
        if let State::Authorization(Authorization::Exchange(_) | Authorization::Acknowledging) = &self.state {
            return self.exchange_line(framed);
        }
        match framed {
            Framed::Overlong => self.bad_command(format_args!("a line has at most {LINE_OCTETS_MAX} octets")),
            Framed::BareLf => self.bad_command(format_args!("a line ends with CRLF")),
            Framed::Line { octets, .. } => match parse::command(&octets) {
                Ok(command) => self.run(command),
                Err(BadCommand::Unknown) => self.bad_command(format_args!("unknown command")),
                Err(BadCommand::Arguments { usage }) => self.bad_command(format_args!("usage: {usage}")),
                Err(BadCommand::Characters) => {
                    self.bad_command(format_args!("a command holds no control characters, and only UTF-8"));
                }
            },
        }
    }

    /// Refuses something that no mail client sends, or not often.
    fn bad_command(&mut self, text: std::fmt::Arguments<'_>) {
        self.forget_user();
        self.bad_commands += 1;
        if self.bad_commands >= self.limits.bad_commands {
            reply::err(&mut self.output, format_args!("too many bad commands"));
            self.state = State::Closed;
        } else {
            reply::err(&mut self.output, text);
        }
    }

    fn run(&mut self, command: Command) {
        if !matches!(command, Command::Authorization(command::Authorization::Pass { .. })) {
            self.forget_user();
        }
        match (command, &self.state) {
            (Command::Capa, _) => self.capa(),
            (Command::Lang { range }, _) => self.lang(range.as_deref()),
            (Command::Quit, _) => self.quit(),
            (Command::Authorization(command), State::Authorization(_)) => self.authorization(command),
            (Command::Authorization(_), _) => self.bad_command(format_args!("you are logged in already")),
            (Command::Transaction(command), State::Transaction { .. }) => self.transaction(command),
            (Command::Transaction(_), _) => self.bad_command(format_args!("log in first")),
        }
    }
}

/// What there is in both states and on every connection.
const CAPABILITIES: [&str; 9] = [
    "TOP",                     // RFC 2449 §6.1
    "UIDL",                    // RFC 2449 §6.8
    "PIPELINING",              // RFC 2449 §6.6
    "RESP-CODES",              // RFC 2449 §6.4
    "AUTH-RESP-CODE",          // RFC 3206 §6
    "EXPIRE NEVER",            // RFC 2449 §6.7
    "UTF8 USER",               // RFC 6856 §2.2
    "LANG",                    // RFC 6856 §3
    "IMPLEMENTATION Postbell", // RFC 2449 §6.9
];

/// # In both states
impl Session {
    /// RFC 2449 §5. What is announced before the login is announced after it too, but STLS, which is announced where it
    /// may be given (RFC 2595 §4). What TLS changes: STLS goes, passwords are taken, and SCRAM has its -PLUS.
    fn capa(&mut self) {
        let out = &mut self.output;
        reply::ok(out, format_args!("capability list follows"));
        let stls = self.line.security.offers_stls() && matches!(self.state, State::Authorization(_));
        if stls {
            reply::line(out, format_args!("STLS"));
        }
        // Where no password is taken, nothing invites one (RFC 2595 §2.3).
        if self.line.security.takes_passwords() {
            reply::line(out, format_args!("USER"));
            let mechanisms: Vec<_> = mechanisms(self.line.offer()).map(Mechanism::name).collect();
            reply::line(out, format_args!("SASL {}", mechanisms.join(" ")));
        }
        // RFC 2449 §6.5; the same for all users.
        if !self.limits.login_delay.is_zero() {
            reply::line(out, format_args!("LOGIN-DELAY {}", self.limits.login_delay.as_secs()));
        }
        for capability in CAPABILITIES {
            reply::line(out, format_args!("{capability}"));
        }
        reply::end(out);
    }

    fn quit(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Transaction { maildrop, .. } if !maildrop.marked().is_empty() => {
                State::Update { marked: maildrop.marked().clone(), left: maildrop.total() }
            }
            State::Transaction { maildrop, .. } => {
                reply::ok(&mut self.output, format_args!("goodbye, {} left", maildrop.total()));
                State::Closed
            }
            _ => {
                reply::ok(&mut self.output, format_args!("goodbye"));
                State::Closed
            }
        };
    }

    fn updated(&mut self, left: Total, result: Result<(), store::Error>) {
        match result {
            Ok(()) => reply::ok(&mut self.output, format_args!("goodbye, {left} left")),
            // RFC 1939 §6: -ERR tells that some were not removed; the session ends all the same.
            Err(error) => {
                let code = if error.is_temporary() { Code::SysTemp } else { Code::SysPerm };
                reply::err_with(&mut self.output, code, format_args!("the deleted messages were not removed"));
            }
        }
        self.state = State::Closed;
    }
}

impl State {
    fn idle() -> Self {
        State::Authorization(Authorization::Idle { user: None })
    }
}
