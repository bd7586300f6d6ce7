//! Comparing strings (RFC 5228 §2.7): match types and comparators, on octets (§2.7.2).

use memchr::memmem;

/// A comparator that a script may name (§2.7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Comparator {
    /// `i;octet`
    Octet,
    /// `i;ascii-casemap` (RFC 4790 §9.2)
    #[default]
    AsciiCasemap,
}

/// How a value is to match (§2.7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MatchType {
    #[default]
    Is,
    Contains,
    Matches,
}

/// What a value is compared with: keys, and how. Matches if any key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    comparator: Comparator,
    keys: Keys,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    Is(Vec<Vec<u8>>),
    Contains(Vec<Vec<u8>>),
    Matches(Vec<Vec<Glob>>),
}

/// A piece of a wildcard key: the octet itself, `?`, `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glob {
    Octet(u8),
    One,
    Any,
}

/// The script has spent all that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

/// What a script may still spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(pub(super) u64);

impl Budget {
    /// Takes that many steps.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(Spent)?;
        Ok(())
    }
}

impl Matcher {
    pub(super) fn new(comparator: Comparator, match_type: MatchType, keys: Vec<Vec<u8>>) -> Matcher {
        let keys: Vec<_> = keys.into_iter().map(|key| fold(comparator, key)).collect();
        let keys = match match_type {
            MatchType::Is => Keys::Is(keys),
            MatchType::Contains => Keys::Contains(keys),
            MatchType::Matches => Keys::Matches(keys.iter().map(|key| glob(key)).collect()),
        };
        Matcher { comparator, keys }
    }

