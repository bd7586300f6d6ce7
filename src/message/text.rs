//! Two small nouns that all of `message` shares: a place in a message, and octets taken out of a header.

use std::fmt;
use std::ops::{Deref, Range};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A place in a message: the octets from `start` to before `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first octet.
    pub start: u32,
    /// One behind the last octet; not below `start`.
    pub end: u32,
}

impl Span {
    /// The place from `start` to before `end`.
    pub fn new(start: u32, end: u32) -> Span {
        Span { start, end: end.max(start) }
    }
    /// How many octets.
    pub fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// From here to the end of `other`, which comes later: a part's header and body together.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start, other.end)
    }
    /// For slicing.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
    /// These octets of `message`; what lies behind its end is left out.
    pub fn of(self, message: &[u8]) -> &[u8] {
        let end = (self.end as usize).min(message.len());
        &message[(self.start as usize).min(end)..end]
    }
}

/// Octets of a header as they stood there, unfolded, of any charset. Never contains NUL, CR or LF, so that it can always be an
/// IMAP string.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Box<[u8]>);

impl Text {
    /// Takes octets; NUL, CR and LF are left out.
    pub fn new(octets: &[u8]) -> Text {
        if memchr::memchr3(0, b'\r', b'\n', octets).is_none() {
            return Text(octets.into());
        }
        Text(octets.iter().copied().filter(|octet| !matches!(octet, 0 | b'\r' | b'\n')).collect())
    }
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Text {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Text {
    fn from(octets: &[u8]) -> Text {
        Text::new(octets)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::new(text.as_bytes())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

// By hand, since serde's way with `Box<[u8]>` goes octet by octet, and FETCH ENVELOPE reads hundreds of these a message.
impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Octets;
        impl serde::de::Visitor<'_> for Octets {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octets")
            }
            fn visit_bytes<E>(self, octets: &[u8]) -> Result<Text, E> {
                Ok(Text::new(octets))
            }
        }
        deserializer.deserialize_bytes(Octets)
    }
}
