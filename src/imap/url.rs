//! IMAP URLs of messages that are here, relative to the session (RFC 5092 §7.2; RFC 4469 §3 says which of them CATENATE
//! takes).
//!
//! ```abnf
//! url          = [enc-mailbox] [";UIDVALIDITY=" nz-number] "/;UID=" nz-number ["/;SECTION=" enc-section]
//!                ["/;PARTIAL=" number ["." nz-number]]
//! ```
//! A path that begins with `/` names the mailbox; one that does not stands beside the selected mailbox (RFC 3986 §5.2.3); and
//! where nothing stands in front of the first `;` the selected mailbox is meant. Names are UTF-8, percent-encoded, not in
//! modified UTF-7. All other URLs (of servers, with searches, with URLAUTH) are not for us.

use super::command::Partial;
use super::parse;
use crate::message::Section;
use crate::store::{SEPARATOR, Uid};

/// A message, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageUrl {
    /// Where it is.
    pub(crate) mailbox: UrlMailbox,
    /// The UIDVALIDITY that the mailbox must have.
    pub(crate) uid_validity: Option<u32>,
    /// Which message.
    pub(crate) uid: Uid,
    /// What of it.
    pub(crate) section: Section,
    /// Which octets of that.
    pub(crate) partial: Option<Partial>,
}

/// How a URL names a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UrlMailbox {
    /// It is the selected one.
    Selected,
    /// It has this name.
    Named(String),
    /// It has this name where the selected one has its last part.
    Beside(String),
}

impl MessageUrl {
    /// Reads a URL; `None`: it is no URL of a message that may be here.
    pub(crate) fn parse(url: &[u8]) -> Option<MessageUrl> {
        let url = std::str::from_utf8(url).ok().filter(|url| url.bytes().all(|octet| octet.is_ascii_graphic()))?;
        if url.starts_with("//") || url.contains("://") || url.contains(['?', '#']) {
            return None;
        }
        let (path, parameters) = url.split_once(';')?;
        let mut parameters = parameters.split(';').peekable();
        let mut value_of = |name: &str| {
            let (_, value) = parameters.next_if(|parameter| named(parameter, name).is_some())?.split_at(name.len() + 1);
            // `/;` stands between two of them.
            match parameters.peek() {
                Some(_) => value.strip_suffix('/'),
                None => Some(value),
            }
        };
        let uid_validity = match value_of("UIDVALIDITY") {
            Some(value) => Some(nz_number(value)?),
            None => None,
        };
        let path = match (path, uid_validity) {
            ("/", None) => return None,
            ("", _) | (_, Some(_)) => path,
            (path, None) => path.strip_suffix('/')?,
        };
        let uid = nz_number(value_of("UID")?)?;
        let section = match value_of("SECTION") {
            Some(section) => parse::section(&percent_decoded(section)?)?,
            None => Section::default(),
        };
        let partial = match value_of("PARTIAL") {
            Some(range) => Some(partial(range)?),
            None => None,
        };
        // What is left was not understood.
        parameters.next().is_none().then_some(())?;
        Some(MessageUrl { mailbox: mailbox(path)?, uid_validity, uid, section, partial })
    }
}

impl UrlMailbox {
    /// The mailbox's name, if it is not the selected one itself. `selected`: the name of that.
    pub(crate) fn name(self, selected: Option<&str>) -> Option<String> {
        match self {
            UrlMailbox::Selected => None,
            UrlMailbox::Named(name) => Some(name),
            UrlMailbox::Beside(name) => {
                let parent = selected.and_then(|selected| selected.rfind(SEPARATOR).map(|end| &selected[..=end]));
                Some(parent.unwrap_or_default().to_owned() + &name)
            }
        }
    }
}

/// The value of the parameter, if it has that name.
fn named<'p>(parameter: &'p str, name: &str) -> Option<&'p str> {
    let (there, value) = parameter.split_once('=')?;
    there.eq_ignore_ascii_case(name).then_some(value)
}

fn mailbox(path: &str) -> Option<UrlMailbox> {
    let name = |path: &str| String::from_utf8(percent_decoded(path)?).ok().filter(|name| !name.is_empty());
    Some(match path.strip_prefix('/') {
        _ if path.is_empty() => UrlMailbox::Selected,
        Some(path) => UrlMailbox::Named(name(path)?),
        None => UrlMailbox::Beside(name(path)?),
    })
}

