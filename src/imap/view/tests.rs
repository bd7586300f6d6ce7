//! A model of a mailbox with several sessions: whatever happens, in whatever order, each client can follow.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::imap::session::Enabled;
use crate::store::{BodyId, Date, Head};

/// What the store would say.
#[derive(Default)]
struct Mailbox {
    messages: BTreeMap<Uid, (Flags, ModSeq)>,
    expunged: Vec<(Uid, ModSeq)>,
    history_from: ModSeq,
    highest_uid: Uid,
    mod_seq: ModSeq,
    keywords: Vec<String>,
    first_recent: Uid,
}

impl Mailbox {
    fn deliver(&mut self, flags: Flags) {
        self.mod_seq += 1;
        self.highest_uid += 1;
        self.messages.insert(self.highest_uid, (flags, self.mod_seq));
    }

    fn expunge(&mut self, uid: Uid) {
        if self.messages.remove(&uid).is_some() {
            self.mod_seq += 1;
            self.expunged.push((uid, self.mod_seq));
        }
    }

    fn change(&mut self, uid: Uid, action: FlagAction, change: Flags) {
        let mod_seq = self.mod_seq + 1;
        if let Some((flags, at)) = self.messages.get_mut(&uid) {
            let changed = match action {
                FlagAction::Add => flags.union(change),
                FlagAction::Remove => flags.minus(change),
                FlagAction::Replace => change,
            };
            if changed != *flags {
                (*flags, *at, self.mod_seq) = (changed, mod_seq, mod_seq);
            }
        }
    }

    fn message(&self, uid: Uid) -> Option<Message> {
        let (flags, mod_seq) = *self.messages.get(&uid)?;
        let internal_date = Date { unix_s: 0, offset_min: 0 };
        Some(Message { uid, flags, mod_seq, body: BodyId(0), size: 0, internal_date, save_date_unix_s: 0 })
    }

    fn claim_recent(&mut self) -> Uid {
        std::mem::replace(&mut self.first_recent, self.highest_uid + 1)
    }

    fn snapshot(&self) -> Snapshot {
        let head = Head {
            name: "INBOX".into(),
            uid_validity: 1,
            uid_next: self.highest_uid + 1,
            exists: self.messages.len() as u32,
            unseen: 0,
            deleted: 0,
            octets: 0,
            first_recent_uid: self.first_recent,
            highest_mod_seq: self.mod_seq,
            keywords: Arc::new(self.keywords.clone()),
            special_use: None,
            gone: false,
        };
        Snapshot { head, uids: self.messages.keys().copied().collect() }
    }

    fn look(&mut self, mod_seq: ModSeq) -> Look {
        let history_lost = mod_seq < self.history_from;
        let changes = Changes {
            highest_mod_seq: self.mod_seq,
            changed: self.messages.keys().filter_map(|u| self.message(*u)).filter(|m| m.mod_seq > mod_seq).collect(),
            vanished: self
                .expunged
                .iter()
                .filter(|(_, at)| *at > mod_seq && *at > self.history_from)
                .map(|(uid, _)| *uid)
                .collect(),
            history_lost,
        };
        let present = history_lost.then(|| self.snapshot().uids);
        Look { recent_from: self.claim_recent(), changes, keywords: Arc::new(self.keywords.clone()), present }
    }
}

/// The UID at a sequence number.
fn uid_at(view: &View, sequence: u32) -> Option<Uid> {
    view.known().nth(sequence - 1)
}

/// What a client makes of what it is told; a message's flags are unknown until it learns them.
struct Client {
    view: View,
    messages: Vec<Option<Flags>>,
    recent: u32,
    keywords: usize,
}

impl Client {
    fn select(mailbox: &mut Mailbox) -> Self {
        let recent_from = mailbox.claim_recent();
        let snapshot = mailbox.snapshot();
        let view = View::new(&snapshot, recent_from);
        let messages = snapshot.uids.iter().map(|uid| Some(mailbox.messages[&uid].0)).collect();
        Self { messages, recent: view.recent(), keywords: mailbox.keywords.len(), view }
    }

