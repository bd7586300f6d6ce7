//! NOTIFY over a real store: what is told when, and random histories after which a client that believes only what it hears
//! knows what the store has.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::store::{FlagAction, Flags, UidSet};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\n";

/// Everything about everything.
const ALL: &str = "(selected (MessageNew MessageExpunge FlagChange)) \
                   (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))";

impl World {
    async fn expunge(&self, name: &str, mailbox: &str, uid: u32) {
        let mailbox = self.store.mailbox(self.account(name).id, mailbox).unwrap();
        let open = self.store.open_mailbox(&mailbox).await.unwrap();
        self.store.expunge(&open, &UidSet::range(uid, uid), false).await.unwrap();
    }

    async fn flag(&self, name: &str, mailbox: &str, uid: u32, flag: Flags) {
        let mailbox = self.store.mailbox(self.account(name).id, mailbox).unwrap();
        let open = self.store.open_mailbox(&mailbox).await.unwrap();
        let flags = FlagNames { system: flag, keywords: Vec::new() };
        self.store.change_flags(&open, &UidSet::range(uid, uid), FlagAction::Add, flags, None).await.unwrap();
    }
}

#[tokio::test]
async fn selected_is_told_at_once_and_selected_delayed_keeps_its_numbers() {
    let world = World::new();
    let mut immediate = world.select("alice").await;
    let mut delayed = world.select("alice").await;
    hears(&immediate.says("NOTIFY SET (selected (MessageNew MessageExpunge))").await, &["OK"]);
    hears(&delayed.says("NOTIFY SET (selected-delayed (MessageNew MessageExpunge))").await, &["OK"]);
    world.deliver("alice", "one").await;
    hears(&immediate.reads().await, &["* 1 EXISTS", "* 1 RECENT"]);
    hears(&delayed.reads().await, &["* 1 EXISTS"]);
    world.expunge("alice", "INBOX", 1).await;
    hears(&immediate.reads().await, &["* 1 EXPUNGE", "* 0 RECENT"]);
    hears(&delayed.reads().await, &[]);
    hears(&delayed.says("FETCH 1 FLAGS").await, &["NO [EXPUNGEISSUED]"]);
    hears(&delayed.says("NOOP").await, &["* 1 EXPUNGE", "OK"]);
}

#[tokio::test]
async fn a_client_that_wants_nothing_has_a_snapshot_but_is_told_what_it_expunges() {
    let world = World::new();
    world.login("alice").await;
    for _ in 0..3 {
        world.deliver("alice", "early").await;
    }
    let mut client = world.select("alice").await;
    world.deliver("alice", "before").await;
    hears(&client.says("NOTIFY SET (selected NONE)").await, &["* 4 EXISTS", "* 4 RECENT", "OK"]);
    world.deliver("alice", "behind").await;
    world.flag("alice", "INBOX", 1, Flags::FLAGGED).await;
    world.expunge("alice", "INBOX", 2).await;
    hears(&client.reads().await, &[]);
    hears(&client.listens().await, &[]);
    hears(&client.says("NOOP").await, &["OK"]);
    hears(&client.says("STORE 3 +FLAGS.SILENT (\\Deleted)").await, &["OK"]);
    hears(&client.says("EXPUNGE").await, &["* 2 EXPUNGE", "* 2 EXPUNGE", "OK"]);
    // And all of it when it wants to know again.
    hears(
        &client.says("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))").await,
        &["* 3 EXISTS", "* 3 RECENT", "* 1 FETCH (FLAGS (\\Flagged \\Recent) UID 1)", "OK"],
    );
}

