//! Commands out of a stream of octets (RFC 3501 §2.2.1, §4.3, §7.5; RFC 7888): lines, and literals inside them.
//!
//! The framer owns no socket. [`Framer::receive`] takes octets, split anywhere; [`Framer::next_event`] gives what they make,
//! until it says `None` and more must be read. What it holds is bounded by [`Limits`]; an idle one holds nothing.
//!
//! Rules:
//! - **A frame is the whole command as it stood on the wire**, its literals with their heads among it, without the last
//!   CRLF. The parser reads it in one go and never waits.
//! - **A literal is judged by its head.** One that is too big is refused before any `+`: a synchronizing one by a tagged
//!   answer, after which the client must not send it (RFC 3501 §7.5). Of a non-synchronizing one the octets are on their way
//!   already and could be taken for commands, so that only `* BYE [TOOBIG]` is safe (RFC 7888 §4, §5).
//! - **Messages of APPEND and REPLACE are not held**: the command is handed out first ([`Event::Append`]), the session says
//!   [`accept_message`](Framer::accept_message) or [`refuse_message`](Framer::refuse_message), and the octets follow in
//!   pieces. What stands behind them comes as a frame of its own: the end of the command ([`Event::MessageEnd`]), or again
//!   an [`Event::Append`], since there may be more messages (RFC 3502), and more parts of one (RFC 4469).
//! - **A refused command is read to its end** where its octets are on their way: non-synchronizing literals are thrown away,
//!   a synchronizing one is not sent any more.
//! - **A line ends with CRLF and with nothing else.** At a bare LF the line is answered with BAD at once, and all up to the
//!   next CRLF is thrown away. To take LF for an end would turn a quoted string with a LF in it into two commands, the
//!   second written by whoever chose the string.
//! - **After an overlong line** the answer is a tagged BAD, and the stream goes on behind its CRLF. If it ended with the
//!   head of a non-synchronizing literal, `* BYE`: see above.
//! - `DONE` of IDLE and the lines of AUTHENTICATE come through here too: [`Framer::expect_line`].
//!
//! The framer knows no commands but APPEND and REPLACE (and SETMETADATA, whose literals it refuses in other words), and no
//! grammar but tags, the heads of literals, and that behind the word URL no message follows.

use super::command::{LiteralHeader, Tag};
use super::response::{Code, Status};
use crate::store::METADATA_VALUE_MAX;

/// How much a client may send in one command, in octets (DESIGN §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A line, without its CRLF.
    pub line: usize,
    /// A literal.
    pub literal: usize,
    /// A command, with its literals but without APPEND's message.
    pub command: usize,
    /// APPEND's message. 0: there is no APPEND yet, its literal is one like others.
    pub message: u64,
}

impl Limits {
    /// Before login a stranger holds our memory: 8 KiB (RFC 2683 §3.2.1.5) is enough for any LOGIN, and for SASL
    /// responses with tokens.
    pub const BEFORE_LOGIN: Limits = Limits { line: 8 << 10, literal: 8 << 10, command: 8 << 10, message: 0 };

    /// After login: RFC 7162 §4 advises clients to stay near 8 KiB a line; 64 KiB leave room for those that name 8,000
    /// UIDs one by one. Literals are mailbox names and what SEARCH looks for.
    pub const fn after_login(message: u64) -> Limits {
        Limits { line: 64 << 10, literal: 100 << 10, command: 1 << 20, message }
    }
}

/// How much of a line that is refused already is thrown away before the connection is given up, in octets. Beyond that it is
/// no client that made a mistake.
const SKIP_MAX: usize = 1 << 20;

const NO_CRLF: &str = "Lines end with CRLF";
const LITERAL_TOO_BIG: &str = "The literal is larger than this server takes";

