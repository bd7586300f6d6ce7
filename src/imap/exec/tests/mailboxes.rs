//! Mailboxes by name: CREATE to LSUB, STATUS, APPEND.

use super::*;

#[tokio::test]
async fn select_says_all_that_it_must() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "two", "three"] {
        world.deliver("alice", subject).await;
    }
    alice.says("SELECT INBOX").await;
    alice.says("STORE 1 +FLAGS (\\Seen $Work)").await;
    let heard = alice.says("SELECT inbox").await;
    let expected = [
        "* OK [CLOSED]",
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)",
        "* 3 EXISTS",
        "* 0 RECENT",
        "* OK [UNSEEN 2]",
        "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)]",
        "* OK [UIDNEXT 4]",
        "* OK [UIDVALIDITY ",
        "* OK [MAILBOXID (M",
        "* OK [HIGHESTMODSEQ ",
        "OK [READ-WRITE]",
    ];
    for line in expected {
        assert!(heard.iter().any(|heard| heard.starts_with(line)), "{line} is missing in {heard:#?}");
    }
    assert_eq!(heard.len(), expected.len());
    let heard = alice.says("EXAMINE INBOX").await;
    assert!(heard.iter().any(|line| line.starts_with("* OK [PERMANENTFLAGS ()]")), "{heard:#?}");
    assert!(heard.last().unwrap().starts_with("OK [READ-ONLY]"));
}

#[tokio::test]
async fn create_rename_delete_and_their_refusals() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    hears(&alice.says("CREATE a/b/").await, &["OK"]);
    hears(&alice.says("CREATE a/b").await, &["NO [ALREADYEXISTS]"]);
    hears(&alice.says("CREATE inbox").await, &["NO [ALREADYEXISTS]"]);
    hears(&alice.says("DELETE INBOX").await, &["NO [CANNOT]"]);
    hears(&alice.says("CREATE \"a*\"").await, &["NO [CANNOT]"]);
    hears(&alice.says("DELETE nowhere").await, &["NO [NONEXISTENT]"]);
    hears(&alice.says("RENAME nowhere somewhere").await, &["NO [NONEXISTENT]"]);
    hears(&alice.says("RENAME a/b INBOX").await, &["NO [ALREADYEXISTS]"]);
    hears(&alice.says("DELETE a").await, &["OK"]);
    hears(&alice.says("DELETE a").await, &["NO [CANNOT]"]);
    hears(&alice.says("SELECT a").await, &["NO [NONEXISTENT]"]);
    hears(&alice.says("RENAME a c").await, &["OK"]);
    hears(
        &alice.says("LIST \"\" c*").await,
        &["* LIST (\\Noselect \\HasChildren) \"/\" c", "* LIST (\\HasNoChildren) \"/\" c/b", "OK"],
    );
}

#[tokio::test]
async fn list_shows_the_hierarchy() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    hears(&alice.says("LIST \"\" \"\"").await, &["* LIST (\\Noselect) \"/\" \"\"", "OK"]);
    alice.says("CREATE work/2026/november").await;
    alice.says("CREATE &AOk-t&AOk-").await;
    alice.says("DELETE work").await;
    let heard = alice.says("LIST \"\" %").await;
    hears(
        &heard,
        &[
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* LIST (\\Noselect \\HasChildren) \"/\" work",
            "* LIST (\\HasNoChildren) \"/\" &AOk-t&AOk-",
            "OK",
        ],
    );
    let heard = alice.says("LIST work/ %").await;
    hears(&heard, &["* LIST (\\HasChildren) \"/\" work/2026", "OK"]);
    let heard = alice.says("LIST \"\" work*").await;
    hears(
        &heard,
        &[
            "* LIST (\\Noselect ",
            "* LIST (\\HasChildren) \"/\" work/2026",
            "* LIST (\\HasNoChildren) \"/\" work/2026/november",
            "OK",
        ],
    );
    hears(&alice.says("LIST \"\" inBOX").await, &["* LIST (\\HasNoChildren) \"/\" INBOX", "OK"]);
}

#[tokio::test]
async fn special_uses_are_among_the_attributes() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    let account = world.account("alice").id;
    world.store.create_mailbox(account, "Sent", Some(crate::store::SpecialUse::Sent)).await.unwrap();
    hears(&alice.says("LIST \"\" Sent").await, &["* LIST (\\HasNoChildren \\Sent) \"/\" Sent", "OK"]);
}

#[tokio::test]
async fn subscriptions_outlive_their_mailboxes() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE news/rust").await;
    alice.says("UNSUBSCRIBE INBOX").await;
    hears(&alice.says("SUBSCRIBE news/rust").await, &["OK"]);
    alice.says("DELETE news/rust").await;
    hears(&alice.says("LSUB \"\" *").await, &["* LSUB () \"/\" news/rust", "OK"]);
    hears(&alice.says("LSUB \"\" %").await, &["* LSUB (\\Noselect) \"/\" news", "OK"]);
    hears(&alice.says("LSUB \"\" news").await, &["OK"]);
    hears(&alice.says("UNSUBSCRIBE news/rust").await, &["OK"]);
    hears(&alice.says("LSUB \"\" *").await, &["OK"]);
}

