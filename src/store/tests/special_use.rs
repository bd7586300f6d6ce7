//! The mailboxes that an account has from the beginning.

use super::*;

fn names(store: &Store, account: AccountId) -> Vec<(String, Option<SpecialUse>)> {
    let heads = store.mailboxes(account).into_iter().map(|mailbox| mailbox.head());
    heads.map(|head| (head.name, head.special_use)).collect()
}

#[tokio::test]
async fn a_new_account_has_them_once_and_they_stay_deleted() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let (id, _) = account(&store, "a@example.org").await;
    let all = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];
    assert_eq!(store.subscriptions(id), all);
    let there = names(&store, id);
    assert_eq!(there.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), all);
    assert_eq!(there[4], ("Sent".to_owned(), Some(SpecialUse::Sent)));
    assert_eq!(store.account_mod_seq(id), 1, "one change");
    let mut validities: Vec<_> = store.mailboxes(id).iter().map(|mailbox| mailbox.head().uid_validity).collect();
    validities.sort_unstable();
    validities.dedup();
    assert_eq!(validities.len(), all.len());

    store.delete_mailbox(id, "Sent").await.unwrap();
    let expected = (names(&store, id), store.subscriptions(id));
    crash(store);
    for without_index in [false, true] {
        if without_index {
            fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        let store = Store::open(dir.path(), Options::default()).unwrap();
        assert_eq!((names(&store, id), store.subscriptions(id)), expected);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn they_are_there_after_compaction_without_the_index() {
    let dir = TempDir::new().unwrap();
    let options = Options { segment_octets: 300, ..Options::default() };
    let store = Store::open(dir.path(), options.clone()).unwrap();
    let (id, inbox) = account(&store, "a@example.org").await;
    for _ in 0..3 {
        deliver(&store, &[&inbox], &message(&"x".repeat(300))).await;
    }
    let expected = (names(&store, id), store.subscriptions(id));
    for _ in 0..4 {
        compact(&store).await;
    }
    assert!(!dir.path().join("journal/0000000001.segment").exists(), "the account's record is gone");
    crash(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = Store::open(dir.path(), options).unwrap();
    assert_eq!((names(&store, id), store.subscriptions(id)), expected);
}

#[tokio::test]
async fn one_option_leaves_them_out() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, _) = account(&store, "a@example.org").await;
    assert_eq!(names(&store, id), [("INBOX".to_owned(), None)]);
}
