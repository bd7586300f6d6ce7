//! Conversations with a session, as a person would read them, and each of them again with every split.
//!
//! `C:` is a line from the client, with its CRLF; `C|` octets with `\r`, `\n`, `\0` and `\xNN` written out, and no CRLF
//! added. `S:` is a line from the server. `--` is what the driver was told to do: `stored` (with the octets), `abandoned`,
//! `waits`, `tls`, `closed`. Recipients are `alice`, `bob`, and some whose names say what goes wrong.

use std::sync::Arc;
use std::time::Instant;

use super::*;

mod auth;
mod commands;
mod haste;
mod limits;
mod message;
mod starttls;

/// The driver of these tests: a directory and a store without either.
struct Fake {
    session: Session,
    now: Instant,
    /// The message that is open.
    message: Option<Vec<u8>>,
    /// What happened, line by line.
    events: Vec<String>,
    closed: bool,
}

impl Fake {
    fn new(dialect: Dialect, tls: Tls, limits: Limits) -> Self {
        let now = Instant::now();
        let peer = Peer { origin: Origin::Address("192.0.2.1:4711".parse().unwrap()), tls, terms: Terms::default() };
        let session = Session::new(dialect, "mx.example".into(), peer, Arc::new(limits), now);
        let mut fake = Self { session, now, message: None, events: Vec::new(), closed: false };
        fake.run();
        fake
    }

    fn feed(&mut self, octets: &[u8]) {
        self.session.receive(octets, self.now);
        self.run();
    }

    fn run(&mut self) {
        let mut output = Vec::new();
        loop {
            match self.session.poll() {
                Step::NeedInput => break,
                Step::Write(octets) => {
                    output.extend_from_slice(&octets);
                    self.flush(&mut output);
                }
                Step::Ask(ask) => {
                    let answer = self.reply_to(ask);
                    self.session.answer(answer, self.now);
                    continue;
                }
                Step::Abandon => {
                    self.message = None;
                    self.note("-- abandoned");
                }
                Step::StartTls => {
                    self.flush(&mut output);
                    self.note("-- tls");
                    self.session.tls_started(under_tls(), self.now);
                }
                Step::Pause(until) => {
                    self.note(&format!("-- waits {} s", (until - self.now).as_secs()));
                    self.now = until;
                    self.session.resume(until);
                }
                Step::Close => {
                    self.flush(&mut output);
                    if !self.closed {
                        self.note("-- closed");
                    }
                    self.closed = true;
                    break;
                }
            }
        }
        self.flush(&mut output);
    }

    fn flush(&mut self, output: &mut Vec<u8>) {
        let text = String::from_utf8(mem::take(output)).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n"));
        self.events.extend(text.split_terminator("\r\n").map(|line| format!("S: {line}")));
    }

    /// What was said and what was done, each in its order. Replies leave together, so the order between the two depends
    /// on how the octets came.
    fn outcome(&self) -> (Vec<String>, Vec<String>) {
        self.events.iter().cloned().partition(|event| event.starts_with("S:"))
    }

    fn note(&mut self, event: &str) {
        self.events.push(event.to_owned());
    }

    fn reply_to(&mut self, ask: Ask) -> Result<(), Reply> {
        match ask {
            Ask::Sender(envelope) => match envelope.reverse_path.as_ref().map(Path::local_part) {
                Some("unwanted") => Err(replies::NOT_OUR_DOMAIN),
                Some("later") => Err(replies::STORE_FAILED),
                _ => Ok(()),
            },
            Ask::Recipient { path, .. } => match (path.local_part(), path.domain()) {
                (_, "elsewhere.example") => Err(replies::NOT_OUR_DOMAIN),
                ("alice" | "bob" | "full" | "broken" | "postmaster" | "käthe", _) => Ok(()),
                ("later", _) => Err(replies::STORE_FAILED),
                _ => Err(replies::NO_SUCH_USER),
            },
            Ask::Open(envelope) => {
                let full = envelope.recipients.iter().any(|path| path.local_part() == "full");
                let broken = envelope.recipients.iter().any(|path| path.local_part() == "broken");
                self.message = Some(if broken { b"broken:".to_vec() } else { Vec::new() });
                if full { Err(replies::STORE_FULL) } else { Ok(()) }
            }
            Ask::Store(octets) => {
                self.message.as_mut().expect("nothing is stored before it was opened").extend_from_slice(&octets);
                Ok(())
            }
            Ask::Authenticate(_) => panic!("there is nothing to log in to"),
            Ask::Deliver => {
                let message = self.message.take().expect("nothing is delivered that was abandoned");
                if message.starts_with(b"broken:") {
                    return Err(replies::STORE_FAILED);
                }
                self.events.push(format!("-- stored {}", message.escape_ascii()));
                Ok(())
            }
        }
    }
}

