//! CONDSTORE and QRESYNC (RFC 7162) as clients hear them.

use super::*;

impl World {
    /// A client that enabled QRESYNC and selected its INBOX, in which there are `messages`.
    async fn resyncs(&self, messages: usize) -> Speaker<'_> {
        let mut alice = self.login("alice").await;
        for _ in 0..messages {
            self.deliver("alice", "early").await;
        }
        hears(&alice.says("ENABLE QRESYNC").await, &["* ENABLED QRESYNC", "OK"]);
        alice.says("SELECT INBOX").await;
        alice
    }
}

/// The number behind `name` in the first line that has it.
fn number_behind(heard: &[String], name: &str) -> u64 {
    let rest =
        heard.iter().find_map(|line| line.split_once(name)).unwrap_or_else(|| panic!("no {name} in {heard:?}")).1;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[tokio::test]
async fn every_enabling_command_enables_and_tells_the_highest_once() {
    let enabling = [
        "STATUS INBOX (HIGHESTMODSEQ)",
        "FETCH 1 (MODSEQ)",
        "FETCH 1 (UID) (CHANGEDSINCE 1)",
        "SEARCH MODSEQ 1",
        "STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)",
        "ENABLE CONDSTORE",
        "ENABLE QRESYNC",
    ];
    for command in enabling {
        let world = World::new();
        let mut alice = world.login("alice").await;
        world.deliver("alice", "one").await;
        let highest = number_behind(&alice.says("SELECT INBOX").await, "[HIGHESTMODSEQ ");
        let heard = alice.says(command).await;
        assert_eq!(number_behind(&heard, "* OK [HIGHESTMODSEQ "), highest, "{command}");
        let heard = alice.says(command).await;
        assert!(!heard.iter().any(|line| line.contains("[HIGHESTMODSEQ ")), "{command} again: {heard:?}");
        let heard = alice.says("STORE 1 +FLAGS.SILENT (\\Flagged)").await;
        hears(&heard, &["* 1 FETCH (UID 1 MODSEQ (", "OK"]);
    }
}

#[tokio::test]
async fn unsolicited_fetches_have_uid_and_mod_seq_from_then_on() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    alice.says("SELECT INBOX (CONDSTORE)").await;
    let mut phone = world.select("alice").await;
    phone.says("STORE 1 +FLAGS (\\Flagged)").await;
    hears(&alice.listens().await, &["* 1 FETCH (FLAGS (\\Flagged \\Recent) UID 1 MODSEQ ("]);
    hears(
        &alice.says("FETCH 1 BODY[TEXT]").await[..1],
        &["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent) UID 1 MODSEQ ("],
    );
    hears(&alice.says("FETCH 1 (FLAGS)").await, &["* 1 FETCH (FLAGS (\\Flagged \\Seen \\Recent))", "OK"]);
    hears(&phone.says("NOOP").await, &["* 1 FETCH (FLAGS (\\Flagged \\Seen) UID 1)", "OK"]);
}

#[tokio::test]
async fn a_conditional_store_tells_why_it_failed() {
    let world = World::new();
    let mut alice = world.resyncs(3).await;
    let mut phone = world.select("alice").await;
    let since = number_behind(&alice.says("STATUS INBOX (HIGHESTMODSEQ)").await, "HIGHESTMODSEQ ");
    phone.says("STORE 1,3 +FLAGS (\\Seen)").await;
    let heard = alice.says(&format!("STORE 3,1:2 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (\\Deleted)")).await;
    hears(
        &heard,
        &[
            "* 2 FETCH (UID 2 MODSEQ (",
            "* 1 FETCH (FLAGS (\\Seen \\Recent) UID 1 MODSEQ (",
            "* 3 FETCH (FLAGS (\\Seen \\Recent) UID 3 MODSEQ (",
            "OK [MODIFIED 1,3] ",
        ],
    );
    let heard = alice.says("UID STORE 1:3 (UNCHANGEDSINCE 0) FLAGS ()").await;
    assert!(heard.last().unwrap().starts_with("OK [MODIFIED 1:3]"), "{heard:?}");
}

