//! A delivery to recipients, each of whom wants it in a mailbox or more.

use super::*;

async fn new_message(store: &Store) -> NewMessage {
    let mut body = store.incoming();
    body.push(&message("one")).await.unwrap();
    NewMessage { body, internal_date: None }
}

fn placed(mailbox: &Arc<Mailbox>, flags: Flags, keywords: &[&str]) -> Placement {
    let keywords = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
    Placement { mailbox: Arc::clone(mailbox), flags: FlagNames { system: flags, keywords } }
}

fn plain(mailbox: &Arc<Mailbox>) -> Placement {
    placed(mailbox, Flags::NONE, &[])
}

#[tokio::test]
async fn a_mailbox_that_several_want_has_it_once_with_the_flags_of_all() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let lists = store.create_mailbox(id, "lists", None).await.unwrap();
    let recipients = vec![
        vec![placed(&inbox, Flags::SEEN, &["one"]), plain(&lists)],
        vec![placed(&inbox, Flags::FLAGGED, &["One", "two"])],
    ];
    let delivered = store.deliver_to_recipients(new_message(&store).await, recipients, false).await.unwrap();
    assert_eq!(delivered.places.len(), 2);
    assert_eq!((inbox.head().exists, lists.head().exists), (1, 1));
    assert_eq!(*inbox.head().keywords, ["one", "two"]);
    let open = store.open_mailbox(&inbox).await.unwrap();
    let flags = Flags::SEEN.union(Flags::FLAGGED).union(Flags::keyword(0)).union(Flags::keyword(1));
    assert_eq!(open.messages(&UidSet::range(1, 1))[0].flags, flags);
}

/// Filed before the commit, and deleted before it too.
#[tokio::test]
async fn what_was_for_a_mailbox_that_is_gone_comes_into_inbox() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let lists = store.create_mailbox(id, "lists", None).await.unwrap();
    store.delete_mailbox(id, "lists").await.unwrap();
    for partly in [false, true] {
        let exists = inbox.head().exists;
        let recipients = vec![vec![plain(&lists)], vec![plain(&inbox)], vec![placed(&lists, Flags::SEEN, &[])]];
        let delivered = store.deliver_to_recipients(new_message(&store).await, recipients, partly).await.unwrap();
        assert_eq!(delivered.refused, []);
        assert_eq!(delivered.places.len(), 1);
        assert_eq!(inbox.head().exists, exists + 1);
    }
    // APPEND means this one.
    let appended = store.deliver(new_message(&store).await, vec![plain(&lists)]).await;
    assert_eq!(appended.unwrap_err(), Error::NoSuchMailbox);
}

#[tokio::test]
async fn an_account_that_is_gone_is_left_out_or_stops_all() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (a, a_inbox) = account(&store, "a@example.org").await;
    let (_, b_inbox) = account(&store, "b@example.org").await;
    store.remove_account(a).await.unwrap();
    let recipients = || vec![vec![plain(&a_inbox)], vec![plain(&b_inbox)]];
    let all = store.deliver_to_recipients(new_message(&store).await, recipients(), false).await;
    assert_eq!(all.unwrap_err(), Error::NoSuchMailbox);
    let delivered = store.deliver_to_recipients(new_message(&store).await, recipients(), true).await.unwrap();
    assert_eq!(delivered.refused, [(0, Error::NoSuchMailbox)]);
    assert_eq!(b_inbox.head().exists, 1);
}

/// A recipient that is several accounts (an alias) has it in all of them, or its sender tries again for all of them.
#[tokio::test]
async fn a_recipient_has_it_everywhere_or_nowhere() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (a, a_inbox) = account(&store, "a@example.org").await;
    let (_, b_inbox) = account(&store, "b@example.org").await;
    let (_, c_inbox) = account(&store, "c@example.org").await;
    store.set_quota(a, Some(Quota { octets: None, messages: Some(0) })).await.unwrap();
    let recipients = vec![vec![plain(&a_inbox), plain(&b_inbox), plain(&c_inbox)], vec![plain(&c_inbox)]];
    let delivered = store.deliver_to_recipients(new_message(&store).await, recipients, true).await.unwrap();
    assert_eq!(delivered.refused, [(0, Error::OverQuota { hopeless: true })]);
    assert_eq!([&a_inbox, &b_inbox, &c_inbox].map(|inbox| inbox.head().exists), [0, 0, 1]);
}

/// A rule that sets more keywords than there is room for loses keywords, and no mail.
#[tokio::test]
async fn a_keyword_too_many_is_left_out() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    let many: Vec<_> = (0..=KEYWORDS_MAX).map(|number| format!("k{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let appended = store.deliver(new_message(&store).await, vec![placed(&inbox, Flags::NONE, &many)]).await;
    assert_eq!(appended.unwrap_err(), Error::TooManyKeywords);
    let recipients = vec![vec![placed(&inbox, Flags::SEEN, &many)]];
    store.deliver_to_recipients(new_message(&store).await, recipients, false).await.unwrap();
    let open = store.open_mailbox(&inbox).await.unwrap();
    assert_eq!(open.messages(&UidSet::range(1, 1))[0].flags.keywords().count(), KEYWORDS_MAX);
    assert_eq!(inbox.head().keywords.len(), KEYWORDS_MAX);
}
