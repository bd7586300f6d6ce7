//! What a client asks of NOTIFY (RFC 5465 §3.1, §5, §6), as values.

use super::command::FetchItem;
use super::mailbox_filter::MailboxFilter;

/// `NOTIFY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notify {
    /// `NONE`: nothing is to be told.
    None,
    /// `SET`: these events are, instead of those before.
    Set {
        /// `STATUS`: how each watched mailbox stands is told first.
        status: bool,
        /// At least one.
        groups: Vec<EventGroup>,
    },
}

/// `event-group`: some mailboxes, and what is to be told of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventGroup {
    /// Which mailboxes.
    pub mailboxes: MailboxFilter,
    /// Which events; empty for `NONE`.
    pub events: Vec<Event>,
}

/// `event` (RFC 5465 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 5465 §5 names them")]
pub enum Event {
    /// With what is to be fetched of each new message; empty where nothing is.
    MessageNew(Vec<FetchItem>),
    MessageExpunge,
    FlagChange,
    AnnotationChange,
    MailboxName,
    SubscriptionChange,
    MailboxMetadataChange,
    ServerMetadataChange,
    /// `event-ext`: an event of a later day.
    Other(String),
}

impl Event {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::MessageNew(_) => "MessageNew",
            Self::MessageExpunge => "MessageExpunge",
            Self::FlagChange => "FlagChange",
            Self::AnnotationChange => "AnnotationChange",
            Self::MailboxName => "MailboxName",
            Self::SubscriptionChange => "SubscriptionChange",
            Self::MailboxMetadataChange => "MailboxMetadataChange",
            Self::ServerMetadataChange => "ServerMetadataChange",
            Self::Other(name) => name,
        }
    }
}