#[tokio::test]
async fn modified_comes_with_no_where_messages_are_gone() {
    let world = World::new();
    let mut alice = world.resyncs(3).await;
    let mut phone = world.select("alice").await;
    let since = number_behind(&alice.says("STATUS INBOX (HIGHESTMODSEQ)").await, "HIGHESTMODSEQ ");
    phone.says("STORE 1 +FLAGS (\\Deleted)").await;
    phone.says("EXPUNGE").await;
    phone.says("STORE 1 +FLAGS (\\Seen)").await;
    let heard = alice.says(&format!("STORE 1:3 (UNCHANGEDSINCE {since}) +FLAGS (\\Flagged)")).await;
    hears(
        &heard,
        &[
            "* 3 FETCH (FLAGS (\\Flagged \\Recent) UID 3 MODSEQ (",
            "* 2 FETCH (FLAGS (\\Seen \\Recent) UID 2 MODSEQ (",
            &format!("* OK [HIGHESTMODSEQ {since}]"),
            "NO [MODIFIED 2] ",
        ],
    );
    let heard = alice.says("NOOP").await;
    hears(&heard, &["* VANISHED 1", "* 2 RECENT", "* OK [HIGHESTMODSEQ ", "OK"]);
    assert!(number_behind(&heard, "[HIGHESTMODSEQ ") > since);
}

#[tokio::test]
async fn as_long_as_an_expunge_waits_the_old_highest_is_repeated() {
    let world = World::new();
    let mut alice = world.resyncs(3).await;
    let mut phone = world.select("alice").await;
    let before = number_behind(&alice.says("STATUS INBOX (HIGHESTMODSEQ)").await, "HIGHESTMODSEQ ");
    phone.says("UID MOVE 1 INBOX").await;
    phone.says("STORE 1 +FLAGS (\\Seen)").await;
    for command in ["STORE 3 +FLAGS.SILENT (\\Flagged)", "FETCH 2:3 (MODSEQ)", "SEARCH MODSEQ 1"] {
        let heard = alice.says(command).await;
        assert_eq!(number_behind(&heard, "* OK [HIGHESTMODSEQ "), before, "{command}");
    }
    let heard = alice.says("NOOP").await;
    hears(&heard[..1], &["* VANISHED 1"]);
    assert!(number_behind(&heard, "* OK [HIGHESTMODSEQ ") > before);
}

