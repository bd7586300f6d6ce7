//! Where a message goes.

use super::*;
use crate::auth::directory::Addressee;
use crate::deliver::recipient::{Recipient, Recipients};
use crate::store::{Account, Mailbox, SpecialUse};

/// Alice, with these mailboxes beside the customary ones.
async fn alice(world: &World, mailboxes: &[&str]) -> Arc<Account> {
    let alice = world.directory.resolve("alice", "").await.unwrap();
    for name in mailboxes {
        world.store.create_mailbox(alice.id, name, None).await.unwrap();
    }
    alice
}

/// The names of the mailboxes that a message for `alice+detail` goes to.
fn filed(world: &World, account: &Arc<Account>, detail: Option<&str>, is_junk: bool) -> Vec<String> {
    let inbox = world.store.mailbox(account.id, INBOX).unwrap();
    let recipient = Recipient { account: Arc::clone(account), inbox, detail: detail.map(str::to_owned) };
    let placements = Filing::new(&world.store, is_junk).placements(&recipient);
    placements.iter().map(|placement| placement.mailbox.head().name).collect()
}

#[tokio::test]
async fn a_detail_names_a_mailbox_that_is_there() {
    let world = World::new(Options::default()).await;
    let mailboxes = ["Lists/Rust", "lists.rust", "News", "news", "Über", "a b", "INBOX/x", "Deep.er/y"];
    let alice = alice(&world, &mailboxes).await;
    let long = "x".repeat(1_001);
    for (detail, mailbox) in [
        ("Lists/Rust", "Lists/Rust"),
        ("lists/rust", "Lists/Rust"),
        // The very name comes before the one that dots make of it.
        ("lists.rust", "lists.rust"),
        ("LISTS.rust", "lists.rust"),
        // INBOX.x is not there, INBOX/x is.
        ("inbox.x", "INBOX/x"),
        ("news", "news"),
        ("News", "News"),
        ("NEWS", "News"),
        ("über", "Über"),
        ("U\u{308}BER", "Über"),
        ("A B", "a b"),
        ("archive", "Archive"),
        ("junk", "Junk"),
        ("inbox", INBOX),
        // Dots are separators for all of a name or for none.
        ("deep.er.y", INBOX),
        ("absent", INBOX),
        ("rust", INBOX),
        // What can be no mailbox's name is none's.
        ("../bob", INBOX),
        ("/news", INBOX),
        ("news/", INBOX),
        ("n*", INBOX),
        ("#news", INBOX),
        ("\u{7}", INBOX),
        (&long, INBOX),
        // What the owner wrote, and what the owner threw away.
        ("Sent", INBOX),
        ("drafts", INBOX),
        ("trash", INBOX),
    ] {
        assert_eq!(filed(&world, &alice, Some(detail), false), [mailbox], "{detail}");
    }
    assert_eq!(filed(&world, &alice, None, false), [INBOX]);
    // Lists and Deep.er came with their inferiors, and nothing else came.
    assert_eq!(world.store.mailboxes(alice.id).len(), 6 + mailboxes.len() + 2);
}

#[tokio::test]
async fn junk_goes_where_junk_is_whatever_it_is_called() {
    let world = World::new(Options::default()).await;
    let alice = alice(&world, &["Lists"]).await;
    assert_eq!(filed(&world, &alice, None, true), ["Junk"]);
    assert_eq!(filed(&world, &alice, Some("lists"), true), ["Junk"], "a detail does not save it");
    world.store.rename_mailbox(alice.id, "Junk", "Rubbish").await.unwrap();
    assert_eq!(filed(&world, &alice, None, true), ["Rubbish"]);
    world.store.delete_mailbox(alice.id, "Rubbish").await.unwrap();
    assert_eq!(filed(&world, &alice, None, true), [INBOX]);
    world.store.create_mailbox(alice.id, "Bin", Some(SpecialUse::Junk)).await.unwrap();
    assert_eq!(filed(&world, &alice, Some("lists"), true), ["Bin"]);
}

