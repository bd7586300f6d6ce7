//! NOTIFY, as a client sends it (RFC 5465 §8).

use super::fetch;
use super::lexeme::{list, spaced};
use super::mailbox_filter::mailbox_filter;
use crate::imap::notify::{Event, EventGroup, Notify};

/// Behind the command's name.
pub(super) fn arguments(out: &mut Vec<u8>, notify: &Notify) {
    match notify {
        Notify::None => out.extend_from_slice(b" NONE"),
        Notify::Set { status, groups } => {
            out.extend_from_slice(if *status { b" SET STATUS " } else { b" SET " });
            spaced(out, groups, group);
        }
    }
}

/// `event-group`
fn group(out: &mut Vec<u8>, group: &EventGroup) {
    out.push(b'(');
    mailbox_filter(out, &group.mailboxes);
    out.push(b' ');
    match group.events.as_slice() {
        [] => out.extend_from_slice(b"NONE"),
        events => list(out, events, event),
    }
    out.push(b')');
}

/// `event`
fn event(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(event.name().as_bytes());
    if let Event::MessageNew(items) = event
        && !items.is_empty()
    {
        out.push(b' ');
        list(out, items, fetch::item);
    }
}