#[tokio::test]
async fn flags_that_were_not_told_are_told_when_they_are_asked_for_again() {
    let world = World::new();
    world.login("alice").await;
    for _ in 0..2 {
        world.deliver("alice", "early").await;
    }
    let mut client = world.select("alice").await;
    hears(&client.says("ENABLE CONDSTORE").await, &["* OK [HIGHESTMODSEQ", "* ENABLED CONDSTORE", "OK"]);
    let before = world.store.account_mod_seq(world.account("alice").id);
    hears(&client.says("NOTIFY SET (selected (MessageNew (UID MODSEQ) MessageExpunge))").await, &["OK"]);
    world.flag("alice", "INBOX", 1, Flags::FLAGGED).await;
    world.deliver("alice", "late").await;
    let safe = format!("* OK [HIGHESTMODSEQ {before}]");
    // The mod-sequence of the new message is no place to go on from.
    hears(&client.reads().await, &["* 3 EXISTS", "* 3 RECENT", "* 3 FETCH (MODSEQ", &safe]);
    hears(&client.reads().await, &[]);
    hears(&client.says("NOOP").await, &[&safe, "OK"]);
    let heard = client.says("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))").await;
    assert!(
        heard.iter().any(|line| line.starts_with("* 1 FETCH (FLAGS (\\Flagged \\Recent) UID 1 MODSEQ")),
        "{heard:#?}"
    );
    hears(&client.says("NOOP").await, &["OK"]);
}

#[tokio::test]
async fn what_a_client_did_itself_it_is_not_told_but_what_others_did_meanwhile() {
    let world = World::new();
    let mut client = world.select("alice").await;
    hears(&client.says("CREATE work").await, &["OK"]);
    hears(&client.says(&format!("NOTIFY SET {ALL}")).await, &["OK"]);
    hears(&client.says("CREATE play").await, &["OK"]);
    hears(&client.says("SUBSCRIBE play").await, &["OK"]);
    hears(&client.says("RENAME play games").await, &["OK"]);
    hears(&client.says("DELETE games").await, &["OK"]);
    world.deliver("alice", "one").await;
    hears(&client.reads().await, &["* 1 EXISTS", "* 1 RECENT"]);
    hears(&client.says("COPY 1 work").await, &["OK [COPYUID"]);
    hears(&client.reads().await, &[]);
    world.deliver_to("alice", "work", MESSAGE).await;
    hears(&client.reads().await, &["* STATUS work (MESSAGES 2 UIDNEXT 3 UIDVALIDITY "]);
}

#[tokio::test]
async fn a_mailbox_that_was_selected_goes_on_from_what_was_told() {
    let world = World::new();
    let mut client = world.login("alice").await;
    hears(&client.says("CREATE work").await, &["OK"]);
    hears(&client.says(&format!("NOTIFY SET {ALL}")).await, &["OK"]);
    client.says("SELECT work").await;
    world.deliver_to("alice", "work", MESSAGE).await;
    hears(&client.reads().await, &["* 1 EXISTS", "* 1 RECENT"]);
    hears(&client.says("UNSELECT").await, &["OK"]);
    hears(&client.reads().await, &[]);
    world.deliver_to("alice", "work", MESSAGE).await;
    hears(&client.reads().await, &["* STATUS work (MESSAGES 2 UIDNEXT 3 UIDVALIDITY"]);
    // What was not told before UNSELECT is told behind it.
    client.says("SELECT work").await;
    hears(&client.says("NOTIFY SET (selected NONE) (personal (MessageNew MessageExpunge))").await, &["OK"]);
    world.deliver_to("alice", "work", MESSAGE).await;
    hears(&client.says("UNSELECT").await, &["* STATUS work (MESSAGES 3 UIDNEXT 4)", "OK"]);
}

