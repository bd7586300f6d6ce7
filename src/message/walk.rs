//! The walk through a message: one pass over its lines finds header, boundaries and parts (RFC 2046 §5).
//!
//! How broken messages are read:
//! - A boundary line ends every part that is open inside its multipart, in the middle of a header too; the end of the message
//!   ends everything. So each part lies inside its parent and before its next sibling, whatever the octets.
//! - A line is a boundary if it is `--`, the boundary, perhaps `--`, perhaps blanks, and nothing else. RFC 2046 §5.1.1 lets a
//!   receiver be content with the beginning of the line; we differ on purpose, because senders build inner boundaries by adding
//!   to outer ones, and then the beginning does not tell which is meant. Where two open multiparts have the same boundary the
//!   inner one is meant.
//! - A multipart without a usable boundary, or in which no part begins, is text/plain: its reader sees the octets.
//! - An enclosed message in base64 or quoted-printable (RFC 2046 §5.2.1 forbids it) is application/octet-stream, which clients
//!   can decode. message/global may be encoded (RFC 6532 §3.7), and then has nothing inside.
//!
//! Time is linear in the length of the message; the stack is bounded by [`DEPTH_MAX`], memory by the limits of `message`.

use std::collections::HashMap;

use memchr::{memchr_iter, memmem};

use super::binary::Encoding;
use super::header::{first_line, is_blank};
use super::mime::{self, DefaultType, Items};
use super::structure::Enclosed;
use super::{Content, DEPTH_MAX, Envelope, HEADER_OCTETS_MAX, HEADERS_OCTETS_MAX, ITEMS_MAX, PARTS_MAX, Part, Span};

/// The message has more than [`PARTS_MAX`] parts.
pub(super) struct TooManyParts;

pub(super) struct Walk<'m> {
    message: &'m [u8],
    /// Where the next line begins.
    at: usize,
    /// How many lines ended before `at`.
    lines: u32,
    /// Where a line may be a boundary.
    candidates: memmem::Finder<'static>,
    /// The open multiparts by their boundaries: numbers, 1 the outermost. Of those with the same boundary the last is meant.
    open: HashMap<Vec<u8>, Vec<usize>>,
    open_count: usize,
    parts_left: usize,
    header_octets_left: u32,
    items: Items,
}

/// What ended a part.
#[derive(Clone, Copy)]
struct Stop {
    /// The number of the open multipart whose boundary it was; 0: the end of the message.
    multipart: usize,
    /// It was the last boundary of that multipart.
    close: bool,
    /// Where the boundary line begins.
    at: usize,
    /// How many lines ended before it.
    lines: u32,
}

