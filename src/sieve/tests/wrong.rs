//! Scripts that are refused, and what is said about them.

use crate::sieve::{SCRIPT_OCTETS_MAX, Script};

fn problems(text: &[u8]) -> Vec<String> {
    Script::new(text).expect_err(&text.escape_ascii().to_string()).iter().map(ToString::to_string).collect()
}

/// The grammar (RFC 5228 §8): the first error alone.
#[test]
fn grammar() {
    for (text, expected) in [
        ("keep", "1:5: an argument, a test, `;` or a block in `{` `}` is expected here"),
        ("keep keep;", "1:6: `keep` takes no test"),
        ("if true", "1:8: `;` or a block in `{` `}` is expected here"),
        ("if true { keep;", "1:9: the `}` to this `{` is missing"),
        ("keep; }", "1:7: this `}` closes nothing"),
        ("\r\n  ;", "2:3: a command is expected here"),
        ("fileinto \"a", "1:10: the quote that ends this string is missing"),
        ("fileinto \"a\\\nb\";", "1:12: a backslash can't stand at the end of a line"),
        ("redirect text: x\r\n.\r\n;", "1:16: the lines of a `text:` begin on the next line"),
        ("redirect text:\r\nx\r\n", "1:10: the line with a dot alone, which ends a `text:`, is missing"),
        ("keep /* oh", "1:6: the `*/` that ends this comment is missing"),
        ("redirect [];", "1:11: a string is expected here"),
        ("redirect [\"a\";", "1:14: `,` or `]` is expected here"),
        ("redirect [\"a\",];", "1:15: a string is expected here"),
        ("if anyof (true { keep; }", "1:16: `,` or `)` is expected here"),
        ("if anyof () { keep; }", "1:11: a test is expected here"),
        ("if size :over 100KB { keep; }", "1:15: a number is written like 100, 20K, 5M or 1G"),
        ("if size :over 99999999999999999999 { keep; }", "1:15: this number is too large"),
        ("if size :over 99999999999999999G { keep; }", "1:15: this number is too large"),
        ("if header : \"a\" { keep; }", "1:11: a tag is a colon and a name, like `:contains`"),
        ("k\u{e4}ep;", "1:2: an argument, a test, `;` or a block in `{` `}` is expected here"),
    ] {
        assert_eq!(problems(text.as_bytes()), [expected], "{text}");
    }
    assert_eq!(problems(b"keep;\nkeep;\0"), ["2:6: a script can't hold NUL"]);
    assert_eq!(problems(b"keep;\rkeep;"), ["1:6: a CR has to be followed by LF"]);
    assert_eq!(problems(b"# \xc3\xa4\nkeep; # \xe4"), ["2:9: this is not UTF-8"]);
    let deep = format!("{}{}", "if true {".repeat(33), "}".repeat(33));
    assert_eq!(problems(deep.as_bytes()), ["1:297: blocks lie too deep in one another here"]);
    let deep = format!("if {}true {{}}", "not ".repeat(33));
    assert_eq!(problems(deep.as_bytes()), ["1:132: tests lie too deep in one another here"]);
    assert!(problems(&vec![b'#'; SCRIPT_OCTETS_MAX + 1])[0].starts_with("1:1: a script has at most 131072 octets"));
}

/// All that is wrong is told at once (RFC 5228 §2.6, §2.10.5, §3.2).
#[test]
fn commands_and_arguments() {
    for (text, expected) in [
        ("fileinto \"a\";", vec!["1:1: `fileinto` needs `require \"fileinto\";` at the top of the script"]),
        ("kepp;", vec!["1:1: there is no command `kepp`; did you mean `keep`?"]),
        ("vacation \"gone\";", vec!["1:1: there is no command `vacation`"]),
        ("header;", vec!["1:1: `header` is a test: it stands behind `if`"]),
        ("keep; require \"fileinto\";", vec!["1:7: `require` has to stand before all other commands"]),
        ("if true { require \"fileinto\"; }", vec!["1:11: `require` has to stand before all other commands"]),
        ("require;", vec!["1:1: `require` takes a list of strings, the names of extensions"]),
        ("require 5;", vec!["1:1: `require` takes a list of strings, the names of extensions"]),
        ("require \"copy\" {}", vec!["1:1: `require` takes no block: it ends with `;`"]),
        ("else { keep; }", vec!["1:1: `else` has to stand directly behind an `if` or `elsif`"]),
        ("if true {} keep; elsif true {}", vec!["1:18: `elsif` has to stand directly behind an `if` or `elsif`"]),
        ("if true {} else {} elsif true {}", vec!["1:20: `elsif` can't stand behind `else`"]),
        ("if true {} else {} else {}", vec!["1:20: `else` can't stand behind `else`"]),
        ("if true {} else true {}", vec!["1:17: `else` takes no test"]),
        ("if {}", vec!["1:1: `if` needs one test; several are joined by `allof` or `anyof`"]),
        ("if (true, false) {}", vec!["1:1: `if` needs one test; several are joined by `allof` or `anyof`"]),
        ("if true;", vec!["1:1: `if` needs a block in `{` `}`"]),
        ("if \"a\" true {}", vec!["1:4: `if` takes no such argument"]),
        ("keep {}", vec!["1:1: `keep` takes no block: it ends with `;`"]),
        ("keep \"a\";", vec!["1:6: `keep` takes no such argument"]),
        ("stop 1;", vec!["1:6: `stop` takes no such argument"]),
        ("redirect;", vec!["1:1: `redirect` lacks its address, a string"]),
        ("redirect 5;", vec!["1:10: its address has to be a string here"]),
        ("redirect [\"a@x.example\"];", vec!["1:10: its address has to be a string here"]),
        ("redirect \"nobody\";", vec!["1:10: \"nobody\" is not an address, like `alice@example.org`"]),
        ("redirect :copy \"a@x.example\";", vec!["1:10: `:copy` needs `require \"copy\";` at the top of the script"]),
        (
            "discard; keep :flags \"a\";",
            vec!["1:15: `:flags` needs `require \"imap4flags\";` at the top of the script"],
        ),
        (
            "require \"imap4flags\"; keep :flags;",
            vec!["1:28: behind `:flags` there has to be a string or a list of strings"],
        ),
        (
            "require \"imap4flags\"; setflag \"v\" \"A\";",
            vec!["1:23: `setflag` takes one list of flags: the extension \"variables\" is not supported"],
        ),
        (
            "require [\"fileinto\", \"copy\"]; fileinto :copy :copy \"a\";",
            vec!["1:46: `:copy` twice: `fileinto` takes one `:copy`"],
        ),
        (
            "require [\"fileinto\", \"copy\"]; fileinto \"a\" :copy;",
            vec!["1:44: `:copy` has to stand before all arguments that are no tags"],
        ),
        (
            "kepp;\nif tru { dicsard; }\nredirect 1;",
            vec![
                "1:1: there is no command `kepp`; did you mean `keep`?",
                "2:4: there is no test `tru`; did you mean `true`?",
                "2:10: there is no command `dicsard`; did you mean `discard`?",
                "3:10: its address has to be a string here",
            ],
        ),
    ] {
        assert_eq!(problems(text.as_bytes()), expected, "{text}");
    }
    assert!(
        problems(b"require [\"fileinto\",\n \"vacation\"];")[0].starts_with(
            "2:2: the extension \"vacation\" is not supported; those that are: comparator-i;ascii-casemap, "
        )
    );
    assert_eq!(problems("no;".repeat(1_000).as_bytes()).len(), 100);
}

