//! What the store promises, shown from outside: nothing answered is lost, UIDs never repeat, the feed tells everything.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::maintenance::Order;
use super::*;

mod append;
mod damage;
mod groups;
mod histories;
mod metadata;
mod quota;
mod rebuild;
mod recipients;
mod script;
mod special_use;

fn nobody() -> Credentials {
    Credentials { password_hash: String::new(), scram_sha_256: None }
}

fn open(dir: &Path) -> Store {
    open_with(dir, Options::default())
}

/// Accounts have INBOX alone here, so that a test names all that there is.
fn open_with(dir: &Path, options: Options) -> Store {
    Store::open(dir, Options { special_mailboxes: false, ..options }).unwrap()
}

async fn account(store: &Store, name: &str) -> (AccountId, Arc<Mailbox>) {
    let account = store.add_account(name, name, nobody()).await.unwrap();
    let inbox = store.mailbox(account.id, "inbox").unwrap();
    (account.id, inbox)
}

async fn deliver(store: &Store, mailboxes: &[&Arc<Mailbox>], octets: &[u8]) -> Delivered {
    let mut body = store.incoming();
    body.push(octets).await.unwrap();
    let placements = mailboxes
        .iter()
        .map(|mailbox| Placement { mailbox: Arc::clone(mailbox), flags: FlagNames::default() })
        .collect();
    store.deliver(NewMessage { body, internal_date: None }, placements).await.unwrap()
}

fn message(text: &str) -> Vec<u8> {
    format!("From: a@example.org\r\nSubject: {text}\r\n\r\nThis is {text}.\r\n").into_bytes()
}

async fn subjects(store: &Store, mailbox: &Arc<Mailbox>) -> Vec<(Uid, String)> {
    let open = store.open_mailbox(mailbox).await.unwrap();
    let mut subjects = Vec::new();
    for message in open.messages(&UidSet::range(1, u32::MAX)) {
        let body = store.read_body(message.body).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned();
        subjects.push((message.uid, subject));
    }
    subjects
}

/// Ends without a checkpoint, as `kill -9` does.
fn crash(store: Store) {
    drop(store);
}

async fn compact(store: &Store) {
    let threads = Arc::clone(&store.threads);
    tokio::task::spawn_blocking(move || {
        let (answer, answered) = std::sync::mpsc::channel();
        threads.maintenance.send(Order::Compact(answer)).unwrap();
        answered.recv().unwrap().unwrap();
    })
    .await
    .unwrap();
}

