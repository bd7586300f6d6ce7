//! What a search answers with: numbers of the kind that was asked for, what result options make of them (RFC 4731 §3.1,
//! RFC 9394 §3.1), and what of it is saved for `$` (RFC 5182 §2.4, RFC 9394 §3.2).
//!
//! MIN, MAX and PARTIAL go by the order of the result: that of the mailbox, or the one of a SORT (RFC 5267 §3.1).

use crate::imap::command::{Numbering, SearchReturn, Tag};
use crate::imap::numbers::Numbers;
use crate::imap::response::ESearch;
use crate::imap::view::View;
use crate::store::UidSet;

/// The messages as the client names them, in their order.
pub(in crate::imap::exec) fn numbers(found: &Numbers, by: Numbering, view: &View) -> Numbers {
    match (by, found) {
        (Numbering::Uid, found) => found.clone(),
        (Numbering::Sequence, Numbers::Ascending(uids)) => {
            Numbers::Ascending(uids.iter().filter_map(|uid| view.sequence(uid)).collect())
        }
        (Numbering::Sequence, Numbers::Sorted(uids)) => {
            Numbers::Sorted(uids.iter().filter_map(|uid| view.sequence(*uid)).collect())
        }
    }
}

/// The ESEARCH response; none where SAVE is all that was asked for (RFC 5182 §2.1). MIN, MAX and ALL of nothing are left
/// out, COUNT and PARTIAL are told in any case (RFC 4731 §3.1, RFC 9394 §3.1).
pub(in crate::imap::exec) fn answer(
    tag: &Tag,
    by: Numbering,
    returns: SearchReturn,
    numbers: Numbers,
) -> Option<ESearch> {
    let SearchReturn { min, max, all, count, save: _, partial } = returns;
    (min || max || all || count || partial.is_some()).then(|| ESearch {
        tag: tag.clone(),
        mailbox: None,
        by,
        min: numbers.first().filter(|_| min),
        max: numbers.last().filter(|_| max),
        count: count.then(|| numbers.len()),
        partial: partial.map(|range| (range, numbers.part(range))),
        all: if all { numbers } else { Numbers::default() },
        mod_seq: None,
    })
}

/// The messages that the options name one by one; `None` where they speak of all that were found. The mod-sequence of the
/// answer is theirs (RFC 4731 §3.2), and `$` stands for them (RFC 5182 §2.4, RFC 9394 §3.2).
pub(in crate::imap::exec) fn named(found: &Numbers, returns: SearchReturn) -> Option<UidSet> {
    let SearchReturn { min, max, all, count, save: _, partial } = returns;
    if all || count || !(min || max || partial.is_some()) {
        return None;
    }
    let mut uids = partial.map(|range| found.part(range).set()).unwrap_or_default();
    let ends = [found.first().filter(|_| min), found.last().filter(|_| max)];
    ends.into_iter().flatten().for_each(|uid| uids.insert(uid));
    Some(uids)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::imap::numbers::PartialRange;

    fn options() -> impl Strategy<Value = SearchReturn> {
        let end = || (1u32..30).prop_map(|end| NonZeroU32::new(end).unwrap());
        let partial =
            (end(), end(), any::<bool>()).prop_map(|(from, to, from_last)| PartialRange { from, to, from_last });
        (any::<[bool; 5]>(), prop::option::of(partial)).prop_map(|([min, max, all, count, save], partial)| {
            SearchReturn { min, max, all, count, save, partial: partial.filter(|_| !all) }
        })
    }

    fn found() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::btree_set(1u32..50, 0..20)
            .prop_map(|uids| uids.into_iter().collect::<Vec<_>>())
            .prop_shuffle()
    }

    proptest! {
        #[test]
        fn the_answer_is_what_was_asked_for(found in found(), returns in options()) {
            let sorted = Numbers::Sorted(found.clone());
            let tag = Tag::new(b"a").unwrap();
            let SearchReturn { min, max, all, count, partial, .. } = returns;
            match answer(&tag, Numbering::Uid, returns, sorted.clone()) {
                None => prop_assert!(!(min || max || all || count || partial.is_some())),
                Some(answer) => {
                    prop_assert_eq!(answer.min, if min { found.first().copied() } else { None });
                    prop_assert_eq!(answer.max, if max { found.last().copied() } else { None });
                    prop_assert_eq!(answer.count, count.then_some(found.len() as u32));
                    prop_assert_eq!(answer.partial, partial.map(|range| (range, sorted.part(range))));
                    prop_assert_eq!(answer.all, if all { sorted } else { Numbers::default() });
                }
            }
        }

        /// The tables of RFC 5182 §2.4 and RFC 9394 §3.2.
        #[test]
        fn what_is_named_is_what_the_tables_say(found in found(), returns in options()) {
            let part = |uid: u32| returns.partial.is_some_and(|range| {
                range.of(found.len() as u32).any(|place| found[place as usize] == uid)
            });
            let some_only = (returns.min || returns.max || returns.partial.is_some()) && !returns.all && !returns.count;
            let kept = |uid: &u32| {
                part(*uid)
                    || (returns.min && Some(uid) == found.first())
                    || (returns.max && Some(uid) == found.last())
            };
            let mut expected: Vec<u32> = found.iter().copied().filter(kept).collect();
            expected.sort_unstable();
            let named = named(&Numbers::Sorted(found.clone()), returns);
            prop_assert_eq!(named.map(|uids| uids.iter().collect::<Vec<_>>()), some_only.then_some(expected));
        }
    }
}