/// What the octets made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command, complete, without its last CRLF; for [`parse::command`](super::parse::command).
    Command(Vec<u8>),
    /// An APPEND or REPLACE up to and with the head of a literal whose octets are a message's; or what stands behind such
    /// octets, up to and with the next head. Nothing more comes until [`Framer::accept_message`] or
    /// [`Framer::refuse_message`].
    Append(Vec<u8>),
    /// Send `+`: the client waits to send a literal (RFC 3501 §7.5).
    Continue,
    /// Octets of that literal, in order.
    Message(Vec<u8>),
    /// The command is complete; what stands behind the last octets of a message, without its CRLF.
    MessageEnd(Vec<u8>),
    /// A line that is no command, without its CRLF: see [`Framer::expect_line`].
    Line(Vec<u8>),
    /// What came was no good; whatever command it belonged to (an APPEND that was accepted, an IDLE) is void.
    Refused {
        /// The answer; tagged where the tag could be read. The line of an IDLE or AUTHENTICATE has none: give it theirs.
        status: Status,
        /// The connection can't go on.
        close: bool,
    },
}

/// Where in a command the framer is.
#[derive(Debug)]
enum State {
    /// In a line, of a command or in [`Framer::expect_line`].
    Line,
    /// In a literal that belongs to the frame: so many octets to come.
    Literal(usize),
    /// APPEND was handed out; the session has not said whether it takes the message.
    Verdict(LiteralHeader),
    /// The session takes the message.
    Accepted(LiteralHeader),
    /// In that message: so many octets to come.
    Message(u64),
    /// In a message that was refused: so many octets to throw away.
    Unwanted(u64),
    /// Behind such a message: in a line of a command that is answered already.
    UnwantedLine,
    /// In a line that was refused: thrown away up to its CRLF.
    Skip {
        /// Octets thrown away.
        skipped: usize,
        /// The last three of them.
        tail: [u8; 3],
    },
    /// Said goodbye.
    Closed,
}

impl State {
    const SKIP: State = State::Skip { skipped: 0, tail: [0; 3] };
}

/// What one step brought.
enum Step {
    Event(Event),
    /// The state changed: go on.
    Again,
    /// Octets are missing, or the session's word.
    Wait,
}

/// Makes commands of octets.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    /// What arrived; from `start` on it is unread.
    input: Vec<u8>,
    start: usize,
    /// So many unread octets are known to have no LF.
    scanned: usize,
    /// The lines and literals of this command that are complete.
    frame: Vec<u8>,
    /// A message of the command was handed out or is on its way: what follows belongs to the command.
    behind_message: bool,
    /// The tag of that command.
    append_tag: Option<Tag>,
    state: State,
    /// The next line is no command.
    line_expected: bool,
}

impl Framer {
    /// A framer at the beginning of a stream; behind STARTTLS that is a new one, so that nothing sent in clear text is
    /// left (CVE-2011-0411).
    pub fn new(limits: Limits) -> Framer {
        Framer {
            limits,
            input: Vec::new(),
            start: 0,
            scanned: 0,
            frame: Vec::new(),
            behind_message: false,
            append_tag: None,
            state: State::Line,
            line_expected: false,
        }
    }

    /// Whether something arrived that is not read yet.
    pub fn has_unread(&self) -> bool {
        !self.unread().is_empty()
    }

    /// Other limits from the next line on: after login.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The next line is no command, but IDLE's `DONE` (RFC 2177) or a line of AUTHENTICATE (RFC 3501 §6.2.2), and comes as
    /// [`Event::Line`]. Good for one line; one that is refused counts.
    pub fn expect_line(&mut self) {
        self.line_expected = true;
    }

    /// Takes what arrived. Read only when [`next_event`](Self::next_event) has nothing more: so what is held stays bounded.
    pub fn receive(&mut self, octets: Vec<u8>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        if self.input.is_empty() {
            self.input = octets;
        } else {
            self.input.drain(..self.start);
            self.input.extend_from_slice(&octets);
        }
        self.start = 0;
    }

    /// Takes the message that [`Event::Append`] announced. Without that event it does nothing.
    pub fn accept_message(&mut self) {
        if let State::Verdict(header) = self.state {
            self.state = State::Accepted(header);
        }
    }

    /// Does not take the message that [`Event::Append`] announced; the session answers the command. A client that waits for
    /// `+` does not send the message then, one that does not wait has it thrown away. Without that event it does nothing.
    pub fn refuse_message(&mut self) {
        if let State::Verdict(header) = self.state {
            self.end_append();
            self.state = if header.non_synchronizing { State::Unwanted(header.octets) } else { State::Line };
        }
    }

