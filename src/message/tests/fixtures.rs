//! The messages of `fixtures/`: what is found in each of them. They are read from their folders, so that a message that somebody
//! adds is tested from then on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// All messages of a folder of the fixtures by their names without `.eml`.
pub(super) fn messages(folder_name: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder(folder_name)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
}

/// The types of a message's parts, parentheses for what is inside.
fn types(part: &Part) -> String {
    let own = format!("{}/{}", part.media_type.escape_ascii(), part.media_subtype.escape_ascii()).to_ascii_lowercase();
    match &part.content {
        Content::Leaf => own,
        Content::Opaque => "opaque".into(),
        Content::Multipart(parts) => format!("{own} ({})", parts.iter().map(types).collect::<Vec<_>>().join(", ")),
        Content::Message(enclosed) => format!("{own} ({})", types(&enclosed.structure)),
    }
}

/// The subject and the types of a message, which obeys the rules.
fn found_in(message: &[u8]) -> (String, String) {
    let summary = Summary::of(message);
    obeys_the_rules(message, &summary);
    let mut types = types(&summary.structure);
    if types.len() > 200 {
        types = format!("{}…", &types[..80]);
    }
    (summary.envelope.display_subject(40), types)
}

/// Each message has the subject and the types that are expected of it; each one is in the table.
fn expect(folder_name: &str, expected: &[(&str, &str, &str)]) {
    let found: Vec<_> = messages(folder_name).into_iter().map(|(name, message)| (name, found_in(&message))).collect();
    for ((name, (subject, types)), expected) in found.iter().zip(expected) {
        assert_eq!((&**name, &**subject, &**types), *expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn messages_of_the_demo() {
    expect(
        "messages",
        &[
            ("01-plain", "The bell rings", "text/plain"),
            ("02-html-alternative", "Wednesday's menu: crêpes", "multipart/alternative (text/plain, text/html)"),
            ("03-attachment", "A very small picture", "multipart/mixed (text/plain, image/png)"),
            ("04-japanese-iso-2022-jp", "今日の天気", "text/plain"),
            ("05-russian-koi8-r", "Письмо из Москвы", "text/plain"),
            ("06-emoji-utf-8", "🔔 Ding dong, Größe zählt nicht", "text/plain"),
            ("07-format-flowed", "Re: Paragraphs that breathe", "text/plain"),
            (
                "08-calendar-invitation",
                "Invitation: bell tuning, Friday at ten",
                "multipart/mixed (multipart/alternative (text/plain, text/calendar), application/ics)",
            ),
            (
                "09-bounce-dsn",
                "Undelivered: The lost letter",
                "multipart/report (text/plain, message/delivery-status, text/rfc822-headers)",
            ),
            (
                "10-forwarded",
                "Fwd: Tea on Thursday?",
                "multipart/mixed (text/plain, message/rfc822 (multipart/alternative (text/plain, text/html)))",
            ),
            ("11-lines-of-dots", "Dots that must not end anything", "text/plain"),
            ("12-8-bit", "Raw octets above 127", "text/plain"),
            ("13-long-lines", "A line that no terminal holds", "text/plain"),
            ("14-empty-body", "Nothing to say (the subject says it all)", "text/plain"),
        ],
    );
}

/// What a DATA command takes: CRLF alone ends lines, no NUL, a line end at the end.
#[test]
fn messages_of_the_demo_can_be_sent() {
    for (name, message) in messages("messages") {
        let without_line_ends = String::from_utf8_lossy(&message).replace("\r\n", "");
        assert!(!without_line_ends.contains(['\r', '\n', '\0']), "{name}");
        assert!(message.ends_with(b"\r\n"), "{name}");
    }
}

#[test]
fn words_of_the_demo_are_found() {
    let messages = messages("messages");
    for (name, word) in [
        ("02-html-alternative", "we never have enough"),
        ("04-japanese-iso-2022-jp", "良い天気"),
        ("05-russian-koi8-r", "КОЛОКОЛЬЧИК"),
        ("06-emoji-utf-8", "שלום"),
        ("09-bounce-dsn", "550 5.1.1"),
        ("10-forwarded", "reply-to: tea@example.org"),
        ("12-8-bit", "NOËL"),
        ("13-long-lines", "000000400"),
    ] {
        let message = &messages[name];
        assert!(Needle::new(word).is_in_body(message, &Summary::of(message)), "{name}");
    }
    let invitation = &messages["08-calendar-invitation"];
    assert!(Needle::new("glocken").is_in_message(invitation, &Summary::of(invitation)));
}

#[test]
fn the_picture_of_the_demo_is_one() {
    let message = &messages("messages")["03-attachment"];
    let summary = Summary::of(message);
    let picture = binary::octets(message, &summary, &[2]).unwrap();
    let disposition = summary.structure.children()[1].disposition.as_ref().unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(disposition.params.contains(&("size".into(), (&*picture.len().to_string()).into())));
}

#[test]
fn the_enclosed_message_of_the_demo_has_an_envelope() {
    let summary = Summary::of(&messages("messages")["10-forwarded"]);
    let Content::Message(enclosed) = &summary.structure.children()[1].content else { panic!("a message") };
    let envelope = &enclosed.envelope;
    assert_eq!(envelope.sender()[0].name.as_ref().unwrap(), "Erin's assistant");
    assert_eq!(envelope.reply_to()[0].mailbox.as_ref().unwrap(), "tea");
    assert!(envelope.to[0].is_group_start() && envelope.to[3].is_group_end());
    assert_eq!(envelope.to.len(), 4);
}

/// `found.txt` has a line for each message of the corpus: its name, its subject, its types, with bars between.
#[test]
fn what_is_found_in_the_corpus() {
    let mut found = String::new();
    for folder_name in ["broken", "real-life"] {
        for (name, message) in messages(folder_name) {
            let (subject, types) = found_in(&message);
            found.push_str(&format!("{folder_name}/{name} | {} | {types}\n", subject.escape_debug()));
        }
    }
    let expected = fs::read_to_string(folder("found.txt")).unwrap();
    let differ: Vec<_> = found.lines().filter(|line| !expected.lines().any(|there| there == *line)).collect();
    assert!(differ.is_empty(), "not in found.txt:\n{}", differ.join("\n"));
    assert_eq!(found.lines().count(), expected.lines().count(), "each message has one line");
}

#[test]
fn broken_bodies_are_decoded_as_far_as_they_go() {
    let messages = messages("broken");
    let body = |name: &str| {
        let message = &messages[name];
        binary::octets(message, &Summary::of(message), &[1]).map(|octets| octets.into_owned())
    };
    assert_eq!(body("base64-wrong").unwrap(), b"Hello, world!");
    assert_eq!(
        body("quoted-printable-wrong").unwrap(),
        b"\xc3\xa9 \xe9 =G1 = =3\r\ntrailing blanks\r\nends with an equals sign "
    );
    assert_eq!(body("nul-octets").unwrap(), b"Before\0after.\r\n\0\0\0\r\n");
    assert_eq!(body("message-base64").unwrap(), b"Subject: inside\r\n\r\nHidden.\r\n");
    assert_eq!(body("encoding-unknown"), Err(binary::BinaryError::UnknownEncoding));
}

#[test]
fn broken_addresses_are_read_as_far_as_they_go() {
    let envelope = Summary::of(&messages("broken")["header-addresses"]).envelope;
    let show = |list: &[Address]| {
        let show = |text: &Option<Text>| text.as_ref().map_or("NIL".into(), |text| text.escape_ascii().to_string());
        list.iter().map(|address| format!("{} {}", show(&address.mailbox), show(&address.host))).collect::<Vec<_>>()
    };
    assert_eq!(show(&envelope.from), ["never closed <mallory@example.org> "]);
    assert_eq!(
        show(&envelope.to),
        ["a@b example.org", " ", "joe example.org", "group NIL", "member example.org", "NIL NIL"]
    );
    assert_eq!(show(&envelope.cc), ["undisclosed-recipients NIL", "NIL NIL", "alice localhost"]);
    assert_eq!(show(envelope.reply_to()), [" "]);
    assert_eq!(envelope.sender(), envelope.from);
}

#[test]
fn the_readme_names_each_message() {
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    for folder_name in ["messages", "real-life", "broken"] {
        for name in messages(folder_name).keys() {
            let line = format!("- `{folder_name}/{name}.eml`: ");
            assert!(readme.lines().any(|there| there.starts_with(&line)), "{line}");
        }
    }
}
