//! Patterns for a piece of text: `…` stands for anything, `$name` captures (or repeats) a word, `/…/` is a regular
//! expression where it is a word of its own. Everything else stands for itself.

use regex::bytes::{Regex, RegexBuilder};

use crate::bindings::{Bindings, Piece, pieces};

/// How much of the text a pattern has to cover, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// All of it.
    Whole,
    /// Its beginning, up to the end of a word: what status lines are compared by, since their text is for people.
    Beginning,
}

/// What a regular expression made of a pattern may treat as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `ok` is `OK`.
    Ignored,
    /// `ok` is not `OK`.
    Kept,
}

/// Whether `text` is what `pattern` says; new names are bound only if it is.
pub fn matches(pattern: &str, text: &[u8], cover: Cover, case: Case, bindings: &mut Bindings) -> bool {
    if !pattern.contains(['…', '$', '/']) {
        // No need for a regular expression, which takes long to make.
        let (text, rest) = match cover {
            Cover::Whole => (text, None),
            Cover::Beginning => match text.split_at_checked(pattern.len()) {
                Some((text, rest)) => (text, rest.first()),
                None => return false,
            },
        };
        let is_alike = match case {
            Case::Ignored => pattern.as_bytes().eq_ignore_ascii_case(text),
            Case::Kept => pattern.as_bytes() == text,
        };
        return is_alike && rest.is_none_or(|octet| *octet == b' ');
    }
    let Some((regex, names)) = compile(pattern, cover, case, bindings) else { return false };
    let Some(found) = regex.captures(text) else { return false };
    for (index, name) in names.iter().enumerate() {
        if let Some(value) = found.name(&format!("n{index}")) {
            bindings.set(name, value.as_bytes());
        }
    }
    true
}

/// The regular expression of a pattern with what is bound already put in, and the names that it binds, in order.
fn compile(pattern: &str, cover: Cover, case: Case, bindings: &Bindings) -> Option<(Regex, Vec<String>)> {
    let mut source = String::from(r"(?s-u)\A");
    let mut names = Vec::new();
    for (index, word) in pattern.split(' ').enumerate() {
        if index > 0 {
            source.push(' ');
        }
        if let Some(inner) = word.strip_prefix('/').and_then(|w| w.strip_suffix('/')).filter(|w| !w.is_empty()) {
            source.push_str(&format!("(?:{inner})"));
            continue;
        }
        for piece in pieces(word) {
            match piece {
                Piece::Text(text) => {
                    let parts: Vec<String> = text.split('…').map(escape).collect();
                    source.push_str(&parts.join(".*?"));
                }
                Piece::Name { name, offset } => match bindings.value(&name, offset) {
                    Some(value) => source.push_str(&escape_bytes(&value)),
                    None if offset > 0 => return None,
                    None if name == "_" => source.push_str(r"[^ \r\n]+?"),
                    None => {
                        source.push_str(&format!(r"(?P<n{}>[^ \r\n]+?)", names.len()));
                        names.push(name);
                    }
                },
            }
        }
    }
    source.push_str(match cover {
        Cover::Whole => r"\z",
        Cover::Beginning => r"(?: |\z)",
    });
    let regex = RegexBuilder::new(&source).case_insensitive(case == Case::Ignored).build().ok()?;
    Some((regex, names))
}

fn escape(text: &str) -> String {
    escape_bytes(text.as_bytes())
}

/// Bytes as a regular expression that stands for exactly them.
fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        match byte {
            b' ' => out.push(' '),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!(r"\x{byte:02x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(pattern: &str, text: &str, bindings: &mut Bindings) -> bool {
        matches(pattern, text.as_bytes(), Cover::Whole, Case::Ignored, bindings)
    }

    #[test]
    fn wildcards_and_captures() {
        let mut bindings = Bindings::default();
        assert!(whole("1 $uid", "1 abc", &mut bindings));
        assert_eq!(bindings.get("uid"), Some(&b"abc"[..]));
        assert!(whole("2 $uid", "2 abc", &mut bindings));
        assert!(!whole("2 $uid", "2 abd", &mut bindings));
        assert!(whole("SIZE …", "size 1000", &mut bindings));
        assert!(!whole("SIZE …", "SIZES", &mut bindings));
        assert!(whole("/NO|BAD/ x", "BAD x", &mut bindings));
    }

    #[test]
    fn a_beginning_ends_with_a_word() {
        let mut bindings = Bindings::default();
        let mut begins = |pattern: &str, text: &str| {
            matches(pattern, text.as_bytes(), Cover::Beginning, Case::Ignored, &mut bindings)
        };
        assert!(begins("2.1.0", "2.1.0 fine"));
        assert!(begins("2.1.0", "2.1.0"));
        assert!(!begins("2.1.0", "2.1.05 fine"));
        assert!(!begins("2.1.0 fine", "2.1.0") && begins("ok", "OK done") && !begins("ok", "NO ok"));
        assert!(begins("2.1.$_", "2.1.5 fine") && !begins("2.1.$_", "2.2.5 fine"), "a name in it changes nothing");
    }
}
