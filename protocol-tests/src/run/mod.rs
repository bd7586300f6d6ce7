//! One transcript against one server.
//!
//! [`connect`] opens connections, [`send`] is what the client says, [`setup`] what happens beside the conversation,
//! [`arrived`] waits for what a relay passes on.

mod arrived;
mod connect;
mod send;
mod setup;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use tokio::time::Instant;

use crate::bindings::Bindings;
use crate::connection::{Arrival, Connection, HandshakeError, Log, Segments, printable};
use crate::expect::{self, Context, Failure, Measured};
use crate::outcome::{Broken, Ended, Figure, Outcome};
use crate::subject::Subject;
use crate::transcript::{Action, Step, Transcript};

/// No single transcript takes longer; one that does hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs a transcript with accounts of its own. What it sends goes out in these segments.
pub async fn transcript(transcript: &Transcript, subject: &Subject, segments: Segments) -> Ended {
    match subject.lacks(&transcript.needs).await {
        Ok(None) if subject.give_rules.is_none() && transcript.has_rules() => {
            return Outcome::NotOffered("rules".to_owned()).into();
        }
        Ok(None) => {}
        Ok(Some(lacking)) => return Outcome::NotOffered(lacking).into(),
        Err(error) => return Outcome::Failed(Broken::before(format!("asking what the server offers: {error}"))).into(),
    }
    let mut run = Run {
        subject,
        connections: HashMap::new(),
        bindings: Bindings::default(),
        log: Log::default(),
        line: 0,
        peer: subject.fresh_peer(),
        segments,
        longest_sending: 0,
        ended: false,
        timed: transcript.is_timed(),
        answered: HashMap::new(),
        measured: Measured::default(),
    };
    let longest = LONGEST.mul_f64(subject.patience);
    let result = match tokio::time::timeout(longest, run.all(transcript)).await {
        Ok(result) => result,
        Err(_) => Err(run.fail(format!("not done after {longest:?}"))),
    };
    let source = |line: usize| {
        line.checked_sub(1).and_then(|at| transcript.lines.get(at)).map_or("", |line| line.trim()).to_owned()
    };
    let outcome = match result {
        Ok(()) => Outcome::Passed,
        Err(Failure { line, got }) => Outcome::Failed(Broken { line, expected: source(line), got }),
    };
    let figures = run.measured.into_iter().map(|(line, samples)| Figure { line, what: source(line), samples });
    Ended { outcome, conversation: run.log.0, figures: figures.collect(), longest_sending: run.longest_sending }
}

struct Run<'a> {
    subject: &'a Subject,
    connections: HashMap<String, Connection>,
    bindings: Bindings,
    log: Log,
    line: usize,
    peer: IpAddr,
    segments: Segments,
    /// In octets.
    longest_sending: usize,
    /// The server has ended a conversation that it was allowed to end: nothing more can be shown.
    ended: bool,
    /// Something is measured: connections are listened to while others are at work.
    timed: bool,
    /// When each connection, and what happens beside them, had its last answer.
    answered: HashMap<String, Instant>,
    measured: Measured,
}

/// Listens to connections that nobody reads from just now, for as long as it is asked to.
async fn listen(mut connections: Vec<&mut Connection>) -> std::convert::Infallible {
    std::future::poll_fn(|context| {
        for connection in &mut connections {
            connection.listen(context);
        }
        std::task::Poll::Pending
    })
    .await
}