impl<'m> Walk<'m> {
    /// A walk through `message`, which is shorter than 4 GiB.
    pub(super) fn new(message: &'m [u8]) -> Walk<'m> {
        Walk {
            message,
            at: 0,
            lines: 0,
            candidates: memmem::Finder::new(b"\n--"),
            open: HashMap::new(),
            open_count: 0,
            parts_left: PARTS_MAX,
            header_octets_left: HEADERS_OCTETS_MAX,
            items: Items(ITEMS_MAX),
        }
    }

    /// The whole message; its envelope goes to `envelope`, even if there are too many parts.
    pub(super) fn message(mut self, envelope: &mut Envelope) -> Result<Part, TooManyParts> {
        self.part(1, DefaultType::Text, Some(envelope)).map(|(part, _)| part)
    }

    /// The part that begins here. `depth` 1 is the message itself; `envelope`: the part is a message, and its envelope goes
    /// there.
    fn part(
        &mut self,
        depth: usize,
        default: DefaultType,
        envelope: Option<&mut Envelope>,
    ) -> Result<(Part, Stop), TooManyParts> {
        self.parts_left = self.parts_left.checked_sub(1).ok_or(TooManyParts)?;
        let start = self.at;
        let ended_in_header = self.header();
        let header = span(start, ended_in_header.map_or(self.at, |stop| stop.at));
        if header.len() > HEADER_OCTETS_MAX.min(self.header_octets_left) {
            let mut part = opaque(header);
            let (body_lines, stop) = (self.lines, ended_in_header.unwrap_or_else(|| self.scan()));
            self.close_body(&mut part, body_lines, stop);
            return Ok((part, stop));
        }
        self.header_octets_left -= header.len();
        if let Some(envelope) = envelope {
            *envelope = Envelope::of(header.of(self.message), &mut self.items);
        }
        let mut part = mime::read(header.of(self.message), default, &mut self.items);
        part.header = header;
        let (body_lines, stop) = match ended_in_header {
            None => (self.lines, self.body(&mut part, depth)?),
            Some(stop) => {
                if part.is_multipart() || part.is_message() {
                    mime::set_plain_text(&mut part);
                }
                (stop.lines, stop)
            }
        };
        self.close_body(&mut part, body_lines, stop);
        Ok((part, stop))
    }

    /// Goes over a header and its blank line. What ended it, if not the blank line.
    fn header(&mut self) -> Option<Stop> {
        loop {
            let line = self.line();
            if line.is_empty() || (line.starts_with(b"--") && self.boundary(line).is_some()) {
                return Some(self.scan());
            }
            self.at += line.len();
            self.lines += u32::from(line.ends_with(b"\n"));
            if is_blank(line) {
                return None;
            }
        }
    }

    /// Goes over the body of a part, and finds what is inside.
    fn body(&mut self, part: &mut Part, depth: usize) -> Result<Stop, TooManyParts> {
        if part.is_multipart() {
            let boundary = part.param("boundary").map(|boundary| boundary.trim_ascii_end().to_vec());
            match boundary.filter(|boundary| !boundary.is_empty()) {
                Some(_) if depth >= DEPTH_MAX => make_opaque(part),
                Some(boundary) => return self.multipart(part, boundary, depth),
                None => mime::set_plain_text(part),
            }
        } else if part.is_message() {
            if Encoding::named(&part.encoding) != Some(Encoding::Identity) {
                // message/global may be encoded (RFC 6532 §3.7), and is then what it says: octets of that type.
                if !part.is_global() {
                    mime::set_octet_stream(part);
                }
            } else if depth >= DEPTH_MAX {
                make_opaque(part);
            } else {
                let mut envelope = Envelope::default();
                let (structure, stop) = self.part(depth + 1, DefaultType::Text, Some(&mut envelope))?;
                part.content = Content::Message(Box::new(Enclosed { envelope, structure }));
                return Ok(stop);
            }
        }
        Ok(self.scan())
    }

    /// Goes over the body of a multipart, its epilogue included.
    fn multipart(&mut self, part: &mut Part, boundary: Vec<u8>, depth: usize) -> Result<Stop, TooManyParts> {
        let is_digest = part.media_subtype.eq_ignore_ascii_case(b"digest");
        let default = if is_digest { DefaultType::Message } else { DefaultType::Text };
        self.open_count += 1;
        let number = self.open_count;
        self.open.entry(boundary.clone()).or_default().push(number);

        let mut children = Vec::new();
        let mut stop = self.scan();
        while stop.multipart == number && !stop.close {
            let (child, next) = self.part(depth + 1, default, None)?;
            children.push(child);
            stop = next;
        }

        self.open_count -= 1;
        if let Some(numbers) = self.open.get_mut(&boundary) {
            numbers.pop();
            if numbers.is_empty() {
                self.open.remove(&boundary);
            }
        }
        if stop.multipart == number {
            stop = self.scan();
        }
        if children.is_empty() {
            mime::set_plain_text(part);
        } else {
            part.content = Content::Multipart(children);
        }
        Ok(stop)
    }

    /// Sets the place and the lines of a part's body, which begins behind its header. The line end in front of a boundary
    /// belongs to the boundary (RFC 2046 §5.1.1), unless something inside needs it: the blank line of a header with no body.
    fn close_body(&self, part: &mut Part, lines_before: u32, stop: Stop) {
        let start = part.header.end as usize;
        let inside_end = match &part.content {
            Content::Multipart(parts) => parts.last().map_or(start, |last| last.body.end as usize),
            Content::Message(enclosed) => enclosed.structure.body.end as usize,
            Content::Leaf | Content::Opaque => start,
        };
        let line_end = match &self.message[..stop.at] {
            _ if stop.multipart == 0 => 0,
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            _ => 0,
        };
        let end = (stop.at - line_end).max(inside_end).max(start);
        part.body = span(start, end);
        let unended = part.body.of(self.message).last().is_some_and(|octet| *octet != b'\n');
        part.lines = stop.lines - lines_before - u32::from(end < stop.at) + u32::from(unended);
    }

    /// The next line with its end; empty at the end of the message.
    fn line(&self) -> &'m [u8] {
        let rest = &self.message[self.at..];
        &rest[..first_line(rest)]
    }

    /// Goes to behind the next boundary line of an open multipart, or to the end of the message.
    fn scan(&mut self) -> Stop {
        loop {
            let rest = &self.message[self.at..];
            let octets = match rest {
                _ if self.open.is_empty() => rest.len(),
                [b'-', b'-', ..] => 0,
                _ => self.candidates.find(rest).map_or(rest.len(), |line_end| line_end + 1),
            };
            self.lines += memchr_iter(b'\n', &rest[..octets]).count() as u32;
            self.at += octets;
            let (at, lines, line) = (self.at, self.lines, self.line());
            if line.is_empty() {
                return Stop { multipart: 0, close: true, at, lines };
            }
            self.at += line.len();
            self.lines += u32::from(line.ends_with(b"\n"));
            if let Some((multipart, close)) = self.boundary(line) {
                return Stop { multipart, close, at, lines };
            }
        }
    }

    /// Of which open multipart this line, which begins with `--`, is a boundary, and whether the last.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let boundary = line[2..].trim_ascii_end();
        let number = |boundary: &[u8]| self.open.get(boundary).and_then(|numbers| numbers.last().copied());
        let next = || number(boundary).map(|number| (number, false));
        let last = || number(boundary.strip_suffix(b"--")?.trim_ascii_end()).map(|number| (number, true));
        next().or_else(last)
    }
}

/// A part of which only its places are known.
pub(super) fn opaque(header: Span) -> Part {
    let mut part = Part { header, encoding: "BINARY".into(), ..Part::default() };
    make_opaque(&mut part);
    part
}

fn make_opaque(part: &mut Part) {
    mime::set_octet_stream(part);
    part.content = Content::Opaque;
}

/// A place in a message; those are shorter than 4 GiB.
fn span(start: usize, end: usize) -> Span {
    Span::new(start as u32, end as u32)
}
