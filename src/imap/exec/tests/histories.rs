//! Random histories of several sessions over a real store: each client reads what it is sent, believes nothing else, and
//! ends with what the store has.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What one client believes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Believed {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

/// A client that keeps a list of its mailbox by what it hears.
struct Reader<'w> {
    speaker: Speaker<'w>,
    messages: Vec<Believed>,
}

impl Reader<'_> {
    async fn says(&mut self, command: &str) {
        let heard = self.speaker.says(command).await;
        let completion = heard.last().expect("a completion");
        if command.contains(".SILENT") && completion.starts_with("OK") {
            self.reckons(command);
        }
        self.reads(&heard, command);
    }

    /// A silent STORE: the client itself knows what becomes of the flags that it knew (RFC 3501 §6.4.6).
    fn reckons(&mut self, command: &str) {
        let (by_uid, command) = command.strip_prefix("UID ").map_or((false, command), |rest| (true, rest));
        let [_, set, action, flags] = command.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{command}") };
        let (first, last) = set.split_once(':').unwrap_or((set, set));
        let named = first.parse().unwrap()..=last.parse().unwrap_or(u32::MAX);
        let change: BTreeSet<String> = flags.trim_matches(['(', ')']).split(' ').map(str::to_owned).collect();
        for (number, believed) in (1..).zip(&mut self.messages) {
            match (if by_uid { believed.uid } else { Some(number) }, &mut believed.flags) {
                // Named perhaps: the client can't tell.
                (None, flags) => *flags = None,
                (Some(number), Some(flags)) if named.contains(&number) => match action {
                    "+FLAGS.SILENT" => flags.extend(change.clone()),
                    "-FLAGS.SILENT" => flags.retain(|flag| !change.contains(flag)),
                    _ => {
                        flags.retain(|flag| flag == "\\Recent");
                        flags.extend(change.clone());
                    }
                },
                _ => {}
            }
        }
    }

    async fn listens(&mut self) {
        let heard = self.speaker.listens().await;
        self.reads(&heard, "IDLE");
    }

    fn reads(&mut self, heard: &[String], command: &str) {
        let uid_or_other = !["FETCH", "STORE", "SEARCH"].iter().any(|name| command.starts_with(name));
        for line in heard {
            let Some(data) = line.strip_prefix("* ") else { continue };
            let Some((number, rest)) = data.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match rest {
                "EXISTS" => {
                    assert!(number >= self.messages.len(), "EXISTS shrank from {} by {line}", self.messages.len());
                    self.messages.resize(number, Believed::default());
                }
                "EXPUNGE" => {
                    assert!(uid_or_other, "{line} in answer to {command}");
                    self.messages.remove(number - 1);
                }
                "RECENT" => assert!(number <= self.messages.len(), "{line} of {}", self.messages.len()),
                fetch => self.reads_fetch(number, fetch),
            }
        }
    }

    /// `FETCH (FLAGS (…) UID n)`, in any order.
    fn reads_fetch(&mut self, number: usize, fetch: &str) {
        let believed = &mut self.messages[number - 1];
        if let Some((_, flags)) = fetch.split_once("FLAGS (") {
            let (flags, _) = flags.split_once(')').expect("flags end");
            believed.flags = Some(flags.split(' ').filter(|flag| !flag.is_empty()).map(str::to_owned).collect());
        }
        if let Some((_, uid)) = fetch.split_once("UID ") {
            let uid = uid.trim_end_matches(')').split(' ').next().unwrap().parse().unwrap();
            assert!(
                believed.uid.is_none_or(|before| before == uid),
                "number {number} was {believed:?} and is UID {uid}"
            );
            believed.uid = Some(uid);
        }
    }

    /// After everything was told: what it believes is what the mailbox has, and what it does not know yet, it asks.
    async fn is_right(&mut self) {
        self.says("NOOP").await;
        let before = self.messages.clone();
        let count = before.len();
        self.says("UID FETCH 1:* (FLAGS)").await;
        assert_eq!(self.messages.len(), count, "NOOP told all there was");
        for (before, now) in before.iter().zip(&self.messages) {
            assert!(before.uid.is_none() || before.uid == now.uid, "{before:?} is {now:?}");
            assert!(before.flags.is_none() || before.flags == now.flags, "{before:?} is {now:?}");
        }
        let mailbox = self.speaker.world.store.mailbox(self.speaker.world.account("alice").id, "INBOX").unwrap();
        let uids = self.speaker.world.store.open_mailbox(&mailbox).await.unwrap().snapshot().uids;
        let believed: Vec<_> = self.messages.iter().filter_map(|message| message.uid).collect();
        assert_eq!(believed, uids.iter().collect::<Vec<_>>());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deliver,
    Says(usize, String),
    Listens(usize),
    IsRight(usize),
}

fn command() -> impl Strategy<Value = String> {
    let set = prop_oneof![(1u32..6).prop_map(|n| n.to_string()), Just("1:*".to_owned()), Just("2:3".to_owned())];
    let uid = prop_oneof![Just(""), Just("UID ")];
    let change = prop_oneof![
        Just("+FLAGS"),
        Just("-FLAGS"),
        Just("FLAGS"),
        Just("+FLAGS.SILENT"),
        Just("-FLAGS.SILENT"),
        Just("FLAGS.SILENT")
    ];
    let flag = prop_oneof![Just("\\Seen"), Just("\\Deleted"), Just("one"), Just("\\Flagged two")];
    prop_oneof![
        3 => (uid.clone(), set.clone(), change, flag)
            .prop_map(|(uid, set, change, flag)| format!("{uid}STORE {set} {change} ({flag})")),
        2 => (uid.clone(), set.clone()).prop_map(|(uid, set)| format!("{uid}FETCH {set} (FLAGS)")),
        1 => (uid.clone(), set.clone()).prop_map(|(uid, set)| format!("{uid}FETCH {set} (BODY[TEXT])")),
        1 => (uid.clone(), set.clone()).prop_map(|(uid, set)| format!("{uid}COPY {set} INBOX")),
        1 => (uid.clone(), set).prop_map(|(uid, set)| format!("{uid}MOVE {set} INBOX")),
        1 => uid.prop_map(|uid| format!("{uid}SEARCH UNSEEN")),
        2 => Just("EXPUNGE".to_owned()),
        1 => Just("UID EXPUNGE 1:3".to_owned()),
        1 => Just("NOOP".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Deliver),
        6 => (0usize..3, command()).prop_map(|(who, command)| Step::Says(who, command)),
        2 => (0usize..3).prop_map(Step::Listens),
        1 => (0usize..3).prop_map(Step::IsRight),
    ]
}

async fn live(steps: Vec<Step>) {
    let world = World::new();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(Reader { speaker: world.login("alice").await, messages: Vec::new() });
    }
    for _ in 0..3 {
        world.deliver("alice", "early").await;
    }
    for reader in &mut readers {
        reader.says("SELECT INBOX").await;
    }
    for step in steps {
        match step {
            Step::Deliver => world.deliver("alice", "late").await,
            Step::Says(who, command) => readers[who].says(&command).await,
            Step::Listens(who) => readers[who].listens().await,
            Step::IsRight(who) => readers[who].is_right().await,
        }
    }
    for reader in &mut readers {
        reader.is_right().await;
    }
}

proptest! {
    // Each is a store on disk with some dozens of commits.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_client_ends_with_what_the_store_has(steps in prop::collection::vec(step(), 0..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(steps));
    }
}
