//! In which form a client writes its commands and reads its answers.
//!
//! RFC 3501 is the dialect of every session until the client enables another (RFC 5161): IMAP4rev2 (RFC 9051), UTF-8 in
//! quoted strings (RFC 6855), UIDs in place of sequence numbers (RFC 9586). Parser and printer are given the dialect of the
//! session, once; what else a client is told is the business of the session.

/// What a client has enabled that changes the form of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// `ENABLE IMAP4rev2` (RFC 9051 §6.3.1)
    pub rev2: bool,
    /// `ENABLE UTF8=ACCEPT` (RFC 6855 §3)
    pub utf8_accept: bool,
    /// `ENABLE UIDONLY` (RFC 9586 §3)
    pub uid_only: bool,
}

impl Dialect {
    /// RFC 3501 and nothing beyond it.
    pub const REV1: Dialect = Dialect { rev2: false, utf8_accept: false, uid_only: false };

    /// Whether the client reads UTF-8 in quoted strings, and writes mailbox names in it: both RFCs say so, each for itself
    /// (RFC 9051 §4.3, §5.1; RFC 6855 §3).
    pub fn utf8(self) -> bool {
        self.rev2 || self.utf8_accept
    }
}
