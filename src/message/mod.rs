//! What is inside a message, as the protocols need it.
//!
//! A [`Summary`] is found once, when the message comes in, and is kept beside its body: ENVELOPE and BODYSTRUCTURE
//! (RFC 3501 §7.4.2), PREVIEW (RFC 8970) and the usual header fields come from it without opening the body, and the
//! places of all parts, so that BODY[section] reads only the octets that it shows. The other modules read bytes again
//! when somebody asks for them: [`section`], [`binary`], [`search`].
//!
//! The rules of this module:
//! - Messages are hostile. Any octets give a summary; nothing here panics, recurses without a bound, or takes more than
//!   linear time. What is above a limit of this page is *opaque*: it has its octets and nothing inside.
//! - What clients are shown comes from the raw octets of the header, unfolded; encoded words (RFC 2047) stay as they are.
//!   Decoded text is for searching and for people.
//! - A line ends with CRLF or with LF. A bare CR is an octet like others. Parts are where RFC 2046 §5.1.1 says, exact to
//!   the octet for broken messages too; this is why the walk over the boundaries is our own and mail-parser (which has no
//!   limits, and gives headers decoded) is asked only for charsets.
//!
//! RFC 5322 (messages), RFC 2045, 2046, 2047, 2183, 2231, 3282 (MIME), RFC 3501 (what of it IMAP shows), RFC 3516 (BINARY),
//! RFC 8970 (PREVIEW).
//! This module knows no protocol state, no store, no clock.

pub mod address;
pub mod binary;
mod charset;
pub mod collation;
mod common;
pub mod date;
pub mod downgrade;
pub mod envelope;
pub mod header;
mod mime;
pub mod msg_id;
pub mod parameters;
mod preview;
#[cfg(any(test, fuzzing))]
pub(crate) mod rules;
pub mod search;
pub mod section;
mod shifted;
mod stored;
pub mod structure;
pub mod subject;
mod text;
mod walk;

pub use envelope::{Address, Envelope};
pub use search::Needle;
pub use section::{Section, SectionText};
pub use stored::DecodeError;
pub use structure::{Content, Disposition, Enclosed, Part};
pub use subject::BaseSubject;
pub use text::{Span, Text};

/// The longest header that is parsed, in octets; one that is longer makes its message or part opaque. Real ones stay below
/// 100 KiB, and what an envelope holds of it lies in memory many times over.
pub const HEADER_OCTETS_MAX: u32 = 1 << 20;

/// What all headers of one message may have together, in octets, that its summary is made of; parts behind it are opaque.
/// 10,000 parts with 400 octets each.
pub const HEADERS_OCTETS_MAX: u32 = 4 * HEADER_OCTETS_MAX;

/// The most parts of one message, multiparts and enclosed messages counted; a message with more is opaque.
pub const PARTS_MAX: usize = 10_000;

/// How deep parts may lie in one another; a multipart or an enclosed message at this depth is opaque. Printers and readers
/// of a structure recurse, and this bounds their stacks.
pub const DEPTH_MAX: usize = 100;

/// The most addresses, parameters and language tags of one summary, together; what comes behind is left out. Each costs a
/// sender two octets and us a hundred, and all headers together could hold two million of them.
pub const ITEMS_MAX: usize = 50_000;

/// What clients always ask for, found once when the message comes in and kept beside the body: ENVELOPE, BODYSTRUCTURE with
/// the places of all parts, the fields of lists and PREVIEW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Octets of the message.
    pub octets: u32,
    /// The `Date:` field as a moment, where it could be read; SENTBEFORE, SENTON and SENTSINCE ask
    /// [`date::Zoned::civil`] of it (RFC 3501 §6.4.4).
    pub sent: Option<date::Zoned>,
    /// ENVELOPE.
    pub envelope: Envelope,
    /// The whole message as a part: its header is the message's header (the blank line included), its body the rest.
    pub structure: Part,
    /// PREVIEW: up to 200 characters on one line; empty where there is no text (RFC 8970 §3.2).
    pub preview: String,
    /// The header cut down to the fields that clients always ask for; `None`: it is in the body only. See
    /// [`section::Fields::select_common`].
    pub(super) common_header: Option<Box<[u8]>>,
}

impl Summary {
    /// The version of the form in which it is stored, its first octet; it changes when the fields change or when the same
    /// message would now be read otherwise. A stored summary of another version is made anew.
    pub const VERSION: u8 = 3;

    /// Parses a whole message. Never fails and never panics; linear in time, and bounded in memory by the limits of this
    /// page: what is above one is opaque.
    pub fn of(message: &[u8]) -> Summary {
        // Places are kept in 32 bits; SIZE keeps real messages far below.
        let Ok(octets) = u32::try_from(message.len()) else { return Summary::opaque(u32::MAX) };
        let mut envelope = Envelope::default();
        let structure = walk::Walk::new(message).message(&mut envelope).unwrap_or_else(|walk::TooManyParts| {
            let header_end = header::header_octets(message) as u32;
            opaque_message(header_end, octets)
        });
        let sent = envelope.date.as_ref().and_then(|date| date::Zoned::parse_rfc5322(date));
        let preview = preview::preview(message, &structure);
        let header = structure.header.of(message);
        let common_header =
            if header.len() <= HEADER_OCTETS_MAX as usize { common::common_header(header) } else { None };
        Summary { octets, sent, envelope, structure, preview, common_header }
    }

    /// The summary of a message of which nothing is known but its length: an empty header, an empty envelope, and a body of
    /// application/octet-stream.
    pub fn opaque(octets: u32) -> Summary {
        let (envelope, structure) = (Envelope::default(), opaque_message(0, octets));
        Summary { octets, sent: None, envelope, structure, preview: String::new(), common_header: None }
    }

    /// The sent date that SORT and THREAD go by (RFC 5256 §2.2), in Unix seconds: a day that can be read counts without a
    /// time that can be. `None`: INTERNALDATE has to stand in.
    pub fn sent_unix_s(&self) -> Option<i64> {
        let day = || date::Zoned::parse_rfc5322_day(self.envelope.date.as_ref()?);
        self.sent.or_else(day).map(|sent| sent.unix_s)
    }

    /// Octets of the header, its blank line included; RFC822.HEADER and BODY[HEADER].
    pub fn header_octets(&self) -> u32 {
        self.structure.header.len()
    }
}

fn opaque_message(header_end: u32, octets: u32) -> Part {
    Part { body: Span::new(header_end, octets), ..walk::opaque(Span::new(0, header_end)) }
}

#[cfg(test)]
mod tests;
