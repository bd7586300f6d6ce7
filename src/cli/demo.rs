//! `postbell dev --demo`: shows the push before any client is set up.
//!
//! A small IMAP client logs in and idles; a small SMTP client sends messages in; both talk to the server over TCP, like
//! anyone. For each message it says how long after the message's last octet the idling client read `EXISTS`.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Failure;
use super::live::{Live, millis};
use crate::net::listener::Role;
use crate::server::Server;

/// Whose mailbox rings.
const READER: &str = "alice@localhost";

/// How long the demo waits for any answer of its own server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two messages: time for a person to read a line.
const PACE: Duration = Duration::from_millis(600);

macro_rules! embedded {
    ($($name:literal,)*) => {
        /// The messages of `fixtures/messages`, in the order in which they are sent.
        const MESSAGES: &[&[u8]] = &[$(include_bytes!(concat!("../../fixtures/messages/", $name))),*];

        /// Their names, for the test that none was forgotten.
        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}

embedded! {
    "01-plain.eml",
    "02-html-alternative.eml",
    "03-attachment.eml",
    "04-japanese-iso-2022-jp.eml",
    "05-russian-koi8-r.eml",
    "06-emoji-utf-8.eml",
    "07-format-flowed.eml",
    "08-calendar-invitation.eml",
    "09-bounce-dsn.eml",
    "10-forwarded.eml",
    "11-lines-of-dots.eml",
    "12-8-bit.eml",
    "13-long-lines.eml",
    "14-empty-body.eml",
}

/// Sends [`MESSAGES`] in, and has each arriving shown.
pub(super) async fn run(server: &Server, live: &Live) -> Result<(), Failure> {
    let (Some(smtp), Some(imap)) = (server.address(Role::Smtp), server.address(Role::Imap)) else {
        return Err(Failure::new("the demo needs SMTP and IMAP"));
    };
    show(smtp, imap, live).await.map_err(|error| Failure::new(format_args!("the demo broke off: {error}")))
}

async fn show(smtp: SocketAddr, imap: SocketAddr, live: &Live) -> io::Result<()> {
    let mut reader = Talker::connect(imap).await?;
    reader.expect("* OK").await?;
    reader.ask(&format!("a LOGIN {READER} demo"), "a OK").await?;
    reader.ask("b SELECT INBOX", "b OK").await?;
    reader.ask("c IDLE", "+").await?;
    live.say(format!(
        "Demo: {READER} has logged in over IMAP and idles; {} messages come in over SMTP.\n",
        MESSAGES.len()
    ));

    let mut sender = Talker::connect(smtp).await?;
    sender.expect("220").await?;
    sender.ask("EHLO demo.localhost", "250 ").await?;
    for message in MESSAGES {
        if live.read_by_a_person() {
            tokio::time::sleep(PACE).await;
        }
        sender.ask("MAIL FROM:<demo@localhost> BODY=8BITMIME", "250").await?;
        sender.ask(&format!("RCPT TO:<{READER}>"), "250").await?;
        sender.ask("DATA", "354").await?;
        sender.write(&dot_stuffed(message)).await?;
        let sent_at = Instant::now();
        // Both are awaited at the same time: which of them comes first is the server's affair.
        let (answered, told) = tokio::try_join!(sender.expect("250"), reader.expect_exists())?;
        let (line, told_at) = told;
        let (_, answered_at) = answered;
        live.say(format!(
            "          the idling client read \"{line}\" {} ms after the last octet, the sender its 250 after {} ms",
            millis(told_at.saturating_duration_since(sent_at)),
            millis(answered_at.saturating_duration_since(sent_at)),
        ));
    }
    sender.ask("QUIT", "221").await?;
    reader.ask("DONE", "c OK").await?;
    reader.ask("d LOGOUT", "d OK").await?;
    live.say(format!(
        "\nDemo done. The messages are in {READER}'s INBOX; any mail client reads them at imap://{imap} with any password.\n\
         Leave one open and send more: its line appears here when it has been told.\n"
    ));
    Ok(())
}

/// `message` with CRLF line ends and stuffed dots, and the end of the data (RFC 5321 §4.5.2).
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        data.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        data.extend_from_slice(b"\r\n");
    }
    data.extend_from_slice(b".\r\n");
    data
}

/// A client that speaks in lines.
struct Talker {
    stream: BufReader<TcpStream>,
}

impl Talker {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await?
    }

    /// Sends a line, and skips to the answer that begins with `wanted`.
    async fn ask(&mut self, line: &str, wanted: &str) -> io::Result<(String, Instant)> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.expect(wanted).await
    }

    /// Skips to the line that begins with `wanted`; says when it was read.
    async fn expect(&mut self, wanted: &str) -> io::Result<(String, Instant)> {
        self.find(|line| line.starts_with(wanted), wanted).await
    }

    /// Skips to `* n EXISTS`.
    async fn expect_exists(&mut self) -> io::Result<(String, Instant)> {
        self.find(|line| line.starts_with("* ") && line.ends_with(" EXISTS"), "EXISTS").await
    }

    async fn find(&mut self, is_wanted: impl Fn(&str) -> bool, wanted: &str) -> io::Result<(String, Instant)> {
        let found = tokio::time::timeout(PATIENCE, async {
            let mut last = String::new();
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line).await? == 0 {
                    return Err(io::Error::other(format!("no {wanted}; the last line was {last:?}")));
                }
                let read_at = Instant::now();
                last.replace_range(.., line.trim_end());
                if is_wanted(&last) {
                    return Ok((last, read_at));
                }
            }
        });
        found.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no {wanted} in {PATIENCE:?}")))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_fixtures_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/messages");
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn messages_go_out_with_crlf_and_stuffed_dots() {
        assert_eq!(dot_stuffed(b"a\n.b\r\n..\nc"), b"a\r\n..b\r\n...\r\nc\r\n.\r\n");
    }
}
