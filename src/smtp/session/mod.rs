//! The session: a state machine between the octets of one client and the answers of whoever stores its mail.
//!
//! The driver hands in what arrives ([`Session::receive`]), does what [`Session::poll`] says, one [`Step`] at a time,
//! and answers what is asked ([`Session::answer`]). The same octets give the same conversation however they were
//! split. Time comes in as an argument; [`Session::next_timeout`] says when patience ends.
//!
//! What holds here:
//! - A message is accepted only on the word of the driver: no positive reply before its answer to [`Ask::Deliver`].
//! - Commands are read in the order in which they came, and nothing is read ahead: a command behind one that waits for
//!   an answer waits too (RFC 2920 §3.2). Replies leave together when there is nothing more to read.
//! - After STARTTLS every octet received in the clear is dropped, and what was said before is forgotten
//!   (RFC 3207 §4.2).
//! - A client that errs waits for its reply ([`Step::Pause`]), and what it sent ahead waits too.
//! - Memory: what one `receive` brought, one line of a command or a login, replies up to 16 KiB, the envelope. A body is
//!   never here.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{Pace, Reception};
use super::command::{Chunk, Stage};
use super::parameters::{MailParameters, RcptParameters};
use super::path::Path;
use super::{Dialect, Haste, Limits, Reply, Terms, replies};
use crate::auth::Origin;
use crate::wire::dot;
use crate::wire::line::Framer;
use crate::wire::newline::Newlines;

mod auth;
mod commands;
mod hello;
mod message;
#[cfg(test)]
mod tests;

pub use auth::{Claim, Judged};

/// Replies are sent when this many octets wait, even if more commands are there to be read: a client that pipelines
/// without reading does not fill our memory.
const OUTPUT_OCTETS: usize = 16 * 1024;

/// With this octet TLS begins (RFC 8446 §5.1), and no command.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// Who is at the other end, as far as the driver knows.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub origin: Origin,
    /// Whether the connection is encrypted.
    pub tls: Tls,
    /// What it is offered beside the rest.
    pub terms: Terms,
}

/// Whether a connection is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// No, and it can't be: none is configured.
    Unavailable,
    /// Not yet: STARTTLS is offered.
    Offered,
    /// Yes: version and cipher suite, for trace headers.
    On(String),
}

/// What the client said it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The name it gave.
    pub name: String,
    /// Whether it said EHLO or LHLO, not HELO.
    pub extended: bool,
}

/// Everything about a message that is not in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// How it came.
    pub dialect: Dialect,
    /// From whom it came, by name.
    pub client: Client,
    /// From where it came.
    pub peer: Origin,
    /// TLS version and cipher suite.
    pub tls: Option<String>,
    /// The name of the account whose owner has logged in to send it (RFC 4954).
    pub account: Option<Arc<str>>,
    /// It came in at a port for submission (RFC 6409).
    pub is_submission: bool,
    /// Whom to tell when it can't be delivered; `None` is the null path.
    pub reverse_path: Option<Path>,
    /// What MAIL said about it.
    pub parameters: MailParameters,
    /// The accepted recipients, in the order in which they came; the same one may be there twice.
    pub recipients: Vec<Path>,
    /// What RCPT said about each of them, in the same order.
    pub recipient_parameters: Vec<RcptParameters>,
}

/// What the driver is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read from the client, until [`Session::next_timeout`].
    NeedInput,
    /// Write this to the client.
    Write(Vec<u8>),
    /// Find this out, and [`Session::answer`].
    Ask(Ask),
    /// The transaction is over without a delivery: forget its recipients and what was stored of its message.
    Abandon,
    /// Wait until then, or until the client has gone, and [`Session::resume`]. Nothing need be read meanwhile.
    Pause(Instant),
    /// Drop what else was received, do the TLS handshake, then call [`Session::tls_started`].
    StartTls,
    /// Close the connection.
    Close,
}