#[tokio::test]
async fn leaving_messages_are_vanished_and_the_ok_has_the_highest() {
    let world = World::new();
    let mut alice = world.resyncs(5).await;
    alice.says("STORE 1,2,4 +FLAGS.SILENT (\\Deleted)").await;
    hears(&alice.says("UID EXPUNGE 4:5").await, &["* VANISHED 4", "* 4 RECENT", "OK [HIGHESTMODSEQ "]);
    hears(&alice.says("EXPUNGE").await, &["* VANISHED 1:2", "* 2 RECENT", "OK [HIGHESTMODSEQ "]);
    hears(&alice.says("EXPUNGE").await, &["OK EXPUNGE"]);
    alice.says("CREATE Archive").await;
    let heard = alice.says("MOVE 1 Archive").await;
    hears(&heard, &["* OK [COPYUID ", "* VANISHED 3", "* 1 RECENT", "OK [HIGHESTMODSEQ "]);
    alice.says("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    hears(&alice.says("CLOSE").await, &["OK CLOSE"]);
}

#[tokio::test]
async fn a_uid_search_with_sequence_numbers_renumbers_nothing() {
    let world = World::new();
    let mut alice = world.resyncs(2).await;
    let mut phone = world.select("alice").await;
    phone.says("STORE 1 +FLAGS (\\Deleted)").await;
    phone.says("EXPUNGE").await;
    let heard = alice.says("UID SEARCH NOT 1").await;
    hears(&heard, &["* SEARCH 2", "* OK [HIGHESTMODSEQ ", "OK"]);
    let heard = alice.says("UID SEARCH ALL").await;
    hears(&heard[..2], &["* SEARCH 2", "* VANISHED 1"]);
}

#[tokio::test]
async fn changed_since_and_vanished() {
    let world = World::new();
    let mut alice = world.resyncs(4).await;
    let since = number_behind(&alice.says("STATUS INBOX (HIGHESTMODSEQ)").await, "HIGHESTMODSEQ ");
    let mut phone = world.select("alice").await;
    phone.says("STORE 1 +FLAGS (\\Deleted)").await;
    phone.says("EXPUNGE").await;
    phone.says("STORE 2 +FLAGS (\\Seen)").await;
    hears(&alice.says("NOOP").await[..1], &["* VANISHED 1"]);
    phone.says("STORE 1 +FLAGS (\\Deleted)").await;
    phone.says("EXPUNGE").await;
    // UID 2 is counted still: it goes with a VANISHED that renumbers.
    let heard = alice.says(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")).await;
    hears(
        &heard,
        &["* VANISHED (EARLIER) 1", "* 2 FETCH (FLAGS (\\Seen \\Recent) MODSEQ (", "* VANISHED 2", "* 2 RECENT", "OK"],
    );
    hears(&alice.says(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")).await[1..], &["OK"]);
    let mut stranger = world.select("alice").await;
    hears(&stranger.says("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)").await, &["BAD"]);
    hears(&stranger.says("SELECT INBOX (QRESYNC (1 1))").await, &["BAD"]);
    hears(&stranger.says("CHECK").await, &["OK"]);
}

#[tokio::test]
async fn match_data_says_what_the_client_knows_to_be_gone() {
    let world = World::new();
    let mut alice = world.resyncs(6).await;
    let heard = alice.says("SELECT INBOX").await;
    hears(&heard[..1], &["* OK [CLOSED]"]);
    let validity = number_behind(&heard, "[UIDVALIDITY ");
    let since = number_behind(&heard, "[HIGHESTMODSEQ ");
    alice.says("STORE 2,5 +FLAGS.SILENT (\\Deleted)").await;
    alice.says("EXPUNGE").await;
    let mut resync = async |given: &str| {
        let heard = alice.says(&format!("SELECT INBOX (QRESYNC ({validity} {since}{given}))")).await;
        heard.into_iter().filter(|line| line.contains("VANISHED")).collect::<Vec<_>>()
    };
    assert_eq!(resync("").await, ["* VANISHED (EARLIER) 2,5"]);
    assert_eq!(resync(" 1:4").await, ["* VANISHED (EARLIER) 2"]);
    assert_eq!(resync(" 5:4294967295").await, ["* VANISHED (EARLIER) 5"]);
    // Number 2 is UID 3 now: up to there it knows. Number 3 is not UID 5.
    assert_eq!(resync(" (1:3 1,3,5)").await, ["* VANISHED (EARLIER) 5"]);
    assert_eq!(resync(" 1:6 (1:2,4 1:2,6)").await, Vec::<String>::new());
    assert_eq!(resync(" 1:6 (1,100:1000 1,1100:2000)").await, ["* VANISHED (EARLIER) 2,5"]);
    let heard = alice.says(&format!("SELECT INBOX (QRESYNC ({} 1))", validity + 1)).await;
    assert!(!heard.iter().any(|line| line.contains("VANISHED") || line.contains("FETCH")), "{heard:?}");
}

#[tokio::test]
async fn mod_sequences_outlive_a_restart() {
    let world = World::new();
    let mut alice = world.resyncs(3).await;
    let heard = alice.says("SELECT INBOX").await;
    let (validity, since) = (number_behind(&heard, "[UIDVALIDITY "), number_behind(&heard, "[HIGHESTMODSEQ "));
    alice.says("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    let highest = number_behind(&alice.says("EXPUNGE").await, "OK [HIGHESTMODSEQ ");
    drop(alice);
    let world = world.restart().await;
    let mut alice = world.login("alice").await;
    alice.says("ENABLE CONDSTORE QRESYNC").await;
    let heard = alice.says(&format!("SELECT INBOX (QRESYNC ({validity} {since}))")).await;
    assert_eq!(number_behind(&heard, "[HIGHESTMODSEQ "), highest);
    assert!(heard.contains(&"* VANISHED (EARLIER) 2".to_owned()), "{heard:?}");
}
