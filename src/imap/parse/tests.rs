//! Tables of good and bad lines for each command.

use std::num::NonZeroU32;

use super::*;
use crate::imap::command::*;
use crate::imap::response::{Code, Condition};
use crate::imap::sequence_set::{SeqNumber, SequenceSet};
use crate::message::date::Civil;
use crate::message::{Section, SectionText};
use crate::store::{Date, FlagAction, FlagNames, Flags, UidSet};

mod condstore;
mod round_trip;

fn good(line: &str) -> CommandBody {
    match command(format!("a1 {line}").as_bytes(), Dialect::REV1) {
        Ok(command) => command.body,
        Err(error) => panic!("{line:?}: {error:?}"),
    }
}

fn error(line: &str) -> ParseError {
    match command(line.as_bytes(), Dialect::REV1) {
        Ok(command) => panic!("{line:?}: {command:?}"),
        Err(error) => error,
    }
}

/// All lines are BAD, tagged.
fn all_bad(lines: &[&str]) {
    for line in lines {
        let status = error(&format!("a1 {line}")).status();
        assert_eq!(status.condition, Condition::Bad, "{line:?}");
        assert_eq!(status.tag.map(|tag| tag.to_string()).as_deref(), Some("a1"), "{line:?}");
    }
}

/// 0 is `*`.
fn set(ranges: &[(u32, u32)]) -> SequenceSet {
    let number = |n| NonZeroU32::new(n).map_or(SeqNumber::Largest, SeqNumber::Number);
    SequenceSet::new(ranges.iter().map(|(from, to)| (number(*from), number(*to)))).unwrap()
}

#[test]
fn commands_without_arguments() {
    let table = [
        ("CAPABILITY", CommandBody::Capability),
        ("noop", CommandBody::Noop),
        ("Logout", CommandBody::Logout),
        ("STARTTLS", CommandBody::StartTls),
        ("NAMESPACE", CommandBody::Namespace),
        ("IDLE", CommandBody::Idle),
        ("CHECK", CommandBody::Check),
        ("CLOSE", CommandBody::Close),
        ("UNAUTHENTICATE", CommandBody::Unauthenticate),
        ("COMPRESS DEFLATE", CommandBody::Compress),
        ("compress Deflate", CommandBody::Compress),
        ("UNSELECT", CommandBody::Unselect),
        ("EXPUNGE", CommandBody::Expunge),
    ];
    for (line, body) in table {
        assert_eq!(good(line), body);
        all_bad(&[&format!("{line} "), &format!("{line} x"), &format!(" {line}")]);
    }
}

#[test]
fn an_unknown_command_is_not_a_bad_argument() {
    for line in ["a1 XYZZY", "a1 SELECT2 INBOX", "a1 UIDFETCH 1 FLAGS", "a1 FOO_BAR"] {
        let error = error(line);
        assert_eq!(error.fault, Fault::UnknownCommand, "{line}");
        assert_eq!(error.status().text, "Unknown command");
    }
    assert_eq!(error("a1 SELECT").status().text, "Expected a space at octet 10");
    assert_eq!(error("a1 SELECT (").status().text, "Expected a mailbox name at octet 11");
    assert_eq!(
        error("a1 UID NOOP").fault,
        Fault::Expected("COPY, EXPUNGE, FETCH, MOVE, REPLACE, SEARCH, SORT, STORE or THREAD")
    );
    assert_eq!(error("a1").status().text, "Expected a space at octet 3");
    assert_eq!(error("a1 ").fault, Fault::Expected("a command"));
}

#[test]
fn without_a_tag_the_answer_has_none() {
    for line in ["", " NOOP", "+ NOOP", "a+ NOOP", "* OK", "a(b NOOP", "\u{e4} NOOP", "a\tNOOP"] {
        let status = error(line).status();
        assert_eq!((status.tag, status.condition), (None, Condition::Bad), "{line:?}");
    }
}

