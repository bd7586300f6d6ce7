//! Mailbox patterns of LIST and LSUB (RFC 3501 §6.3.8): `*` stands for any characters, `%` for any but the separator.
//!
//! All ways to match are followed at once, so that the time is the product of both lengths and no pattern makes it more;
//! a pattern with more literal characters than the name is refused before.

use crate::store::SEPARATOR;

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// `*`
    Anything,
    /// `%`
    Component,
    /// Any other character stands for itself.
    Literal(char),
}

/// A pattern that mailbox names are matched with.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    elements: Vec<Element>,
    literals: usize,
}

impl Pattern {
    /// The pattern as the client wrote it, decoded to UTF-8.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut elements = Vec::new();
        for character in pattern.chars() {
            let element = match character {
                '*' => Element::Anything,
                '%' => Element::Component,
                other => Element::Literal(other),
            };
            match (elements.last(), element) {
                // A wildcard beside `*` adds nothing, nor does `%` beside `%`.
                (Some(Element::Anything), Element::Anything | Element::Component) => {}
                (Some(Element::Component), Element::Component) => {}
                (Some(Element::Component), Element::Anything) => {
                    elements.pop();
                    elements.push(element);
                }
                _ => elements.push(element),
            }
        }
        let literals = elements.iter().filter(|element| matches!(element, Element::Literal(_))).count();
        Self { elements, literals }
    }

    /// Whether the whole of `name` matches. INBOX, and what lies below it, matches its first component in any case
    /// (RFC 3501 §5.1).
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.literals > name.len() {
            return false;
        }
        let inbox = is_inbox_or_below(name);
        // `reached[i]`: the first `i` elements can match what was read so far. Below `lowest` nothing needs to be followed:
        // a `*` takes in all that the elements in front of it could.
        let mut reached = vec![false; self.elements.len() + 1];
        let mut next = reached.clone();
        let mut lowest = 0;
        reached[0] = true;
        self.skip_wildcards(&mut reached, &mut lowest);
        for (at, character) in name.char_indices() {
            let ignore_case = inbox && at < "INBOX".len();
            next[lowest..].fill(false);
            for (index, element) in self.elements.iter().enumerate().skip(lowest).filter(|(index, _)| reached[*index]) {
                match element {
                    Element::Anything => next[index] = true,
                    Element::Component => next[index] |= character != SEPARATOR,
                    Element::Literal(literal) if same(*literal, character, ignore_case) => next[index + 1] = true,
                    Element::Literal(_) => {}
                }
            }
            self.skip_wildcards(&mut next, &mut lowest);
            std::mem::swap(&mut reached, &mut next);
        }
        reached[self.elements.len()]
    }

    /// A wildcard may also match nothing.
    fn skip_wildcards(&self, reached: &mut [bool], lowest: &mut usize) {
        for (index, element) in self.elements.iter().enumerate().skip(*lowest) {
            if reached[index] && matches!(element, Element::Anything | Element::Component) {
                reached[index + 1] = true;
                if *element == Element::Anything {
                    *lowest = index;
                }
            }
        }
    }
}

fn same(pattern: char, name: char, ignore_case: bool) -> bool {
    pattern == name || (ignore_case && pattern.eq_ignore_ascii_case(&name))
}

fn is_inbox_or_below(name: &str) -> bool {
    name.strip_prefix("INBOX").is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What RFC 3501 §6.3.8 says, written down with all its backtracking.
    fn model(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((wildcard @ ('*' | '%'), rest)) => {
                model(rest, name)
                    || name
                        .split_first()
                        .is_some_and(|(c, after)| (*wildcard == '*' || *c != '/') && model(pattern, after))
            }
            Some((literal, rest)) => name.split_first().is_some_and(|(c, after)| c == literal && model(rest, after)),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_the_rfc_says(pattern in "[ab/*%é]{0,8}", name in "[ab/é]{0,8}") {
            let characters: (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), model(&characters.0, &characters.1));
        }
    }

    #[test]
    fn inbox_is_known_in_any_case() {
        for pattern in ["inbox", "InBoX", "in%", "*BOX", "%"] {
            assert!(Pattern::new(pattern).matches("INBOX"), "{pattern}");
        }
        assert!(Pattern::new("inbox/Sub").matches("INBOX/Sub"));
        assert!(!Pattern::new("inbox/sub").matches("INBOX/Sub"));
        assert!(!Pattern::new("inboxes").matches("INBOXES"), "no other name is");
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_both_lengths() {
        let pattern = Pattern::new(&"*a%".repeat(20_000));
        assert!(!pattern.matches(&"a".repeat(200)));
        let pattern = Pattern::new(&"*a".repeat(100));
        assert!(pattern.matches(&"a".repeat(200)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(200))));
    }
}
