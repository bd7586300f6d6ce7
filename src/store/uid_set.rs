//! A sorted set of UIDs as ranges.
//!
//! Mailboxes number their messages mostly without gaps, so ranges are far smaller than one number a message: a session
//! that views 100,000 messages holds a few hundred bytes. A UID's position ([`UidSet::position`]) is its sequence number
//! less one, and [`UidSet::nth`] goes the other way; both take logarithmic time.

use super::Uid;

/// A range and how many UIDs stand before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Uid,
    last: Uid,
    before: u32,
}

impl Run {
    fn len(self) -> u32 {
        self.last - self.first + 1
    }
}

/// A sorted set of UIDs. UID 0 does not exist and is never in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UidSet {
    runs: Vec<Run>,
}

impl UidSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }

    /// The UIDs from `first` to `last`, both included; empty when `first` is above `last`.
    pub fn range(first: Uid, last: Uid) -> Self {
        let mut set = Self::new();
        set.insert_range(first, last);
        set
    }

    /// How many UIDs are in it.
    pub fn len(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.before + run.len())
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The lowest UID.
    pub fn first(&self) -> Option<Uid> {
        self.runs.first().map(|run| run.first)
    }

    /// The highest UID.
    pub fn last(&self) -> Option<Uid> {
        self.runs.last().map(|run| run.last)
    }

    /// Whether `uid` is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        self.position(uid).is_some()
    }

    /// How many UIDs of the set are below `uid`, if `uid` is in it: its sequence number less one.
    pub fn position(&self, uid: Uid) -> Option<u32> {
        let at = self.runs.partition_point(|run| run.last < uid);
        let run = self.runs.get(at)?;
        (run.first <= uid).then(|| run.before + (uid - run.first))
    }

    /// How many UIDs of the set are below `uid`, whether it is in it or not.
    pub fn count_below(&self, uid: Uid) -> u32 {
        let at = self.runs.partition_point(|run| run.last < uid);
        match self.runs.get(at) {
            Some(run) => run.before + uid.saturating_sub(run.first),
            None => self.len(),
        }
    }

    /// The UID that has `position` others of the set below it.
    pub fn nth(&self, position: u32) -> Option<Uid> {
        let at = self.runs.partition_point(|run| run.before + run.len() <= position);
        let run = self.runs.get(at)?;
        Some(run.first + (position - run.before))
    }

    /// The ranges, ascending, both ends included.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = (Uid, Uid)> + '_ {
        self.runs.iter().map(|run| (run.first, run.last))
    }

    /// All UIDs, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Uid> + '_ {
        self.runs.iter().flat_map(|run| run.first..=run.last)
    }

    /// Adds one.
    pub fn insert(&mut self, uid: Uid) {
        self.insert_range(uid, uid);
    }

    /// Adds the UIDs from `first` to `last`, both included.
    pub fn insert_range(&mut self, first: Uid, last: Uid) {
        let first = first.max(1);
        if first > last {
            return;
        }
        // The common case, in constant time: behind all others.
        match self.runs.last_mut() {
            None => return self.runs.push(Run { first, last, before: 0 }),
            Some(end) if end.last.checked_add(1) == Some(first) => {
                end.last = last;
                return;
            }
            Some(end) if end.last < first => {
                let before = end.before + end.len();
                return self.runs.push(Run { first, last, before });
            }
            Some(_) => {}
        }
        // Runs that overlap or touch become one.
        let from = self.runs.partition_point(|run| run.last < first - 1);
        let to = self.runs.partition_point(|run| run.first <= last.saturating_add(1));
        let merged = if from < to {
            Run { first: first.min(self.runs[from].first), last: last.max(self.runs[to - 1].last), before: 0 }
        } else {
            Run { first, last, before: 0 }
        };
        self.runs.splice(from..to, [merged]);
        self.recount(from);
    }

    /// Takes one out; says whether it was in.
    pub fn remove(&mut self, uid: Uid) -> bool {
        let at = self.runs.partition_point(|run| run.last < uid);
        let Some(run) = self.runs.get(at).copied() else { return false };
        if uid < run.first {
            return false;
        }
        let left = (run.first < uid).then(|| Run { last: uid - 1, ..run });
        let right = (uid < run.last).then(|| Run { first: uid + 1, ..run });
        self.runs.splice(at..=at, left.into_iter().chain(right));
        self.recount(at);
        true
    }

    /// Takes out all that are in `other`, in time that grows with the ranges of both.
    pub fn remove_all(&mut self, other: &UidSet) {
        *self = self.difference(other);
    }

    /// Adds all that are in `other`.
    pub fn insert_all(&mut self, other: &UidSet) {
        for (first, last) in other.ranges() {
            self.insert_range(first, last);
        }
    }

    /// What is in both.
    pub fn intersection(&self, other: &UidSet) -> UidSet {
        let mut both = UidSet::new();
        let (mut a, mut b) = (self.runs.iter().peekable(), other.runs.iter().peekable());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (first, last) = (x.first.max(y.first), x.last.min(y.last));
            if first <= last {
                both.insert_range(first, last);
            }
            if x.last < y.last {
                a.next()
            } else {
                b.next()
            };
        }
        both
    }

    /// What is in this set and not in `other`.
    pub fn difference(&self, other: &UidSet) -> UidSet {
        let mut rest = UidSet::new();
        let mut cuts = other.runs.iter().peekable();
        for run in &self.runs {
            let mut first = run.first;
            let mut used_up = false;
            while let Some(cut) = cuts.peek() {
                if cut.last < first {
                    cuts.next();
                    continue;
                }
                if cut.first > run.last {
                    break;
                }
                if first < cut.first {
                    rest.insert_range(first, cut.first - 1);
                }
                if cut.last >= run.last {
                    used_up = true;
                    break;
                }
                first = cut.last + 1;
                cuts.next();
            }
            if !used_up {
                rest.insert_range(first, run.last);
            }
        }
        rest
    }

    fn recount(&mut self, from: usize) {
        let mut before = match from.checked_sub(1).map(|at| self.runs[at]) {
            Some(run) => run.before + run.len(),
            None => 0,
        };
        for run in &mut self.runs[from..] {
            run.before = before;
            before += run.len();
        }
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        for uid in uids {
            set.insert(uid);
        }
        set
    }
}