/// What somebody has done for its place, when places are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not said hello.
    Stranger,
    /// It has, and nothing more, or its message is stored.
    Introduced,
    /// It has a transaction, or has logged in.
    Busy,
}

/// What only the driver can know. A refusal is the reply for the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Is mail taken from this sender now? If so, a transaction begins. The envelope has no recipient yet, and is the one
    /// that [`Ask::Recipient`] and [`Ask::Open`] belong to: the driver may keep it. What is refused leaves no transaction,
    /// so no [`Step::Abandon`] follows.
    Sender(Arc<Envelope>),
    /// Is this somebody here, and has room? If so, it is the transaction's next recipient.
    Recipient {
        /// Who.
        path: Path,
        /// How large the message is said to be (RFC 1870 §5).
        size: Option<u64>,
    },
    /// Can a message be taken now? If so, its octets follow.
    Open(Arc<Envelope>),
    /// Keep these octets: the next of the message.
    Store(Vec<u8>),
    /// The message is complete. Yes means: it is on disk, for every recipient. [`Session::delivered`] takes the answer too.
    Deliver,
    /// Who is it? [`Session::authenticated`] takes the answer.
    Authenticate(Claim),
}

/// How far the conversation is. Each state carries what must be known in it.
#[derive(Debug)]
enum State {
    /// The greeting is held back until then.
    Silent(Instant),
    /// Nobody said hello, or TLS has just begun.
    Fresh,
    /// No transaction is open.
    Introduced(Client),
    /// A login is going on.
    Authenticating(Client, auth::Stage),
    /// The driver looks whether it takes mail from this sender.
    Vetting(Arc<Envelope>),
    /// MAIL was accepted, and so were the recipients that are in the envelope.
    Transaction(Box<Envelope>),
    /// The driver looks for this recipient.
    Resolving(Box<Envelope>, Path, RcptParameters),
    /// The driver prepares to store what DATA or BDAT will bring.
    Opening(Arc<Envelope>, Opening),
    /// The octets that come are the message, up to CRLF.CRLF.
    Data(Box<Reception>, dot::Decoder),
    /// The octets that come are the message, as many as the chunk has left.
    Chunk(Box<Reception>, Newlines, Chunk),
    /// A chunk has come; commands are read until the next BDAT.
    Chunks(Box<Reception>, Newlines),
    /// The driver stores the message.
    Delivering(Arc<Envelope>),
    /// A chunk was refused before the last one: RFC 3030 §2 wants RSET. LMTP still owes as many replies to the last
    /// chunk (RFC 2033 §4.3).
    Failed(Client, usize),
    /// The octets that come are a refused chunk; then this reply is due so often.
    Skipping { left: u64, pace: Pace, reply: Reply, times: usize, then: Box<State> },
    /// The driver does the TLS handshake.
    Handshake,
    /// All is said.
    Closed,
}

/// What is waited for before a message can be received.
#[derive(Clone, Copy, Debug)]
enum Opening {
    Data,
    Chunk(Chunk),
}

/// What a part of the machine did.
enum Progress {
    /// Something: look again.
    Made,
    /// Nothing: there is no more input.
    Stalled,
    /// It must know something.
    Asks(Ask),
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    hostname: Arc<str>,
    limits: Arc<Limits>,
    peer: Peer,
    state: State,
    framer: Framer,
    input: Vec<u8>,
    /// How much of `input` is done with.
    used: usize,
    output: Vec<u8>,
    /// The driver was asked, and has not answered.
    asked: bool,
    /// The driver is to forget the transaction.
    abandons: bool,
    /// A message was answered: its sender is not to wait for what it sent ahead (RFC 2033 §5).
    flushes: bool,
    /// Whether anything was read: TLS is looked for in the first octet only.
    has_read: bool,
    errors: u32,
    /// Errors since the driver asked for them.
    errors_untold: u32,
    junk_commands: u32,
    /// A reply that waits, and until when.
    late: Option<(Vec<u8>, Instant)>,
    /// The account whose owner has logged in.
    account: Option<Arc<str>>,
    login_failures: u32,
    /// The latest time we know.
    now: Instant,
    /// When the last command or answer came.
    idle_since: Instant,
}

