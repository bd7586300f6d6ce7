//! Which messages a command means, and reading them in batches.

use super::failure::Failure;
use crate::imap::command::Numbering;
use crate::imap::sequence_set::SequenceSet;
use crate::imap::view::View;
use crate::store::UidSet;

/// How many messages are looked up at once: 230 KB of index entries, so that a command over any number of messages holds
/// no more.
pub(super) const BATCH: u32 = 4096;

/// A message up to this size is read as a whole, whatever is needed of it, and together with its neighbours: that costs
/// less than reading parts of each, and a whole message is checked against its checksum.
pub(super) const SMALL_OCTETS: u32 = 16 * 1024;

/// The UIDs that a command names, as far as the client counts them. A UID that is not there is passed over (RFC 3501
/// §6.4.8); a sequence number that is not there is an error of the client (§9, `seq-number`).
pub(super) fn named(view: &View, by: Numbering, set: &SequenceSet) -> Result<UidSet, Failure> {
    Ok(match by {
        Numbering::Uid => set.uids(view.known()),
        Numbering::Sequence => set.uids_by_number(view.known())?,
    })
}

/// `uids` in pieces of at most `size`, ascending; each costs the ranges that are in it.
pub(super) fn batches(uids: &UidSet, size: u32) -> impl Iterator<Item = UidSet> + Send + '_ {
    let mut ranges = uids.ranges();
    let mut cut = None;
    std::iter::from_fn(move || {
        let mut batch = UidSet::new();
        while let room @ 1.. = size - batch.len() {
            let Some((first, last)) = cut.take().or_else(|| ranges.next()) else { break };
            let end = last.min(first.saturating_add(room - 1));
            batch.insert_range(first, end);
            cut = (end < last).then(|| (end + 1, last));
        }
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_all_of_it_in_order() {
        let uids: UidSet = (1..100).filter(|uid| uid % 3 != 0).collect();
        let mut all = UidSet::new();
        for batch in batches(&uids, 7) {
            assert!(batch.len() <= 7 && batch.first() > all.last());
            all.insert_all(&batch);
        }
        assert_eq!(all, uids);
        assert_eq!(batches(&UidSet::new(), 7).count(), 0);
    }
}