#[tokio::test]
async fn a_second_set_goes_on_where_the_first_ended() {
    let world = World::new();
    let mut client = world.login("alice").await;
    hears(&client.says("NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))").await, &["OK"]);
    let alice = world.account("alice").id;
    world.store.create_mailbox(alice, "work", None).await.unwrap();
    world.deliver_to("alice", "work", MESSAGE).await;
    // It is told before the command, by the rules of then.
    let heard = client.says("NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))").await;
    hears(&heard, &["* LIST (\\HasNoChildren) \"/\" work", "* STATUS work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY", "OK"]);
    world.deliver_to("alice", "work", MESSAGE).await;
    world.deliver("alice", "one").await;
    hears(&client.reads().await, &["* STATUS INBOX (MESSAGES 1 UIDNEXT 2)"]);
    hears(&client.says("NOTIFY NONE").await, &["OK"]);
    world.deliver("alice", "two").await;
    hears(&client.listens().await, &[]);
    hears(&client.says("NOOP").await, &["OK"]);
}

#[tokio::test]
async fn what_cannot_be_kept_in_mind_is_refused() {
    let world = World::new();
    let mut client = world.login("alice").await;
    let names = |count: usize| (0..count).map(|number| format!("m{number}")).collect::<Vec<_>>().join(" ");
    let set = |count| format!("NOTIFY SET (mailboxes ({}) (MailboxName))", names(count));
    hears(&client.says(&set(998)).await, &["OK"]);
    hears(&client.says(&set(999)).await, &["NO [NOTIFICATIONOVERFLOW]"]);
    let long = format!("NOTIFY SET (subtree {} (MailboxName))", "x".repeat(33_000));
    hears(&client.says(&long).await, &["NO [NOTIFICATIONOVERFLOW]"]);
    // What was set before goes on.
    let alice = world.account("alice").id;
    world.store.create_mailbox(alice, "m7", None).await.unwrap();
    hears(&client.reads().await, &["* LIST (\\HasNoChildren) \"/\" m7"]);
    assert_eq!(Limits::default().watched_mailboxes, 10_000, "docs/NOTIFY.md says so");
}

#[tokio::test]
async fn an_account_with_more_mailboxes_than_can_be_watched_is_refused() {
    let mut world = World::new();
    world.limits.watched_mailboxes = 3;
    let mut client = world.login("alice").await;
    let alice = world.account("alice").id;
    for name in ["a", "b", "c"] {
        world.store.create_mailbox(alice, name, None).await.unwrap();
    }
    let names = "NOTIFY SET (personal (MailboxName))";
    hears(&client.says(names).await, &["NO [NOTIFICATIONOVERFLOW]"]);
    hears(&client.says("NOTIFY SET (personal (MessageNew MessageExpunge))").await, &["NO [NOTIFICATIONOVERFLOW]"]);
    // Those of three can be watched, whatever else there is.
    hears(&client.says("NOTIFY SET (mailboxes (INBOX a b) (MessageNew MessageExpunge))").await, &["OK"]);
    // What is refused changes nothing.
    hears(&client.says(names).await, &["NO [NOTIFICATIONOVERFLOW]"]);
    world.deliver_to("alice", "b", MESSAGE).await;
    hears(&client.reads().await, &["* STATUS b (MESSAGES 1 UIDNEXT 2)"]);
    world.store.delete_mailbox(alice, "c").await.unwrap();
    hears(&client.says(names).await, &["OK"]);
}

#[tokio::test]
async fn a_mailbox_too_many_ends_what_is_told() {
    let mut world = World::new();
    world.limits.watched_mailboxes = 3;
    for (asked, idles) in [("MailboxName", false), ("MessageNew MessageExpunge", true)] {
        let name = if idles { "bob" } else { "alice" };
        let mut client = world.select(name).await;
        let account = world.account(name).id;
        let set = format!("NOTIFY SET (selected (MessageNew MessageExpunge)) (personal ({asked}))");
        hears(&client.says(&set).await, &["OK"]);
        for mailbox in ["a", "b"] {
            world.store.create_mailbox(account, mailbox, None).await.unwrap();
        }
        let lists: &[&str] =
            if idles { &[] } else { &["* LIST (\\HasNoChildren) \"/\" a", "* LIST (\\HasNoChildren) \"/\" b"] };
        hears(&client.reads().await, lists);
        world.store.create_mailbox(account, "c", None).await.unwrap();
        world.deliver_to(name, "b", MESSAGE).await;
        let heard = if idles { client.listens().await } else { client.reads().await };
        hears(&heard, &["* OK [NOTIFICATIONOVERFLOW] "]);
        // As after NOTIFY NONE: of the selected mailbox nothing either (RFC 5465 §5.8).
        world.deliver(name, "unheard").await;
        hears(&client.reads().await, &[]);
        hears(&client.listens().await, &[]);
        hears(&client.says("NOOP").await, &["OK"]);
        // And it can begin again.
        world.store.delete_mailbox(account, "c").await.unwrap();
        hears(&client.says(&set).await, &["* 1 EXISTS", "* 1 RECENT", "OK"]);
        world.deliver_to(name, "b", MESSAGE).await;
        hears(&client.reads().await, if idles { &["* STATUS b (MESSAGES 2 UIDNEXT 3)"] } else { &[] });
    }
}

