//! Any octets, as a script and as a message: nothing panics, and nothing takes long.

use proptest::prelude::*;

use super::{path, run_with, show};
use crate::sieve::{Mail, NoMailboxes, SCRIPT_OCTETS_MAX, Script};

const WORDS: &str = "(require|if|elsif|else|stop|keep|discard|fileinto|redirect|header|address|envelope|exists|size|not|\
    anyof|allof|true|false|hasflag|setflag|specialuse_exists|mailboxexists|:is|:contains|:matches|:over|:flags|:create|\
    :specialuse|:comparator|:detail|\"fileinto\"|\"imap4flags\"|\"mailbox\"|\"special-use\"|\"envelope\"|\"subject\"|\"from\"|\
    \"\\*a\\?\"|\"i;octet\"|\"a@x\\.example\"|text:\n|\\.\n|[\\[\\](){};,]|5K|#|/\\*|\\*/|\n|\")";

proptest! {
    #[test]
    fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Script::new(&octets);
    }

    #[test]
    fn any_words_are_read_and_run(words in prop::collection::vec(WORDS, 0..30), header in "[ -~\r\n]{0,80}") {
        if let Ok(script) = Script::new(words.join(" ").as_bytes()) {
            let to = path("ken@example.com");
            let mail = Mail { header: header.as_bytes(), octets: 5, from: None, to: &to, separators: "+" };
            let outcome = script.run(&mail, &NoMailboxes);
            prop_assert!(outcome.failure.is_none());
        }
    }

    #[test]
    fn any_header_is_tested(header in prop::collection::vec(any::<u8>(), 0..300)) {
        let script = Script::new(
            b"if anyof (header :matches [\"subject\", \"from\", \"a\"] \"*x*y*\", address :localpart [\"from\", \"to\"] \"a\") { keep; }",
        );
        let mut mail_header = b"Subject: ".to_vec();
        mail_header.extend(&header);
        mail_header.extend(b"\r\nFrom: ");
        mail_header.extend(&header);
        let to = path("ken@example.com");
        let mail = Mail { header: &mail_header, octets: 5, from: Some(&to), to: &to, separators: "+" };
        prop_assert!(script.unwrap().run(&mail, &NoMailboxes).failure.is_none());
    }
}

#[test]
fn long_scripts_of_every_kind_are_read_in_linear_time() {
    for piece in [
        "#\n",
        "/**/",
        "/*",
        "*/",
        "if ",
        "not ",
        "keep;",
        "keep ",
        "{",
        "}",
        "(",
        "[",
        "\"",
        "\\",
        "[\"a\",",
        "text:\n",
        ".\n",
        "5",
        "5K ",
        ":a ",
        "if true {",
        "anyof (",
        "\"a\"",
        "require \"copy\";",
        "if true {} ",
        "elsif true {} ",
    ] {
        for end in ["", ";", "}", "\";"] {
            let mut text = piece.repeat((SCRIPT_OCTETS_MAX - end.len()) / piece.len());
            text.push_str(end);
            let _ = Script::new(text.as_bytes());
        }
    }
}

/// Whoever writes the script and whoever writes the message may be the same: it ends, and the message is kept.
#[test]
fn a_script_that_takes_too_long_is_given_up() {
    let test = format!("header :matches \"x\" \"*{}b\"", "a?".repeat(300));
    let header = format!("X: {}\r\n\r\n", "a".repeat(500_000));
    let outcome = run_with(&format!("discard;\nif {test} {{ keep; }}"), &header, &NoMailboxes);
    assert_eq!(show(&outcome.actions), "implicit keep");
    assert_eq!(outcome.failure.unwrap().to_string(), "2:4: the script takes too long over this message");
    // Of tests that are cheap there may be as many as a script can hold.
    let tests = "if header :contains \"x\" \"b\" { stop; }".repeat(3_000);
    let header = format!("X: {}\r\n\r\n", "a".repeat(10_000));
    assert_eq!(run_with(&tests, &header, &NoMailboxes).failure, None);
}

#[test]
fn a_header_that_is_too_long_is_not_looked_at() {
    let header = format!("X: {}\r\n\r\n", "a".repeat(1 << 20));
    let outcome = run_with("discard;", &header, &NoMailboxes);
    assert_eq!(show(&outcome.actions), "implicit keep");
    assert_eq!(outcome.failure.unwrap().text, "the header has more than 1048576 octets");
}
