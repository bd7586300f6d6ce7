//! An account's script, through all that a store goes through.

use std::fs;

use tempfile::TempDir;

use super::*;

#[tokio::test]
async fn scripts_outlast_a_crash_a_rebuild_and_compaction() {
    let dir = TempDir::new().unwrap();
    let small = || Options { segment_octets: 300, ..Options::default() };
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    let (gone, _) = account(&store, "gone@example.org").await;
    let (without, _) = account(&store, "without@example.org").await;
    // More than one value of the index holds.
    let (long, short): (Arc<str>, Arc<str>) = ("# \u{e4}\r\n".repeat(4_000).into(), "keep;".into());
    for account in [id, gone, without] {
        store.set_script(account, Some(Arc::clone(&short))).await.unwrap();
    }
    store.set_script(id, Some(Arc::clone(&long))).await.unwrap();
    store.remove_account(gone).await.unwrap();
    assert_eq!(store.set_script(gone, None).await, Err(Error::NoSuchAccount));
    store.set_script(without, None).await.unwrap();
    for _ in 0..3 {
        deliver(&store, &[&inbox], &message(&"x".repeat(300))).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 3), false).await.unwrap();
    drop(open_inbox);
    let shows = |store: &Store, script: &Arc<str>| {
        assert_eq!(store.script(id).as_ref(), Some(script));
        assert_eq!((store.script(gone), store.script(without)), (None, None));
    };
    shows(&store, &long);
    crash(store);
    let store = open_with(dir.path(), small());
    shows(&store, &long);
    for _ in 0..4 {
        compact(&store).await;
    }
    assert!(!dir.path().join("journal/0000000001.segment").exists(), "the first records are gone");
    shows(&store, &long);
    crash(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open_with(dir.path(), small());
    shows(&store, &long);
    store.close().await.unwrap();
    drop(store);
    let store = open_with(dir.path(), small());
    shows(&store, &long);
    // A shorter one takes fewer values.
    store.set_script(id, Some(Arc::clone(&short))).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open_with(dir.path(), small());
    shows(&store, &short);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}
