//! What mailboxes are for (RFC 6154): the names of the uses, and which mailbox can have which.
//!
//! A mailbox has one use at the most, and a use belongs to one mailbox of an account: clients look for *the* mailbox for
//! sent mail, and would file by chance where there are two. So whoever gives a use to a mailbox takes it from the one that
//! had it (RFC 6154 §5.4 shows that).

use super::names::INBOX;
use super::{Error, SpecialUse};

/// The mailboxes that a new account has beside INBOX: what clients would make themselves, each under another name.
pub(crate) const CUSTOMARY_MAILBOXES: [(&str, SpecialUse); 5] = [
    ("Archive", SpecialUse::Archive),
    ("Drafts", SpecialUse::Drafts),
    ("Junk", SpecialUse::Junk),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
];

impl SpecialUse {
    const ALL: [SpecialUse; 7] = [
        SpecialUse::All,
        SpecialUse::Archive,
        SpecialUse::Drafts,
        SpecialUse::Flagged,
        SpecialUse::Junk,
        SpecialUse::Sent,
        SpecialUse::Trash,
    ];

    /// As LIST shows it (RFC 6154 §6).
    pub fn name(self) -> &'static str {
        match self {
            SpecialUse::All => "\\All",
            SpecialUse::Archive => "\\Archive",
            SpecialUse::Drafts => "\\Drafts",
            SpecialUse::Flagged => "\\Flagged",
            SpecialUse::Junk => "\\Junk",
            SpecialUse::Sent => "\\Sent",
            SpecialUse::Trash => "\\Trash",
        }
    }

    /// The use of that name, in any case.
    pub fn from_name(name: &str) -> Option<SpecialUse> {
        Self::ALL.into_iter().find(|special_use| special_use.name().eq_ignore_ascii_case(name))
    }

    /// The uses that a list of names gives to a mailbox: one, or none (RFC 6154 §3, §4).
    ///
    /// Errors: [`Error::SpecialUse`].
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Option<SpecialUse>, Error> {
        let mut found = None;
        for name in names {
            let special_use = Self::from_name(name).ok_or(Error::SpecialUse("it is not known here"))?;
            if found.is_some_and(|other| other != special_use) {
                return Err(Error::SpecialUse("a mailbox has one use"));
            }
            found = Some(special_use);
        }
        Ok(found)
    }

    /// Whether the mailbox of that canonical name can have this use.
    ///
    /// Errors: [`Error::SpecialUse`].
    pub(crate) fn check(self, name: &str) -> Result<(), Error> {
        match self {
            SpecialUse::All | SpecialUse::Flagged => Err(Error::SpecialUse("there are no virtual mailboxes")),
            // Junk or old mail must never be taken for new mail.
            _ if name == INBOX => Err(Error::SpecialUse("INBOX is where mail comes in")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_only_one_is_taken() {
        for special_use in SpecialUse::ALL {
            assert_eq!(SpecialUse::from_name(&special_use.name().to_lowercase()), Some(special_use));
        }
        assert_eq!(SpecialUse::from_names([]), Ok(None));
        assert_eq!(SpecialUse::from_names(["\\Sent", "\\SENT"]), Ok(Some(SpecialUse::Sent)));
        assert!(SpecialUse::from_names(["\\Sent", "\\Drafts"]).is_err());
        assert!(SpecialUse::from_names(["\\Important"]).is_err());
    }

    #[test]
    fn inbox_and_virtual_uses_are_refused() {
        assert_eq!(SpecialUse::Sent.check("Sent"), Ok(()));
        assert!(SpecialUse::Junk.check(INBOX).is_err());
        assert!(SpecialUse::All.check("Everything").is_err());
    }
}
