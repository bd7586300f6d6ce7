//! Where messages belong, and the THREAD response that comes of it (RFC 5256 §3, §4).
//!
//! Each message says where it belongs; who belongs to whom is found by sorting once. So neither making nor printing a tree
//! needs recursion.

use std::collections::HashMap;

use crate::imap::response::ThreadMark;

/// A message that is to be threaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// What the client calls it.
    pub(super) number: u32,
    /// The sent date (RFC 5256 §2.2).
    pub(super) sent_unix_s: i64,
    /// The base subject; `None`: it is empty.
    pub(super) subject: Option<u128>,
    /// The subject is one of a reply or a forward.
    pub(super) is_reply: bool,
}

/// Where a message belongs. Messages are called by their places in the mailbox order, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// It is the first of a thread.
    Root,
    /// It is a child of that message.
    Below(u32),
    /// It is a child of a message that is not there, of which several were.
    Dummy(u32),
}

/// Messages in threads.
#[derive(Debug)]
pub(super) struct Tree {
    members: Vec<Member>,
    homes: Vec<Home>,
    /// Of each dummy the one that has all its children now; itself, where they are its own.
    dummies: Vec<u32>,
}

/// The messages of each home in the order of their dates, one home behind the other.
struct Families {
    messages: Vec<u32>,
    /// Where the children of each message are among them.
    below: Vec<(u32, u32)>,
    /// Where the children of each dummy are.
    dummies: Vec<(u32, u32)>,
    root: (u32, u32),
}

impl Families {
    fn of(&self, (from, to): (u32, u32)) -> &[u32] {
        &self.messages[from as usize..to as usize]
    }
}

impl Tree {
    /// All messages are first.
    pub(super) fn new(members: Vec<Member>) -> Self {
        let homes = vec![Home::Root; members.len()];
        Self { members, homes, dummies: Vec::new() }
    }

    /// THREAD=ORDEREDSUBJECT: of all messages of one subject the others are children of the first.
    pub(super) fn by_subject(members: Vec<Member>) -> Self {
        let mut tree = Self::new(members);
        let mut firsts: HashMap<Option<u128>, u32> = HashMap::new();
        for message in 0..tree.members.len() as u32 {
            let first = firsts.entry(tree.member(message).subject).or_insert(message);
            *first = std::cmp::min_by_key(*first, message, |message| tree.date(*message));
        }
        for message in 0..tree.members.len() as u32 {
            let first = firsts.get(&tree.member(message).subject).copied().filter(|first| *first != message);
            tree.homes[message as usize] = first.map_or(Home::Root, Home::Below);
        }
        tree
    }

    pub(super) fn member(&self, message: u32) -> &Member {
        &self.members[message as usize]
    }

    pub(super) fn home(&self, message: u32) -> Home {
        self.homes[message as usize]
    }

    pub(super) fn put(&mut self, message: u32, home: Home) {
        self.homes[message as usize] = home;
    }

    /// A new dummy under the root.
    pub(super) fn dummy(&mut self) -> u32 {
        let dummy = self.dummies.len() as u32;
        self.dummies.push(dummy);
        dummy
    }

    /// All that belong to `dummy` belong to `into`, to which nothing of this kind has happened.
    pub(super) fn move_all(&mut self, dummy: u32, into: u32) {
        self.dummies[dummy as usize] = into;
    }

    /// The sent date; where two are the same, the order of the mailbox (RFC 5256 §2.2).
    fn date(&self, message: u32) -> (i64, u32) {
        (self.member(message).sent_unix_s, message)
    }

    fn families(&self) -> Families {
        let home = |message: u32| match self.home(message) {
            Home::Dummy(dummy) => Home::Dummy(self.dummies[dummy as usize]),
            home => home,
        };
        let mut sorted: Vec<(Home, (i64, u32))> =
            (0..self.members.len() as u32).map(|message| (home(message), self.date(message))).collect();
        sorted.sort_unstable();
        let none = (0, 0);
        let mut families = Families {
            messages: sorted.iter().map(|(_, (_, message))| *message).collect(),
            below: vec![none; self.members.len()],
            dummies: vec![none; self.dummies.len()],
            root: none,
        };
        let mut from = 0;
        for family in sorted.chunk_by(|one, next| one.0 == next.0) {
            let place = (from, from + family.len() as u32);
            from = place.1;
            match family[0].0 {
                Home::Root => families.root = place,
                Home::Below(message) => families.below[message as usize] = place,
                Home::Dummy(dummy) => families.dummies[dummy as usize] = place,
            }
        }
        families
    }

    /// What stands under the root, by date: messages, and dummies with the first message below, whose date they have.
    pub(super) fn heads(&self) -> Vec<(Option<u32>, u32)> {
        self.sorted_heads(&self.families())
    }

    fn sorted_heads(&self, families: &Families) -> Vec<(Option<u32>, u32)> {
        let dummies = (0..).zip(&families.dummies);
        let dummies = dummies.filter_map(|(dummy, place)| Some((Some(dummy), *families.of(*place).first()?)));
        let mut heads: Vec<_> =
            families.of(families.root).iter().map(|message| (None, *message)).chain(dummies).collect();
        heads.sort_unstable_by_key(|(_, message)| self.date(*message));
        heads
    }

    /// The response. Step 6 of REFERENCES, and the last sorting of ORDEREDSUBJECT, are in it.
    pub(super) fn marks(&self) -> Vec<ThreadMark> {
        enum Step {
            Thread(u32),
            Close,
        }
        let families = self.families();
        let mut marks = Vec::with_capacity(3 * self.members.len());
        let mut steps = Vec::new();
        let nested = |steps: &mut Vec<Step>, messages: &[u32]| {
            steps.push(Step::Close);
            steps.extend(messages.iter().rev().map(|message| Step::Thread(*message)));
        };
        for (dummy, message) in self.sorted_heads(&families) {
            match dummy {
                None => steps.push(Step::Thread(message)),
                Some(dummy) => {
                    marks.push(ThreadMark::Open);
                    nested(&mut steps, families.of(families.dummies[dummy as usize]));
                }
            }
            while let Some(step) = steps.pop() {
                let mut message = match step {
                    Step::Close => {
                        marks.push(ThreadMark::Close);
                        continue;
                    }
                    Step::Thread(message) => message,
                };
                marks.push(ThreadMark::Open);
                loop {
                    marks.push(ThreadMark::Number(self.member(message).number));
                    match families.of(families.below[message as usize]) {
                        [child] => message = *child,
                        [] => break marks.push(ThreadMark::Close),
                        children => break nested(&mut steps, children),
                    }
                }
            }
        }
        marks
    }
}
