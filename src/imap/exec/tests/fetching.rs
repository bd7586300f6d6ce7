//! FETCH and STORE.

use super::*;

const MESSAGE: &str = "From: Bob <bob@example.org>\r\nTo: alice@localhost\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n\
    Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nQ2Fmw6k=\r\n--b\r\nContent-Transfer-Encoding: x-rot13\r\n\r\nuryyb\r\n--b--\r\n";

async fn with_message(world: &World) -> Speaker<'_> {
    let mut alice = world.login("alice").await;
    world.deliver_to("alice", "INBOX", MESSAGE.as_bytes()).await;
    alice.says("SELECT INBOX").await;
    alice
}

#[tokio::test]
async fn reading_a_body_sets_seen_and_tells_it() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    hears(&alice.says("FETCH 1 BODY.PEEK[1]").await, &["* 1 FETCH (BODY[1] {5}", "Hello)", "OK"]);
    hears(&alice.says("FETCH 1 BODY[1]").await, &["* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[1] {5}", "Hello)", "OK"]);
    hears(&alice.says("FETCH 1 BODY[1]").await, &["* 1 FETCH (BODY[1] {5}", "Hello)", "OK"]);
    alice.says("STORE 1 -FLAGS.SILENT (\\Seen)").await;
    alice.says("EXAMINE INBOX").await;
    hears(&alice.says("FETCH 1 BODY[1]").await, &["* 1 FETCH (BODY[1] {5}", "Hello)", "OK"]);
}

#[tokio::test]
async fn sections_and_parts_of_sections() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    let heard = alice.says("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT to)]").await;
    hears(
        &heard,
        &[
            "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT ",
            "To: alice@localhost",
            "Subject: =?utf-8?q?Caf=C3=A9?=",
            "",
            ")",
            "OK",
        ],
    );
    hears(&alice.says("FETCH 1 BODY.PEEK[1]<1.3>").await, &["* 1 FETCH (BODY[1]<1> {3}", "ell)", "OK"]);
    let heard = alice.says("FETCH 1 BODY.PEEK[1]<9.3>").await;
    assert!(heard[0].starts_with("* 1 FETCH (BODY[1]<9> "), "{heard:?}");
    hears(&alice.says("FETCH 1 BODY.PEEK[9]").await, &["* 1 FETCH (BODY[9] NIL)", "OK"]);
    let heard = alice.says("FETCH 1 BODY.PEEK[]").await;
    assert_eq!(heard[0], format!("* 1 FETCH (BODY[] {{{}}}", MESSAGE.len()));
    assert_eq!(heard[1..heard.len() - 2].join("\r\n") + "\r\n", MESSAGE);
    let heard = alice.says("FETCH 1 (RFC822.HEADER RFC822.SIZE)").await;
    assert_eq!(heard[heard.len() - 2], format!(" RFC822.SIZE {})", MESSAGE.len()));
}

#[tokio::test]
async fn binary_undoes_the_transfer_encoding() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    let heard = alice.says("FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2])").await;
    hears(&heard, &["* 1 FETCH (BINARY.SIZE[2] 5 BINARY[2] ", "Caf\u{e9})", "OK"]);
    hears(&alice.says("FETCH 1 BINARY.PEEK[3]").await, &["NO [UNKNOWN-CTE]"]);
    hears(
        &alice.says("FETCH 1 (BINARY.SIZE[9] BINARY.PEEK[9])").await,
        &["* 1 FETCH (BINARY.SIZE[9] 0 BINARY[9] NIL)", "OK"],
    );
}

#[tokio::test]
async fn envelope_and_structure() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    let heard = alice.says("UID FETCH 1 (ENVELOPE BODYSTRUCTURE)").await;
    hears(&heard, &["* 1 FETCH (UID 1 ENVELOPE (\"Mon, 23 Nov 2026 10:00:00 +0100\" \"=?utf-8?q?Caf=C3=A9?=\" ", "OK"]);
    assert!(heard[0].contains(" BODYSTRUCTURE ((\"text\" \"plain\" "), "{heard:?}");
}

