//! REFERENCES against the RFC's procedure at its word, and in sizes that show what it costs.

use proptest::prelude::*;

use super::*;
use crate::imap::response::ThreadMark;

/// A message: its ID, what it refers to, its subject and whether that is a reply's, its date. IDs and subjects are numbers;
/// 0 is none.
#[derive(Clone, Debug)]
struct Mail {
    id: u128,
    references: Vec<u128>,
    subject: u128,
    is_reply: bool,
    date: i64,
}

fn mail(id: u128, references: &[u128], subject: u128, is_reply: bool, date: i64) -> Mail {
    Mail { id, references: references.to_vec(), subject, is_reply, date }
}

fn marks(mails: &[Mail]) -> Vec<ThreadMark> {
    let mut references = References::default();
    let mut members = Vec::new();
    for (mail, number) in mails.iter().zip(1..) {
        let Mail { subject, is_reply, date, .. } = *mail;
        members.push(Member { number, sent_unix_s: date, subject: (subject > 0).then_some(subject), is_reply });
        references.begin((mail.id > 0).then_some(mail.id)).unwrap();
        for id in &mail.references {
            references.refer(*id).unwrap();
        }
        references.end();
    }
    references.tree(members).marks()
}

fn printed(marks: &[ThreadMark]) -> String {
    let mut out = Vec::new();
    let thread = crate::imap::response::Data::Thread(marks.to_vec());
    crate::imap::print::response(&mut out, &thread.into(), crate::imap::dialect::Dialect::REV1);
    String::from_utf8(out).unwrap().trim_end().trim_start_matches("* THREAD").trim_start().to_owned()
}

fn threads(mails: &[Mail]) -> String {
    printed(&marks(mails))
}

#[test]
fn the_shapes_of_the_examples() {
    // (3 6 (4 23)(44 7 96)), with the numbers 1 to 7.
    let example = [
        mail(1, &[], 0, false, 1),
        mail(2, &[1], 0, false, 2),
        mail(3, &[1, 2], 0, false, 3),
        mail(4, &[1, 2, 3], 0, false, 4),
        mail(5, &[1, 2], 0, false, 5),
        mail(6, &[1, 2, 5], 0, false, 6),
        mail(7, &[6], 0, false, 7),
    ];
    assert_eq!(threads(&example), "(1 2 (3 4)(5 6 7))");
    // ((3)(5)): the parent is not there.
    assert_eq!(threads(&[mail(1, &[9], 0, false, 1), mail(2, &[9], 0, false, 2)]), "((1)(2))");
    assert_eq!(threads(&[mail(1, &[9, 8], 0, false, 1)]), "(1)");
    assert_eq!(threads(&[]), "");
}

#[test]
fn links() {
    // A reference in the middle is not there; who is below it moves up.
    assert_eq!(threads(&[mail(1, &[], 0, false, 1), mail(3, &[1, 2], 0, false, 2)]), "(1 2)");
    // The first to have an ID keeps it.
    assert_eq!(
        threads(&[mail(1, &[], 0, false, 1), mail(1, &[], 0, false, 2), mail(2, &[1], 0, false, 3)]),
        "(1 3)(2)"
    );
    // A loop is not closed.
    assert_eq!(threads(&[mail(1, &[2], 0, false, 1), mail(2, &[1], 0, false, 2)]), "(2 1)");
    assert_eq!(threads(&[mail(1, &[1], 0, false, 1)]), "(1)");
    assert_eq!(threads(&[mail(1, &[2, 1, 2, 1], 0, false, 1), mail(2, &[], 0, false, 2)]), "(1)(2)");
    // The last word on a message's parent is its own.
    let own = [
        mail(1, &[], 0, false, 1),
        mail(2, &[], 0, false, 2),
        mail(4, &[1, 3], 0, false, 3),
        mail(3, &[2], 0, false, 4),
    ];
    assert_eq!(threads(&own), "(1)(2 4 3)");
}

#[test]
fn subjects() {
    let alone = |subject, is_reply, date| mail(0, &[], subject, is_reply, date);
    // A reply goes below what it is a reply to, in any order.
    assert_eq!(threads(&[alone(1, false, 1), alone(1, true, 2)]), "(1 2)");
    assert_eq!(threads(&[alone(1, true, 1), alone(1, false, 2)]), "(2 1)");
    // Two of a kind become siblings.
    assert_eq!(threads(&[alone(1, false, 1), alone(1, false, 2)]), "((1)(2))");
    assert_eq!(threads(&[alone(1, true, 1), alone(1, true, 2), alone(1, true, 3)]), "((1)(2)(3))");
    // No subject is no reason.
    assert_eq!(threads(&[alone(0, false, 1), alone(0, true, 2)]), "(1)(2)");
    // Dummies take in what has their subject, each other too.
    let two = [
        mail(0, &[9], 1, true, 1),
        mail(0, &[9], 1, true, 2),
        mail(0, &[8], 1, true, 3),
        mail(0, &[8], 2, true, 4),
        alone(1, false, 5),
    ];
    assert_eq!(threads(&two), "((1)(2)(3)(4)(5))");
}

