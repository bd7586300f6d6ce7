//! SEARCH.

use super::*;

/// A mailbox with four messages, and a client that has selected it.
async fn selected(world: &World) -> Speaker<'_> {
    let mut alice = world.login("alice").await;
    for (date, from, subject, body) in [
        ("10-Nov-2026 23:30:00 -0800", "Bob <bob@example.org>", "Lunch", "Shall we have lunch?"),
        ("11-Nov-2026 10:00:00 +0000", "Carol <carol@example.org>", "=?utf-8?q?Caf=C3=A9?=", "At noon."),
        ("12-Nov-2026 10:00:00 +0000", "Bob <bob@example.org>", "Re: Lunch", "Caf\u{e9} at NOON, and some more words."),
        ("13-Nov-2026 10:00:00 +0000", "dave@example.net", "Report", "Nothing."),
    ] {
        let message = format!(
            "From: {from}\r\nTo: alice@localhost\r\nSubject: {subject}\r\nDate: Tue, {} +0000\r\nX-Tag: {}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n",
            date.replace('-', " ").split(" ").take(3).collect::<Vec<_>>().join(" ") + " 12:00:00",
            subject.len(),
        );
        let append = format!("APPEND INBOX \"{date}\" {{{}+}}\r\n{message}", message.len());
        hears(&alice.says(&append).await, &["OK"]);
    }
    alice.says("SELECT INBOX").await;
    alice.says("STORE 1 +FLAGS.SILENT (\\Seen \\Answered $Work)").await;
    alice.says("STORE 4 +FLAGS.SILENT (\\Flagged)").await;
    alice
}

