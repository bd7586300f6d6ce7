//! The TRANSACTION state: what is in the maildrop (RFC 1939 §5, §7).

use bytes::Bytes;

use super::{OUTPUT_OCTETS, Session, State};
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
    Retrieving(Retrieval),
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
                *doing = Doing::Retrieving(Retrieval::new(number, maildrop.get(number)?, None));
            }
            Top { number, lines } => {
                *doing = Doing::Retrieving(Retrieval::new(number, maildrop.get(number)?, Some(lines)));
            }
            Dele { number } => {
                maildrop.mark(number)?;
                reply::ok(out, format_args!("message {number} deleted"));
            }
        }
        Ok(())
    }

    pub(super) fn retrieved(&mut self, maildrop: Maildrop, retrieval: Retrieval, piece: Result<Bytes, store::Error>) {
        let number = retrieval.number();
        let begins = retrieval.is_at_start();
        let before = self.output.len();
        let progress = piece.map(|piece| {
            if begins && retrieval.is_top() {
                reply::ok(&mut self.output, format_args!("top of message {number}"));
            } else if begins {
                reply::ok(&mut self.output, format_args!("{} octets", retrieval.entry().octets));
            }
            retrieval.push(&piece, &mut self.output)
        });
        let doing = match progress {
            Ok(Progress::More(rest)) => Doing::Retrieving(rest),
            Ok(Progress::Done) => Doing::Nothing,
            // What is out can't be taken back: without the final dot the client knows that it is not whole.
            Ok(Progress::CutShort) | Err(_) if !begins => return self.state = State::Closed,
            Ok(Progress::CutShort) | Err(store::Error::Damaged(_)) => {
                self.output.truncate(before);
                reply::err_with(&mut self.output, Code::SysPerm, format_args!("message {number} is damaged"));
                Doing::Nothing
            }
            // The next session will not list it.
            Err(store::Error::Gone) => {
                let text = format_args!("message {number} was removed by another client");
                reply::err_with(&mut self.output, Code::SysTemp, text);
                Doing::Nothing
            }
            Err(_) => {
                reply::err_with(&mut self.output, Code::SysTemp, format_args!("message {number} can't be read now"));
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
