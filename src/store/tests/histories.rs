//! Random histories with crashes: whatever was answered is there after each opening, and nothing else.
//!
//! A history changes accounts, mailboxes and messages, compacts, and now and then ends without a word; before it goes on,
//! the index may be gone or an older one, and half a record may stand at the journal's end. What the store shows after an
//! opening must be what it showed before.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// So small that a few messages fill a segment.
const SEGMENT_OCTETS: u64 = 1_500;
const ACCOUNTS: [&str; 2] = ["ann@example.org", "bob@example.org"];
/// One is the beginning of another.
const ALIASES: [&str; 3] = ["info@example.org", "info@example.org.example", "@example.org"];
const NAMES: [&str; 5] = ["INBOX", "a", "a/b", "c", "d"];
const KEYWORDS: [&str; 4] = ["$Work", "$Junk", "Later", "$Home"];
const ENTRIES: [&str; 4] = ["/private/comment", "/shared/comment", "/private/specialuse", "/private/colour"];
const VALUES: [&str; 5] = ["\\Sent", "\\Drafts", "", "red", "blue"];

/// The mailbox and the UID of a message that leaves.
type Replaced = Option<(usize, Uid)>;

#[derive(Clone, Debug)]
enum Step {
    Deliver {
        to: Vec<usize>,
        keyword: Option<usize>,
        octets: usize,
    },
    Append {
        mailbox: usize,
        keyword: Option<usize>,
        count: usize,
        replaced: Replaced,
    },
    Flags {
        mailbox: usize,
        uids: (Uid, Uid),
        action: FlagAction,
        keyword: Option<usize>,
    },
    Refer {
        from: usize,
        to: usize,
        uids: (Uid, Uid),
        leave: bool,
    },
    Expunge {
        mailbox: usize,
        uids: (Uid, Uid),
    },
    Create {
        account: usize,
        name: usize,
    },
    Rename {
        account: usize,
        from: usize,
        to: usize,
    },
    Delete {
        account: usize,
        name: usize,
    },
    Subscribe {
        account: usize,
        name: usize,
        on: bool,
    },
    SetMetadata {
        account: usize,
        mailbox: Option<usize>,
        entry: usize,
        value: Option<usize>,
    },
    AddAccount(usize),
    RemoveAccount(usize),
    SetCredentials(usize, u8),
    SetQuota(usize, Option<u8>),
    SetScript(usize, Option<usize>),
    /// One of a few names, and how many targets it has.
    SetAlias(usize, Option<usize>),
    Compact,
    SaveIndex,
    Reopen {
        clean: bool,
        index: OnDisk,
        tail: usize,
    },
}

/// What becomes of the index while the store is closed.
#[derive(Clone, Copy, Debug)]
enum OnDisk {
    Stays,
    IsDeleted,
    IsAnOlderOne,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let uids = || (1..12u32, 0..12u32).prop_map(|(first, more)| (first, first + more));
    let action = prop_oneof![Just(FlagAction::Add), Just(FlagAction::Remove), Just(FlagAction::Replace)];
    let keyword = || prop::option::of(0..KEYWORDS.len());
    let index = prop_oneof![2 => Just(OnDisk::Stays), 2 => Just(OnDisk::IsDeleted), 3 => Just(OnDisk::IsAnOlderOne)];
    let (mailbox, account, name) = (|| 0..10usize, || 0..ACCOUNTS.len(), || 0..NAMES.len());
    let step = prop_oneof![
        12 => (prop::collection::vec(mailbox(), 1..3), keyword(), 0..500usize)
            .prop_map(|(to, keyword, octets)| Step::Deliver { to, keyword, octets }),
        4 => (mailbox(), keyword(), 1..4usize, prop::option::of((mailbox(), 1..12u32)))
            .prop_map(|(mailbox, keyword, count, replaced)| Step::Append { mailbox, keyword, count, replaced }),
        3 => (mailbox(), uids(), action, keyword())
            .prop_map(|(mailbox, uids, action, keyword)| Step::Flags { mailbox, uids, action, keyword }),
        3 => (mailbox(), mailbox(), uids(), any::<bool>())
            .prop_map(|(from, to, uids, leave)| Step::Refer { from, to, uids, leave }),
        6 => (mailbox(), uids()).prop_map(|(mailbox, uids)| Step::Expunge { mailbox, uids }),
        3 => (account(), name()).prop_map(|(account, name)| Step::Create { account, name }),
        2 => (account(), name(), name()).prop_map(|(account, from, to)| Step::Rename { account, from, to }),
        2 => (account(), name()).prop_map(|(account, name)| Step::Delete { account, name }),
        1 => (account(), name(), any::<bool>()).prop_map(|(account, name, on)| Step::Subscribe { account, name, on }),
        5 => (account(), prop::option::of(mailbox()), 0..ENTRIES.len(), prop::option::of(0..VALUES.len()))
            .prop_map(|(account, mailbox, entry, value)| Step::SetMetadata { account, mailbox, entry, value }),
        2 => account().prop_map(Step::AddAccount),
        1 => account().prop_map(Step::RemoveAccount),
        1 => (account(), any::<u8>()).prop_map(|(account, secret)| Step::SetCredentials(account, secret)),
        2 => (account(), prop::option::of(any::<u8>())).prop_map(|(account, quota)| Step::SetQuota(account, quota)),
        2 => (account(), prop::option::of(1..20_000usize)).prop_map(|(account, octets)| Step::SetScript(account, octets)),
        3 => (0..ALIASES.len(), prop::option::of(1..400usize)).prop_map(|(at, targets)| Step::SetAlias(at, targets)),
        4 => Just(Step::Compact),
        2 => Just(Step::SaveIndex),
        3 => (any::<bool>(), index, prop_oneof![Just(0), 1..200usize])
            .prop_map(|(clean, index, tail)| Step::Reopen { clean, index, tail }),
    ];
    prop::collection::vec(step, 10..70)
}

