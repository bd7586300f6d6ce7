//! `postbell account` and `postbell alias`: who has mail here, and by which addresses, beside a server and without one.

use super::*;

#[test]
fn accounts_are_kept_with_and_without_a_running_server() {
    let site = Site::new();
    assert_eq!(code(&site.account_with_password("add", "Alice@example.org", "first one")), 0);
    assert_eq!(stdout_lines(&site.account(&["list"])), ["Alice@example.org"]);

    let server = site.serve();
    let data_dir = site.folder.path().join("data");
    assert!(data_dir.join("control.sock").exists());
    let login = |name: &str, password: &str| {
        let mut imap = server.connect("imap");
        imap.say(&format!("a LOGIN {name} \"{password}\""));
        imap.until("a ").starts_with("a OK")
    };
    assert!(login("alice@example.org", "first one"));

    assert_eq!(code(&site.account_with_password("add", "bob@example.org", "second one")), 0);
    assert!(login("bob@example.org", "second one"));
    assert_eq!(code(&site.account_with_password("passwd", "alice@example.org", "third one")), 0);
    assert!(!login("alice@example.org", "first one"));
    assert!(login("alice@example.org", "third one"));
    assert_eq!(stdout_lines(&site.account(&["list"])), ["Alice@example.org", "bob@example.org"]);

    assert_eq!(code(&site.account(&["remove", "bob@example.org", "--yes"])), 0);
    assert!(!login("bob@example.org", "second one"));

    for (action, address, complaint) in [
        ("add", "ALICE@example.org", "an account of that name is there already"),
        ("add", "carol@elsewhere.example", "elsewhere.example is none of this server's domains: example.org"),
        ("add", "carol", "is not a full address such as alice@example.org"),
        ("passwd", "bob@example.org", "there is no such account"),
    ] {
        let output = site.account_with_password(action, address, "another");
        assert_eq!(code(&output), 1);
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
    }
    assert_eq!(code(&site.account_with_password("add", "carol@example.org", "")), 1, "an empty password");

    let output = server.terminate();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(
        stdout_lines(&site.account(&["list"])),
        ["Alice@example.org"],
        "a socket without a server is no hindrance"
    );
}

#[test]
fn a_quota_is_shown_and_changed_with_and_without_a_running_server() {
    let site = Site::with("[store]\nquota_octets = 100000\n");
    assert_eq!(code(&site.account_with_password("add", "alice@example.org", "secret")), 0);
    let quota =
        |arguments: &[&str]| stdout_lines(&site.account(&[&["quota", "Alice@example.org"], arguments].concat()));
    let of_all = ["0 octets of 100000 (limit of all accounts)", "0 messages, no limit"];
    assert_eq!(quota(&[]), of_all);
    let own = ["0 octets, no limit", "0 messages of 1 (its own limit)"];
    assert_eq!(quota(&["--messages", "1"]), own);

    let server = site.serve();
    assert_eq!(quota(&[]), own);
    let mut imap = server.connect("imap");
    imap.say("a LOGIN alice secret");
    assert!(imap.until("a ").starts_with("a OK"));
    for (tag, answer) in [("b", "b OK"), ("c", "c NO [OVERQUOTA]")] {
        imap.say(&format!("{tag} APPEND INBOX {{4+}}\r\na:b\r"));
        assert!(imap.until(&format!("{tag} ")).starts_with(answer));
    }
    assert_eq!(quota(&["--octets", "5", "--messages", "0"]), ["4 octets of 5 (its own limit)", "1 messages, no limit"]);
    assert_eq!(quota(&["--default"])[0], "4 octets of 100000 (limit of all accounts)");
    assert_eq!(code(&site.account(&["quota", "bob@example.org"])), 1);
    assert_eq!(code(&site.account(&["quota", "alice@example.org", "--default", "--octets", "1"])), 2);
    assert_eq!(code(&server.terminate()), 0);
}

#[test]
fn aliases_are_kept_with_and_without_a_running_server() {
    let site = Site::new();
    for name in ["alice@example.org", "bob@example.org"] {
        assert_eq!(code(&site.account_with_password("add", name, "secret")), 0);
    }
    assert_eq!(code(&site.alias(&["add", "Info@example.org", "alice@example.org"])), 0);
    let server = site.serve();
    assert_eq!(code(&site.alias(&["add", "info@EXAMPLE.org", "alice@Example.org", "bob+info@example.org"])), 0);
    assert_eq!(code(&site.alias(&["add", "@example.org", "info@example.org"])), 0);
    let list = ["@example.org → info@example.org", "Info@example.org → alice@example.org, bob+info@example.org"];
    assert_eq!(stdout_lines(&site.alias(&["list"])), list);
    let mut smtp = server.connect("smtp");
    smtp.ask("EHLO client.example", "250 ");
    smtp.ask("MAIL FROM:<a@elsewhere.example>", "250");
    smtp.ask("RCPT TO:<INFO@example.org>", "250");
    smtp.ask("RCPT TO:<anybody@example.org>", "250");
    smtp.ask("RSET", "250");

    for (arguments, complaint) in [
        (&["add", "alice@example.org", "bob@example.org"][..], "is an account: its mail stays there"),
        (&["add", "all@example.org", "carol@elsewhere.example"], "is none of this server's domains: example.org"),
        (&["add", "x@elsewhere.example", "alice@example.org"], "is none of this server's domains: example.org"),
        (&["add", "info@example.org", "@example.org"], "only a whole domain leads to a whole domain"),
        (&["add", "info@example.org", "info@example.org"], "info@example.org leads back to itself"),
        (&["add", "@example.org", "@example.org"], "only a whole domain leads to a whole domain, and to nothing else"),
        (&["add", "info", "alice@example.org"], "neither an address such as info@example.org nor @example.org"),
        (&["remove", "all@example.org"], "all@example.org is no alias"),
        (&["remove", "info@example.org", "carol@example.org"], "does not lead to carol@example.org"),
    ] {
        let output = site.alias(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
    }
    assert_eq!(code(&site.alias(&["add", "info@example.org"])), 2, "it leads nowhere");
    assert!(stderr(&site.account_with_password("add", "info@example.org", "secret")).contains("is an alias; first"));
    assert!(stderr(&site.account_with_password("add", "carol+x@example.org", "secret")).contains("has no detail"));

    // Who is gone is told at once and in the list; those who are there go on.
    let removed = site.account(&["remove", "bob@example.org", "--yes"]);
    assert_eq!(code(&site.alias(&["remove", "@example.org"])), 0);
    assert_eq!(code(&removed), 0);
    let list = ["Info@example.org → alice@example.org, bob+info@example.org (nobody: bob+info@example.org)"];
    assert_eq!(stdout_lines(&site.alias(&["list"])), list);
    assert_eq!(code(&site.alias(&["remove", "info@example.org", "alice@example.org"])), 0);
    smtp.ask("MAIL FROM:<a@elsewhere.example>", "250");
    smtp.ask("RCPT TO:<info@example.org>", "550 5.1.1");
    let output = server.terminate();
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let json: serde_json::Value = serde_json::from_slice(&site.alias(&["list", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["alias"], "Info@example.org");
    assert_eq!(json[0]["nobody"], serde_json::json!(["bob+info@example.org"]));
    assert_eq!(code(&site.alias(&["remove", "info@example.org"])), 0);
    assert_eq!(stdout_lines(&site.alias(&["list"])), [""; 0]);
}
