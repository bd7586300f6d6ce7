//! RFC 5228, by its sections.

use super::{is_true, is_true_with, run, run_with, script};
use crate::sieve::{Mail, NoMailboxes, Path};

/// The three messages of §1.2 and §9 are of this kind.
const HEADER: &str = "Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\r\n\
    From: coyote@desert.example.org\r\n\
    To: roadrunner@acme.example.com, \"Wile, E.\" <wile@acme.example.com>\r\n\
    Subject: I have a present\r\n  for you\r\n\
    X-Caffeine: C8H10N4O2\r\n\
    X-Empty:\r\n\
    \r\nSubject: this is no header\r\n";

/// §2.1, §2.3: blanks, line ends of both kinds and comments are nothing.
#[test]
fn whitespace_and_comments() {
    for text in [
        "discard;",
        "  discard\t;\r\n",
        "DISCARD;",
        "# a comment\ndiscard; # another",
        "# a comment\r\n/* and * one ** of several / lines\r\n # */discard/**/;/***/",
        "if/* a */true{discard;}",
        "if not false { discard; } else { keep; }",
    ] {
        assert_eq!(run(text, HEADER), "", "{text}");
    }
    assert_eq!(run("", HEADER), "implicit keep");
    assert_eq!(run("# discard;", HEADER), "implicit keep");
}

/// §2.4.1, §5.9: K, M and G; neither over nor under what it is.
#[test]
fn numbers_and_size() {
    for (test, expected) in [
        ("size :over 3999", true),
        ("size :over 4000", false),
        ("size :under 4000", false),
        ("size :under 4001", true),
        ("size :over 3K", true),
        ("size :under 4k", true),
        ("size :under 1M", true),
        ("size :OVER 1G", false),
        ("size :under 16777216G", true),
    ] {
        assert_eq!(is_true(test, HEADER), expected, "{test}");
    }
}

