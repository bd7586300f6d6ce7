//! Damage costs what it hit and no more.

use std::sync::atomic::Ordering;

use super::*;
use crate::message::Summary;

/// A store in whose first segment two messages stand, of which one is needed; the second segment is begun.
async fn two_messages(dir: &Path) -> (Store, AccountId, BodyId) {
    let store = open_with(dir, Options { segment_octets: 1_200, ..Options::default() });
    let (id, inbox) = account(&store, "a@example.org").await;
    deliver(&store, &[&inbox], &message("kept")).await;
    deliver(&store, &[&inbox], &message(&format!("gone {}", "x".repeat(600)))).await;
    deliver(&store, &[&inbox], &message("newest")).await;
    let open_inbox = store.open_mailbox(&inbox).await.unwrap();
    let kept = open_inbox.message(1).unwrap().body;
    store.expunge(&open_inbox, &UidSet::range(2, 2), false).await.unwrap();
    drop(open_inbox);
    (store, id, kept)
}

/// Where the record of the message with that subject begins in the segment.
fn record_of(segment: &[u8], subject: &str) -> usize {
    let needle = format!("Subject: {subject}");
    let body = segment.windows(needle.len()).position(|window| window == needle.as_bytes()).unwrap();
    segment[..body].windows(4).rposition(|window| window == b"PbRc").unwrap()
}

#[tokio::test]
async fn compaction_keeps_a_segment_in_which_it_does_not_find_what_is_needed() {
    let dir = TempDir::new().unwrap();
    let (store, id, kept) = two_messages(dir.path()).await;
    store.close().await.unwrap();
    crash(store);
    let segment = dir.path().join("journal/0000000001.segment");
    let mut octets = fs::read(&segment).unwrap();
    let at = record_of(&octets, "kept");
    // Its commit_seq: the record's checksum is wrong now, and the body is well.
    octets[at + 8] ^= 1;
    fs::write(&segment, octets).unwrap();

    let store = open_with(dir.path(), Options { segment_octets: 1_200, ..Options::default() });
    store.read_body(kept).await.unwrap();
    for _ in 0..3 {
        compact(&store).await;
    }
    store.read_body(kept).await.unwrap();
    let inbox = store.mailbox(id, "INBOX").unwrap();
    assert_eq!(subjects(&store, &inbox).await, [(1, "kept".to_owned()), (3, "newest".to_owned())]);
    deliver(&store, &[&inbox], &message("mail goes on")).await;
}

#[tokio::test]
async fn a_segment_that_can_not_be_read_does_not_stop_the_mail() {
    let dir = TempDir::new().unwrap();
    two_messages(dir.path()).await.0.close().await.unwrap();
    let faults = Arc::new(failing::Faults::default());
    let disk = Arc::new(failing::FailingDisk(Arc::clone(&faults)));
    let store = Store::open_on(disk, dir.path(), Options::default()).unwrap();
    faults.reads.store(true, Ordering::Relaxed);
    compact(&store).await;
    faults.reads.store(false, Ordering::Relaxed);
    let inbox = store.mailbox(store.account("a@example.org").unwrap().id, "INBOX").unwrap();
    deliver(&store, &[&inbox], &message("goes on")).await;
    assert_eq!(subjects(&store, &inbox).await.len(), 3);
}

#[tokio::test]
async fn a_segment_is_never_passed_over_for_its_damaged_header() {
    let dir = TempDir::new().unwrap();
    let (store, id, _) = two_messages(dir.path()).await;
    store.close().await.unwrap();
    crash(store);
    let segment = dir.path().join("journal/0000000001.segment");
    let whole = fs::read(&segment).unwrap();
    let write = |damaged: &[usize]| {
        let mut octets = whole.clone();
        damaged.iter().for_each(|at| octets[*at] ^= 1);
        fs::write(&segment, octets).unwrap();
    };
    // The header stands twice.
    for damaged in [8, 33, 63, 64 + 33] {
        write(&[damaged]);
        let store = open(dir.path());
        let inbox = store.mailbox(id, "INBOX").unwrap();
        assert_eq!(subjects(&store, &inbox).await, [(1, "kept".to_owned()), (3, "newest".to_owned())]);
    }
    write(&[33, 64 + 33]);
    let refused = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(refused.to_string().contains("0000000001.segment: its header is damaged"), "{refused}");
    write(&[]);
    fs::copy(&segment, dir.path().join("journal/copy.segment")).unwrap();
    let refused = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(refused.to_string().contains("copy.segment: its header says that it is segment 1"), "{refused}");
}

