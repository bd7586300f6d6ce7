//! `postbell deliver`: a message from standard input into somebody's mailbox, for a mail server's pipe, cron and scripts.
//!
//! It is a delivery as one over LMTP is. Where a server owns the store, it takes the message at its control socket; else the
//! store is opened, and the same is done here, by the rules of the configuration.
//!
//! The exit code is all that most callers read (sysexits(3)): with 75 the message is kept and tried again, with any other
//! but 0 it goes back to its sender. So whatever may pass by itself is 75.

use std::io::{self, ErrorKind, Read, Stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Failure, Place, small_runtime};
use crate::auth::Directory;
use crate::config::{self, Config};
use crate::observe::{Nobody, Observer};
use crate::server::control::{self, Owner};
use crate::server::delivery::{Counter, Courier, Order, Refusal, Trouble, Word};
use crate::server::{StartError, open_store};
use crate::smtp;
use crate::store::{OpenError, Store};
use crate::wire::newline::{BareNewlines, Newlines};

/// EX_USAGE: the command line is wrong.
pub(super) const USAGE: u8 = 64;
/// EX_DATAERR: the message is wrong.
const DATA: u8 = 65;
/// EX_NOUSER: the recipient is nobody here.
const NO_USER: u8 = 67;
/// EX_UNAVAILABLE: refused for another reason.
const UNAVAILABLE: u8 = 69;
/// EX_CANTCREAT: the recipient's mailbox will never hold it.
const CANT_CREATE: u8 = 73;
/// EX_IOERR: standard input can't be read.
const INPUT: u8 = 74;
/// EX_TEMPFAIL: not now; try again.
const LATER: u8 = 75;
/// EX_NOPERM: this user may not.
const NOT_PERMITTED: u8 = 77;

/// So much is read at once. A message made of bare line ends becomes twice as long, and has to fit into a frame.
const READ_OCTETS: usize = 16 << 10;

/// What a mailbox file has before each message.
const FROM: &[u8] = b"From ";

#[derive(Debug, Args)]
pub(super) struct Deliver {
    /// Whom it is for: alice@example.org
    #[arg(required = true, value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// Whom it is from, in the envelope; <> or nothing: nobody
    #[arg(long, short = 'f', value_name = "ADDRESS", default_value = "", allow_hyphen_values = true)]
    sender: String,
    #[command(flatten)]
    place: Place,
}

impl Deliver {
    pub(super) fn run(self) -> Result<(), Failure> {
        let sender = Some(self.sender).filter(|sender| !matches!(sender.as_str(), "" | "<>"));
        for address in sender.iter().chain(&self.recipients) {
            address.parse::<smtp::Path>().map_err(|error| failure(USAGE, format_args!("{address:?}: {error}")))?;
        }
        let order = Order { sender, recipients: self.recipients };
        let (data_dir, config) = self.place.resolve_for_delivery()?;
        let mut message = Message::new(io::stdin());
        let mut first = Vec::new();
        message.next(&mut first).map_err(unreadable)?;
        if first.is_empty() {
            return Err(failure(DATA, "standard input is empty: there is no message"));
        }
        let mut first = Some(first);
        let next = |octets: &mut Vec<u8>| match first.take() {
            Some(first) => {
                *octets = first;
                Ok(())
            }
            None => message.next(octets),
        };
        let socket = control::path(&data_dir);
        let counter = Counter::of_owner(&data_dir).map_err(|error| of_system(&error, &socket))?;
        let word = match counter {
            Some(counter) => counter.hand_over(order, next),
            None => deliver_here(&data_dir, config, order, next)?,
        };
        match word {
            Ok(Word::Delivered(refusals)) => judge(&refusals),
            Ok(Word::Refused(reason)) => Err(failure(LATER, reason)),
            Ok(Word::Send) => Err(failure(LATER, "the server lost the thread")),
            Err(Trouble::Message(error)) => Err(unreadable(error)),
            Err(Trouble::Server(error)) => Err(failure(LATER, format_args!("{}: {error}", socket.display()))),
        }
    }
}

impl Place {
    fn resolve_for_delivery(self) -> Result<(PathBuf, Option<Config>), Failure> {
        match (self.config, self.data) {
            (Some(file), _) => match Config::load(&file) {
                Ok(config) => Ok((config.data_dir.clone(), Some(config))),
                Err(config::Error::Unreadable { file, error }) if error.kind() == ErrorKind::PermissionDenied => {
                    Err(of_system(&error, &file))
                }
                Err(error) => Err(error.into()),
            },
            (None, Some(data)) => Ok((data, None)),
            (None, None) => Err(failure(USAGE, "say --config FILE or --data DIR")),
        }
    }
}