impl Run<'_> {
    async fn all(&mut self, transcript: &Transcript) -> Result<(), Failure> {
        self.accounts(&transcript.users).await.map_err(|error| Failure::at(1, error))?;
        self.steps(&transcript.steps).await
    }

    async fn accounts(&mut self, users: &[String]) -> Result<(), String> {
        for name in std::iter::once("user").chain(users.iter().map(String::as_str)) {
            let address = self.subject.fresh_user().await?;
            self.bindings.set(name, address.as_str());
            let plain = if name == "user" { "plain".to_owned() } else { format!("{name}_plain") };
            self.bindings.set(&plain, self.subject.sasl_plain(&address));
        }
        if let Some(Some((local, domain))) = self.bindings.fill("$user").ok().map(|user| at_sign(&user)) {
            self.bindings.set("local", local);
            self.bindings.set("domain", domain);
        }
        self.bindings.set("password", self.subject.password.as_str());
        let user = self.bindings.get("user").unwrap_or_default().to_vec();
        self.bindings.set("user_base64", base64(&user));
        self.bindings.set("password_base64", base64(self.subject.password.as_bytes()));
        Ok(())
    }

    async fn steps(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            if self.ended {
                break;
            }
            self.line = step.line;
            Box::pin(self.step(&step.action)).await?;
        }
        Ok(())
    }

    async fn step(&mut self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Connect(connect) => self.connect(connect).await,
            Action::Disconnect(name) => {
                self.connections.remove(name);
                Ok(())
            }
            Action::Finish(name) => {
                let line = self.line;
                self.connection(name)?.finish().await.map_err(|e| Failure::at(line, e))
            }
            Action::Handshake { connection, or_end } => {
                let line = self.line;
                match self.connection(connection)?.handshake().await {
                    Err(HandshakeError::Ended(_)) if *or_end => self.ended = true,
                    result => result.map_err(|e| Failure::at(line, e.to_string()))?,
                }
                Ok(())
            }
            Action::Compress { connection, on } => {
                let line = self.line;
                self.connection(connection)?.compress(*on).map_err(|e| Failure::at(line, e))
            }
            Action::Send { connection, what, split } => self.send(connection, what, *split).await,
            Action::Expect { connection, block } => {
                let subject = self.subject;
                let others = self.answered.iter().filter(|(name, _)| *name != connection);
                let cause = others.map(|(_, moment)| *moment).max();
                let (found, others) = with_others(&mut self.connections, connection, self.timed);
                let found = found.ok_or_else(|| Failure::at(block[0].0, "the connection is closed"))?;
                let deadline = || subject.deadline();
                let mut context = Context {
                    bindings: &mut self.bindings,
                    log: &mut self.log,
                    deadline: &deadline,
                    cause,
                    measured: &mut self.measured,
                };
                tokio::select! {
                    biased;
                    never = listen(others) => match never {},
                    met = expect::block(found, block, &mut context) => met?,
                }
                if let Some(moment) = found.answered {
                    self.answered.insert(connection.clone(), moment);
                }
                Ok(())
            }
            Action::Deliver { message, to, by } => self.deliver(message, to, *by).await,
            Action::Arrived { messages, of, mailbox } => self.arrived(*messages, of, mailbox).await,
            Action::Append { message, arguments } => self.append(message, arguments).await,
            Action::Rules { of, script } => self.rules(of, script).await,
            Action::Check { left, operator, right } => self.check(left, operator, right),
            Action::Repeat { times, steps } => {
                for i in 1..=*times {
                    self.bindings.set("i", i.to_string());
                    self.steps(steps).await?;
                }
                Ok(())
            }
        }
    }

    fn fail(&self, got: impl Into<String>) -> Failure {
        Failure::at(self.line, got)
    }

    fn fill(&self, text: &str) -> Result<Vec<u8>, Failure> {
        self.bindings.fill(text).map_err(|e| self.fail(e))
    }

    fn connection(&mut self, name: &str) -> Result<&mut Connection, Failure> {
        let line = self.line;
        self.connections.get_mut(name).ok_or_else(|| Failure::at(line, "the connection is closed"))
    }

    async fn receive(&mut self, name: &str, deadline: Instant) -> Result<Arrival, Failure> {
        let line = self.line;
        let (found, others) = with_others(&mut self.connections, name, self.timed);
        let connection = found.ok_or_else(|| Failure::at(line, "the connection is closed"))?;
        tokio::select! {
            biased;
            never = listen(others) => match never {},
            arrival = expect::receive(connection, line, deadline, &mut self.log) => arrival,
        }
    }

    fn check(&mut self, left: &str, operator: &str, right: &str) -> Result<(), Failure> {
        let (left, right) = (self.fill(left)?, self.fill(right)?);
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|n| n.parse::<u64>().ok());
        let holds = match operator {
            "=" => left == right,
            "!=" => left != right,
            _ => matches!((number(&left), number(&right)), (Some(left), Some(right)) if left < right),
        };
        if holds {
            return Ok(());
        }
        Err(self.fail(format!("{} and {}", printable(&left), printable(&right))))
    }
}

/// A connection, and the others where they are listened to meanwhile.
fn with_others<'c>(
    connections: &'c mut HashMap<String, Connection>,
    name: &str,
    listens: bool,
) -> (Option<&'c mut Connection>, Vec<&'c mut Connection>) {
    let (mut found, mut others) = (None, Vec::new());
    for (known, connection) in connections {
        match known == name {
            true => found = Some(connection),
            false if listens => others.push(connection),
            false => {}
        }
    }
    (found, others)
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The two sides of an address.
fn at_sign(address: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = address.iter().rposition(|&b| b == b'@')?;
    Some((address[..at].to_vec(), address[at + 1..].to_vec()))
}
