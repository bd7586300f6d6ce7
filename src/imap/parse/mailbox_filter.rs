//! Several mailboxes at once: `filter-mailboxes` of NOTIFY (RFC 5465 §8) and MULTISEARCH (RFC 7377 §4).

use nom::Parser;
use nom::branch::alt;

use super::Fault;
use super::lexeme::{Parsed, argument, fail, list1, named, word};
use super::mailbox::mailbox;
use crate::imap::mailbox_filter::MailboxFilter;

/// ```abnf
/// filter-mailboxes = "selected" / "selected-delayed" / "inboxes" / "personal" / "subscribed" /
///                    "subtree" SP one-or-more-mailbox / "subtree-one" SP one-or-more-mailbox /
///                    "mailboxes" SP one-or-more-mailbox
/// ```
/// All that either RFC knows: a command that has no use for one of them refuses it.
pub(super) fn mailbox_filter(rest: &[u8]) -> Parsed<'_, MailboxFilter> {
    let (behind, name) = word("a mailbox filter").parse(rest)?;
    let plain = match name.as_str() {
        "SELECTED" => MailboxFilter::Selected,
        "SELECTED-DELAYED" => MailboxFilter::SelectedDelayed,
        "INBOXES" => MailboxFilter::Inboxes,
        "PERSONAL" => MailboxFilter::Personal,
        "SUBSCRIBED" => MailboxFilter::Subscribed,
        "SUBTREE" => return argument(mailboxes).map(MailboxFilter::Subtree).parse(behind),
        "SUBTREE-ONE" => return argument(mailboxes).map(MailboxFilter::SubtreeOne).parse(behind),
        "MAILBOXES" => return argument(mailboxes).map(MailboxFilter::Mailboxes).parse(behind),
        _ => return fail(rest, Fault::Invalid("Unknown mailbox filter")),
    };
    Ok((behind, plain))
}

/// `one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"`
fn mailboxes(rest: &[u8]) -> Parsed<'_, Vec<String>> {
    named("a mailbox name or a list of them", alt((list1(mailbox), mailbox.map(|name| vec![name])))).parse(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Option<MailboxFilter> {
        mailbox_filter(octets).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, filter)| filter)
    }

    #[test]
    fn filters_in_any_case_with_one_name_or_several() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(b"Selected"), Some(MailboxFilter::Selected));
        assert_eq!(read(b"SELECTED-delayed"), Some(MailboxFilter::SelectedDelayed));
        assert_eq!(read(b"subtree Lists"), Some(MailboxFilter::Subtree(names(&["Lists"]))));
        assert_eq!(read(b"subtree-one \"a b\""), Some(MailboxFilter::SubtreeOne(names(&["a b"]))));
        assert_eq!(read(b"mailboxes (a {1}\r\nb &AOQ-)"), Some(MailboxFilter::Mailboxes(names(&["a", "b", "&AOQ-"]))));
        for bad in [
            &b"others"[..],
            b"subtree",
            b"subtree ",
            b"mailboxes ()",
            b"mailboxes (a",
            b"mailboxes a b",
            b"\"personal\"",
        ] {
            assert_eq!(read(bad), None, "{}", bad.escape_ascii());
        }
    }
}