/// Becomes the owner of the store for a moment.
fn deliver_here(
    data_dir: &Path,
    config: Option<Config>,
    order: Order,
    next: impl FnMut(&mut Vec<u8>) -> io::Result<()>,
) -> Result<Result<Word, Trouble>, Failure> {
    // The store may lie on a disk that is not there at the moment.
    if !Store::is_in(data_dir) {
        return Err(failure(LATER, format_args!("there is no store in {}", data_dir.display())));
    }
    // Whose an address is stands there, and our name.
    let config = config.ok_or_else(|| {
        let data_dir = data_dir.display();
        failure(LATER, format_args!("no server has the store in {data_dir}; without one, --config FILE is needed"))
    })?;
    let later = |error: &dyn std::fmt::Display| failure(LATER, error);
    let store = open_store(data_dir, config.store).map_err(|error| match &error {
        StartError::DataDir { error, .. } | StartError::Store(OpenError::Io { error, .. }) => {
            of_system(error, data_dir)
        }
        _ => later(&error),
    })?;
    let directory = Directory::new(store.clone(), config.membership.clone()).with_rules(config.addresses.clone());
    let observer: Arc<dyn Observer> = Arc::new(Nobody);
    let courier = Courier::new(&config.hostname, &directory, &store, &observer, &config.smtp);
    let owner = Owner::new(store.clone(), Some(config.membership), config.addresses);
    let (counter, serve) = Counter::own(courier, owner).map_err(|error| later(&error))?;
    let runtime = small_runtime().map_err(|failure| later(&failure))?;
    std::thread::scope(|scope| {
        let served = scope.spawn(move || {
            runtime.block_on(async {
                if let Err(error) = serve.await {
                    tracing::debug!(%error, "a message was not handed over");
                }
                // What was answered is on disk; what closing adds is for a faster start.
                if let Err(error) = store.close().await {
                    eprintln!("postbell: {}: {error}", data_dir.display());
                }
            });
        });
        let word = counter.hand_over(order, next);
        // Its panic is ours.
        served.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(word)
    })
}

/// What the caller is told. Where one recipient can't have it now, nobody has it; so it is tried again for all.
fn judge(refusals: &[Refusal]) -> Result<(), Failure> {
    let Some(first) = refusals.first() else { return Ok(()) };
    let code = if refusals.iter().any(Refusal::is_temporary) { LATER } else { code_of(first) };
    let lines: Vec<_> = refusals.iter().map(Refusal::to_string).collect();
    Err(failure(code, lines.join("\npostbell: ")))
}

/// By the enhanced status code of a permanent refusal (RFC 3463).
fn code_of(refusal: &Refusal) -> u8 {
    match refusal.status.as_str() {
        // No such user, not our domain.
        "5.1.1" | "5.7.1" => NO_USER,
        // The mailbox is too small for it.
        "5.2.2" => CANT_CREATE,
        // Too many recipients.
        "5.5.3" => USAGE,
        // Too large, too many hops.
        "5.3.4" | "5.4.6" => DATA,
        _ => UNAVAILABLE,
    }
}

fn failure(code: u8, what: impl std::fmt::Display) -> Failure {
    Failure { code, what: what.to_string() }
}

fn unreadable(error: io::Error) -> Failure {
    failure(INPUT, format_args!("standard input: {error}"))
}

/// What the system says about a file.
fn of_system(error: &io::Error, file: &Path) -> Failure {
    let code = if error.kind() == ErrorKind::PermissionDenied { NOT_PERMITTED } else { LATER };
    failure(code, format_args!("{}: {error}", file.display()))
}

/// A message as programs of Unix have it: with LF, and maybe with the line that mailbox files have before each. It comes out
/// with CRLF (RFC 5322 §2.3) and without that line, whose sender is anybody's guess. A line with a dot is a line with a dot.
struct Message<R> {
    source: R,
    newlines: Newlines,
    start: Start,
    has_ended: bool,
}

/// What has come of the message's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// So many octets, which are those of [`FROM`].
    Matching(usize),
    /// It is such a line.
    FromLine,
    /// It is none, or is over.
    Over,
}

impl Message<Stdin> {
    fn new(source: Stdin) -> Self {
        Message::of(source)
    }
}

