//! The TRANSACTION state: what is in the maildrop (RFC 1939 §5, §7).

use bytes::Bytes;

use super::{OUTPUT_OCTETS, Session, State};
use crate::message::downgrade::Patch;
use crate::pop3::command;
use crate::pop3::maildrop::{Maildrop, NoSuchMessage, Total};
use crate::pop3::reply::{self, Code};
use crate::pop3::retrieval::{Progress, Retrieval};
use crate::store;

/// What the client is being answered in TRANSACTION.
#[derive(Debug)]
pub(super) enum Doing {
    Nothing,
    /// LIST or UIDL without an argument; `next` is the number to go on from.
    Listing {
        kind: Listing,
        next: u32,
    },
    /// It is found out what of the message is to be shown otherwise.
    Downgrading(Retrieval),
    Retrieving(Retrieval),
}

impl Doing {
    /// A message that is asked for: as it is, where the client reads UTF-8.
    fn retrieve(retrieval: Retrieval, utf8: bool) -> Self {
        if utf8 { Doing::Retrieving(retrieval) } else { Doing::Downgrading(retrieval) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Listing {
    Sizes,
    UniqueIds,
}

impl Session {
    pub(super) fn transaction(&mut self, command: command::Transaction) {
        if let Err(reason) = self.try_transaction(command) {
            match reason {
                NoSuchMessage::OutOfRange { messages } => {
                    reply::err(&mut self.output, format_args!("no such message, the maildrop has {messages}"));
                }
                NoSuchMessage::Marked => reply::err(&mut self.output, format_args!("this message is deleted")),
            }
        }
    }

    fn try_transaction(&mut self, command: command::Transaction) -> Result<(), NoSuchMessage> {
        use command::Transaction::{Dele, List, Noop, Retr, Rset, Stat, Top, Uidl};
        let State::Transaction { maildrop, doing } = &mut self.state else { return Ok(()) };
        let out = &mut self.output;
        match command {
            Noop => reply::ok(out, format_args!("still here")),
            // RFC 1939 §5: the drop listing, with nothing behind the two numbers.
            Stat => {
                let Total { messages, octets } = maildrop.total();
                reply::ok(out, format_args!("{messages} {octets}"));
            }
            Rset => {
                maildrop.unmark_all();
                reply::ok(out, format_args!("maildrop has {}", maildrop.total()));
            }
            List { number: None } => {
                reply::ok(out, format_args!("{}", maildrop.total()));
                *doing = Doing::Listing { kind: Listing::Sizes, next: 1 };
            }
            Uidl { number: None } => {
                reply::ok(out, format_args!("unique-id listing follows"));
                *doing = Doing::Listing { kind: Listing::UniqueIds, next: 1 };
            }
            List { number: Some(number) } => {
                let entry = maildrop.get(number)?;
                reply::ok(out, format_args!("{number} {}", entry.octets));
            }
            Uidl { number: Some(number) } => {
                let entry = maildrop.get(number)?;
                reply::ok(out, format_args!("{number} {}", maildrop.unique_id(entry)));
            }
            Retr { number } => {
                *doing = Doing::retrieve(Retrieval::new(number, maildrop.get(number)?, None), self.utf8);
            }
            Top { number, lines } => {
                *doing = Doing::retrieve(Retrieval::new(number, maildrop.get(number)?, Some(lines)), self.utf8);
            }
            Dele { number } => {
                maildrop.mark(number)?;
                reply::ok(out, format_args!("message {number} deleted"));
            }
        }
        Ok(())
    }

    /// What is shown in the place of headers is known (RFC 6856 §2.1).
    pub(super) fn downgraded(
        &mut self,
        maildrop: Maildrop,
        retrieval: Retrieval,
        patches: Result<Option<Vec<Patch>>, store::Error>,
    ) {
        let number = retrieval.number();
        let doing = match patches {
            Ok(Some(patches)) => Doing::Retrieving(retrieval.patched(patches)),
            // RFC 6856 §5
            Ok(None) => {
                let text = format_args!("message {number} is for clients that say UTF8 before they log in");
                reply::err_with(&mut self.output, Code::Utf8, text);
                Doing::Nothing
            }
            Err(error) => {
                self.unreadable(number, &error);
                Doing::Nothing
            }
        };
        self.state = State::Transaction { maildrop, doing };
    }

    /// Says why nothing of a message is shown.
    fn unreadable(&mut self, number: u32, error: &store::Error) {
        let out = &mut self.output;
        match error {
            store::Error::Damaged(_) => {
                reply::err_with(out, Code::SysPerm, format_args!("message {number} is damaged"));
            }
            // The next session will not list it.
            store::Error::Gone => {
                let text = format_args!("message {number} was removed by another client");
                reply::err_with(out, Code::SysTemp, text);
            }
            _ => reply::err_with(out, Code::SysTemp, format_args!("message {number} can't be read now")),
        }
    }

    pub(super) fn retrieved(&mut self, maildrop: Maildrop, retrieval: Retrieval, piece: Result<Bytes, store::Error>) {
        let number = retrieval.number();
        let begins = retrieval.is_at_start();
        let before = self.output.len();
        let progress = piece.map(|piece| {
            if begins && retrieval.is_top() {
                reply::ok(&mut self.output, format_args!("top of message {number}"));
            } else if begins {
                reply::ok(&mut self.output, format_args!("{} octets", retrieval.octets()));
            }
            retrieval.push(&piece, &mut self.output)
        });
        let doing = match progress {
            Ok(Progress::More(rest)) => Doing::Retrieving(rest),
            Ok(Progress::Done) => Doing::Nothing,
            // What is out can't be taken back: without the final dot the client knows that it is not whole.
            Ok(Progress::CutShort) | Err(_) if !begins => return self.state = State::Closed,
            Ok(Progress::CutShort) => {
                self.output.truncate(before);
                self.unreadable(number, &store::Error::Damaged(String::new()));
                Doing::Nothing
            }
            Err(error) => {
                self.unreadable(number, &error);
                Doing::Nothing
            }
        };
        self.state = State::Transaction { maildrop, doing };
    }
}

/// Appends lines of a listing until there are no more or the output is full.
pub(super) fn list(maildrop: &Maildrop, doing: &mut Doing, out: &mut Vec<u8>) {
    let Doing::Listing { kind, next } = doing else { return };
    for (number, entry) in maildrop.from(*next) {
        if out.len() >= OUTPUT_OCTETS {
            *next = number;
            return;
        }
        match kind {
            Listing::Sizes => reply::line(out, format_args!("{number} {}", entry.octets)),
            Listing::UniqueIds => reply::line(out, format_args!("{number} {}", maildrop.unique_id(entry))),
        }
    }
    reply::end(out);
    *doing = Doing::Nothing;
}
