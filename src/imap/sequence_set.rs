//! Sequence sets (RFC 3501 §9 `sequence-set`): which messages a command means.
//!
//! A set is kept as the client wrote it, until it is resolved against a view: only then `*` has a value and ranges have
//! an order. Resolving never expands a range number by number, so `1:4294967295` costs what `1` costs.
//!
//! `$` stands for what the last `SEARCH RETURN (SAVE)` found (RFC 5182); that is the session's, not known here.

use std::num::NonZeroU32;

use crate::store::{Uid, UidSet};

/// `seq-number`: a number, or `*`, the largest in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqNumber {
    /// 1 or more.
    Number(NonZeroU32),
    /// `*`
    Largest,
}

/// `seq-number` in 4 octets: `None` is `*`.
type Packed = Option<NonZeroU32>;

/// A set as the client wrote it. Its size is bounded by the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSet {
    /// Empty for `$`.
    ranges: Vec<(Packed, Packed)>,
}

/// A message sequence number above the number of messages, or `*` of an empty mailbox: BAD (RFC 3501 §9 `seq-number`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are not so many messages")]
pub struct OutOfRange;

impl SequenceSet {
    /// `$` (RFC 5182 §3)
    pub const SAVED: SequenceSet = SequenceSet { ranges: Vec::new() };

    /// Whether it is `$`: then it has no ranges, and whoever keeps the search result resolves it.
    pub fn is_saved(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The set of these ranges, in this order; a single number is a range of itself. `None` if there are none.
    pub fn new(ranges: impl IntoIterator<Item = (SeqNumber, SeqNumber)>) -> Option<SequenceSet> {
        let pack = |number| match number {
            SeqNumber::Number(number) => Some(number),
            SeqNumber::Largest => None,
        };
        let ranges: Vec<_> = ranges.into_iter().map(|(from, to)| (pack(from), pack(to))).collect();
        (!ranges.is_empty()).then_some(SequenceSet { ranges })
    }

    /// The ranges as the client wrote them, in any order, their ends too.
    pub fn ranges(&self) -> impl Iterator<Item = (SeqNumber, SeqNumber)> + '_ {
        let unpack = |number: Packed| number.map_or(SeqNumber::Largest, SeqNumber::Number);
        self.ranges.iter().map(move |(from, to)| (unpack(*from), unpack(*to)))
    }

    /// The UIDs of `view` that the set names as UIDs. What is not there is passed over silently (RFC 3501 §6.4.8), and
    /// `n:*` always has the last message, even when `n` is above it (§9 `seq-range`). Empty in an empty view.
    pub fn uids(&self, view: &UidSet) -> UidSet {
        match view.last() {
            Some(last) => self.resolve(last).intersection(view),
            None => UidSet::new(),
        }
    }

    /// The UIDs of `view` that the set names as message sequence numbers: 1 is the lowest UID.
    pub fn uids_by_number(&self, view: &UidSet) -> Result<UidSet, OutOfRange> {
        let numbers = self.numbers(view.len())?;
        let mut spans = UidSet::new();
        for (first, last) in numbers.ranges() {
            if let (Some(first), Some(last)) = (view.nth(first - 1), view.nth(last - 1)) {
                spans.insert_range(first, last);
            }
        }
        Ok(spans.intersection(view))
    }

    /// The same, with numbers above the last passed over.
    pub fn uids_by_number_within(&self, view: &UidSet) -> UidSet {
        let Some(last) = view.last() else { return UidSet::new() };
        let mut spans = UidSet::new();
        for (first, last_number) in self.resolve(view.len()).ranges() {
            if let Some(first) = view.nth(first - 1) {
                spans.insert_range(first, view.nth(last_number - 1).unwrap_or(last));
            }
        }
        spans.intersection(view)
    }

    /// The message sequence numbers of a mailbox of `exists` messages that the set names.
    pub fn numbers(&self, exists: u32) -> Result<UidSet, OutOfRange> {
        if exists == 0 {
            return Err(OutOfRange);
        }
        let numbers = self.resolve(exists);
        match numbers.last() {
            Some(last) if last > exists => Err(OutOfRange),
            _ => Ok(numbers),
        }
    }

    /// The numbers of a set without `*`; `None` if there is one in it.
    pub(crate) fn without_star(&self) -> Option<UidSet> {
        let has_star = self.ranges.iter().any(|(from, to)| from.is_none() || to.is_none());
        (!has_star).then(|| self.resolve(Uid::MAX))
    }