/// One account by several names has the message once in each mailbox that they lead to.
#[tokio::test]
async fn names_that_lead_to_one_mailbox_bring_one_copy() {
    let world = World::new(Options::default()).await;
    alice(&world, &["lists"]).await;
    let mut transaction = world.transaction();
    for recipient in ["alice", "alice+lists", "alice+LISTS", "alice+other", "bob+lists"] {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    transaction.open(envelope(&["alice"])).await.unwrap();
    transaction.push(MESSAGE).await.unwrap();
    assert_eq!(transaction.deliver().await, Ok(vec![None; 5]));
    for (account, mailbox) in [("alice", INBOX), ("alice", "lists"), ("bob", INBOX)] {
        assert_eq!(world.mailbox(&format!("{account}@localhost"), mailbox).await.len(), 1, "{account} {mailbox}");
    }
    let notes = world.notes.0.lock().unwrap();
    let told: Vec<_> = notes.iter().map(|note| (note.account.as_str(), note.mailbox.as_str())).collect();
    assert_eq!(told, [("alice@localhost", "INBOX"), ("alice@localhost", "lists"), ("bob@localhost", "INBOX")]);
}

/// Whoever wants it nowhere has it as it is wanted, and is told what the others are told.
#[tokio::test]
async fn one_who_wants_it_nowhere_is_not_refused() {
    let world = World::new(Options::default()).await;
    let alice = alice(&world, &[]).await;
    let inbox: Arc<Mailbox> = world.store.mailbox(alice.id, INBOX).unwrap();
    let inbox = || vec![Placement { mailbox: Arc::clone(&inbox), flags: Default::default() }];
    let body = async || {
        let mut body = world.store.incoming();
        body.push(MESSAGE).await.unwrap();
        body
    };
    let transaction = world.transaction();
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        assert_eq!(transaction.store(body().await, vec![vec![]], dialect, &mut String::new()).await, Ok(vec![None]));
        assert_eq!(
            transaction.store(body().await, vec![vec![], inbox()], dialect, &mut String::new()).await,
            Ok(vec![None, None])
        );
    }
    world.store.remove_account(alice.id).await.unwrap();
    let places = || vec![vec![], inbox()];
    let gone = Some(replies::MAILBOX_UNAVAILABLE);
    assert_eq!(
        transaction.store(body().await, places(), Dialect::Lmtp, &mut String::new()).await,
        Ok(vec![None, gone])
    );
    let smtp = transaction.store(body().await, places(), Dialect::Smtp, &mut String::new()).await;
    assert_eq!(smtp, Err(replies::MAILBOX_UNAVAILABLE));
}

/// An alias is one recipient to the sender and several accounts to us: one message, and one answer.
#[tokio::test]
async fn an_alias_is_several_accounts_and_one_recipient() {
    let world = World::new(Options::default()).await;
    alice(&world, &["lists"]).await;
    let targets = ["alice@localhost", "bob@localhost"].map(str::to_owned).to_vec();
    let team = crate::store::Alias { display_name: "team@localhost".into(), targets };
    world.store.set_alias("team@localhost", Some(team)).await.unwrap();
    for (dialect, expected) in [(Dialect::Lmtp, 1), (Dialect::Smtp, 2)] {
        let mut transaction = world.transaction();
        for recipient in ["team+lists", "alice"] {
            transaction.add_recipient(&path(recipient), None).await.unwrap();
        }
        transaction.open(Arc::new(Envelope { dialect, ..Envelope::clone(&envelope(&["alice"])) })).await.unwrap();
        transaction.push(MESSAGE).await.unwrap();
        assert_eq!(transaction.deliver().await, Ok(vec![None; 2]));
        for (account, mailbox) in [("alice", INBOX), ("alice", "lists"), ("bob", INBOX)] {
            assert_eq!(world.mailbox(&format!("{account}@localhost"), mailbox).await.len(), expected);
        }
    }
    // One of them is full: its sender hears it of the alias, and the others have it by their own names.
    let bob = world.store.account("bob@localhost").unwrap();
    let mut transaction = world.transaction();
    for recipient in ["team", "alice"] {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    let dialect = Dialect::Lmtp;
    transaction.open(Arc::new(Envelope { dialect, ..Envelope::clone(&envelope(&["alice"])) })).await.unwrap();
    transaction.push(MESSAGE).await.unwrap();
    world.store.set_quota(bob.id, Some(Quota { octets: None, messages: Some(2) })).await.unwrap();
    assert_eq!(transaction.deliver().await, Ok(vec![Some(replies::MAILBOX_FULL), None]));
    assert_eq!(world.inbox("alice@localhost").await.len(), 3);
    assert_eq!(world.inbox("bob@localhost").await.len(), 2);
}

#[tokio::test]
async fn one_account_has_so_many_details_in_one_message_and_the_rest_come_in_another() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    for number in 0..100 {
        transaction.add_recipient(&path(&format!("alice+{number}@x.example")), None).await.unwrap();
    }
    let too_many = transaction.add_recipient(&path("alice+100@x.example"), None).await;
    assert_eq!(too_many.unwrap_err(), replies::TOO_MANY_RECIPIENTS);
    // Who is named already costs nothing, and others are not held liable.
    transaction.add_recipient(&path("alice+7@x.example"), None).await.unwrap();
    transaction.add_recipient(&path("bob+100@x.example"), None).await.unwrap();
    let next = &mut world.transaction();
    next.add_recipient(&path("alice+100@x.example"), None).await.unwrap();
}

#[tokio::test]
async fn many_lists_of_many_come_in_several_messages() {
    let world = World::new(Options::default()).await;
    let account = alice(&world, &[]).await;
    let inbox = world.store.mailbox(account.id, INBOX).unwrap();
    // What an alias of a thousand names.
    let list: Vec<_> =
        (0..1_000).map(|_| (Addressee { account: Arc::clone(&account), detail: None }, Arc::clone(&inbox))).collect();
    let mut recipients = Recipients::default();
    for _ in 0..100 {
        assert!(recipients.have_room_for(&list), "a hundred paths always have room");
        recipients.add(list.clone());
    }
    assert!(!recipients.have_room_for(&list[..1]));
}