/// §2.4.2: quoted strings with escapes, strings of several lines with dots.
#[test]
fn strings() {
    for (string, field) in [
        (r#""a \"quoted\" b\ackslash""#, r#"a "quoted" backslash"#),
        (r#""C:\\temp""#, r"C:\temp"),
        (r#"["no", "I have a present"]"#, "I have a present"),
        ("\"\u{e4}\"", "\u{e4}"),
    ] {
        let test = format!("header :comparator \"i;octet\" \"subject\" {string}");
        assert!(is_true(&test, &format!("Subject: {field}\r\n\r\n")), "{string}");
    }
    let redirect = |line: &str| format!("redirect text: # the address\r\n{line}\r\n.\r\n;");
    assert_eq!(run(&redirect("bart@example.com"), HEADER), ">bart@example.com");
    let into = |text: &str| run(&format!("require \"fileinto\"; fileinto {text}"), HEADER);
    assert_eq!(
        into("text:\n..x\n.y\n\n...\n.\n;"),
        ".x\r\n.y\r\n\r\n..\r\n",
        "dots are unstuffed, lines end with CRLF"
    );
    assert_eq!(into("TEXT:\n.\n;"), "");
    assert_eq!(into("\"a\nb\r\nc\";"), "a\r\nb\r\nc");
}

/// §2.4.2.2: in any case, with blanks before the colon, unfolded; a name that can't be one matches nothing, and is no error.
#[test]
fn header_names() {
    assert!(is_true("exists [\"subject\", \"FROM\"]", HEADER));
    assert!(is_true("header :is \"X-Old\" \"yes\"", "X-Old : yes\r\n\r\n"));
    assert!(is_true("header :is \"subject\" \"I have a present  for you\"", HEADER));
    for name in ["From:", "", "no name", "\u{e4}"] {
        assert!(!is_true(&format!("exists {name:?}"), HEADER), "{name}");
        assert_eq!(script(&format!("if header {name:?} \"\" {{ keep; }}")).warnings().len(), 1);
    }
    assert!(!is_true("header :contains \"Subject\" \"this is no header\"", HEADER), "the body is not looked at");
}

/// §2.4.2.4
#[test]
fn encoded_characters() {
    let header = "Subject: $$$\r\n\r\n";
    let test = "header :contains \"Subject\" \"$${hex:24 24}\"";
    assert!(is_true_with("require \"encoded-character\";", test, header));
    assert!(!is_true(test, header), "without the extension it is a string like others");
}

/// §2.7.2: what is compared is UTF-8, however the field was encoded.
#[test]
fn fields_are_decoded() {
    for subject in [
        "Gr\u{fc}\u{df}e",
        "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "=?ISO-8859-1?Q?Gr=FC=DFe?=",
        "=?utf-8?b?R3LDvA==?= =?utf-8?q?=C3=9Fe?=",
        "=?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=",
    ] {
        assert!(is_true("header \"Subject\" \"gr\u{fc}\u{df}e\"", &format!("Subject: {subject}\r\n\r\n")), "{subject}");
    }
    // An encoded NUL ends nothing.
    assert!(is_true("header :matches \"Subject\" \"a?b\"", "Subject: =?utf-8?q?a=00b?=\r\n\r\n"));
}

/// §2.7.3
#[test]
fn comparators() {
    let header = "Subject: You can MAKE MONEY FAST\r\n\r\n";
    let lower = "Subject: You can Make Money Fast\r\n\r\n";
    let test = "header :contains :comparator \"i;octet\" \"Subject\" \"MAKE MONEY FAST\"";
    assert!(is_true(test, header));
    assert!(!is_true(test, lower));
    assert!(is_true("header :contains \"Subject\" \"MAKE MONEY FAST\"", lower));
    for name in ["i;ascii-casemap", "i;octet"] {
        script(&format!("require \"comparator-{name}\"; if header :comparator {name:?} \"a\" \"b\" {{ keep; }}"));
    }
}

/// §2.7.4, §5.1: names, comments and groups' names are not looked at; members of groups are.
#[test]
fn address() {
    let header = "From: \"tim@example.org\" <Tim@Example.COM> (joe@example.net)\r\n\
        To: friends: a@one.example, b@two.example;, c@three.example\r\n\
        To: d@four.example\r\n\
        Cc: nobody\r\n\
        Reply-To:\r\n\r\n";
    for (test, expected) in [
        ("address :is :all \"from\" \"tim@example.com\"", true),
        ("address \"from\" \"tim@example.com\"", true),
        ("address :all \"from\" \"tim@example.org\"", false),
        ("address :contains \"from\" \"joe\"", false),
        ("address :localpart \"from\" \"tim\"", true),
        ("address :domain :comparator \"i;octet\" \"from\" \"example.com\"", false),
        ("address :domain :comparator \"i;octet\" \"from\" \"Example.COM\"", true),
        ("address :domain [\"from\", \"to\"] [\"x\", \"two.example\"]", true),
        ("address :domain \"to\" \"four.example\"", true),
        ("address :contains \"to\" \"friends\"", false),
        ("address :all \"cc\" \"nobody\"", true),
        ("address :localpart \"cc\" \"nobody\"", false),
        ("address :matches :domain \"cc\" \"*\"", false),
        ("address :matches \"bcc\" \"*\"", false),
        ("address :matches \"reply-to\" \"*\"", false),
        ("address \"From:\" \"tim@example.com\"", false),
    ] {
        assert_eq!(is_true(test, header), expected, "{test}");
    }
}

/// §5.2, §5.3, §5.6, §5.8, §5.10
#[test]
fn logic() {
    for (test, expected) in [
        ("true", true),
        ("false", false),
        ("not false", true),
        ("not not false", false),
        ("allof (false, false)", false),
        ("allof (false, true)", false),
        ("allof (true,  true)", true),
        ("anyof (false, false)", false),
        ("anyof (false, true)", true),
        ("anyof (true,  true)", true),
        ("anyof (allof (true, not false), false)", true),
    ] {
        assert_eq!(is_true(test, HEADER), expected, "{test}");
    }
}

/// §5.4: from and to; the null reverse-path is the empty string, whatever part of it.
#[test]
fn envelope() {
    let is_true = |test: &str| is_true_with("require \"envelope\";", test, HEADER);
    assert!(is_true("envelope :all :is \"from\" \"tim@example.com\""));
    assert!(is_true("envelope :localpart \"FROM\" \"tim\""));
    assert!(is_true("envelope \"to\" \"ken+list@example.com\""));
    assert!(is_true("envelope :domain [\"from\", \"to\"] [\"example.com\"]"));
    assert!(!is_true("envelope \"from\" \"coyote@desert.example.org\""));
    let to = Path { local_part: "ken".into(), domain: String::new() };
    let mail = Mail { header: b"", octets: 0, from: None, to: &to, separators: "+" };
    for (test, expected) in [
        ("envelope \"from\" \"\"", true),
        ("envelope :localpart \"from\" \"\"", true),
        ("envelope :domain \"from\" \"\"", true),
        ("envelope :matches \"from\" \"?*\"", false),
        ("envelope :all \"to\" \"ken\"", true),
        ("envelope :localpart \"to\" \"ken\"", true),
        ("envelope :matches :domain \"to\" \"*\"", false),
    ] {
        let script = script(&format!("require \"envelope\"; if {test} {{ discard; }}"));
        assert_eq!(script.run(&mail, &NoMailboxes).actions.is_empty(), expected, "{test}");
    }
}

/// §5.5
#[test]
fn exists() {
    assert!(is_true("not exists [\"From\", \"X-Missing\"]", HEADER));
    assert!(is_true("exists [\"From\",\"Date\"]", HEADER));
    assert!(is_true("exists \"X-Empty\"", HEADER));
}

/// §5.7: a field that is there contains the empty key, and one that is not matches nothing.
#[test]
fn header() {
    for (test, expected) in [
        ("header :is [\"X-Caffeine\"] [\"\"]", false),
        ("header :contains [\"X-Caffeine\"] [\"\"]", true),
        ("header :is \"X-Empty\" \"\"", true),
        ("header :contains \"X-Missing\" \"\"", false),
        ("not header :matches \"Cc\" \"?*\"", true),
        ("not header :matches \"X-Empty\" \"?*\"", true),
        ("not header :matches \"X-Caffeine\" \"?*\"", false),
        ("header [\"X-Missing\", \"X-Caffeine\"] [\"tea\", \"c8h10n4o2\"]", true),
        ("header :contains [\"from\"] \"coyote\"", true),
    ] {
        assert_eq!(is_true(test, HEADER), expected, "{test}");
    }
    assert!(
        is_true("header :is \"x\" \"b\"", "X: a\r\nX:   b  \r\n\r\n"),
        "each of several; blanks around it are nothing"
    );
}

/// §3.1: the first whose test is true, and no other.
#[test]
fn conditions() {
    let chain = |first: &str, second: &str| {
        let text = format!(
            "require \"fileinto\"; if {first} {{ fileinto \"a\"; }} elsif {second} {{ fileinto \"b\"; }} else {{ fileinto \"c\"; }}"
        );
        run(&text, HEADER)
    };
    assert_eq!(chain("true", "true"), "a");
    assert_eq!(chain("false", "true"), "b");
    assert_eq!(chain("false", "false"), "c");
    assert_eq!(run("if false { discard; } if true { keep; } ", HEADER), "keep");
    assert_eq!(run("if true {}", HEADER), "implicit keep");
}

/// §3.3: what was decided before stays, and the implicit keep with it.
#[test]
fn stop() {
    assert_eq!(run("stop; discard;", HEADER), "implicit keep");
    assert_eq!(run("discard; stop; keep;", HEADER), "");
    assert_eq!(run("if true { if true { stop; } discard; } discard;", HEADER), "implicit keep");
}

/// §2.10.2, §4: which actions cancel the implicit keep.
#[test]
fn actions() {
    for (text, actions) in [
        ("if size :over 500K { discard; }", "implicit keep"),
        ("if size :under 1M { keep; } else { discard; }", "keep"),
        ("discard;", ""),
        ("discard; keep;", "keep"),
        ("keep; discard;", "keep"),
        ("redirect \"bart@example.com\";", ">bart@example.com"),
        ("redirect \"bart@example.com\"; keep;", ">bart@example.com, keep"),
        ("require \"fileinto\"; fileinto \"INBOX.harassment\";", "INBOX.harassment"),
        ("require \"fileinto\"; fileinto \"a\"; discard;", "a"),
        ("require \"fileinto\"; fileinto \"a\"; fileinto \"b\"; keep;", "a, b, keep"),
    ] {
        assert_eq!(run(text, HEADER), actions, "{text}");
    }
}

/// §2.10.3: twice into one mailbox is once, and no error.
#[test]
fn no_mailbox_has_it_twice() {
    let text = "require \"fileinto\"; fileinto \"a\"; keep; fileinto \"a\"; keep; redirect \"b@x.example\"; redirect \"b@x.example\";";
    assert_eq!(run(text, HEADER), "a, keep, >b@x.example");
}

/// §2.10.4, §10: limits on actions are errors, and then nothing is done but to keep.
#[test]
fn too_many_actions() {
    let files = |count| {
        let files: String = (0..count).map(|number| format!("fileinto \"{number}\"; ")).collect();
        run_with(&format!("require \"fileinto\";\n{files}"), HEADER, &NoMailboxes)
    };
    assert_eq!(files(16).actions.len(), 16);
    let outcome = files(17);
    assert_eq!(super::show(&outcome.actions), "implicit keep");
    assert_eq!(outcome.failure.unwrap().to_string(), "2:231: a script takes at most 16 actions over a message");
    let redirects: String = (0..5).map(|number| format!("redirect \"{number}@x.example\";")).collect();
    let outcome = run_with(&redirects, HEADER, &NoMailboxes);
    assert_eq!(super::show(&outcome.actions), "implicit keep");
    assert!(outcome.failure.unwrap().text.contains("at most 4 addresses"));
}

/// §2.10.7
#[test]
fn fifteen_levels_of_blocks_and_of_tests() {
    let blocks = format!("{}discard;{}", "if true {".repeat(15), "}".repeat(15));
    assert_eq!(run(&blocks, HEADER), "");
    assert!(is_true(&format!("{}true{}", "anyof (".repeat(15), ")".repeat(15)), HEADER));
}

/// §9: the extended example, in its shape.
#[test]
fn a_script_of_many_rules() {
    let text = r#"
        require ["fileinto"];
        # What comes from the list
        if header :is "Sender" "owner-ietf-mta-filters@imc.org" {
            fileinto "filter";
        }
        # What comes from the company, or is for it
        elsif address :DOMAIN :is ["From", "To"] "acme.example.com" {
            keep;
        }
        # What is not for us, or looks like it is for everybody
        elsif anyof (NOT address :all :contains ["To", "Cc", "Bcc"] "me@example.com",
                     header :matches "subject" ["*make*money*fast*", "*university*dipl*mas*"]) {
            fileinto "spam";
        }
        else {
            fileinto "personal";
        }
    "#;
    assert_eq!(run(text, "Sender: owner-ietf-mta-filters@imc.org\r\n\r\n"), "filter");
    assert_eq!(run(text, HEADER), "keep");
    assert_eq!(run(text, "To: you@example.com\r\n\r\n"), "spam");
    assert_eq!(run(text, "To: me@example.com\r\nSubject: Please make some money really fast!\r\n\r\n"), "spam");
    assert_eq!(run(text, "To: me@example.com\r\nSubject: dinner\r\n\r\n"), "personal");
}