    /// What the octets made, in order; `None`: more must be received, or the session must say whether it takes a message.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let step = match self.state {
                State::Line => self.line(),
                State::Literal(left) => self.literal(left),
                State::Accepted(header) => {
                    self.state = State::Message(header.octets);
                    if header.non_synchronizing { Step::Again } else { Step::Event(Event::Continue) }
                }
                State::Message(left) => self.message(left),
                State::Unwanted(left) => self.unwanted(left),
                State::UnwantedLine => self.unwanted_line(),
                State::Skip { skipped, tail } => self.skip(skipped, tail),
                State::Verdict(_) | State::Closed => Step::Wait,
            };
            match step {
                Step::Event(event) => return Some(event),
                Step::Again => {}
                Step::Wait => return None,
            }
        }
    }

    fn unread(&self) -> &[u8] {
        &self.input[self.start..]
    }

    /// Steps over the next octets; an input that is used up gives its memory back.
    fn consume(&mut self, octets: usize) {
        self.start += octets;
        self.scanned = 0;
        if self.start >= self.input.len() {
            self.input = Vec::new();
            self.start = 0;
        }
    }

    /// The next octets, at most `max`: the whole input without copying it, where that is what is wanted.
    fn take(&mut self, max: u64) -> Vec<u8> {
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(self.unread().len());
        if self.start == 0 && count == self.input.len() {
            self.scanned = 0;
            return std::mem::take(&mut self.input);
        }
        let taken = self.unread()[..count].to_vec();
        self.consume(count);
        taken
    }

    fn line(&mut self) -> Step {
        // What is above the limit is refused before its end is looked for, so that it does not matter how it was split.
        let window = self.unread().len().min(self.limits.line + 2);
        let Some(found) = memchr::memchr(b'\n', &self.unread()[self.scanned..window]) else {
            if window == self.limits.line + 2 {
                return self.overlong();
            }
            self.scanned = window;
            return Step::Wait;
        };
        let end = self.scanned + found;
        let line = &self.unread()[..end];
        let Some(line) = line.strip_suffix(b"\r") else {
            return self.bare_line_feed(end);
        };
        if self.frame.len() + line.len() > self.limits.command {
            return self.overlong();
        }
        if self.line_expected {
            let line = line.to_vec();
            self.line_expected = false;
            self.consume(end + 1);
            return Step::Event(Event::Line(line));
        }
        let header = literal_header(line);
        // Most commands are one line: nothing is copied twice.
        self.frame.extend_from_slice(&self.input[self.start..self.start + end - 1]);
        self.consume(end + 1);
        match header {
            None if self.behind_message => {
                self.end_append();
                Step::Event(Event::MessageEnd(std::mem::take(&mut self.frame)))
            }
            None => Step::Event(Event::Command(std::mem::take(&mut self.frame))),
            Some(header) if self.limits.message > 0 && is_message(&self.frame, self.behind_message) => {
                self.append(header)
            }
            Some(header) => self.literal_begins(header),
        }
    }

    fn literal_begins(&mut self, header: LiteralHeader) -> Step {
        let octets = usize::try_from(header.octets).unwrap_or(usize::MAX);
        if octets > self.limits.literal || octets > self.limits.command.saturating_sub(self.frame.len()) {
            if header.non_synchronizing {
                return self.close(Status::bye(LITERAL_TOO_BIG).with_code(Code::TooBig));
            }
            let is_set_metadata = is_set_metadata(&self.frame);
            return refused(match self.take_tag() {
                // RFC 5464 §4.3: a value that is too large is not bad, and the client is told how large it may be.
                Some(tag) if is_set_metadata => {
                    Status::no(&tag, LITERAL_TOO_BIG).with_code(Code::MetadataMaxSize(METADATA_VALUE_MAX as u64))
                }
                tag => Status::bad(tag.as_ref(), "The literal is larger than this command may have"),
            });
        }
        self.frame.extend_from_slice(b"\r\n");
        self.state = State::Literal(octets);
        if header.non_synchronizing { Step::Again } else { Step::Event(Event::Continue) }
    }

    fn literal(&mut self, left: usize) -> Step {
        let count = left.min(self.unread().len());
        self.frame.extend_from_slice(&self.input[self.start..self.start + count]);
        self.consume(count);
        if count < left {
            self.state = State::Literal(left - count);
            return Step::Wait;
        }
        self.state = State::Line;
        Step::Again
    }

    fn append(&mut self, header: LiteralHeader) -> Step {
        if header.octets > self.limits.message {
            let text = "The message is larger than this server takes";
            return match self.take_tag() {
                Some(tag) if !header.non_synchronizing => refused(Status::no(&tag, text).with_code(Code::TooBig)),
                _ => self.close(Status::bye(text).with_code(Code::TooBig)),
            };
        }
        let frame = std::mem::take(&mut self.frame);
        if !self.behind_message {
            self.append_tag = Tag::of_line(&frame);
            self.behind_message = true;
        }
        self.state = State::Verdict(header);
        Step::Event(Event::Append(frame))
    }

    fn message(&mut self, left: u64) -> Step {
        if left == 0 {
            // What is behind it is a frame of its own.
            self.state = State::Line;
            return Step::Again;
        }
        let piece = self.take(left);
        if piece.is_empty() {
            return Step::Wait;
        }
        self.state = State::Message(left - piece.len() as u64);
        Step::Event(Event::Message(piece))
    }

    fn unwanted(&mut self, left: u64) -> Step {
        let count = (self.unread().len() as u64).min(left);
        // In bounds: no more than what is unread.
        self.consume(count as usize);
        if count < left {
            self.state = State::Unwanted(left - count);
            return Step::Wait;
        }
        self.state = State::UnwantedLine;
        Step::Again
    }

    /// The rest of a command that was refused, behind octets that were thrown away. Its answer is on its way, so nothing
    /// more is said of it.
    fn unwanted_line(&mut self) -> Step {
        let window = self.unread().len().min(self.limits.line + 2);
        let Some(found) = memchr::memchr(b'\n', &self.unread()[self.scanned..window]) else {
            if window == self.limits.line + 2 {
                self.state = State::SKIP;
                return Step::Again;
            }
            self.scanned = window;
            return Step::Wait;
        };
        let end = self.scanned + found;
        let Some(line) = self.unread()[..end].strip_suffix(b"\r") else {
            self.consume(end + 1);
            self.state = State::SKIP;
            return Step::Again;
        };
        let header = literal_header(line);
        self.consume(end + 1);
        match header {
            Some(header) if header.non_synchronizing && header.octets > self.limits.message => {
                self.close(Status::bye(LITERAL_TOO_BIG).with_code(Code::TooBig))
            }
            Some(header) if header.non_synchronizing => {
                self.state = State::Unwanted(header.octets);
                Step::Again
            }
            // A client that waits for `+` has the answer instead (RFC 3501 §7.5).
            Some(_) | None => {
                self.state = State::Line;
                Step::Again
            }
        }
    }

    /// The command with its messages is over.
    fn end_append(&mut self) {
        self.behind_message = false;
        self.append_tag = None;
    }

    /// The tag of the command that the frame belongs to, which is given up.
    fn take_tag(&mut self) -> Option<Tag> {
        let frame = std::mem::take(&mut self.frame);
        let tag = if self.behind_message { self.append_tag.take() } else { Tag::of_line(&frame) };
        self.end_append();
        tag
    }

    /// A line, or a command, above its limit: answered now, and thrown away from here to its end.
    fn overlong(&mut self) -> Step {
        let refused = self.refuse_line("The command is longer than this server takes");
        self.state = State::SKIP;
        refused
    }

    fn bare_line_feed(&mut self, at: usize) -> Step {
        if self.unread()[..at].ends_with(b"+}") {
            // It may have been meant as the head of a literal, and its octets follow.
            return self.close(Status::bye(NO_CRLF));
        }
        let refused = self.refuse_line(NO_CRLF);
        self.consume(at + 1);
        self.state = State::SKIP;
        refused
    }

    /// Refuses the command that the unread line belongs to.
    fn refuse_line(&mut self, text: &'static str) -> Step {
        let frame = std::mem::take(&mut self.frame);
        let line = if frame.is_empty() { self.unread() } else { &frame };
        // A tag without a space behind it may be cut off, or be no tag at all.
        let tag = memchr::memchr(b' ', &line[..line.len().min(self.limits.line)]).and_then(|_| Tag::of_line(line));
        let tag = if std::mem::take(&mut self.line_expected) { None } else { tag };
        let tag = if self.behind_message { self.append_tag.take() } else { tag };
        self.end_append();
        refused(Status::bad(tag.as_ref(), text))
    }

    fn skip(&mut self, skipped: usize, tail: [u8; 3]) -> Step {
        let mut tail = tail;
        for (index, octet) in self.input[self.start..].iter().enumerate() {
            if skipped + index >= SKIP_MAX {
                return self.close(Status::bye("This line has no end"));
            }
            if *octet == b'\n' && tail[2] == b'\r' {
                if tail[..2] == *b"+}" {
                    return self.close(Status::bye(LITERAL_TOO_BIG).with_code(Code::TooBig));
                }
                self.consume(index + 1);
                self.state = State::Line;
                return Step::Again;
            }
            tail = [tail[1], tail[2], *octet];
        }
        let count = self.unread().len();
        self.consume(count);
        self.state = State::Skip { skipped: skipped + count, tail };
        Step::Wait
    }

    fn close(&mut self, bye: Status) -> Step {
        *self = Framer::new(self.limits);
        self.state = State::Closed;
        Step::Event(Event::Refused { status: bye, close: true })
    }
}

