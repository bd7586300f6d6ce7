//! Commands about messages: sequence sets, STORE, COPY, MOVE, FETCH.

use super::*;

#[test]
fn sequence_sets() {
    for (text, ranges) in [
        ("1", &[(1, 1)][..]),
        ("*", &[(0, 0)]),
        ("1:*", &[(1, 0)]),
        ("*:4,5:7", &[(0, 4), (5, 7)]),
        ("4294967295:1,2,2", &[(u32::MAX, 1), (2, 2), (2, 2)]),
    ] {
        assert_eq!(good(&format!("UID EXPUNGE {text}")), CommandBody::UidExpunge(set(ranges)), "{text}");
    }
    for text in ["", "0", "1,", ",1", "1:", ":1", "1:0", "01", "1:2:3", "1;2", "4294967296", "-1", "1, 2", "$1", "a"] {
        all_bad(&[&format!("UID EXPUNGE {text}"), &format!("FETCH {text} FLAGS")]);
    }
}

#[test]
fn store_copy_move() {
    let store = |by, action, silent, flags| CommandBody::Store {
        by,
        set: set(&[(1, 0)]),
        unchanged_since: None,
        action,
        silent,
        flags,
    };
    let seen = || FlagNames { system: Flags::SEEN, keywords: Vec::new() };
    assert_eq!(good("STORE 1:* +FLAGS (\\seen)"), store(Numbering::Sequence, FlagAction::Add, false, seen()));
    assert_eq!(good("UID STORE 1:* -flags.silent \\Seen"), store(Numbering::Uid, FlagAction::Remove, true, seen()));
    assert_eq!(
        good("STORE 1:* FLAGS ()"),
        store(Numbering::Sequence, FlagAction::Replace, false, FlagNames::default())
    );
    assert_eq!(
        good("STORE 1:* FLAGS \\Deleted Junk \\DRAFT junk"),
        store(
            Numbering::Sequence,
            FlagAction::Replace,
            false,
            FlagNames { system: Flags::DELETED.union(Flags::DRAFT), keywords: vec!["Junk".to_owned()] }
        )
    );
    let mailbox = || "x".to_owned();
    assert_eq!(
        good("COPY 1:* x"),
        CommandBody::Copy { by: Numbering::Sequence, set: set(&[(1, 0)]), mailbox: mailbox() }
    );
    assert_eq!(good("UID MOVE 2 x"), CommandBody::Move { by: Numbering::Uid, set: set(&[(2, 2)]), mailbox: mailbox() });
    all_bad(&[
        "STORE 1",
        "STORE 1 FLAGS",
        "STORE 1 FLAGS ",
        "STORE 1 FOO (\\Seen)",
        "STORE 1 +FLAGS.LOUD (\\Seen)",
        "STORE 1 + FLAGS (\\Seen)",
        "STORE 1 +FLAGS (\\Seen",
        "STORE 1 +FLAGS (\\Recent)",
        "STORE 1 +FLAGS (\\*)",
        "STORE 1 +FLAGS \\",
        "COPY 1",
        "COPY x 1",
        "MOVE 1 x y",
    ]);
    let long = format!("a1 STORE 1 +FLAGS ({})", "k".repeat(101));
    let many = format!("a1 STORE 1 +FLAGS ({})", (0..59).map(|n| format!("k{n}")).collect::<Vec<_>>().join(" "));
    for line in [long, many] {
        let status = error(&line).status();
        assert_eq!((status.condition, status.code), (Condition::No, Some(Code::Limit)));
    }
}

#[test]
fn fetch_items() {
    use FetchItem::*;
    let fetch = |text: &str| match good(&format!("FETCH 1 {text}")) {
        CommandBody::Fetch { by: Numbering::Sequence, items, .. } => items,
        other => panic!("{other:?}"),
    };
    let section = |path: &[u32], text: Option<SectionText>| BodySection {
        peek: false,
        section: Section { path: path.to_vec(), text },
        partial: None,
    };
    let names = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    assert_eq!(fetch("FAST"), [Flags, InternalDate, Rfc822Size]);
    assert_eq!(fetch("all"), [Flags, InternalDate, Rfc822Size, Envelope]);
    assert_eq!(fetch("FULL"), [Flags, InternalDate, Rfc822Size, Envelope, Body]);
    assert_eq!(fetch("(FLAGS uid)"), [Flags, Uid]);
    assert_eq!(fetch("RFC822"), [Rfc822]);
    assert_eq!(fetch("(RFC822.HEADER RFC822.SIZE RFC822.TEXT)"), [Rfc822Header, Rfc822Size, Rfc822Text]);
    assert_eq!(fetch("(BODY BODYSTRUCTURE)"), [Body, BodyStructure]);
    assert_eq!(fetch("(PREVIEW (LAZY) preview UID)"), [Preview { lazy: true }, Preview { lazy: false }, Uid]);
    assert_eq!(fetch("PREVIEW (CHANGEDSINCE 5)"), [Preview { lazy: false }]);
    assert_eq!(fetch("PREVIEW (lazy) (CHANGEDSINCE 5)"), [Preview { lazy: true }]);
    assert_eq!(fetch("BODY[]"), [section(&[], None)]);
    assert_eq!(fetch("BODY[1.2]"), [section(&[1, 2], None)]);
    assert_eq!(fetch("BODY[HEADER]"), [section(&[], Some(SectionText::Header))]);
    assert_eq!(fetch("BODY[1.TEXT]"), [section(&[1], Some(SectionText::Text))]);
    assert_eq!(fetch("BODY[1.2.MIME]"), [section(&[1, 2], Some(SectionText::Mime))]);
    assert_eq!(
        fetch("(BODY[HEADER.FIELDS (To \"X-Y\")] BODY[2.HEADER.FIELDS.NOT (a)])"),
        [
            section(&[], Some(SectionText::HeaderFields(names(&["To", "X-Y"])))),
            section(&[2], Some(SectionText::HeaderFieldsNot(names(&["a"])))),
        ]
    );
    assert_eq!(
        fetch("body.peek[]<0.4294967296>"),
        [BodySection {
            peek: true,
            section: Section::default(),
            partial: Some(Partial { offset: 0, length: 4_294_967_296 })
        }]
    );
    assert_eq!(
        fetch("(BINARY[1.2] BINARY.PEEK[]<3.4> BINARY.SIZE[1])"),
        [
            Binary { peek: false, part: vec![1, 2], partial: None },
            Binary { peek: true, part: vec![], partial: Some(Partial { offset: 3, length: 4 }) },
            BinarySize { part: vec![1] },
        ]
    );
    all_bad(
        &[
            "",
            "()",
            "(FLAGS",
            "FLAGS UID",
            "(FAST)",
            "(FLAGS ALL)",
            "FOO",
            "FLAGSX",
            "BODY[",
            "BODY[]x",
            "BODY.PEEK",
            "BODY[MIME]",
            "BODY[1.]",
            "BODY[.1]",
            "BODY[0]",
            "BODY[1..2]",
            "BODY[1.FOO]",
            "BODY[HEADER.FIELDS]",
            "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER.FIELDS To]",
            "BODY[]<0>",
            "BODY[]<0.0>",
            "BODY[]<1.2",
            "BODYSTRUCTURE[1]",
            "BINARY",
            "BINARY[1.TEXT]",
            "BINARY[1.]",
            "BINARY.SIZE[1]<0.1>",
        ]
        .map(|items| format!("FETCH 1 {items}"))
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>(),
    );
}