impl serde::Serialize for UidSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ranges().collect::<Vec<_>>())
    }
}

impl<'de> serde::Deserialize<'de> for UidSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ranges = Vec::<(Uid, Uid)>::deserialize(deserializer)?;
        let mut set = Self::new();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(set: &UidSet, model: &BTreeSet<Uid>) {
        assert_eq!(set.iter().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
        assert_eq!(set.len() as usize, model.len());
        for (position, uid) in model.iter().enumerate() {
            assert_eq!(set.position(*uid), Some(position as u32));
            assert_eq!(set.nth(position as u32), Some(*uid));
        }
        assert_eq!(set.nth(set.len()), None);
        for (one, two) in set.ranges().zip(set.ranges().skip(1)) {
            assert!(one.1 + 1 < two.0, "ranges that touch are one");
        }
    }

    proptest! {
        #[test]
        fn a_set_is_what_a_btree_set_is(
            steps in prop::collection::vec((any::<bool>(), 1u32..60, 0u32..9), 0..60),
            other in prop::collection::btree_set(1u32..70, 0..40),
        ) {
            let (mut set, mut model) = (UidSet::new(), BTreeSet::new());
            for (insert, first, more) in steps {
                if insert {
                    set.insert_range(first, first + more);
                    model.extend(first..=first + more);
                } else {
                    prop_assert_eq!(set.remove(first), model.remove(&first));
                }
                check(&set, &model);
            }
            let others: UidSet = other.iter().copied().collect();
            check(&set.intersection(&others), &model.intersection(&other).copied().collect());
            check(&set.difference(&others), &model.difference(&other).copied().collect());
            for uid in 1..75 {
                prop_assert_eq!(set.count_below(uid) as usize, model.range(..uid).count());
            }
            let mut union = set.clone();
            union.insert_all(&others);
            check(&union, &model.union(&other).copied().collect());
            let coded = postcard::to_stdvec(&set).unwrap();
            prop_assert_eq!(postcard::from_bytes::<UidSet>(&coded).unwrap(), set);
        }
    }

    #[test]
    fn the_highest_uid_has_no_neighbour_above() {
        let mut set = UidSet::range(u32::MAX, u32::MAX);
        set.insert(u32::MAX - 1);
        set.insert_range(1, u32::MAX);
        assert_eq!(set.ranges().collect::<Vec<_>>(), [(1, u32::MAX)]);
        assert!(set.remove(u32::MAX));
        assert_eq!(set.last(), Some(u32::MAX - 1));
    }

    #[test]
    fn there_is_no_uid_zero() {
        assert!(UidSet::range(0, 0).is_empty());
        assert_eq!(UidSet::range(0, 2).first(), Some(1));
        assert!(UidSet::range(5, 4).is_empty());
    }
}