fn check(dir: &Path) -> Report {
    Store::check(dir, false).unwrap()
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash_and_after_a_clean_end() {
    let dir = TempDir::new().unwrap();
    for clean in [false, true] {
        let store = open(dir.path());
        let name = if clean { "clean@example.org" } else { "crash@example.org" };
        let (_, inbox) = account(&store, name).await;
        for text in ["one", "two", "three"] {
            deliver(&store, &[&inbox], &message(text)).await;
        }
        drop(inbox);
        if clean {
            store.close().await.unwrap();
        }
        crash(store);
        let store = open(dir.path());
        let id = store.account(name).unwrap().id;
        let inbox = store.mailbox(id, "INBOX").unwrap();
        let expected = [(1, "one".to_owned()), (2, "two".to_owned()), (3, "three".to_owned())];
        assert_eq!(subjects(&store, &inbox).await, expected);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn a_store_without_its_index_is_rebuilt_whole() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let archive = store.create_mailbox(id, "Archive/2026", None).await.unwrap();
    for number in 0..200 {
        deliver(&store, &[&inbox], &message(&number.to_string())).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.copy(&open_inbox, &UidSet::range(1, 50), &archive).await.unwrap();
    store.move_messages(&open_inbox, &UidSet::range(51, 60), &archive).await.unwrap();
    let flags = FlagNames { system: Flags::SEEN, keywords: vec!["$Work".to_owned()] };
    store.change_flags(&open_inbox, &UidSet::range(1, 10), FlagAction::Add, flags, None).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(190, 200), false).await.unwrap();
    store.rename_mailbox(id, "Archive", "Old").await.unwrap();
    store.set_subscribed(id, "Old", true).await.unwrap();
    let before = (subjects(&store, &inbox).await, subjects(&store, &archive).await, inbox.head(), archive.head());
    drop(open_inbox);
    store.close().await.unwrap();
    crash(store);

    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    let archive = store.mailbox(id, "Old/2026").unwrap();
    let after = (subjects(&store, &inbox).await, subjects(&store, &archive).await, inbox.head(), archive.head());
    assert_eq!(after.0, before.0);
    assert_eq!(after.1, before.1);
    // Only what was recent is not known any more.
    assert_eq!(Head { first_recent_uid: before.2.first_recent_uid, ..after.2 }, before.2);
    assert_eq!(Head { first_recent_uid: before.3.first_recent_uid, ..after.3 }, before.3);
    assert_eq!(store.subscriptions(id), ["INBOX", "Old"]);
    assert_eq!(deliver(&store, &[&inbox], &message("next")).await.places[0].uid, 201, "a UID is never given twice");
    store.close().await.unwrap();
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}

#[tokio::test]
async fn one_body_stands_for_all_recipients_and_goes_with_the_last() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, one) = account(&store, "one@example.org").await;
    let (_, two) = account(&store, "two@example.org").await;
    let delivered = deliver(&store, &[&one, &two], &message("to both")).await;
    assert_eq!(delivered.places.len(), 2);
    let (open_one, open_two) = (store.open_mailbox(&one).await.unwrap(), store.open_mailbox(&two).await.unwrap());
    let body = open_one.message(1).unwrap().body;
    assert_eq!(open_two.message(1).unwrap().body, body);
    store.expunge(&open_one, &UidSet::range(1, 1), false).await.unwrap();
    store.read_body(body).await.unwrap();
    store.expunge(&open_two, &UidSet::range(1, 1), false).await.unwrap();
    assert_eq!(store.read_body(body).await, Err(Error::Gone));
}

#[tokio::test]
async fn a_change_is_told_before_it_is_answered_and_seen_by_whoever_looks() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let mut listener = store.hub().listen(Bell::Mailbox(inbox.id()));
    let mut account_listener = store.hub().listen(Bell::Account(id));
    let open = store.open_mailbox(&inbox).await.unwrap();
    let from = open.snapshot().head.highest_mod_seq;
    let delivered = deliver(&store, &[&inbox], &message("news")).await;
    assert!(listener.take() && account_listener.take());
    assert_eq!(delivered.places[0].told, 1);
    let changes = open.changes_since(from);
    assert_eq!(changes.changed.len(), 1);
    assert_eq!(changes.highest_mod_seq, delivered.places[0].mod_seq);
    store.delete_mailbox(id, "INBOX").await.unwrap_err();
    let other = store.create_mailbox(id, "Other", None).await.unwrap();
    let mut other_listener = store.hub().listen(Bell::Mailbox(other.id()));
    store.delete_mailbox(id, "Other").await.unwrap();
    assert!(other_listener.take() && other.head().gone);
}

#[tokio::test]
async fn many_writers_share_syncs_and_no_uid_is_given_twice() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let (store, inbox) = (store.clone(), Arc::clone(&inbox));
            tokio::spawn(async move {
                let mut given = Vec::new();
                for number in 0..20 {
                    let text = format!("{writer}-{number}");
                    given.push((deliver(&store, &[&inbox], &message(&text)).await.places[0].uid, text));
                }
                given
            })
        })
        .collect();
    let mut given = HashMap::new();
    for writer in writers {
        for (uid, text) in writer.await.unwrap() {
            assert_eq!(given.insert(uid, text), None, "UID {uid} was given twice");
        }
    }
    crash(store);
    let store = open(dir.path());
    let inbox = store.mailbox(store.account("a@example.org").unwrap().id, "INBOX").unwrap();
    let there: HashMap<_, _> = subjects(&store, &inbox).await.into_iter().collect();
    assert_eq!(there, given);
}

