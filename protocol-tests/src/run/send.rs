//! What the client sends: lines with their literals, raw octets, messages.

use std::time::Duration;

use crate::connection::{Arrival, Entry, Reply, Segments, printable, stuffed};
use crate::expect::Failure;
use crate::imap::value::Kind;
use crate::places;
use crate::scram;
use crate::transcript::{LinePart, RawPart, Sending};

use super::{Run, base64};

/// What is longer than this is never sent octet by octet: a millisecond for each is enough to wait.
const LONGEST_SPLIT: usize = 2_000;

/// How much longer than others a sending octet by octet may take, for each.
const OCTET_SPLIT: Duration = Duration::from_millis(50);

/// What DEFLATE makes a line longer by where it finds nothing to shorten: its header, and the empty block of a flush.
const DEFLATED_MORE_OCTETS: usize = 12;

impl Run<'_> {
    pub(super) async fn write(&mut self, name: &str, bytes: &[u8], segments: Segments) -> Result<(), Failure> {
        let entry = Entry { line: self.line, connection: name.to_owned(), arrow: '→', text: printable(bytes) };
        self.log.0.push(entry);
        let segments = match segments {
            Segments::Octets if bytes.len() > LONGEST_SPLIT => Segments::Whole,
            segments => segments,
        };
        // A busy machine lets a millisecond grow to many.
        let octets = if segments == Segments::Octets { bytes.len() } else { 1 };
        let deadline = self.subject.deadline() + OCTET_SPLIT * u32::try_from(octets).unwrap_or(u32::MAX);
        let sent = self.connection(name)?.send(bytes, segments, deadline).await;
        sent.map_err(|e| self.fail(e))
    }

    /// The same for what the transcript says, with a note of where it could have been cut.
    async fn say(&mut self, name: &str, bytes: &[u8], segments: Segments) -> Result<(), Failure> {
        if segments == Segments::Whole {
            self.places.extend(places::of(bytes));
            // Counted are the octets that go out, which may be a few more.
            if self.connection(name)?.is_compressed() {
                self.places.extend(0..(bytes.len() + DEFLATED_MORE_OCTETS).min(places::EVERY_PLACE_OCTETS));
            }
        }
        self.write(name, bytes, segments).await
    }

    pub(super) async fn send(&mut self, name: &str, what: &Sending, split: bool) -> Result<(), Failure> {
        // Raw octets are written together because they are meant to arrive together.
        let segments = match what {
            _ if split => Segments::Octets,
            Sending::Raw(_) => Segments::Whole,
            _ => self.segments,
        };
        match what {
            Sending::Line(parts) => self.send_line(name, parts, segments).await,
            Sending::Raw(parts) => {
                let mut bytes = Vec::new();
                for part in parts {
                    match part {
                        RawPart::Bytes(part) => bytes.extend_from_slice(part),
                        RawPart::Text(text) => bytes.extend(self.fill_for(name, text)?),
                    }
                }
                self.write(name, &bytes, segments).await
            }
            Sending::Data(message) => self.say(name, &stuffed(message), segments).await,
            Sending::Bdat { bytes, last } => {
                let mut out = format!("BDAT {}{}\r\n", bytes.len(), if *last { " LAST" } else { "" }).into_bytes();
                out.extend_from_slice(bytes);
                self.say(name, &out, segments).await
            }
        }
    }

    async fn send_line(&mut self, name: &str, parts: &[LinePart], segments: Segments) -> Result<(), Failure> {
        let mut out = Vec::new();
        for part in parts {
            match part {
                LinePart::Text(text) => out.extend(self.fill_for(name, text)?),
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
                    let plus = *plus && bytes.len() <= self.unwaited_octets_max;
                    let (tilde, plus_sign) = (if *binary { "~" } else { "" }, if plus { "+" } else { "" });
                    out.extend(format!("{tilde}{{{}{plus_sign}}}\r\n", bytes.len()).into_bytes());
                    if !plus {
                        self.say(name, &std::mem::take(&mut out), segments).await?;
                        self.continuation(name).await?;
                    }
                    out.extend_from_slice(bytes);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        self.say(name, &out, segments).await
    }

    /// Waits for the `+` that a synchronising literal waits for (RFC 3501 §7.5).
    pub(super) async fn continuation(&mut self, name: &str) -> Result<(), Failure> {
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
}
