//! Which sections the RFCs have, and what they are called: facts that a citation is checked by.
//!
//! `rfc-sections.txt` has them, a document behind the other; `rfc-sections.py` made it from the RFCs' texts. Of an RFC
//! that it does not have, the text was not at hand, so nothing can be said of its sections.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::citation::{self, Citation};

static HEADINGS: LazyLock<HashMap<Citation, &'static str>> = LazyLock::new(|| {
    read(include_str!("../rfc-sections.txt")).expect("rfc-sections.txt is as rfc-sections.py writes it")
});

/// The heading of the place that is cited, or the title of the whole document; nothing where there is no such place, or
/// the RFC's text was not at hand.
pub fn heading(citation: &Citation) -> Option<&'static str> {
    HEADINGS.get(citation).copied()
}

/// Whether this document's sections are known.
pub fn knows(document: &str) -> bool {
    HEADINGS.contains_key(&Citation { document: document.to_owned(), place: None })
}

fn read(table: &'static str) -> Result<HashMap<Citation, &'static str>, String> {
    let mut headings = HashMap::new();
    let mut document = "";
    for line in table.lines() {
        // A heading that stands for itself has none besides.
        let (place, heading) = line.split_once("  ").unwrap_or((line, line.trim_matches('"')));
        let cited = match place.starts_with("RFC ") {
            true => {
                document = place;
                place.to_owned()
            }
            false => format!("{document} {place}"),
        };
        headings.extend(citation::parse(&cited)?.into_iter().map(|citation| (citation, heading)));
    }
    Ok(headings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(citation: &str) -> Option<&'static str> {
        heading(&citation::parse(citation).unwrap()[0])
    }

    #[test]
    fn places_have_headings() {
        assert_eq!(of("RFC 2177 §3"), Some("Specification"));
        assert_eq!(of("RFC 9051 §6.3.13"), Some("IDLE Command"));
        assert_eq!(of("RFC 5321 appendix F.2"), Some("Source Routing"));
        assert_eq!(of("RFC 3502 \"Security Considerations\""), Some("Security Considerations"));
        assert_eq!(of("RFC 2177"), Some("IMAP4 IDLE command"));
    }

    #[test]
    fn a_place_that_does_not_exist_has_none() {
        assert_eq!(of("RFC 2177 §3.1"), None);
        assert_eq!(of("RFC 5321 §F.2"), None);
        assert!(knows("RFC 2177"));
        // Its text was not at hand.
        assert!(!knows("RFC 4954"));
        assert_eq!(of("RFC 4954 §4"), None);
    }

    #[test]
    fn the_large_ones_are_whole() {
        for (document, sections) in [("RFC 3501", 104), ("RFC 5321", 141), ("RFC 9051", 140), ("RFC 5465", 32)] {
            let known = HEADINGS.keys().filter(|c| c.document == document && c.place.is_some()).count();
            assert_eq!(known, sections, "{document}");
        }
    }
}