fn refused(status: Status) -> Step {
    Step::Event(Event::Refused { status, close: false })
}

/// The head of a literal at the end of a line. A number above 64 bits counts as the highest, which every limit refuses.
fn literal_header(line: &[u8]) -> Option<LiteralHeader> {
    let head = line.strip_suffix(b"}")?;
    let (head, non_synchronizing) = match head.strip_suffix(b"+") {
        Some(head) => (head, true),
        None => (head, false),
    };
    let digits = head.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
    let (head, digits) = head.split_at(head.len() - digits);
    let head = head.strip_suffix(b"{")?;
    if digits.is_empty() {
        return None;
    }
    let octets = digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(LiteralHeader { octets, non_synchronizing, binary: head.ends_with(b"~") })
}

/// Whether the octets of the literal whose head ends the frame are a message's. In APPEND they are behind the mailbox name,
/// in REPLACE behind a number and the name, and the name may be a literal too. A URL's are no message's (RFC 4469 §5).
fn is_message(frame: &[u8], behind_message: bool) -> bool {
    if behind_message {
        return !follows_url(frame);
    }
    let mut words = frame.split(|octet| *octet == b' ').skip(1);
    let verb = match words.next() {
        Some(uid) if uid.eq_ignore_ascii_case(b"UID") => {
            words.next().filter(|verb| !verb.eq_ignore_ascii_case(b"APPEND"))
        }
        verb => verb,
    };
    // So many arguments stand in front.
    let arguments = match verb {
        Some(verb) if verb.eq_ignore_ascii_case(b"APPEND") => 1,
        Some(verb) if verb.eq_ignore_ascii_case(b"REPLACE") => 2,
        _ => return false,
    };
    words.nth(arguments).is_some() && !(follows_url(frame) && has_catenate(frame))
}

/// Whether the last word in front of the literal's head is URL.
fn follows_url(frame: &[u8]) -> bool {
    let Some(head) = memchr::memrchr(b'{', frame) else { return false };
    let Some(before) = frame[..head].strip_suffix(b" ") else { return false };
    let Some((before, word)) = before.split_at_checked(before.len().saturating_sub(3)) else { return false };
    word.eq_ignore_ascii_case(b"URL") && matches!(before.last(), Some(b' ' | b'('))
}

/// Whether a list of parts begins somewhere, so that a URL may be one of them and not the name of a mailbox. It stands near
/// the beginning, and where it does not the frame ends here: a frame is gone over once at the most.
fn has_catenate(frame: &[u8]) -> bool {
    const CATENATE: &[u8] = b" CATENATE (";
    frame.windows(CATENATE.len()).any(|octets| octets.eq_ignore_ascii_case(CATENATE))
}

/// Whether the frame is a SETMETADATA's.
fn is_set_metadata(frame: &[u8]) -> bool {
    frame.split(|octet| *octet == b' ').nth(1).is_some_and(|verb| verb.eq_ignore_ascii_case(b"SETMETADATA"))
}

#[cfg(test)]
mod tests;
