//! SEARCH inside messages (RFC 3501 §6.4.4): substrings of header fields and of bodies, without regard to case.

use super::{Address, Summary};

/// What is looked for: made once a search, used on every message. The empty needle is in everything.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
}

impl Needle {
    /// Looks for `text`, which the caller has already brought from the search's CHARSET to UTF-8.
    pub fn new(text: &str) -> Needle {
        Needle { folded: text.to_owned() }
    }
    /// Whether `text` contains it.
    pub fn is_in(&self, text: &str) -> bool {
        let _ = (text, &self.folded);
        unimplemented!()
    }
    /// Whether a header field's text, raw, contains it as it stands or with its encoded words decoded: SUBJECT.
    pub fn is_in_field(&self, raw: &[u8]) -> bool {
        let _ = raw;
        unimplemented!()
    }
    /// Whether one of the addresses contains it: FROM, TO, CC, BCC.
    pub fn is_in_addresses(&self, addresses: &[Address]) -> bool {
        let _ = addresses;
        unimplemented!()
    }
    /// Whether a field of that name is in the header and contains it: HEADER. `header`: the octets of BODY[HEADER].
    pub fn is_in_header(&self, header: &[u8], name: &[u8]) -> bool {
        let _ = (header, name);
        unimplemented!()
    }
    /// Whether the body contains it: BODY. Text is decoded and brought to UTF-8; enclosed messages are searched with their
    /// headers; what is neither text nor message is not searched.
    pub fn is_in_body(&self, message: &[u8], summary: &Summary) -> bool {
        let _ = (message, summary);
        unimplemented!()
    }
    /// Whether header or body contain it: TEXT.
    pub fn is_in_message(&self, message: &[u8], summary: &Summary) -> bool {
        let _ = (message, summary);
        unimplemented!()
    }
}
