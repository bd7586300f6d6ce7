//! What a server is known to do otherwise: a list that people read, and that `--known` reads too.
//!
//! A line for each case, its name and what the server does, with spaces between them; below it, indented, the sentence
//! that the server breaks and where it stands. `#` begins a comment.
//!
//! ```text
//! imap/idle/argument-refused    takes an argument
//!     RFC 2177 §4: "idle ::= "IDLE" CRLF "DONE""
//! ```
//!
//! A case that another server fails is wrong until that sentence proves it right; only what a server may do, and the
//! case still can't do without, has no sentence.

use std::collections::BTreeMap;
use std::fmt;

use crate::citation::{self, Citation};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What the server does.
    pub reason: String,
    /// Which sentence says otherwise, and where.
    pub sentence: Option<(Citation, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match &self.sentence {
            Some((place, words)) => write!(f, " ({place}: \"{words}\")"),
            None => Ok(()),
        }
    }
}

/// The differences of one server, by the names of the cases.
pub type Known = BTreeMap<String, Difference>;

/// Reads a list; the error says which line is none of it.
pub fn parse(list: &str) -> Result<Known, String> {
    let mut known = Known::new();
    let mut last: Option<String> = None;
    for (number, line) in (1..).zip(list.lines()) {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if !line.starts_with(char::is_whitespace) {
            let (name, reason) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            let difference = Difference { reason: reason.trim().to_owned(), sentence: None };
            if difference.reason.is_empty() {
                return Err(format!("line {number}: does not say what {name} differs in"));
            }
            if known.insert(name.to_owned(), difference).is_some() {
                return Err(format!("line {number}: {name} is here twice"));
            }
            last = Some(name.to_owned());
            continue;
        }
        let difference = last.as_ref().and_then(|name| known.get_mut(name));
        let difference = difference.ok_or_else(|| format!("line {number}: a sentence without a case"))?;
        let sentence = sentence(text).map_err(|error| format!("line {number}: {error}"))?;
        if difference.sentence.replace(sentence).is_some() {
            return Err(format!("line {number}: one sentence is enough"));
        }
    }
    Ok(known)
}

/// `RFC 2177 §4: "…"`.
fn sentence(text: &str) -> Result<(Citation, String), String> {
    let (place, words) = text.split_once(": ").ok_or("no place with a colon behind it")?;
    let [place] = citation::parse(place)?.try_into().map_err(|_| format!("{place} is more than one place"))?;
    let words = words.strip_prefix('"').and_then(|words| words.strip_suffix('"')).ok_or("no sentence in quotes")?;
    Ok((place, words.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Corpus;

    #[test]
    fn a_difference_has_a_reason_and_a_sentence() {
        let list = "# Two.\na/b   takes \"1,\"\n    RFC 3501 §9: \"x = 1*(\"a\" / \"b\")\"\n\nc/d sleeps\n";
        let known = parse(list).unwrap();
        assert_eq!(known["a/b"].to_string(), "takes \"1,\" (RFC 3501 §9: \"x = 1*(\"a\" / \"b\")\")");
        assert_eq!(known["c/d"].to_string(), "sleeps");
        assert_eq!(known.len(), 2);
    }

    #[test]
    fn what_is_no_difference_is_named() {
        for (list, named) in [
            ("a/b\n", "line 1: does not say"),
            ("a/b x\na/b y\n", "line 2: a/b is here twice"),
            ("  RFC 3501 §9: \"x\"\n", "line 1: a sentence without"),
            ("a/b x\n  RFC 3501 §9: x\n", "line 2: no sentence in quotes"),
            ("a/b x\n  §9: \"x\"\n", "line 2: \"§9\" names no document"),
            ("a/b x\n  RFC 3501 §9, §7: \"x\"\n", "more than one place"),
            ("a/b x\n  RFC 3501 §9: \"x\"\n  RFC 3501 §9: \"y\"\n", "line 3: one sentence"),
        ] {
            let error = parse(list).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_lists_of_subjects_name_cases_that_are_there() {
        let corpus = Corpus::default();
        let names = corpus.names().unwrap();
        let mut lists = 0;
        for entry in std::fs::read_dir(corpus.root.join("subjects")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "known") {
                continue;
            }
            lists += 1;
            let known = parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            for name in known.keys() {
                assert!(names.contains(name), "{path:?}: there is no {name}");
            }
        }
        assert!(lists > 0);
    }
}