#[tokio::test]
async fn compaction_gives_space_back_and_forgets_nothing() {
    let dir = TempDir::new().unwrap();
    let options = Options { segment_octets: 20_000, ..Options::default() };
    let store = open_with(dir.path(), options.clone());
    let (id, inbox) = account(&store, "a@example.org").await;
    let (gone, _) = account(&store, "gone@example.org").await;
    store.create_mailbox(id, "Deleted", None).await.unwrap();
    store.delete_mailbox(id, "Deleted").await.unwrap();
    store.remove_account(gone).await.unwrap();
    for number in 0..300 {
        deliver(&store, &[&inbox], &message(&format!("{number} {}", "x".repeat(200)))).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let flags = FlagNames { system: Flags::FLAGGED, keywords: vec!["Kept".to_owned()] };
    store.change_flags(&open_inbox, &UidSet::range(100, 101), FlagAction::Add, flags, None).await.unwrap();
    let mut leave = UidSet::range(1, 300);
    for uid in [7, 100, 101, 250] {
        leave.remove(uid);
    }
    store.expunge(&open_inbox, &leave, false).await.unwrap();
    let segments = || fs::read_dir(dir.path().join("journal")).unwrap().count();
    let before = segments();
    let kept = open_inbox.messages(&UidSet::range(1, u32::MAX));
    for _ in 0..3 {
        compact(&store).await;
    }
    assert!(segments() < before / 2, "{} of {before} segments are left", segments());
    let shown = subjects(&store, &inbox).await;
    assert_eq!(shown.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [7, 100, 101, 250]);
    drop(open_inbox);

    store.close().await.unwrap();
    crash(store);

    // Whether the index lives or has to be made anew: the same, and no UID comes back.
    for rebuild in [false, true] {
        if rebuild {
            fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        let store = open_with(dir.path(), options.clone());
        let inbox = store.mailbox(id, "INBOX").unwrap();
        let open_inbox = store.open_mailbox(&inbox).await.unwrap();
        assert_eq!(open_inbox.messages(&UidSet::range(1, u32::MAX)), kept);
        assert_eq!(subjects(&store, &inbox).await, shown);
        let vanished = open_inbox.changes_since(1).vanished.intersection(&UidSet::range(1, 300));
        assert_eq!(vanished.len(), 296, "who was away is told what left");
        assert_eq!(inbox.head().keywords.as_ref(), &["Kept"]);
        assert!(store.account("gone@example.org").is_none() && store.mailbox(id, "Deleted").is_none());
        let next = deliver(&store, &[&inbox], &message("next")).await.places[0].uid;
        assert_eq!(next, if rebuild { 302 } else { 301 });
        store.expunge(&open_inbox, &UidSet::range(next, next), false).await.unwrap();
        drop(open_inbox);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn an_older_index_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    let index = dir.path().join("index");
    let saved = dir.path().join("saved");
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("old")).await;
    store.close().await.unwrap();
    crash(store);
    copy_dir(&index, &saved);

    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    deliver(&store, &[&inbox], &message("new")).await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 1), false).await.unwrap();
    drop(open_inbox);
    store.close().await.unwrap();
    crash(store);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&saved, &index).unwrap();

    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(2, "new".to_owned())]);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}

#[tokio::test]
async fn a_journal_from_a_backup_is_not_mixed_with_a_newer_index() {
    let dir = TempDir::new().unwrap();
    let (journal, backup) = (dir.path().join("journal"), dir.path().join("backup"));
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("saved")).await;
    copy_dir(&journal, &backup);
    deliver(&store, &[&inbox], &message("not saved")).await;
    store.close().await.unwrap();
    crash(store);
    fs::remove_dir_all(&journal).unwrap();
    fs::rename(&backup, &journal).unwrap();

    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "saved".to_owned())]);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn segment_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_index_of_rubbish_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("kept")).await;
    store.close().await.unwrap();
    crash(store);
    let index = dir.path().join("index");
    for name in ["db", "conf"] {
        fs::write(index.join(name), vec![0xa5; 5_000]).unwrap();
    }
    assert!(matches!(check(dir.path()).findings[..], [Finding::UnusableIndex(_)]));
    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "kept".to_owned())]);
}