#[test]
fn login_and_authenticate() {
    let login = |user: &str, password: &str| CommandBody::Login {
        user: user.as_bytes().to_vec(),
        password: Secret(password.as_bytes().to_vec()),
    };
    assert_eq!(good("LOGIN alice secret"), login("alice", "secret"));
    assert_eq!(good("login \"al\\\"ice\" {3+}\r\na b"), login("al\"ice", "a b"));
    assert_eq!(good("LOGIN {5}\r\nalice \"\""), login("alice", ""));
    assert_eq!(good("LOGIN alice p]w"), login("alice", "p]w"));
    let plain = |initial_response: Option<&[u8]>| CommandBody::Authenticate {
        mechanism: "PLAIN".to_owned(),
        initial_response: initial_response.map(|octets| Secret(octets.to_vec())),
    };
    assert_eq!(good("AUTHENTICATE plain"), plain(None));
    assert_eq!(good("AUTHENTICATE PLAIN AGFsaWNlAHB3"), plain(Some(b"AGFsaWNlAHB3")));
    assert_eq!(good("AUTHENTICATE PLAIN ="), plain(Some(b"=")));
    all_bad(&[
        "LOGIN",
        "LOGIN alice",
        "LOGIN alice ",
        "LOGIN alice secret more",
        "LOGIN  alice secret",
        "LOGIN alice pass*word",
        "LOGIN alice \"secret",
        "LOGIN alice (secret)",
        "AUTHENTICATE",
        "AUTHENTICATE PLAIN ",
        "AUTHENTICATE PLAIN AGFs*WNl",
    ]);
}

#[test]
fn a_log_shows_no_password() {
    let command = command(b"a1 LOGIN alice hunter2", Dialect::REV1).unwrap();
    assert!(!format!("{command:?}").contains("hunter2"));
}

#[test]
fn id_and_enable() {
    assert_eq!(good("ID NIL"), CommandBody::Id(Vec::new()));
    assert_eq!(good("ID ()"), CommandBody::Id(Vec::new()));
    let fields = vec![("name".to_owned(), Some("x".to_owned())), ("os".to_owned(), None)];
    assert_eq!(good("ID (\"name\" \"x\" \"os\" NIL)"), CommandBody::Id(fields));
    assert_eq!(good("ENABLE condstore X"), CommandBody::Enable(vec!["CONDSTORE".to_owned(), "X".to_owned()]));
    let many = |count: usize| format!("ID ({})", vec!["\"a\" NIL"; count].join(" "));
    good(&many(30));
    all_bad(&[
        "ID",
        "ID (name \"x\")",
        "ID (\"name\")",
        "ID NIL NIL",
        &many(31),
        &format!("ID (\"{}\" NIL)", "n".repeat(31)),
        &format!("ID (\"n\" \"{}\")", "v".repeat(1025)),
        "ENABLE",
        "ENABLE (CONDSTORE)",
    ]);
}

#[test]
fn mailbox_names_are_decoded() {
    for (text, name) in [
        ("INBOX", "INBOX"),
        ("inbox", "inbox"),
        ("\"a b\"", "a b"),
        ("{3+}\r\na/b", "a/b"),
        ("Entw&APw-rfe", "Entwürfe"),
        ("R&-D", "R&D"),
        ("a]", "a]"),
        ("\"\"", ""),
    ] {
        let mailbox = || name.to_owned();
        assert_eq!(
            good(&format!("SELECT {text}")),
            CommandBody::Select { mailbox: mailbox(), parameters: SelectParameters::default() }
        );
        assert_eq!(
            good(&format!("EXAMINE {text}")),
            CommandBody::Examine { mailbox: mailbox(), parameters: SelectParameters::default() }
        );
        assert_eq!(good(&format!("CREATE {text}")), CommandBody::Create { mailbox: mailbox(), uses: Vec::new() });
        assert_eq!(good(&format!("DELETE {text}")), CommandBody::Delete { mailbox: mailbox() });
        assert_eq!(good(&format!("SUBSCRIBE {text}")), CommandBody::Subscribe { mailbox: mailbox() });
        assert_eq!(good(&format!("UNSUBSCRIBE {text}")), CommandBody::Unsubscribe { mailbox: mailbox() });
        assert_eq!(good(&format!("RENAME {text} x")), CommandBody::Rename { from: mailbox(), to: "x".to_owned() });
    }
    for name in ["R&D", "&Jjo!", "{2+}\r\na\t"] {
        let status = error(&format!("a1 SELECT {name}")).status();
        assert_eq!((status.condition, status.code), (Condition::No, Some(Code::Cannot)), "{name}");
    }
    all_bad(&[
        "SELECT a b",
        "SELECT a*",
        "SELECT \u{e4}",
        "CREATE x (SIZE 7)",
        "RENAME a",
        "RENAME a b c",
        "SUBSCRIBE",
    ]);
}

