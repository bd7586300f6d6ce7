//! Several mailboxes named at once: what NOTIFY watches and MULTISEARCH looks through (RFC 5465 §6, RFC 7377 §2.2).
//!
//! A filter is a rule, not a list: a mailbox that comes into being later is covered as soon as its name is.

use crate::store::{INBOX, SEPARATOR, canonical_name};

/// `filter-mailboxes`. Which command allows which of them is the command's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailboxFilter {
    /// `SELECTED`: the selected mailbox, whichever it is at that moment (RFC 5465 §6.1.1).
    Selected,
    /// `SELECTED-DELAYED`: the same, with expunges told where a command allows them (RFC 5465 §6.1.2). Not in MULTISEARCH.
    SelectedDelayed,
    /// `INBOXES`: what mail is delivered to (RFC 5465 §6.3).
    Inboxes,
    /// `PERSONAL`: all of the user's own (RFC 5465 §6.2).
    Personal,
    /// `SUBSCRIBED`: what the user has subscribed to (RFC 5465 §6.4).
    Subscribed,
    /// `SUBTREE`: these, and all below them (RFC 5465 §6.5). At least one.
    Subtree(Vec<String>),
    /// `SUBTREE-ONE`: these, and those one level below them (RFC 7377 §2.2). At least one.
    SubtreeOne(Vec<String>),
    /// `MAILBOXES`: these alone, with no wildcards (RFC 5465 §6.6). At least one.
    Mailboxes(Vec<String>),
}

impl MailboxFilter {
    /// The names that stand in it; none where the filter needs none.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => names,
            Self::Selected | Self::SelectedDelayed | Self::Inboxes | Self::Personal | Self::Subscribed => &[],
        }
    }

    /// [`names`](Self::names), to be decoded.
    pub fn names_mut(&mut self) -> &mut [String] {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => names,
            Self::Selected | Self::SelectedDelayed | Self::Inboxes | Self::Personal | Self::Subscribed => &mut [],
        }
    }

    /// The same with names as the store has them. A name that no mailbox can have covers nothing, and is left out: a mailbox
    /// that is not there is passed over (RFC 5465 §3.1).
    pub fn canonical(mut self) -> Self {
        if let Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) = &mut self {
            *names = names.iter().filter_map(|name| canonical_name(name).ok()).collect();
        }
        self
    }

    /// Whether it covers the mailbox of this name, to which the user has `subscribed` or not. [`canonical`](Self::canonical)
    /// comes first. The selected mailbox is no matter of its name: nothing is covered by [`Selected`](Self::Selected).
    pub fn covers(&self, name: &str, subscribed: bool) -> bool {
        match self {
            Self::Selected | Self::SelectedDelayed => false,
            // Mail comes to INBOX alone: `deliver`.
            Self::Inboxes => name == INBOX,
            // There is one namespace, and it is personal: `NAMESPACE`.
            Self::Personal => true,
            Self::Subscribed => subscribed,
            Self::Subtree(names) => names.iter().any(|above| name == above || below(name, above).is_some()),
            Self::SubtreeOne(names) => names.iter().any(|above| {
                name == above || below(name, above).is_some_and(|component| !component.contains(SEPARATOR))
            }),
            Self::Mailboxes(names) => names.iter().any(|one| name == one),
        }
    }
}

/// What stands behind `above` and the separator.
fn below<'n>(name: &'n str, above: &str) -> Option<&'n str> {
    name.strip_prefix(above)?.strip_prefix(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_filter_covers_what_its_rule_says() {
        let covered = |filter: MailboxFilter| {
            let filter = filter.canonical();
            let all = ["INBOX", "INBOX/new", "a", "a/b", "a/b/c", "ab", "d"];
            all.into_iter().filter(|name| filter.covers(name, *name == "d")).collect::<Vec<_>>()
        };
        assert_eq!(covered(MailboxFilter::Selected), [""; 0]);
        assert_eq!(covered(MailboxFilter::Inboxes), ["INBOX"]);
        assert_eq!(covered(MailboxFilter::Personal).len(), 7);
        assert_eq!(covered(MailboxFilter::Subscribed), ["d"]);
        assert_eq!(
            covered(MailboxFilter::Subtree(names(&["a", "inbox"]))),
            ["INBOX", "INBOX/new", "a", "a/b", "a/b/c"]
        );
        assert_eq!(covered(MailboxFilter::SubtreeOne(names(&["a"]))), ["a", "a/b"]);
        assert_eq!(covered(MailboxFilter::Mailboxes(names(&["a", "inBox", "*", ""]))), ["INBOX", "a"]);
    }
}