#[tokio::test]
async fn status_of_a_mailbox_that_is_not_selected() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    world.deliver("alice", "one").await;
    let heard = alice.says("STATUS inbox (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)").await;
    hears(&heard, &["* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ", "OK"]);
    hears(&alice.says("STATUS nowhere (MESSAGES)").await, &["NO [NONEXISTENT]"]);
}

#[tokio::test]
async fn append_keeps_octets_flags_and_date() {
    let world = World::new();
    let mut alice = world.select("alice").await;
    let message = "Subject: x\r\n\r\n8-bit: \u{e9}, no end";
    let append =
        format!("APPEND INBOX (\\Seen $Mine) \" 5-Nov-2026 09:08:07 +0130\" {{{}}}\r\n{message}", message.len());
    let heard = alice.says(&append).await;
    hears(&heard, &["+ Ready", "* 1 EXISTS", "* 1 RECENT", "* FLAGS", "* OK [PERMANENTFLAGS", "OK [APPENDUID "]);
    let heard = alice.says("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])").await;
    let first = format!(
        "* 1 FETCH (FLAGS (\\Seen \\Recent $Mine) INTERNALDATE \" 5-Nov-2026 09:08:07 +0130\" RFC822.SIZE {0} BODY[] {{{0}}}",
        message.len()
    );
    hears(&heard, &[&first, "Subject: x", "", "8-bit: \u{e9}, no end)", "OK"]);
}

#[tokio::test]
async fn an_append_that_is_refused_takes_no_message() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    // The client waits for `+`, hears NO, and goes on.
    hears(&alice.says("APPEND nowhere {5}").await, &["NO [TRYCREATE]"]);
    hears(&alice.says("NOOP").await, &["OK"]);
    // What can't be created, nobody is asked to create.
    hears(&alice.says("APPEND no//where {5}").await, &["NO [CANNOT]"]);
    // The client does not wait: its message is thrown away.
    hears(&alice.says("APPEND nowhere {5+}\r\nhello").await, &["NO [TRYCREATE]"]);
    hears(&alice.says("NOOP").await, &["OK"]);
    let mut stranger = world.connect();
    hears(&stranger.says("APPEND INBOX {5+}\r\nhello").await, &["BAD"]);
}

#[tokio::test]
async fn nul_comes_by_literal8_alone() {
    let world = World::new();
    let mut alice = world.select("alice").await;
    hears(&alice.says("APPEND INBOX {5+}\r\n\r\n\0\r\n").await, &["BAD"]);
    hears(&alice.says("APPEND INBOX ~{5+}\r\n\r\n\0\r\n").await, &["* 1 EXISTS", "* 1 RECENT", "OK [APPENDUID"]);
    let heard = alice.says("FETCH 1 (BINARY.SIZE[] BINARY.PEEK[])").await;
    hears(&heard, &["* 1 FETCH (BINARY.SIZE[] 5 BINARY[] ~{5}", "", "\0", ")", "OK"]);
}

#[tokio::test]
async fn copy_tells_where_the_copies_are() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "two"] {
        world.deliver("alice", subject).await;
    }
    alice.says("CREATE copies").await;
    alice.says("SELECT INBOX").await;
    alice.says("STORE 2 +FLAGS (\\Flagged $Work)").await;
    let heard = alice.says("COPY 1:2 copies").await;
    hears(&heard, &["OK [COPYUID "]);
    assert!(heard[0].contains(" 1:2 1:2]"), "{heard:?}");
    hears(&alice.says("COPY 1 nowhere").await, &["NO [TRYCREATE]"]);
    hears(&alice.says("UID COPY 99 copies").await, &["OK Nothing"]);
    hears(&alice.says("COPY 3 copies").await, &["BAD"]);
    alice.says("SELECT copies").await;
    hears(&alice.says("FETCH 2 (FLAGS)").await, &["* 2 FETCH (FLAGS (\\Flagged \\Recent $Work))", "OK"]);
}

#[tokio::test]
async fn options_of_list() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    alice.says("CREATE a/b").await;
    alice.says("SUBSCRIBE a/b").await;
    alice.says("UNSUBSCRIBE INBOX").await;
    alice.says("SUBSCRIBE gone").await;
    // With options an empty pattern asks for no root (RFC 5258 §3).
    hears(&alice.says("LIST \"\" \"\" RETURN (CHILDREN)").await, &["OK"]);
    let heard = alice.says("LIST (SUBSCRIBED) \"\" *").await;
    hears(
        &heard,
        &["* LIST (\\HasNoChildren \\Subscribed) \"/\" a/b", "* LIST (\\NonExistent \\Subscribed) \"/\" gone", "OK"],
    );
    let heard = alice.says("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" a").await;
    hears(&heard, &["* LIST (\\HasChildren) \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))", "OK"]);
    let heard = alice.says("LIST \"\" (a INBOX) RETURN (SUBSCRIBED CHILDREN)").await;
    hears(&heard, &["* LIST (\\HasNoChildren) \"/\" INBOX", "* LIST (\\HasChildren) \"/\" a", "OK"]);
}