/// Everything that a store shows.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    accounts: Vec<(Account, Vec<String>, ModSeq, Option<Quota>)>,
    scripts: Vec<(AccountId, Arc<str>)>,
    aliases: Vec<(String, Arc<Alias>)>,
    /// By mailbox or account, and name.
    metadata: BTreeMap<(String, String), Arc<[u8]>>,
    metadata_changes: Vec<MetadataChange>,
    mailboxes: BTreeMap<(String, String), ShownMailbox>,
}

#[derive(Debug, PartialEq)]
struct ShownMailbox {
    id: MailboxId,
    head: Head,
    vanished: UidSet,
    /// With the names of their keywords, and which delivery each came with.
    messages: Vec<(Message, Vec<String>, String)>,
}

/// The number that [`Step::Deliver`] gave it.
fn delivery_of(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().trim_end_matches('x').to_owned()
}

async fn shown(store: &Store) -> Shown {
    let mut shown = Shown { aliases: store.aliases(), ..Shown::default() };
    for account in store.accounts() {
        assert_eq!(store.account(&account.name).map(|named| named.id), Some(account.id), "it is found by its name");
        for mailbox in store.mailboxes(account.id) {
            let open = store.open_mailbox(&mailbox).await.unwrap();
            // Who was told of what as recent is not kept for sure.
            let head = Head { first_recent_uid: 0, ..open.head() };
            let mut messages = Vec::new();
            for message in open.messages(&UidSet::range(1, u32::MAX)) {
                let keywords = message.flags.keywords().map(|index| head.keywords[index].clone()).collect();
                let body = store.read_body(message.body).await.unwrap();
                assert_eq!(body.len(), message.size as usize);
                messages.push((message, keywords, delivery_of(&body)));
            }
            let vanished = open.changes_since(0).vanished;
            let mailbox = ShownMailbox { id: mailbox.id(), head, vanished, messages };
            let at = format!("{} {}", account.name, mailbox.head.name);
            let entries = store.metadata(account.id, Some(mailbox.id)).into_iter();
            shown.metadata.extend(entries.map(|(entry, value)| ((at.clone(), entry), value)));
            shown.mailboxes.insert((account.name.clone(), mailbox.head.name.clone()), mailbox);
        }
        let entries = store.metadata(account.id, None).into_iter();
        shown.metadata.extend(entries.map(|(entry, value)| ((account.name.clone(), entry), value)));
        shown.metadata_changes.extend(store.metadata_changes_since(account.id, 0).changes);
        let (subscriptions, mod_seq) = (store.subscriptions(account.id), store.account_mod_seq(account.id));
        let quota = store.own_quota(account.id);
        shown.scripts.extend(store.script(account.id).map(|script| (account.id, script)));
        shown.accounts.push((account.as_ref().clone(), subscriptions, mod_seq, quota));
    }
    shown
}

/// A store in a folder, and what must never repeat.
struct History {
    dir: TempDir,
    saved: TempDir,
    store: Option<Store>,
    bodies: usize,
    /// What was ever given, with the delivery that got it.
    given: BTreeMap<(u32, Uid), String>,
    uid_validities: BTreeMap<u32, MailboxId>,
}

impl History {
    async fn begin() -> History {
        let (dir, saved) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut history =
            History { dir, saved, store: None, bodies: 0, given: BTreeMap::new(), uid_validities: BTreeMap::new() };
        history.open();
        history.take(Step::AddAccount(0)).await;
        history
    }