impl Session {
    /// A session that is about to greet its client.
    pub fn new(dialect: Dialect, hostname: Arc<str>, peer: Peer, limits: Arc<Limits>, now: Instant) -> Self {
        let framer = Framer::new(limits.command_line);
        let mut session = Self {
            dialect,
            hostname,
            limits,
            peer,
            state: State::Fresh,
            framer,
            input: Vec::new(),
            used: 0,
            output: Vec::new(),
            asked: false,
            abandons: false,
            flushes: false,
            has_read: false,
            errors: 0,
            errors_untold: 0,
            junk_commands: 0,
            late: None,
            account: None,
            login_failures: 0,
            now,
            idle_since: now,
        };
        session.framer.set_limit(session.line_octets());
        match session.peer.terms.haste {
            Haste::Tolerated => session.greet(),
            Haste::Refused { greeting_delay } => session.state = State::Silent(now + greeting_delay),
        }
        session
    }

    /// Octets have arrived.
    pub fn receive(&mut self, octets: &[u8], now: Instant) {
        self.now = now;
        match &mut self.state {
            // RFC 3207 §4.2: what is received in the clear behind STARTTLS does not survive it.
            State::Handshake | State::Closed => return,
            State::Data(reception, _) | State::Chunk(reception, ..) => {
                reception.pace.received(octets.len(), now, &self.limits);
            }
            State::Skipping { pace, .. } => pace.received(octets.len(), now, &self.limits),
            _ => {}
        }
        self.input.extend_from_slice(octets);
    }

    /// What is to be done now. After [`Step::Ask`] comes [`Session::answer`], after [`Step::StartTls`]
    /// [`Session::tls_started`], after [`Step::Close`] nothing.
    pub fn poll(&mut self) -> Step {
        loop {
            if mem::take(&mut self.abandons) {
                return Step::Abandon;
            }
            if mem::take(&mut self.flushes) || self.output.len() >= OUTPUT_OCTETS {
                return Step::Write(mem::take(&mut self.output));
            }
            if let Some((_, until)) = &self.late {
                let until = *until;
                // What was said before goes out before.
                return if self.output.is_empty() {
                    Step::Pause(until)
                } else {
                    Step::Write(mem::take(&mut self.output))
                };
            }
            match self.advance() {
                Progress::Made => {}
                Progress::Asks(ask) => {
                    self.asked = true;
                    return Step::Ask(ask);
                }
                Progress::Stalled if self.abandons => {}
                Progress::Stalled if !self.output.is_empty() => return Step::Write(mem::take(&mut self.output)),
                Progress::Stalled => {
                    return match self.state {
                        State::Closed => Step::Close,
                        State::Handshake => Step::StartTls,
                        _ => Step::NeedInput,
                    };
                }
            }
        }
    }

    /// The answer to [`Ask::Deliver`]: the message is stored, or for nobody. Stored, it may still be refused to some of the
    /// recipients, in LMTP, which has an answer for each (RFC 2033 §4.2).
    pub fn delivered(&mut self, outcome: Result<Vec<Option<Reply>>, Reply>, now: Instant) {
        let refusals = match outcome {
            Ok(refusals) if refusals.iter().any(Option::is_some) => refusals,
            Ok(_) => return self.answer(Ok(()), now),
            Err(reply) => return self.answer(Err(reply), now),
        };
        let State::Delivering(envelope) = &self.state else { return };
        let client = envelope.client.clone();
        // It brought mail; that some have no room is not its fault.
        self.errors = 0;
        self.junk_commands = 0;
        self.now = now;
        self.asked = false;
        self.idle_since = now;
        for refusal in refusals {
            self.say(&refusal.unwrap_or(replies::STORED));
        }
        self.flushes = true;
        self.state = State::Introduced(client);
    }