#[tokio::test]
async fn entries_that_were_removed_and_forgotten_are_an_overflow() {
    let world = World::new();
    let mut behind = world.login("alice").await;
    let mut narrow = world.login("alice").await;
    hears(&behind.says("NOTIFY SET (personal (MailboxMetadataChange))").await, &["OK"]);
    hears(&narrow.says("NOTIFY SET (personal (MailboxName))").await, &["OK"]);
    let alice = world.account("alice").id;
    let inbox = world.store.mailbox(alice, "INBOX").unwrap().id();
    let mut removed = 0;
    while removed < 1_000 {
        let names = (removed..removed + 50).map(|number| format!("/private/{number}"));
        let set: Vec<_> = names.map(|name| (name, Some(b"x".to_vec()))).collect();
        let unset = set.iter().map(|(name, _)| (name.clone(), None)).collect();
        world.store.set_metadata(alice, Some(inbox), set).await.unwrap();
        world.store.set_metadata(alice, Some(inbox), unset).await.unwrap();
        removed += 50;
    }
    let mut wide = world.login("alice").await;
    hears(&wide.says("NOTIFY SET (personal (MailboxMetadataChange))").await, &["OK"]);
    for value in [Some(b"x".to_vec()), None] {
        world.store.set_metadata(alice, Some(inbox), vec![("/private/last".to_owned(), value)]).await.unwrap();
    }
    hears(&behind.reads().await, &["* OK [NOTIFICATIONOVERFLOW] "]);
    hears(&narrow.reads().await, &[]);
    hears(&wide.reads().await, &["* METADATA INBOX /private/last"]);
    world.store.set_metadata(alice, Some(inbox), vec![("/private/more".to_owned(), Some(Vec::new()))]).await.unwrap();
    hears(&behind.reads().await, &[]);
    hears(&wide.reads().await, &["* METADATA INBOX /private/more"]);
}

#[tokio::test]
async fn a_deleted_mailbox_is_told_and_then_bye() {
    let world = World::new();
    let mut client = world.login("alice").await;
    client.says("CREATE work").await;
    client.says("SELECT work").await;
    hears(&client.says(&format!("NOTIFY SET {ALL}")).await, &["OK"]);
    world.store.delete_mailbox(world.account("alice").id, "work").await.unwrap();
    hears(&client.reads().await, &["* LIST (\\NonExistent) \"/\" work", "* BYE The selected mailbox was deleted"]);
}

/// UID and flags.
type Believed = (u32, String);

/// A client that knows its mail by what it hears alone.
struct Believer<'w> {
    speaker: Speaker<'w>,
    /// Of each mailbox: MESSAGES, UIDNEXT, UNSEEN, UIDVALIDITY.
    mailboxes: BTreeMap<String, BTreeMap<String, u64>>,
    subscribed: BTreeSet<String>,
    /// The messages of the selected mailbox; `None`: it does not know the message yet.
    selected: Option<(String, Vec<Option<Believed>>)>,
}

