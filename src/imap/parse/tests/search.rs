//! SEARCH: keys, result options, the saved result, charsets, nesting.

use super::*;

#[test]
fn search_keys() {
    use SearchKey::*;
    let search = |text: &str| match good(&format!("SEARCH {text}")) {
        CommandBody::Search { by: Numbering::Sequence, returns: None, key } => key,
        other => panic!("{other:?}"),
    };
    let text = |text: &str| text.to_owned();
    let day = |year, month, day| Civil::new(year, month, day).unwrap();
    assert_eq!(search("ALL"), All);
    assert_eq!(search("UNSEEN deleted"), And(vec![Unseen, Deleted]));
    assert_eq!(search("(ALL)"), All);
    assert_eq!(search("((SEEN NEW) OLD)"), And(vec![And(vec![Seen, New]), Old]));
    assert_eq!(search("NOT (SEEN)"), Not(Box::new(Seen)));
    assert_eq!(search("OR SEEN NOT RECENT"), Or(Box::new(Seen), Box::new(Not(Box::new(Recent)))));
    assert_eq!(search("FROM \"a b\""), From(text("a b")));
    assert_eq!(search("HEADER X-A \"\""), Header(text("X-A"), text("")));
    assert_eq!(search("KEYWORD $a UNKEYWORD b"), And(vec![Keyword(text("$a")), Unkeyword(text("b"))]));
    assert_eq!(search("LARGER 0 SMALLER 4294967295"), And(vec![Larger(0), Smaller(u64::from(u32::MAX))]));
    assert_eq!(search("SINCE 1-Feb-1994 ON \"29-Feb-2024\""), And(vec![Since(day(1994, 2, 1)), On(day(2024, 2, 29))]));
    assert_eq!(search("1,3:* UID 5:7"), And(vec![Sequence(set(&[(1, 1), (3, 0)])), Uid(set(&[(5, 7)]))]));
    let words = "ANSWERED DRAFT FLAGGED UNANSWERED UNDELETED UNDRAFT UNFLAGGED";
    assert_eq!(search(words), And(vec![Answered, Draft, Flagged, Unanswered, Undeleted, Undraft, Unflagged]));
    let strings = "BCC a BODY a CC a SUBJECT a TEXT a TO a";
    let a = || text("a");
    assert_eq!(search(strings), And(vec![Bcc(a()), Body(a()), Cc(a()), Subject(a()), Text(a()), To(a())]));
    let dates = "BEFORE 1-Jan-2000 SENTBEFORE 1-Jan-2000 SENTON 1-Jan-2000 SENTSINCE 1-Jan-2000";
    let d = || day(2000, 1, 1);
    assert_eq!(search(dates), And(vec![Before(d()), SentBefore(d()), SentOn(d()), SentSince(d())]));
    let seconds = |n| NonZeroU32::new(n).unwrap();
    assert_eq!(search("OLDER 1 younger 4294967295"), And(vec![Older(seconds(1)), Younger(seconds(u32::MAX))]));
    let saved = "SAVEDBEFORE 1-Jan-2000 SAVEDON 1-Jan-2000 SAVEDSINCE 1-Jan-2000 SAVEDATESUPPORTED";
    assert_eq!(search(saved), And(vec![SavedBefore(d()), SavedOn(d()), SavedSince(d()), SaveDateSupported]));
    let bad = [
        "EMAILID",
        "EMAILID a.b",
        "EMAILID \"a\"",
        "THREADID ()",
        "OLDER",
        "OLDER 0",
        "YOUNGER -1",
        "YOUNGER 4294967296",
        "SAVEDON",
        "SAVEDATE 1-Jan-2000",
        "",
        "()",
        "(ALL",
        "ALL)",
        "FOO",
        "ALL  SEEN",
        "NOT",
        "OR SEEN",
        "FROM",
        "HEADER X",
        "KEYWORD \\Seen",
        "LARGER x",
        "LARGER -1",
        "BEFORE 2000-01-01",
        "ON 31-Feb-2000",
        "UID",
        "0",
        "CHARSET",
        "CHARSET UTF-8",
        "RETURN (MIN)",
        "RETURN (MIN MOST) ALL",
        "RETURN MIN ALL",
        "CHARSET UTF-8 RETURN (MIN) ALL",
        "$,1",
        "1,$",
        "$:4",
        "BODY a*",
        "CHARSET UTF-8 (",
    ];
    all_bad(&bad.map(|keys| format!("SEARCH {keys}")).iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn search_result_options() {
    let options = |text: &str| match good(&format!("UID SEARCH {text} ALL")) {
        CommandBody::Search { by: Numbering::Uid, returns, key: SearchKey::All } => returns,
        other => panic!("{other:?}"),
    };
    let none = SearchReturn::default();
    assert_eq!(options("RETURN ()"), Some(SearchReturn { all: true, ..none }));
    assert_eq!(options("RETURN (all)"), Some(SearchReturn { all: true, ..none }));
    assert_eq!(options("return (SAVE)"), Some(SearchReturn { save: true, ..none }));
    assert_eq!(options("RETURN (COUNT MIN MIN) CHARSET UTF-8"), Some(SearchReturn { min: true, count: true, ..none }));
    assert_eq!(options("RETURN (MAX)"), Some(SearchReturn { max: true, ..none }));
}

#[test]
fn the_saved_result_stands_where_a_set_does() {
    let lines = [
        "FETCH $ FLAGS",
        "UID STORE $ FLAGS ()",
        "COPY $ x",
        "UID MOVE $ x",
        "UID EXPUNGE $",
        "SEARCH UID $",
        "SEARCH $",
    ];
    for line in lines {
        let set = match good(line) {
            CommandBody::Fetch { set, .. }
            | CommandBody::Store { set, .. }
            | CommandBody::Copy { set, .. }
            | CommandBody::Move { set, .. }
            | CommandBody::UidExpunge(set)
            | CommandBody::Search { key: SearchKey::Uid(set) | SearchKey::Sequence(set), .. } => set,
            other => panic!("{other:?}"),
        };
        assert!(set.is_saved(), "{line}");
    }
}

#[test]
fn a_refused_search_empties_the_saved_result_only_if_it_was_to_be_saved() {
    for (line, empties) in [
        ("SEARCH RETURN (SAVE) CHARSET X-FOO ALL", true),
        ("SEARCH RETURN (SAVE) CHARSET US-ASCII SUBJECT {2}\r\nä", true),
        ("SEARCH RETURN (ALL) CHARSET X-FOO ALL", false),
        ("SEARCH CHARSET X-FOO ALL", false),
        ("SEARCH RETURN (SAVE) FOO", false),
    ] {
        assert_eq!(error(&format!("a1 {line}")).empties_search_result(), empties, "{line}");
    }
}

#[test]
fn search_strings_leave_their_charset() {
    let subject = |line: &[u8]| match command(line, Dialect::REV1).unwrap().body {
        CommandBody::Search { key: SearchKey::Subject(text), .. } => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(subject(b"a SEARCH CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xa4"), "ä");
    assert_eq!(subject(b"a SEARCH CHARSET utf-8 SUBJECT \"\xc3\xa4\""), "ä");
    assert_eq!(subject(b"a SEARCH SUBJECT {2}\r\n\xc3\xa4"), "ä");
    assert_eq!(subject(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xe4"), "ä");
    assert_eq!(subject(b"a SEARCH CHARSET KOI8-R SUBJECT {1}\r\n\xc1"), "а");
    assert_eq!(subject(b"a SEARCH CHARSET US-ASCII SUBJECT a"), "a");
    let refused = |line: &[u8]| command(line, Dialect::REV1).unwrap_err().status();
    for name in [&b"X-FOO"[..], b"UTF-16", b"UTF-7", b"\"\"", b"replacement"] {
        let status = refused(&[b"a SEARCH CHARSET ", name, b" ALL"].concat());
        assert!(matches!(status.code, Some(Code::BadCharset(_))), "{}", name.escape_ascii());
        assert_eq!(status.condition, Condition::No);
    }
    for line in [
        &b"a SEARCH CHARSET UTF-8 SUBJECT {1}\r\n\xe4"[..],
        b"a SEARCH CHARSET US-ASCII SUBJECT {2}\r\n\xc3\xa4",
        b"a SEARCH SUBJECT {1}\r\n\xe4",
    ] {
        assert_eq!(refused(line).condition, Condition::No);
    }
}

#[test]
fn search_keys_nest_to_a_limit() {
    let nested = |depth: usize| {
        [
            format!("SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth)),
            format!("SEARCH {}ALL", "NOT ".repeat(depth)),
            format!("SEARCH {}ALL{}", "OR ".repeat(depth), " ALL".repeat(depth)),
        ]
    };
    for line in nested(SEARCH_DEPTH_MAX) {
        good(&line);
    }
    for line in nested(SEARCH_DEPTH_MAX + 1).iter().chain(&nested(8000)) {
        all_bad(&[line]);
    }
}
