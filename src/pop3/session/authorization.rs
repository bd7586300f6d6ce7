//! The AUTHORIZATION state: who is it (RFC 1939 §4, RFC 2595 §4, RFC 5034), and does it read UTF-8 (RFC 6856 §2).

use std::mem;

use super::transaction::Doing;
use super::{Line, LoginRefused, Security, Session, State};
use crate::auth::sasl::{self, Exchange, Failure, Login, Mechanism, Offer};
use crate::auth::scram::{Attempt, ClientFirst};
use crate::pop3::command;
use crate::pop3::reply::{self, Code};
use crate::pop3::{LINE_OCTETS_MAX, Maildrop};
use crate::wire::line::Framed;

/// The mechanisms of AUTH on a connection, best first. LOGIN has no use here: whoever knows no PLAIN has USER and PASS.
pub(super) fn mechanisms(offer: Offer) -> impl Iterator<Item = Mechanism> {
    Mechanism::ALL.into_iter().filter(move |mechanism| *mechanism != Mechanism::Login && offer.has(*mechanism))
}

#[derive(Debug)]
pub(super) enum Authorization {
    /// A command is expected; `user` waits for PASS.
    Idle { user: Option<String> },
    /// The next line belongs to AUTH.
    Exchange(Exchange),
    /// The driver checks it.
    Checking(Login),
    /// The driver looks for what this one has to prove.
    Identifying(ClientFirst),
    /// The driver checks the proof.
    Proving(Attempt),
    /// It was good, the client was told so, and takes note of it with an empty line.
    Acknowledging,
    /// The driver opens the maildrop.
    Opening,
}

impl Session {
    pub(super) fn authorization(&mut self, command: command::Authorization) {
        match command {
            command::Authorization::Auth { mechanism, initial_response } => {
                self.auth(&mechanism, initial_response.as_ref().map(|response| response.0.as_bytes()));
            }
            command::Authorization::Pass { password } => self.pass(password.0),
            command::Authorization::Stls => self.stls(),
            command::Authorization::User { name } => self.user(&name),
            command::Authorization::Utf8 => self.utf8(),
        }
    }

    fn stls(&mut self) {
        match self.line.security {
            // RFC 6856 §2.1 forbids it to the client, and what was agreed on in the clear would not outlive it.
            Security::Clear { stls: true, .. } if self.utf8 => self.bad_command(format_args!("STLS comes before UTF8")),
            Security::Clear { stls: true, .. } => {
                reply::ok(&mut self.output, format_args!("begin TLS"));
                self.state = State::StartingTls;
                self.drop_input();
            }
            Security::Clear { stls: false, .. } => self.bad_command(format_args!("TLS is not available here")),
            Security::Tls => self.bad_command(format_args!("TLS is on already")),
        }
    }

    /// RFC 6856 §2.1; to say it twice changes nothing.
    fn utf8(&mut self) {
        self.utf8 = true;
        reply::ok(&mut self.output, format_args!("UTF-8 it is"));
    }

