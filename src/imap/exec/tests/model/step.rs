//! What happens next, drawn by lot. Each step has a seed of its own for what it leaves open, so that a history stays one
//! when steps are taken out of it.

/// Numbers that are the same for the same seed, on every machine (SplitMix64).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides.max(1) as u64) as usize
    }

    /// Once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.roll(choice.len())]
    }
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Deliver,
    Append,
    Select,
    Unselect,
    Close,
    Fetch,
    Missed,
    Store,
    Copy,
    Move,
    Expunge,
    Search,
    Noop,
    Idle,
    Status,
    List,
    Create,
    Rename,
    Delete,
    /// SUBSCRIBE or UNSUBSCRIBE.
    Subscribe,
    /// The connection ends without a word.
    Disconnect,
    /// The same, in the middle of an answer.
    Cut,
    /// All is looked at.
    Quiet,
    /// The server stops and starts again.
    Restart,
}

/// How often each is drawn.
const VERBS: [(Verb, usize); 24] = [
    (Verb::Deliver, 80),
    (Verb::Append, 30),
    (Verb::Select, 60),
    (Verb::Unselect, 10),
    (Verb::Close, 10),
    (Verb::Fetch, 80),
    (Verb::Missed, 20),
    (Verb::Store, 120),
    (Verb::Copy, 30),
    (Verb::Move, 40),
    (Verb::Expunge, 70),
    (Verb::Search, 40),
    (Verb::Noop, 30),
    (Verb::Idle, 70),
    (Verb::Status, 20),
    (Verb::List, 10),
    (Verb::Create, 25),
    (Verb::Rename, 20),
    (Verb::Delete, 15),
    (Verb::Subscribe, 10),
    (Verb::Disconnect, 30),
    (Verb::Cut, 20),
    (Verb::Quiet, 25),
    (Verb::Restart, 1),
];

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Whose.
    pub(super) who: usize,
    pub(super) verb: Verb,
    /// For all else.
    pub(super) seed: u64,
}

/// A history.
pub(super) fn steps(dice: &mut Dice, seats: usize, most: usize) -> Vec<Step> {
    let all: usize = VERBS.iter().map(|(_, weight)| weight).sum();
    let count = 5 + dice.roll(most - 4);
    let mut step = || {
        let mut at = dice.roll(all);
        let drawn = VERBS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        Step { who: dice.roll(seats), verb: drawn.expect("within all").0, seed: dice.next() }
    };
    (0..count).map(|_| step()).collect()
}
