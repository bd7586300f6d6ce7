//! `postbell sieve`: rules are given to accounts, and tried on a message.

use super::*;

#[test]
fn rules_are_put_shown_and_removed_with_and_without_a_running_server() {
    let site = Site::new();
    assert_eq!(code(&site.account_with_password("add", "alice@example.org", "secret")), 0);
    let file = site.folder.path().join("rules.sieve");
    let name = file.to_str().unwrap();
    let sieve = |arguments: &[&str]| run(postbell(&["sieve"]).args(arguments).args(["--config", &site.config()]));
    // As it is, with its line ends.
    let script = "require \"fileinto\"; # \u{e4}\r\nfileinto \"Archive\";\n\n";
    let shown = || String::from_utf8(sieve(&["get", "Alice@example.org"]).stdout).unwrap();
    let none = sieve(&["get", "alice@example.org"]);
    assert_eq!((code(&none), stderr(&none)), (1, "postbell: alice@example.org has no script\n".to_owned()));

    std::fs::write(&file, script).unwrap();
    assert_eq!(code(&sieve(&["put", "alice@example.org", name])), 0);
    assert_eq!(shown(), script);
    let server = site.serve();
    assert_eq!(shown(), script);
    std::fs::write(&file, "keep;\nfileinto \"a\";\nkepp;\n").unwrap();
    let wrong = sieve(&["put", "alice@example.org", name]);
    let said = format!(
        "{name}:2:1: `fileinto` needs `require \"fileinto\";` at the top of the script\n\
         {name}:3:1: there is no command `kepp`; did you mean `keep`?\n\
         postbell: {name}: 2 mistakes in this script\n"
    );
    assert_eq!((code(&wrong), stderr(&wrong)), (1, said));
    assert_eq!(shown(), script, "what was there stays");
    std::fs::write(
        &file,
        "require \"fileinto\"; redirect \"bob@elsewhere.example\"; redirect \"Alice+x@EXAMPLE.org\";\n\
         fileinto \"Archive\"; fileinto \"Absent\"; fileinto \"a//b\";",
    )
    .unwrap();
    let warned = sieve(&["put", "alice@example.org", name]);
    let said = format!(
        "{name}:1:30: warning: bob@elsewhere.example is nobody's address here: what is redirected there goes to INBOX instead\n\
         {name}:2:30: warning: \"Absent\": there is no such mailbox now; mail for one that is not there goes to INBOX\n\
         {name}:2:49: warning: \"a//b\": this can't be the name of a mailbox: a component between `/` is empty\n"
    );
    assert_eq!((code(&warned), stderr(&warned)), (0, said));
    assert_eq!(code(&sieve(&["put", "bob@example.org", name])), 1);
    assert_eq!(code(&sieve(&["remove", "alice@example.org"])), 0);
    assert_eq!(code(&sieve(&["get", "alice@example.org"])), 1);
    assert_eq!(code(&server.terminate()), 0);
}

#[test]
fn rules_are_tried_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let check = |arguments: &[&str]| run(postbell(&["sieve", "check"]).args(arguments));
    let script = write(
        "rules.sieve",
        "require [\"fileinto\", \"envelope\", \"subaddress\", \"imap4flags\", \"mailbox\", \"special-use\"];\n\
         if header :contains \"subject\" \"list\" { fileinto :create :flags \"\\\\Seen\" \"Lists\"; redirect \"bob@example.org\"; }\n\
         elsif envelope :detail \"to\" \"shop\" { discard; }\n\
         elsif envelope \"from\" \"\" { keep; }\n\
         elsif specialuse_exists \"\\\\Junk\" { fileinto :specialuse \"\\\\Junk\" \"Spam\"; }\n",
    );
    let checked = check(&[&script]);
    assert_eq!(code(&checked), 0);
    assert!(checked.stdout.is_empty());
    assert_eq!(
        stderr(&checked),
        format!(
            "{script}:2:91: warning: bob@example.org has to be an address of the same server; mail for others is kept instead\n"
        )
    );
    let list = write("list.eml", "Subject: a =?utf-8?q?li?= =?utf-8?q?st?=\r\n\r\nbody\r\n");
    let other = write("other.eml", "Subject: other\n\nbody, with list\n");
    for (arguments, lines) in [
        (
            &["--message", &list][..],
            &[
                "file it into \"Lists\", which is made if it is not there with \\Seen (line 2)",
                "deliver it to bob@example.org (line 2)",
            ][..],
        ),
        (&["--message", &other], &["keep it"]),
        (&["--message", &other, "--from", "a@example.com"], &["keep it, as no rule decides"]),
        (&["--message", &other, "--from", "<a@example.com>", "--to", "alice+shop@example.org"], &["throw it away"]),
        (
            &["--message", &other, "--from", "a@example.com", "--mailbox", "Rubbish=\\Junk"],
            &["file it into the mailbox for \\Junk, else \"Spam\" (line 5)"],
        ),
    ] {
        assert_eq!(stdout_lines(&check(&[&[script.as_str()][..], arguments].concat())), lines, "{arguments:?}");
    }
    let fails = write("fails.sieve", &"redirect \"a@x.example\";\n".repeat(5).replace("a@", "b@"));
    assert_eq!(stdout_lines(&check(&[&fails, "--message", &other])), ["deliver it to b@x.example (line 1)"]);
    let many: String = (0..5).map(|number| format!("redirect \"{number}@x.example\";\n")).collect();
    let fails = check(&[&write("many.sieve", &many), "--message", &other]);
    assert_eq!(code(&fails), 1);
    assert_eq!(String::from_utf8(fails.stdout.clone()).unwrap(), "keep it, as no rule decides\n");
    assert!(stderr(&fails).ends_with("many.sieve:5:1: a script redirects a message to at most 4 addresses\n"));
    assert_eq!(code(&check(&[&write("wrong.sieve", "kepp;")])), 1);
    assert_eq!(code(&check(&["absent.sieve"])), 1);
    assert_eq!(code(&check(&[&script, "--from", "a@example.com"])), 2, "without a message");
}