    fn catch_up(&mut self, mailbox: &mut Mailbox, expunge: ExpungeAllowed) {
        let look = mailbox.look(self.view.mod_seq());
        for news in self.view.catch_up(look, expunge, Enabled::default()) {
            match news {
                News::Expunge(sequence) => {
                    assert_eq!(expunge, ExpungeAllowed::Yes);
                    self.messages.remove(sequence as usize - 1);
                }
                News::Exists(exists) => {
                    assert!(exists as usize > self.messages.len(), "EXISTS only grows");
                    self.messages.resize(exists as usize, None);
                }
                News::Vanished(_) | News::HighestModSeq(_) => panic!("{news:?} to a client of RFC 3501"),
                News::Recent(recent) => self.recent = recent,
                News::Keywords(keywords) => self.keywords = keywords.len(),
                News::Flags { sequence, uid, flags, .. } => {
                    assert_eq!(uid_at(&self.view, sequence), Some(uid));
                    assert!(flags.keywords().all(|index| index < self.keywords), "FLAGS come before their use");
                    self.messages[sequence as usize - 1] = Some(flags);
                }
            }
        }
        assert_eq!(self.messages.len(), self.view.exists() as usize);
        assert_eq!(self.recent, self.view.recent());
    }

    /// FETCH n (FLAGS)
    fn fetch(&mut self, mailbox: &Mailbox, sequence: u32) {
        let Some(uid) = uid_at(&self.view, sequence) else { return };
        if let Some(message) = mailbox.message(uid) {
            self.messages[sequence as usize - 1] = Some(message.flags);
            self.view.acknowledge(&message);
        }
    }

    /// STORE n, silent or not.
    fn store(&mut self, mailbox: &mut Mailbox, sequence: u32, action: FlagAction, flags: Flags, silent: bool) {
        let Some(uid) = uid_at(&self.view, sequence) else { return };
        let Some(before) = mailbox.message(uid) else { return };
        mailbox.change(uid, action, flags);
        let after = mailbox.message(uid).unwrap();
        let told = &mut self.messages[sequence as usize - 1];
        if silent {
            *told = match (action, *told) {
                (FlagAction::Add, Some(old)) => Some(old.union(flags)),
                (FlagAction::Remove, Some(old)) => Some(old.minus(flags)),
                (FlagAction::Replace, _) => Some(flags),
                (_, None) => None,
            };
            self.view.acknowledge_silent(&before, &after, action, flags);
        } else {
            *told = Some(after.flags);
            self.view.acknowledge(&after);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deliver(u8),
    Expunge(Uid),
    Change(Uid, FlagAction, u8),
    NewKeyword(Uid),
    LoseHistory,
    Fetch(usize, u32),
    Store(usize, u32, FlagAction, u8, bool),
    CatchUp(usize, bool),
    Quiet(usize),
}

fn action() -> impl Strategy<Value = FlagAction> {
    prop_oneof![Just(FlagAction::Add), Just(FlagAction::Remove), Just(FlagAction::Replace)]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..3;
    prop_oneof![
        3 => (0u8..32).prop_map(Step::Deliver),
        3 => (1u32..20).prop_map(Step::Expunge),
        2 => (1u32..20, action(), 0u8..32).prop_map(|(uid, action, flags)| Step::Change(uid, action, flags)),
        1 => (1u32..20).prop_map(Step::NewKeyword),
        1 => Just(Step::LoseHistory),
        2 => (who.clone(), 1u32..12).prop_map(|(who, sequence)| Step::Fetch(who, sequence)),
        3 => (who.clone(), 1u32..12, action(), 0u8..32, any::<bool>())
            .prop_map(|(who, sequence, action, flags, silent)| Step::Store(who, sequence, action, flags, silent)),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, expunge)| Step::CatchUp(who, expunge)),
        2 => who.prop_map(Step::Quiet),
    ]
}

