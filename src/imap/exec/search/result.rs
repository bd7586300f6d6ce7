//! What a SEARCH answers with: numbers of the kind that was asked for, what result options make of them (RFC 4731 §3.1),
//! and what of it is saved for `$` (RFC 5182 §2.4).

use super::Found;
use crate::imap::command::{Numbering, SearchReturn, Tag};
use crate::imap::response::ESearch;
use crate::imap::view::View;
use crate::store::{ModSeq, UidSet};

/// The messages as the client names them.
pub(super) fn numbers(found: &UidSet, by: Numbering, view: &View) -> UidSet {
    match by {
        Numbering::Uid => found.clone(),
        Numbering::Sequence => found.iter().filter_map(|uid| view.sequence(uid)).collect(),
    }
}

/// The ESEARCH response; none where SAVE is all that was asked for (RFC 5182 §2.1). MIN, MAX and ALL of nothing are left
/// out, COUNT is told in any case (RFC 4731 §3.1).
pub(super) fn answer(
    tag: &Tag,
    by: Numbering,
    returns: SearchReturn,
    numbers: UidSet,
    mod_seq: Option<ModSeq>,
) -> Option<ESearch> {
    let SearchReturn { min, max, all, count, save: _ } = returns;
    (min || max || all || count).then(|| ESearch {
        tag: tag.clone(),
        by,
        min: numbers.first().filter(|_| min),
        max: numbers.last().filter(|_| max),
        count: count.then(|| numbers.len()),
        all: if all { numbers } else { UidSet::new() },
        mod_seq,
    })
}

/// The mod-sequence that goes with the answer to a search by mod-sequence: with MIN, MAX or both alone, the highest of the
/// messages that they name; else of all (RFC 4731 §3.2).
pub(super) fn mod_seq(found: &Found, returns: SearchReturn) -> Option<ModSeq> {
    let SearchReturn { min, max, all, count, save: _ } = returns;
    if all || count || !(min || max) {
        return found.highest_mod_seq;
    }
    let ends = [found.first.filter(|_| min), found.last.filter(|_| max)];
    ends.into_iter().flatten().map(|(_, mod_seq)| mod_seq).max()
}

/// What `$` stands for afterwards: with MIN, MAX or both alone, the messages that they name; else everything (RFC 5182 §2.4).
pub(super) fn saved(found: &UidSet, returns: SearchReturn) -> UidSet {
    let SearchReturn { min, max, all, count, save: _ } = returns;
    if all || count || !(min || max) {
        return found.clone();
    }
    let ends = [found.first().filter(|_| min), found.last().filter(|_| max)];
    ends.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn options() -> impl Strategy<Value = SearchReturn> {
        any::<[bool; 5]>().prop_map(|[min, max, all, count, save]| SearchReturn { min, max, all, count, save })
    }

    #[test]
    fn the_mod_sequence_is_of_what_is_returned() {
        let mut found = Found::default();
        for (uid, mod_seq) in [(5, 30), (2, 20), (9, 10)] {
            found.take(uid, mod_seq);
        }
        let with = |min, max, count| mod_seq(&found, SearchReturn { min, max, all: false, count, save: true });
        assert_eq!(with(true, false, false), Some(20));
        assert_eq!(with(false, true, false), Some(10));
        assert_eq!(with(true, true, false), Some(20));
        assert_eq!(with(true, true, true), Some(30));
        assert_eq!(with(false, false, false), Some(30));
    }

    proptest! {
        #[test]
        fn the_answer_is_what_was_asked_for(
            found in prop::collection::btree_set(1u32..50, 0..20),
            returns in options(),
        ) {
            let set: UidSet = found.iter().copied().collect();
            let tag = Tag::new(b"a").unwrap();
            let SearchReturn { min, max, all, count, .. } = returns;
            match answer(&tag, Numbering::Uid, returns, set.clone(), None) {
                None => prop_assert!(!(min || max || all || count)),
                Some(answer) => {
                    prop_assert_eq!(answer.min, if min { found.first().copied() } else { None });
                    prop_assert_eq!(answer.max, if max { found.last().copied() } else { None });
                    prop_assert_eq!(answer.count, count.then_some(found.len() as u32));
                    prop_assert_eq!(answer.all, if all { set } else { UidSet::new() });
                }
            }
        }

        /// The table of RFC 5182 §2.4.
        #[test]
        fn what_is_saved_is_what_the_table_says(
            found in prop::collection::btree_set(1u32..50, 0..20),
            returns in options(),
        ) {
            let ends_only = (returns.min || returns.max) && !returns.all && !returns.count;
            let kept = |uid: &u32| {
                !ends_only
                    || (returns.min && Some(uid) == found.first())
                    || (returns.max && Some(uid) == found.last())
            };
            let expected: UidSet = found.iter().copied().filter(kept).collect();
            prop_assert_eq!(saved(&found.iter().copied().collect(), returns), expected);
        }
    }
}
