//! One transcript against one server.

mod arrived;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use tokio::time::Instant;

use crate::bindings::Bindings;
use crate::connection::{Arrival, Connection, Entry, HandshakeError, Log, Reply, printable, stuffed};
use crate::expect::{self, Context, Failure};
use crate::imap::value::Kind;
use crate::scram;
use crate::subject::Subject;
use crate::transcript::{Action, Connect, Language, LinePart, RawPart, Sending, Service, Step, Transcript};

/// How a transcript ended.
#[derive(Debug)]
pub enum Outcome {
    /// All of it came true.
    Passed,
    /// The server does not offer what it is about.
    NotOffered(String),
    /// A line did not come true: the report for people.
    Failed(String),
}

/// What is longer than this is never sent octet by octet: a millisecond for each is enough to wait.
const LONGEST_SPLIT: usize = 2_000;

/// How much longer than others a sending octet by octet may take, for each.
const OCTET_SPLIT: Duration = Duration::from_millis(50);

/// Runs a transcript with accounts of its own. With `split` each octet that is sent has a segment of its own.
pub async fn transcript(transcript: &Transcript, subject: &Subject, split: bool) -> Outcome {
    match subject.lacks(&transcript.needs).await {
        Ok(None) if subject.give_rules.is_none() && transcript.has_rules() => {
            return Outcome::NotOffered("rules".to_owned());
        }
        Ok(None) => {}
        Ok(Some(lacking)) => return Outcome::NotOffered(lacking),
        Err(error) => return Outcome::Failed(format!("asking what the server offers: {error}")),
    }
    let mut run = Run {
        subject,
        connections: HashMap::new(),
        bindings: Bindings::default(),
        log: Log::default(),
        line: 0,
        peer: subject.fresh_peer(),
        split,
        ended: false,
    };
    let result = match run.accounts(&transcript.users).await {
        Ok(()) => run.steps(&transcript.steps).await,
        Err(error) => Err(Failure::at(1, error)),
    };
    match result {
        Ok(()) => Outcome::Passed,
        Err(failure) => Outcome::Failed(report(transcript, &run.log, &failure)),
    }
}

/// Where the runner's own APPEND connection is kept: no transcript can call one so.
const SETUP: &str = "(append)";
/// What clients say in EHLO and LHLO.
const CLIENT_NAME: &str = "client.example";
/// The envelope sender of `deliver`.
const SENDER: &str = "sender@example.com";

struct Run<'a> {
    subject: &'a Subject,
    connections: HashMap<String, Connection>,
    bindings: Bindings,
    log: Log,
    line: usize,
    peer: IpAddr,
    split: bool,
    /// The server has ended a conversation that it was allowed to end: nothing more can be shown.
    ended: bool,
}

