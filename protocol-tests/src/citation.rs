//! Where a rule stands: `RFC 2177 §3, RFC 3501 §7.4.1, §9`, as data.
//!
//! The head of each transcript has such a list, and it is strict, since tables and the coverage page are made from it. A
//! place without a document belongs to the document before it.

use std::fmt;

/// One place in one document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Citation {
    /// `RFC 2177`, or the name of a document that is no RFC: `PROXY protocol`.
    pub document: String,
    /// Where in it; the whole of it where none is named.
    pub place: Option<Place>,
}

/// A place in a document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `§7.4.1`.
    Section(String),
    /// `appendix A.1`.
    Appendix(String),
    /// `"Formal Syntax"`: a heading, in documents that count no sections.
    Heading(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Section(number) => write!(f, "§{number}"),
            Place::Appendix(letter) => write!(f, "appendix {letter}"),
            Place::Heading(words) => write!(f, "{words:?}"),
        }
    }
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} {place}", self.document),
            None => f.write_str(&self.document),
        }
    }
}

/// The documents that may be cited besides RFCs.
const OTHERS: [&str; 1] = ["PROXY protocol"];

/// Reads a list; the error says what is no citation.
pub fn parse(list: &str) -> Result<Vec<Citation>, String> {
    let mut citations: Vec<Citation> = Vec::new();
    for item in list.split(',').map(str::trim) {
        let named = document(item);
        let whole = named.as_ref().is_some_and(|(_, rest)| rest.is_empty());
        let before = || citations.last().map(|before| (before.document.clone(), item));
        let (document, rest) = named
            .or_else(before)
            .ok_or_else(|| format!("{item:?} names no document: begin with RFC and its number"))?;
        let place = match whole {
            true => None,
            false => Some(place(rest).ok_or_else(|| {
                format!("{rest:?} is no place: §3.1, appendix A, or a heading in quotes, with commas between them")
            })?),
        };
        citations.push(Citation { document, place });
    }
    Ok(citations)
}

/// The document that an item begins with, and what stands behind it.
fn document(item: &str) -> Option<(String, &str)> {
    if let Some(other) = OTHERS.iter().find(|other| item.starts_with(**other)) {
        return Some(((*other).to_owned(), item[other.len()..].trim_start()));
    }
    let number = item.strip_prefix("RFC ")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    (end > 0).then(|| (format!("RFC {}", &number[..end]), number[end..].trim_start()))
}

fn place(text: &str) -> Option<Place> {
    let dotted = |number: &str| {
        number.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
    };
    if let Some(number) = text.strip_prefix('§') {
        return dotted(number).then(|| Place::Section(number.to_owned()));
    }
    if let Some(letter) = text.strip_prefix("appendix ") {
        return dotted(letter).then(|| Place::Appendix(letter.to_owned()));
    }
    let heading = text.strip_prefix('"')?.strip_suffix('"')?;
    (!heading.is_empty() && !heading.contains('"')).then(|| Place::Heading(heading.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_belongs_to_the_document_before_it() {
        let list = "RFC 2177 §3, RFC 9051 §6.3.13, §F1, appendix A.1, RFC 3502 \"Formal Syntax\", RFC 3848, PROXY protocol §2.1";
        let citations = parse(list).unwrap();
        let shown: Vec<String> = citations.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "RFC 2177 §3",
                "RFC 9051 §6.3.13",
                "RFC 9051 §F1",
                "RFC 9051 appendix A.1",
                "RFC 3502 \"Formal Syntax\"",
                "RFC 3848",
                "PROXY protocol §2.1"
            ]
        );
    }

    #[test]
    fn what_is_no_citation_is_named() {
        for (list, named) in [
            ("§3", "\"§3\""),
            ("RFC", "\"RFC\""),
            ("RFC 2177 3", "\"3\""),
            ("RFC 2177 §3; RFC 3501 §7", "\"§3; RFC 3501 §7\""),
            ("RFC 2177 §3 to §4", "\"§3 to §4\""),
            ("RFC 2177 §3,", "\"\""),
            ("RFC 2177 §3..1", "\"§3..1\""),
            ("RFC 2177 \"", "\"\\\"\""),
        ] {
            match parse(list) {
                Err(error) => assert!(error.contains(named), "{error}"),
                Ok(read) => panic!("{list:?} is read as {read:?}"),
            }
        }
    }
}
