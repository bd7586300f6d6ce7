//! Quotas: who may hold how much, whichever way it comes.

use super::*;

const fn messages(limit: u64) -> Option<Quota> {
    Some(Quota { octets: None, messages: Some(limit) })
}

fn placement(mailbox: &Arc<Mailbox>) -> Placement {
    Placement { mailbox: Arc::clone(mailbox), flags: FlagNames::default() }
}

async fn new_message(store: &Store) -> NewMessage {
    let mut body = store.incoming();
    body.push(&message("one")).await.unwrap();
    NewMessage { body, internal_date: None }
}

async fn try_deliver(store: &Store, mailboxes: &[&Arc<Mailbox>]) -> Result<Delivered, Error> {
    let placements = mailboxes.iter().map(|mailbox| placement(mailbox)).collect();
    store.deliver(new_message(store).await, placements).await
}

const FULL: Error = Error::OverQuota { hopeless: false };

#[tokio::test]
async fn what_is_full_takes_nothing_until_something_leaves() {
    let dir = TempDir::new().unwrap();
    let size = message("one").len() as u64;
    let quota = Quota { octets: Some(2 * size), messages: None };
    let store = open_with(dir.path(), Options { quota, ..Options::default() });
    let (id, inbox) = account(&store, "a@example.org").await;
    let archive = store.create_mailbox(id, "Archive", None).await.unwrap();
    try_deliver(&store, &[&inbox]).await.unwrap();
    let open = store.open_mailbox(&inbox).await.unwrap();
    store.copy(&open, &UidSet::range(1, 1), &archive).await.unwrap();
    assert_eq!(store.usage(id), Usage { octets: 2 * size, messages: 2 }, "a copy counts");
    assert_eq!(try_deliver(&store, &[&inbox]).await.unwrap_err(), FULL);
    assert_eq!(store.copy(&open, &UidSet::range(1, 1), &archive).await.unwrap_err(), FULL);
    store.move_messages(&open, &UidSet::range(1, 1), &archive).await.expect("a move adds nothing");
    assert_eq!(store.usage(id).messages, 2);
    let open = store.open_mailbox(&archive).await.unwrap();
    store.expunge(&open, &UidSet::range(1, 1), false).await.unwrap();
    try_deliver(&store, &[&inbox]).await.expect("there is room again");
    // What would not fit into an empty account is said so.
    store.set_quota(id, Some(Quota { octets: Some(size - 1), messages: None })).await.unwrap();
    assert_eq!(try_deliver(&store, &[&inbox]).await.unwrap_err(), Error::OverQuota { hopeless: true });
    store.set_quota(id, None).await.unwrap();
    assert_eq!(store.quota(id), quota);
}

/// Both are decided in one group, before either is published.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_at_one_moment_cannot_both_have_the_last_place() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    store.set_quota(id, messages(10)).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (store, inbox) = (store.clone(), Arc::clone(&inbox));
            tokio::spawn(async move { try_deliver(&store, &[&inbox]).await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, FULL);
                refused += 1;
            }
        }
    }
    assert_eq!((store.usage(id).messages, refused), (10, 54));
}

#[tokio::test]
async fn one_who_is_full_is_left_out_where_that_is_wanted_and_else_stops_all() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (a, a_inbox) = account(&store, "a@example.org").await;
    let (b, b_inbox) = account(&store, "b@example.org").await;
    store.set_quota(a, messages(0)).await.unwrap();
    assert_eq!(try_deliver(&store, &[&a_inbox, &b_inbox]).await.unwrap_err(), Error::OverQuota { hopeless: true });
    assert_eq!(store.usage(b).messages, 0);
    let recipients = vec![vec![placement(&a_inbox)], vec![placement(&b_inbox)]];
    let delivered = store.deliver_to_recipients(new_message(&store).await, recipients, true).await.unwrap();
    assert_eq!(delivered.refused, [(0, Error::OverQuota { hopeless: true })]);
    assert_eq!(delivered.places.len(), 1);
    assert_eq!((store.usage(a).messages, store.usage(b).messages), (0, 1));
    let nobody = store.deliver_to_recipients(new_message(&store).await, vec![vec![placement(&a_inbox)]], true).await;
    assert_eq!(nobody.unwrap_err(), Error::OverQuota { hopeless: true });
    // Twice into one account is two messages.
    store.set_quota(b, messages(2)).await.unwrap();
    let archive = store.create_mailbox(b, "Archive", None).await.unwrap();
    let recipients = vec![vec![placement(&b_inbox)], vec![placement(&archive)]];
    let delivered = store.deliver_to_recipients(new_message(&store).await, recipients, true).await.unwrap();
    assert_eq!(delivered.refused, [(1, FULL)]);
}