impl Run<'_> {
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
                let found = self.connections.get_mut(connection);
                let found = found.ok_or_else(|| Failure::at(block[0].0, "the connection is closed"))?;
                let deadline = || subject.deadline();
                let mut context = Context { bindings: &mut self.bindings, log: &mut self.log, deadline: &deadline };
                expect::block(found, block, &mut context).await
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

    async fn connect(&mut self, connect: &Connect) -> Result<(), Failure> {
        let service = connect.service;
        let address =
            *self.subject.addresses.get(&service).ok_or_else(|| self.fail("no such service: name it in `needs:`"))?;
        let language = if connect.raw { Language::Lines } else { service.language() };
        let opening = Connection::open(&connect.connection, address, self.peer, service.is_tls(), language);
        let opened = tokio::time::timeout_at(self.subject.deadline(), opening).await;
        let opened = opened.map_err(|_| self.fail("no connection in time"))?.map_err(|e| self.fail(e))?;
        self.connections.insert(connect.connection.clone(), opened);
        let name = connect.connection.as_str();
        if !connect.raw && !connect.cold {
            self.greeting(name).await?;
        }
        if connect.starttls {
            self.starttls(name, service).await?;
        }
        if connect.ehlo {
            self.exchange(name, &format!("{} {CLIENT_NAME}", hello(service))).await?;
        }
        if let Some(user) = &connect.login {
            let user = self.fill(&format!("${user}"))?;
            let (user, password) = (String::from_utf8_lossy(&user).into_owned(), self.subject.password.clone());
            if language == Language::Pop3 {
                self.exchange(name, &format!("USER {user}")).await?;
                self.exchange(name, &format!("PASS {password}")).await?;
            } else if language == Language::Smtp {
                let plain = self.subject.sasl_plain(&user);
                self.exchange(name, &format!("AUTH PLAIN {plain}")).await?;
            } else {
                self.exchange(name, &format!("L1 LOGIN \"{user}\" \"{password}\"")).await?;
            }
        }
        if let Some((mailbox, read_only)) = &connect.select {
            let command = if *read_only { "EXAMINE" } else { "SELECT" };
            self.exchange(name, &format!("L2 {command} {mailbox}")).await?;
        }
        Ok(())
    }

    async fn greeting(&mut self, name: &str) -> Result<(), Failure> {
        let deadline = self.subject.deadline();
        let line = self.line;
        let arrival = self.receive(name, deadline).await?;
        let good = match &arrival {
            Arrival::Reply(Reply::Imap(response)) => response.word(0).is_some_and(|w| w == "OK" || w == "PREAUTH"),
            Arrival::Reply(Reply::Lines(lines)) => lines[0].starts_with(b"220") || lines[0].starts_with(b"+OK"),
            _ => false,
        };
        if good { Ok(()) } else { Err(Failure::at(line, format!("no friendly greeting: {arrival:?}"))) }
    }

    async fn starttls(&mut self, name: &str, service: Service) -> Result<(), Failure> {
        if service.language() == Language::Smtp {
            self.exchange(name, &format!("{} {CLIENT_NAME}", hello(service))).await?;
        }
        let command = match service.language() {
            Language::Imap => "L0 STARTTLS",
            Language::Pop3 => "STLS",
            Language::Smtp | Language::Lines => "STARTTLS",
        };
        self.exchange(name, command).await?;
        let line = self.line;
        self.connection(name)?.handshake().await.map_err(|e| Failure::at(line, e.to_string()))
    }

    async fn receive(&mut self, name: &str, deadline: Instant) -> Result<Arrival, Failure> {
        let line = self.line;
        let connection = self.connections.get_mut(name).ok_or_else(|| Failure::at(line, "the connection is closed"))?;
        expect::receive(connection, line, deadline, &mut self.log).await
    }

    /// A line and its answer, which has to be a good one: what the runner says by itself.
    async fn exchange(&mut self, name: &str, command: &str) -> Result<(), Failure> {
        self.write(name, format!("{command}\r\n").as_bytes(), false).await?;
        let deadline = self.subject.deadline();
        loop {
            match self.receive(name, deadline).await? {
                Arrival::Reply(Reply::Imap(response)) => match response.kind {
                    Kind::Tagged(_) if response.word(0).as_deref() == Some("OK") => return Ok(()),
                    Kind::Tagged(_) => return Err(self.fail(printable(&response.raw))),
                    _ => {}
                },
                Arrival::Reply(Reply::Lines(lines)) => {
                    let good = lines[0].starts_with(b"2") || lines[0].starts_with(b"3") || lines[0].starts_with(b"+OK");
                    let shown = printable(&lines.join(&b"\r\n"[..]));
                    self.connection(name)?.last = lines;
                    return if good { Ok(()) } else { Err(self.fail(shown)) };
                }
                Arrival::End => return Err(self.fail("the end of the stream")),
                Arrival::Nothing => return Err(self.fail(format!("no answer to {command:?} in time"))),
            }
        }
    }

    async fn write(&mut self, name: &str, bytes: &[u8], split: bool) -> Result<(), Failure> {
        let entry = Entry { line: self.line, connection: name.to_owned(), arrow: '→', text: printable(bytes) };
        self.log.0.push(entry);
        let split = split && bytes.len() <= LONGEST_SPLIT;
        // A busy machine lets a millisecond grow to many.
        let octets = if split { bytes.len() } else { 0 };
        let deadline = self.subject.deadline() + OCTET_SPLIT * u32::try_from(octets).unwrap_or(u32::MAX);
        let sent = self.connection(name)?.send(bytes, split, deadline).await;
        sent.map_err(|e| self.fail(e))
    }

    async fn send(&mut self, name: &str, what: &Sending, split: bool) -> Result<(), Failure> {
        // Raw octets are written together because they are meant to arrive together.
        let split = split || (self.split && !matches!(what, Sending::Raw(_)));
        match what {
            Sending::Line(parts) => self.send_line(name, parts, split).await,
            Sending::Raw(parts) => {
                let mut bytes = Vec::new();
                for part in parts {
                    match part {
                        RawPart::Bytes(part) => bytes.extend_from_slice(part),
                        RawPart::Text(text) => bytes.extend(self.fill(text)?),
                    }
                }
                self.write(name, &bytes, split).await
            }
            Sending::Data(message) => self.write(name, &stuffed(message), split).await,
            Sending::Bdat { bytes, last } => {
                let mut out = format!("BDAT {}{}\r\n", bytes.len(), if *last { " LAST" } else { "" }).into_bytes();
                out.extend_from_slice(bytes);
                self.write(name, &out, split).await
            }
        }
    }

    async fn send_line(&mut self, name: &str, parts: &[LinePart], split: bool) -> Result<(), Failure> {
        let mut out = Vec::new();
        for part in parts {
            match part {
                LinePart::Text(text) => out.extend(self.fill(text)?),
                LinePart::Base64(text) => out.extend(base64(&self.fill(text)?).into_bytes()),
                LinePart::Scram { first, challenge, password } => {
                    let (first, challenge) = (self.fill(first)?, self.fill(challenge)?);
                    let password = self.fill(password)?;
                    let channel = self.connection(name)?.channel;
                    let (last, signature) =
                        scram::finish(&first, channel, &challenge, &password).map_err(|e| self.fail(e))?;
                    self.bindings.set("signature", signature);
                    out.extend(last.into_bytes());
                }
                LinePart::Literal { bytes, plus, binary } => {
                    let (tilde, plus_sign) = (if *binary { "~" } else { "" }, if *plus { "+" } else { "" });
                    out.extend(format!("{tilde}{{{}{plus_sign}}}\r\n", bytes.len()).into_bytes());
                    if !plus {
                        self.write(name, &std::mem::take(&mut out), split).await?;
                        self.continuation(name).await?;
                    }
                    out.extend_from_slice(bytes);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        self.write(name, &out, split).await
    }

    /// Waits for the `+` that a synchronising literal waits for (RFC 3501 §7.5).
    async fn continuation(&mut self, name: &str) -> Result<(), Failure> {
        let deadline = self.subject.deadline();
        loop {
            match self.receive(name, deadline).await? {
                Arrival::Reply(Reply::Imap(response)) => match response.kind {
                    Kind::Continuation => return Ok(()),
                    Kind::Untagged => self.connection(name)?.pool.push(response),
                    Kind::Tagged(_) => {
                        return Err(self.fail(format!("the literal is refused: {}", printable(&response.raw))));
                    }
                },
                other => return Err(self.fail(format!("no + for the literal: {other:?}"))),
            }
        }
    }

    async fn deliver(&mut self, message: &[u8], to: &[String], by: Option<Service>) -> Result<(), Failure> {
        let has_smtp = self.subject.addresses.contains_key(&Service::Smtp);
        let service = by.unwrap_or(if has_smtp { Service::Smtp } else { Service::Lmtp });
        let main = ["user".to_owned()];
        let to = if to.is_empty() { &main[..] } else { to };
        let before = if service == Service::Smtp { self.before_relaying(to).await? } else { Vec::new() };
        let name = format!("({})", service.name());
        self.connect(&Connect { ehlo: true, ..Connect::to(&name, service) }).await?;
        self.exchange(
            &name,
            &format!("MAIL FROM:<{SENDER}>{}", if message.is_ascii() { "" } else { " BODY=8BITMIME" }),
        )
        .await?;
        let mut recipients = 0;
        for whom in to {
            let address = if whom.contains(['@', '$']) { self.fill(whom)? } else { self.fill(&format!("${whom}"))? };
            self.exchange(&name, &format!("RCPT TO:<{}>", String::from_utf8_lossy(&address))).await?;
            recipients += 1;
        }
        self.exchange(&name, "DATA").await?;
        self.write(&name, &stuffed(message), false).await?;
        // One answer in SMTP, one for each recipient in LMTP (RFC 2033 §4.2).
        for _ in 0..if service == Service::Lmtp { recipients } else { 1 } {
            let deadline = self.subject.deadline();
            match self.receive(&name, deadline).await? {
                Arrival::Reply(Reply::Lines(lines)) if lines[0].starts_with(b"250") => {}
                other => return Err(self.fail(format!("the message is not accepted: {other:?}"))),
            }
        }
        self.exchange(&name, "QUIT").await?;
        self.connections.remove(&name);
        for (user, messages) in before {
            self.arrived(messages + 1, &user, "INBOX").await?;
        }
        Ok(())
    }

    async fn append(&mut self, message: &[u8], arguments: &str) -> Result<(), Failure> {
        if !self.connections.contains_key(SETUP) {
            let login = Some("user".to_owned());
            self.connect(&Connect { login, ..Connect::to(SETUP, Service::Imap) }).await?;
        }
        let header = message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap_or(message.len());
        if !message[..header].is_ascii() {
            // Many servers refuse such a header without it, as RFC 6855 §4 says. Who knows no ENABLE says BAD, and takes it.
            drop(self.exchange(SETUP, "L4 ENABLE UTF8=ACCEPT").await);
        }
        let line = format!("L3 APPEND {arguments} {{{}}}\r\n", message.len());
        self.write(SETUP, line.as_bytes(), false).await?;
        self.continuation(SETUP).await?;
        self.write(SETUP, message, false).await?;
        self.exchange(SETUP, "").await
    }

    async fn rules(&mut self, of: &str, script: &str) -> Result<(), Failure> {
        let give = self.subject.give_rules.as_ref().ok_or_else(|| self.fail("no way to give rules"))?;
        let address = String::from_utf8_lossy(&self.fill(&format!("${of}"))?).into_owned();
        let script = self.fill(script)?;
        give(address, script).await.map_err(|error| self.fail(error))
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

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The two sides of an address.
fn at_sign(address: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = address.iter().rposition(|&b| b == b'@')?;
    Some((address[..at].to_vec(), address[at + 1..].to_vec()))
}

fn hello(service: Service) -> &'static str {
    if service == Service::Lmtp { "LHLO" } else { "EHLO" }
}

/// The conversation as far as it went, and where it broke.
fn report(transcript: &Transcript, log: &Log, failure: &Failure) -> String {
    let mut out = format!("{}\n{} ({})\n", transcript.name, transcript.rule, transcript.rfc);
    // The beginning and the end tell what happened; a thousand repetitions do not.
    const SHOWN: usize = 60;
    let entries = &log.0[log.0.len().saturating_sub(SHOWN)..];
    if entries.len() < log.0.len() {
        out += &format!("  ({} lines left out)\n", log.0.len() - entries.len());
    }
    let mut shown = 0;
    for entry in entries {
        if entry.line != shown {
            shown = entry.line;
            out += &format!("  {:>4}  {}\n", entry.line, source(transcript, entry.line));
        }
        let name = if entry.connection.is_empty() { String::new() } else { format!("{} ", entry.connection) };
        out += &format!("        {} {name}{}\n", entry.arrow, entry.text);
    }
    out += &format!(
        "  line {}\n    expected  {}\n    got       {}\n",
        failure.line,
        source(transcript, failure.line),
        failure.got
    );
    out
}

fn source(transcript: &Transcript, line: usize) -> &str {
    line.checked_sub(1).and_then(|at| transcript.lines.get(at)).map_or("", |l| l.trim())
}
