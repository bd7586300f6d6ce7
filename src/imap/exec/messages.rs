//! Which messages a command means, and reading them in batches.

use super::failure::Failure;
use crate::imap::command::Numbering;
use crate::imap::sequence_set::SequenceSet;
use crate::imap::view::View;
use crate::message::HEADERS_OCTETS_MAX;
use crate::store::{Message, UidSet};

/// How many messages are looked up at once: 230 KB of index entries, so that a command over any number of messages holds
/// no more.
pub(super) const BATCH: u32 = 4096;

/// A message up to this size is read as a whole, whatever is needed of it, and together with its neighbours: that costs
/// less than reading parts of each, and a whole message is checked against its checksum.
pub(super) const SMALL_OCTETS: u32 = 16 * 1024;

/// How many octets of headers are read together at the most, if they may be of several messages: a summary takes up to
/// thirty times the memory of the header that it was made of, when that is nothing but addresses.
const GROUP_HEADERS_OCTETS: u32 = 1 << 20;

/// The UIDs that a command names, as far as the client counts them. A UID that is not there is passed over (RFC 3501
/// §6.4.8, RFC 9051 §6.4.9); a sequence number that is not there is an error of the client (RFC 3501 §9, `seq-number`).
/// `$` is the same either way, and good where it is empty too (RFC 5182 §2.1).
pub(super) fn named(view: &View, by: Numbering, set: &SequenceSet) -> Result<UidSet, Failure> {
    Ok(match by {
        _ if set.is_saved() => view.saved().clone(),
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

/// `messages` in pieces of at most `most`, whose summaries may be in memory together. How long a header is stands in no
/// index, so the size of the message speaks for it.
pub(super) fn groups(messages: &[Message], most: usize) -> impl Iterator<Item = &[Message]> + Send {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut octets = 0u32;
        let fits = |message: &&Message| {
            octets = octets.saturating_add(message.size.min(HEADERS_OCTETS_MAX));
            octets <= GROUP_HEADERS_OCTETS
        };
        let fitting = rest.iter().take(most).take_while(fits).count();
        // One that is too large for every group is a group of its own.
        let (group, behind) = rest.split_at(fitting.max(1).min(rest.len()));
        rest = behind;
        (!group.is_empty()).then_some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{BodyId, Date, Flags};

    fn message(size: u32) -> Message {
        let internal_date = Date { unix_s: 0, offset_min: 0 };
        Message {
            uid: 1,
            flags: Flags::default(),
            mod_seq: 1,
            body: BodyId(0),
            size,
            internal_date,
            save_date_unix_s: 0,
        }
    }

    #[test]
    fn groups_are_all_of_it_and_bounded_by_number_and_octets() {
        let lengths = |sizes: &[u32], most| {
            let messages: Vec<_> = sizes.iter().copied().map(message).collect();
            groups(&messages, most).map(<[Message]>::len).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[10; 7], 3), [3, 3, 1]);
        assert_eq!(lengths(&[GROUP_HEADERS_OCTETS / 2; 5], 64), [2, 2, 1]);
        assert_eq!(lengths(&[10, u32::MAX, u32::MAX, 10, 10], 64), [1, 1, 1, 2]);
        assert_eq!(lengths(&[], 64), [0; 0]);
    }

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
