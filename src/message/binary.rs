//! BINARY (RFC 3516): the octets of a part with its transfer encoding undone.

use std::borrow::Cow;

use super::{Span, Summary};

/// A content transfer encoding (RFC 2045 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `7bit`, `8bit`, `binary`: the octets are what they are.
    Identity,
    /// `base64`
    Base64,
    /// `quoted-printable`
    QuotedPrintable,
}

/// Why BINARY can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// There is no such part.
    #[error("no such part")]
    NoSuchPart,
    /// The part's encoding is none of RFC 2045: `NO [UNKNOWN-CTE]` (RFC 3516 §4.3).
    #[error("unknown content transfer encoding")]
    UnknownEncoding,
}

impl Encoding {
    /// The encoding of that name, in any case; `None`: unknown.
    pub fn named(name: &[u8]) -> Option<Encoding> {
        let _ = name;
        unimplemented!()
    }
    /// Undoes the encoding. Damage is stepped over as RFC 2045 §6.7 and §6.8 advise: it never fails. NUL may come out.
    pub fn decode(self, octets: &[u8]) -> Cow<'_, [u8]> {
        let _ = octets;
        unimplemented!()
    }
}

/// Where the part with those numbers lies and how it is encoded: what BINARY[1.2] reads and decodes. An empty path is the
/// whole message; multiparts and enclosed messages are never encoded (RFC 2046 §5.1, §5.2.1).
pub fn place(summary: &Summary, path: &[u32]) -> Result<(Span, Encoding), BinaryError> {
    let _ = (summary, path);
    unimplemented!()
}

/// The decoded octets of BINARY[path]; their count is BINARY.SIZE[path].
pub fn octets<'m>(message: &'m [u8], summary: &Summary, path: &[u32]) -> Result<Cow<'m, [u8]>, BinaryError> {
    let (span, encoding) = place(summary, path)?;
    Ok(encoding.decode(span.of(message)))
}