impl<'w> Believer<'w> {
    async fn new(world: &'w World) -> Self {
        let mut speaker = world.login("alice").await;
        let mut mailboxes = BTreeMap::new();
        for line in speaker.says("LIST \"\" *").await {
            if let Some(name) = line.strip_prefix("* LIST ").and_then(|rest| rest.rsplit(' ').next()) {
                mailboxes.insert(name.to_owned(), BTreeMap::new());
            }
        }
        let subscribed = BTreeSet::from(["INBOX".to_owned()]);
        let mut believer = Self { speaker, mailboxes, subscribed, selected: None };
        let set = "(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) \
                   (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))";
        believer.says(&format!("NOTIFY SET STATUS {set}")).await;
        believer
    }

    async fn says(&mut self, command: &str) -> Vec<String> {
        let heard = self.speaker.says(command).await;
        for line in &heard {
            self.believes(line);
        }
        heard
    }

    async fn select(&mut self, mailbox: &str) {
        // What is told in front of CLOSED is of the mailbox that was selected.
        self.says("NOOP").await;
        self.leaves();
        self.selected = Some((mailbox.to_owned(), Vec::new()));
        let heard = self.says(&format!("SELECT {mailbox}")).await;
        if !heard.last().unwrap().starts_with("OK") {
            self.selected = None;
            return;
        }
        self.says("UID FETCH 1:* FLAGS").await;
    }

    /// What it knows of its messages it knows of the mailbox; UIDNEXT it may not have been told.
    fn leaves(&mut self) {
        let Some((selected, messages)) = self.selected.take() else { return };
        let known = self.mailboxes.get_mut(&selected).unwrap();
        known.remove("UIDNEXT");
        known.insert("MESSAGES".to_owned(), messages.len() as u64);
        let unseen = messages.iter().flatten().filter(|(_, flags)| !flags.contains("\\Seen")).count();
        known.insert("UNSEEN".to_owned(), unseen as u64);
    }

    async fn reads(&mut self) {
        for line in self.speaker.reads().await {
            self.believes(&line);
        }
    }

    fn believes(&mut self, line: &str) {
        let Some(data) = line.strip_prefix("* ") else { return };
        match data.split_once(' ').unwrap() {
            ("LIST", rest) => self.believes_list(rest),
            ("STATUS", rest) => {
                let (name, items) = rest.split_once(" (").unwrap();
                let words: Vec<_> = items.trim_end_matches(')').split(' ').collect();
                let known = self.mailboxes.get_mut(name).unwrap_or_else(|| panic!("{line} of what nobody told of"));
                for pair in words.chunks(2) {
                    known.insert(pair[0].to_owned(), pair[1].parse().unwrap());
                }
            }
            (number, rest) => {
                let (Ok(number), Some((_, messages))) = (number.parse::<usize>(), &mut self.selected) else { return };
                match rest {
                    "EXISTS" => messages.resize(number, None),
                    "EXPUNGE" => {
                        messages.remove(number - 1);
                    }
                    "RECENT" => {}
                    fetch => {
                        let flags = fetch.split_once("FLAGS (").unwrap().1.split_once(')').unwrap().0;
                        let uid = fetch.split_once("UID ").unwrap().1;
                        let uid = uid.split([' ', ')']).next().unwrap().parse().unwrap();
                        messages[number - 1] = Some((uid, flags.replace("\\Recent", "").trim().to_owned()));
                    }
                }
            }
        }
    }

