//! The commands, one function each: what they do to the state, and what they are answered with.
//!
//! [`Session::run`] has asked the table of facts first, so each function meets only the states in which its command is
//! allowed, and leaves any other as it is.

use std::mem;
use std::sync::Arc;

use super::{Ask, Client, Envelope, Opening, Progress, Session, State, TLS_HANDSHAKE_RECORD, Tls};
use crate::smtp::command::{Chunk, Command, Stage, Verb};
use crate::smtp::parameters::{BodyType, MailParameters, RcptParameters};
use crate::smtp::path::Path;
use crate::smtp::{parse, replies};
use crate::wire::line::Framed;

impl Session {
    /// Reads a command line and runs it.
    pub(super) fn advance_line(&mut self) -> Progress {
        if let (false, Some(first)) = (self.has_read, self.unread().first()) {
            if *first == TLS_HANDSHAKE_RECORD {
                self.close_with(&replies::TLS_FIRST_WAS_SPOKEN);
                return Progress::Made;
            }
            self.has_read = true;
        }
        let Some(framed) = self.next_line() else { return Progress::Stalled };
        let command = match framed {
            // Room for the lines of a login is no room for others.
            Framed::Line { octets } if octets.len() + 2 > self.limits.command_line && !parse::is_auth(&octets) => {
                Err(replies::LINE_TOO_LONG)
            }
            Framed::Line { octets } => parse::command(&octets).map_err(replies::not_a_command),
            Framed::BareLf => Err(replies::BARE_NEWLINE_IN_COMMAND),
            Framed::Overlong => Err(replies::LINE_TOO_LONG),
        };
        match command {
            Ok(command) => self.run(command),
            Err(reply) if reply.code() == 421 => {
                self.close_with(&reply);
                Progress::Made
            }
            Err(reply) => {
                self.refuse_here(&reply);
                Progress::Made
            }
        }
    }

    /// The next line, if it is there.
    pub(super) fn next_line(&mut self) -> Option<Framed> {
        let mut rest = &self.input[self.used..];
        let framed = self.framer.next(&mut rest);
        let used = self.input.len() - self.used - rest.len();
        self.consume(used);
        if framed.is_some() {
            self.idle_since = self.now;
        }
        framed
    }

    /// Runs a command, where the table of facts allows it.
    fn run(&mut self, command: Command) -> Progress {
        let facts = command.verb().facts();
        if facts.dialect.is_some_and(|dialect| dialect != self.dialect) {
            self.refuse_here(&replies::wrong_dialect(facts.verb));
            return Progress::Made;
        }
        if facts.verb == Verb::Data && self.hurries() {
            tracing::info!(peer = %self.peer.origin, "did not wait for 354");
            self.abandon();
            self.close_with(&replies::GO_AHEAD_COMES_FIRST);
            return Progress::Made;
        }
        let stage = self.stage();
        // The hello that begins a session is none.
        let is_first_hello = stage == Stage::Fresh && facts.verb.is_hello();
        if facts.junk && !is_first_hello {
            self.junk_commands += 1;
            if self.junk_commands > self.limits.junk_commands {
                self.close_with(&replies::TOO_MUCH_JUNK);
                return Progress::Made;
            }
        }
        if !facts.stages.contains(&stage) {
            self.refuse_here(&replies::out_of_sequence(facts.verb, stage));
            return Progress::Made;
        }
        match command {
            Command::Helo(name) => self.hello(Client { name, extended: false }),
            Command::Ehlo(name) | Command::Lhlo(name) => self.hello(Client { name, extended: true }),
            Command::Mail(reverse_path, parameters) => return self.mail(reverse_path, parameters),
            Command::Rcpt(path, parameters) => return self.rcpt(path, parameters),
            Command::Data => return self.data(),
            Command::Bdat(chunk) => return self.bdat(chunk),
            Command::Rset => self.reset(),
            Command::Noop => self.say(&replies::NOTHING_DONE),
            Command::Vrfy => self.say(&replies::NOT_VERIFIED),
            Command::Help => self.say(&replies::help(self.dialect)),
            Command::Quit => self.close_with(&replies::GOODBYE),
            Command::StartTls => self.start_tls(),
            Command::Auth(arguments) => self.auth(&arguments),
        }
        Progress::Made
    }

