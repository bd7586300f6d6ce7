//! What stands on the wire, below any one protocol: lines, newlines, dot-stuffing, character classes.
//!
//! Everything here is an incremental machine over octets: it is handed what has arrived, however that was split, and
//! gives the same result for every split. Nothing here waits, reads a clock, or holds more than its stated limit.
//! `wire` knows no command and no reply.

pub(crate) mod chars;
pub mod dot;
pub mod line;
pub mod newline;
pub(crate) mod utf7;

/// `atext` of RFC 5322 §3.2.3, which RFC 5321 §4.1.2 uses for local parts: what an atom is made of.
pub fn is_atext(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// `VCHAR` of RFC 5234 §B.1: what can be seen, without the space.
pub fn is_vchar(octet: u8) -> bool {
    (0x21..=0x7e).contains(&octet)
}

/// Whether the octet stands outside US-ASCII: part of a UTF-8 sequence, where UTF-8 was agreed on.
pub fn is_utf8_non_ascii(octet: u8) -> bool {
    octet >= 0x80
}