proptest! {
    #[test]
    fn every_client_ends_with_what_the_store_has(start in 0u32..8, steps in prop::collection::vec(step(), 0..80)) {
        let mut mailbox = Mailbox { first_recent: 1, ..Mailbox::default() };
        for _ in 0..start {
            mailbox.deliver(Flags::NONE);
        }
        let mut clients: Vec<_> = (0..3).map(|_| Client::select(&mut mailbox)).collect();
        for step in steps {
            match step {
                Step::Deliver(flags) => mailbox.deliver(Flags(flags.into())),
                Step::Expunge(uid) => mailbox.expunge(uid),
                Step::Change(uid, action, flags) => mailbox.change(uid, action, Flags(flags.into())),
                Step::NewKeyword(uid) => {
                    let index = mailbox.keywords.len();
                    mailbox.keywords.push(format!("k{index}"));
                    mailbox.change(uid, FlagAction::Add, Flags::keyword(index.min(57)));
                }
                Step::LoseHistory => mailbox.history_from = mailbox.mod_seq,
                Step::Fetch(who, sequence) => clients[who].fetch(&mailbox, sequence),
                Step::Store(who, sequence, action, flags, silent) => {
                    clients[who].store(&mut mailbox, sequence, action, Flags(flags.into()), silent);
                }
                Step::CatchUp(who, true) => clients[who].catch_up(&mut mailbox, ExpungeAllowed::Yes),
                Step::CatchUp(who, false) => clients[who].catch_up(&mut mailbox, ExpungeAllowed::No),
                Step::Quiet(who) => {
                    let client = &mut clients[who];
                    client.catch_up(&mut mailbox, ExpungeAllowed::Yes);
                    prop_assert!(!client.view.owes_expunges());
                    prop_assert_eq!(client.messages.len(), mailbox.messages.len());
                    prop_assert_eq!(client.view.known().iter().collect::<Vec<_>>(),
                        mailbox.messages.keys().copied().collect::<Vec<_>>());
                    for ((uid, (flags, _)), told) in mailbox.messages.iter().zip(&client.messages) {
                        prop_assert!(told.is_none_or(|told| told == *flags), "UID {}: {:?}, told {:?}", uid, flags, told);
                    }
                }
            }
        }
        let recent: u32 = clients.iter().map(|client| client.view.recent()).sum();
        prop_assert!(recent <= mailbox.highest_uid, "no message is recent twice");
    }
}

/// A mailbox with messages 1 to `n`, and a client that has selected it.
fn selected(n: u32) -> (Mailbox, Client) {
    let mut mailbox = Mailbox { first_recent: 1, ..Mailbox::default() };
    for _ in 0..n {
        mailbox.deliver(Flags::NONE);
    }
    let client = Client::select(&mut mailbox);
    (mailbox, client)
}

fn news(mailbox: &mut Mailbox, client: &mut Client, expunge: ExpungeAllowed) -> Vec<News> {
    let look = mailbox.look(client.view.mod_seq());
    client.view.catch_up(look, expunge, Enabled::default())
}

#[test]
fn expunges_are_counted_after_the_ones_before_them() {
    let (mut mailbox, mut client) = selected(5);
    for uid in [5, 2, 3] {
        mailbox.expunge(uid);
    }
    let told = news(&mut mailbox, &mut client, ExpungeAllowed::Yes);
    assert_eq!(told, [News::Expunge(2), News::Expunge(2), News::Expunge(3), News::Recent(2)]);
}

#[test]
fn what_may_not_be_told_yet_shifts_no_number() {
    let (mut mailbox, mut client) = selected(3);
    mailbox.expunge(1);
    mailbox.deliver(Flags::NONE);
    let told = news(&mut mailbox, &mut client, ExpungeAllowed::No);
    assert_eq!(told, [News::Exists(4), News::Recent(4)]);
    assert_eq!(uid_at(&client.view, 2), Some(2));
    assert!(client.view.owes_expunges());
    let told = news(&mut mailbox, &mut client, ExpungeAllowed::Yes);
    assert_eq!(told, [News::Expunge(1), News::Recent(3)]);
    assert_eq!(uid_at(&client.view, 2), Some(3));
}

#[test]
fn what_came_and_went_between_two_looks_is_never_told() {
    let (mut mailbox, mut client) = selected(1);
    mailbox.deliver(Flags::NONE);
    mailbox.expunge(2);
    assert_eq!(news(&mut mailbox, &mut client, ExpungeAllowed::Yes), []);
}

