//! The header of a message that is on its way, where it has to be ASCII: a client that has enabled neither UTF8=ACCEPT nor
//! IMAP4rev2 may not put octets above 127 into one (RFC 6855 §4).

/// Looks at a message that comes in pieces, up to the blank line behind its header.
#[derive(Debug)]
pub(super) struct HeaderWatch {
    /// The header is over.
    done: bool,
    /// Nothing but a CR stands in this line yet.
    at_line_start: bool,
}

impl Default for HeaderWatch {
    fn default() -> Self {
        Self { done: false, at_line_start: true }
    }
}

impl HeaderWatch {
    /// Whether the header has an octet above 127 in this piece. A line ends with CRLF or with LF, as everywhere in messages.
    pub(super) fn has_8bit(&mut self, piece: &[u8]) -> bool {
        if self.done {
            return false;
        }
        for octet in piece {
            match octet {
                b'\n' if self.at_line_start => {
                    self.done = true;
                    return false;
                }
                b'\n' => self.at_line_start = true,
                b'\r' => {}
                128.. => return true,
                _ => self.at_line_start = false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_with_the_blank_line_however_it_is_split() {
        let has_8bit = |message: &[u8], piece: usize| {
            let mut watch = HeaderWatch::default();
            message.chunks(piece).any(|piece| watch.has_8bit(piece))
        };
        for piece in [1, 2, 3, 100] {
            assert!(!has_8bit("A: a\r\nB: b\r\n\r\nä\r\n".as_bytes(), piece));
            assert!(!has_8bit("A: a\n\nä".as_bytes(), piece));
            assert!(!has_8bit("\r\nä".as_bytes(), piece));
            assert!(has_8bit("A: a\r\nB: ä\r\n\r\nx".as_bytes(), piece));
            assert!(has_8bit("A: a\r\n ä".as_bytes(), piece));
        }
    }
}