    /// Whether the set has no `*`, and every number in it is above the one before.
    pub(crate) fn is_ascending(&self) -> bool {
        let mut before = 0;
        self.ranges.iter().all(|(from, to)| {
            let (Some(from), Some(to)) = (from, to) else { return false };
            let ascends = before < from.get() && from <= to;
            before = to.get();
            ascends
        })
    }

    /// The set with `largest` for `*`. Sorted before it is built: appending is cheap, inserting in the middle is not.
    fn resolve(&self, largest: Uid) -> UidSet {
        let value = |number: Packed| number.map_or(largest, NonZeroU32::get);
        let mut ranges: Vec<_> = self
            .ranges
            .iter()
            .map(|(from, to)| (value(*from), value(*to)))
            .map(|(from, to)| (from.min(to), from.max(to)))
            .collect();
        ranges.sort_unstable();
        let mut set = UidSet::new();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u32) -> SeqNumber {
        NonZeroU32::new(number).map_or(SeqNumber::Largest, SeqNumber::Number)
    }

    /// 0 stands for `*`.
    fn set(ranges: &[(u32, u32)]) -> SequenceSet {
        SequenceSet::new(ranges.iter().map(|(from, to)| (number(*from), number(*to)))).unwrap()
    }

    fn list(set: &UidSet) -> Vec<u32> {
        set.iter().collect()
    }

    #[test]
    fn the_examples_of_the_grammar() {
        let fifteen = set(&[(2, 2), (4, 7), (9, 9), (12, 0)]).numbers(15).unwrap();
        assert_eq!(list(&fifteen), [2, 4, 5, 6, 7, 9, 12, 13, 14, 15]);
        let ten = set(&[(0, 4), (5, 7)]).numbers(10).unwrap();
        assert_eq!(list(&ten), [4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn n_to_star_has_the_last_message_even_when_n_is_above_it() {
        let view = UidSet::range(10, 20);
        assert_eq!(list(&set(&[(3291, 0)]).uids(&view)), [20]);
        assert_eq!(list(&set(&[(0, 3291)]).uids(&view)), [20]);
        assert_eq!(list(&set(&[(0, 0)]).uids(&view)), [20]);
        assert!(set(&[(3291, 3300)]).uids(&view).is_empty());
    }

    #[test]
    fn an_empty_mailbox_has_no_uid_and_no_number() {
        assert!(set(&[(1, 0)]).uids(&UidSet::new()).is_empty());
        assert_eq!(set(&[(0, 0)]).numbers(0), Err(OutOfRange));
        assert_eq!(set(&[(1, 0)]).uids_by_number(&UidSet::new()), Err(OutOfRange));
    }

    #[test]
    fn a_number_above_the_last_is_refused() {
        assert_eq!(set(&[(1, 3)]).numbers(2), Err(OutOfRange));
        assert_eq!(set(&[(3, 0)]).numbers(2), Err(OutOfRange));
        assert_eq!(list(&set(&[(2, 1)]).numbers(2).unwrap()), [1, 2]);
    }

    #[test]
    fn many_ranges_in_the_worst_order_cost_little() {
        let ranges: Vec<_> = (1..=16_000u32).rev().map(|n| (2 * n, 2 * n)).collect();
        let numbers = set(&ranges).numbers(40_000).unwrap();
        assert_eq!(numbers.len(), 16_000);
    }

    proptest! {
        #[test]
        fn numbers_name_the_uids_at_their_places(
            view in prop::collection::btree_set(1u32..100, 1..40),
            ranges in prop::collection::vec((0u32..50, 0u32..50), 1..6),
        ) {
            let uids: Vec<u32> = view.iter().copied().collect();
            let view: UidSet = view.into_iter().collect();
            let count = uids.len() as u32;
            let value = |n: u32| if n == 0 { count } else { n };
            let named = |n: u32| ranges.iter().any(|(a, b)| {
                (value(*a).min(value(*b))..=value(*a).max(value(*b))).contains(&n)
            });
            let expected: Vec<u32> = (1..=count).filter(|n| named(*n)).map(|n| uids[n as usize - 1]).collect();
            let beyond = ranges.iter().any(|(a, b)| value(*a).max(value(*b)) > count);
            match set(&ranges).uids_by_number(&view) {
                Ok(found) => prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected),
                Err(OutOfRange) => prop_assert!(beyond),
            }
            let within: Vec<u32> = (1..=count).filter(|n| named(*n)).map(|n| uids[n as usize - 1]).collect();
            prop_assert_eq!(list(&set(&ranges).uids_by_number_within(&view)), within);
        }
    }
}
