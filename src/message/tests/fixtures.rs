//! The messages of `fixtures/`: what is found in each of them. They are read from their folders, so that a message that somebody
//! adds is tested from then on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// All messages of a folder by their names without `.eml`.
fn messages(folder_name: &str) -> BTreeMap<String, Vec<u8>> {
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

/// Each message obeys the rules, and has the subject and the types that are expected of it; each one is in the table.
fn expect(folder_name: &str, expected: &[(&str, &str, &str)]) {
    let messages = messages(folder_name);
    let mut found = Vec::new();
    for (name, message) in &messages {
        let summary = Summary::of(message);
        obeys_the_rules(message, &summary);
        let mut types = types(&summary.structure);
        if types.len() > 200 {
            types = format!("{}…", &types[..80]);
        }
        found.push((name.clone(), summary.envelope.display_subject(40), types));
    }
    let found: Vec<_> = found.iter().map(|(name, subject, types)| (&**name, &**subject, &**types)).collect();
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
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

#[test]
fn broken_messages() {
    let nested = "multipart/mixed (".repeat(10);
    let enclosed = "message/rfc822 (".repeat(10);
    let (nested, enclosed) = (format!("{}…", &nested[..80]), format!("{}…", &enclosed[..80]));
    let text = "text/plain";
    let two_texts = "multipart/mixed (text/plain, text/plain)";
    expect(
        "broken",
        &[
            ("bare-cr", "Bare CR", text),
            ("bare-lf", "Lines end with LF alone", two_texts),
            ("base64-wrong", "Base64 with holes", text),
            ("body-line-100000", "One line of 100,000 octets", text),
            ("boundary-empty", "An empty boundary", text),
            ("boundary-in-header", "A boundary inside the header of a part", "multipart/mixed (text/html, text/plain)"),
            ("boundary-never-appears", "The boundary never appears", text),
            ("boundary-never-closed", "The boundary is never closed", two_texts),
            ("boundary-parameter-missing", "No boundary parameter", text),
            (
                "boundary-prefix-of-another",
                "One boundary begins with the other",
                "multipart/mixed (multipart/alternative (text/plain, text/plain), text/plain)",
            ),
            (
                "boundary-the-same-twice",
                "Inner and outer boundary are the same",
                "multipart/mixed (multipart/mixed (text/plain), text/plain)",
            ),
            (
                "boundary-unclosed-inside",
                "The inner multipart is not closed",
                "multipart/mixed (multipart/mixed (text/plain), text/plain)",
            ),
            ("charset-lies", "Says UTF-8, is Latin-1", text),
            ("charset-unknown", "A charset nobody knows", text),
            ("content-type-nonsense", "No type at all", text),
            ("content-type-twice", "Two types", "text/html"),
            ("empty-file", "", text),
            ("encoding-unknown", "An encoding of its own", text),
            ("header-8-bit", "raw latin-1 café", text),
            ("header-addresses", "=?utf-8?Q?never_closed", text),
            ("header-folded-to-death", "f o l d e d", text),
            ("header-line-2000", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…", text),
            ("header-without-colon", "A line that is no field", text),
            ("mbox-from-line", "A line of mbox came along", text),
            ("message-base64", "An enclosed message in base64", "multipart/mixed (application/octet-stream)"),
            (
                "message-empty",
                "An enclosed message of nothing",
                "multipart/digest (message/rfc822 (text/plain), text/plain)",
            ),
            ("messages-in-messages", "A message in a message in a message", &enclosed),
            ("mixed-line-ends", "Line ends of all kinds", text),
            ("multipart-without-parts", "Closed before it began", text),
            ("nested-200-deep", "Two hundred levels", &nested),
            ("no-blank-line", "There is no blank line and no body", text),
            ("no-final-line-end", "No line end at the end", text),
            ("no-header", "", text),
            ("no-header-no-blank-line", "", text),
            ("nul-octets", "NUL", text),
            ("one-line-end", "", text),
            ("quoted-printable-wrong", "Quoted-printable with holes", text),
        ],
    );
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
    for folder_name in ["messages", "broken"] {
        for name in messages(folder_name).keys() {
            let line = format!("- `{folder_name}/{name}.eml`: ");
            assert!(readme.lines().any(|there| there.starts_with(&line)), "{line}");
        }
    }
}
