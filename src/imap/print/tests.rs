//! Responses as they stand on the wire.

use super::fetch::FetchWriter;
use super::*;
use crate::imap::command::{Numbering, Partial, Tag};
use crate::imap::numbers::Numbers;
use crate::imap::response::*;
use crate::message::{Section, SectionText, Summary};
use crate::store::{Date, FlagNames, Flags, SpecialUse, UidSet};

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn line(printed: impl Into<Response>) -> String {
    let mut out = Vec::new();
    response(&mut out, &printed.into(), Dialect::REV1);
    text(out.strip_suffix(b"\r\n").unwrap())
}

fn fetched(write: impl FnOnce(&mut FetchWriter<'_>)) -> String {
    let mut out = Vec::new();
    let mut line = FetchWriter::begin(&mut out, 7, 42, Dialect::REV1);
    write(&mut line);
    line.end();
    let line = text(&out);
    line.strip_prefix("* 7 FETCH (").and_then(|line| line.strip_suffix(")\r\n")).unwrap().to_owned()
}

fn tag() -> Tag {
    Tag::new(b"a1").unwrap()
}

#[test]
fn status_lines() {
    assert_eq!(line(Status::ok(&tag(), "NOOP done")), "a1 OK NOOP done");
    assert_eq!(
        line(Status::no(&tag(), "No such mailbox").with_code(Code::NonExistent)),
        "a1 NO [NONEXISTENT] No such mailbox"
    );
    assert_eq!(line(Status::bad(None, "What?")), "* BAD What?");
    assert_eq!(line(Status::bye("Bye")), "* BYE Bye");
    assert_eq!(line(Status { tag: Some(tag()), ..Status::bye("Bye") }), "* BYE Bye");
    assert_eq!(line(Status::pre_auth("Hello")), "* PREAUTH Hello");
    assert_eq!(line(Status::untagged_no("Hm")), "* NO Hm");
    assert_eq!(line(Response::Continue("idling".into())), "+ idling");
    assert_eq!(line(Response::Continue("".into())), "+ ");
}

#[test]
fn metadata() {
    let value = |octets: &[u8]| Some(std::sync::Arc::from(octets));
    let entries = vec![
        ("/private/comment".to_owned(), value(b"two\r\nlines")),
        ("/private/a b".to_owned(), value(b"\"x\"")),
        ("/private/icon".to_owned(), value(b"\0")),
        ("/shared/comment".to_owned(), None),
    ];
    assert_eq!(
        line(Data::Metadata { mailbox: "\u{e4}".to_owned(), entries }),
        "* METADATA &AOQ- (/private/comment {10}\r\ntwo\r\nlines \"/private/a b\" \"\\\"x\\\"\" /private/icon ~{1}\r\n\0 \
         /shared/comment NIL)"
    );
    let entries = vec!["/private/a".to_owned(), "/shared/b".to_owned()];
    assert_eq!(line(Data::MetadataChanged { mailbox: String::new(), entries }), "* METADATA \"\" /private/a /shared/b");
    let code = |code| line(Status::untagged_ok("x").with_code(code));
    assert_eq!(code(Code::MetadataLongEntries(2199)), "* OK [METADATA LONGENTRIES 2199] x");
    assert_eq!(code(Code::MetadataMaxSize(1024)), "* OK [METADATA MAXSIZE 1024] x");
    assert_eq!(code(Code::MetadataTooMany), "* OK [METADATA TOOMANY] x");
    assert_eq!(code(Code::UseAttr), "* OK [USEATTR] x");
}

#[test]
fn a_text_is_one_line_of_ascii_and_no_code() {
    assert_eq!(line(Status::untagged_ok("a\r\n* BYE \u{e4}\0")), "* OK a??* BYE ??");
    assert_eq!(line(Status::untagged_ok("")), "* OK .");
    assert_eq!(line(Status::untagged_ok("[ALERT] x")), "* OK (ALERT] x");
    assert_eq!(line(Status::untagged_ok("[x]").with_code(Code::Alert)), "* OK [ALERT] [x]");
}

#[test]
fn response_codes() {
    let code = |code| line(Status::untagged_ok("x").with_code(code));
    let flags = FlagNames { system: Flags::SEEN.union(Flags::ANSWERED), keywords: vec!["$Junk".to_owned()] };
    let table = [
        (Code::BadCharset(vec!["US-ASCII", "UTF-8"]), "BADCHARSET (US-ASCII UTF-8)"),
        (Code::Capability(vec!["IMAP4rev1".into(), "AUTH=PLAIN".into()]), "CAPABILITY IMAP4rev1 AUTH=PLAIN"),
        (
            Code::PermanentFlags { flags: flags.clone(), new_keywords: true },
            "PERMANENTFLAGS (\\Answered \\Seen $Junk \\*)",
        ),
        (Code::PermanentFlags { flags: FlagNames::default(), new_keywords: false }, "PERMANENTFLAGS ()"),
        (Code::UidNext(4_294_967_295), "UIDNEXT 4294967295"),
        (Code::UidValidity(1), "UIDVALIDITY 1"),
        (Code::Unseen(12), "UNSEEN 12"),
        (
            Code::InProgress { tag: Tag::new(b"a1"), current: Some(454), goal: Some(1000) },
            "INPROGRESS (\"a1\" 454 1000)",
        ),
        (Code::InProgress { tag: Tag::new(b"a]1"), current: None, goal: None }, "INPROGRESS (NIL NIL NIL)"),
        (Code::AppendUid { uid_validity: 1, uids: UidSet::range(5, 5) }, "APPENDUID 1 5"),
        (
            Code::CopyUid { uid_validity: 9, from: vec![1, 2, 3, 7, 9], to: vec![20, 21, 22, 23, 24] },
            "COPYUID 9 1:3,7,9 20:24",
        ),
        (Code::UnknownCte, "UNKNOWN-CTE"),
        (Code::MailboxId("Ma-b_1".to_owned()), "MAILBOXID (Ma-b_1)"),
        (Code::ReadOnly, "READ-ONLY"),
        (Code::BadUrl("/a]b".to_owned()), "BADURL /a%5Db"),
    ];
    for (value, printed) in table {
        assert_eq!(code(value), format!("* OK [{printed}] x"));
    }
}

#[test]
fn untagged_data() {
    let entry = |attributes: &[ListAttribute], mailbox: &str| ListEntry {
        attributes: attributes.to_vec(),
        separator: Some('/'),
        mailbox: mailbox.to_owned(),
        ..ListEntry::default()
    };
    let sent = [ListAttribute::HasNoChildren, ListAttribute::SpecialUse(SpecialUse::Sent)];
    let flags = FlagNames { system: Flags::DRAFT, keywords: vec!["a".to_owned()] };
    let table = [
        (Data::Capability(vec!["IMAP4rev1".into(), "IDLE".into()]), "CAPABILITY IMAP4rev1 IDLE"),
        (Data::Enabled(vec![]), "ENABLED"),
        (Data::List(entry(&sent, "Sent")), "LIST (\\HasNoChildren \\Sent) \"/\" Sent"),
        (Data::List(entry(&[], "Entwürfe &c")), "LIST () \"/\" \"Entw&APw-rfe &-c\""),
        (Data::List(entry(&[], "nil")), "LIST () \"/\" \"nil\""),
        (
            Data::Lsub(ListEntry { separator: None, ..entry(&[ListAttribute::NoSelect], "a") }),
            "LSUB (\\Noselect) NIL a",
        ),
        (
            Data::List(ListEntry { subscribed_child: true, separator: Some('\\'), ..entry(&[], "a") }),
            "LIST () \"\\\\\" a (\"CHILDINFO\" (\"SUBSCRIBED\"))",
        ),
        (
            Data::Status { mailbox: "a b".to_owned(), items: vec![StatusValue::Messages(1), StatusValue::UidNext(2)] },
            "STATUS \"a b\" (MESSAGES 1 UIDNEXT 2)",
        ),
        (Data::Search { numbers: vec![], mod_seq: None }, "SEARCH"),
        (Data::Search { numbers: vec![2, 84], mod_seq: None }, "SEARCH 2 84"),
        (Data::Search { numbers: vec![2, 84], mod_seq: Some(917) }, "SEARCH 2 84 (MODSEQ 917)"),
        (Data::Vanished { earlier: false, uids: [5, 7].into_iter().collect() }, "VANISHED 5,7"),
        (Data::Vanished { earlier: true, uids: UidSet::range(41, 43) }, "VANISHED (EARLIER) 41:43"),
        (Data::Flags(flags), "FLAGS (\\Draft a)"),
        (Data::Exists(0), "0 EXISTS"),
        (Data::Recent(3), "3 RECENT"),
        (Data::Expunge(44), "44 EXPUNGE"),
        (Data::Namespace { separator: '/' }, "NAMESPACE ((\"\" \"/\")) NIL NIL"),
        (Data::Quota { storage: Some((1, 2)), messages: None }, "QUOTA \"\" (STORAGE 1 2)"),
        (Data::Quota { storage: Some((1, 2)), messages: Some((3, 4)) }, "QUOTA \"\" (STORAGE 1 2 MESSAGE 3 4)"),
        (Data::QuotaRoot { mailbox: "a b".to_owned(), rooted: true }, "QUOTAROOT \"a b\" \"\""),
        (Data::QuotaRoot { mailbox: "INBOX".to_owned(), rooted: false }, "QUOTAROOT INBOX"),
        (Data::Id(vec![]), "ID NIL"),
        (
            Data::Id(vec![("name".into(), Some("Post\"bell".into())), ("os".into(), None)]),
            "ID (\"name\" \"Post\\\"bell\" \"os\" NIL)",
        ),
    ];
    for (data, printed) in table {
        assert_eq!(line(data), format!("* {printed}"));
    }
}

#[test]
fn fetch_items() {
    let keywords = ["$A".to_owned(), "$B".to_owned()];
    let printed = fetched(|line| {
        line.flags(Flags::SEEN.union(Flags::keyword(1)), &keywords, true);
        line.uid(4_294_967_295);
        line.rfc822_size(0);
        line.internal_date(Date { unix_s: 837_596_665, offset_min: -420 });
    });
    assert_eq!(
        printed,
        "FLAGS (\\Seen \\Recent $B) UID 4294967295 RFC822.SIZE 0 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""
    );
    assert_eq!(fetched(|line| line.flags(Flags::NONE, &keywords, false)), "FLAGS ()");
    assert_eq!(
        fetched(|line| line.internal_date(Date { unix_s: -1, offset_min: 330 })),
        "INTERNALDATE \" 1-Jan-1970 05:29:59 +0530\""
    );
}

#[test]
fn a_plain_literal_of_fetch_has_no_nul_and_keeps_its_length() {
    let mut out = Vec::new();
    let mut line = FetchWriter::begin(&mut out, 1, 1, Dialect::REV1);
    line.body_section(&Section::default(), None, 5);
    line.octets(b"a\0\0\xffb");
    line.end();
    assert_eq!(out, b"* 1 FETCH (BODY[] {5}\r\na\x80\x80\xffb)\r\n");
}

#[test]
fn fetch_octets() {
    let from_ten = Some(Partial { offset: 10, length: 99 });
    let fields = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let printed = fetched(|line| {
        line.rfc822_header(2);
        line.octets(b"\r\n");
        line.body_section(&Section::default(), from_ten, 0);
        line.body_section_nil(&Section { path: vec![1, 2], text: Some(SectionText::Mime) }, None);
        line.binary(&[1], from_ten, b"abc");
        line.binary(&[], None, b"a\0b");
        line.binary_nil(&[9], None);
        line.binary_size(&[1, 1], 12);
    });
    assert_eq!(
        printed,
        "RFC822.HEADER {2}\r\n\r\n BODY[]<10> {0}\r\n BODY[1.2.MIME] NIL BINARY[1]<10> {3}\r\nabc \
         BINARY[] ~{3}\r\na\0b BINARY[9] NIL BINARY.SIZE[1.1] 12"
    );
    let named = Section { path: vec![], text: Some(SectionText::HeaderFields(fields(&["To", "X Y"]))) };
    let not = Section { path: vec![3], text: Some(SectionText::HeaderFieldsNot(fields(&["a"]))) };
    let printed = fetched(|line| {
        line.body_section(&named, None, 1);
        line.octets(b"x");
        line.body_section_nil(&not, None);
    });
    assert_eq!(printed, "BODY[HEADER.FIELDS (To \"X Y\")] {1}\r\nx BODY[3.HEADER.FIELDS.NOT (a)] NIL");
}

const MESSAGE: &[u8] = b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n\
From: \"Terry \\\"T\\\" Gray\" <gray@cac.example>, =?utf-8?q?M=C3=A4?= <m@x.example>\r\n\
Subject: 8-bit \xe4\r\n\
To: friends: a@x.example, b@x.example;\r\n\
Message-ID: <B27397@cac.example>\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=\"b\"; x=\"a b\"\r\n\
Content-Language: en, de\r\n\
\r\n\
--b\r\n\
\r\n\
one\r\ntwo\r\n\
--b\r\n\
Content-Type: image/png; name=\"a.png\"\r\n\
Content-Transfer-Encoding: base64\r\n\
Content-Disposition: attachment; filename=\"a.png\"\r\n\
Content-ID: <1@x>\r\n\
\r\n\
AAAA\r\n\
--b\r\n\
Content-Type: message/rfc822\r\n\
\r\n\
Subject: inner\r\n\
\r\n\
in\r\n\
--b--\r\n";

#[test]
fn envelope() {
    let summary = Summary::of(MESSAGE);
    let from =
        "((\"Terry \\\"T\\\" Gray\" NIL \"gray\" \"cac.example\")(\"=?utf-8?q?M=C3=A4?=\" NIL \"m\" \"x.example\"))";
    let to = "((NIL NIL \"friends\" NIL)(NIL NIL \"a\" \"x.example\")(NIL NIL \"b\" \"x.example\")(NIL NIL NIL NIL))";
    assert_eq!(
        fetched(|line| line.envelope(&summary.envelope)),
        format!(
            "ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" {{7}}\r\n8-bit \u{fffd} {from} {from} {from} {to} NIL NIL NIL \
             \"<B27397@cac.example>\")"
        )
    );
}

#[test]
fn body_and_body_structure() {
    let summary = Summary::of(MESSAGE);
    let inner = "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let charset = "(\"CHARSET\" \"US-ASCII\")";
    let body = fetched(|line| line.body(&summary.structure));
    assert_eq!(
        body.to_ascii_uppercase(),
        format!(
            "BODY ((\"TEXT\" \"PLAIN\" {charset} NIL NIL \"7BIT\" 8 2)\
             (\"IMAGE\" \"PNG\" (\"NAME\" \"A.PNG\") \"<1@X>\" NIL \"BASE64\" 4)\
             (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 20 {inner} (\"TEXT\" \"PLAIN\" {charset} NIL NIL \"7BIT\" 2 1) 3) \
             \"MIXED\")"
        )
        .to_ascii_uppercase()
    );
    let structure = fetched(|line| line.body_structure(&summary.structure));
    assert_eq!(
        structure.to_ascii_uppercase(),
        format!(
            "BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" {charset} NIL NIL \"7BIT\" 8 2 NIL NIL NIL NIL)\
             (\"IMAGE\" \"PNG\" (\"NAME\" \"A.PNG\") \"<1@X>\" NIL \"BASE64\" 4 NIL \
             (\"ATTACHMENT\" (\"FILENAME\" \"A.PNG\")) NIL NIL)\
             (\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 20 {inner} \
             (\"TEXT\" \"PLAIN\" {charset} NIL NIL \"7BIT\" 2 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL) \
             \"MIXED\" (\"BOUNDARY\" \"B\" \"X\" \"A B\") NIL (\"EN\" \"DE\") NIL)"
        )
        .to_ascii_uppercase()
    );
}

#[test]
fn esearch_says_what_is_there() {
    let found = |by, min, max, all: &[(u32, u32)], count| {
        let mut set = UidSet::new();
        all.iter().for_each(|(first, last)| set.insert_range(*first, *last));
        line(Data::ESearch(ESearch {
            tag: tag(),
            mailbox: None,
            by,
            min,
            max,
            all: Numbers::Ascending(set),
            partial: None,
            count,
            mod_seq: None,
        }))
    };
    let sequence = Numbering::Sequence;
    assert_eq!(found(sequence, None, None, &[], None), "* ESEARCH (TAG \"a1\")");
    assert_eq!(found(Numbering::Uid, None, None, &[], Some(0)), "* ESEARCH (TAG \"a1\") UID COUNT 0");
    assert_eq!(
        found(sequence, Some(2), Some(9), &[(2, 4), (9, 9)], Some(4)),
        "* ESEARCH (TAG \"a1\") MIN 2 MAX 9 ALL 2:4,9 COUNT 4"
    );
}

#[test]
fn object_identifiers_and_the_save_date() {
    assert_eq!(fetched(|line| line.email_id("Ea-b_1")), "EMAILID (Ea-b_1)");
    assert_eq!(fetched(|line| line.thread_id_nil()), "THREADID NIL");
    assert_eq!(fetched(|line| line.save_date(0)), "SAVEDATE \" 1-Jan-1970 00:00:00 +0000\"");
    let items = vec![StatusValue::MailboxId("M1".to_owned()), StatusValue::Size(1 << 40), StatusValue::AppendLimit(7)];
    let status = line(Data::Status { mailbox: "a".to_owned(), items });
    assert_eq!(status, "* STATUS a (MAILBOXID (M1) SIZE 1099511627776 APPENDLIMIT 7)");
}

/// What a client of IMAP4rev2 reads, and who enabled UTF8=ACCEPT (RFC 9051 §4.3, §6.3.9.7; RFC 6855 §3).
#[test]
fn utf8_in_quotes() {
    let printed = |data: Data, dialect| {
        let mut out = Vec::new();
        response(&mut out, &data.into(), dialect);
        text(&out)
    };
    let rev2 = Dialect { rev2: true, ..Dialect::REV1 };
    let utf8_accept = Dialect { utf8_accept: true, ..Dialect::REV1 };
    let entry = ListEntry {
        separator: Some('/'),
        mailbox: "Entwürfe &c".to_owned(),
        subscribed_child: true,
        old_name: Some("Entwu\u{308}rfe".to_owned()),
        ..ListEntry::default()
    };
    let listed =
        "* LIST () \"/\" \"Entwürfe &c\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"Entwu\u{308}rfe\"))\r\n";
    for dialect in [rev2, utf8_accept] {
        assert_eq!(printed(Data::List(entry.clone()), dialect), listed);
        let status = Data::Status { mailbox: "ä".to_owned(), items: vec![StatusValue::Deleted(3)] };
        assert_eq!(printed(status, dialect), "* STATUS \"ä\" (DELETED 3)\r\n");
        let summary = Summary::of("Subject: Grüße\r\nFrom: \"Jürgen\" <a@b>\r\n\r\n".as_bytes());
        let mut out = Vec::new();
        let mut line = FetchWriter::begin(&mut out, 1, 1, dialect);
        line.envelope(&summary.envelope);
        line.end();
        let from = "((\"Jürgen\" NIL \"a\" \"b\"))";
        let envelope = format!("(NIL \"Grüße\" {from} {from} {from} NIL NIL NIL NIL NIL)");
        assert_eq!(text(&out), format!("* 1 FETCH (ENVELOPE {envelope})\r\n"));
    }
}

/// RFC 9051 §9, `media-message`: to others it is a type like others.
#[test]
fn a_global_message_is_a_message_in_rev2() {
    let shown = |message: &str, dialect| {
        let mut out = Vec::new();
        let mut line = FetchWriter::begin(&mut out, 1, 1, dialect);
        line.body(&Summary::of(message.as_bytes()).structure);
        line.end();
        text(&out)
    };
    let rev2 = Dialect { rev2: true, ..Dialect::REV1 };
    let message = "Content-Type: message/global\r\n\r\nSubject: ä\r\n\r\nx\r\n";
    let basic = "* 1 FETCH (BODY (\"message\" \"global\" NIL NIL NIL \"7BIT\" 18))\r\n";
    assert_eq!(shown(message, Dialect::REV1), basic);
    let envelope = "(NIL \"ä\" NIL NIL NIL NIL NIL NIL NIL NIL)";
    let inside = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1)";
    let whole = format!("* 1 FETCH (BODY (\"message\" \"global\" NIL NIL NIL \"7BIT\" 18 {envelope} {inside} 3))\r\n");
    assert_eq!(shown(message, rev2), whole);
    let encoded = message.replace("global\r\n", "global\r\nContent-Transfer-Encoding: base64\r\n");
    let octets = "* 1 FETCH (BODY (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"base64\" 18))\r\n";
    assert_eq!(shown(&encoded, rev2), octets);
    assert!(shown(&encoded, Dialect::REV1).contains("\"message\" \"global\""));
}

/// RFC 9586 §4
#[test]
fn a_line_of_a_client_that_goes_by_uid() {
    let mut out = Vec::new();
    let mut line = FetchWriter::begin(&mut out, 7, 42, Dialect { uid_only: true, ..Dialect::REV1 });
    line.flags(Flags::SEEN, &[], false);
    line.implied_uid(42);
    line.end();
    assert_eq!(text(&out), "* 42 UIDFETCH (FLAGS (\\Seen))\r\n");
}