#[tokio::test]
async fn numbers_that_are_not_there() {
    let world = World::new();
    let mut alice = world.select("alice").await;
    hears(&alice.says("FETCH 1:* FLAGS").await, &["BAD"]);
    hears(&alice.says("UID FETCH 1:* FLAGS").await, &["OK"]);
    world.deliver("alice", "one").await;
    hears(&alice.says("FETCH 1 (UID)").await, &["BAD"]);
    alice.says("NOOP").await;
    hears(&alice.says("FETCH 2 (UID)").await, &["BAD"]);
    hears(&alice.says("UID FETCH 7:* (FLAGS)").await, &["* 1 FETCH (FLAGS (\\Recent) UID 1)", "OK"]);
}

#[tokio::test]
async fn an_answer_of_many_steps_arrives_whole() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    let line = format!("{}\r\n", "x".repeat(98));
    let message = format!("Subject: big\r\n\r\n{}", line.repeat(20_000));
    world.deliver_to("alice", "INBOX", message.as_bytes()).await;
    world.deliver("alice", "small").await;
    alice.says("SELECT INBOX").await;
    let heard = alice.says("FETCH 1:2 (BODY.PEEK[] UID)").await;
    assert_eq!(heard[0], format!("* 1 FETCH (BODY[] {{{}}}", message.len()));
    assert_eq!(heard[3..20_003].iter().filter(|heard| **heard == "x".repeat(98)).count(), 20_000);
    hears(&heard[20_003..20_005], &[" UID 1)", "* 2 FETCH (BODY[] {"]);
    hears(&heard[heard.len() - 2..], &[" UID 2)", "OK"]);
}

#[tokio::test]
async fn store_in_its_three_ways() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    hears(
        &alice.says("STORE 1 FLAGS (\\Flagged one)").await[2..],
        &["* 1 FETCH (FLAGS (\\Flagged \\Recent one))", "OK"],
    );
    hears(
        &alice.says("UID STORE 1 +FLAGS (\\Draft)").await,
        &["* 1 FETCH (FLAGS (\\Flagged \\Draft \\Recent one) UID 1)", "OK"],
    );
    hears(&alice.says("STORE 1 -FLAGS (ONE \\Flagged)").await, &["* 1 FETCH (FLAGS (\\Draft \\Recent))", "OK"]);
    hears(&alice.says("STORE 1 FLAGS ()").await, &["* 1 FETCH (FLAGS (\\Recent))", "OK"]);
    hears(&alice.says("UID STORE 5 +FLAGS (\\Seen)").await, &["OK"]);
    hears(&alice.says("STORE 5 +FLAGS (\\Seen)").await, &["BAD"]);
}

#[tokio::test]
async fn the_keyword_table_has_an_end() {
    let world = World::new();
    let mut alice = with_message(&world).await;
    let keywords: Vec<_> = (0..58).map(|n| format!("k{n}")).collect();
    let heard = alice.says(&format!("STORE 1 FLAGS ({})", keywords.join(" "))).await;
    assert!(!heard[1].contains("\\*"), "no more can be made: {heard:?}");
    hears(&alice.says("STORE 1 +FLAGS (one-more)").await, &["NO [LIMIT]"]);
}

#[tokio::test]
async fn a_damaged_message_costs_no_other() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    for subject in ["one", "unlucky", "three"] {
        world.deliver("alice", subject).await;
    }
    alice.says("SELECT INBOX").await;
    damage(world.folder.path(), b"this is unlucky");
    let heard = alice.says("FETCH 1:3 (UID BODY.PEEK[TEXT])").await;
    let lines: Vec<_> = heard.iter().filter(|line| line.starts_with("* ")).collect();
    assert!(lines.len() == 2 && lines[0].starts_with("* 1 FETCH") && lines[1].starts_with("* 3 FETCH"), "{heard:?}");
    hears(&heard[heard.len() - 1..], &["NO [CORRUPTION]"]);
    let heard = alice.says("SEARCH BODY this").await;
    hears(&heard, &["* NO [CORRUPTION]", "* SEARCH 1 3", "OK"]);
}

/// Flips an octet of what was stored, wherever in the folder that is: of the body, not of the preview before it.
fn damage(folder: &std::path::Path, octets: &[u8]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path, octets);
            continue;
        }
        let held = std::fs::read(&path).unwrap_or_default();
        if let Some(at) = held.windows(octets.len()).rposition(|window| window == octets) {
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            io::Seek::seek(&mut file, io::SeekFrom::Start(at as u64)).unwrap();
            io::Write::write_all(&mut file, b"T").unwrap();
        }
    }
}
