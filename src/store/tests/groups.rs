//! What jobs of one commit group may and may not see of one another.

use super::*;

/// Holds the committer up until the returned sender is dropped: what is asked for meanwhile becomes one group.
async fn hold_up(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holding = store.clone();
    tokio::spawn(async move {
        let wait = move |_: &mut Decider<'_>| {
            let _dropped = released.recv();
            Ok(Decided::Nothing(()))
        };
        holding.commit(Touches::Adds(Vec::new()), 0, wait).await.unwrap();
    });
    waiting(store, 1).await;
    release
}

/// Returns when that many jobs have been asked for.
async fn waiting(store: &Store, jobs: usize) {
    while store.queue.available_permits() > QUEUED_JOBS - jobs {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_keyword_of_a_change_that_came_to_nothing_is_not_taken_for_known() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let named = || FlagNames { system: Flags::NONE, keywords: vec!["Ghost".to_owned()] };

    let release = hold_up(&store).await;
    let nothing = tokio::spawn({
        let (store, open_inbox) = (store.clone(), open_inbox.clone());
        async move { store.change_flags(&open_inbox, &UidSet::range(7, 7), FlagAction::Add, named(), None).await }
    });
    waiting(&store, 2).await;
    let delivery = tokio::spawn({
        let (store, inbox) = (store.clone(), Arc::clone(&inbox));
        async move {
            let mut body = store.incoming();
            body.push(&message("named")).await.unwrap();
            let placement = Placement { mailbox: inbox, flags: named() };
            store.deliver(NewMessage { body, internal_date: None }, vec![placement]).await
        }
    });
    waiting(&store, 3).await;
    drop(release);
    assert_eq!(nothing.await.unwrap().unwrap().messages, []);
    delivery.await.unwrap().unwrap();
    let flags = open_inbox.message(1).unwrap().flags;
    let names: Vec<_> = flags.keywords().map(|index| open_inbox.head().keywords.get(index).cloned()).collect();
    assert_eq!(names, [Some("Ghost".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_and_changes_at_once_leave_index_and_journal_alike() {
    let dir = TempDir::new().unwrap();
    let store = open_with(dir.path(), Options { segment_octets: 2_000, ..Options::default() });
    let (id, inbox) = account(&store, "a@example.org").await;
    let archive = store.create_mailbox(id, "Archive", None).await.unwrap();
    let writers: Vec<_> = (0..4u32)
        .map(|writer| {
            let (store, inbox, archive) = (store.clone(), Arc::clone(&inbox), Arc::clone(&archive));
            tokio::spawn(async move {
                for number in 0..20 {
                    let uid = deliver(&store, &[&inbox], &message(&format!("{writer}-{number}"))).await.places[0].uid;
                    let (open_inbox, uids) = (store.open_mailbox(&inbox).await.unwrap(), UidSet::range(uid, uid));
                    match number % 4 {
                        0 => drop(store.move_messages(&open_inbox, &uids, &archive).await.unwrap()),
                        1 | 2 => drop(store.expunge(&open_inbox, &uids, false).await.unwrap()),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    while !writers.iter().all(|writer| writer.is_finished()) {
        compact(&store).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let before = (subjects(&store, &inbox).await, subjects(&store, &archive).await);
    assert_eq!((before.0.len(), before.1.len()), (20, 20));
    crash(store);
    assert_eq!(check(dir.path()).findings, []);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open(dir.path());
    let mailbox = |name| store.mailbox(id, name).unwrap();
    assert_eq!((subjects(&store, &mailbox("INBOX")).await, subjects(&store, &mailbox("Archive")).await), before);
}
