//! Messages made to cost: each limit of `message`, and what it gives.

use super::*;

fn summary_of(message: &[u8]) -> Summary {
    let summary = Summary::of(message);
    obeys_the_rules(message, &summary);
    summary
}

fn nested(depth: usize, kind: impl Fn(usize) -> String) -> Vec<u8> {
    (0..depth).map(kind).collect::<String>().into_bytes()
}

/// How many levels there are, and whether the innermost is opaque.
fn depth(mut part: &Part) -> (usize, bool) {
    let mut depth = 1;
    loop {
        part = match &part.content {
            Content::Multipart(parts) => &parts[0],
            Content::Message(enclosed) => &enclosed.structure,
            Content::Leaf => return (depth, false),
            Content::Opaque => return (depth, true),
        };
        depth += 1;
    }
}

#[test]
fn nesting_ends_in_an_opaque_part() {
    let multiparts = |n| nested(n, |i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"));
    assert_eq!(depth(&summary_of(&multiparts(DEPTH_MAX - 1)).structure), (DEPTH_MAX, false));
    assert_eq!(depth(&summary_of(&multiparts(20_000)).structure), (DEPTH_MAX, true));
    let messages = |n| nested(n, |_| "Content-Type: message/rfc822\r\n\r\n".into());
    assert_eq!(depth(&summary_of(&messages(DEPTH_MAX - 2)).structure), (DEPTH_MAX - 1, false));
    assert_eq!(depth(&summary_of(&messages(20_000)).structure), (DEPTH_MAX, true));
    let same = nested(5_000, |_| "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n".into());
    assert_eq!(depth(&summary_of(&same).structure), (DEPTH_MAX, true));
}

#[test]
fn too_many_parts_make_an_opaque_message() {
    let with = |parts: usize| {
        format!(
            "Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
            "--b\r\n\r\nx\r\n".repeat(parts)
        )
    };
    let most = summary_of(with(PARTS_MAX - 1).as_bytes());
    assert_eq!(most.structure.children().len(), PARTS_MAX - 1);
    let many = summary_of(with(1_000_000).as_bytes());
    assert_eq!(many.structure.content, Content::Opaque);
    assert_eq!(many.envelope.subject.as_ref().unwrap(), "many");
    assert!(many.header_octets() > 0);
}

#[test]
fn ten_megabytes_of_what_looks_like_boundaries() {
    let message = nested(DEPTH_MAX, |i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"));
    let message = [message, b"--c\n".repeat(2_500_000)].concat();
    summary_of(&message);
}

#[test]
fn a_giant_header_is_opaque() {
    let giant = format!("Subject: {}\r\n\r\nbody", "x".repeat(HEADER_OCTETS_MAX as usize));
    let summary = summary_of(giant.as_bytes());
    assert_eq!(summary.structure.content, Content::Opaque);
    assert_eq!(summary.envelope, Envelope::default());
    assert_eq!(summary.structure.body.of(giant.as_bytes()), b"body");
    // Many great ones: what is behind the sum is opaque, part by part.
    let great = format!("--b\r\nX: {}\r\n\r\nx\r\n", "x".repeat(1_000_000));
    let many = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", great.repeat(6));
    let summary = summary_of(many.as_bytes());
    let opaque = summary.structure.children().iter().map(|part| part.content == Content::Opaque).collect::<Vec<_>>();
    assert_eq!(opaque, [false, false, false, false, true, true]);
}

#[test]
fn headers_full_of_small_things() {
    for (small, count) in [
        ("a,", 500_000),
        ("<", 900_000),
        (". ", 500_000),
        ("@", 900_000),
        ("(", 900_000),
        ("a<b@c>", 150_000),
        ("=?", 500_000),
        ("=?a?q?", 150_000),
    ] {
        let list = small.repeat(count);
        for name in ["To", "Subject", "Date", "Content-Type: a/b; x", "Content-Language"] {
            let summary = summary_of(format!("{name}: {list}\r\n\r\n").as_bytes());
            assert!(summary.envelope.to.len() <= ITEMS_MAX + 1);
        }
    }
    let params = format!("Content-Type: a/b{}\r\n\r\n", ";a=b".repeat(250_000));
    assert_eq!(summary_of(params.as_bytes()).structure.params.len(), ITEMS_MAX);
}
