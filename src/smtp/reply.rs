//! Replies: code, enhanced status code, text, and their printer (RFC 5321 §4.2, RFC 2034, RFC 3463).
//!
//! Every octet that goes to a client of SMTP or LMTP is printed here: CRLF at the end of each line and nowhere else,
//! no control character in a text, no line above 512 octets. The fixed replies are in [`super::replies`].

use std::borrow::Cow;

/// RFC 5321 §4.5.3.1.5, with code and CRLF.
const LINE_OCTETS: usize = 512;

/// RFC 4954 §4.2: a challenge of a login may be longer. What is cut is no base64, and ends the exchange.
const CHALLENGE_OCTETS: usize = 12_288;

/// An answer to a command, or to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// RFC 2034 §4: with every 2yz, 4yz and 5yz reply except the greeting and the answer to EHLO.
    enhanced: &'static str,
    /// Lines, parted by `\n`.
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with an enhanced status code of RFC 3463 or RFC 5248. Its first digit is that of `code`.
    pub const fn new(code: u16, enhanced: &'static str, text: &'static str) -> Self {
        Self { code, enhanced, text: Cow::Borrowed(text) }
    }

    /// A reply that has none: 220, 250 to EHLO, 334, 354.
    pub const fn plain(code: u16, text: &'static str) -> Self {
        Self { code, enhanced: "", text: Cow::Borrowed(text) }
    }

    /// The same with another text; `\n` begins another line, other control characters are shown as `?`.
    pub fn with_text(self, text: String) -> Self {
        Self { text: Cow::Owned(text), ..self }
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code; empty where there is none.
    pub fn enhanced(&self) -> &'static str {
        self.enhanced
    }

    /// The text; lines are parted by `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says that the client must not simply try again: 5yz.
    pub fn is_permanent_refusal(&self) -> bool {
        self.code >= 500
    }

    /// Appends the reply as it goes over the wire.
    pub fn print(&self, out: &mut Vec<u8>) {
        let line_octets = if self.code == 334 { CHALLENGE_OCTETS } else { LINE_OCTETS };
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let start = out.len();
            out.extend_from_slice(self.code.to_string().as_bytes());
            out.push(if lines.peek().is_some() { b'-' } else { b' ' });
            if !self.enhanced.is_empty() {
                out.extend_from_slice(self.enhanced.as_bytes());
                out.push(b' ');
            }
            // textstring = 1*(%d09 / %d32-126) (RFC 5321 §4.2)
            out.extend(
                line.bytes().map(|octet| if octet == b'\t' || (32..=126).contains(&octet) { octet } else { b'?' }),
            );
            out.truncate(start + line_octets - 2);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_and_several() {
        assert_eq!(print(&Reply::new(250, "2.0.0", "Done")), "250 2.0.0 Done\r\n");
        assert_eq!(print(&Reply::plain(250, "mx.example\nSIZE 1000")), "250-mx.example\r\n250 SIZE 1000\r\n");
        assert_eq!(print(&Reply::new(214, "2.0.0", "a\nb")), "214-2.0.0 a\r\n214 2.0.0 b\r\n");
    }

    #[test]
    fn no_text_can_make_a_line_of_its_own() {
        let reply = Reply::new(550, "5.1.1", "").with_text("a\r\n250 b\0\u{e4}".into());
        assert_eq!(print(&reply), "550-5.1.1 a?\r\n550 5.1.1 250 b???\r\n");
    }

    #[test]
    fn a_line_has_512_octets_at_the_most() {
        let text = print(&Reply::plain(250, "").with_text("x".repeat(1000)));
        assert_eq!(text.len(), 512);
        assert!(text.ends_with("x\r\n"));
    }
}
