//! The AUTHORIZATION state: who is it (RFC 1939 §4, RFC 2595 §4, RFC 5034).

use std::mem;

use super::transaction::Doing;
use super::{LoginRefused, Security, Session, State};
use crate::auth::sasl::{self, Exchange, Failure, Login, Mechanism};
use crate::pop3::command;
use crate::pop3::reply::{self, Code};
use crate::pop3::{LINE_OCTETS_MAX, Maildrop};
use crate::wire::line::Framed;

/// The mechanisms of AUTH. LOGIN has no use here: whoever knows no PLAIN has USER and PASS.
pub(super) const MECHANISMS: [Mechanism; 1] = [Mechanism::Plain];

#[derive(Debug)]
pub(super) enum Authorization {
    /// A command is expected; `user` waits for PASS.
    Idle { user: Option<String> },
    /// The next line belongs to AUTH.
    Exchange(Exchange),
    /// The driver checks it.
    Checking(Login),
}

impl Session {
    pub(super) fn authorization(&mut self, command: command::Authorization) {
        match command {
            command::Authorization::Auth { mechanism, initial_response } => {
                self.auth(&mechanism, initial_response.as_ref().map(|response| response.0.as_bytes()));
            }
            command::Authorization::Pass { password } => self.pass(password.0),
            command::Authorization::Stls => self.stls(),
            command::Authorization::User { name } => self.user(name),
        }
    }

    fn stls(&mut self) {
        match self.security {
            Security::Clear { stls: true, .. } => {
                reply::ok(&mut self.output, format_args!("begin TLS"));
                self.state = State::StartingTls;
                self.drop_input();
            }
            Security::Clear { stls: false, .. } => self.bad_command(format_args!("TLS is not available here")),
            Security::Tls => self.bad_command(format_args!("TLS is on already")),
        }
    }

    fn user(&mut self, name: String) {
        if !self.refuses_passwords() {
            // Whether there is such a user is not told.
            reply::ok(&mut self.output, format_args!("now the password"));
            self.state = State::Authorization(Authorization::Idle { user: Some(name) });
        }
    }

    /// RFC 1939 §7: PASS comes immediately behind USER. Whatever else comes, USER has to come again.
    pub(super) fn forget_user(&mut self) {
        if let State::Authorization(Authorization::Idle { user }) = &mut self.state {
            *user = None;
        }
    }

    fn pass(&mut self, password: String) {
        if self.refuses_passwords() {
            return;
        }
        match mem::replace(&mut self.state, State::idle()) {
            State::Authorization(Authorization::Idle { user: Some(name) }) => {
                self.state = State::Authorization(Authorization::Checking(Login { name, password }));
            }
            _ => self.bad_command(format_args!("USER comes first")),
        }
    }

    fn auth(&mut self, mechanism: &str, initial_response: Option<&[u8]>) {
        self.state = State::idle();
        if self.refuses_passwords() {
            return;
        }
        match Mechanism::from_name(mechanism).filter(|mechanism| MECHANISMS.contains(mechanism)) {
            Some(mechanism) => self.exchange_step(Exchange::start(mechanism, None, initial_response)),
            None => self.bad_command(format_args!("unknown mechanism, CAPA lists ours")),
        }
    }

    /// Refuses a login that others could overhear.
    fn refuses_passwords(&mut self) -> bool {
        let refuses = !self.security.takes_passwords();
        if refuses {
            let way = if self.security.offers_stls() { "use STLS first" } else { "use the TLS port" };
            self.bad_command(format_args!("passwords are not taken without TLS, {way}"));
        }
        refuses
    }

    pub(super) fn exchange_line(&mut self, framed: Framed) {
        self.framer.set_limit(LINE_OCTETS_MAX);
        let State::Authorization(Authorization::Exchange(exchange)) = mem::replace(&mut self.state, State::idle())
        else {
            return;
        };
        self.exchange_step(match framed {
            Framed::Line { octets, .. } => exchange.respond(&octets),
            Framed::BareLf => sasl::Step::Failed(Failure::Malformed("a line ends with CRLF")),
            Framed::Overlong => sasl::Step::Failed(Failure::Malformed("the response is too long")),
        });
    }

    fn exchange_step(&mut self, step: sasl::Step) {
        match step {
            sasl::Step::Challenge(base64, exchange) => {
                reply::challenge(&mut self.output, &base64);
                self.framer.set_limit(sasl::RESPONSE_OCTETS_MAX + 2);
                self.state = State::Authorization(Authorization::Exchange(exchange));
            }
            sasl::Step::Done(login) => self.state = State::Authorization(Authorization::Checking(login)),
            // Steps of mechanisms that are not among ours.
            sasl::Step::Identify(_) | sasl::Step::Prove(_) => self.bad_command(format_args!("unknown mechanism")),
            sasl::Step::Failed(Failure::Cancelled) => self.bad_command(format_args!("cancelled")),
            sasl::Step::Failed(Failure::Malformed(what)) => self.bad_command(format_args!("{what}")),
            sasl::Step::Failed(Failure::NotAuthorized) => self.logged_in(Err(LoginRefused::Credentials)),
        }
    }

    pub(super) fn logged_in(&mut self, result: Result<Maildrop, LoginRefused>) {
        self.state = State::idle();
        match result {
            Ok(maildrop) => {
                reply::ok(&mut self.output, format_args!("maildrop has {}", maildrop.total()));
                self.state = State::Transaction { maildrop, doing: Doing::Nothing };
            }
            Err(LoginRefused::Credentials) => {
                self.login_failures += 1;
                // RFC 3206 §6: AUTH says that it was the credentials, so that a client asks its user and no sooner.
                reply::err_with(&mut self.output, Code::Auth, format_args!("wrong name or password"));
                if self.login_failures >= self.limits.login_failures {
                    self.state = State::Closed;
                }
            }
            Err(LoginRefused::Unavailable) => {
                reply::err_with(&mut self.output, Code::SysTemp, format_args!("no login is possible now"));
            }
            // RFC 2449 §8.1.2: the credentials were good.
            Err(LoginRefused::TooManySessions) => {
                reply::err_with(&mut self.output, Code::InUse, format_args!("you have too many sessions"));
            }
        }
    }
}
