//! Whole messages: what the walk finds in sound, broken and hostile ones, and rules that hold for any octets.

use proptest::prelude::*;

mod fixtures;
mod hostile;
mod mutated;

use super::rules::obeys_the_rules;
use super::section::Place;
use super::*;

/// A part on one line: its type, its body, and in parentheses what is inside.
fn shape(message: &[u8], part: &Part) -> String {
    let kind = format!("{}/{}", part.media_type.escape_ascii(), part.media_subtype.escape_ascii()).to_ascii_lowercase();
    match &part.content {
        Content::Leaf => format!("{kind} {:?}", String::from_utf8_lossy(part.body.of(message))),
        Content::Opaque => format!("{kind} opaque"),
        Content::Multipart(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| shape(message, part)).collect();
            format!("{kind} ({})", parts.join(", "))
        }
        Content::Message(enclosed) => format!("{kind} ({})", shape(message, &enclosed.structure)),
    }
}

fn shape_of(message: &str) -> String {
    let summary = Summary::of(message.as_bytes());
    obeys_the_rules(message.as_bytes(), &summary);
    shape(message.as_bytes(), &summary.structure)
}

#[test]
fn sound_messages() {
    assert_eq!(shape_of("Subject: x\r\n\r\nHello\r\n"), r#"text/plain "Hello\r\n""#);
    assert_eq!(
        shape_of(
            "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npre\r\n--a b\r\n\r\none\r\n--a b  \r\n\
             Content-Type: text/html\r\n\r\ntwo\r\n\r\n--a b--\r\npost\r\n"
        ),
        r#"multipart/mixed (text/plain "one", text/html "two\r\n")"#
    );
    assert_eq!(
        shape_of(
            "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\nbody\n--a\nContent-Type: text/plain\n\ny\n--a--\n"
        ),
        r#"multipart/digest (message/rfc822 (text/plain "body"), text/plain "y")"#
    );
}

#[test]
fn lines_octets_and_places() {
    let message =
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\none\r\ntwo\r\n--a\r\nX: y\r\n\r\n--a--\r\n";
    let summary = Summary::of(message);
    obeys_the_rules(message, &summary);
    let [one, two] = summary.structure.children() else { panic!("two parts") };
    assert_eq!((one.body.len(), one.lines), (8, 2), "the last line of a part lost its end to the boundary");
    assert_eq!((two.header.of(message), two.body.len(), two.lines), (&b"X: y\r\n\r\n"[..], 0, 0));
}

/// Boundaries that are missing, twice, unclosed or like one another.
#[test]
fn broken_boundaries() {
    let multipart =
        |boundary: &str, body: &str| format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n{body}");
    assert_eq!(shape_of(&multipart("a", "no part\r\n")), r#"text/plain "no part\r\n""#);
    assert_eq!(shape_of(&multipart("", "--\r\n\r\nx\r\n")), r#"text/plain "--\r\n\r\nx\r\n""#);
    assert_eq!(shape_of("Content-Type: multipart/mixed\r\n\r\n--a\r\n\r\nx"), r#"text/plain "--a\r\n\r\nx""#);
    assert_eq!(shape_of(&multipart("a", "--a--\r\n--a\r\n\r\nx\r\n")), r#"text/plain "--a--\r\n--a\r\n\r\nx\r\n""#);
    assert_eq!(shape_of(&multipart("a", "--a\r\n\r\nnever closed")), r#"multipart/mixed (text/plain "never closed")"#);
    assert_eq!(shape_of(&multipart("a", "--a")), r#"multipart/mixed (text/plain "")"#);
    assert_eq!(shape_of(&multipart("a", "--a\r\n--a\r\n--a--")), r#"multipart/mixed (text/plain "", text/plain "")"#);
    assert_eq!(
        shape_of(&multipart("a", "--a\r\n\r\n--ab\r\n--a-\r\n--a--\r\n")),
        r#"multipart/mixed (text/plain "--ab\r\n--a-")"#
    );
    assert_eq!(shape_of(&multipart("a", " --a\r\n-- a\r\n\r--a\r\n")), r#"text/plain " --a\r\n-- a\r\n\r--a\r\n""#);
    // The inner one is a beginning of the outer one, and the other way round.
    for (outer, inner) in [("abc", "ab"), ("ab", "abc"), ("ab", "ab--")] {
        let body = format!(
            "--{outer}\r\n{}--{outer}--\r\n",
            multipart(inner, &format!("--{inner}\r\n\r\nx\r\n--{inner}--\r\n"))
        );
        assert_eq!(
            shape_of(&multipart(outer, &body)),
            r#"multipart/mixed (multipart/mixed (text/plain "x"))"#,
            "{outer} {inner}"
        );
    }
    // The outer boundary ends what is open inside.
    let unclosed = format!("--a\r\n{}--a\r\n\r\ny\r\n--a--\r\n", multipart("b", "--b\r\n\r\nx\r\n"));
    assert_eq!(
        shape_of(&multipart("a", &unclosed)),
        r#"multipart/mixed (multipart/mixed (text/plain "x"), text/plain "y")"#
    );
    // The same boundary twice: the inner one is meant, until it is closed.
    let same = format!("--a\r\n{}--a\r\n\r\ny\r\n--a--\r\n", multipart("a", "--a\r\n\r\nx\r\n--a--\r\n"));
    assert_eq!(
        shape_of(&multipart("a", &same)),
        r#"multipart/mixed (multipart/mixed (text/plain "x"), text/plain "y")"#
    );
}

#[test]
fn enclosed_messages() {
    let part = |header: &str| format!("{header}Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody");
    assert_eq!(shape_of(&part("")), r#"message/rfc822 (text/plain "body")"#);
    let encoded = part("Content-Transfer-Encoding: base64\r\n");
    assert_eq!(shape_of(&encoded), r#"application/octet-stream "Subject: in\r\n\r\nbody""#);
    assert_eq!(shape_of("Content-Type: message/rfc822\r\n\r\n"), r#"message/rfc822 (text/plain "")"#);
    assert_eq!(shape_of("Content-Type: message/rfc822\r\n"), r#"text/plain """#);
    let Content::Message(enclosed) = Summary::of(part("").as_bytes()).structure.content else { panic!("a message") };
    assert_eq!(enclosed.envelope.subject.unwrap(), "in");
}

#[test]
fn octets_that_are_hardly_a_message() {
    assert_eq!(shape_of(""), r#"text/plain """#);
    assert_eq!(shape_of("\r\n"), r#"text/plain """#);
    assert_eq!(shape_of("\r\nbody"), r#"text/plain "body""#);
    assert_eq!(shape_of("just words, no header"), r#"text/plain """#);
    assert_eq!(shape_of("\0\r\r\0"), r#"text/plain """#);
    assert_eq!(shape_of("Subject"), r#"text/plain """#);
}

/// The message of the example in RFC 3501 §6.4.5.
fn rfc_example() -> String {
    let part = |boundary: &str, header: &str, body: &str| format!("--{boundary}\r\n{header}\r\n{body}\r\n");
    let text = |name: &str| format!("text {name}");
    let multipart = |kind: &str, boundary: &str, parts: &[String]| {
        format!("Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n{}--{boundary}--", parts.concat())
    };
    let rfc822 = "Content-Type: message/rfc822\r\n";
    let binary = "Content-Type: application/octet-stream\r\n";
    let three = format!(
        "Subject: three\r\n{}",
        multipart("mixed", "c", &[part("c", "", &text("3.1")), part("c", binary, "3.2")])
    );
    let alternative = multipart(
        "alternative",
        "g",
        &[part("g", "", &text("4.2.2.1")), part("g", "Content-Type: text/richtext\r\n", "4.2.2.2")],
    );
    let four_two = format!(
        "Subject: four\r\n{}",
        multipart("mixed", "f", &[part("f", "", &text("4.2.1")), format!("--f\r\n{alternative}\r\n")])
    );
    let four =
        multipart("mixed", "e", &[part("e", "Content-Type: image/gif\r\n", "4.1"), part("e", rfc822, &four_two)]);
    let parts =
        [part("a", "", &text("1")), part("a", binary, "2"), part("a", rfc822, &three), format!("--a\r\n{four}\r\n")];
    format!("From: a@example.org\r\nSubject: whole\r\nTo: b@example.org\r\n{}\r\n", multipart("mixed", "a", &parts))
}

fn section(path: &[u32], text: Option<SectionText>) -> Option<String> {
    let message = rfc_example();
    let summary = Summary::of(message.as_bytes());
    obeys_the_rules(message.as_bytes(), &summary);
    let section = Section { path: path.to_vec(), text };
    section.octets(message.as_bytes(), &summary).map(|octets| String::from_utf8(octets.into_owned()).unwrap())
}

#[test]
fn sections_of_the_rfc_example() {
    for (path, body) in [
        (&[1][..], "text 1"),
        (&[2], "2"),
        (&[3, 1], "text 3.1"),
        (&[3, 2], "3.2"),
        (&[4, 1], "4.1"),
        (&[4, 2, 1], "text 4.2.1"),
        (&[4, 2, 2, 1], "text 4.2.2.1"),
        (&[4, 2, 2, 2], "4.2.2.2"),
    ] {
        assert_eq!(section(path, None).as_deref(), Some(body), "{path:?}");
    }
    let header = section(&[3], Some(SectionText::Header)).unwrap();
    assert_eq!(header, "Subject: three\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n");
    assert_eq!(section(&[3], None).unwrap(), header + &section(&[3], Some(SectionText::Text)).unwrap());
    assert_eq!(section(&[4, 1], Some(SectionText::Mime)).unwrap(), "Content-Type: image/gif\r\n\r\n");
    let whole = section(&[], Some(SectionText::Header)).unwrap() + &section(&[], Some(SectionText::Text)).unwrap();
    assert_eq!(whole, rfc_example());
    for none in [&[0][..], &[5], &[1, 1], &[3, 3], &[4, 2, 2, 3], &[4, 2, 2, 2, 1], &[u32::MAX]] {
        assert_eq!(section(none, None), None, "{none:?}");
    }
    for no_message in [&[1][..], &[4], &[4, 2, 2]] {
        assert_eq!(section(no_message, Some(SectionText::Text)), None, "{no_message:?}");
    }
    assert_eq!(section(&[], Some(SectionText::Mime)), None);
}

#[test]
fn some_fields_of_a_header() {
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
    let fields = |wanted: &[&str]| section(&[], Some(SectionText::HeaderFields(names(wanted)))).unwrap();
    assert_eq!(fields(&["SUBJECT", "from", "x-none"]), "From: a@example.org\r\nSubject: whole\r\n\r\n");
    assert_eq!(fields(&["x-none"]), "\r\n");
    let others = section(&[], Some(SectionText::HeaderFieldsNot(names(&["content-type", "to"])))).unwrap();
    assert_eq!(others, "From: a@example.org\r\nSubject: whole\r\n\r\n");
    let inner = section(&[3], Some(SectionText::HeaderFields(names(&["subject"])))).unwrap();
    assert_eq!(inner, "Subject: three\r\n\r\n");
}

/// RFC 3501 §6.4.5: "except in the case of a message which has no body and no blank line".
#[test]
fn no_blank_line_is_made_up() {
    let message = b"Subject: x\r\nTo: y\r\n";
    let section = Section { path: vec![], text: Some(SectionText::HeaderFields(vec![b"to".to_vec()])) };
    assert_eq!(section.octets(message, &Summary::of(message)).as_deref(), Some(&b"To: y\r\n"[..]));
}

#[test]
fn a_plain_message_has_part_1() {
    let message = b"Subject: x\r\n\r\nbody";
    let summary = Summary::of(message);
    let place =
        |path: &[u32], text| Section { path: path.to_vec(), text }.place(&summary).map(|place| format!("{place:?}"));
    assert_eq!(place(&[1], None), Some(format!("{:?}", Place::Octets(Span::new(14, 18)))));
    assert_eq!(place(&[1], Some(SectionText::Mime)), Some(format!("{:?}", Place::Octets(Span::new(0, 14)))));
    assert_eq!(place(&[1], Some(SectionText::Text)), None);
    assert_eq!(place(&[2], None), None);
    assert_eq!(place(&[1, 1], None), None);
}

#[test]
fn binary_of_parts() {
    let message = b"Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: x-none\r\n\r\n\
        --a\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAEC\r\n\
        --a\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin\r\n--a--\r\n";
    let summary = Summary::of(message);
    let octets = |path: &[u32]| binary::octets(message, &summary, path);
    assert_eq!(octets(&[1]).as_deref(), Ok(&[0, 1, 2][..]));
    assert_eq!(octets(&[2]), Err(binary::BinaryError::UnknownEncoding));
    assert_eq!(octets(&[3]), Err(binary::BinaryError::NoSuchPart));
    assert_eq!(octets(&[]).as_deref(), Ok(&message[..]));
}

#[test]
fn the_day_it_was_sent() {
    let summary = Summary::of(b"Date: Tue, 1 Jul 2003 10:52:37 +0200 (MEST)\r\n\r\n");
    assert_eq!(summary.sent.unwrap().to_string(), "Tue, 1 Jul 2003 10:52:37 +0200");
    assert_eq!(Summary::of(b"Date: soon\r\n\r\n").sent, None);
}

#[test]
fn a_stored_summary_of_another_version_is_refused() {
    let mut stored = Summary::of(rfc_example().as_bytes()).encode();
    assert_eq!(Summary::decode(&[]), Err(DecodeError::Damaged));
    assert_eq!(Summary::decode(&stored[..stored.len() - 1]), Err(DecodeError::Damaged));
    stored[0] = Summary::VERSION + 1;
    assert_eq!(Summary::decode(&stored), Err(DecodeError::Version(Summary::VERSION + 1)));
}

#[test]
fn an_opaque_message_has_one_part() {
    let message = b"Subject: x\r\n\r\nbody";
    let summary = Summary::opaque(message.len() as u32);
    assert_eq!(Summary::decode(&summary.encode()).as_ref(), Ok(&summary));
    assert_eq!(binary::octets(message, &summary, &[1]).as_deref(), Ok(&message[..]));
    assert!(Needle::new("SUBJECT").is_in_body(message, &summary));
}

/// Octets out of what messages are made of, so that chance finds structure.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        4 => Just(&b"\r\n"[..]),
        2 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b"\0"[..]),
        3 => Just(&b"--a"[..]),
        3 => Just(&b"--ab"[..]),
        2 => Just(&b"--"[..]),
        4 => Just(&b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"[..]),
        3 => Just(&b"Content-Type: multipart/digest; boundary=\"ab\"\r\n\r\n--ab\r\n"[..]),
        3 => Just(&b"Content-Type: message/rfc822\r\n\r\n"[..]),
        1 => Just(&b"Content-Transfer-Encoding: base64\r\n"[..]),
        1 => Just(&b"Content-Disposition: attachment; filename=\"x"[..]),
        1 => Just(&b"To: a: <@b:c@d>, \"e\" (f;\r\n"[..]),
        1 => Just(&b"Subject: =?utf-8?q?=C3?=\r\n"[..]),
        1 => Just(&b" folded"[..]),
        1 => Just(&b"\xff\xfe text x"[..]),
    ];
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_pieces_obey_the_rules(message in octets()) {
        obeys_the_rules(&message, &Summary::of(&message));
    }

    #[test]
    fn any_octets_obey_the_rules(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        obeys_the_rules(&message, &Summary::of(&message));
    }

    #[test]
    fn any_stored_octets_are_read_or_refused(message in octets(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut stored = Summary::of(&message).encode();
        let at = at.index(stored.len());
        stored[at] = octet;
        if let Ok(summary) = Summary::decode(&stored) {
            // Whatever was read can be shown without looking outside the message.
            let needle = Needle::new("x");
            needle.is_in_message(&message, &summary);
        }
    }
}