    fn believes_list(&mut self, rest: &str) {
        let (attributes, rest) = rest.split_once(") \"/\" ").unwrap();
        let (name, old) = rest
            .split_once(" (\"OLDNAME\" (")
            .map_or((rest, None), |(name, old)| (name, Some(old.trim_end_matches("))"))));
        if attributes.contains("\\Subscribed") {
            self.subscribed.insert(name.to_owned());
        } else {
            self.subscribed.remove(name);
        }
        if attributes.contains("\\NonExistent") {
            self.mailboxes.remove(name);
            return;
        }
        match old {
            // INBOX leaves its messages, and stays.
            Some("INBOX") => {}
            Some(old) => {
                let known = std::mem::take(&mut self.mailboxes);
                for (known, status) in known {
                    let below = known.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with('/'));
                    let renamed = below.map(|rest| format!("{name}{rest}"));
                    self.mailboxes.insert(renamed.unwrap_or(known), status);
                }
                if let Some((selected, _)) = &mut self.selected
                    && let Some(below) = selected.strip_prefix(old)
                    && (below.is_empty() || below.starts_with('/'))
                {
                    *selected = format!("{name}{below}");
                }
            }
            None => {}
        }
        // A mailbox that has come is empty until something else is said.
        self.mailboxes.entry(name.to_owned()).or_default();
    }

    /// What it believes is what the store has.
    async fn is_right(&mut self) {
        self.reads().await;
        let store = &self.speaker.world.store;
        let alice = self.speaker.world.account("alice").id;
        let subscriptions: BTreeSet<String> = store.subscriptions(alice).into_iter().collect();
        assert_eq!(self.subscribed, subscriptions);
        let heads: Vec<_> = store.mailboxes(alice).iter().map(|mailbox| mailbox.head()).collect();
        let names: Vec<_> = heads.iter().map(|head| head.name.clone()).collect();
        assert_eq!(self.mailboxes.keys().cloned().collect::<Vec<_>>(), names);
        for head in heads {
            if self.selected.as_ref().is_some_and(|(selected, _)| *selected == head.name) {
                continue;
            }
            let known = &self.mailboxes[&head.name];
            let believed = |item: &str, unknown: u64| known.get(item).copied().unwrap_or(unknown);
            let uid_next = if known.contains_key("MESSAGES") { u64::from(head.uid_next) } else { 1 };
            let counts = (believed("MESSAGES", 0), believed("UIDNEXT", uid_next), believed("UNSEEN", 0));
            let truth = (u64::from(head.exists), u64::from(head.uid_next), u64::from(head.unseen));
            assert_eq!(counts, truth, "{}: {known:?}", head.name);
            // Only where there was something to tell.
            let uid_validity = known.get("UIDVALIDITY").copied();
            assert!(uid_validity.is_none_or(|told| told == u64::from(head.uid_validity)), "{}: {known:?}", head.name);
        }
        let Some((selected, messages)) = &self.selected else { return };
        let mailbox = store.mailbox(alice, selected).unwrap_or_else(|| panic!("{selected} is selected and not there"));
        let open = store.open_mailbox(&mailbox).await.unwrap();
        let truth: Vec<_> = open
            .messages(&UidSet::range(1, u32::MAX))
            .iter()
            .map(|message| {
                let named = [(Flags::ANSWERED, "\\Answered"), (Flags::FLAGGED, "\\Flagged"), (Flags::SEEN, "\\Seen")];
                let flags: Vec<_> =
                    named.into_iter().filter(|(flag, _)| message.flags.contains(*flag)).map(|(_, name)| name).collect();
                Some((message.uid, flags.join(" ")))
            })
            .collect();
        let mut believed = messages.clone();
        for message in believed.iter_mut().flatten() {
            let mut flags: Vec<_> = message.1.split(' ').filter(|flag| !flag.is_empty()).collect();
            flags.sort_unstable();
            message.1 = flags.join(" ");
        }
        assert_eq!(believed, truth, "{selected}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody else does something.
    Deliver(usize),
    Expunge(usize, u32),
    Flag(usize, u32, u64),
    Move(usize, usize, u32),
    Create(usize),
    Rename(usize, usize),
    Delete(usize),
    Subscribe(usize, bool),
    /// The client.
    Reads,
    Select(usize),
    Unselect,
    Noop,
    IsRight,
}

const NAMES: [&str; 9] = ["INBOX", "a", "a/b", "a/b/c", "a/d", "b", "b/c", "c", "c/d"];

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    prop_oneof![
        4 => name.clone().prop_map(Step::Deliver),
        2 => (name.clone(), 1u32..5).prop_map(|(at, uid)| Step::Expunge(at, uid)),
        2 => (name.clone(), 1u32..5, 0u64..3).prop_map(|(at, uid, bit)| Step::Flag(at, uid, bit)),
        2 => (name.clone(), name.clone(), 1u32..5).prop_map(|(from, to, uid)| Step::Move(from, to, uid)),
        3 => name.clone().prop_map(Step::Create),
        4 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => name.clone().prop_map(Step::Delete),
        2 => (name.clone(), any::<bool>()).prop_map(|(at, yes)| Step::Subscribe(at, yes)),
        3 => Just(Step::Reads),
        2 => name.prop_map(Step::Select),
        1 => Just(Step::Unselect),
        1 => Just(Step::Noop),
        1 => Just(Step::IsRight),
    ]
}