/// What can still be read, by subject, whatever else is damaged.
async fn readable(store: &Store) -> Vec<String> {
    let mut subjects = Vec::new();
    for account in store.accounts() {
        for mailbox in store.mailboxes(account.id) {
            let Ok(open) = store.open_mailbox(&mailbox).await else { continue };
            let messages = open.messages(&UidSet::range(1, u32::MAX));
            together_as_alone(store, messages.iter().map(|message| message.body).collect()).await;
            for message in messages {
                let Ok(body) = store.read_body(message.body).await else { continue };
                let text = String::from_utf8(body.to_vec()).unwrap();
                subjects.extend(text.lines().find_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned));
            }
        }
    }
    subjects
}

/// What is read of neighbours together is what is read of each alone: one that is damaged costs no other.
async fn together_as_alone(store: &Store, bodies: Vec<BodyId>) {
    let (wholes, summaries) = (store.read_bodies(bodies.clone()).await, store.read_summaries(bodies.clone()).await);
    let look = |_, read: Result<(&Summary, &[u8]), Error>| read.map(|(summary, body)| (summary.clone(), body.to_vec()));
    let looked = store.look_at_messages(bodies.clone(), look).await.unwrap();
    assert!(wholes.len() == bodies.len() && summaries.len() == bodies.len() && looked.len() == bodies.len());
    for (((body, whole), summary), looked) in bodies.into_iter().zip(wholes).zip(summaries).zip(looked) {
        let (alone, summary_alone) = (store.read_body(body).await.ok(), store.read_summary(body).await.ok());
        assert_eq!(whole.ok(), alone);
        assert_eq!(looked.ok().map(|(_, body)| body).as_deref(), alone.as_deref());
        assert_eq!(summary.ok(), summary_alone);
    }
}

#[tokio::test]
async fn a_segment_that_is_cut_off_costs_what_is_behind_the_cut() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    for text in ["one", "two", "three"] {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    let segment = &segment_files(dir.path())[0];
    let len = record_of(&fs::read(segment).unwrap(), "three") + 70;
    fs::File::options().write(true).open(segment).unwrap().set_len(len as u64).unwrap();
    assert_eq!(readable(&store).await, ["one", "two"]);
    let bodies = store.open_mailbox(&inbox).await.unwrap().messages(&UidSet::range(1, 3));
    let read = store.read_bodies(bodies.iter().map(|message| message.body).collect()).await;
    assert!(matches!(read.as_slice(), [Ok(_), Ok(_), Err(Error::Damaged(_))]), "{read:?}");
    crash(store);
}

#[tokio::test]
async fn a_flipped_octet_anywhere_costs_at_most_the_record_it_is_in() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (id, inbox) = account(&store, "a@example.org").await;
    let texts = ["one", "two", "three", "four"];
    for text in texts {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    store.create_mailbox(id, "Last", None).await.unwrap();
    store.close().await.unwrap();
    crash(store);
    let segment = &segment_files(dir.path())[0];
    let whole = fs::read(segment).unwrap();
    let first = record_of(&whole, "one");
    // With the index nothing but the body itself matters; without it the record does. The accounts' records come first.
    for (with_index, step) in [(true, 13), (false, 29)] {
        for at in (first..whole.len()).step_by(step) {
            let damaged = TempDir::new().unwrap();
            copy_dir(dir.path(), damaged.path());
            let mut octets = whole.clone();
            octets[at] ^= 0x41;
            fs::write(damaged.path().join("journal").join(segment.file_name().unwrap()), octets).unwrap();
            if !with_index {
                fs::remove_dir_all(damaged.path().join("index")).unwrap();
            }
            let store = open(damaged.path());
            let left = readable(&store).await;
            assert!(left.len() >= texts.len() - 1, "octet {at}: {left:?}");
            assert!(left.iter().all(|subject| texts.contains(&subject.as_str())), "octet {at}: {left:?}");
            crash(store);
            Store::check(damaged.path(), false).unwrap();
        }
    }
}

#[tokio::test]
async fn an_index_that_is_damaged_anywhere_costs_nothing() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (_, inbox) = account(&store, "a@example.org").await;
    for text in ["one", "two"] {
        deliver(&store, &[&inbox], &message(text)).await;
    }
    store.close().await.unwrap();
    crash(store);
    let db = fs::read(dir.path().join("index/db")).unwrap();
    let used = db.iter().rposition(|octet| *octet != 0).unwrap() + 1;
    for (number, at) in (0..used).step_by(used.div_ceil(40)).enumerate() {
        let damaged = TempDir::new().unwrap();
        copy_dir(dir.path(), damaged.path());
        let path = damaged.path().join("index/db");
        if number % 4 == 0 {
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(at as u64).unwrap();
        } else {
            let mut octets = db.clone();
            octets[at] ^= 0x41;
            fs::write(&path, octets).unwrap();
        }
        let store = open(damaged.path());
        assert_eq!(readable(&store).await, ["one", "two"], "octet {at}");
        store.close().await.unwrap();
        crash(store);
        assert_eq!(check(damaged.path()).findings, [], "octet {at}");
    }
}
