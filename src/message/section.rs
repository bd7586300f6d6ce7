//! BODY[section] (RFC 3501 §6.4.5): which octets of a message a section names.
//!
//! Most sections are one place in the message, so that a large part is read from where it lies; only HEADER.FIELDS and
//! HEADER.FIELDS.NOT have to be put together.

use std::borrow::Cow;

use super::header::fields;
use super::{Content, Part, Span, Summary, common};

/// What stands between the brackets: `section-spec` of RFC 3501 §9.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Part numbers, each 1 or more; empty: the message itself.
    pub path: Vec<u32>,
    /// What of that part; `None`: the whole message, or the body of the part.
    pub text: Option<SectionText>,
}

/// The word behind the part numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// `HEADER`: of the message, or of the message in a message/rfc822 part.
    Header,
    /// `HEADER.FIELDS (…)`: those fields of it; names without colon, compared without regard to case.
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT (…)`: the other fields.
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`: the body of the message, or of the message in a message/rfc822 part.
    Text,
    /// `MIME`: the header of the part. The path must not be empty.
    Mime,
}

/// Where the octets of a section are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'s> {
    /// There, one after another.
    Octets(Span),
    /// Some fields of the header there: [`Fields::select`] of its octets.
    Fields(Fields<'s>),
}

/// Which fields of which header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<'s> {
    /// The header.
    pub header: Span,
    names: &'s [Vec<u8>],
    /// Those that are not named.
    not: bool,
}

impl Fields<'_> {
    /// The fields that were asked for, whole and in the header's order, and the blank line if the header has one (RFC 3501
    /// §6.4.5). `header`: the octets at [`Fields::header`].
    pub fn select(&self, header: &[u8]) -> Vec<u8> {
        let mut selected = Vec::new();
        let mut octets = 0;
        for field in fields(header) {
            octets += field.raw.len();
            if self.names.iter().any(|name| field.is(name)) != self.not {
                selected.extend_from_slice(field.raw);
            }
        }
        // The fields end with the blank line or with the header.
        selected.extend_from_slice(&header[octets..]);
        selected
    }
}

impl Fields<'_> {
    /// Whether all that is asked for is kept in summaries.
    pub(super) fn names_are_common(&self) -> bool {
        !self.not && self.names.iter().all(|name| common::is_common(name))
    }
}

impl Section {
    /// Whether it is nothing but header fields that summaries mostly keep, so that the message's octets are rarely needed:
    /// [`Fields::select_common`].
    pub fn is_common_fields(&self) -> bool {
        match &self.text {
            Some(SectionText::HeaderFields(names)) => {
                self.path.is_empty() && names.iter().all(|name| common::is_common(name))
            }
            _ => false,
        }
    }

    /// Where the section is in the message with that summary; `None`: there is no such part.
    pub fn place(&self, summary: &Summary) -> Option<Place<'_>> {
        let Some(text) = &self.text else {
            return Some(Place::Octets(match self.path.is_empty() {
                true => summary.structure.whole(),
                false => part(summary, &self.path)?.body,
            }));
        };
        if *text == SectionText::Mime {
            return (!self.path.is_empty()).then_some(Place::Octets(part(summary, &self.path)?.header));
        }
        let message = message(summary, &self.path)?;
        Some(match text {
            SectionText::Header | SectionText::Mime => Place::Octets(message.header),
            SectionText::Text => Place::Octets(message.body),
            SectionText::HeaderFields(names) => Place::Fields(Fields { header: message.header, names, not: false }),
            SectionText::HeaderFieldsNot(names) => Place::Fields(Fields { header: message.header, names, not: true }),
        })
    }

    /// The octets of the section; `None`: there is no such part.
    pub fn octets<'m>(&self, message: &'m [u8], summary: &Summary) -> Option<Cow<'m, [u8]>> {
        Some(match self.place(summary)? {
            Place::Octets(span) => Cow::Borrowed(span.of(message)),
            Place::Fields(fields) => Cow::Owned(fields.select(fields.header.of(message))),
        })
    }
}

/// The part with those numbers, of which there is one at least; `None`: there is no such part.
///
/// A multipart's numbers are those of its children. Every other message has one part 1, its body; so has an enclosed message
/// (RFC 3501 §6.4.5), and its numbers follow those of the part that it is in.
pub fn part<'s>(summary: &'s Summary, path: &[u32]) -> Option<&'s Part> {
    let (first, path) = path.split_first()?;
    path.iter().try_fold(child_of_message(&summary.structure, *first)?, |part, number| match &part.content {
        Content::Multipart(_) => child(part, *number),
        Content::Message(enclosed) => child_of_message(&enclosed.structure, *number),
        Content::Leaf | Content::Opaque => None,
    })
}

/// The message with those numbers: the whole one, or one in a message/rfc822 part.
fn message<'s>(summary: &'s Summary, path: &[u32]) -> Option<&'s Part> {
    if path.is_empty() {
        return Some(&summary.structure);
    }
    match &part(summary, path)?.content {
        Content::Message(enclosed) => Some(&enclosed.structure),
        Content::Leaf | Content::Opaque | Content::Multipart(_) => None,
    }
}

fn child_of_message(message: &Part, number: u32) -> Option<&Part> {
    match message.content {
        Content::Multipart(_) => child(message, number),
        Content::Leaf | Content::Opaque | Content::Message(_) => (number == 1).then_some(message),
    }
}

fn child(multipart: &Part, number: u32) -> Option<&Part> {
    multipart.children().get((number as usize).checked_sub(1)?)
}
