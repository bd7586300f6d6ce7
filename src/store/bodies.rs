//! Where bodies are, how many messages refer to each, and how much of each segment is still needed.
//!
//! What changed since the last checkpoint stands here in memory, over what the index says; a checkpoint writes it there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;

use super::index::{BodiesBatch, BodyEntry, BodyLookup, SegmentUse};
use super::journal::Journal;
use super::journal::record::Stated;
use super::journal::segment::{Place, SEGMENT_HEADER_OCTETS};
use super::{BodyId, Error};

#[derive(Debug, Default)]
pub(crate) struct Bodies {
    changed: HashMap<BodyId, (BodyEntry, u64)>,
    segments: BTreeMap<u32, SegmentUse>,
    changed_segments: BTreeSet<u32>,
    removed_segments: BTreeSet<u32>,
    /// Bodies that came in and stand nowhere yet: the record that places them is the next of its group, and until it is
    /// applied compaction must not take them for expunged.
    unplaced: HashSet<BodyId>,
    /// Grows with each checkpoint that is collected: entries of older generations are in the index once it is applied.
    generation: u64,
    /// While the journal is replayed from nothing: a delivery is kept whether a mailbox is known for it or not, since the
    /// record that tells may come later. [`Bodies::recount`] ends it.
    rebuilding: bool,
}

impl Bodies {
    pub(crate) fn new(segments: BTreeMap<u32, SegmentUse>, rebuilding: bool) -> Bodies {
        Bodies { segments, rebuilding, ..Bodies::default() }
    }

    /// A record was appended or replayed.
    pub(crate) fn count_record(&mut self, place: &Place) {
        self.segments.entry(place.segment).or_default().octets += place.record_octets();
        self.changed_segments.insert(place.segment);
    }

    /// Counts the segments that no record was counted for: an interrupted compaction left copies there, of records that
    /// stand elsewhere. Nothing of them is needed, so the next compaction removes them.
    pub(crate) fn adopt_segments(&mut self, journal: &Journal) -> io::Result<()> {
        for segment in journal.segments() {
            if let Entry::Vacant(unknown) = self.segments.entry(segment.number) {
                let octets = segment.file.len()?.saturating_sub(SEGMENT_HEADER_OCTETS as u64);
                unknown.insert(SegmentUse { octets, live: 0 });
                self.changed_segments.insert(segment.number);
            }
        }
        Ok(())
    }

    /// A body came in.
    pub(crate) fn add(&mut self, body: BodyId, place: Place, references: u32) {
        let references = if self.rebuilding { 0 } else { references };
        if references > 0 {
            self.use_segment(place.segment, place.record_octets(), true);
        }
        self.changed.insert(body, (BodyEntry { place, references }, self.generation));
    }

    /// A body came in that a later record places.
    pub(crate) fn add_unplaced(&mut self, body: BodyId, place: Place) {
        if !self.rebuilding {
            self.use_segment(place.segment, place.record_octets(), true);
            self.unplaced.insert(body);
        }
        self.changed.insert(body, (BodyEntry { place, references: 0 }, self.generation));
    }

    /// All that the journal says was applied: nothing will place what stands nowhere. A crash came between the bodies and
    /// the record that places them.
    pub(crate) fn give_up_unplaced(&mut self) {
        for body in std::mem::take(&mut self.unplaced) {
            if let Some((entry, _)) = self.changed.remove(&body) {
                self.use_segment(entry.place.segment, entry.place.record_octets(), false);
            }
        }
    }

    /// The entry of a body that is referred to. A lookup serves as long as this is locked: what stands in the index alone
    /// changes only in here.
    pub(crate) fn get(&self, body: BodyId, index: &mut BodyLookup<'_>) -> Result<Option<BodyEntry>, Error> {
        let entry = match self.changed.get(&body) {
            Some((entry, _)) => Some(*entry),
            None => index.body(body)?,
        };
        Ok(entry.filter(|entry| entry.references > 0 || self.rebuilding || self.unplaced.contains(&body)))
    }