#[test]
fn a_full_turnover_keeps_the_count_honest() {
    let (mut mailbox, mut client) = selected(2);
    mailbox.expunge(1);
    mailbox.expunge(2);
    mailbox.deliver(Flags::SEEN);
    let told = news(&mut mailbox, &mut client, ExpungeAllowed::Yes);
    assert_eq!(told, [News::Expunge(1), News::Expunge(1), News::Exists(1), News::Recent(1)]);
}

#[test]
fn silent_hides_only_what_the_client_can_reckon() {
    let (mut mailbox, mut client) = selected(2);
    client.store(&mut mailbox, 1, FlagAction::Add, Flags::SEEN, true);
    assert_eq!(news(&mut mailbox, &mut client, ExpungeAllowed::No), []);

    // Somebody else flagged it just before, which the client does not know.
    mailbox.change(2, FlagAction::Add, Flags::FLAGGED);
    client.store(&mut mailbox, 2, FlagAction::Add, Flags::SEEN, true);
    let flags = Flags::SEEN.union(Flags::FLAGGED);
    let told = news(&mut mailbox, &mut client, ExpungeAllowed::No);
    let mod_seq = mailbox.mod_seq;
    assert_eq!(told, [News::Flags { sequence: 2, uid: 2, flags, recent: true, mod_seq }]);
}

#[test]
fn recent_goes_to_one_session_only() {
    let (mut mailbox, mut first) = selected(1);
    let mut second = Client::select(&mut mailbox);
    assert_eq!((first.view.recent(), second.view.recent()), (1, 0));
    mailbox.deliver(Flags::NONE);
    assert_eq!(news(&mut mailbox, &mut second, ExpungeAllowed::Yes), [News::Exists(2), News::Recent(1)]);
    assert_eq!(news(&mut mailbox, &mut first, ExpungeAllowed::Yes), [News::Exists(2)]);
}

#[test]
fn what_is_saved_loses_what_is_expunged_when_it_is_told() {
    let mut mailbox = Mailbox::default();
    (0..4).for_each(|_| mailbox.deliver(Flags::NONE));
    let mut view = View::new(&mailbox.snapshot(), 1);
    view.save([2, 3, 7].into_iter().collect());
    assert_eq!(view.saved().iter().collect::<Vec<_>>(), [2, 3], "only what the client counts");
    let look = |vanished: &[u32]| Look {
        recent_from: 1,
        changes: Changes { highest_mod_seq: 9, vanished: vanished.iter().copied().collect(), ..Changes::default() },
        keywords: Arc::default(),
        present: None,
    };
    view.catch_up(look(&[2]), ExpungeAllowed::No, Enabled::default());
    assert_eq!(view.saved().len(), 2, "the client was not told yet");
    view.catch_up(look(&[]), ExpungeAllowed::Yes, Enabled::default());
    assert_eq!(view.saved().iter().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_waiting_expunge_holds_back_what_a_client_may_ask_from() {
    let condstore = Enabled { condstore: true, qresync: true, ..Enabled::default() };
    let (mut mailbox, mut client) = selected(3);
    let before = mailbox.mod_seq;
    mailbox.expunge(1);
    mailbox.change(2, FlagAction::Add, Flags::SEEN);
    let look = mailbox.look(client.view.mod_seq());
    let told = client.view.catch_up(look, ExpungeAllowed::No, condstore);
    assert!(
        matches!(told[..], [News::Flags { sequence: 2, .. }, News::HighestModSeq(safe)] if safe == before),
        "{told:?}"
    );
    assert_eq!(client.view.unchanged(condstore), [News::HighestModSeq(before)]);
    assert_eq!(client.view.unchanged(Enabled::default()), []);

    let look = mailbox.look(client.view.mod_seq());
    let told = client.view.catch_up(look, ExpungeAllowed::Yes, condstore);
    assert_eq!(told, [News::Vanished(UidSet::range(1, 1)), News::Recent(2), News::HighestModSeq(mailbox.mod_seq)]);
    assert_eq!(client.view.unchanged(condstore), []);
}