#[test]
fn tests_and_arguments() {
    for (test, expected) in [
        ("not true, false", "1:12: `;` or a block in `{` `}` is expected here"),
        ("not (true)", "1:4: `not` needs one test"),
        ("allof true", "1:4: `allof` needs a list of tests in parentheses"),
        ("anyof", "1:4: `anyof` needs a list of tests in parentheses"),
        ("true false", "1:9: `true` takes no test"),
        ("exists", "1:4: `exists` lacks its header names, a string or a list of strings"),
        ("header \"a\"", "1:4: `header` lacks its keys, a string or a list of strings"),
        ("header \"a\" \"b\" \"c\"", "1:19: `header` takes no such argument"),
        ("header 1 \"b\"", "1:11: its header names has to be a string or a list of strings here"),
        ("header :is :contains \"a\" \"b\"", "1:15: `:is` and `:contains`: `header` takes one match type"),
        ("header :cotains \"a\" \"b\"", "1:11: `header` has no argument `:cotains`; did you mean `:contains`?"),
        ("header :count \"ge\" \"a\" \"b\"", "1:11: `header` has no argument `:count`"),
        ("header :localpart \"a\" \"b\"", "1:11: `header` has no argument `:localpart`"),
        (
            "header :comparator \"i;klingon\" \"a\" \"b\"",
            "1:23: there is no comparator \"i;klingon\"; those that are: i;ascii-casemap, i;octet",
        ),
        ("header :comparator 1 \"a\" \"b\"", "1:11: behind `:comparator` there has to be a string"),
        ("address \"subject\" \"a\"", "1:12: the field \"subject\" holds no addresses: test it with `header`"),
        ("address :all :domain \"to\" \"a\"", "1:17: `:all` and `:domain`: `address` takes one part of an address"),
        ("address :user \"to\" \"a\"", "1:12: `:user` needs `require \"subaddress\";` at the top of the script"),
        ("envelope \"to\" \"a\"", "1:4: `envelope` needs `require \"envelope\";` at the top of the script"),
        ("size 5", "1:4: `size` needs `:over` or `:under`"),
        ("size :over", "1:4: `size` lacks its limit, a number"),
        ("size :over :under 5", "1:15: `:over` and `:under`: `size` takes one limit"),
        ("size :over \"5\"", "1:15: its limit has to be a number here"),
    ] {
        assert_eq!(problems(format!("if {test} {{ keep; }}").as_bytes()), [expected], "{test}");
    }
    for (test, expected) in [
        ("envelope \"cc\" \"a\"", "1:63: an envelope has the parts \"from\" and \"to\""),
        (
            "hasflag \"v\" \"a\"",
            "1:54: `hasflag` takes one list of flags: the extension \"variables\" is not supported",
        ),
        (
            "header \"a\" \"${unicode:110000}\"",
            "1:65: a `${unicode:…}` in this string names what is no Unicode character",
        ),
    ] {
        let text = format!("require [\"envelope\", \"imap4flags\", \"encoded-character\"];if {test} {{ keep; }}");
        assert_eq!(problems(text.as_bytes()).len(), 1, "{text}");
        let problem = problems(text.as_bytes()).remove(0);
        assert_eq!(problem.split_once(": ").unwrap().1, expected.split_once(": ").unwrap().1);
    }
    let text = "require [\"fileinto\", \"encoded-character\"]; fileinto \"${hex:ff}\";";
    assert_eq!(problems(text.as_bytes()), ["1:53: with its encoded characters this string is not UTF-8"]);
}
