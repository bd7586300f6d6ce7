//! What NOTIFY SET may ask for (RFC 5465 §3.1, §5, §6.1), and what a session keeps of it.

use crate::imap::command::FetchItem;
use crate::imap::exec::failure::Failure;
use crate::imap::mailbox_filter::MailboxFilter;
use crate::imap::notify::{Event, EventGroup};
use crate::imap::response::Code;
use crate::imap::watch::{Attention, Events, Rules, SelectedRule};
use crate::message::SectionText;

/// The events that there are here: without ANNOTATE (RFC 5257) there is nothing for AnnotationChange to tell.
const SUPPORTED: [&str; 7] = [
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

/// How many names and items a session keeps of its NOTIFY SET, each filter and each event one at least, and how many octets
/// they may have. Clients name a dozen mailboxes and five items; a filter says the rest.
const KEPT_MAX: usize = 1_000;
const KEPT_OCTETS_MAX: usize = 32 * 1024;

/// A NOTIFY SET that can be served.
pub(super) struct Checked {
    /// Of the selected mailbox.
    pub(super) selected: SelectedRule,
    /// Of all others.
    pub(super) rules: Rules,
    /// MODSEQ is to be fetched: a CONDSTORE enabling command (RFC 7162 §3.1).
    pub(super) enables_condstore: bool,
}

/// An event that is not supported gets NO with all that are, whatever else is wrong (§3.1).
pub(super) fn check(groups: Vec<EventGroup>) -> Result<Checked, Failure> {
    let unsupported = |event: &Event| !SUPPORTED.contains(&event.name());
    if groups.iter().flat_map(|group| &group.events).any(unsupported) {
        return Err(Failure::no(Code::BadEvent(SUPPORTED.to_vec()), "An event is not supported"));
    }
    let (kept, octets) = groups.iter().map(size).fold((0, 0), |(kept, octets), size| (kept + size.0, octets + size.1));
    if kept > KEPT_MAX || octets > KEPT_OCTETS_MAX {
        return Err(Failure::no(Code::NotificationOverflow, "That is too much to keep in mind"));
    }
    let (mut selected, mut others) = (None, Vec::new());
    for EventGroup { mailboxes, events } in groups {
        combination(&events)?;
        if matches!(mailboxes, MailboxFilter::Selected | MailboxFilter::SelectedDelayed) {
            let immediate = mailboxes == MailboxFilter::Selected;
            if selected.replace(of_selected(events, immediate)?).is_some() {
                // §6.1
                return Err(Failure::Bad("SELECTED and SELECTED-DELAYED stand once"));
            }
        } else {
            others.push((mailboxes.canonical(), of_others(&events)?));
        }
    }
    let selected = selected.unwrap_or_else(SelectedRule::nothing);
    let enables_condstore = selected.items.contains(&FetchItem::ModSeq);
    Ok(Checked { selected, rules: Rules::new(others), enables_condstore })
}

/// What a group costs for as long as the session lives: how many things, and how many octets they have.
fn size(group: &EventGroup) -> (usize, usize) {
    let names = group.mailboxes.names();
    let items = group.events.iter().flat_map(|event| match event {
        Event::MessageNew(items) => items.as_slice(),
        _ => &[],
    });
    let fields = |item: &FetchItem| match item {
        FetchItem::BodySection { section, .. } => match &section.text {
            Some(SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names)) => {
                (names.len() + section.path.len(), names.iter().map(Vec::len).sum())
            }
            _ => (section.path.len(), 0),
        },
        FetchItem::Binary { part, .. } | FetchItem::BinarySize { part } => (part.len(), 0),
        _ => (0, 0),
    };
    let start = (1 + group.events.len() + names.len(), names.iter().map(String::len).sum());
    items.map(fields).fold(start, |(kept, octets), (more, long)| (kept + 1 + more, octets + long))
}

/// MessageNew and MessageExpunge stand together, and FlagChange only beside them (§5).
fn combination(events: &[Event]) -> Result<(), Failure> {
    let new = events.iter().any(|event| matches!(event, Event::MessageNew(_)));
    let has = |event| events.contains(&event);
    if new != has(Event::MessageExpunge) {
        return Err(Failure::Bad("MessageNew and MessageExpunge stand together"));
    }
    if has(Event::FlagChange) && !new {
        return Err(Failure::Bad("FlagChange needs MessageNew and MessageExpunge"));
    }
    Ok(())
}

/// §6.1: events of messages alone.
fn of_selected(events: Vec<Event>, immediate: bool) -> Result<SelectedRule, Failure> {
    let mut rule = SelectedRule { immediate, ..SelectedRule::nothing() };
    let mut items = Vec::new();
    for event in events {
        match event {
            Event::MessageNew(more) => items.extend(more),
            Event::MessageExpunge if rule.attention == Attention::Nothing => rule.attention = Attention::Messages,
            Event::MessageExpunge => {}
            Event::FlagChange => rule.attention = Attention::All,
            _ => return Err(Failure::Bad("Of the selected mailbox only what happens to its messages can be told")),
        }
    }
    rule.items = items.into_boxed_slice();
    Ok(rule)
}

/// §8: only of the selected mailbox something can be fetched.
fn of_others(events: &[Event]) -> Result<Events, Failure> {
    let mut all = Events::NONE;
    for event in events {
        all = all.union(match event {
            Event::MessageNew(items) if !items.is_empty() => {
                return Err(Failure::Bad("Only from the selected mailbox new messages can be fetched"));
            }
            Event::MessageNew(_) | Event::MessageExpunge => Events::MESSAGES,
            Event::FlagChange => Events::FLAGS,
            Event::MailboxName => Events::NAMES,
            Event::SubscriptionChange => Events::SUBSCRIPTIONS,
            Event::MailboxMetadataChange => Events::MAILBOX_METADATA,
            Event::ServerMetadataChange => Events::SERVER_METADATA,
            // Refused before.
            Event::AnnotationChange | Event::Other(_) => Events::NONE,
        });
    }
    Ok(all)
}
