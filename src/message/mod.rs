//! What is inside a message, as the protocols need it.
//!
//! A [`Summary`] is found once, when the message comes in, and is kept beside its body: ENVELOPE and BODYSTRUCTURE
//! (RFC 3501 §7.4.2) come from it without opening the body, and the places of all parts, so that BODY[section] reads only
//! the octets that it shows. The other modules read bytes again when somebody asks for them: [`section`], [`binary`],
//! [`search`].
//!
//! The rules of this module:
//! - Messages are hostile. Any octets give a summary; nothing here panics, recurses without a bound, or takes more than
//!   linear time. What is above a limit of this page is *opaque*: it has its octets and nothing inside.
//! - What clients are shown comes from the raw octets of the header, unfolded; encoded words (RFC 2047) stay as they are.
//!   Decoded text is for searching and for people.
//! - A line ends with CRLF or with LF. A bare CR is an octet like others. Parts are where RFC 2046 §5.1.1 says, exact to
//!   the octet for broken messages too; this is why the walk over the boundaries is our own and mail-parser (which has no
//!   limits, and moves through headers that it decodes) is asked only for charsets and encoded words.
//!
//! RFC 5322 (messages), RFC 2045, 2046, 2047, 2183, 2231, 3282 (MIME), RFC 3501 (what of it IMAP shows), RFC 3516 (BINARY).
//! This module knows no protocol state, no store, no clock.

use serde::{Deserialize, Serialize};

pub mod address;
pub mod binary;
pub mod date;
pub mod envelope;
pub mod header;
pub mod search;
pub mod section;
pub mod structure;
mod text;

pub use envelope::{Address, Envelope};
pub use section::{Section, SectionText};
pub use structure::{Content, Disposition, Part};
pub use text::{Span, Text};

/// The longest header that is parsed, in octets; one that is longer makes its message or part opaque. Real ones stay below
/// 100 KiB, and what an envelope holds of it lies in memory many times over.
pub const HEADER_OCTETS_MAX: u32 = 1 << 20;

/// What all headers of one message may have together, in octets, that its summary is made of; parts behind it are opaque.
/// Four headers of the greatest length, or 10,000 parts with 400 octets each.
pub const HEADERS_OCTETS_MAX: u32 = 4 * HEADER_OCTETS_MAX;

/// The most parts of one message, multiparts and enclosed messages counted; a message with more is opaque.
pub const PARTS_MAX: usize = 10_000;

/// How deep parts may lie in one another; a multipart or an enclosed message at this depth is opaque. Printers and readers
/// of a structure recurse, and this bounds their stacks.
pub const DEPTH_MAX: usize = 100;

/// The most addresses of one envelope; what comes behind is left out. A header of the greatest length could else hold half a
/// million of them.
pub const ADDRESSES_MAX: usize = 20_000;

/// What clients always ask for, found once when the message comes in and kept beside the body: ENVELOPE, BODYSTRUCTURE with
/// the places of all parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

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

impl Summary {
    /// The version of the form in which it is stored, its first octet; it changes when the fields change or when the same
    /// message would now be read otherwise. A stored summary of another version is made anew.
    pub const VERSION: u8 = 1;

    /// Parses a whole message. Never fails and never panics; linear in time, and bounded in memory by the limits of this
    /// page: what is above one is opaque.
    pub fn of(message: &[u8]) -> Summary {
        let _ = message;
        unimplemented!()
    }

    /// The summary of a message of which nothing is known but its length: an empty header, an empty envelope, and a body of
    /// application/octet-stream.
    pub fn opaque(octets: u32) -> Summary {
        let _ = octets;
        unimplemented!()
    }

    /// The form in which it is stored: the version, then postcard.
    pub fn encode(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// Reads what [`encode`](Self::encode) wrote. Stops at damage; nothing that it accepts lies outside the message.
    pub fn decode(stored: &[u8]) -> Result<Summary, DecodeError> {
        let _ = stored;
        unimplemented!()
    }

    /// Octets of the header, its blank line included; RFC822.HEADER and BODY[HEADER].
    pub fn header_octets(&self) -> u32 {
        self.structure.header.len()
    }
}