#[test]
fn siblings_by_date_and_dummies_by_their_first() {
    let mails = [
        mail(1, &[], 0, false, 50),
        mail(2, &[1], 0, false, 90),
        mail(3, &[1], 0, false, 80),
        mail(4, &[9], 0, false, 70),
        mail(5, &[9], 0, false, 40),
        mail(6, &[], 0, false, 40),
    ];
    assert_eq!(threads(&mails), "((5)(4))(6)(1 (3)(2))");
}

#[test]
fn more_unknown_ids_than_anybody_needs_are_refused() {
    let mut references = References::default();
    references.begin(None).unwrap();
    let refused = (1..=UNKNOWN_MAX as u128 + 9).find(|id| references.refer(*id).is_err());
    assert!(refused.is_some_and(|id| id > UNKNOWN_MAX as u128));
}

/// Each of these takes minutes if something is quadratic, and overflows the stack if something recurses.
#[test]
fn threads_of_any_size_and_shape() {
    let many = 100_000u128;
    let chain: Vec<Mail> =
        (1..=many).map(|id| mail(id, &[id - 1][..usize::from(id > 1)], 1, true, id as i64)).collect();
    assert_eq!(marks(&chain).len() as u128, many + 2);
    let backwards: Vec<Mail> = (1..=many).map(|id| mail(id, &[id + 1], 1, true, id as i64)).collect();
    assert_eq!(marks(&backwards).len() as u128, many + 2);
    let one_subject: Vec<Mail> = (1..=many).map(|id| mail(id, &[], 1, id % 2 == 0, id as i64)).collect();
    assert_eq!(marks(&one_subject).len() as u128, 3 * many);
    let star: Vec<Mail> = (1..=many).map(|id| mail(id, &[1][..usize::from(id > 1)], 1, true, id as i64)).collect();
    assert_eq!(marks(&star).len() as u128, 3 * many);
    // Each with two replies, one of which goes on: as many parentheses in one another as there are messages.
    let comb: Vec<Mail> =
        (1..=many).map(|id| mail(id, &[((id - 1) / 2) * 2][..usize::from(id > 2)], 1, true, id as i64)).collect();
    assert!(marks(&comb).len() as u128 > 2 * many);
    // The same ten thousand references in all, each time beginning elsewhere, so that every link is tried anew.
    let long: Vec<Mail> = (0..60u128)
        .map(|turn| {
            let references: Vec<u128> = (0..10_000).map(|at| 1 + (at * (turn + 1) + turn) % 10_007).collect();
            mail(20_000 + turn, &references, 1, true, turn as i64)
        })
        .collect();
    assert_eq!(marks(&long).iter().filter(|mark| matches!(mark, ThreadMark::Number(_))).count(), 60);
    // Ten thousand that nobody has, below the last of the ones before.
    let growing: Vec<Mail> = (0..100u128)
        .map(|turn| {
            let references: Vec<u128> = (0..10_000).map(|at| 1 + turn * 9_999 + at).collect();
            mail(0, &references, 1, true, turn as i64)
        })
        .collect();
    assert_eq!(marks(&growing).iter().filter(|mark| matches!(mark, ThreadMark::Number(_))).count(), 100);
}

/// The procedure as RFC 5256 §3 writes it, with trees that are walked.
mod at_its_word {
    use super::*;

    #[derive(Clone, Debug)]
    struct Container {
        message: Option<usize>,
        parent: Option<usize>,
        children: Vec<usize>,
    }

