//! BODYSTRUCTURE (RFC 3501 §7.4.2): the tree of a message's parts, and where in the message each lies.

use serde::{Deserialize, Serialize};

use super::{Envelope, Span, Text};

/// A part of a message, or the message itself.
///
/// What is stored of it leaves `content` out: the tree is stored flat, so that no octets on a disk decide how deep a reader
/// recurses (`stored.rs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its header, the blank line included: what BODY[n.MIME] shows, and of the message itself BODY[HEADER].
    pub header: Span,
    /// Its body, transfer encoding as it is, without the line end in front of the next boundary (RFC 2046 §5.1.1).
    pub body: Span,
    /// Body type as the part says it: `text`; with the defaults of RFC 2045 §5.2 and RFC 2046 §5.1.5.
    pub media_type: Text,
    /// Body subtype.
    pub media_subtype: Text,
    /// Parameters of Content-Type, values without quotes; RFC 2231's forms as they are.
    pub params: Vec<(Text, Text)>,
    /// Content-ID.
    pub id: Option<Text>,
    /// Content-Description.
    pub description: Option<Text>,
    /// Content-Transfer-Encoding; `7BIT` where there is none (RFC 2045 §6.1).
    pub encoding: Text,
    /// Lines of the body; a last line without an end counts. BODYSTRUCTURE shows it for text/* and message/rfc822, and it
    /// means nothing for what is opaque.
    pub lines: u32,
    /// Content-MD5.
    pub md5: Option<Text>,
    /// Content-Disposition (RFC 2183).
    pub disposition: Option<Disposition>,
    /// The tags of Content-Language (RFC 3282).
    pub language: Vec<Text>,
    /// Content-Location.
    pub location: Option<Text>,
    /// What is inside.
    #[serde(skip)]
    pub content: Content,
}

/// What is inside a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Octets.
    #[default]
    Leaf,
    /// Octets that might have parts but are above a limit (`message`'s page lists them). Always application/octet-stream.
    Opaque,
    /// multipart/*: parts in their order, one at least.
    Multipart(Vec<Part>),
    /// message/rfc822, message/global: a whole message.
    Message(Box<Enclosed>),
}

/// The message in a part of message/rfc822 or message/global.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its structure: header and body together are the body of the part that it is in.
    pub structure: Part,
}

/// Content-Disposition (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// `inline`, `attachment`, or another word.
    pub kind: Text,
    /// Parameters, values without quotes; RFC 2231's forms as they are.
    pub params: Vec<(Text, Text)>,
}

impl Part {
    /// Whether it is of that type, in any case.
    pub fn is(&self, media_type: &str, media_subtype: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type.as_bytes())
            && self.media_subtype.eq_ignore_ascii_case(media_subtype.as_bytes())
    }
    /// Whether it is text/*.
    pub fn is_text(&self) -> bool {
        self.media_type.eq_ignore_ascii_case(b"text")
    }
    /// Whether it says that it is multipart/*; what is inside tells [`Part::content`].
    pub(super) fn is_multipart(&self) -> bool {
        self.media_type.eq_ignore_ascii_case(b"multipart")
    }
    /// Whether it says that it is message/rfc822 or message/global; what is inside tells [`Part::content`].
    pub(super) fn is_message(&self) -> bool {
        self.is("message", "rfc822") || self.is_global()
    }
    /// Whether it says that it is message/global (RFC 6532 §3.7): a message with UTF-8 in its header.
    pub fn is_global(&self) -> bool {
        self.is("message", "global")
    }
    /// The parts of a multipart, in their order; none for others.
    pub fn children(&self) -> &[Part] {
        match &self.content {
            Content::Multipart(parts) => parts,
            Content::Leaf | Content::Opaque | Content::Message(_) => &[],
        }
    }
    /// Header and body.
    pub fn whole(&self) -> Span {
        self.header.to(self.body)
    }
    /// The value of the parameter of that name of Content-Type, names compared without regard to case.
    pub fn param(&self, name: &str) -> Option<&Text> {
        self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}