    /// The answer to the last [`Step::Ask`]: yes, or the reply that tells the client why not.
    pub fn answer(&mut self, answer: Result<(), Reply>, now: Instant) {
        let asked_at = mem::replace(&mut self.now, now);
        self.asked = false;
        self.idle_since = now;
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::Vetting(envelope) => match answer {
                Ok(()) => {
                    self.say(&replies::SENDER_OK);
                    State::Transaction(Box::new(Arc::unwrap_or_clone(envelope)))
                }
                Err(reply) => self.refuse(&reply, State::Introduced(envelope.client.clone())),
            },
            State::Resolving(mut envelope, path, parameters) => match answer {
                Ok(()) => {
                    envelope.recipients.push(path);
                    envelope.recipient_parameters.push(parameters);
                    self.say(&replies::RECIPIENT_OK);
                    State::Transaction(envelope)
                }
                Err(reply) => self.refuse(&reply, State::Transaction(envelope)),
            },
            State::Opening(envelope, opening) => self.opened(envelope, opening, answer),
            State::Data(mut reception, decoder) => {
                self.stored(&mut reception, answer, asked_at);
                State::Data(reception, decoder)
            }
            State::Chunk(mut reception, newlines, chunk) => {
                self.stored(&mut reception, answer, asked_at);
                State::Chunk(reception, newlines, chunk)
            }
            State::Delivering(envelope) => match answer {
                Ok(()) => {
                    // Whoever brings mail may err again.
                    self.errors = 0;
                    self.junk_commands = 0;
                    self.conclude(&envelope, &replies::STORED)
                }
                Err(reply) => self.conclude(&envelope, &reply),
            },
            // Nothing was asked.
            state => state,
        };
    }

    /// The TLS handshake is done, and this is who is at the other end now.
    pub fn tls_started(&mut self, peer: Peer, now: Instant) {
        self.now = now;
        self.idle_since = now;
        self.peer = peer;
        self.account = None;
        self.state = State::Fresh;
        self.framer = Framer::new(self.line_octets());
        self.has_read = false;
    }

    /// When the driver, waiting for input, should call [`Session::timed_out`]. `None`: never, since it does not wait
    /// for the client.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            _ if self.asked => None,
            State::Handshake | State::Closed => None,
            State::Silent(until) => Some(*until),
            State::Data(reception, _) | State::Chunk(reception, ..) => Some(reception.pace.deadline(&self.limits)),
            State::Skipping { pace, .. } => Some(pace.deadline(&self.limits)),
            _ => Some(self.idle_since + self.limits.command_timeout),
        }
    }

    /// The pause is over.
    pub fn resume(&mut self, now: Instant) {
        self.now = now;
        self.idle_since = now;
        if let Some((reply, _)) = self.late.take() {
            self.output.extend(reply);
        }
    }

    /// How many errors the client has made since this was last asked.
    pub fn take_errors(&mut self) -> u32 {
        mem::take(&mut self.errors_untold)
    }

    /// What the client has done for its place.
    pub fn standing(&self) -> Standing {
        match &self.state {
            _ if self.is_authenticated() => Standing::Busy,
            State::Silent(_) | State::Fresh | State::Handshake | State::Closed => Standing::Stranger,
            State::Introduced(_) | State::Authenticating(..) | State::Failed(..) => Standing::Introduced,
            _ => Standing::Busy,
        }
    }

    /// Whether somebody has logged in to send.
    pub fn is_authenticated(&self) -> bool {
        self.account.is_some()
    }

    /// Other limits from now on: patience depends on how many others wait.
    pub fn set_limits(&mut self, limits: Arc<Limits>) {
        self.limits = limits;
    }

    /// The driver has had enough of the client. To be called where [`Session::shut_down`] may be.
    pub fn dismiss(&mut self, reply: &Reply) {
        self.close_with(reply);
    }

    /// The client took too long, or it is time for the greeting.
    pub fn timed_out(&mut self) {
        if let State::Silent(until) = self.state {
            self.state = State::Fresh;
            self.idle_since = until;
            return self.greet();
        }
        self.close_with(&replies::TOO_SLOW);
    }

    /// The server stops. A message whose end has come is not in question: the driver calls this only when it would
    /// wait for the client (RFC 5321 §3.8).
    pub fn shut_down(&mut self) {
        self.close_with(&replies::SHUTTING_DOWN);
    }

    /// One step forward.
    fn advance(&mut self) -> Progress {
        if self.asked {
            return Progress::Stalled;
        }
        match mem::replace(&mut self.state, State::Closed) {
            State::Data(reception, decoder) => self.advance_data(reception, decoder),
            State::Chunk(reception, newlines, chunk) => self.advance_chunk(reception, newlines, chunk),
            State::Skipping { left, pace, reply, times, then } => self.advance_skipping(left, pace, reply, times, then),
            State::Silent(until) => self.advance_silence(until),
            State::Authenticating(client, stage) => self.advance_exchange(client, stage),
            state @ (State::Handshake | State::Closed) => {
                self.discard_input();
                self.state = state;
                Progress::Stalled
            }
            state => {
                self.state = state;
                self.advance_line()
            }
        }
    }

    /// Whether commands are there, or the beginning of one, that have not been run.
    pub fn has_unread(&self) -> bool {
        !self.unread().is_empty()
    }

    /// What has arrived and is not done with.
    fn unread(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// That many octets of what is unread are done with. An idle session holds no buffer.
    fn consume(&mut self, octets: usize) {
        self.used += octets;
        if self.used >= self.input.len() {
            self.discard_input();
        }
    }

    /// All of it is done with.
    fn discard_input(&mut self) {
        self.input = Vec::new();
        self.used = 0;
    }

    fn say(&mut self, reply: &Reply) {
        reply.print(&mut self.output);
    }

    /// Says no; the state stays.
    fn refuse_here(&mut self, reply: &Reply) {
        let state = mem::replace(&mut self.state, State::Closed);
        self.state = self.refuse(reply, state);
    }

    /// Says no and goes on in `then`, unless the client has erred too often.
    fn refuse(&mut self, reply: &Reply, then: State) -> State {
        self.refuse_times(reply, 1, then)
    }

    /// Says `reply` so often. A permanent refusal counts as one error, and the one too many is answered with 421; a
    /// temporary one is not the client's fault.
    fn refuse_times(&mut self, reply: &Reply, times: usize, then: State) -> State {
        if reply.is_permanent_refusal() {
            tracing::debug!(peer = %self.peer.origin, code = reply.code(), text = reply.text(), "refused");
            self.errors += 1;
            self.errors_untold = self.errors_untold.saturating_add(1);
            if self.errors >= self.limits.errors {
                self.say(&replies::TOO_MANY_ERRORS);
                return State::Closed;
            }
        }
        let delay = if reply.is_permanent_refusal() { self.limits.tarpit.delay(self.errors) } else { Duration::ZERO };
        let mut late = Vec::new();
        let output = if delay.is_zero() { &mut self.output } else { &mut late };
        (0..times).for_each(|_| reply.print(output));
        if !delay.is_zero() {
            self.late = Some((late, self.now + delay));
        }
        then
    }

    /// The last word.
    fn close_with(&mut self, reply: &Reply) {
        if let Some((late, _)) = self.late.take() {
            self.output.extend(late);
        }
        if !matches!(self.state, State::Handshake) {
            self.say(reply);
        }
        self.discard_input();
        self.state = State::Closed;
    }

    /// How far the conversation is, for the table of facts.
    fn stage(&self) -> Stage {
        match &self.state {
            State::Introduced(_) => Stage::Introduced,
            State::Transaction(_) => Stage::Transaction,
            State::Chunks(..) => Stage::Chunks,
            State::Failed(..) => Stage::Failed,
            // In the other states no command is read.
            _ => Stage::Fresh,
        }
    }
}
