//! UIDBATCHES (RFC 10022): the UIDs of the selected mailbox in ranges of as many messages each, from the highest down, so that
//! a client can fetch a large mailbox in pieces without a search of its own.
//!
//! A range begins and ends with a message, and the last may hold fewer.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::failure::Failure;
use super::{Context, Done, Outcome};
use crate::imap::command::{Tag, UidBatches};
use crate::imap::response::{Code, Data};
use crate::store::{Uid, UidSet};

/// The smallest batch: below it the answer would be hardly shorter than the UIDs themselves. The RFC wants 500 at the most.
const SIZE_MIN: u32 = 10;

/// How many ranges one answer has: 220 KB, a step of output.
const BATCHES_MAX: u32 = 10_000;

pub(super) fn run(cx: &mut Context<'_>, tag: &Tag, asked: UidBatches) -> Outcome {
    let UidBatches { size, range } = asked;
    if size.get() < SIZE_MIN {
        return Err(Failure::no(Code::TooSmall, format!("A batch has at least {SIZE_MIN} messages")));
    }
    let known = cx.selected()?.view.known();
    let batches = wanted(known.len().div_ceil(size.get()), range);
    if batches.clone().count() > BATCHES_MAX as usize {
        return Err(Failure::no(Code::Limit, format!("An answer has at most {BATCHES_MAX} batches")));
    }
    let ranges = batches.filter_map(|batch| range_of(known, batch, size.get())).collect();
    cx.put(Data::UidBatches { tag: tag.clone(), ranges });
    Ok(Done::ok("UIDBATCHES done"))
}

/// Which of `count` batches are asked for, counted from 1; the ends may stand in any order.
fn wanted(count: u32, range: Option<(NonZeroU32, NonZeroU32)>) -> RangeInclusive<u32> {
    match range {
        None => 1..=count,
        Some((one, other)) => one.min(other).get()..=one.max(other).get().min(count),
    }
}

/// The highest and the lowest UID of a batch.
fn range_of(uids: &UidSet, batch: u32, size: u32) -> Option<(Uid, Uid)> {
    let end = uids.len().checked_sub((batch - 1).checked_mul(size)?)?;
    let highest = uids.nth(end.checked_sub(1)?)?;
    let lowest = uids.nth(end.saturating_sub(size))?;
    Some((highest, lowest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(uids: &UidSet, size: u32, range: Option<(u32, u32)>) -> Vec<(Uid, Uid)> {
        let number = |n| NonZeroU32::new(n).unwrap();
        let range = range.map(|(from, to)| (number(from), number(to)));
        wanted(uids.len().div_ceil(size), range).filter_map(|batch| range_of(uids, batch, size)).collect()
    }

    #[test]
    fn batches_go_from_the_highest_down() {
        let uids: UidSet = (1..=12).chain(20..=25).collect();
        assert_eq!(ranges(&uids, 10, None), [(25, 9), (8, 1)]);
        assert_eq!(ranges(&uids, 18, None), [(25, 1)]);
        assert_eq!(ranges(&uids, 5, Some((2, 3))), [(20, 9), (8, 4)]);
        assert_eq!(ranges(&uids, 5, Some((9, 4))), [(3, 1)]);
        assert_eq!(ranges(&uids, 5, Some((5, 9))), []);
        assert_eq!(ranges(&UidSet::new(), 10, None), []);
        assert_eq!(ranges(&uids, 10, Some((1, u32::MAX))), [(25, 9), (8, 1)]);
        assert_eq!(ranges(&UidSet::range(7, 7), u32::MAX, None), [(7, 7)]);
    }

    proptest! {
        #[test]
        fn each_message_is_in_one_batch(uids in prop::collection::btree_set(1u32..200, 0..80), size in 1u32..20) {
            let set: UidSet = uids.iter().copied().collect();
            let found = ranges(&set, size, None);
            let in_range = |range: &(Uid, Uid)| uids.range(range.1..=range.0).count() as u32;
            let counts: Vec<u32> = found.iter().map(in_range).collect();
            prop_assert_eq!(counts.iter().sum::<u32>(), set.len());
            if let Some((last, full)) = counts.split_last() {
                prop_assert!(full.iter().all(|count| *count == size) && (1..=size).contains(last));
            }
            prop_assert!(found.windows(2).all(|pair| pair[1].0 < pair[0].1));
        }
    }
}
