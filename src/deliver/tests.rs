//! Transactions against a real store.

mod filing;
mod rules;

use std::sync::Mutex;

use super::*;
use crate::auth::Origin;
use crate::auth::directory::Membership;
use crate::smtp::{Client, Command, Dialect, MailParameters, Notify, RcptParameters, parse_command};
use crate::store::{Options, Quota};

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<observe::Delivery>>);

impl Observer for Notes {
    fn delivered(&self, delivery: &observe::Delivery) {
        self.0.lock().unwrap().push(delivery.clone());
    }
    fn pushed(&self, _: &observe::Push) {}
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    directory: Directory,
    notes: Notes,
}

impl World {
    /// A new store; any address makes its account.
    async fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let store = tokio::task::spawn_blocking(move || Store::open(&path, options)).await.unwrap().unwrap();
        let directory = Directory::new(store.clone(), Membership::Open { max_accounts: 3 });
        Self { _dir: dir, store, directory, notes: Notes::default() }
    }

    fn transaction(&self) -> Transaction<'_> {
        let to = Destination {
            hostname: "mx.example",
            directory: &self.directory,
            store: &self.store,
            observer: &self.notes,
            max_hops: 2,
            policy: None,
        };
        Transaction::new(to, 10)
    }

    /// The bodies in an account's INBOX.
    async fn inbox(&self, account: &str) -> Vec<String> {
        self.mailbox(account, INBOX).await
    }

    /// The bodies in a mailbox.
    async fn mailbox(&self, account: &str, name: &str) -> Vec<String> {
        let account = self.store.account(account).unwrap();
        let inbox = self.store.mailbox(account.id, name).unwrap();
        let inbox = self.store.open_mailbox(&inbox).await.unwrap();
        let mut bodies = Vec::new();
        for message in inbox.messages(&inbox.snapshot().uids) {
            let body = self.store.read_body(message.body).await.unwrap();
            bodies.push(String::from_utf8(body.to_vec()).unwrap());
        }
        bodies
    }
}

fn path(text: &str) -> Path {
    match parse_command(format!("RCPT TO:<{text}>").as_bytes()) {
        Ok(Command::Rcpt(path, _)) => path,
        other => panic!("{other:?}"),
    }
}

fn envelope(recipients: &[&str]) -> Arc<Envelope> {
    Arc::new(Envelope {
        dialect: Dialect::Smtp,
        client: Client { name: "client.example".into(), extended: true },
        peer: Origin::Address("192.0.2.1:4711".parse().unwrap()),
        tls: None,
        account: None,
        is_submission: false,
        reverse_path: Some(path("sender@example.org")),
        parameters: MailParameters::default(),
        recipients: recipients.iter().map(|text| path(text)).collect(),
        recipient_parameters: Vec::new(),
    })
}

const MESSAGE: &[u8] = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n";