    /// Whether any of the keys matches the value.
    pub(super) fn matches(&self, value: &[u8], budget: &mut Budget) -> Result<bool, Spent> {
        budget.spend(1 + value.len() / 16)?;
        let value = &fold(self.comparator, value.to_vec());
        match &self.keys {
            Keys::Is(keys) => {
                budget.spend(keys.len())?;
                Ok(keys.contains(value))
            }
            Keys::Contains(keys) => {
                for key in keys {
                    budget.spend(1 + (value.len() + key.len()) / 16)?;
                    if memmem::find(value, key).is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Keys::Matches(keys) => {
                for key in keys {
                    if glob_matches(key, value, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// The octets as the comparator sees them.
fn fold(comparator: Comparator, mut octets: Vec<u8>) -> Vec<u8> {
    if comparator == Comparator::AsciiCasemap {
        octets.make_ascii_uppercase();
    }
    octets
}

/// Reads a wildcard key; a backslash stands before `*`, `?` or itself (§2.7.1), and before others means nothing.
fn glob(key: &[u8]) -> Vec<Glob> {
    let mut pieces = Vec::with_capacity(key.len());
    let mut octets = key.iter().copied();
    while let Some(octet) = octets.next() {
        pieces.push(match octet {
            // Several in a row are one.
            b'*' if pieces.last() == Some(&Glob::Any) => continue,
            b'*' => Glob::Any,
            b'?' => Glob::One,
            b'\\' => Glob::Octet(octets.next().unwrap_or(b'\\')),
            octet => Glob::Octet(octet),
        });
    }
    pieces
}

/// Whether the whole value is what the key says. Takes no more steps than value times key: where a piece does not fit, only
/// the last `*` can be stretched, since stretching an earlier one leads nowhere else.
fn glob_matches(key: &[Glob], value: &[u8], budget: &mut Budget) -> Result<bool, Spent> {
    let (mut piece, mut octet) = (0, 0);
    // Behind the last `*`, and where what it stands for ends.
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        budget.spend(1)?;
        match (key.get(piece), value.get(octet)) {
            (Some(Glob::Any), _) => {
                piece += 1;
                last_any = Some((piece, octet));
                continue;
            }
            (None, None) => return Ok(true),
            (Some(Glob::One), Some(_)) => {}
            (Some(Glob::Octet(wanted)), Some(there)) if wanted == there => {}
            _ => {
                let Some((behind, end)) = last_any.filter(|(_, end)| *end < value.len()) else { return Ok(false) };
                last_any = Some((behind, end + 1));
                (piece, octet) = (behind, end + 1);
                continue;
            }
        }
        piece += 1;
        octet += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(comparator: Comparator, match_type: MatchType, value: &str, key: &str) -> bool {
        let matcher = Matcher::new(comparator, match_type, vec![key.as_bytes().to_vec()]);
        matcher.matches(value.as_bytes(), &mut Budget(1 << 20)).unwrap()
    }

    /// §2.7.1
    #[test]
    fn match_types() {
        use MatchType::{Contains, Is, Matches};
        for (match_type, value, key, expected) in [
            (Contains, "frobnitzm", "frob", true),
            (Contains, "frobnitzm", "NIT", true),
            (Contains, "frobnitzm", "fbm", false),
            (Contains, "frobnitzm", "", true),
            (Contains, "", "", true),
            (Is, "frobnitzm", "frobnitzm", true),
            (Is, "frobnitzm", "frob", false),
            (Is, "frobnitzm", "", false),
            (Is, "", "", true),
            (Matches, "frobnitzm", "f*z?", true),
            (Matches, "frobnitzm", "f*z", false),
            (Matches, "frobnitzm", "frobnitzm", true),
            (Matches, "frobnitzm", "frob", false),
            (Matches, "", "*", true),
            (Matches, "", "?*", false),
            (Matches, "x", "?*", true),
            (Matches, "\u{e4}", "?", false),
            (Matches, "\u{e4}", "??", true),
            (Matches, "what?", "what\\?", true),
            (Matches, "whatx", "what\\?", false),
            (Matches, "2*2", "2\\*2", true),
            (Matches, "222", "2\\*2", false),
            (Matches, "a\\b", "a\\\\b", true),
            (Matches, "a\\", "a\\", true),
            (Matches, "abc", "\\a\\bc", true),
        ] {
            assert_eq!(matches(Comparator::AsciiCasemap, match_type, value, key), expected, "{value} {key}");
        }
    }

    /// §2.7.3; RFC 4790 §9.2: only ASCII has case.
    #[test]
    fn comparators() {
        for match_type in [MatchType::Is, MatchType::Contains, MatchType::Matches] {
            assert!(matches(Comparator::AsciiCasemap, match_type, "Make Money Fast", "MAKE money FAST"));
            assert!(!matches(Comparator::Octet, match_type, "Make Money Fast", "MAKE money FAST"));
            assert!(matches(Comparator::Octet, match_type, "Make Money Fast", "Make Money Fast"));
            assert!(!matches(Comparator::AsciiCasemap, match_type, "\u{e4}", "\u{c4}"));
        }
    }

    #[test]
    fn a_key_made_to_be_slow_ends_with_the_budget() {
        let key = "*a".repeat(200).into_bytes();
        let slow = [b"*".as_slice(), &b"a?".repeat(2_000), b"b"].concat();
        let value = vec![b'a'; 1 << 20];
        let run = |key| {
            let mut budget = Budget(super::super::STEPS_MAX);
            Matcher::new(Comparator::Octet, MatchType::Matches, vec![key]).matches(&value, &mut budget)
        };
        assert_eq!(run(slow), Err(Spent));
        assert_eq!(run(key), Ok(true));
    }

    /// As it is defined, and exponential.
    fn naive(key: &[Glob], value: &[u8]) -> bool {
        match (key.first(), value.first()) {
            (None, None) => true,
            (Some(Glob::Any), _) => naive(&key[1..], value) || (!value.is_empty() && naive(key, &value[1..])),
            (Some(Glob::One), Some(_)) => naive(&key[1..], &value[1..]),
            (Some(Glob::Octet(wanted)), Some(there)) if wanted == there => naive(&key[1..], &value[1..]),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn wildcards_match_as_they_are_defined(key in "[ab*?\\\\]{0,8}", value in "[ab*?]{0,10}") {
            let key = glob(key.as_bytes());
            let mut budget = Budget(10_000);
            prop_assert_eq!(glob_matches(&key, value.as_bytes(), &mut budget), Ok(naive(&key, value.as_bytes())));
            prop_assert!(10_000 - budget.0 <= 2 * (key.len() as u64 + 1) * (value.len() as u64 + 1), "{:?}", budget);
        }
    }
}