#[tokio::test]
async fn a_journal_that_is_missing_is_not_taken_for_an_empty_one() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    account(&store, "a@example.org").await;
    store.close().await.unwrap();
    crash(store);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let refused = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(refused.to_string().contains("put its folder back"), "{refused}");
}

#[tokio::test]
async fn a_cut_off_tail_costs_only_what_was_never_answered() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("answered")).await;
    let whole = fs::metadata(&segment_files(dir.path())[0]).unwrap().len();
    deliver(&store, &[&inbox], &message("cut off")).await;
    drop(inbox);
    crash(store);
    let file = fs::OpenOptions::new().write(true).open(&segment_files(dir.path())[0]).unwrap();
    file.set_len(whole + 50).unwrap();

    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "answered".to_owned())]);
    deliver(&store, &[&inbox], &message("after")).await;
    crash(store);
    assert_eq!(segment_files(dir.path()).len(), 2, "nothing is written behind a tail");
    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "answered".to_owned()), (2, "after".to_owned())]);
}

#[tokio::test]
async fn a_flipped_bit_hits_one_message_and_is_found() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    for text in ["first", "needle", "last"] {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    store.close().await.unwrap();
    crash(store);
    let path = &segment_files(dir.path())[0];
    let mut octets = fs::read(path).unwrap();
    // Its preview, which comes before it, holds the words too.
    let at = octets.windows(14).rposition(|window| window == b"This is needle").unwrap();
    octets[at] ^= 1;
    fs::write(path, octets).unwrap();

    let report = check(dir.path());
    let seen = vec![("a@example.org".to_owned(), "INBOX".to_owned(), 2)];
    assert!(matches!(&report.findings[..], [Finding::DamagedBody { seen: at, .. }] if *at == seen), "{report}");
    let store = open(dir.path());
    let inbox = store.open_mailbox(&store.mailbox(id, "INBOX").unwrap()).await.unwrap();
    let bodies: Vec<_> = inbox.messages(&UidSet::range(1, 3)).iter().map(|message| message.body).collect();
    store.read_body(bodies[0]).await.unwrap();
    assert!(matches!(store.read_body(bodies[1]).await, Err(Error::Damaged(_))));
    // Not even the octets before the damage are given out.
    assert!(matches!(store.read_range(bodies[1], 0, 5).await, Err(Error::Damaged(_))));
    assert_eq!(store.read_range(bodies[2], 1, 4).await.unwrap().as_ref(), b"rom:");
    store.read_body(bodies[2]).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_does_not_hide_those_behind_it() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let mut ends = Vec::new();
    for text in ["first", "lost", "last"] {
        deliver(&store, &[&inbox], &message(text)).await;
        ends.push(fs::metadata(&segment_files(dir.path())[0]).unwrap().len());
    }
    store.close().await.unwrap();
    crash(store);
    let path = &segment_files(dir.path())[0];
    let mut octets = fs::read(path).unwrap();
    octets[ends[0] as usize + 10] ^= 1;
    fs::write(path, octets).unwrap();
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "first".to_owned()), (3, "last".to_owned())]);
    crash(store);
    let expected = Finding::LostRecords { segment: 1, from: ends[0], to: ends[1] };
    assert_eq!(check(dir.path()).findings, [expected]);
}