#[tokio::test]
async fn every_key_finds_what_it_says() {
    let world = World::new();
    let mut alice = selected(&world).await;
    for (key, found) in [
        ("ALL", "1 2 3 4"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3 4"),
        ("ANSWERED", "1"),
        ("UNANSWERED FLAGGED", "4"),
        ("UNFLAGGED", "1 2 3"),
        ("DELETED", ""),
        ("UNDELETED UNDRAFT", "1 2 3 4"),
        ("DRAFT", ""),
        ("YOUNGER 86400", "4"),
        ("OLDER 86400", "1 2 3 4"),
        ("OLDER 86401", "1 2 3"),
        ("YOUNGER 86399", ""),
        ("OLDER 260000 OLDER 86400", "1"),
        ("SAVEDSINCE 1-Jan-2020 SAVEDATESUPPORTED", "1 2 3 4"),
        ("SAVEDBEFORE 1-Jan-2020", ""),
        ("SAVEDON 12-Nov-2001", ""),
        ("KEYWORD $work", "1"),
        ("UNKEYWORD $Work", "2 3 4"),
        ("KEYWORD unknown", ""),
        ("RECENT", "1 2 3 4"),
        ("NEW", "2 3 4"),
        ("OLD", ""),
        ("FROM bob", "1 3"),
        ("FROM \"Example.ORG\"", "1 2 3"),
        ("TO alice", "1 2 3 4"),
        ("CC alice", ""),
        ("BCC alice", ""),
        ("SUBJECT lunch", "1 3"),
        ("BODY noon", "2 3"),
        ("BODY lunch", "1"),
        ("TEXT lunch", "1 3"),
        ("HEADER X-Tag \"\"", "1 2 3 4"),
        ("HEADER x-tag 5", "1"),
        ("HEADER X-None \"\"", ""),
        ("ON 10-Nov-2026", "1"),
        ("BEFORE 11-Nov-2026", "1"),
        ("SINCE 12-Nov-2026", "3 4"),
        ("SENTON 11-Nov-2026", "2"),
        ("SENTBEFORE 12-Nov-2026", "1 2"),
        ("SENTSINCE 13-Nov-2026", "4"),
        ("LARGER 1", "1 2 3 4"),
        ("SMALLER 10", ""),
        ("2:3", "2 3"),
        ("UID 3:*", "3 4"),
        ("UID 99:*", "4"),
        ("NOT 2:3", "1 4"),
        ("OR FROM dave SUBJECT lunch", "1 3 4"),
        ("NOT (OR SEEN FLAGGED) BODY noon", "2 3"),
        ("OR BODY nothing UNSEEN", "2 3 4"),
    ] {
        let expected = if found.is_empty() { "* SEARCH".to_owned() } else { format!("* SEARCH {found}") };
        let heard = alice.says(&format!("SEARCH {key}")).await;
        assert_eq!(heard[0], expected, "{key}");
        hears(&heard[1..], &["OK"]);
    }
}

#[tokio::test]
async fn charsets() {
    let world = World::new();
    let mut alice = selected(&world).await;
    hears(&alice.says("SEARCH CHARSET UTF-8 SUBJECT {5+}\r\ncaf\u{e9}").await, &["* SEARCH 2", "OK"]);
    hears(&alice.says("SEARCH CHARSET UTF-8 TEXT {5+}\r\nCAF\u{c9}").await, &["* SEARCH 2 3", "OK"]);
    hears(&alice.says_octets(b"SEARCH CHARSET ISO-8859-1 BODY {4+}\r\ncaf\xe9").await, &["* SEARCH 3", "OK"]);
    hears(&alice.says("SEARCH CHARSET X-KLINGON TEXT x").await, &["NO [BADCHARSET (US-ASCII UTF-8)]"]);
}

#[tokio::test]
async fn answers_are_numbers_or_uids() {
    let world = World::new();
    let mut alice = selected(&world).await;
    alice.says("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    alice.says("EXPUNGE").await;
    hears(&alice.says("SEARCH FROM dave").await, &["* SEARCH 3", "OK"]);
    hears(&alice.says("UID SEARCH FROM dave").await, &["* SEARCH 4", "OK"]);
    // RFC 7377 §2
    hears(&alice.says("SEARCH 4").await, &["* SEARCH", "OK"]);
}

#[tokio::test]
async fn each_mailbox_is_searched_once() {
    let world = World::new();
    let mut alice = selected(&world).await;
    hears(
        &alice.says("ESEARCH IN (selected mailboxes (INBOX inbox) personal) FROM dave").await,
        &["* ESEARCH (TAG \"a", "OK"],
    );
}

/// BODY alone reads a message and its summary in one go, several at a time; beside a key that the summary could decide, one
/// after the other. Both find the same.
#[tokio::test]
async fn both_ways_to_read_bodies_find_the_same() {
    let world = World::new();
    let mut alice = world.login("alice").await;
    let mut number = 0x2545_f491_u32;
    for at in 0..300 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let words = ["walnut", "Hazel=C3=A4", "ALMOND", "pecan"]
            .map(|word| if number >> (at % 13) & 1 == 1 { word } else { "" });
        let filling = "filling ".repeat(if at % 50 == 0 { 4_000 } else { at });
        let body = match at % 3 {
            0 => format!(
                "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{filling}{}\r\n",
                words.join(" ")
            ),
            1 => format!("X-Word: {}\r\n\r\n{filling}{}\r\n", words[0], words[1..].join("")),
            _ => format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{}\r\n--b\r\n\r\n{filling}\r\n--b--\r\n",
                words.join("x")
            ),
        };
        world.deliver_to("alice", "INBOX", body.as_bytes()).await;
    }
    alice.says("SELECT INBOX").await;
    for key in
        ["BODY walnut", "TEXT WALNUT", "NOT BODY almond", "BODY haze", "OR BODY pecan TEXT hazel", "BODY nowhere"]
    {
        let direct = alice.says(&format!("SEARCH {key}")).await;
        let by_summary = alice.says(&format!("SEARCH OR {key} SUBJECT never-there")).await;
        assert_eq!(direct, by_summary, "{key}");
    }
}
