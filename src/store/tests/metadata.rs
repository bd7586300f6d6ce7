//! Metadata: set and told, kept through everything, gone with its mailbox.

use super::*;

fn set(name: &str, value: Option<&str>) -> (String, Option<Vec<u8>>) {
    (name.to_owned(), value.map(|value| value.as_bytes().to_vec()))
}

fn values(store: &Store, account: AccountId, mailbox: Option<MailboxId>) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    store.metadata(account, mailbox).into_iter().map(|(name, value)| (name, text(&value))).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// What changed after a mod-sequence, by mailbox and name.
fn changes(store: &Store, account: AccountId, since: ModSeq) -> Vec<(Option<MailboxId>, String)> {
    store
        .metadata_changes_since(account, since)
        .changes
        .into_iter()
        .map(|change| (change.mailbox, change.entry))
        .collect()
}

#[tokio::test]
async fn a_change_takes_a_mod_sequence_and_rings_both_bells() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let mut of_account = store.hub().listen(Bell::Account(id));
    let mut of_inbox = store.hub().listen(Bell::Mailbox(inbox.id()));
    let (before, head) = (store.account_mod_seq(id), inbox.head());

    let entry = vec![set("/Private/Comment", Some("mine"))];
    let mod_seq = store.set_metadata(id, Some(inbox.id()), entry.clone()).await.unwrap();
    assert_eq!(mod_seq, Some(before + 1));
    assert_eq!(store.account_mod_seq(id), before + 1);
    assert!(of_account.take() && of_inbox.take());
    let counted = Head { highest_mod_seq: before + 1, ..head };
    assert_eq!(inbox.head(), counted, "RFC 7162 §3.2: HIGHESTMODSEQ counts on, and nothing else changed");
    assert_eq!(values(&store, id, Some(inbox.id())), [pair("/private/comment", "mine")]);

    assert_eq!(store.set_metadata(id, Some(inbox.id()), entry).await.unwrap(), None, "it is so already");
    assert!(!of_account.take());

    store.set_metadata(id, None, vec![set("/private/vendor/x/y", Some(""))]).await.unwrap();
    assert!(of_account.take() && !of_inbox.take());
    assert_eq!(values(&store, id, None), [pair("/private/vendor/x/y", "")]);
}

#[tokio::test]
async fn removed_entries_are_told_too() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let at = Some(inbox.id());
    store.set_metadata(id, at, vec![set("/private/a", Some("1")), set("/private/b", Some("2"))]).await.unwrap();
    let since = store.account_mod_seq(id);
    store.set_metadata(id, at, vec![set("/private/a", None), set("/private/never", None)]).await.unwrap();
    store.set_metadata(id, None, vec![set("/private/c", Some("3"))]).await.unwrap();
    assert_eq!(changes(&store, id, since), [(at, "/private/a".to_owned()), (None, "/private/c".to_owned())]);
    assert_eq!(values(&store, id, at), [pair("/private/b", "2")]);
    let now = store.account_mod_seq(id);
    assert_eq!(changes(&store, id, now), []);
}

#[tokio::test]
async fn a_mailbox_keeps_it_when_renamed_and_takes_it_along_when_deleted() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let work = store.create_mailbox(id, "Work", None).await.unwrap();
    store.set_metadata(id, Some(work.id()), vec![set("/private/comment", Some("at work"))]).await.unwrap();
    store.rename_mailbox(id, "Work", "Old work").await.unwrap();
    assert_eq!(values(&store, id, Some(work.id())), [pair("/private/comment", "at work")]);
    store.delete_mailbox(id, "Old work").await.unwrap();
    let again = store.create_mailbox(id, "Old work", None).await.unwrap();
    assert_eq!(values(&store, id, Some(again.id())), []);
    assert_eq!(changes(&store, id, 0), []);

    // RFC 5464 §4.1: both have it.
    store.set_metadata(id, Some(inbox.id()), vec![set("/private/comment", Some("in"))]).await.unwrap();
    store.rename_mailbox(id, "INBOX", "Before").await.unwrap();
    let before = store.mailbox(id, "Before").unwrap();
    assert_eq!(values(&store, id, Some(inbox.id())), [pair("/private/comment", "in")]);
    assert_eq!(values(&store, id, Some(before.id())), [pair("/private/comment", "in")]);
}

#[tokio::test]
async fn what_a_mailbox_is_for_is_one_truth_and_belongs_to_one_mailbox() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let sent = store.create_mailbox(id, "Sent", None).await.unwrap();
    let other = store.create_mailbox(id, "Gesendet", None).await.unwrap();
    assert_eq!(values(&store, id, Some(sent.id())), [pair(SPECIAL_USE_ENTRY, "\\Sent")]);
    let since = store.account_mod_seq(id);

    let entries = vec![set(SPECIAL_USE_ENTRY, Some("\\sent")), set("/private/comment", Some("x"))];
    store.set_metadata(id, Some(other.id()), entries).await.unwrap();
    assert_eq!((sent.head().special_use, other.head().special_use), (None, Some(SpecialUse::Sent)));
    let mut told = changes(&store, id, since);
    told.sort();
    let special_use = SPECIAL_USE_ENTRY.to_owned();
    let comment = (Some(other.id()), "/private/comment".to_owned());
    assert_eq!(told, [(Some(sent.id()), special_use.clone()), comment, (Some(other.id()), special_use)]);

    let refused = [(&other, "\\Sent \\Drafts"), (&other, "\\All"), (&other, "\\Unknown"), (&inbox, "\\Junk")];
    for (mailbox, value) in refused {
        let entries = vec![set("/private/colour", Some("red")), set(SPECIAL_USE_ENTRY, Some(value))];
        let error = store.set_metadata(id, Some(mailbox.id()), entries).await.unwrap_err();
        assert!(matches!(error, Error::SpecialUse(_)), "{value}");
    }
    assert_eq!(values(&store, id, Some(inbox.id())), [], "all or nothing");

    let newest = store.create_mailbox(id, "Out", Some(SpecialUse::Sent)).await.unwrap();
    assert_eq!((other.head().special_use, newest.head().special_use), (None, Some(SpecialUse::Sent)));
    store.set_metadata(id, Some(newest.id()), vec![set(SPECIAL_USE_ENTRY, None)]).await.unwrap();
    assert_eq!(newest.head().special_use, None);
}