#[tokio::test]
async fn mailboxes_that_nobody_uses_leave_memory_and_come_back() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    for number in 0..100 {
        deliver(&store, &[&inbox], &message(&number.to_string())).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(3, 90), false).await.unwrap();
    let before = open_inbox.messages(&UidSet::range(1, 100));
    let mod_seq = inbox.head().highest_mod_seq;
    drop(open_inbox);
    compact(&store).await;
    assert!(inbox.evict());
    assert_eq!(inbox.head().exists, 12, "the head stays");
    deliver(&store, &[&inbox], &message("while away")).await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    assert_eq!(open_inbox.messages(&UidSet::range(1, 100)), before);
    assert_eq!(open_inbox.changes_since(mod_seq).changed.len(), 1);
    assert_eq!(open_inbox.changes_since(mod_seq - 1).vanished.len(), 88);
    drop(open_inbox);
    store.close().await.unwrap();
    crash(store);
    assert_eq!(check(dir.path()).messages, 13);
    let store = open(dir.path());
    assert_eq!(store.mailboxes(id)[0].head().exists, 13);
}

#[tokio::test]
async fn names_follow_the_rules_of_rename() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let names = |store: &Store| -> Vec<String> {
        store.mailboxes(id).iter().map(|mailbox| mailbox.head().name.clone()).collect()
    };
    let a = store.create_mailbox(id, "a/b/c/", None).await.unwrap();
    assert_eq!(names(&store), ["INBOX", "a", "a/b", "a/b/c"]);
    let uid_validity = a.head().uid_validity;
    store.rename_mailbox(id, "a/b", "x/y").await.unwrap();
    assert_eq!(names(&store), ["INBOX", "a", "x", "x/y", "x/y/c"]);
    assert_eq!(a.head().uid_validity, uid_validity, "a fresh name keeps it");
    store.rename_mailbox(id, "x/y", "a/b").await.unwrap();
    assert!(a.head().uid_validity > uid_validity, "a name that was used before does not");
    assert_eq!(store.rename_mailbox(id, "a", "a/b/d").await.unwrap_err().to_string().split(':').count(), 2);
    assert_eq!(store.rename_mailbox(id, "none", "other").await, Err(Error::NoSuchMailbox));
    assert_eq!(store.rename_mailbox(id, "x", "a").await, Err(Error::MailboxExists));
    assert_eq!(store.create_mailbox(id, "Inbox", None).await.unwrap_err(), Error::MailboxExists);
    deliver(&store, &[&inbox], &message("moves")).await;
    store.rename_mailbox(id, "INBOX", "Old").await.unwrap();
    assert_eq!(inbox.head().exists, 0);
    let old = store.mailbox(id, "Old").unwrap();
    assert_eq!(subjects(&store, &old).await, [(1, "moves".to_owned())]);
    assert_eq!(store.rename_mailbox(id, "INBOX", "Old").await, Err(Error::MailboxExists));
    store.delete_mailbox(id, "a").await.unwrap();
    assert_eq!(names(&store), ["INBOX", "Old", "a/b", "a/b/c", "x"], "inferiors stay");
}

#[tokio::test]
async fn a_customary_name_says_what_a_mailbox_is_for() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, _) = account(&store, "a@example.org").await;
    let mut uses = Vec::new();
    for name in ["Sent", "Sent Items", "Drafts", "Work/Drafts"] {
        uses.push(store.create_mailbox(id, name, None).await.unwrap().head().special_use);
    }
    assert_eq!(uses, [Some(SpecialUse::Sent), None, Some(SpecialUse::Drafts), None], "each use once");
}

#[tokio::test]
async fn keywords_have_an_end() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("one")).await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let all = open_inbox.snapshot().uids;
    let set = |names: Vec<String>| {
        let flags = FlagNames { system: Flags::NONE, keywords: names };
        store.change_flags(&open_inbox, &all, FlagAction::Add, flags, None)
    };
    let names: Vec<String> = (0..KEYWORDS_MAX).map(|number| format!("k{number}")).collect();
    assert_eq!(set(names).await.unwrap().messages[0].flags.keywords().count(), KEYWORDS_MAX);
    assert_eq!(set(vec!["K7".to_owned()]).await.unwrap().messages[0].flags.keywords().count(), KEYWORDS_MAX);
    assert_eq!(set(vec!["more".to_owned()]).await.unwrap_err(), Error::TooManyKeywords);
}