/// Who is at the other end when TLS has begun.
fn under_tls() -> Peer {
    Peer {
        origin: Origin::Address("192.0.2.1:4711".parse().unwrap()),
        tls: Tls::On("TLSv1_3".into()),
        terms: Terms::default(),
    }
}

/// The octets of a `C:` or `C|` line.
fn client_octets(line: &str) -> Option<Vec<u8>> {
    if let Some(text) = line.strip_prefix("C:") {
        let text = text.strip_prefix(' ').unwrap_or(text);
        return Some([text.as_bytes(), b"\r\n"].concat());
    }
    let mut rest = line.strip_prefix("C| ")?;
    let mut octets = Vec::new();
    while let Some(character) = rest.chars().next() {
        let (octet, len) = match (character, rest.as_bytes().get(1)) {
            ('\\', Some(b'r')) => (vec![b'\r'], 2),
            ('\\', Some(b'n')) => (vec![b'\n'], 2),
            ('\\', Some(b'0')) => (vec![0], 2),
            ('\\', Some(b'x')) => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
            (character, _) => (character.to_string().into_bytes(), character.len_utf8()),
        };
        octets.extend(octet);
        rest = &rest[len..];
    }
    Some(octets)
}

/// Holds a conversation against its script; then, where TLS does not cut it in two, with every split.
fn converse(dialect: Dialect, tls: Tls, limits: Limits, script: &str) {
    let lines: Vec<&str> = script.lines().map(str::trim_start).filter(|line| !line.is_empty()).collect();
    let mut fake = Fake::new(dialect, tls.clone(), limits.clone());
    let mut said = 0;
    let mut client = Vec::new();
    for line in &lines {
        if let Some(octets) = client_octets(line) {
            fake.feed(&octets);
            client.extend(octets);
        } else {
            assert_eq!(fake.events.get(said).map(String::as_str), Some(*line), "\nin {:#?}", fake.events);
            said += 1;
        }
    }
    assert_eq!(fake.events[said..], [] as [&str; 0]);
    if lines.contains(&"-- tls") {
        return;
    }
    let outcome = |pieces: &[&[u8]]| {
        let mut fake = Fake::new(dialect, tls.clone(), limits.clone());
        pieces.iter().for_each(|piece| fake.feed(piece));
        fake.outcome()
    };
    for cut in 0..=client.len() {
        let (head, tail) = client.split_at(cut);
        assert_eq!(outcome(&[head, tail]), fake.outcome(), "split at {cut}");
    }
    let single: Vec<&[u8]> = client.chunks(1).collect();
    assert_eq!(outcome(&single), fake.outcome(), "octet by octet");
}

fn talk(script: &str) {
    converse(
        Dialect::Smtp,
        Tls::Unavailable,
        Limits::default(),
        &format!("S: 220 mx.example ESMTP Postbell\n{script}"),
    );
}

fn talk_lmtp(script: &str) {
    converse(Dialect::Lmtp, Tls::Unavailable, Limits::default(), &format!("S: 220 mx.example LMTP Postbell\n{script}"));
}

/// After hello, with these limits.
fn talk_limited(limits: Limits, script: &str) {
    let hello = "S: 220 mx.example ESMTP Postbell\nC: HELO client.example\nS: 250 mx.example\n";
    converse(Dialect::Smtp, Tls::Unavailable, limits, &format!("{hello}{script}"));
}

fn talk_on(script: &str) {
    talk_limited(Limits::default(), script);
}

/// MAIL and a recipient.
const ENVELOPE: &str = "C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    C: RCPT TO:<bob>
    S: 250 2.1.5 Recipient accepted
    ";

/// MAIL, a recipient, and DATA.
const DATA: &str = "C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    C: RCPT TO:<bob>
    S: 250 2.1.5 Recipient accepted
    C: DATA
    S: 354 Send the message, then CRLF.CRLF
    ";