/// What others do; it may be refused.
async fn others(world: &World, step: &Step, selected: Option<&str>) {
    let (store, alice) = (&world.store, world.account("alice").id);
    match step {
        Step::Deliver(at) if store.mailbox(alice, NAMES[*at]).is_some() => {
            world.deliver_to("alice", NAMES[*at], MESSAGE).await;
        }
        Step::Expunge(at, uid) if store.mailbox(alice, NAMES[*at]).is_some() => {
            world.expunge("alice", NAMES[*at], *uid).await;
        }
        Step::Flag(at, uid, bit) if store.mailbox(alice, NAMES[*at]).is_some() => {
            world.flag("alice", NAMES[*at], *uid, Flags(1 << bit)).await;
        }
        Step::Move(from, to, uid) => {
            if let (Some(from), Some(to)) = (store.mailbox(alice, NAMES[*from]), store.mailbox(alice, NAMES[*to])) {
                let from = store.open_mailbox(&from).await.unwrap();
                let _nothing_to_move = store.move_messages(&from, &UidSet::range(*uid, *uid), &to).await;
            }
        }
        Step::Create(at) => {
            let _refused = store.create_mailbox(alice, NAMES[*at], None).await;
        }
        Step::Rename(from, to) => {
            let _refused = store.rename_mailbox(alice, NAMES[*from], NAMES[*to]).await;
        }
        // A client that loses its selected mailbox hears BYE.
        Step::Delete(at) if selected != Some(NAMES[*at]) => {
            let _refused = store.delete_mailbox(alice, NAMES[*at]).await;
        }
        Step::Subscribe(at, yes) => store.set_subscribed(alice, NAMES[*at], *yes).await.unwrap(),
        _ => {}
    }
}

async fn live(steps: Vec<Step>) {
    let world = World::new();
    let mut believer = Believer::new(&world).await;
    for step in steps {
        match &step {
            Step::Reads => believer.reads().await,
            // By the name that it believes in.
            Step::Select(at) if believer.mailboxes.contains_key(NAMES[*at]) => believer.select(NAMES[*at]).await,
            Step::Unselect if believer.selected.is_some() => {
                believer.says("NOOP").await;
                believer.leaves();
                believer.says("UNSELECT").await;
            }
            Step::Noop => {
                believer.says("NOOP").await;
            }
            Step::IsRight => believer.is_right().await,
            step => {
                let store = &world.store;
                let id = believer.speaker.session.selected().map(|selected| selected.mailbox.id());
                let now = id.and_then(|id| store.mailbox_by_id(world.account("alice").id, id));
                let selected = now.map(|mailbox| mailbox.head().name);
                others(&world, step, selected.as_deref()).await;
            }
        }
    }
    believer.is_right().await;
}

proptest! {
    // Each is a store on disk with some dozens of commits.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_client_that_believes_what_it_hears_knows_its_account(steps in prop::collection::vec(step(), 0..40)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(live(steps));
    }
}