/// RFC 6855 §3, RFC 9051 §5.1
#[test]
fn mailbox_names_in_utf8() {
    let rev2 = Dialect { rev2: true, ..Dialect::REV1 };
    let utf8_accept = Dialect { utf8_accept: true, ..Dialect::REV1 };
    let read = |line: &str, dialect| command(format!("a1 {line}").as_bytes(), dialect);
    for dialect in [rev2, utf8_accept] {
        for (text, name) in [("R&D", "R&D"), ("Entw&APw-rfe", "Entw&APw-rfe"), ("\"ä &- ö\"", "ä &- ö")] {
            let body = CommandBody::Delete { mailbox: name.to_owned() };
            assert_eq!(read(&format!("DELETE {text}"), dialect).map(|command| command.body), Ok(body), "{text}");
        }
    }
    // UTF-8 in quotes is taken before it is enabled.
    assert_eq!(good("DELETE \"ä\""), CommandBody::Delete { mailbox: "ä".to_owned() });
    let broken = command(b"a1 CREATE {1+}\r\n\xe4", rev2).unwrap_err().status();
    assert_eq!(broken.condition, Condition::Bad);
    // RFC 6855 §3: no CHARSET beside UTF8=ACCEPT; IMAP4rev2 alone takes it.
    assert!(read("SEARCH CHARSET UTF-8 ALL", rev2).is_ok());
    for line in ["SEARCH CHARSET UTF-8 ALL", "UID SEARCH RETURN (MIN) CHARSET UTF-8 ALL"] {
        let refused = read(line, utf8_accept).unwrap_err().status();
        assert_eq!((refused.condition, refused.code), (Condition::Bad, None), "{line}");
    }
}

