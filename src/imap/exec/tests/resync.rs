//! Random histories of a client that is cut off again and again, in the middle of an answer too, and comes back by QRESYNC:
//! what it has then is what a client that begins anew would have.
//!
//! It keeps what RFC 7162 §6 tells a client to keep: flags by UID, and one mod-sequence, which moves with tagged answers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a client keeps on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cache {
    uid_validity: u64,
    highest_mod_seq: u64,
    /// All messages up to this UID are in `flags`.
    complete_to: u32,
    flags: BTreeMap<u32, BTreeSet<String>>,
}

impl Cache {
    /// Reads lines of an answer as they come, and remembers a mod-sequence only with the tagged one.
    fn reads(&mut self, heard: &[String], silent: Option<&str>) {
        let (mut told, mut read) = (None, 0);
        for line in heard {
            if let Some(number) = behind(line, "[HIGHESTMODSEQ ") {
                told = Some(number);
            }
            if let Some(number) = behind(line, "[UIDVALIDITY ") {
                self.uid_validity = number;
            }
            match line.strip_prefix("* ") {
                Some(data) if data.starts_with("VANISHED ") => {
                    for uid in uids(data.rsplit(' ').next().unwrap()) {
                        self.flags.remove(&uid);
                    }
                }
                Some(data) if data.contains(" FETCH (") => {
                    read = read.max(behind(line, "MODSEQ (").expect("all is told with its mod-sequence"));
                    self.reads_fetch(data, silent);
                }
                Some(_) => {}
                None => self.highest_mod_seq = told.unwrap_or(self.highest_mod_seq.max(read)),
            }
        }
    }

    fn reads_fetch(&mut self, data: &str, silent: Option<&str>) {
        let uid = behind(data, "UID ").expect("all is told with its UID") as u32;
        match (data.split_once("FLAGS ("), silent) {
            (Some((_, flags)), _) => {
                let flags = flags.split(')').next().unwrap().split(' ').filter(|flag| !flag.is_empty());
                // What is recent in one session is not in the next: no part of the state.
                let flags = flags.filter(|flag| *flag != "\\Recent").map(str::to_owned).collect();
                self.flags.insert(uid, flags);
            }
            (None, Some(command)) => {
                let (action, change) = command.split_once(".SILENT (").expect("a silent STORE");
                let change = change.trim_end_matches(')').to_owned();
                let Some(flags) = self.flags.get_mut(&uid) else { return };
                if action.ends_with("+FLAGS") {
                    flags.insert(change);
                } else if action.ends_with("-FLAGS") {
                    flags.remove(&change);
                } else {
                    *flags = [change].into();
                }
            }
            (None, None) => {}
        }
    }