#[tokio::test]
async fn too_much_is_refused_and_nothing_changes() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let large = "x".repeat(METADATA_VALUE_MAX);
    let at = Some(inbox.id());
    store.set_metadata(id, at, vec![set("/private/large", Some(&large))]).await.unwrap();
    let too_large = vec![set("/private/a", Some("1")), set("/private/b", Some(&format!("{large}x")))];
    let refused = store.set_metadata(id, at, too_large).await;
    assert_eq!(refused, Err(Error::MetadataTooLarge { limit: METADATA_VALUE_MAX }));
    let many = (0..METADATA_ENTRIES_MAX).map(|number| set(&format!("/private/{number}"), Some("x"))).collect();
    assert_eq!(store.set_metadata(id, at, many).await, Err(Error::TooMuchMetadata));
    let long = format!("/private/{}", "x".repeat(METADATA_NAME_MAX));
    let refused = store.set_metadata(id, at, vec![set(&long, Some("x"))]).await;
    assert_eq!(refused, Err(Error::MetadataNameTooLong { limit: METADATA_NAME_MAX }));
    assert_eq!(store.metadata(id, at).len(), 1);
    let elsewhere = store.set_metadata(AccountId(99), at, vec![set("/private/a", Some("x"))]).await;
    assert_eq!(elsewhere, Err(Error::NoSuchMailbox), "it is another account's");

    // The account as a whole, too.
    for number in 0..14 {
        let mailbox = store.create_mailbox(id, &format!("m{number}"), None).await.unwrap();
        store.set_metadata(id, Some(mailbox.id()), vec![set("/private/large", Some(&large))]).await.unwrap();
    }
    let last = store.create_mailbox(id, "last", None).await.unwrap();
    let refused = store.set_metadata(id, Some(last.id()), vec![set("/private/large", Some(&large))]).await;
    assert_eq!(refused, Err(Error::TooMuchMetadata));
    assert_eq!(store.rename_mailbox(id, "INBOX", "copy").await, Err(Error::TooMuchMetadata));
    store.set_metadata(id, at, vec![set("/private/large", None)]).await.unwrap();
    store.set_metadata(id, Some(last.id()), vec![set("/private/large", Some(&large))]).await.unwrap();
}

#[tokio::test]
async fn it_is_there_again_after_a_crash_a_compaction_and_without_the_index() {
    let dir = TempDir::new().unwrap();
    let options = Options { segment_octets: 300, ..Options::default() };
    let store = open_with(dir.path(), options.clone());
    let (id, inbox) = account(&store, "a@example.org").await;
    let at = Some(inbox.id());
    store.set_metadata(id, at, vec![set("/private/a", Some("1")), set("/private/b", Some("2"))]).await.unwrap();
    store.set_metadata(id, at, vec![set("/private/b", None)]).await.unwrap();
    store.set_metadata(id, None, vec![set("/shared/c", Some("3"))]).await.unwrap();
    let before = (values(&store, id, at), values(&store, id, None), changes(&store, id, 0));
    for _ in 0..4 {
        deliver(&store, &[&inbox], &message(&"x".repeat(300))).await;
    }
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    store.expunge(&open_inbox, &UidSet::range(1, 3), false).await.unwrap();
    drop(open_inbox);
    for _ in 0..4 {
        compact(&store).await;
    }
    assert!(!dir.path().join("journal/0000000001.segment").exists(), "its first record is gone");
    assert_eq!((values(&store, id, at), values(&store, id, None), changes(&store, id, 0)), before);
    crash(store);

    for without_index in [false, true] {
        if without_index {
            fs::remove_dir_all(dir.path().join("index")).unwrap();
        }
        let store = open_with(dir.path(), options.clone());
        assert_eq!((values(&store, id, at), values(&store, id, None), changes(&store, id, 0)), before);
        crash(store);
        assert_eq!(check(dir.path()).findings, []);
    }
}

#[tokio::test]
async fn a_check_compares_each_account_with_itself() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    // Alike in all but the value.
    for number in 0..8 {
        let (id, _) = account(&store, &format!("{number}@example.org")).await;
        let entry = set("/private/colour", Some(&number.to_string()));
        store.set_metadata(id, None, vec![entry]).await.unwrap();
    }
    store.close().await.unwrap();
    drop(store);
    assert_eq!(check(dir.path()).findings, []);
}
