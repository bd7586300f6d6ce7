//! APPEND, up to its literal and behind it.

use super::*;

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