#[tokio::test]
async fn each_account_gets_it_once_and_all_read_the_same() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    let recipients = ["alice@x.example", "bob@x.example", "Alice+lists@x.example"];
    for recipient in recipients {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    transaction.open(envelope(&recipients)).await.unwrap();
    let (head, tail) = MESSAGE.split_at(5);
    transaction.push(head).await.unwrap();
    transaction.push(tail).await.unwrap();
    transaction.deliver().await.unwrap();

    let (alice, bob) = (world.inbox("alice@x.example").await, world.inbox("bob@x.example").await);
    assert_eq!(alice.len(), 1);
    assert_eq!(alice, bob);
    let trace = "Return-Path: <sender@example.org>\r\n\
                 Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTP\r\n\tid ";
    assert!(alice[0].starts_with(trace), "{}", alice[0]);
    // RFC 5321 §4.4: the ID clause has an atom, so no dot.
    let id = alice[0][trace.len()..].split(';').next().unwrap();
    assert!(id.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-'), "{id}");
    assert!(!alice[0].contains("for <"), "no recipient is told of the others");
    assert!(alice[0].as_bytes().ends_with(MESSAGE));

    let notes = world.notes.0.lock().unwrap();
    let told: Vec<_> = notes.iter().map(|note| (note.account.as_str(), note.uid, note.subject.as_str())).collect();
    assert_eq!(told, [("alice@x.example", 1, "Grüße"), ("bob@x.example", 1, "Grüße")]);
    assert_eq!(notes[0].octets, alice[0].len() as u64);
    assert_eq!(notes[0].mailbox, "INBOX");
}

/// RFC 3461 §5.2.3: the notice is there when the message is answered; where it can't be delivered (here no fourth account is
/// made), that is no trouble of the message.
#[tokio::test]
async fn a_sender_who_asks_has_a_notice_where_it_can_be_told() {
    let world = World::new(Options::default()).await;
    store_with_notice(&world, &["alice@x.example", "bob@x.example", "carol@x.example"]).await;
    assert_eq!(world.store.accounts().len(), 3);
    assert_eq!(world.inbox("alice@x.example").await.len(), 1);

    let world = World::new(Options::default()).await;
    store_with_notice(&world, &["alice@x.example"]).await;
    let notices = world.inbox("sender@example.org").await;
    assert_eq!(notices.len(), 1);
    let trace = "Return-Path: <>\r\nReceived: from mx.example ([127.0.0.1])\r\n";
    assert!(notices[0].starts_with(trace), "{}", notices[0]);
    let told = "\r\nFinal-Recipient: rfc822; alice@x.example\r\nAction: delivered\r\n";
    assert!(notices[0].contains(told), "{}", notices[0]);
}

/// Stores a message whose sender asks for notices of delivery.
async fn store_with_notice(world: &World, recipients: &[&str]) {
    let mut envelope = Arc::unwrap_or_clone(envelope(recipients));
    let asked = Notify { success: true, ..Notify::NEVER };
    envelope.recipient_parameters = vec![RcptParameters { notify: Some(asked), orcpt: None }; recipients.len()];
    let mut transaction = world.transaction();
    for recipient in recipients {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    transaction.open(Arc::new(envelope)).await.unwrap();
    transaction.push(MESSAGE).await.unwrap();
    transaction.complete().await.unwrap();
}

/// RFC 2033 §4.2: LMTP tells of each recipient, by all the names it was given. In SMTP one who is full stops all.
#[tokio::test]
async fn one_who_is_full_is_told_so_and_the_others_have_it() {
    let world = World::new(Options::default()).await;
    let recipients = ["alice@x.example", "bob@x.example", "Alice+lists@x.example"];
    for dialect in [Dialect::Lmtp, Dialect::Smtp] {
        let mut transaction = world.transaction();
        for recipient in recipients {
            transaction.add_recipient(&path(recipient), None).await.unwrap();
        }
        transaction.open(Arc::new(Envelope { dialect, ..Envelope::clone(&envelope(&recipients)) })).await.unwrap();
        transaction.push(MESSAGE).await.unwrap();
        // It fills up while the message is on its way.
        let alice = world.store.account("alice@x.example").unwrap().id;
        let quota = |octets| Some(Quota { octets, messages: None });
        world.store.set_quota(alice, quota(Some(world.store.usage(alice).octets + 1))).await.unwrap();
        let outcome = transaction.deliver().await;
        let too_small = replies::MAILBOX_TOO_SMALL;
        match dialect {
            Dialect::Lmtp => assert_eq!(outcome, Ok(vec![Some(too_small.clone()), None, Some(too_small)])),
            Dialect::Smtp => assert_eq!(outcome, Err(replies::MAILBOX_TOO_SMALL)),
        }
        assert_eq!(world.inbox("bob@x.example").await.len(), 1, "{dialect:?}");
        assert_eq!(world.inbox("alice@x.example").await.len(), 0);
        // The next one hears it at RCPT, if it says how large its message is, or if there is no room at all.
        let mut next = world.transaction();
        world.store.set_quota(alice, quota(Some(100))).await.unwrap();
        let alice_path = path("alice@x.example");
        assert_eq!(next.add_recipient(&alice_path, Some(101)).await, Err(replies::MAILBOX_TOO_SMALL));
        assert_eq!(next.add_recipient(&alice_path, Some(100)).await, Ok(()));
        world.store.set_quota(alice, None).await.unwrap();
    }
}

/// RFC 5321 §4.1.2: quotes around a local part are not part of it, quotes in it are.
#[tokio::test]
async fn a_quote_in_a_name_is_part_of_the_name() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    for recipient in [r#""alice"@x.example"#, r#""\"alice\""@x.example"#] {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    let names: Vec<_> = world.store.accounts().iter().map(|account| account.name.clone()).collect();
    assert_eq!(names, [r#""\"alice\""@x.example"#, "alice@x.example"]);
}

#[tokio::test]
async fn one_transaction_leaves_nothing_to_the_next() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    transaction.add_recipient(&path("alice"), None).await.unwrap();
    transaction.open(envelope(&["alice"])).await.unwrap();
    transaction.push(b"lost").await.unwrap();
    transaction.abandon();
    transaction.add_recipient(&path("bob"), None).await.unwrap();
    transaction.open(envelope(&["bob"])).await.unwrap();
    transaction.deliver().await.unwrap();
    assert_eq!(world.inbox("alice@localhost").await, [""; 0]);
    assert!(world.inbox("bob@localhost").await[0].contains("\r\n\tfor <bob>; "));
}

#[tokio::test]
async fn a_circle_is_cut() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    transaction.add_recipient(&path("alice"), None).await.unwrap();
    transaction.open(envelope(&["alice"])).await.unwrap();
    transaction.push(b"Received: a\r\nReceived: b\r\n").await.unwrap();
    assert_eq!(transaction.push(b"Received: c\r\n").await, Err(replies::TOO_MANY_HOPS));
}

#[tokio::test]
async fn refusals_of_directory_and_store_are_replies() {
    let (max_message_octets, in_flight_octets) = (TRACE_OCTETS + 1_000, 2 * TRACE_OCTETS + 1_300);
    let options = Options { max_message_octets, in_flight_octets, ..Options::default() };
    let world = World::new(options).await;
    let mut transaction = world.transaction();
    for recipient in ["alice", "bob", "carol"] {
        transaction.add_recipient(&path(recipient), None).await.unwrap();
    }
    let fourth = transaction.add_recipient(&path("dave"), None).await;
    assert_eq!(fourth.map_err(|reply| reply.code()), Err(451), "no more than three accounts");
    transaction.open(envelope(&["alice"])).await.unwrap();
    assert_eq!(transaction.push(&[b'a'; 1_001]).await, Err(replies::TOO_LARGE));
    transaction.push(&[b'a'; 700]).await.unwrap();

    let mut other = world.transaction();
    other.add_recipient(&path("alice"), None).await.unwrap();
    other.open(envelope(&["alice"])).await.unwrap();
    assert_eq!(other.push(&[b'a'; 700]).await, Err(replies::STORE_BUSY));
    transaction.abandon();
    other.push(&[b'a'; 700]).await.unwrap();
}

/// What goes in front has its room from the first: who can't have that much is told before it sends anything, and who had
/// it is not refused in the end.
#[tokio::test]
async fn no_room_for_the_trace_is_told_before_the_message() {
    let options = Options { in_flight_octets: TRACE_OCTETS + 100, ..Options::default() };
    let world = World::new(options).await;
    let (mut first, mut second) = (world.transaction(), world.transaction());
    for transaction in [&mut first, &mut second] {
        transaction.add_recipient(&path("alice"), None).await.unwrap();
    }
    first.open(envelope(&["alice"])).await.unwrap();
    assert_eq!(second.open(envelope(&["alice"])).await, Err(replies::STORE_BUSY));
    first.push(&[b'a'; 100]).await.unwrap();
    first.deliver().await.unwrap();
    let [stored] = world.inbox("alice@localhost").await.try_into().unwrap();
    assert!(stored.starts_with("Return-Path: ") && stored.ends_with(&"a".repeat(100)));
    second.open(envelope(&["alice"])).await.unwrap();
}

#[tokio::test]
async fn an_account_that_has_gone_meanwhile_is_told_to_try_again() {
    let world = World::new(Options::default()).await;
    let mut transaction = world.transaction();
    transaction.add_recipient(&path("alice"), None).await.unwrap();
    transaction.open(envelope(&["alice"])).await.unwrap();
    let alice = world.store.account("alice@localhost").unwrap();
    world.store.remove_account(alice.id).await.unwrap();
    assert_eq!(transaction.deliver().await, Err(replies::MAILBOX_UNAVAILABLE));
}
