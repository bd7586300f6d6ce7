//! A client's end of a connection: lines out, replies in, and when to stop waiting.

use std::rc::Rc;

use postbell::net::listener::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout_at};

use super::dice::Dice;
use super::network::{Health, lay};
use super::world::{World, count};

/// Why a conversation is over.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The connection is.
    Gone,
    /// A rule was broken.
    Wrong(String),
}

pub(crate) type Talk<T> = Result<T, Ended>;

impl From<String> for Ended {
    fn from(why: String) -> Self {
        Ended::Wrong(why)
    }
}

/// An end of a connection.
pub(crate) struct Line {
    world: Rc<World>,
    seat: usize,
    stream: DuplexStream,
    received: Vec<u8>,
    pub(crate) health: Rc<Health>,
}

impl Line {
    /// Connects, if somebody listens.
    pub(crate) fn connect(world: &Rc<World>, seat: usize, dice: &mut Dice, role: Role) -> Talk<Line> {
        let (stream, server, health) = lay(world.clock, seat, dice);
        if !world.server.accept(role, server)? {
            return Err(Ended::Gone);
        }
        count(&world.counts.sessions);
        world.note(seat, format!("{seat}   connects to {}", role.name()));
        Ok(Line { world: Rc::clone(world), seat, stream, received: Vec::new(), health })
    }

    /// When an answer has to be there.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.world.clock.longest()
    }

    /// Sends octets, however long the way takes them.
    pub(crate) async fn send(&mut self, octets: &[u8]) -> Talk<()> {
        let shown = String::from_utf8_lossy(&octets[..octets.len().min(200)]).into_owned();
        self.world.note(self.seat, format!("{} → {}", self.seat, shown.trim_end().escape_debug()));
        match timeout_at(self.deadline(), self.stream.write_all(octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.is_gone()),
            Err(_) => Err(self.is_late("nobody reads")),
        }
    }

    /// The next reply, as `frame` cuts it; `None`: none until then.
    pub(crate) async fn reply(
        &mut self,
        frame: impl Fn(&[u8]) -> Result<Option<usize>, String>,
        until: Instant,
    ) -> Talk<Option<Vec<u8>>> {
        loop {
            if let Some(end) = frame(&self.received)? {
                let reply: Vec<u8> = self.received.drain(..end).collect();
                let shown = String::from_utf8_lossy(&reply[..reply.len().min(300)]).into_owned();
                self.world.note(self.seat, format!("{} ← {}", self.seat, shown.trim_end().escape_debug()));
                return Ok(Some(reply));
            }
            let mut chunk = [0; 4096];
            match timeout_at(until, self.stream.read(&mut chunk)).await {
                Ok(Ok(0) | Err(_)) => return Err(self.is_gone()),
                Ok(Ok(read)) => self.received.extend_from_slice(&chunk[..read]),
                Err(_) => return Ok(None),
            }
        }
    }

    /// An answer that has to come.
    pub(crate) async fn answer(&mut self, frame: impl Fn(&[u8]) -> Result<Option<usize>, String>) -> Talk<Vec<u8>> {
        match self.reply(frame, self.deadline()).await? {
            Some(answer) => Ok(answer),
            None => Err(self.is_late("no answer")),
        }
    }

    fn is_gone(&self) -> Ended {
        count(&self.world.counts.lost);
        self.world.note(self.seat, format!("{}   is cut off", self.seat));
        Ended::Gone
    }

    /// Nothing came, or nothing was taken: if the network is not to blame, the server is.
    pub(crate) fn is_late(&self, what: &str) -> Ended {
        let longest = self.world.clock.longest();
        if self.health.is_good_for(longest) {
            return Ended::Wrong(format!("{what} for {} s on a good connection", longest.as_secs()));
        }
        self.world.note(self.seat, format!("{}   gives up", self.seat));
        Ended::Gone
    }
}

/// A line with its CRLF.
pub(crate) fn line(octets: &[u8]) -> Result<Option<usize>, String> {
    match octets.iter().position(|octet| *octet == b'\n') {
        None => Ok(None),
        Some(at) if octets[..at].ends_with(b"\r") => Ok(Some(at + 1)),
        Some(_) => Err("a line that ends with a bare LF".to_owned()),
    }
}

/// The lines of an SMTP reply (RFC 5321 §4.2.1).
pub(crate) fn smtp_reply(octets: &[u8]) -> Result<Option<usize>, String> {
    let mut end = 0;
    while let Some(next) = line(&octets[end..])? {
        let is_last = octets[end..].get(3) != Some(&b'-');
        end += next;
        if is_last {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// What follows `+OK` in a listing or a message, to the line that is a full stop (RFC 1939 §3).
pub(crate) fn multi_line(octets: &[u8]) -> Result<Option<usize>, String> {
    if octets.starts_with(b".\r\n") {
        return Ok(Some(3));
    }
    Ok(octets.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 5))
}
