//! What happens beside the conversation: `deliver`, `append`, `rules`.

use crate::connection::{Arrival, Reply, Segments, stuffed};
use crate::expect::Failure;
use crate::transcript::{Connect, Service};

use super::Run;

/// Where the runner's own APPEND connection is kept: no transcript can call one so.
const SETUP: &str = "(append)";
/// The envelope sender of `deliver`.
const SENDER: &str = "sender@example.com";

impl Run<'_> {
    pub(super) async fn deliver(&mut self, message: &[u8], to: &[String], by: Option<Service>) -> Result<(), Failure> {
        let service = by.or_else(|| self.subject.delivers_by()).ok_or_else(|| self.fail("no way to deliver"))?;
        let main = ["user".to_owned()];
        let to = if to.is_empty() { &main[..] } else { to };
        // What is submitted is passed on as what came over SMTP is.
        let before = if service == Service::Lmtp { Vec::new() } else { self.before_relaying(to).await? };
        let name = format!("({})", service.name());
        // Who submits has logged in, and sends as who they are.
        let submits = matches!(service, Service::Submission | Service::Submissions);
        let login = submits.then(|| "user".to_owned());
        self.connect(&Connect { ehlo: true, login, ..Connect::to(&name, service) }).await?;
        let sender = if submits { self.fill_for(&name, "$user")? } else { SENDER.into() };
        let body = if message.is_ascii() { "" } else { " BODY=8BITMIME" };
        self.exchange(&name, &format!("MAIL FROM:<{}>{body}", String::from_utf8_lossy(&sender))).await?;
        let mut recipients = 0;
        for whom in to {
            let whom = if whom.contains(['@', '$']) { whom.clone() } else { format!("${whom}") };
            let address = self.fill_for(&name, &whom)?;
            self.exchange(&name, &format!("RCPT TO:<{}>", String::from_utf8_lossy(&address))).await?;
            recipients += 1;
        }
        self.exchange(&name, "DATA").await?;
        self.write(&name, &stuffed(message), Segments::Whole).await?;
        // One answer in SMTP, one for each recipient in LMTP (RFC 2033 §4.2).
        for _ in 0..if service == Service::Lmtp { recipients } else { 1 } {
            let deadline = self.subject.deadline();
            match self.receive(&name, deadline).await? {
                Arrival::Reply(Reply::Lines(lines)) if lines[0].starts_with(b"250") => self.note_answer(&name),
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

    pub(super) async fn append(&mut self, message: &[u8], arguments: &str) -> Result<(), Failure> {
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
        self.write(SETUP, line.as_bytes(), Segments::Whole).await?;
        self.continuation(SETUP).await?;
        self.write(SETUP, message, Segments::Whole).await?;
        self.exchange(SETUP, "").await?;
        self.note_answer(SETUP);
        Ok(())
    }

    /// The answer that just came is one that others may be told of.
    fn note_answer(&mut self, name: &str) {
        if let Some(moment) = self.connections.get(name).and_then(|connection| connection.answered) {
            self.answered.insert(name.to_owned(), moment);
        }
    }

    pub(super) async fn rules(&mut self, of: &str, script: &str) -> Result<(), Failure> {
        let give = self.subject.give_rules.as_ref().ok_or_else(|| self.fail("no way to give rules"))?;
        let address = String::from_utf8_lossy(&self.fill(&format!("${of}"))?).into_owned();
        let script = self.fill(script)?;
        give(address, script).await.map_err(|error| self.fail(error))
    }
}