    fn open(&mut self) {
        let options = Options { segment_octets: SEGMENT_OCTETS, ..Options::default() };
        self.store = Some(open_with(self.dir.path(), options));
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn mailbox(&self, at: usize) -> Arc<Mailbox> {
        let store = self.store();
        let all: Vec<_> = store.accounts().iter().flat_map(|account| store.mailboxes(account.id)).collect();
        match all.get(at % all.len().max(1)) {
            Some(mailbox) => Arc::clone(mailbox),
            // Something that nobody has any more.
            None => Mailbox::new(super::super::mailbox::MailboxData::from_head(
                super::super::journal::record::HeadRecord::new(MailboxId(0), AccountId(0), "x".into(), 1, None, 1),
            )),
        }
    }

    fn account(&self, at: usize) -> AccountId {
        self.store().account(ACCOUNTS[at]).map_or(AccountId(0), |account| account.id)
    }

    /// Takes a step; one that is refused is a step, too.
    async fn take(&mut self, step: Step) {
        let store = self.store().clone();
        match step {
            Step::Deliver { to, keyword, octets } => {
                self.bodies += 1;
                let mut body = store.incoming();
                let text = format!("{}{}", self.bodies, "x".repeat(octets));
                body.push(&message(&text)).await.unwrap();
                let keywords: Vec<_> = keyword.iter().map(|at| KEYWORDS[*at].to_owned()).collect();
                let flags = FlagNames { system: Flags::SEEN, keywords };
                let placements =
                    to.iter().map(|at| Placement { mailbox: self.mailbox(*at), flags: flags.clone() }).collect();
                let _refused = store.deliver(NewMessage { body, internal_date: None }, placements).await;
            }
            Step::Append { mailbox, keyword, count, replaced } => {
                let to = self.mailbox(mailbox);
                let replaced = match replaced {
                    Some((from, uid)) => {
                        let from = self.mailbox(from);
                        if from.account() != to.account() {
                            return;
                        }
                        let Ok(open) = store.open_mailbox(&from).await else { return };
                        Some((open, uid))
                    }
                    None => None,
                };
                let mut messages = Vec::new();
                for _ in 0..count {
                    self.bodies += 1;
                    let mut body = store.incoming();
                    body.push(&message(&self.bodies.to_string())).await.unwrap();
                    let keywords: Vec<_> = keyword.iter().map(|at| KEYWORDS[*at].to_owned()).collect();
                    let flags = FlagNames { system: Flags::NONE, keywords };
                    messages.push(Appending { message: NewMessage { body, internal_date: None }, flags });
                }
                let _refused = store.append(&to, messages, replaced).await;
            }
            Step::Flags { mailbox, uids, action, keyword } => {
                let Ok(open) = store.open_mailbox(&self.mailbox(mailbox)).await else { return };
                let keywords: Vec<_> = keyword.iter().map(|at| KEYWORDS[*at].to_owned()).collect();
                let flags = FlagNames { system: Flags::DELETED, keywords };
                let _refused = store.change_flags(&open, &UidSet::range(uids.0, uids.1), action, flags, None).await;
            }
            Step::Refer { from, to, uids, leave } => {
                let (from, to) = (self.mailbox(from), self.mailbox(to));
                if from.account() != to.account() {
                    return;
                }
                let Ok(open) = store.open_mailbox(&from).await else { return };
                let uids = UidSet::range(uids.0, uids.1);
                let _refused = match leave {
                    true => store.move_messages(&open, &uids, &to).await,
                    false => store.copy(&open, &uids, &to).await,
                };
            }
            Step::Expunge { mailbox, uids } => {
                let Ok(open) = store.open_mailbox(&self.mailbox(mailbox)).await else { return };
                let _refused = store.expunge(&open, &UidSet::range(uids.0, uids.1), false).await;
            }
            Step::Create { account, name } => {
                let _refused = store.create_mailbox(self.account(account), NAMES[name], None).await;
            }
            Step::Rename { account, from, to } => {
                let _refused = store.rename_mailbox(self.account(account), NAMES[from], NAMES[to]).await;
            }
            Step::Delete { account, name } => {
                let _refused = store.delete_mailbox(self.account(account), NAMES[name]).await;
            }
            Step::Subscribe { account, name, on } => {
                let _refused = store.set_subscribed(self.account(account), NAMES[name], on).await;
            }
            Step::SetMetadata { account, mailbox, entry, value } => {
                let (account, mailbox) = match mailbox.map(|at| self.mailbox(at)) {
                    Some(mailbox) => (mailbox.account(), Some(mailbox.id())),
                    None => (self.account(account), None),
                };
                let value = value.map(|at| VALUES[at].as_bytes().to_vec());
                let _refused = store.set_metadata(account, mailbox, vec![(ENTRIES[entry].to_owned(), value)]).await;
            }
            Step::AddAccount(at) => {
                let _refused = store.add_account(ACCOUNTS[at], ACCOUNTS[at], nobody()).await;
            }
            Step::RemoveAccount(at) => {
                let _refused = store.remove_account(self.account(at)).await;
            }
            Step::SetQuota(at, limit) => {
                // So large that nothing is refused.
                let quota = limit.map(|more| Quota { octets: Some((1 << 40) + u64::from(more)), messages: None });
                let _refused = store.set_quota(self.account(at), quota).await;
            }
            Step::SetScript(at, octets) => {
                // One value of the index holds 7 KiB of it.
                let script = octets.map(|octets| octets.to_string().repeat(octets / 4).into());
                let _refused = store.set_script(self.account(at), script).await;
            }
            Step::SetAlias(at, targets) => {
                // The longest do not fit into one piece of the index.
                let alias = |count| Alias {
                    display_name: ALIASES[at].to_uppercase(),
                    targets: (0..count).map(|number| format!("target{number}@a-long-enough.example.org")).collect(),
                };
                store.set_alias(ALIASES[at], targets.map(alias)).await.unwrap();
            }
            Step::SetCredentials(at, secret) => {
                let credentials = Credentials { password_hash: secret.to_string(), scram_sha_256: None };
                let _refused = store.set_credentials(self.account(at), credentials).await;
            }
            Step::Compact => compact(&store).await,
            Step::SaveIndex => {
                // After a checkpoint sled is at rest.
                compact(&store).await;
                fs::remove_dir_all(self.saved.path()).unwrap();
                copy_dir(&self.dir.path().join("index"), self.saved.path());
            }
            Step::Reopen { clean, index, tail } => {
                drop(store);
                self.reopen(clean, index, tail).await;
            }
        }
        self.nothing_repeats().await;
    }

    async fn reopen(&mut self, clean: bool, index: OnDisk, tail: usize) {
        let before = shown(self.store()).await;
        let store = self.store.take().unwrap();
        if clean {
            store.close().await.unwrap();
        }
        crash(store);
        let index_dir = self.dir.path().join("index");
        match index {
            OnDisk::Stays => {}
            OnDisk::IsDeleted => fs::remove_dir_all(&index_dir).unwrap(),
            OnDisk::IsAnOlderOne if fs::read_dir(self.saved.path()).unwrap().next().is_none() => {}
            OnDisk::IsAnOlderOne => {
                fs::remove_dir_all(&index_dir).unwrap();
                copy_dir(self.saved.path(), &index_dir);
            }
        }
        if tail > 0
            && let Some(newest) = segment_files(self.dir.path()).last()
        {
            // A commit that was never answered, cut off.
            let octets = fs::read(newest).unwrap();
            let record = &octets[super::super::journal::segment::SEGMENT_HEADER_OCTETS.min(octets.len())..];
            let torn = [&octets[..], &record[..tail.min(record.len())]].concat();
            fs::write(newest, torn).unwrap();
        }
        self.open();
        assert_eq!(shown(self.store()).await, before);
        let store = self.store.take().unwrap();
        crash(store);
        assert_eq!(check(self.dir.path()).findings, []);
        self.open();
        assert_eq!(shown(self.store()).await, before);
    }

    async fn nothing_repeats(&mut self) {
        let now = shown(self.store()).await;
        for mailbox in now.mailboxes.values() {
            let uid_validity = mailbox.head.uid_validity;
            assert_eq!(*self.uid_validities.entry(uid_validity).or_insert(mailbox.id), mailbox.id, "UIDVALIDITY");
            for (message, _, body) in &mailbox.messages {
                let given = self.given.entry((uid_validity, message.uid)).or_insert_with(|| body.clone());
                assert_eq!(given, body, "UID {} of {}", message.uid, mailbox.head.name);
            }
        }
    }
}

proptest! {
    // Each opens a few stores; more of them are for a longer run (PROPTEST_CASES).
    #![proptest_config(ProptestConfig { max_shrink_iters: 400, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn a_store_is_after_a_crash_what_it_was_before(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut history = History::begin().await;
            for step in steps {
                history.take(step).await;
            }
            for index in [OnDisk::Stays, OnDisk::IsAnOlderOne, OnDisk::IsDeleted] {
                history.reopen(false, index, 0).await;
            }
        });
    }
}