    struct Word<'m> {
        mails: &'m [Mail],
        all: Vec<Container>,
        ids: HashMap<u128, usize>,
    }

    impl Word<'_> {
        fn new_container(&mut self) -> usize {
            self.all.push(Container { message: None, parent: None, children: Vec::new() });
            self.all.len() - 1
        }

        fn of_id(&mut self, id: u128) -> usize {
            match self.ids.get(&id) {
                Some(container) => *container,
                None => {
                    let container = self.new_container();
                    self.ids.insert(id, container);
                    container
                }
            }
        }

        fn is_below(&self, node: usize, above: usize) -> bool {
            node == above || self.all[node].parent.is_some_and(|parent| self.is_below(parent, above))
        }

        fn link(&mut self, parent: usize, child: usize) {
            if !self.is_below(parent, child) {
                self.all[child].parent = Some(parent);
                self.all[parent].children.push(child);
            }
        }

        fn unlink(&mut self, child: usize) {
            if let Some(parent) = self.all[child].parent.take() {
                self.all[parent].children.retain(|one| *one != child);
            }
        }

        /// Step 3, below the root: what stands in the place of this container.
        fn pruned(&mut self, node: usize) -> Vec<usize> {
            let children = std::mem::take(&mut self.all[node].children);
            let children: Vec<usize> = children.into_iter().flat_map(|child| self.pruned(child)).collect();
            match self.all[node].message {
                None => children,
                Some(_) => {
                    self.all[node].children = children;
                    vec![node]
                }
            }
        }

        fn date(&self, node: usize) -> (i64, usize) {
            match self.all[node].message {
                Some(message) => (self.mails[message].date, message),
                None => self.all[node].children.iter().map(|child| self.date(*child)).min().unwrap(),
            }
        }

        fn sort(&mut self, node: usize) {
            let mut children = std::mem::take(&mut self.all[node].children);
            children.iter().for_each(|child| self.sort(*child));
            children.sort_by_key(|child| self.date(*child));
            self.all[node].children = children;
        }

        fn mail(&self, node: usize) -> &Mail {
            let message =
                self.all[node].message.unwrap_or_else(|| self.all[self.all[node].children[0]].message.unwrap());
            &self.mails[message]
        }

        fn print(&self, node: usize, out: &mut Vec<ThreadMark>) {
            out.push(ThreadMark::Open);
            self.members(node, out);
            out.push(ThreadMark::Close);
        }

        fn members(&self, node: usize, out: &mut Vec<ThreadMark>) {
            let Container { message, children, .. } = &self.all[node];
            out.extend(message.map(|message| ThreadMark::Number(message as u32 + 1)));
            match children[..] {
                [child] => self.members(child, out),
                _ => children.iter().for_each(|child| self.print(*child, out)),
            }
        }
    }

    pub(super) fn marks(mails: &[Mail]) -> Vec<ThreadMark> {
        let mut word = Word { mails, all: Vec::new(), ids: HashMap::new() };
        // The nodes of messages first: whose ID it is does not depend on who refers to it.
        let mut nodes = Vec::new();
        for (at, mail) in mails.iter().enumerate() {
            let known = mail.id > 0 && word.ids.get(&mail.id).is_none_or(|node| word.all[*node].message.is_none());
            let node = if known { word.of_id(mail.id) } else { word.new_container() };
            word.all[node].message = Some(at);
            nodes.push(node);
        }
        for (mail, node) in mails.iter().zip(&nodes) {
            let mut before = None;
            for id in &mail.references {
                let this = word.of_id(*id);
                if let Some(before) = before
                    && word.all[this].parent.is_none()
                {
                    word.link(before, this);
                }
                before = Some(this);
            }
            word.unlink(*node);
            if let Some(last) = before {
                word.link(last, *node);
            }
        }
        let tops: Vec<usize> = (0..word.all.len()).filter(|node| word.all[*node].parent.is_none()).collect();
        let mut root = Vec::new();
        for node in tops {
            let children = std::mem::take(&mut word.all[node].children);
            let children: Vec<usize> = children.into_iter().flat_map(|child| word.pruned(child)).collect();
            match (word.all[node].message, children.len()) {
                (None, 0) => {}
                (None, 1) => root.extend(children),
                _ => {
                    word.all[node].children = children;
                    root.push(node);
                }
            }
        }
        root.iter().for_each(|node| word.sort(*node));
        root.sort_by_key(|node| word.date(*node));
        let mut table: HashMap<u128, usize> = HashMap::new();
        for node in &root {
            let mail = word.mail(*node);
            if mail.subject == 0 {
                continue;
            }
            match table.get(&mail.subject).copied() {
                None => drop(table.insert(mail.subject, *node)),
                Some(there) => {
                    let better = word.all[*node].message.is_none() || (word.mail(there).is_reply && !mail.is_reply);
                    if word.all[there].message.is_some() && better {
                        table.insert(mail.subject, *node);
                    }
                }
            }
        }
        for node in root.clone() {
            if !root.contains(&node) {
                continue;
            }
            let mail = word.mail(node).clone();
            if mail.subject == 0 || table[&mail.subject] == node {
                continue;
            }
            let there = table[&mail.subject];
            match (word.all[there].message, word.all[node].message) {
                (None, None) => {
                    let children = std::mem::take(&mut word.all[node].children);
                    word.all[there].children.extend(children);
                }
                (None, Some(_)) => word.all[there].children.push(node),
                (Some(_), _) if mail.is_reply && !word.mail(there).is_reply => word.all[there].children.push(node),
                (Some(_), _) => {
                    let dummy = word.new_container();
                    word.all[dummy].children = vec![there, node];
                    root.retain(|one| *one != there);
                    root.push(dummy);
                    table.insert(mail.subject, dummy);
                }
            }
            root.retain(|one| *one != node);
        }
        root.iter().for_each(|node| word.sort(*node));
        root.sort_by_key(|node| word.date(*node));
        let mut out = Vec::new();
        root.iter().for_each(|node| word.print(*node, &mut out));
        out
    }
}

fn mails() -> impl Strategy<Value = Vec<Mail>> {
    let one = (0u128..10, prop::collection::vec(1u128..14, 0..5), 0u128..5, any::<bool>(), 0i64..6)
        .prop_map(|(id, references, subject, is_reply, date)| Mail { id, references, subject, is_reply, date });
    prop::collection::vec(one, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn it_is_the_procedure(mails in mails()) {
        prop_assert_eq!(printed(&marks(&mails)), printed(&at_its_word::marks(&mails)));
    }
}
