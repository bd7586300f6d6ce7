//! RFC 3894, 5232, 5233, 5490, 8579.

use super::{Known, is_true_with, run, run_with, script, show};

const HEADER: &str = "From: boss@frobnitzm.example.edu\r\nTo: ken+mta-filters@example.com\r\n\r\n";

/// RFC 3894 §3: the implicit keep is not cancelled.
#[test]
fn copy() {
    for (text, actions) in [
        ("fileinto :copy \"a\";", "a, implicit keep"),
        ("redirect :copy \"b@x.example\";", ">b@x.example, implicit keep"),
        ("fileinto :copy \"a\"; discard;", "a"),
        ("fileinto :copy \"a\"; fileinto \"b\";", "a, b"),
    ] {
        assert_eq!(run(&format!("require [\"copy\", \"fileinto\"]; {text}"), HEADER), actions, "{text}");
    }
}

/// RFC 5232 §3, §5: the internal variable, the tag, and which of them counts.
#[test]
fn flags() {
    for (text, actions) in [
        ("setflag \"\\\\Deleted\";", "implicit keep \\Deleted"),
        ("addflag \"\\\\Deleted\"; addflag \"\\\\Answered\";", "implicit keep \\Deleted \\Answered"),
        ("addflag [\"\\\\Deleted\", \"\\\\Answered\"];", "implicit keep \\Deleted \\Answered"),
        ("addflag \"\\\\Deleted \\\\Answered\"; setflag \"A\";", "implicit keep A"),
        ("setflag \"A B\"; removeflag \"a\"; keep;", "keep B"),
        ("setflag \"A\"; removeflag [\"\", \"b\"]; fileinto \"x\";", "x A"),
        ("setflag \"A\"; fileinto :flags \"B\" \"x\"; fileinto \"y\";", "x B, y A"),
        ("setflag \"A\"; keep :flags \"\";", "keep"),
        ("fileinto \"x\"; addflag \"A\"; fileinto \"x\";", "x A"),
        ("keep :flags \"A\"; keep :flags \"B\";", "keep B"),
        ("addflag \"\\\\Recent \\\\Unknown a(b\";", "implicit keep"),
        ("addflag \"A\"; stop;", "implicit keep A"),
    ] {
        assert_eq!(run(&format!("require [\"imap4flags\", \"fileinto\"]; {text}"), HEADER), actions, "{text}");
    }
    let ignored = script("require \"imap4flags\"; addflag \"\\\\Recent A\";");
    let warnings: Vec<_> = ignored.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [r#"1:31: "\\Recent" is no flag that can be set, and is ignored"#]);
}

/// RFC 5232 §4
#[test]
fn hasflag() {
    let has = |before: &str, test: &str| is_true_with(&format!("require \"imap4flags\"; {before}"), test, HEADER);
    assert!(has("setflag \"A B\";", "hasflag :is \"b A\""));
    assert!(has("setflag \"A B\";", "hasflag [\"b\",\"A\"]"));
    assert!(!has("setflag \"A B\";", "hasflag \"C\""));
    assert!(!has("", "hasflag \"A\""));
    assert!(!has("setflag \"A\";", "hasflag \"\""));
    assert!(!has("setflag \"A\";", "hasflag :comparator \"i;octet\" \"a\""));
    let many = "setflag \"NonJunk Junk gnus-forward $Forwarded NotJunk JunkRecorded $Junk $NotJunk\";";
    for (key, expected) in [
        ("\"Junk\"", true),
        ("\"forward\"", true),
        ("[\"label\", \"forward\"]", true),
        ("\"junk forward\"", true),
        ("\"label\"", false),
        ("[\"label1\", \"label2\"]", false),
    ] {
        assert_eq!(has(many, &format!("hasflag :contains {key}")), expected, "{key}");
    }
    assert!(has(many, "hasflag :matches \"gnus-*\""));
}

/// RFC 5233 §4
#[test]
fn subaddress() {
    let is_true = |test: &str| is_true_with("require [\"envelope\", \"subaddress\"];", test, HEADER);
    for (test, expected) in [
        ("envelope :user \"to\" \"ken\"", true),
        ("envelope :detail \"to\" \"list\"", true),
        ("envelope :localpart \"to\" \"ken+list\"", true),
        ("envelope :user \"from\" \"tim\"", true),
        ("envelope :matches :detail \"from\" \"*\"", false),
        ("address :detail \"to\" \"mta-filters\"", true),
        ("address :user :contains \"to\" \"ke\"", true),
    ] {
        assert_eq!(is_true(test), expected, "{test}");
    }
}

/// RFC 5490 §3
#[test]
fn mailboxes() {
    let known = Known(&[("INBOX", ""), ("Partners", "")]);
    let text = |test: &str| {
        format!(
            "require [\"fileinto\", \"mailbox\"]; if mailboxexists {test} {{ fileinto \"Partners\"; }} else {{ fileinto :create \"New\"; }}"
        )
    };
    let run = |test: &str| show(&run_with(&text(test), HEADER, &known).actions);
    assert_eq!(run("\"Partners\""), "Partners");
    assert_eq!(run("[\"Partners\", \"INBOX\"]"), "Partners");
    assert_eq!(run("[\"Partners\", \"Others\"]"), "New!");
}

/// RFC 8579 §3.1, §4
#[test]
fn special_uses() {
    let known = Known(&[("INBOX", ""), ("Spam", "\\Junk"), ("Old", "\\Archive")]);
    let run = |test: &str| {
        let text = format!("require \"special-use\"; if specialuse_exists {test} {{ discard; }}");
        run_with(&text, HEADER, &known).actions.is_empty()
    };
    assert!(run("\"\\\\Junk\""));
    assert!(run("[\"\\\\junk\", \"\\\\Archive\"]"));
    assert!(!run("[\"\\\\Junk\", \"\\\\Sent\"]"));
    assert!(run("\"Spam\" \"\\\\Junk\""));
    assert!(!run("\"Old\" \"\\\\Junk\""));
    assert!(!run("\"Gone\" [\"\\\\Junk\"]"));
    let text =
        "require [\"fileinto\", \"special-use\", \"mailbox\"]; fileinto :specialuse \"\\\\Junk\" :create \"Junk\";";
    assert_eq!(show(&run_with(text, HEADER, &known).actions), "\\Junk or Junk!");
}

#[test]
fn what_a_script_names_can_be_asked() {
    let script = script(
        "require [\"fileinto\", \"mailbox\"];\r\nredirect \"Bart <bart@example.com>\";\r\nif mailboxexists \"a\" { fileinto \"b\"; fileinto :create \"c\"; }",
    );
    let redirects: Vec<_> = script.redirects().map(|(at, path)| format!("{at} {path}")).collect();
    assert_eq!(redirects, ["2:10 bart@example.com"]);
    let mailboxes: Vec<_> = script
        .mailboxes()
        .map(|named| format!("{} {} {}", named.position, named.name, named.has_to_be_there))
        .collect();
    assert_eq!(mailboxes, ["3:18 a false", "3:33 b true", "3:55 c false"]);
}
