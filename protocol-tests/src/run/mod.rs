//! One transcript against one server.
//!
//! [`connect`] opens connections, [`send`] is what the client says, [`setup`] what happens beside the conversation,
//! [`arrived`] waits for what a relay passes on.

mod arrived;
mod connect;
mod send;
mod setup;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use tokio::time::Instant;

use crate::bindings::Bindings;
use crate::connection::{Arrival, Connection, HandshakeError, Log, Segments, printable};
use crate::expect::{self, Context, Failure, Measured};
use crate::outcome::{Broken, Ended, Figure, Outcome};
use crate::subject::Subject;
use crate::transcript::{Action, Language, Service, Step, Transcript};

/// No single transcript takes longer; one that does hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// Runs a transcript with accounts of its own. What it sends goes out in these segments.
pub async fn transcript(transcript: &Transcript, subject: &Subject, segments: Segments) -> Ended {
    match subject.lacks(transcript).await {
        Ok(None) => {}
        Ok(Some(lacking)) => return Outcome::NotOffered(lacking).into(),
        Err(error) => return Outcome::Failed(Broken::before(format!("asking what the server offers: {error}"))).into(),
    }
    let accounts = match subject.accounts(1 + transcript.users.len()).await {
        Ok(accounts) => accounts,
        Err(error) => return Outcome::Failed(Broken::before(format!("no account to run with: {error}"))).into(),
    };
    let unwaited_octets_max = match unwaited_octets_max(transcript, subject).await {
        Ok(octets) => octets,
        Err(error) => return Outcome::Failed(Broken::before(format!("asking what the server offers: {error}"))).into(),
    };
    let mut run = Run {
        subject,
        connections: HashMap::new(),
        bindings: Bindings::default(),
        log: Log::default(),
        line: 0,
        peer: subject.fresh_peer(),
        segments,
        places: BTreeSet::new(),
        ended: false,
        timed: transcript.is_timed(),
        unwaited_octets_max,
        about_tls: transcript.is_about_tls(),
        addresses: None,
        answered: HashMap::new(),
        measured: Measured::default(),
    };
    let longest = LONGEST.mul_f64(subject.patience);
    let result = match tokio::time::timeout(longest, run.all(transcript, &accounts.names)).await {
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
    Ended { outcome, conversation: run.log.0, figures: figures.collect(), places: run.places }
}

/// The longest literal that need not wait for its `+`, of those that a transcript does not let wait (RFC 7888 §4, §5).
async fn unwaited_octets_max(transcript: &Transcript, subject: &Subject) -> Result<usize, String> {
    if !transcript.has_plus_literals() {
        return Ok(0);
    }
    let offered = subject.offered(Service::Imap).await?;
    let offers = |word: &str| offered.iter().any(|w| w == word);
    Ok(match (offers("LITERAL+"), offers("LITERAL-")) {
        (true, _) => usize::MAX,
        (_, true) => 4096,
        _ => 0,
    })
}

struct Run<'a> {
    subject: &'a Subject,
    connections: HashMap<String, Connection>,
    bindings: Bindings,
    log: Log,
    line: usize,
    peer: IpAddr,
    segments: Segments,
    /// Where what it sends can be cut.
    places: BTreeSet<usize>,
    /// The server has ended a conversation that it was allowed to end: nothing more can be shown.
    ended: bool,
    /// Something is measured: connections are listened to while others are at work.
    timed: bool,
    /// The longest literal that the server takes without having said `+`.
    unwaited_octets_max: usize,
    /// It is about STARTTLS: nobody else begins TLS.
    about_tls: bool,
    /// The same names as on other connections, but for the accounts' names, which are mail addresses where SMTP is spoken;
    /// `None` where an account's name is its address.
    addresses: Option<Vec<(String, Vec<u8>)>>,
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
    async fn all(&mut self, transcript: &Transcript, accounts: &[String]) -> Result<(), Failure> {
        self.accounts(&transcript.users, accounts);
        self.steps(&transcript.steps).await
    }

    /// Gives the names of accounts their values.
    fn accounts(&mut self, users: &[String], accounts: &[String]) {
        let mut addresses = Vec::new();
        for (name, account) in std::iter::once("user").chain(users.iter().map(String::as_str)).zip(accounts) {
            self.bindings.set(name, account.as_str());
            let plain = if name == "user" { "plain".to_owned() } else { format!("{name}_plain") };
            self.bindings.set(&plain, self.subject.sasl_plain(account));
            let address = self.subject.address_of(account);
            if let (true, Some((local, domain))) = (name == "user", address.rsplit_once('@')) {
                self.bindings.set("local", local);
                self.bindings.set("domain", domain);
            }
            let name_of_address = if name == "user" { "address".to_owned() } else { format!("{name}_address") };
            self.bindings.set(&name_of_address, address.as_str());
            addresses.push((name.to_owned(), address.into_bytes()));
        }
        self.addresses = self.subject.address.is_some().then_some(addresses);
        self.bindings.set("password", self.subject.password.as_str());
        let user = self.bindings.get("user").unwrap_or_default().to_vec();
        self.bindings.set("user_base64", base64(&user));
        self.bindings.set("password_base64", base64(self.subject.password.as_bytes()));
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

    /// The same for what is said on a connection: where SMTP is spoken, accounts have mail addresses.
    fn fill_for(&self, connection: &str, text: &str) -> Result<Vec<u8>, Failure> {
        let speaks_smtp = self.connections.get(connection).is_some_and(|c| c.service().language() == Language::Smtp);
        match &self.addresses {
            Some(addresses) if speaks_smtp => {
                let mut bindings = self.bindings.clone();
                for (name, address) in addresses {
                    bindings.set(name, address.as_slice());
                }
                bindings.fill(text).map_err(|e| self.fail(e))
            }
            _ => self.fill(text),
        }
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
