//! What a search finds, as numbers in an order, and ranges of it (RFC 9394, RFC 5267 §3).
//!
//! SEARCH finds in the order of the mailbox, SORT in one that the client chose. Result options ask both for the same: the
//! first, the last, how many, all, or some of them by their places.

use std::num::NonZeroU32;
use std::ops::Range;

use crate::store::UidSet;

/// `partial-range` (RFC 9394 §4): places in a result, counted from 1, both ends meant. The ends stand in any order, as the
/// client wrote them, since the answer repeats them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialRange {
    /// One end.
    pub from: NonZeroU32,
    /// The other end.
    pub to: NonZeroU32,
    /// `-1:-100`: counted from the last backwards.
    pub from_last: bool,
}

impl PartialRange {
    /// The places that it means of `count` results, counted from 0; none where it lies beyond them.
    pub fn of(self, count: u32) -> Range<u32> {
        let (low, high) = (self.from.min(self.to).get(), self.from.max(self.to).get());
        match self.from_last {
            false => (low - 1).min(count)..high.min(count),
            true => count.saturating_sub(high)..count.saturating_sub(low - 1),
        }
    }
}

/// Message numbers or UIDs in the order of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// In the order of the mailbox.
    Ascending(UidSet),
    /// In the order of a SORT; each once.
    Sorted(Vec<u32>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::Ascending(UidSet::new())
    }
}

impl Numbers {
    /// How many.
    pub fn len(&self) -> u32 {
        match self {
            Numbers::Ascending(set) => set.len(),
            // A mailbox has fewer than 2^32 messages.
            Numbers::Sorted(list) => list.len() as u32,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first in order.
    pub fn first(&self) -> Option<u32> {
        match self {
            Numbers::Ascending(set) => set.first(),
            Numbers::Sorted(list) => list.first().copied(),
        }
    }

    /// The last in order.
    pub fn last(&self) -> Option<u32> {
        match self {
            Numbers::Ascending(set) => set.last(),
            Numbers::Sorted(list) => list.last().copied(),
        }
    }

    /// Those at the places of the range, in order.
    pub fn part(&self, range: PartialRange) -> Numbers {
        let places = range.of(self.len());
        match self {
            Numbers::Sorted(list) => Numbers::Sorted(list[places.start as usize..places.end as usize].to_vec()),
            Numbers::Ascending(set) => {
                let ends = places.end.checked_sub(1).filter(|_| !places.is_empty()).map(|last| (places.start, last));
                let span = ends.and_then(|(first, last)| Some(UidSet::range(set.nth(first)?, set.nth(last)?)));
                Numbers::Ascending(span.map(|span| span.intersection(set)).unwrap_or_default())
            }
        }
    }

    /// One by one, in order.
    pub fn list(self) -> Vec<u32> {
        match self {
            Numbers::Ascending(set) => set.iter().collect(),
            Numbers::Sorted(list) => list,
        }
    }

    /// All of them, without their order.
    pub fn set(&self) -> UidSet {
        match self {
            Numbers::Ascending(set) => set.clone(),
            Numbers::Sorted(list) => {
                let mut sorted = list.clone();
                // Appending to a set is cheap, inserting in the middle is not.
                sorted.sort_unstable();
                sorted.into_iter().collect()
            }
        }
    }

    /// Ranges in order, each ascending (RFC 5267 §3.2): what a `sequence-set` is printed of.
    pub fn ranges(&self) -> Box<dyn Iterator<Item = (u32, u32)> + '_> {
        match self {
            Numbers::Ascending(set) => Box::new(set.ranges()),
            Numbers::Sorted(list) => Box::new(
                list.chunk_by(|one, next| one.checked_add(1) == Some(*next)).map(|run| (run[0], run[run.len() - 1])),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: u32, to: u32, from_last: bool) -> PartialRange {
        let end = |end| NonZeroU32::new(end).unwrap();
        PartialRange { from: end(from), to: end(to), from_last }
    }

    #[test]
    fn ranges_beyond_the_results_are_cut() {
        assert_eq!(range(1, 500, false).of(3), 0..3);
        assert_eq!(range(500, 2, false).of(3), 1..3);
        assert_eq!(range(4, 9, false).of(3), 3..3);
        assert_eq!(range(1, 2, true).of(3), 1..3);
        assert_eq!(range(3, 9, true).of(3), 0..1);
        assert_eq!(range(4, 9, true).of(3), 0..0);
        assert_eq!(range(u32::MAX, 1, true).of(0), 0..0);
    }

    #[test]
    fn only_what_ascends_by_one_is_a_range() {
        let sorted = Numbers::Sorted(vec![9, 8, 3, 4, 5, 1, 7]);
        assert_eq!(sorted.ranges().collect::<Vec<_>>(), [(9, 9), (8, 8), (3, 5), (1, 1), (7, 7)]);
        assert_eq!(Numbers::Sorted(Vec::new()).ranges().count(), 0);
    }

    proptest! {
        #[test]
        fn a_part_is_what_stands_at_those_places(
            all in prop::collection::btree_set(1u32..60, 0..40),
            (from, to, from_last) in (1u32..50, 1u32..50, any::<bool>()),
        ) {
            let list: Vec<u32> = all.iter().copied().collect();
            let wanted = |place: usize| {
                let place = if from_last { list.len() - place } else { place + 1 } as u32;
                (from.min(to)..=from.max(to)).contains(&place)
            };
            let expected: Vec<u32> = (0..list.len()).filter(|place| wanted(*place)).map(|place| list[place]).collect();
            let ascending = Numbers::Ascending(all.iter().copied().collect());
            let part = ascending.part(range(from, to, from_last));
            prop_assert_eq!(part.set().iter().collect::<Vec<_>>(), expected.clone());
            let sorted = Numbers::Sorted(list.clone()).part(range(from, to, from_last));
            prop_assert_eq!(&sorted, &Numbers::Sorted(expected));
            prop_assert_eq!(sorted.set(), part.set());
            prop_assert!(sorted.ranges().eq(part.ranges()));
        }
    }
}
