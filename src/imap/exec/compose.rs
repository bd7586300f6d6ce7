//! The messages of APPEND and REPLACE, from the client into bodies of the store.
//!
//! Octets go on in pieces: nothing here holds them. Several messages (RFC 3502), and parts of one (RFC 4469), follow one
//! another in the command; each literal is accepted by itself, and refused before its `+` where it can be. Once something is
//! wrong, octets that are on their way are taken and thrown away, and the command ends with the next literal.

use super::Context;
use super::catenate::append_url;
use super::failure::Failure;
use crate::imap::command::{AppendPiece, LiteralHeader};
use crate::imap::framer::Event;
use crate::imap::parse;
use crate::imap::response::{Code, Response};
use crate::store::{AccountId, Appending, Date, Error, FlagNames, Incoming, NewMessage, Usage};

/// How many messages one APPEND may have. Their flags and what was found in them are in memory until all are there; a client
/// with more of them sends another APPEND.
pub(super) const MESSAGES_MAX: usize = 1_000;

/// How many parts all messages of a command may be put together of. Each URL is looked up and read.
const PARTS_MAX: usize = 1_000;

/// Takes the messages, at most `most`. Together they may have no more octets than one may have (`APPENDLIMIT`): all of them
/// count against the budget for bodies in flight until the command ends, and one client must not use it up.
///
/// `account`: that they are added to, and `leaving` what leaves it for them. The committer has the last word on its quota; but
/// a client that waits for `+` sends nothing in vain.
pub(super) async fn messages(
    cx: &mut Context<'_>,
    pieces: Vec<AppendPiece>,
    most: usize,
    account: AccountId,
    leaving: Usage,
) -> Result<Vec<Appending>, Failure> {
    let mut draft = Draft { messages: Vec::new(), most, parts: 0, octets_max: cx.store().max_message() };
    let mut pieces = pieces;
    loop {
        let mut literal = None;
        for piece in pieces {
            match piece {
                AppendPiece::Message { flags, internal_date } => {
                    draft.begin(cx.store().incoming(), flags, internal_date)?;
                }
                AppendPiece::Literal(header) | AppendPiece::Utf8(header) if header.octets == 0 => {
                    // RFC 3502, §6.3.11: this cancels the command.
                    return Err(Failure::No { code: None, text: "A message of no octets: nothing is appended".into() });
                }
                AppendPiece::Literal(header) | AppendPiece::Utf8(header) => literal = Some((header, piece)),
                AppendPiece::Text(header) | AppendPiece::Utf8Text(header) => {
                    draft.count_part()?;
                    literal = Some((header, piece));
                }
                AppendPiece::Url(url) => {
                    draft.count_part()?;
                    append_url(cx, &url, draft.last()?).await?;
                    draft.check_octets(0)?;
                }
                AppendPiece::Catenate | AppendPiece::EndCatenate => {}
            }
        }
        let Some((header, piece)) = literal else { return draft.finish() };
        draft.check_octets(header.octets)?;
        cx.store().room(account, draft.usage(header.octets).minus(leaving))?;
        cx.client.framer().accept_message();
        let behind = receive(cx, header, draft.last()?).await?;
        pieces = parse::append_rest(&behind, &piece).map_err(Failure::Parse)?;
    }
}

/// The messages as far as they have come; the last one may lack some of its octets.
struct Draft {
    messages: Vec<Appending>,
    most: usize,
    parts: usize,
    octets_max: u64,
}

impl Draft {
    fn begin(&mut self, body: Incoming, flags: FlagNames, internal_date: Option<Date>) -> Result<(), Failure> {
        self.last_has_octets()?;
        match self.messages.len() {
            _ if self.most == 1 && !self.messages.is_empty() => Err(Failure::Bad("one message was expected")),
            count if count >= self.most => Err(Failure::no(Code::Limit, "Too many messages in one APPEND")),
            _ => {
                self.messages.push(Appending { message: NewMessage { body, internal_date }, flags });
                Ok(())
            }
        }
    }

    /// The octets of the message that has begun last.
    fn last(&mut self) -> Result<&mut Incoming, Failure> {
        // The grammar begins with a message; if it ever did not, the client is wrong.
        let last = self.messages.last_mut().ok_or(Failure::Bad("a message was expected"))?;
        Ok(&mut last.message.body)
    }

    fn count_part(&mut self) -> Result<(), Failure> {
        self.parts += 1;
        if self.parts > PARTS_MAX { Err(Failure::no(Code::Limit, "Too many parts in one command")) } else { Ok(()) }
    }

    /// Whether so many octets more have room: in the message (RFC 4469 §4.2), and in all of them.
    fn check_octets(&mut self, more: u64) -> Result<(), Failure> {
        let limit = self.octets_max;
        if self.last()?.len().saturating_add(more) > limit {
            return Err(Error::TooLarge { limit }.into());
        }
        if self.usage(more).octets > limit {
            return Err(Failure::no(Code::Limit, format!("More than {limit} octets in one APPEND")));
        }
        Ok(())
    }

    /// What the messages are so far, with so many octets more.
    fn usage(&self, more: u64) -> Usage {
        let octets = self.messages.iter().fold(more, |sum, message| sum.saturating_add(message.message.body.len()));
        Usage { octets, messages: self.messages.len() as u64 }
    }

    fn last_has_octets(&self) -> Result<(), Failure> {
        match self.messages.last() {
            Some(last) if last.message.body.is_empty() => {
                Err(Failure::No { code: None, text: "The parts are a message of no octets".into() })
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<Vec<Appending>, Failure> {
        self.last_has_octets()?;
        Ok(self.messages)
    }
}

/// Takes the octets of a literal, and gives what stands behind them. When the store won't have them, the rest is read all the
/// same: it would else be taken for commands.
async fn receive(cx: &mut Context<'_>, header: LiteralHeader, body: &mut Incoming) -> Result<Vec<u8>, Failure> {
    let mut trouble = None;
    loop {
        match cx.event().await? {
            Event::Continue => cx.put(Response::Continue("Ready for the message".into())),
            Event::Message(_) if trouble.is_some() => {}
            Event::Message(octets) => {
                if !header.binary && octets.contains(&0) {
                    // RFC 3501 §4.3: a literal is CHAR8, which NUL is not.
                    trouble = Some(Failure::Bad("A message with NUL needs a literal8 (RFC 3516)"));
                } else if let Err(error) = body.push(&octets).await {
                    trouble = Some(error.into());
                }
            }
            Event::MessageEnd(behind) | Event::Append(behind) => return trouble.map_or(Ok(behind), Err),
            Event::Refused { status, close } => return Err(Failure::Refused { status: Box::new(status), close }),
            // The framer hands out nothing else while a message is on its way.
            Event::Command(_) | Event::Line(_) => return Err(Failure::Bad("A message was expected")),
        }
    }
}
