//! AUTH (RFC 4954): the lines of a SASL exchange, and what a login changes.
//!
//! The mechanisms are `auth::sasl`'s; this file frames their challenges with 334 and has the driver ask the authenticator.
//! What holds here:
//! - An exchange ends with one reply of its own: 235, or why not. A line that is too long or has a bare LF ends it too, and
//!   no line of it is ever a command.
//! - A login lasts as long as the session, and does not survive STARTTLS (RFC 3207 §4.2).
//! - A wrong name, a wrong password and a name that nobody has are answered alike; the last failure that a connection may
//!   have closes it.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::{Ask, Client, Progress, Session, State};
use crate::auth::sasl::{self, Exchange, Failure, Login, Mechanism, RESPONSE_OCTETS_MAX, Step};
use crate::auth::scram;
use crate::smtp::command::AuthArguments;
use crate::smtp::{Auth, Reply, Terms, replies};
use crate::wire::line::Framed;

/// What a client says of who it is, for the authenticator to judge.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// A name and its password.
    Password(Login),
    /// A name, whose password will be proved.
    Name(scram::ClientFirst),
    /// The proof.
    Proof(scram::Attempt),
}

/// What the authenticator makes of a claim that is not refused.
#[derive(Debug)]
pub enum Judged {
    /// The exchange goes on.
    Next(Step),
    /// It is this account's owner. What proves to a client that we know its password too goes ahead of the 235, which has
    /// no room for it (RFC 4954 §4).
    Account {
        /// The account's name.
        name: Arc<str>,
        /// The last challenge, in base64.
        last_challenge: Option<String>,
    },
}

/// How far an exchange is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client's next line goes on with it.
    Answer(Exchange),
    /// The authenticator is to judge this.
    Asking(Claim),
    /// It does.
    Asked,
    /// It is this account's owner, who has still to take note of the last challenge.
    Acknowledgement(Arc<str>),
}

impl Session {
    /// The longest line that may come, with its CRLF: RFC 4954 §4.2 wants room for the largest exchange where one may come.
    pub(super) fn line_octets(&self) -> usize {
        match (&self.peer.terms.auth, &self.account) {
            (Auth::Offered { .. }, None) => self.limits.command_line.max(RESPONSE_OCTETS_MAX + 2),
            _ => self.limits.command_line,
        }
    }

    /// RFC 4954 §4.
    pub(super) fn auth(&mut self, arguments: &AuthArguments) {
        let refusal = match &self.peer.terms.auth {
            _ if self.account.is_some() => replies::LOGGED_IN_ALREADY,
            Auth::Off => replies::NOT_IMPLEMENTED,
            Auth::UnderTls => replies::LOGIN_NEEDS_TLS,
            Auth::Offered { offer, channel } => {
                match Mechanism::from_name(&arguments.mechanism).filter(|mechanism| offer.has(*mechanism)) {
                    Some(mechanism) => {
                        let response = arguments.initial_response.as_ref().map(String::as_bytes);
                        return self.go_on(Exchange::start(mechanism, *channel, response));
                    }
                    None => replies::NO_SUCH_MECHANISM,
                }
            }
        };
        self.refuse_here(&refusal);
    }

    /// A line of an exchange, or a question that it has.
    pub(super) fn advance_exchange(&mut self, client: Client, stage: Stage) -> Progress {
        let stage = match stage {
            Stage::Asking(claim) => {
                self.state = State::Authenticating(client, Stage::Asked);
                return Progress::Asks(Ask::Authenticate(claim));
            }
            stage => stage,
        };
        let Some(framed) = self.next_line() else {
            self.state = State::Authenticating(client, stage);
            return Progress::Stalled;
        };
        self.state = State::Introduced(client);
        match (framed, stage) {
            (Framed::Line { octets }, Stage::Answer(exchange)) => self.go_on(exchange.respond(&octets)),
            (Framed::Line { octets }, Stage::Acknowledgement(name)) => match sasl::acknowledged(&octets) {
                Ok(()) => self.log_in(name),
                Err(failure) => self.go_on(Step::Failed(failure)),
            },
            (Framed::BareLf, _) => self.login_failed(&replies::BARE_NEWLINE_IN_COMMAND),
            (Framed::Overlong, _) => self.login_failed(&replies::EXCHANGE_TOO_LONG),
            // While the driver is asked no line is read.
            (Framed::Line { .. }, Stage::Asking(_) | Stage::Asked) => {}
        }
        Progress::Made
    }

    /// The answer to [`Ask::Authenticate`]; a refusal is the reply for the client.
    pub fn authenticated(&mut self, judged: Result<Judged, Reply>, now: Instant) {
        self.now = now;
        self.asked = false;
        self.idle_since = now;
        match mem::replace(&mut self.state, State::Closed) {
            State::Authenticating(client, Stage::Asked) => self.state = State::Introduced(client),
            // Nothing was asked.
            state => {
                self.state = state;
                return;
            }
        }
        match judged {
            Ok(Judged::Next(step)) => self.go_on(step),
            Ok(Judged::Account { name, last_challenge: None }) => self.log_in(name),
            Ok(Judged::Account { name, last_challenge: Some(challenge) }) => {
                self.challenge(challenge, Stage::Acknowledgement(name));
            }
            Err(reply) => self.login_failed(&reply),
        }
    }

    /// Does what the mechanism wants next.
    fn go_on(&mut self, step: Step) {
        match step {
            Step::Challenge(text, exchange) => self.challenge(text, Stage::Answer(exchange)),
            Step::Done(login) => self.exchange(Stage::Asking(Claim::Password(login))),
            Step::Identify(first) => self.exchange(Stage::Asking(Claim::Name(first))),
            Step::Prove(attempt) => self.exchange(Stage::Asking(Claim::Proof(attempt))),
            Step::Failed(Failure::Cancelled) => self.login_failed(&replies::LOGIN_CANCELLED),
            Step::Failed(Failure::Malformed(text)) => self.login_failed(&Reply::new(501, "5.5.2", text)),
            Step::Failed(Failure::NotAuthorized) => self.login_failed(&replies::LOGIN_REFUSED),
        }
    }

    fn challenge(&mut self, text: String, then: Stage) {
        self.say(&Reply::plain(334, "").with_text(text));
        self.exchange(then);
    }

    /// The exchange is this far.
    fn exchange(&mut self, stage: Stage) {
        if let State::Introduced(client) = mem::replace(&mut self.state, State::Closed) {
            self.state = State::Authenticating(client, stage);
        }
    }

    fn log_in(&mut self, name: Arc<str>) {
        self.account = Some(name);
        self.errors = 0;
        self.framer.set_limit(self.line_octets());
        self.say(&replies::LOGGED_IN);
    }

    /// The exchange has ended without a login.
    fn login_failed(&mut self, reply: &Reply) {
        self.refuse_here(reply);
        self.login_failures += u32::from(*reply == replies::LOGIN_REFUSED);
        if self.login_failures >= self.limits.login_failures && !matches!(self.state, State::Closed) {
            self.close_with(&replies::TOO_MANY_LOGINS);
        }
    }

    /// Whether MAIL has to wait for a login, and what is said then.
    pub(super) fn login_missing(&self) -> Option<Reply> {
        let Terms { auth, needs_login, .. } = &self.peer.terms;
        match auth {
            _ if !needs_login || self.account.is_some() => None,
            Auth::UnderTls => Some(replies::TLS_AND_LOGIN_FIRST),
            Auth::Off | Auth::Offered { .. } => Some(replies::LOGIN_FIRST),
        }
    }
}
