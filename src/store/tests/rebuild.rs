//! What is made anew from the journal after compaction has taken records out of it.

use super::*;

/// So small that each message fills a segment.
fn small() -> Options {
    Options { segment_octets: 300, ..Options::default() }
}

/// Compacts until all that can go has gone.
async fn compact_all(store: &Store) {
    for _ in 0..4 {
        compact(store).await;
    }
}

fn open_without_index(dir: &Path) -> Store {
    fs::remove_dir_all(dir.join("index")).unwrap();
    open_with(dir, small())
}

#[tokio::test]
async fn an_account_keeps_its_mailboxes_when_its_own_record_was_compacted() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message(&"x".repeat(300))).await;
    // Stands in a segment that is needed, behind the one with the account's record.
    let archive = store.create_mailbox(id, "Archive", None).await.unwrap();
    deliver(&store, &[&archive], &message(&format!("kept {}", "x".repeat(300)))).await;
    deliver(&store, &[&inbox], &message("newest")).await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 1), false).await.unwrap();
    drop(open_inbox);
    let before = subjects(&store, &archive).await;
    compact_all(&store).await;
    assert!(!dir.path().join("journal/0000000001.segment").exists(), "the account's record is gone");
    crash(store);

    let store = open_without_index(dir.path());
    let archive = store.mailbox(id, "Archive").unwrap();
    assert_eq!(subjects(&store, &archive).await, before);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}

#[tokio::test]
async fn an_account_is_found_by_a_name_that_another_had_before() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (first, _) = account(&store, "a@example.org").await;
    // The first account's record stays, since a message that is needed stands beside it.
    let (_, other) = account(&store, "other@example.org").await;
    deliver(&store, &[&other], &message(&"x".repeat(300))).await;
    store.remove_account(first).await.unwrap();
    for number in 0..6 {
        let name = format!("{number}@example.org");
        account(&store, &name).await;
    }
    let (second, _) = account(&store, "a@example.org").await;
    compact(&store).await;
    assert!(!dir.path().join("journal/0000000002.segment").exists(), "the record of the removal is gone");
    crash(store);

    let store = open_without_index(dir.path());
    assert_eq!(store.account("a@example.org").map(|account| account.id), Some(second));
}

#[tokio::test]
async fn an_index_older_than_a_segment_that_came_and_went_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let saved = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    compact(&store).await;
    copy_dir(&dir.path().join("index"), saved.path());

    // These come into segments that the saved index has not heard of, and which compaction takes away.
    for text in ["kept", "gone", "gone", "newest"] {
        deliver(&store, &[&inbox], &message(&format!("{text} {}", "x".repeat(300)))).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(2, 3), false).await.unwrap();
    drop(open_inbox);
    let before = subjects(&store, &inbox).await;
    compact_all(&store).await;
    crash(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    fs::rename(saved.path(), dir.path().join("index")).unwrap();

    let store = open_with(dir.path(), small());
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, before);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}

#[tokio::test]
async fn an_index_that_opens_and_makes_no_sense_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("kept")).await;
    store.close().await.unwrap();
    crash(store);
    for prefix in [b"A", b"M"] {
        let db = sled::open(dir.path().join("index")).unwrap();
        let (key, _) = db.scan_prefix(prefix).next().unwrap().unwrap();
        db.insert(key, &[0xff; 3]).unwrap();
        db.flush().unwrap();
        drop(db);
        let store = open_with(dir.path(), small());
        let inbox = store.mailbox(id, "INBOX").unwrap();
        assert_eq!(subjects(&store, &inbox).await, [(1, "kept".to_owned())]);
        store.close().await.unwrap();
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn copies_of_an_interrupted_compaction_do_not_stay_for_ever() {
    for with_index in [true, false] {
        let dir = TempDir::new().unwrap();
        let saved = TempDir::new().unwrap();
        let store = open_with(dir.path(), Options { segment_octets: 1_200, ..Options::default() });
        let (id, inbox) = account(&store, "a@example.org").await;
        deliver(&store, &[&inbox], &message("kept")).await;
        deliver(&store, &[&inbox], &message(&format!("gone {}", "x".repeat(600)))).await;
        let open_inbox = store.open_mailbox(&inbox).await.unwrap();
        store.expunge(&open_inbox, &UidSet::range(2, 2), false).await.unwrap();
        deliver(&store, &[&inbox], &message("newest")).await;
        drop(open_inbox);
        let before = subjects(&store, &inbox).await;
        store.close().await.unwrap();
        crash(store);
        copy_dir(dir.path(), saved.path());
        let store = open_with(dir.path(), small());
        compact(&store).await;
        crash(store);
        assert!(!dir.path().join("journal/0000000001.segment").exists(), "it was compacted");
        // As if it had ended before the index was pointed to the copies.
        let copies = segment_files(dir.path()).into_iter().find(|path| fs::read(path).unwrap()[40] == 1).unwrap();
        fs::copy(saved.path().join("journal/0000000001.segment"), dir.path().join("journal/0000000001.segment"))
            .unwrap();
        fs::remove_dir_all(dir.path().join("index")).unwrap();
        if with_index {
            copy_dir(&saved.path().join("index"), &dir.path().join("index"));
        }

        let store = open_with(dir.path(), small());
        let inbox = store.mailbox(id, "INBOX").unwrap();
        compact_all(&store).await;
        assert_eq!(subjects(&store, &inbox).await, before);
        assert!(!copies.exists());
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn compaction_comes_to_an_end_though_a_mailbox_state_is_larger_than_a_segment() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (_, inbox) = account(&store, "a@example.org").await;
    for number in 0..40 {
        deliver(&store, &[&inbox], &message(&number.to_string())).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 20), false).await.unwrap();
    for _ in 0..10 {
        let before = segment_files(dir.path());
        compact(&store).await;
        if segment_files(dir.path()) == before {
            assert!(before.len() < 40, "the space of the expunged is given back");
            return;
        }
    }
    panic!("it goes on for ever");
}

#[tokio::test]
async fn a_renamed_inbox_stands_in_one_record() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    for text in ["one", "gone", "three"] {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let work = FlagNames { system: Flags::SEEN, keywords: vec!["Work".to_owned()] };
    store.change_flags(&open_inbox, &UidSet::range(3, 3), FlagAction::Add, work, None).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(2, 2), false).await.unwrap();
    drop(open_inbox);
    store.rename_mailbox(id, "INBOX", "Old/2026").await.unwrap();
    deliver(&store, &[&inbox], &message("next")).await;
    let old = store.mailbox(id, "Old/2026").unwrap();
    let shown = [(1, "one".to_owned()), (2, "three".to_owned())];
    assert_eq!(subjects(&store, &old).await, shown);
    let kept = store.open_mailbox(&old).await.unwrap().messages(&UidSet::range(1, 9));
    assert_eq!(kept[1].flags, Flags::SEEN.union(Flags::keyword(0)));
    drop((inbox, old));
    compact_all(&store).await;
    crash(store);

    let store = open_without_index(dir.path());
    let old = store.mailbox(id, "Old/2026").unwrap();
    assert_eq!(subjects(&store, &old).await, shown);
    assert_eq!(store.open_mailbox(&old).await.unwrap().messages(&UidSet::range(1, 9)), kept);
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(4, "next".to_owned())]);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}
