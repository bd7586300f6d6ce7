//! Mail that a relay took and has yet to pass on.
//!
//! A 250 behind a message says who answers for it from then on, not where it is (RFC 5321 §2.1, §6.1). So a server that
//! delivers by itself is asked once whether the message is there; one that is said to be a relay is asked until it is, or
//! until the deadline.

use std::time::Duration;

use tokio::time::Instant;

use super::{Failure, Run};
use crate::connection::{Arrival, Reply, Segments, printable};
use crate::imap::value::{Kind, Response, Value};
use crate::transcript::{Connect, Service};

/// How long a mailbox is left alone between two looks.
const PAUSE: Duration = Duration::from_millis(20);

impl Run<'_> {
    /// `arrived`: so many messages are in a mailbox, or more: to count them is the transcript's.
    pub(super) async fn arrived(&mut self, messages: u32, of: &str, mailbox: &str) -> Result<(), Failure> {
        let deadline = self.subject.deadline();
        loop {
            let there = self.messages(of, mailbox).await?;
            if there >= messages {
                return Ok(());
            }
            if !self.subject.relay || Instant::now() >= deadline {
                return Err(self.fail(format!("{there} messages")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How many messages each of these users has in INBOX, where a relay has to be waited for.
    pub(super) async fn before_relaying(&mut self, users: &[String]) -> Result<Vec<(String, u32)>, Failure> {
        let mut before = Vec::new();
        // An address may lead anywhere; a name is an account.
        let names = users.iter().filter(|user| !user.contains(['@', '$']));
        for user in names.filter(|_| self.subject.relay && self.subject.endpoint(Service::Imap).is_some()) {
            before.push((user.clone(), self.messages(user, "INBOX").await?));
        }
        Ok(before)
    }

    /// How many messages are in a mailbox, asked on a connection of the runner's own.
    async fn messages(&mut self, of: &str, mailbox: &str) -> Result<u32, Failure> {
        let name = format!("(arrived {of})");
        if !self.connections.contains_key(&name) {
            let login = Some(of.to_owned());
            self.connect(&Connect { login, ..Connect::to(&name, Service::Imap) }).await?;
        }
        self.write(&name, format!("L5 STATUS {mailbox} (MESSAGES)\r\n").as_bytes(), Segments::Whole).await?;
        let deadline = self.subject.deadline();
        let mut messages = None;
        loop {
            match self.receive(&name, deadline).await? {
                Arrival::Reply(Reply::Imap(response)) => match response.kind {
                    Kind::Tagged(_) => {
                        return messages.ok_or_else(|| self.fail(printable(&response.raw)));
                    }
                    _ => messages = messages.or_else(|| counted(&response)),
                },
                other => return Err(self.fail(format!("no answer to STATUS: {other:?}"))),
            }
        }
    }
}

/// The number in `* STATUS mailbox (MESSAGES number)`.
fn counted(response: &Response) -> Option<u32> {
    match (response.word(0).as_deref(), response.values.get(2)) {
        (Some("STATUS"), Some(Value::List(items))) => match &items[..] {
            [_, Value::Atom(number)] => std::str::from_utf8(number).ok()?.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_status_is_read() {
        let counted = |line: &[u8]| counted(&Response::read(line).unwrap());
        assert_eq!(counted(b"* STATUS INBOX (MESSAGES 3)"), Some(3));
        assert_eq!(counted(b"* STATUS {5}\r\nINBOX (MESSAGES 0)"), Some(0));
        assert_eq!(counted(b"* 3 EXISTS"), None);
    }
}
