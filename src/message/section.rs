//! BODY[section] (RFC 3501 §6.4.5): which octets of a message a section names.
//!
//! Most sections are one place in the message, so that a large part is read from where it lies; only HEADER.FIELDS and
//! HEADER.FIELDS.NOT have to be put together.

use std::borrow::Cow;

use super::{Span, Summary};

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
        let _ = (header, self.names, self.not);
        unimplemented!()
    }
}

impl Section {
    /// Where the section is in the message with that summary; `None`: there is no such part.
    pub fn place(&self, summary: &Summary) -> Option<Place<'_>> {
        let _ = summary;
        unimplemented!()
    }

    /// The octets of the section; `None`: there is no such part.
    pub fn octets<'m>(&self, message: &'m [u8], summary: &Summary) -> Option<Cow<'m, [u8]>> {
        Some(match self.place(summary)? {
            Place::Octets(span) => Cow::Borrowed(span.of(message)),
            Place::Fields(fields) => Cow::Owned(fields.select(fields.header.of(message))),
        })
    }
}