    /// Messages refer to the body, or no longer do.
    pub(crate) fn refer(&mut self, body: BodyId, by: i64, index: &mut BodyLookup<'_>) -> Result<(), Error> {
        if self.rebuilding {
            return Ok(());
        }
        let Some(mut entry) = self.get(body, index)? else {
            // Only after damage: the delivery's record was lost and the message is about to go, too.
            tracing::warn!(%body, "a message refers to a body that is not there");
            return Ok(());
        };
        // Its octets count as needed since it came.
        self.unplaced.remove(&body);
        entry.references = entry.references.saturating_add_signed(i32::try_from(by).unwrap_or(0));
        if entry.references == 0 {
            self.use_segment(entry.place.segment, entry.place.record_octets(), false);
        }
        self.changed.insert(body, (entry, self.generation));
        Ok(())
    }

    fn use_segment(&mut self, segment: u32, octets: u64, add: bool) {
        let usage = self.segments.entry(segment).or_default();
        usage.live = if add { usage.live + octets } else { usage.live.saturating_sub(octets) };
        self.changed_segments.insert(segment);
    }

    /// A mailbox's state, or that of an account's metadata, was said again, in `new`, or is needed no more.
    pub(crate) fn restate(&mut self, old: Option<Stated>, new: Option<Stated>) {
        if let Some(old) = old {
            self.use_segment(old.segment, old.octets, false);
        }
        if let Some(new) = new {
            self.use_segment(new.segment, new.octets, true);
        }
    }

    /// Compaction copied a body; it counts only if the body is still needed.
    pub(crate) fn moved(
        &mut self,
        body: BodyId,
        from: Place,
        to: Place,
        index: &mut BodyLookup<'_>,
    ) -> Result<(), Error> {
        self.count_record(&to);
        if let Some(mut entry) = self.get(body, index)?
            && entry.place == from
        {
            self.use_segment(from.segment, from.record_octets(), false);
            self.use_segment(to.segment, to.record_octets(), true);
            entry.place = to;
            self.changed.insert(body, (entry, self.generation));
        }
        Ok(())
    }

    /// A segment is not needed any more.
    pub(crate) fn remove_segment(&mut self, segment: u32) {
        self.segments.remove(&segment);
        self.changed_segments.remove(&segment);
        self.removed_segments.insert(segment);
    }

    pub(crate) fn segments(&self) -> &BTreeMap<u32, SegmentUse> {
        &self.segments
    }

    /// Ends a rebuild: counts the references, and what the mailboxes' last states take, afresh.
    pub(crate) fn recount(&mut self, references: &HashMap<BodyId, u32>, stated: &[Stated]) {
        self.rebuilding = false;
        for usage in self.segments.values_mut() {
            usage.live = 0;
        }
        let mut changed = std::mem::take(&mut self.changed);
        changed.retain(|body, (entry, _)| {
            entry.references = references.get(body).copied().unwrap_or(0);
            entry.references > 0
        });
        for (entry, _) in changed.values() {
            self.use_segment(entry.place.segment, entry.place.record_octets(), true);
        }
        self.changed = changed;
        for stated in stated {
            self.restate(None, Some(*stated));
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.changed_segments.is_empty() && self.removed_segments.is_empty()
    }

    /// What the index does not know yet.
    pub(crate) fn collect(&mut self) -> BodiesBatch {
        let batch = BodiesBatch {
            generation: self.generation,
            entries: self.changed.iter().map(|(body, (entry, _))| (*body, *entry)).collect(),
            segments: self
                .changed_segments
                .iter()
                .filter_map(|number| Some((*number, *self.segments.get(number)?)))
                .collect(),
            removed_segments: self.removed_segments.iter().copied().collect(),
        };
        self.changed_segments.clear();
        self.removed_segments.clear();
        self.generation += 1;
        batch
    }

    /// The index knows what was collected in `generation`.
    pub(crate) fn collected(&mut self, generation: u64) {
        self.changed.retain(|_, (_, changed_in)| *changed_in > generation);
        self.changed.shrink_to_fit();
    }
}
