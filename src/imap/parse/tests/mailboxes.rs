//! Mailbox names and the commands about mailboxes: LIST, STATUS.

use super::*;

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