/// MULTIAPPEND is counted as a whole; REPLACE by what it adds beyond what it takes away.
#[tokio::test]
async fn messages_that_come_together_or_instead_are_counted_too() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let size = message("one").len() as u64;
    store.set_quota(id, Some(Quota { octets: Some(2 * size), messages: None })).await.unwrap();
    let append = async |texts: &[&str], replaced| {
        let mut messages = Vec::new();
        for text in texts {
            let mut body = store.incoming();
            body.push(&message(text)).await.unwrap();
            let flags = FlagNames::default();
            messages.push(Appending { message: NewMessage { body, internal_date: None }, flags });
        }
        store.append(&inbox, messages, replaced).await
    };
    assert_eq!(append(&["one", "two", "six"], None).await.unwrap_err(), Error::OverQuota { hopeless: true });
    assert_eq!(store.usage(id).messages, 0);
    // What was refused may have taken UIDs.
    let uids = append(&["one", "two"], None).await.unwrap().uids;
    let open = store.open_mailbox(&inbox).await.unwrap();
    append(&["six"], Some((open.clone(), uids[0]))).await.expect("as much comes as goes");
    assert_eq!(store.usage(id), Usage { octets: 2 * size, messages: 2 });
    assert_eq!(append(&["seven"], Some((open, uids[1]))).await.unwrap_err(), FULL, "it is longer");
    assert_eq!(store.usage(id), Usage { octets: 2 * size, messages: 2 });
}

/// A keyword of a message that was refused is not in the table, so that the next one gets its place.
#[tokio::test]
async fn a_refused_message_leaves_no_keyword() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    store.set_quota(id, messages(0)).await.unwrap();
    let flags = FlagNames { system: Flags::NONE, keywords: vec!["lost".to_owned()] };
    let placed = Placement { mailbox: Arc::clone(&inbox), flags };
    let refused = store.deliver(new_message(&store).await, vec![placed]).await;
    assert_eq!(refused.unwrap_err(), Error::OverQuota { hopeless: true });
    store.set_quota(id, None).await.unwrap();
    let flags = FlagNames { system: Flags::NONE, keywords: vec!["kept".to_owned()] };
    let placed = Placement { mailbox: Arc::clone(&inbox), flags };
    store.deliver(new_message(&store).await, vec![placed]).await.unwrap();
    assert_eq!(*inbox.head().keywords, ["kept"]);
}

#[tokio::test]
async fn limits_outlast_a_crash_a_rebuild_and_compaction() {
    let dir = TempDir::new().unwrap();
    let small = || Options { segment_octets: 300, ..Options::default() };
    let store = open_with(dir.path(), small());
    let (id, inbox) = account(&store, "a@example.org").await;
    let (gone, _) = account(&store, "gone@example.org").await;
    let (default, _) = account(&store, "default@example.org").await;
    for account in [id, gone, default] {
        store.set_quota(account, messages(7)).await.unwrap();
    }
    store.remove_account(gone).await.unwrap();
    store.set_quota(default, None).await.unwrap();
    for _ in 0..3 {
        deliver(&store, &[&inbox], &message(&"x".repeat(300))).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 3), false).await.unwrap();
    drop(open_inbox);
    let shows = |store: &Store| {
        assert_eq!(store.own_quota(id), messages(7));
        assert_eq!((store.own_quota(gone), store.own_quota(default)), (None, None));
    };
    shows(&store);
    crash(store);
    let store = open_with(dir.path(), small());
    shows(&store);
    for _ in 0..4 {
        compact(&store).await;
    }
    assert!(!dir.path().join("journal/0000000001.segment").exists(), "the first records are gone");
    shows(&store);
    crash(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open_with(dir.path(), small());
    shows(&store);
    store.close().await.unwrap();
    drop(store);
    let store = open_with(dir.path(), small());
    shows(&store);
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
}