    fn user(&mut self, name: &str) {
        if self.refuses_passwords() {
            return;
        }
        // RFC 6856 §2.2; AUTH leaves this to its mechanisms.
        match stringprep::saslprep(name) {
            Ok(name) if !name.is_empty() => {
                // Whether there is such a user is not told.
                reply::ok(&mut self.output, format_args!("now the password"));
                self.state = State::Authorization(Authorization::Idle { user: Some(name.into_owned()) });
            }
            _ => {
                let text = format_args!("this can't be a name, there are characters in it that names don't have");
                reply::err_with(&mut self.output, Code::Auth, text);
            }
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
            State::Authorization(Authorization::Idle { user: Some(_) }) if stringprep::saslprep(&password).is_err() => {
                // RFC 6856 §2.2: refused, even where any password is good.
                self.logged_in(Err(LoginRefused::Credentials));
            }
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
        let Line { channel, .. } = self.line;
        let mut ours = mechanisms(self.line.offer());
        match Mechanism::from_name(mechanism).filter(|mechanism| ours.any(|one| one == *mechanism)) {
            Some(mechanism) => self.exchange_step(Exchange::start(mechanism, channel, initial_response)),
            None => self.bad_command(format_args!("unknown mechanism, CAPA lists ours")),
        }
    }

    /// Refuses a login that others could overhear.
    fn refuses_passwords(&mut self) -> bool {
        let refuses = !self.line.security.takes_passwords();
        if refuses {
            let way = if self.line.security.offers_stls() { "use STLS first" } else { "use the TLS port" };
            self.bad_command(format_args!("passwords are not taken without TLS, {way}"));
        }
        refuses
    }

    pub(super) fn exchange_line(&mut self, framed: Framed) {
        self.framer.set_limit(LINE_OCTETS_MAX);
        let line = match framed {
            Framed::Line { octets, .. } => Ok(octets),
            Framed::BareLf => Err(Failure::Malformed("a line ends with CRLF")),
            Framed::Overlong => Err(Failure::Malformed("the response is too long")),
        };
        match mem::replace(&mut self.state, State::idle()) {
            State::Authorization(Authorization::Exchange(exchange)) => {
                self.exchange_step(line.map_or_else(sasl::Step::Failed, |line| exchange.respond(&line)));
            }
            // Who has proved it may still change its mind.
            State::Authorization(Authorization::Acknowledging) => {
                match line.and_then(|line| sasl::acknowledged(&line)) {
                    Ok(()) => self.state = State::Authorization(Authorization::Opening),
                    Err(failure) => self.exchange_step(sasl::Step::Failed(failure)),
                }
            }
            state => self.state = state,
        }
    }

    /// The driver's answer to the first message of SCRAM.
    pub(super) fn identified(&mut self, result: Result<sasl::Step, LoginRefused>) {
        self.state = State::idle();
        match result {
            Ok(step) => self.exchange_step(step),
            Err(refused) => self.logged_in(Err(refused)),
        }
    }

    /// The driver's answer to a proof. RFC 5034 §4: +OK has no room for what the mechanism has to say, so it is said in a
    /// challenge, which the client answers with an empty line.
    pub(super) fn proved(&mut self, result: Result<String, LoginRefused>) {
        match result {
            Ok(signature) => {
                reply::challenge(&mut self.output, &signature);
                self.framer.set_limit(sasl::RESPONSE_OCTETS_MAX + 2);
                self.state = State::Authorization(Authorization::Acknowledging);
            }
            Err(refused) => self.logged_in(Err(refused)),
        }
    }

    fn exchange_step(&mut self, step: sasl::Step) {
        match step {
            sasl::Step::Challenge(base64, exchange) => {
                reply::challenge(&mut self.output, &base64);
                self.framer.set_limit(sasl::RESPONSE_OCTETS_MAX + 2);
                self.state = State::Authorization(Authorization::Exchange(exchange));
            }
            sasl::Step::Done(login) => self.state = State::Authorization(Authorization::Checking(login)),
            sasl::Step::Identify(first) => self.state = State::Authorization(Authorization::Identifying(first)),
            sasl::Step::Prove(attempt) => self.state = State::Authorization(Authorization::Proving(attempt)),
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
            // RFC 3206 §5: waiting helps nobody.
            Err(LoginRefused::Broken) => {
                let text = format_args!("the maildrop can't be opened, tell the postmaster");
                reply::err_with(&mut self.output, Code::SysPerm, text);
            }
            // RFC 2449 §8.1.1: the credentials were good.
            Err(LoginRefused::TooSoon) => {
                let text = format_args!("the last login was less than {} s ago", self.limits.login_delay.as_secs());
                reply::err_with(&mut self.output, Code::LoginDelay, text);
            }
            // RFC 2449 §8.1.2: the credentials were good.
            Err(LoginRefused::TooManySessions) => {
                reply::err_with(&mut self.output, Code::InUse, format_args!("you have too many sessions"));
            }
        }
    }
}
