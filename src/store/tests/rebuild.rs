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