impl<R: Read> Message<R> {
    fn of(source: R) -> Self {
        let newlines = Newlines::new(BareNewlines::Normalise);
        Self { source, newlines, start: Start::Matching(0), has_ended: false }
    }

    /// Puts the next octets into `out`, in place of what is there; none: the message has ended.
    fn next(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let mut read = vec![0; READ_OCTETS];
        while out.is_empty() && !self.has_ended {
            let octets = match self.source.read(&mut read) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                octets => octets?,
            };
            if octets > 0 {
                self.pass_on(&read[..octets], out);
                continue;
            }
            self.has_ended = true;
            if let Start::Matching(matched) = self.start {
                self.newlines.push(&FROM[..matched], out);
            }
            self.newlines.finish(out);
        }
        Ok(())
    }

    fn pass_on(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while let (Some((first, rest)), true) = (octets.split_first(), self.start != Start::Over) {
            match self.start {
                Start::Matching(matched) if *first == FROM[matched] => {
                    let is_all = matched + 1 == FROM.len();
                    self.start = if is_all { Start::FromLine } else { Start::Matching(matched + 1) };
                }
                Start::Matching(matched) => {
                    self.newlines.push(&FROM[..matched], out);
                    self.start = Start::Over;
                    break;
                }
                Start::FromLine if *first == b'\n' => self.start = Start::Over,
                Start::FromLine | Start::Over => {}
            }
            octets = rest;
        }
        self.newlines.push(octets, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many octets at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let octets = self.1.min(self.0.len()).min(out.len());
            out[..octets].copy_from_slice(&self.0[..octets]);
            self.0 = &self.0[octets..];
            Ok(octets)
        }
    }

    #[test]
    fn line_ends_are_made_whole_and_a_from_line_goes_for_every_split() {
        for (input, expected) in [
            ("", ""),
            ("From alice@example.org Mon Nov 23 15:00:00 2026\n", ""),
            ("From alice@example.org Mon Nov 23 15:00:00 2026", ""),
            ("From alice\r\nSubject: x\r\n\r\ny", "Subject: x\r\n\r\ny"),
            ("From a\nFrom b\n", "From b\r\n"),
            ("From: a\n\nFrom here on\n", "From: a\r\n\r\nFrom here on\r\n"),
            ("Fro", "Fro"),
            ("FroFrom x\n", "FroFrom x\r\n"),
            ("\nFrom x\n", "\r\nFrom x\r\n"),
            ("a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n.\r\n"),
            ("a\rb\r", "a\r\nb\r\n"),
        ] {
            for split in [1, 2, 3, 5, 100_000] {
                let mut message = Message::of(Slowly(input.as_bytes(), split));
                let (mut whole, mut piece) = (Vec::new(), Vec::new());
                loop {
                    message.next(&mut piece).unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    whole.extend_from_slice(&piece);
                }
                assert_eq!(String::from_utf8(whole).unwrap(), expected, "{input:?} by {split}");
            }
        }
    }

    #[test]
    fn a_piece_of_line_ends_fits_into_a_frame() {
        let input = vec![b'\n'; 100_000];
        let mut message = Message::of(input.as_slice());
        let mut piece = Vec::new();
        message.next(&mut piece).unwrap();
        assert_eq!(piece.len(), 2 * READ_OCTETS);
    }

    #[test]
    fn what_may_pass_is_75_and_else_it_is_the_first_refusal_that_counts() {
        let refusal = |code, status: &str| Refusal {
            recipient: "bob@example.org".to_owned(),
            code,
            status: status.to_owned(),
            text: "Sorry".to_owned(),
        };
        let code = |refusals: &[(u16, &str)]| {
            let refusals: Vec<_> = refusals.iter().map(|(code, status)| refusal(*code, status)).collect();
            judge(&refusals).err().map_or(0, |failure| failure.code)
        };
        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[(550, "5.1.1")]), NO_USER);
        assert_eq!(code(&[(550, "5.7.1"), (552, "5.2.2")]), NO_USER);
        assert_eq!(code(&[(552, "5.2.2")]), CANT_CREATE);
        assert_eq!(code(&[(552, "5.3.4")]), DATA);
        assert_eq!(code(&[(554, "5.4.6")]), DATA);
        assert_eq!(code(&[(554, "5.0.0")]), UNAVAILABLE);
        assert_eq!(code(&[(550, "5.1.1"), (452, "4.2.2")]), LATER);
    }
}
