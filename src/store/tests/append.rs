//! Messages that come in together, or instead of another: all or nothing, in memory and after a crash.

use super::*;

async fn appending(store: &Store, text: &str) -> Appending {
    let mut body = store.incoming();
    body.push(&message(text)).await.unwrap();
    Appending { message: NewMessage { body, internal_date: None }, flags: FlagNames::default() }
}

async fn all(store: &Store, texts: &[&str]) -> Vec<Appending> {
    let mut messages = Vec::new();
    for text in texts {
        messages.push(appending(store, text).await);
    }
    messages
}

fn named(shown: &[(Uid, &str)]) -> Vec<(Uid, String)> {
    shown.iter().map(|(uid, text)| (*uid, (*text).to_owned())).collect()
}

/// Cuts the newest segment within its last record.
fn tear_last_record(dir: &Path) {
    let path = segment_files(dir).pop().unwrap();
    let octets = fs::read(&path).unwrap();
    let last = (0..octets.len()).step_by(8).rfind(|at| octets[*at..].starts_with(b"PbRc")).unwrap();
    fs::write(&path, &octets[..last + 44]).unwrap();
}

#[tokio::test]
async fn messages_come_in_together_and_one_leaves() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let drafts = store.create_mailbox(id, "Drafts", None).await.unwrap();
    let appended = store.append(&inbox, all(&store, &["one", "two", "three"]).await, None).await.unwrap();
    assert_eq!(appended.uids, [1, 2, 3]);
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let mod_seq = open_inbox.head().highest_mod_seq;
    let replaced = Some((open_inbox.clone(), 2));
    store.append(&inbox, all(&store, &["two again"]).await, replaced).await.unwrap();
    let replaced = Some((open_inbox.clone(), 1));
    store.append(&drafts, all(&store, &["one elsewhere"]).await, replaced).await.unwrap();
    let changes = open_inbox.changes_since(mod_seq);
    assert_eq!(changes.vanished, UidSet::range(1, 2));
    assert_eq!(changes.changed.iter().map(|message| message.uid).collect::<Vec<_>>(), [4]);
    // What is not there is not replaced, and nothing comes in.
    let replaced = Some((open_inbox.clone(), 1));
    let gone = store.append(&inbox, all(&store, &["never"]).await, replaced).await;
    assert_eq!(gone, Err(Error::Gone));
    drop(open_inbox);
    let (in_inbox, in_drafts) = (named(&[(3, "three"), (4, "two again")]), named(&[(1, "one elsewhere")]));
    assert_eq!(subjects(&store, &inbox).await, in_inbox);
    drop((inbox, drafts));
    crash(store);
    for without_index in [false, true] {
        if without_index {
            fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        let store = open(dir.path());
        assert_eq!(subjects(&store, &store.mailbox(id, "INBOX").unwrap()).await, in_inbox);
        assert_eq!(subjects(&store, &store.mailbox(id, "Drafts").unwrap()).await, in_drafts);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn a_crash_between_bodies_and_their_record_leaves_no_message_and_no_space() {
    for (without_index, replace) in [(false, false), (false, true), (true, false), (true, true)] {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path());
        let (id, inbox) = account(&store, "a@example.org").await;
        deliver(&store, &[&inbox], &message("kept")).await;
        let open_inbox = store.open_mailbox(&inbox).await.unwrap();
        let replaced = replace.then(|| (open_inbox.clone(), 1));
        store.append(&inbox, all(&store, &["half", "a thing"]).await, replaced).await.unwrap();
        drop((inbox, open_inbox));
        crash(store);
        tear_last_record(dir.path());
        if without_index {
            fs::remove_dir_all(dir.path().join("index")).unwrap();
        }

        let options = Options { segment_octets: 300, ..Options::default() };
        let store = open_with(dir.path(), options.clone());
        let inbox = store.mailbox(id, "INBOX").unwrap();
        assert_eq!(subjects(&store, &inbox).await, named(&[(1, "kept")]));
        // Their octets are not counted as needed, and go with the next compaction.
        let used = store.inner.state.bodies().segments()[&1];
        assert!(used.live * 2 < used.octets, "{used:?}");
        for text in ["next", "last"] {
            deliver(&store, &[&inbox], &message(&format!("{text} {}", "x".repeat(300)))).await;
        }
        compact(&store).await;
        assert!(!dir.path().join("journal/0000000001.segment").exists());
        let shown = subjects(&store, &inbox).await;
        assert_eq!(shown.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [1, 2, 3]);
        drop(inbox);
        crash(store);
        fs::remove_dir_all(dir.path().join("index")).unwrap();
        let store = open_with(dir.path(), options);
        assert_eq!(subjects(&store, &store.mailbox(id, "INBOX").unwrap()).await, shown);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn a_refused_message_refuses_all() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    let mut messages = all(&store, &["one", "two"]).await;
    messages[1].flags.keywords = (0..=KEYWORDS_MAX).map(|number| format!("k{number}")).collect();
    assert_eq!(store.append(&inbox, messages, None).await, Err(Error::TooManyKeywords));
    assert_eq!(subjects(&store, &inbox).await, []);
    assert_eq!(store.open_mailbox(&inbox).await.unwrap().head().keywords.len(), 0);
}

/// Segments so small that each body fills one: they are compacted while the group that they belong to is being published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_leaves_bodies_that_are_about_to_be_placed() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), Options { segment_octets: 300, ..Options::default() });
    let (id, inbox) = account(&store, "a@example.org").await;
    let compacting = tokio::spawn({
        let store = store.clone();
        async move {
            for _ in 0..20 {
                compact(&store).await;
            }
        }
    });
    let mut expected = Vec::new();
    for round in 0..20u32 {
        let texts = [format!("{round} a"), format!("{round} b"), format!("{round} c")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let appended = store.append(&inbox, all(&store, &texts).await, None).await.unwrap();
        expected.extend(appended.uids.iter().copied().zip(texts.iter().map(|text| (*text).to_owned())));
    }
    compacting.await.unwrap();
    assert_eq!(subjects(&store, &inbox).await, expected);
    drop(inbox);
    crash(store);
    let store = open(dir.path());
    assert_eq!(subjects(&store, &store.mailbox(id, "INBOX").unwrap()).await, expected);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}