#[tokio::test]
async fn flags_keep_their_mod_sequence_when_nothing_changes() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    for text in ["one", "two"] {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let all = open_inbox.snapshot().uids;
    let seen = || FlagNames { system: Flags::SEEN, keywords: Vec::new() };
    let first = store.change_flags(&open_inbox, &UidSet::range(1, 1), FlagAction::Add, seen(), None).await.unwrap();
    let mod_seq = first.messages[0].mod_seq;
    let second = store.change_flags(&open_inbox, &all, FlagAction::Add, seen(), Some(mod_seq - 1)).await.unwrap();
    assert_eq!(second.modified, UidSet::range(1, 1));
    assert_eq!(second.messages.len(), 1);
    assert_eq!(open_inbox.message(1).unwrap().mod_seq, mod_seq);
    assert!(open_inbox.message(2).unwrap().mod_seq > mod_seq);
}

#[tokio::test]
async fn one_process_owns_a_store() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), Options::default()), Err(OpenError::InUse(_))));
    assert!(matches!(Store::check(dir.path(), false), Err(OpenError::InUse(_))));
    store.close().await.unwrap();
    assert_eq!(store.add_account("a", "a", nobody()).await.unwrap_err(), Error::Closing);
    drop(store);
    open(dir.path());
}

mod failing {
    //! A disk whose syncs and reads fail when they are told to.

    use std::io;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::disk::{Disk, DiskFile, RealDisk};
    use super::*;

    /// What fails at this moment.
    #[derive(Debug, Default)]
    pub(super) struct Faults {
        pub(super) syncs: AtomicBool,
        pub(super) reads: AtomicBool,
    }

    impl Faults {
        fn meet(fault: &AtomicBool) -> io::Result<()> {
            if fault.load(Ordering::Relaxed) { Err(io::Error::other("EIO")) } else { Ok(()) }
        }
    }

    #[derive(Debug)]
    pub(super) struct FailingDisk(pub(super) Arc<Faults>);

    #[derive(Debug)]
    struct FailingFile(Arc<dyn DiskFile>, Arc<Faults>);

    impl DiskFile for FailingFile {
        fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.0.write_at(bytes, offset)
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            Faults::meet(&self.1.reads)?;
            self.0.read_at(buffer, offset)
        }
        fn sync_data(&self) -> io::Result<()> {
            Faults::meet(&self.1.syncs)?;
            self.0.sync_data()
        }
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
    }

    impl Disk for FailingDisk {
        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(FailingFile(RealDisk.create(path)?, Arc::clone(&self.0))))
        }
        fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(FailingFile(RealDisk.open(path)?, Arc::clone(&self.0))))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }
        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            RealDisk.sync_dir(path)
        }
        fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
            RealDisk.list(path)
        }
        fn free_space(&self, path: &Path) -> io::Result<u64> {
            RealDisk.free_space(path)
        }
    }

    #[tokio::test]
    async fn a_failed_sync_is_never_called_a_success() {
        let dir = TempDir::new().unwrap();
        let faults = Arc::new(Faults::default());
        let disk = Arc::new(FailingDisk(Arc::clone(&faults)));
        let store = Store::open_on(disk, dir.path(), Options::default()).unwrap();
        let (_, inbox) = account(&store, "a@example.org").await;
        deliver(&store, &[&inbox], &message("before")).await;
        faults.syncs.store(true, Ordering::Relaxed);
        let send = async || {
            let mut body = store.incoming();
            body.push(&message("failing")).await?;
            let placement = Placement { mailbox: Arc::clone(&inbox), flags: FlagNames::default() };
            store.deliver(NewMessage { body, internal_date: None }, vec![placement]).await
        };
        assert!(matches!(send().await, Err(Error::WriteFailed(_))));
        assert!(store.failed().await.contains("EIO"));
        // The disk seems well again, and proves nothing by that.
        faults.syncs.store(false, Ordering::Relaxed);
        assert!(matches!(send().await, Err(Error::WriteFailed(_))));
        assert_eq!(subjects(&store, &inbox).await, [(1, "before".to_owned())], "reads go on");
    }
}