    /// RFC 5321 §4.1.1.5: back to where hello left us.
    fn reset(&mut self) {
        self.say(&replies::RESET);
        self.abandon();
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Transaction(envelope) => State::Introduced(envelope.client),
            State::Chunks(reception, _) => State::Introduced(reception.envelope.client.clone()),
            State::Failed(client, _) => State::Introduced(client),
            state => state,
        };
    }

    /// Tells the driver, where it knows of a transaction.
    pub(super) fn abandon(&mut self) {
        self.abandons |= matches!(self.state, State::Transaction(_) | State::Chunks(..));
    }

    /// RFC 5321 §4.1.1.2.
    fn mail(&mut self, reverse_path: Option<Path>, parameters: MailParameters) -> Progress {
        if let Some(reply) = self.login_missing().or_else(|| self.refused_of_mail(&parameters)) {
            self.refuse_here(&reply);
            return Progress::Made;
        }
        if parameters.size.is_some_and(|size| size > self.limits.message_size) {
            self.refuse_here(&replies::TOO_LARGE);
            return Progress::Made;
        }
        if !parameters.smtputf8 && reverse_path.as_ref().is_some_and(|path| !path.is_ascii()) {
            self.refuse_here(&replies::SENDER_NEEDS_SMTPUTF8);
            return Progress::Made;
        }
        match mem::replace(&mut self.state, State::Closed) {
            State::Introduced(client) => {
                let tls = match &self.peer.tls {
                    Tls::On(parameters) => Some(parameters.clone()),
                    Tls::Offered | Tls::Unavailable => None,
                };
                let (dialect, peer) = (self.dialect, self.peer.origin);
                let (recipients, recipient_parameters) = (Vec::new(), Vec::new());
                let envelope = Arc::new(Envelope {
                    dialect,
                    client,
                    peer,
                    tls,
                    account: self.account.clone(),
                    is_submission: self.peer.terms.needs_login,
                    reverse_path,
                    parameters,
                    recipients,
                    recipient_parameters,
                });
                self.state = State::Vetting(Arc::clone(&envelope));
                return Progress::Asks(Ask::Sender(envelope));
            }
            // The table of facts lets no other state come here.
            state => self.state = state,
        }
        Progress::Made
    }

    /// RFC 5321 §4.1.1.3.
    fn rcpt(&mut self, path: Path, parameters: RcptParameters) -> Progress {
        if let Some(reply) = self.refused_of_rcpt(&parameters) {
            self.refuse_here(&reply);
            return Progress::Made;
        }
        match mem::replace(&mut self.state, State::Closed) {
            State::Transaction(envelope) if envelope.recipients.len() >= self.limits.recipients => {
                self.state = self.refuse(&replies::TOO_MANY_RECIPIENTS, State::Transaction(envelope));
            }
            State::Transaction(envelope) if !envelope.parameters.smtputf8 && !path.is_ascii() => {
                self.state = self.refuse(&replies::RECIPIENT_NEEDS_SMTPUTF8, State::Transaction(envelope));
            }
            State::Transaction(envelope) => {
                let size = envelope.parameters.size;
                self.state = State::Resolving(envelope, path.clone(), parameters);
                return Progress::Asks(Ask::Recipient { path, size });
            }
            // The table of facts lets no other state come here.
            state => self.state = state,
        }
        Progress::Made
    }

    /// RFC 5321 §4.1.1.4.
    fn data(&mut self) -> Progress {
        match mem::replace(&mut self.state, State::Closed) {
            // RFC 2033 §4.2 has LMTP answer 503; RFC 5321 §3.3 lets SMTP.
            State::Transaction(envelope) if envelope.recipients.is_empty() => {
                self.state = self.refuse(&replies::NO_RECIPIENT, State::Transaction(envelope));
            }
            // RFC 3030 §3: binary octets have no line to end on.
            State::Transaction(envelope) if envelope.parameters.body == BodyType::BinaryMime => {
                self.state = self.refuse(&replies::BINARY_NEEDS_BDAT, State::Transaction(envelope));
            }
            State::Transaction(envelope) => return self.open(*envelope, Opening::Data),
            // The table of facts lets no other state come here.
            state => self.state = state,
        }
        Progress::Made
    }

    /// RFC 3030 §2. Whatever becomes of the chunk, its octets are read and are no commands.
    fn bdat(&mut self, chunk: Chunk) -> Progress {
        match mem::replace(&mut self.state, State::Closed) {
            State::Transaction(envelope) if !envelope.recipients.is_empty() => {
                self.open(*envelope, Opening::Chunk(chunk))
            }
            State::Chunks(reception, newlines) => {
                self.state = State::Chunk(self.resumed(reception), newlines, chunk);
                Progress::Made
            }
            State::Transaction(envelope) => {
                // RFC 2033 §4.3: no recipient, no reply to the last chunk.
                self.abandons = true;
                let then = State::Failed(envelope.client, 0);
                self.skip(chunk, replies::NO_RECIPIENT, then)
            }
            state => self.skip(chunk, replies::CHUNK_OUT_OF_PLACE, state),
        }
    }

    /// RFC 3207 §4.
    fn start_tls(&mut self) {
        match self.peer.tls {
            Tls::Unavailable => self.refuse_here(&replies::NO_TLS),
            Tls::On(_) => self.refuse_here(&replies::TLS_IS_ON),
            Tls::Offered => {
                self.say(&replies::READY_FOR_TLS);
                self.abandon();
                self.discard_input();
                self.state = State::Handshake;
            }
        }
    }
}
