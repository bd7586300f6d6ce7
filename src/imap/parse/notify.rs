//! NOTIFY (RFC 5465 §8). Which events may stand together is not the grammar's business but the command's: an event that is
//! not supported is answered with NO, whatever else is wrong (§3.1).

use nom::Parser;
use nom::multi::separated_list1;
use nom::sequence::delimited;

use super::Fault;
use super::fetch::item;
use super::lexeme::{Parsed, argument, ascii, atom, fail, list1, named, octet, space, word};
use super::mailbox_filter::mailbox_filter;
use crate::imap::command::CommandBody;
use crate::imap::notify::{Event, EventGroup, Notify};

/// ```abnf
/// notify       = "NOTIFY" SP (notify-set / notify-none)
/// notify-set   = "SET" [SP "STATUS"] SP event-groups
/// notify-none  = "NONE"
/// event-groups = event-group *(SP event-group)
/// ```
pub(super) fn notify(rest: &[u8]) -> Parsed<'_, CommandBody> {
    let (rest, _) = space(rest)?;
    let (behind, form) = word("SET or NONE").parse(rest)?;
    match form.as_str() {
        "NONE" => Ok((behind, CommandBody::Notify(Notify::None))),
        "SET" => {
            let (behind, status) = match argument(word("STATUS")).parse(behind) {
                Ok((behind, word)) if word == "STATUS" => (behind, true),
                _ => (behind, false),
            };
            let groups = argument(separated_list1(space, named("STATUS or an event group", group)));
            groups.map(|groups| CommandBody::Notify(Notify::Set { status, groups })).parse(behind)
        }
        _ => fail(rest, Fault::Expected("SET or NONE")),
    }
}

/// `event-group = "(" filter-mailboxes SP events ")"`
fn group(rest: &[u8]) -> Parsed<'_, EventGroup> {
    let inside = (mailbox_filter, argument(events));
    delimited(octet(b'(', "("), inside, octet(b')', ")"))
        .map(|(mailboxes, events)| EventGroup { mailboxes, events })
        .parse(rest)
}

/// `events = ("(" event *(SP event) ")") / "NONE"`
fn events(rest: &[u8]) -> Parsed<'_, Vec<Event>> {
    if rest.starts_with(b"(") {
        return list1(event).parse(rest);
    }
    match word("NONE or a list of events").parse(rest)? {
        (behind, word) if word == "NONE" => Ok((behind, Vec::new())),
        _ => fail(rest, Fault::Expected("NONE or a list of events")),
    }
}

/// ```abnf
/// event = "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"] / "MessageExpunge" / "FlagChange" / "AnnotationChange" /
///         "MailboxName" / "SubscriptionChange" / "MailboxMetadataChange" / "ServerMetadataChange" / atom
/// ```
fn event(rest: &[u8]) -> Parsed<'_, Event> {
    let (behind, name) = named("an event", atom).parse(rest)?;
    let event = match name.to_ascii_lowercase().as_slice() {
        b"messagenew" if behind.starts_with(b" (") => {
            return argument(list1(item)).map(Event::MessageNew).parse(behind);
        }
        b"messagenew" => Event::MessageNew(Vec::new()),
        b"messageexpunge" => Event::MessageExpunge,
        b"flagchange" => Event::FlagChange,
        b"annotationchange" => Event::AnnotationChange,
        b"mailboxname" => Event::MailboxName,
        b"subscriptionchange" => Event::SubscriptionChange,
        b"mailboxmetadatachange" => Event::MailboxMetadataChange,
        b"servermetadatachange" => Event::ServerMetadataChange,
        _ => Event::Other(ascii(name)),
    };
    Ok((behind, event))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::command::FetchItem;
    use crate::imap::dialect::Dialect;
    use crate::imap::mailbox_filter::MailboxFilter;
    use crate::imap::parse::command;

    fn read(arguments: &str) -> Result<Notify, (Fault, usize)> {
        let frame = format!("a NOTIFY {arguments}");
        match command(frame.as_bytes(), Dialect::REV1) {
            Ok(command) => match command.body {
                CommandBody::Notify(notify) => Ok(notify),
                other => panic!("{other:?}"),
            },
            Err(error) => Err((error.fault, error.position - "a NOTIFY ".len())),
        }
    }

    #[test]
    fn sets_in_any_case() {
        assert_eq!(read("none"), Ok(Notify::None));
        let set =
            read("set Status (Selected (messagenew (Uid flags) MESSAGEEXPUNGE)) (subtree a NONE) (personal (x-y))");
        let group = |mailboxes, events| EventGroup { mailboxes, events };
        let new = Event::MessageNew(vec![FetchItem::Uid, FetchItem::Flags]);
        assert_eq!(
            set,
            Ok(Notify::Set {
                status: true,
                groups: vec![
                    group(MailboxFilter::Selected, vec![new, Event::MessageExpunge]),
                    group(MailboxFilter::Subtree(vec!["a".to_owned()]), vec![]),
                    group(MailboxFilter::Personal, vec![Event::Other("x-y".to_owned())]),
                ],
            })
        );
    }

    #[test]
    fn faults_are_told_where_they_are() {
        assert_eq!(read("ALL"), Err((Fault::Expected("SET or NONE"), 0)));
        assert_eq!(read("NONE (personal NONE)"), Err((Fault::Expected("the end of the command"), 4)));
        assert_eq!(read("SET"), Err((Fault::Expected("a space"), 3)));
        assert_eq!(read("SET STATUS"), Err((Fault::Expected("a space"), 10)));
        assert_eq!(read("SET STATES (personal NONE)"), Err((Fault::Expected("STATUS or an event group"), 4)));
        assert_eq!(read("SET (personal)"), Err((Fault::Expected("a space"), 13)));
        assert_eq!(read("SET (personal ())"), Err((Fault::Expected("an event"), 15)));
        assert_eq!(read("SET (personal ALL)"), Err((Fault::Expected("NONE or a list of events"), 14)));
        assert_eq!(read("SET (personal NONE)(inboxes NONE)"), Err((Fault::Expected("the end of the command"), 19)));
        assert_eq!(read("SET (personal (MessageNew ()))"), Err((Fault::Expected("a fetch item"), 27)));
        assert_eq!(read("SET (personal (MessageExpunge (UID)))"), Err((Fault::Expected(") or a space"), 29)));
    }
}