fn nz_number(digits: &str) -> Option<u32> {
    let number = number(digits)?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

fn number(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// `number ["." nz-number]`: without a length, all that follows.
fn partial(range: &str) -> Option<Partial> {
    match range.split_once('.') {
        Some((offset, length)) => {
            Some(Partial { offset: number(offset)?, length: number(length).filter(|length| *length > 0)? })
        }
        None => Some(Partial { offset: number(range)?, length: u64::MAX }),
    }
}

fn percent_decoded(encoded: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(octet) = rest.next() {
        decoded.push(match octet {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            octet => octet,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::SectionText;

    fn whole(mailbox: UrlMailbox, uid_validity: Option<u32>, uid: Uid) -> Option<MessageUrl> {
        Some(MessageUrl { mailbox, uid_validity, uid, section: Section::default(), partial: None })
    }

    fn named(name: &str) -> UrlMailbox {
        UrlMailbox::Named(name.to_owned())
    }

    fn url(text: &str) -> Option<MessageUrl> {
        MessageUrl::parse(text.as_bytes())
    }

    #[test]
    fn messages() {
        assert_eq!(url("/INBOX;UIDVALIDITY=785799047/;UID=11467"), whole(named("INBOX"), Some(785_799_047), 11_467));
        assert_eq!(url("/a%20b/%E2%82%AC/;uid=1"), whole(named("a b/€"), None, 1));
        assert_eq!(url(";UID=20"), whole(UrlMailbox::Selected, None, 20));
        assert_eq!(url(";UIDVALIDITY=3/;UID=20"), whole(UrlMailbox::Selected, Some(3), 20));
        assert_eq!(url("other/;UID=20"), whole(UrlMailbox::Beside("other".to_owned()), None, 20));
        assert_eq!(UrlMailbox::Beside("other".to_owned()).name(Some("a/b/c")), Some("a/b/other".to_owned()));
        assert_eq!(UrlMailbox::Beside("other".to_owned()).name(None), Some("other".to_owned()));
    }

    #[test]
    fn parts() {
        let of = |text: &str| url(&format!("/x/;UID=2/;{text}")).map(|url| (url.section, url.partial));
        let section = |path: &[u32], text| Section { path: path.to_vec(), text };
        assert_eq!(of("section=1.2"), Some((section(&[1, 2], None), None)));
        assert_eq!(of("SECTION=2.MIME"), Some((section(&[2], Some(SectionText::Mime)), None)));
        assert_eq!(
            of("SECTION=HEADER.FIELDS%20(To%20Cc)/;PARTIAL=7.9"),
            Some((
                section(&[], Some(SectionText::HeaderFields(vec![b"To".to_vec(), b"Cc".to_vec()]))),
                Some(Partial { offset: 7, length: 9 })
            ))
        );
        assert_eq!(of("PARTIAL=7"), Some((Section::default(), Some(Partial { offset: 7, length: u64::MAX }))));
    }

    #[test]
    fn others() {
        for other in [
            "",
            "/",
            "/INBOX",
            "/INBOX/",
            "/INBOX;UID=1",
            "/;UID=1",
            "//host/INBOX/;UID=1",
            "imap://user@host/INBOX/;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=+1",
            "/INBOX/;UID=4294967296",
            "/INBOX/;UID=",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1;SECTION=1",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=MIME",
            "/INBOX/;UID=1/;SECTION=1/;SECTION=2",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;PARTIAL=x",
            "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
            "/INBOX/;UID=1/;URLAUTH=anonymous",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX;UIDVALIDITY=1;UID=1",
            "/INBOX/;UIDVALIDITY=x/;UID=1",
            "/INBOX?SUBJECT%20x",
            "/%FF/;UID=1",
            "/%4/;UID=1",
            "/a b/;UID=1",
            "/é/;UID=1",
        ] {
            assert_eq!(url(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read(pieces in "(/|;|UID=|uidvalidity=|SECTION=|PARTIAL=|[0-9]{1,11}|%|\\.|HEADER|INBOX|=|\\PC){0,16}") {
            let _ = url(&pieces);
        }
    }
}
