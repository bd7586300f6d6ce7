//! The header fields that clients ask for when they list a mailbox: kept in the summary, so that BODY[HEADER.FIELDS (…)] of
//! them (RFC 3501 §6.4.5) is served without opening the body.
//!
//! Kept is the header itself, cut down to those fields: whole, folded as they are, repeated where they are repeated, in their
//! order, with the blank line if there is one. So what is selected from it is octet for octet what would be selected from
//! the header.

use super::Summary;
use super::header::fields;
use super::section::Fields;

/// What is kept of one header at the most. Long threads have References of some KiB; a header with more of these fields is
/// read from the body, which costs time and nothing else.
const OCTETS_MAX: usize = 8 * 1024;

/// The names, in lower case and sorted. What Thunderbird, the mail programs of macOS and iOS, Outlook, K-9, FairEmail,
/// Evolution, KMail, mutt, Roundcube, isync, imapsync and offlineimap ask for of every message; but nothing that is long and
/// asked for by few (Received, DKIM-Signature, Authentication-Results, Autocrypt).
const NAMES: [&[u8]; 57] = [
    b"auto-submitted",
    b"bcc",
    b"cc",
    b"chat-version",
    b"content-class",
    b"content-description",
    b"content-language",
    b"content-transfer-encoding",
    b"content-type",
    b"date",
    b"delivered-to",
    b"disposition-notification-to",
    b"errors-to",
    b"feedback-id",
    b"from",
    b"importance",
    b"in-reply-to",
    b"lines",
    b"list-archive",
    b"list-help",
    b"list-id",
    b"list-owner",
    b"list-post",
    b"list-subscribe",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"mail-followup-to",
    b"mail-reply-to",
    b"mailing-list",
    b"message-id",
    b"mime-version",
    b"newsgroups",
    b"precedence",
    b"priority",
    b"references",
    b"reply-to",
    b"resent-date",
    b"resent-from",
    b"resent-to",
    b"return-path",
    b"return-receipt-to",
    b"sender",
    b"status",
    b"subject",
    b"to",
    b"user-agent",
    b"x-draft-info",
    b"x-k9mail-identity",
    b"x-label",
    b"x-mailer",
    b"x-msmail-priority",
    b"x-original-to",
    b"x-priority",
    b"x-spam-flag",
    b"x-tuid",
    b"x-uniform-type-identifier",
    b"x-universally-unique-identifier",
];

/// Whether the fields of that name are kept.
pub(super) fn is_common(name: &[u8]) -> bool {
    // No name of the list is longer.
    name.len() <= 32 && NAMES.binary_search(&&*name.to_ascii_lowercase()).is_ok()
}

/// The header cut down to the common fields; `None`: that is too much to keep.
pub(super) fn common_header(header: &[u8]) -> Option<Box<[u8]>> {
    let mut kept = Vec::new();
    let mut octets = 0;
    for field in fields(header) {
        octets += field.raw.len();
        if is_common(field.name) {
            if kept.len() + field.raw.len() > OCTETS_MAX {
                return None;
            }
            kept.extend_from_slice(field.raw);
        }
    }
    // The fields end with the blank line or with the header.
    kept.extend_from_slice(&header[octets..]);
    Some(kept.into())
}

impl Fields<'_> {
    /// What [`select`](Self::select) gives, without the octets of the message; `None` where those are needed. `summary`: of
    /// the message that they were placed in.
    pub fn select_common(&self, summary: &Summary) -> Option<Vec<u8>> {
        let is_kept = self.header == summary.structure.header && self.names_are_common();
        summary.common_header.as_ref().filter(|_| is_kept).map(|header| self.select(header))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::section::Place;
    use super::super::{Section, SectionText};
    use super::*;

    #[test]
    fn the_names_are_sorted_and_short() {
        assert!(NAMES.is_sorted());
        assert!(NAMES.iter().all(|name| is_common(name) && name.len() <= 32));
        assert!(is_common(b"References") && is_common(b"X-PRIORITY"));
        assert!(!is_common(b"received") && !is_common(b""));
    }

    fn selected(message: &[u8], names: Vec<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
        let summary = Summary::of(message);
        let section = Section { path: vec![], text: Some(SectionText::HeaderFields(names)) };
        let uncached = section.octets(message, &summary).expect("a message has a header").into_owned();
        let Some(Place::Fields(fields)) = section.place(&summary) else { panic!("fields") };
        (uncached, fields.select_common(&summary))
    }

    fn names(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    #[test]
    fn what_is_not_kept_is_not_served() {
        let message = b"To: a\r\nReceived: b\r\n\r\nbody";
        let (uncached, cached) = selected(message, names(&["to", "CC"]));
        assert_eq!((uncached.as_slice(), cached.as_deref()), (&b"To: a\r\n\r\n"[..], Some(&b"To: a\r\n\r\n"[..])));
        assert_eq!(selected(message, names(&["to", "received"])).1, None);
        let summary = Summary::of(message);
        let not = Section { path: vec![], text: Some(SectionText::HeaderFieldsNot(names(&["to"]))) };
        let Some(Place::Fields(fields)) = not.place(&summary) else { panic!("fields") };
        assert_eq!(fields.select_common(&summary), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = format!("To: {}\r\n\r\n", "x".repeat(OCTETS_MAX));
        assert_eq!(selected(long.as_bytes(), names(&["to"])).1, None);
        assert_eq!(Summary::opaque(10).common_header, None);
    }

    #[test]
    fn an_enclosed_message_has_its_own_header() {
        let message = b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\n";
        let summary = Summary::of(message);
        let section = Section { path: vec![1], text: Some(SectionText::HeaderFields(names(&["subject"]))) };
        let Some(Place::Fields(fields)) = section.place(&summary) else { panic!("fields") };
        assert_eq!(fields.select_common(&summary), None);
    }

    fn header() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            4 => "(To|to|TO |Subject|From|References|X-Other|Received|Date|X-Priority): ?[ -~]{0,12}",
            1 => "[ \t][ -~]{0,8}",
            1 => "[ -~]{0,10}",
            1 => Just(String::new()),
        ];
        let end = prop_oneof![4 => Just("\r\n"), 2 => Just("\n"), 1 => Just(""), 1 => Just("\r")];
        proptest::collection::vec((line, end), 0..14)
            .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
    }

    proptest! {
        /// The one rule of this file.
        #[test]
        fn cached_is_what_uncached_is(
            header in header(),
            asked in proptest::collection::vec("(to|TO|Subject|from|references|date|x-priority|list-id)", 1..5),
        ) {
            let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
            let (uncached, cached) = selected(header.as_bytes(), names(&asked));
            prop_assert_eq!(Some(uncached), cached);
        }
    }
}
