//! The form in which a summary is stored: its version, then postcard.
//!
//! The tree of parts is stored flat, each part before those inside it, with the count of them. So the octets on a disk decide
//! neither how deep a reader recurses nor where it reads: whatever is accepted obeys the rules of a fresh summary.

use std::vec;

use serde::{Deserialize, Serialize, Serializer};

use super::date::Zoned;
use super::preview::CHARACTERS_MAX;
use super::structure::Enclosed;
use super::{Content, DEPTH_MAX, Envelope, PARTS_MAX, Part, Span, Summary};

/// Why a stored summary can't be used; it is made anew from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It was made by another version of this module.
    #[error("the summary has version {0}")]
    Version(u8),
    /// It is not what a summary of this version looks like.
    #[error("the summary is damaged")]
    Damaged,
}

/// What is inside a part; the parts themselves follow.
#[derive(Serialize, Deserialize)]
enum Inside<E> {
    Leaf,
    Opaque,
    Multipart(u32),
    Message(E),
}

/// Octets, written in one go.
struct Octets<'s>(&'s [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// What postcard writes, borrowed.
type Written<'s> =
    (u32, Option<Zoned>, &'s Envelope, Vec<(&'s Part, Inside<&'s Envelope>)>, &'s str, Option<Octets<'s>>);

/// What postcard reads.
type Read<'s> = (u32, Option<Zoned>, Envelope, Vec<(Part, Inside<Envelope>)>, &'s str, Option<&'s [u8]>);

impl Summary {
    /// The form in which it is stored: the version, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        flatten(&self.structure, &mut parts);
        let common_header = self.common_header.as_deref().map(Octets);
        let written: Written<'_> = (self.octets, self.sent, &self.envelope, parts, &self.preview, common_header);
        // postcard fails only where a writer fails or a length is unknown: a Vec takes everything, and lengths are known. Were
        // it otherwise, the summary would be unreadable and made anew.
        postcard::to_extend(&written, vec![Summary::VERSION]).unwrap_or_default()
    }

    /// Reads what [`encode`](Self::encode) wrote. Whatever it accepts keeps the rules of a fresh summary: places inside the
    /// message and inside their parents, depth and count within the limits.
    pub fn decode(stored: &[u8]) -> Result<Summary, DecodeError> {
        let (version, written) = stored.split_first().ok_or(DecodeError::Damaged)?;
        if *version != Summary::VERSION {
            return Err(DecodeError::Version(*version));
        }
        let (octets, sent, envelope, parts, preview, common_header): Read<'_> =
            postcard::from_bytes(written).map_err(|_| DecodeError::Damaged)?;
        if !is_preview(preview) {
            return Err(DecodeError::Damaged);
        }
        let whole = Span::new(0, octets);
        let mut parts = parts.into_iter();
        let structure = build(&mut parts, whole, 1).filter(|part| part.whole() == whole).ok_or(DecodeError::Damaged)?;
        match parts.next() {
            None => {
                let (preview, common_header) = (preview.to_owned(), common_header.map(Box::from));
                Ok(Summary { octets, sent, envelope, structure, preview, common_header })
            }
            Some(_) => Err(DecodeError::Damaged),
        }
    }
}

/// Whether it keeps the rules of a preview, as far as they matter to who prints it.
fn is_preview(text: &str) -> bool {
    let is_short = text.len() <= CHARACTERS_MAX || text.chars().count() <= CHARACTERS_MAX;
    is_short && memchr::memchr3(0, b'\r', b'\n', text.as_bytes()).is_none()
}

fn flatten<'s>(part: &'s Part, parts: &mut Vec<(&'s Part, Inside<&'s Envelope>)>) {
    match &part.content {
        Content::Leaf => parts.push((part, Inside::Leaf)),
        Content::Opaque => parts.push((part, Inside::Opaque)),
        Content::Multipart(children) => {
            parts.push((part, Inside::Multipart(children.len() as u32)));
            for child in children {
                flatten(child, parts);
            }
        }
        Content::Message(enclosed) => {
            parts.push((part, Inside::Message(&enclosed.envelope)));
            flatten(&enclosed.structure, parts);
        }
    }
}

/// The next part with what is inside it; `None` if it is not within `place` or breaks another rule.
fn build(parts: &mut vec::IntoIter<(Part, Inside<Envelope>)>, place: Span, depth: usize) -> Option<Part> {
    let (mut part, inside) = parts.next()?;
    let (header, body) = (part.header, part.body);
    let in_order = place.start <= header.start
        && header.start <= header.end
        && header.end == body.start
        && body.start <= body.end
        && body.end <= place.end;
    if !in_order || depth > DEPTH_MAX {
        return None;
    }
    part.content = match inside {
        Inside::Leaf => Content::Leaf,
        Inside::Opaque => Content::Opaque,
        Inside::Multipart(count) => {
            let count = count as usize;
            if count == 0 || count > PARTS_MAX {
                return None;
            }
            let mut place = body;
            let mut children = Vec::with_capacity(count);
            for _ in 0..count {
                let child = build(parts, place, depth + 1)?;
                place.start = child.body.end;
                children.push(child);
            }
            Content::Multipart(children)
        }
        Inside::Message(envelope) => {
            let structure = build(parts, body, depth + 1).filter(|structure| structure.whole() == body)?;
            Content::Message(Box::new(Enclosed { envelope, structure }))
        }
    };
    Some(part)
}
