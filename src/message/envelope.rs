//! ENVELOPE (RFC 3501 §7.4.2): the fields of a message's header that a mailbox list shows.
//!
//! Everything here is raw: the octets of the header unfolded, encoded words and 8-bit octets as they came. What is for people
//! is decoded by methods that say so.

use serde::{Deserialize, Serialize};

use super::Text;

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
        unimplemented!()
    }
    /// The decoded subject for a line of a log or a terminal: control characters become spaces, at most `max_chars`
    /// characters, an ellipsis the last of them where something was cut.
    pub fn display_subject(&self, max_chars: usize) -> String {
        let _ = max_chars;
        unimplemented!()
    }
}