    /// The parameter that says all this.
    fn parameter(&self, form: Form) -> String {
        let Cache { uid_validity, highest_mod_seq, complete_to, flags } = self;
        let known: Vec<u32> = flags.keys().copied().collect();
        let list = |uids: Vec<u32>| uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let pairs: Vec<(u32, u32)> =
            (1..).zip(known.iter().copied().filter(|uid| uid <= complete_to)).step_by(2).collect();
        let (numbers, matching): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
        let all = if known.is_empty() { String::new() } else { format!(" {}", list(known)) };
        let matches = match numbers.is_empty() {
            true => String::new(),
            false => format!(" ({} {})", list(numbers), list(matching)),
        };
        let arguments = match form {
            Form::Bare => String::new(),
            Form::Known => all,
            Form::Matched => matches,
            Form::KnownAndMatched => all + &matches,
        };
        format!("QRESYNC ({uid_validity} {highest_mod_seq}{arguments})")
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Bare,
    Known,
    Matched,
    KnownAndMatched,
}

fn behind(line: &str, name: &str) -> Option<u64> {
    let digits = line.split_once(name)?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn uids(set: &str) -> impl Iterator<Item = u32> + '_ {
    set.split(',').flat_map(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Deliver,
    /// What the other client does.
    Other(String),
    /// What our client does, and how many lines of the answer reach it.
    Ours(String, usize),
    Idles,
    /// It asks for what is new to it.
    Discovers,
    /// It is cut off and comes back; or it stays, and asks what it missed without selecting anew.
    Resyncs(Form),
    Asks,
}

fn change() -> impl Strategy<Value = String> {
    let uid = prop_oneof![Just(""), Just("UID ")];
    let set = prop_oneof![(1u32..8).prop_map(|n| n.to_string()), Just("1:*".to_owned()), Just("2:3".to_owned())];
    let action =
        prop::sample::select(vec!["+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"]);
    let flag = prop::sample::select(vec!["\\Seen", "\\Deleted", "one", "\\Flagged"]);
    let since = prop_oneof![3 => Just(""), 1 => Just(" (UNCHANGEDSINCE 9)")];
    prop_oneof![
        5 => (uid.clone(), set.clone(), since, action, flag)
            .prop_map(|(uid, set, since, action, flag)| format!("{uid}STORE {set}{since} {action} ({flag})")),
        1 => (uid.clone(), set).prop_map(|(uid, set)| format!("{uid}MOVE {set} INBOX")),
        2 => Just("EXPUNGE".to_owned()),
        1 => Just("UID EXPUNGE 1:3".to_owned()),
        1 => Just("NOOP".to_owned()),
        1 => uid.prop_map(|uid| format!("{uid}SEARCH MODSEQ 4")),
        1 => Just("FETCH 1:* (UID FLAGS MODSEQ)".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let form = prop::sample::select(vec![Form::Bare, Form::Known, Form::Matched, Form::KnownAndMatched]);
    let reach = prop_oneof![3 => Just(usize::MAX), 1 => 0usize..4];
    prop_oneof![
        3 => Just(Step::Deliver),
        5 => change().prop_map(Step::Other),
        6 => (change(), reach).prop_map(|(command, reach)| Step::Ours(command, reach)),
        2 => Just(Step::Idles),
        2 => Just(Step::Discovers),
        3 => form.prop_map(Step::Resyncs),
        1 => Just(Step::Asks),
    ]
}

/// A client with a cache, and the connection that it has at the moment.
struct Disconnected<'w> {
    world: &'w World,
    cache: Cache,
    speaker: Speaker<'w>,
}

impl<'w> Disconnected<'w> {
    async fn new(world: &'w World) -> Self {
        let mut client = Self { world, cache: Cache::default(), speaker: world.login("alice").await };
        client.speaker.says("ENABLE QRESYNC").await;
        let heard = client.speaker.says("SELECT INBOX").await;
        client.cache.reads(&heard, None);
        client.discovers().await;
        client
    }

    /// Says a command, of whose answer so many lines come; then the line is dead.
    async fn says_and_hears(&mut self, command: &str, reach: usize) {
        let heard = self.speaker.says(command).await;
        let silent = command.contains(".SILENT").then_some(command);
        self.cache.reads(&heard[..heard.len().min(reach)], silent);
        if reach < heard.len() {
            self.resyncs(Form::Bare).await;
        }
    }

    async fn says(&mut self, command: &str) {
        let heard = self.speaker.says(command).await;
        self.cache.reads(&heard, None);
    }

    /// All messages that it has not heard of.
    async fn discovers(&mut self) {
        self.says(&format!("UID FETCH {}:* (FLAGS MODSEQ)", self.cache.complete_to + 1)).await;
        self.cache.complete_to = self.cache.flags.keys().copied().max().unwrap_or(0).max(self.cache.complete_to);
    }

    /// Without a word, a new connection.
    async fn resyncs(&mut self, form: Form) {
        self.speaker = self.world.login("alice").await;
        self.speaker.says("ENABLE QRESYNC").await;
        let heard = self.speaker.says(&format!("SELECT INBOX ({})", self.cache.parameter(form))).await;
        assert!(heard.last().unwrap().starts_with("OK [READ-WRITE]"), "{heard:?}");
        self.cache.reads(&heard, None);
        self.discovers().await;
        self.is_right(&format!("{form:?}")).await;
    }

    /// The same, without selecting anew.
    async fn asks(&mut self) {
        let Cache { highest_mod_seq, complete_to, .. } = self.cache;
        if complete_to > 0 {
            let command = format!("UID FETCH 1:{complete_to} (FLAGS) (CHANGEDSINCE {highest_mod_seq} VANISHED)");
            self.says(&command).await;
        }
        self.discovers().await;
        self.is_right("UID FETCH").await;
    }

    /// It has what a client has that begins anew.
    async fn is_right(&self, after: &str) {
        let mut afresh = Cache::default();
        let mut speaker = self.world.login("alice").await;
        speaker.says("EXAMINE INBOX (CONDSTORE)").await;
        afresh.reads(&speaker.says("UID FETCH 1:* (FLAGS MODSEQ)").await, None);
        assert_eq!(self.cache.flags, afresh.flags, "after {after}");
    }
}

async fn live(steps: Vec<Step>) {
    let world = World::new();
    let mut other = world.login("alice").await;
    for _ in 0..4 {
        world.deliver("alice", "early").await;
    }
    other.says("SELECT INBOX").await;
    let mut client = Disconnected::new(&world).await;
    for step in steps {
        match step {
            Step::Deliver => world.deliver("alice", "late").await,
            Step::Other(command) => drop(other.says(&command).await),
            Step::Ours(command, reach) => client.says_and_hears(&command, reach).await,
            Step::Idles => {
                let heard = client.speaker.listens().await;
                client.cache.reads(&heard, None);
            }
            Step::Discovers => client.discovers().await,
            Step::Resyncs(form) => client.resyncs(form).await,
            Step::Asks => client.asks().await,
        }
    }
    client.resyncs(Form::KnownAndMatched).await;
}

proptest! {
    // Each is a store on disk with some dozens of commits.
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn who_comes_back_has_what_one_has_who_begins_anew(steps in prop::collection::vec(step(), 0..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(steps));
    }
}