#[test]
fn list_and_its_options() {
    let plain = |reference: &str, pattern: &str| List {
        select: None,
        reference: reference.to_owned(),
        patterns: vec![pattern.to_owned()],
        returns: None,
    };
    assert_eq!(good("LIST \"\" *"), CommandBody::List(plain("", "*")));
    assert_eq!(good("LIST a/ %b*"), CommandBody::List(plain("a/", "%b*")));
    assert_eq!(good("LIST \"\" \"Entw&APw-%\""), CommandBody::List(plain("", "Entwü%")));
    assert_eq!(good("LIST \"\" {1+}\r\n%"), CommandBody::List(plain("", "%")));
    let lsub = CommandBody::Lsub { reference: String::new(), pattern: "*".to_owned() };
    assert_eq!(good("LSUB \"\" *"), lsub);
    let special_use = ListSelect { special_use: true, ..ListSelect::default() };
    assert_eq!(
        good("LIST (SPECIAL-USE) \"\" *"),
        CommandBody::List(List { select: Some(special_use), ..plain("", "*") })
    );
    assert_eq!(
        good("LIST () \"\" (a %) RETURN (special-use CHILDREN)"),
        CommandBody::List(List {
            select: Some(ListSelect::default()),
            reference: String::new(),
            patterns: vec!["a".to_owned(), "%".to_owned()],
            returns: Some(ListReturn { special_use: true, children: true, ..ListReturn::default() }),
        })
    );
    good("LIST (SUBSCRIBED RECURSIVEMATCH REMOTE) \"\" * RETURN ()");
    all_bad(&[
        "LIST",
        "LIST \"\"",
        "LIST \"\" ()",
        "LIST \"\" * *",
        "LIST (FOO) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "LIST (SUBSCRIBED",
        "LIST \"\" * RETURN",
        "LIST \"\" * RETURN (FOO)",
        "LIST \"\" * RETURN SUBSCRIBED",
        "LSUB \"\" (a b)",
        "LSUB (SUBSCRIBED) \"\" *",
    ]);
}

#[test]
fn status() {
    use StatusItem::{Messages, Recent, Size, UidNext, UidValidity, Unseen};
    assert_eq!(
        good("STATUS INBOX (messages UIDNEXT UIDVALIDITY RECENT UNSEEN size)"),
        CommandBody::Status {
            mailbox: "INBOX".to_owned(),
            items: vec![Messages, UidNext, UidValidity, Recent, Unseen, Size]
        }
    );
    all_bad(&[
        "STATUS INBOX",
        "STATUS INBOX ()",
        "STATUS INBOX MESSAGES",
        "STATUS INBOX (MESSAGES",
        "STATUS INBOX (MESSAGES  RECENT)",
        "STATUS (MESSAGES)",
    ]);
}

#[test]
fn list_may_ask_for_status() {
    use StatusItem::{Messages, Size};
    let returns = |text: &str| match good(&format!("LIST \"\" * RETURN {text}")) {
        CommandBody::List(List { returns: Some(returns), .. }) => returns,
        other => panic!("{other:?}"),
    };
    let status = vec![Messages, Size];
    assert_eq!(returns("(STATUS (MESSAGES SIZE))"), ListReturn { status: status.clone(), ..ListReturn::default() });
    let children = ListReturn { status, children: true, ..ListReturn::default() };
    assert_eq!(returns("(children status (messages size))"), children);
    assert_eq!(returns("(STATUS (MESSAGES SIZE) CHILDREN)"), children);
    all_bad(&[
        "LIST \"\" * RETURN (STATUS)",
        "LIST \"\" * RETURN (STATUS ())",
        "LIST \"\" * RETURN (STATUS MESSAGES)",
        "LIST \"\" * RETURN (STATUS (FOO))",
        "LIST \"\" * RETURN (STATUS(MESSAGES))",
        "LIST (STATUS (MESSAGES)) \"\" *",
    ]);
}

#[test]
fn append() {
    let literal = LiteralHeader { octets: 310, non_synchronizing: false, binary: false };
    let bare = AppendPiece::Message { flags: FlagNames::default(), internal_date: None };
    let append =
        |pieces: &[AppendPiece]| CommandBody::Append(Append { mailbox: "INBOX".to_owned(), pieces: pieces.to_vec() });
    assert_eq!(good("APPEND INBOX {310}"), append(&[bare.clone(), AppendPiece::Literal(literal)]));
    let flagged = AppendPiece::Message {
        flags: FlagNames { system: Flags::SEEN, keywords: vec!["$Foo".to_owned()] },
        internal_date: Some(Date { unix_s: 1, offset_min: 0 }),
    };
    let literal8 = LiteralHeader { octets: 3, non_synchronizing: true, binary: true };
    assert_eq!(
        good("APPEND {5}\r\nINBOX (\\Seen $Foo) \" 1-Jan-1970 00:00:01 +0000\" ~{3+}"),
        append(&[flagged.clone(), AppendPiece::Literal(literal8)])
    );
    let before_login = LiteralHeader { octets: 2, ..literal };
    assert_eq!(
        good("APPEND INBOX {2}\r\nab (\\Seen $Foo) \" 1-Jan-1970 00:00:01 +0000\" ~{3+}\r\nabc"),
        append(&[bare.clone(), AppendPiece::Literal(before_login), flagged, AppendPiece::Literal(literal8)])
    );
    let url = |url: &str| AppendPiece::Url(url.as_bytes().to_vec());
    assert_eq!(
        good("APPEND INBOX CATENATE (URL /x/;UID=1 url {3+}\r\nabc) catenate (TEXT {310}"),
        append(&[
            bare.clone(),
            AppendPiece::Catenate,
            url("/x/;UID=1"),
            url("abc"),
            AppendPiece::EndCatenate,
            bare.clone(),
            AppendPiece::Catenate,
            AppendPiece::Text(literal)
        ])
    );
    let replace = |by, message| CommandBody::Replace {
        by,
        message,
        append: Append { mailbox: "x".to_owned(), pieces: vec![bare.clone(), AppendPiece::Literal(literal)] },
    };
    assert_eq!(good("REPLACE * x {310}"), replace(Numbering::Sequence, SeqNumber::Largest));
    let four = SeqNumber::Number(4.try_into().unwrap());
    assert_eq!(good("uid replace 4 x {310}"), replace(Numbering::Uid, four));
    let utf8 = append(&[bare.clone(), AppendPiece::Utf8(literal8)]);
    assert_eq!(good("APPEND INBOX utf8 (~{3+}"), utf8);
    assert_eq!(good("APPEND INBOX UTF8 (~{3+}\r\nabc)"), utf8);
    let utf8_text = append(&[bare.clone(), AppendPiece::Catenate, url("abc"), AppendPiece::Utf8Text(literal8)]);
    assert_eq!(good("APPEND INBOX CATENATE (URL abc utf8 (~{3+}"), utf8_text);
    all_bad(&[
        "APPEND INBOX CATENATE",
        "APPEND INBOX CATENATE ()",
        "APPEND INBOX CATENATE (TEXT)",
        "APPEND INBOX CATENATE (URL x",
        "APPEND INBOX CATENATE (URL x URL)",
        "APPEND INBOX CATENATE (URL x  URL y)",
        "APPEND INBOX CATENATE (URL x )",
        "APPEND INBOX CATENATE (FILE x)",
        "APPEND INBOX CATENATE (UTF8 ({3}",
        "APPEND INBOX CATENATE (UTF8 ~{3}",
        "APPEND INBOX CATENATE(URL x)",
        "APPEND INBOX CATENATE (URL x) ",
        "APPEND INBOX CATENATE (URL x) x",
        "REPLACE 4 x",
        "REPLACE 4 {3}",
        "REPLACE 0 x {3}",
        "REPLACE 4:5 x {3}",
        "REPLACE $ x {3}",
        "REPLACE 4 x CATENATE (URL x) {3}",
        "UID REPLACE x {3}",
    ]);
    all_bad(&[
        "APPEND INBOX UTF8 ({3}",
        "APPEND INBOX UTF8 ~{3}",
        "APPEND INBOX UTF8(~{3}",
        "APPEND INBOX UTF8 (~{3+}\r\nabc",
        "APPEND INBOX",
        "APPEND {5}",
        "APPEND INBOX x",
        "APPEND INBOX \"x\"",
        "APPEND INBOX \\Seen {3}",
        "APPEND INBOX (\\Recent) {3}",
        "APPEND INBOX () () {3}",
        "APPEND INBOX \" 1-Jan-1970 00:00:01 +0000\" () {3}",
        "APPEND INBOX \"1-Jan-1970\" {3}",
        "APPEND INBOX {3",
        "APPEND INBOX{3}",
    ]);
}

/// What stands behind the octets of a message.
#[test]
fn the_rest_of_an_append() {
    let message = AppendPiece::Message { flags: FlagNames::default(), internal_date: None };
    let header = LiteralHeader { octets: 3, non_synchronizing: false, binary: false };
    let (literal, text, utf8) = (AppendPiece::Literal(header), AppendPiece::Text(header), AppendPiece::Utf8(header));
    let utf8_text = AppendPiece::Utf8Text(header);
    let rest = |rest: &str, behind: &AppendPiece| append_rest(rest.as_bytes(), behind);
    assert_eq!(rest("", &literal), Ok(vec![]));
    assert_eq!(rest(" () {3}", &literal), Ok(vec![message.clone(), literal.clone()]));
    assert_eq!(rest(")", &text), Ok(vec![AppendPiece::EndCatenate]));
    assert_eq!(rest(" URL a TEXT {3}", &text), Ok(vec![AppendPiece::Url(b"a".to_vec()), text.clone()]));
    assert_eq!(rest(") {3}", &text), Ok(vec![AppendPiece::EndCatenate, message.clone(), literal.clone()]));
    assert_eq!(rest(")", &utf8), Ok(vec![]));
    assert_eq!(rest(") {3}", &utf8), Ok(vec![message, literal.clone()]));
    assert_eq!(rest("))", &utf8_text), Ok(vec![AppendPiece::EndCatenate]));
    assert_eq!(rest(") TEXT {3}", &utf8_text), Ok(vec![text.clone()]));
    for bad in ["", ")", " )", " ))", ") )", "))x", ")TEXT {3}"] {
        assert!(rest(bad, &utf8_text).is_err(), "{bad}");
    }
    for bad in ["x", " ", ")", "() {3}"] {
        assert!(rest(bad, &literal).is_err(), "{bad}");
    }
    for bad in ["", " )", "TEXT {3}", ") "] {
        assert!(rest(bad, &text).is_err(), "{bad}");
    }
    for bad in ["", " )", "))", " {3}", ") "] {
        assert!(rest(bad, &utf8).is_err(), "{bad}");
    }
}

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

#[test]
fn done_in_any_case() {
    assert!(is_done(b"DONE") && is_done(b"done"));
    assert!(!is_done(b"DONE ") && !is_done(b"") && !is_done(b"a DONE"));
}
