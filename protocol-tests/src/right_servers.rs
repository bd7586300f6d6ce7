//! A fair runner asks for nothing that is free: servers that do right in ways of their own, and pass.

use crate::connection::Segments;
use crate::outcome::{Ended, Outcome};
use crate::probe;
use crate::run;
use crate::scripted::{Script, fails, imap, outcome, passes, subject, transcript};
use crate::transcript::Service;

#[tokio::test]
async fn what_else_a_server_says_is_its_own_business() {
    let script: Script = &[(
        "FETCH",
        "* OK [XVENDOR (a b)] hear\r\n* 7 EXISTS\r\n* CAPABILITY IMAP4rev1\r\n* FLAGS (\\Seen $x)\r\n\
         * 1 FETCH (X-OWN \"y\" UID 4 FLAGS (\\Seen))\r\nTAG OK [HIGHESTMODSEQ 9] bravo\r\n",
    )];
    passes(imap(script, "C: a FETCH 1 (FLAGS UID)\nS: * 1 FETCH (FLAGS (\\Seen) UID $_)\nS: a OK\n").await);
}

#[tokio::test]
async fn a_string_is_a_string_in_each_of_its_forms() {
    for name in ["Work", "\"Work\"", "{4}\r\nWork"] {
        let answer = format!("* LIST (\\HasNoChildren) \"/\" {name}\r\nTAG OK\r\n");
        let script: Script = Vec::leak(vec![("LIST", &*String::leak(answer))]);
        passes(imap(script, "C: a LIST \"\" *\nS: * LIST (…) $_ Work\nS: a OK\n").await);
        fails(imap(script, "C: a LIST \"\" *\nS: * LIST (…) $_ Worm\nS: a OK\n").await, 6, "a OK");
    }
}

#[tokio::test]
async fn of_twenty_alike_each_is_counted() {
    let body = format!("C: a NOOP\n{}S: a OK\n", "S: * OK\n".repeat(20));
    let answer = |alike: usize| -> Script {
        Vec::leak(vec![("NOOP", &*String::leak(format!("{}TAG OK\r\n", "* OK still here\r\n".repeat(alike))))])
    };
    passes(imap(answer(20), &body).await);
    // Tried in every order, this would never end.
    fails(imap(answer(19), &body).await, 25, "a OK");
}

/// What a transcript with these needs says about a server with this greeting.
async fn needing(needs: &str, greeting: &'static str, script: Script) -> Ended {
    let subject = subject(Service::Imap, greeting, script).await;
    run::transcript(&transcript(&format!("needs: {needs}\n"), "connect imap login\n"), &subject, Segments::Whole).await
}

#[tokio::test]
async fn capabilities_may_be_announced_before_login_or_behind_it() {
    // The first connection asks before login, the second behind it.
    let late: Script = &[
        ("e2 CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK\r\n"),
        ("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n"),
    ];
    passes(needing("imap IDLE", "* OK hello\r\n", late).await);
    let greeting = "* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n";
    let early: Script = &[("CAPABILITY", "* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK\r\n")];
    passes(needing("imap IDLE", greeting, early).await);
    let none = needing("imap NOTIFY", greeting, early).await;
    assert_eq!(none.outcome, Outcome::NotOffered("imap NOTIFY".to_owned()));
}

#[tokio::test]
async fn who_announces_no_literal_plus_is_sent_none() {
    let asks: Script =
        &[("CAPABILITY", "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n"), ("{3}", "+ go\r\n"), ("abc", "a OK\r\n")];
    passes(imap(asks, "C: a APPEND INBOX {text+ \"abc\"}\nS: a OK\n").await);
    let takes: Script =
        &[("CAPABILITY", "* CAPABILITY IMAP4rev1 LITERAL-\r\nTAG OK\r\n"), ("{3+}", ""), ("abc", "a OK\r\n")];
    passes(imap(takes, "C: a APPEND INBOX {text+ \"abc\"}\nS: a OK\n").await);
}

#[tokio::test]
async fn a_server_of_rev2_alone_answers_search_in_its_own_way() {
    let rev2: Script = &[
        ("CAPABILITY", "* CAPABILITY IMAP4rev2\r\nTAG OK\r\n"),
        ("NAMESPACE", "* NAMESPACE ((\"\" \".\")) NIL NIL\r\nTAG OK\r\n"),
        ("SEARCH", "* ESEARCH (TAG \"TAG\") ALL 1:2\r\nTAG OK\r\n"),
    ];
    let body = "connect imap login select INBOX\nC: a SEARCH ALL\nS: * SEARCH 2 1\nS: a OK\n";
    let mut subject = subject(Service::Imap, "* OK hello\r\n", rev2).await;
    let ended = run::transcript(&transcript("", body), &subject, Segments::Whole).await;
    fails(ended, 6, "* ESEARCH");
    probe::services(&mut subject, true).await.unwrap();
    assert_eq!(subject.names.separator.as_deref(), Some("."));
    passes(run::transcript(&transcript("", body), &subject, Segments::Whole).await);
    let lsub =
        run::transcript(&transcript("", "connect imap login\nC: a LSUB \"\" *\nS: a OK\n"), &subject, Segments::Whole)
            .await;
    assert_eq!(lsub.outcome, Outcome::NotOffered("imap IMAP4rev1".to_owned()));
}

#[tokio::test]
async fn a_server_that_takes_passwords_behind_tls_only_is_not_sent_one_without() {
    let script: Script = &[("CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nTAG OK\r\n")];
    let mut subject = subject(Service::Imap, "* OK hello\r\n", script).await;
    let error = probe::services(&mut subject, true).await.unwrap_err();
    // It says nothing to STARTTLS, so there nobody goes on.
    assert!(error.contains("says nothing in time"), "{error}");
    assert!(subject.starts_tls(Service::Imap));
    let cold = run::transcript(&transcript("", "connect imap cold\nS: * OK\n"), &subject, Segments::Whole).await;
    assert_eq!(cold.outcome, Outcome::NotOffered("imap without TLS".to_owned()));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_not_offered_whether_it_is_needed_by_name_or_not() {
    let body = "connect imap login\nconnect pop3\n";
    let subject = subject(Service::Imap, "* OK hello\r\n", &[]).await;
    let ended = run::transcript(&transcript("", body), &subject, Segments::Whole).await;
    assert_eq!(ended.outcome, Outcome::NotOffered("pop3".to_owned()));
    let ended = outcome(Service::Imap, "* OK hello\r\n", &[], "bytes m \"a\\r\\n\"\ndeliver m\n").await;
    let Outcome::NotOffered(what) = ended.outcome else { panic!("{ended:?}") };
    assert!(what.contains("a way to deliver"), "{what}");
}
