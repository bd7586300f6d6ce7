//! ENVELOPE (RFC 3501 §7.4.2): the fields of a message's header that a mailbox list shows.
//!
//! Everything here is raw: the octets of the header unfolded, encoded words and 8-bit octets as they came. What is for people
//! is decoded by methods that say so.

use serde::{Deserialize, Serialize};

use super::address::parse_list;
use super::header::{fields, unfold};
use super::mime::Items;
use super::{Text, charset};

/// An envelope (RFC 3501 §7.4.2). `None`: the header lacks the field; empty: it is there and empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// `Date:`
    pub date: Option<Text>,
    /// `Subject:`
    pub subject: Option<Text>,
    /// `From:`
    pub from: Vec<Address>,
    /// `Sender:` as it stands; [`Envelope::sender`] gives the default.
    pub(super) sender: Vec<Address>,
    /// `Reply-To:` as it stands; [`Envelope::reply_to`] gives the default.
    pub(super) reply_to: Vec<Address>,
    /// `To:`
    pub to: Vec<Address>,
    /// `Cc:`
    pub cc: Vec<Address>,
    /// `Bcc:`
    pub bcc: Vec<Address>,
    /// `In-Reply-To:`
    pub in_reply_to: Option<Text>,
    /// `Message-ID:`
    pub message_id: Option<Text>,
}

/// An address structure (RFC 3501 §7.4.2), or a mark that a group begins or ends: [`Address::is_group_start`],
/// [`Address::is_group_end`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The display name, quotes taken off, encoded words as they are.
    pub name: Option<Text>,
    /// The at-domain-list: the source route of obsolete addresses.
    pub adl: Option<Text>,
    /// The local part; at the start of a group its name; `None` at its end.
    pub mailbox: Option<Text>,
    /// The domain; empty where the address has none; `None` for the marks of groups.
    pub host: Option<Text>,
}

impl Address {
    /// The mark in front of a group's members; its `mailbox` is the group's name.
    pub fn is_group_start(&self) -> bool {
        self.host.is_none() && self.mailbox.is_some()
    }
    /// The mark behind a group's members.
    pub fn is_group_end(&self) -> bool {
        self.host.is_none() && self.mailbox.is_none()
    }
}

impl Envelope {
    /// The envelope of that header. Of a field that may stand once the first counts; addresses are gathered from all.
    pub(super) fn of(header: &[u8], items: &mut Items) -> Envelope {
        let mut envelope = Envelope::default();
        for field in fields(header) {
            let name = field.name.to_ascii_lowercase();
            let set = |slot: &mut Option<Text>| {
                slot.get_or_insert_with(|| Text::new(&unfold(field.value)));
            };
            let mut add = |list: &mut Vec<Address>| {
                let mut found = parse_list(field.value, items.0);
                items.0 = items.0.saturating_sub(found.len());
                list.append(&mut found);
            };
            match &*name {
                b"date" => set(&mut envelope.date),
                b"subject" => set(&mut envelope.subject),
                b"from" => add(&mut envelope.from),
                b"sender" => add(&mut envelope.sender),
                b"reply-to" => add(&mut envelope.reply_to),
                b"to" => add(&mut envelope.to),
                b"cc" => add(&mut envelope.cc),
                b"bcc" => add(&mut envelope.bcc),
                b"in-reply-to" => set(&mut envelope.in_reply_to),
                b"message-id" => set(&mut envelope.message_id),
                _ => {}
            }
        }
        envelope
    }

    /// `Sender:`, and where it is absent or empty `From:` (RFC 3501 §7.4.2).
    pub fn sender(&self) -> &[Address] {
        if self.sender.is_empty() { &self.from } else { &self.sender }
    }
    /// `Reply-To:`, and where it is absent or empty `From:` (RFC 3501 §7.4.2).
    pub fn reply_to(&self) -> &[Address] {
        if self.reply_to.is_empty() { &self.from } else { &self.reply_to }
    }
    /// The subject with its encoded words decoded (RFC 2047); empty where there is none.
    pub fn decoded_subject(&self) -> String {
        self.subject.as_ref().map_or_else(String::new, |subject| charset::decode_words(subject).into_owned())
    }
    /// The decoded subject for a line of a log or a terminal: runs of blanks, control characters and characters that change
    /// the direction of text become one space; at most `max_chars` characters, an ellipsis the last of them where something
    /// was cut.
    pub fn display_subject(&self, max_chars: usize) -> String {
        let subject = self.decoded_subject();
        let words: Vec<&str> = subject.split(moves_the_cursor).filter(|word| !word.is_empty()).collect();
        let line = words.join(" ");
        match line.char_indices().nth(max_chars) {
            None => line,
            Some(_) if max_chars == 0 => String::new(),
            Some(_) => line.chars().take(max_chars - 1).chain(['…']).collect(),
        }
    }
}

/// Characters that must not reach a terminal from a stranger's subject: controls (Unicode's category Cc), line separators, and
/// the marks, overrides and isolates of bidirectional text. Blanks are among them, since runs of them collapse.
fn moves_the_cursor(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(header: &str) -> Envelope {
        Envelope::of(header.as_bytes(), &mut Items(10))
    }

    /// RFC 3501 §7.4.2: absent is NIL, empty is empty; Sender and Reply-To default to From.
    #[test]
    fn absent_empty_and_default() {
        let plain = envelope("From: a@example.org\r\nSubject:\r\nReply-To: \r\n");
        assert_eq!(plain.subject, Some("".into()));
        assert_eq!(plain.date, None);
        assert_eq!(plain.sender(), plain.from);
        assert_eq!(plain.reply_to(), plain.from);
        let sent = envelope("From: a@example.org, b@example.org\r\nSender: b@example.org\r\n");
        assert_eq!(sent.sender(), &sent.from[1..]);
        assert!(envelope("").sender().is_empty());
    }

    #[test]
    fn raw_octets_unfolded() {
        let folded =
            envelope("Subject: a\r\n\tb =?utf-8?q?=C3=A9?=\r\nSubject: second\r\nMESSAGE-id: <1@example.org> \r\n");
        assert_eq!(folded.subject.as_ref().unwrap(), "a\tb =?utf-8?q?=C3=A9?=");
        assert_eq!(folded.message_id.as_ref().unwrap(), "<1@example.org>");
        assert_eq!(folded.decoded_subject(), "a\tb é");
    }

    #[test]
    fn repeated_addresses_are_gathered_up_to_the_limit() {
        let to = "To: a@example.org, b@example.org\r\n".repeat(3);
        assert_eq!(envelope(&to).to.len(), 6);
        assert_eq!(envelope(&to.repeat(4)).to.len(), 10);
    }

    #[test]
    fn subjects_for_a_line() {
        let subject = |raw: &str| envelope(&format!("Subject: {raw}\r\n"));
        assert_eq!(subject("plain").display_subject(80), "plain");
        assert_eq!(subject("=?utf-8?q?a=1B[2Jb=0D=0Ac?=").display_subject(80), "a [2Jb c");
        assert_eq!(subject("=?utf-8?B?4oCuZXZpbA==?=").display_subject(80), "evil", "no right-to-left override");
        assert_eq!(subject("Zoë is here").display_subject(5), "Zoë …");
        assert_eq!(subject("Zoë").display_subject(3), "Zoë");
        assert_eq!(subject("Zoë").display_subject(0), "");
        assert_eq!(Envelope::default().display_subject(10), "");
    }
}
