//! A test that cannot fail is worth nothing: servers that do wrong, and the lines at which the runner says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::connection::Segments;
use crate::outcome::Outcome;
use crate::probe;
use crate::run;
use crate::scripted::{Script, fails, imap, outcome, passes, subject};
use crate::subject::Subject;
use crate::transcript::{Service, parse};

#[tokio::test]
async fn untagged_responses_come_in_any_order_but_have_to_come() {
    let script: Script = &[("SEARCH", "* SEARCH 2 1\r\n* 3 EXISTS\r\nTAG OK done\r\n")];
    passes(imap(script, "C: a SEARCH ALL\nS: * 3 EXISTS\nS: * SEARCH 1 2\nS: a OK\n").await);
    fails(imap(script, "C: a SEARCH ALL\nS: * SEARCH 1\nS: a OK\n").await, 6, "* SEARCH 2 1");
    fails(imap(script, "C: a SEARCH ALL\nS: * 3 EXISTS\nS: * 3 EXISTS\nS: a OK\n").await, 7, "a OK done");
    fails(
        imap(script, "C: a SEARCH ALL\nS: * SEARCH 1 2\nS then: * 3 EXISTS\nS then: * SEARCH 1 2\nS: a OK\n").await,
        8,
        "",
    );
    fails(imap(script, "C: a SEARCH ALL\nS: a NO\n").await, 6, "a OK done");
    fails(imap(script, "C: a SEARCH ALL\nS not: * $_ EXISTS\nS: a OK\n").await, 6, "* 3 EXISTS");
}

#[tokio::test]
async fn what_does_not_come_fails_at_its_deadline() {
    fails(imap(&[("IDLE", "+ idling\r\n")], "C: a IDLE\nS: +\nS: * 3 EXISTS\n").await, 7, "nothing in time");
    fails(imap(&[("IDLE", "+ idling\r\n")], "C: a IDLE\nS: +\nS closes\n").await, 7, "nothing in time");
    fails(imap(&[], "C: a NOOP\nS: a OK\nC: b CLOSE\nS: b OK\n").await, 8, "the end of the stream");
    fails(
        imap(&[("NOOP", "* 3 EXISTS\r\nTAG OK\r\n")], "C: a NOOP\nS quiet for 50 ms\nS: a OK\n").await,
        6,
        "* 3 EXISTS",
    );
}

#[tokio::test]
async fn an_answer_nobody_asked_for_is_not_kept_for_the_next_command() {
    let script: Script = &[("CHECK", "* 3 EXISTS\r\nTAG OK\r\n")];
    fails(imap(script, "C: a CHECK\nS: a OK\nC: b NOOP\nS: * 3 EXISTS\nS: b OK\n").await, 8, "b OK");
}

#[tokio::test]
async fn rules_of_every_session_are_held() {
    let expunge: Script = &[("FETCH", "* 1 EXPUNGE\r\nTAG OK\r\n")];
    fails(imap(expunge, "C: a FETCH 1 UID\nS: a OK\n").await, 6, "EXPUNGE during FETCH");
    passes(imap(expunge, "C: a UID FETCH 1 UID\nS: a OK\n").await);
    fails(imap(&[("CHECK", "* 1 EXISTS\r\nTAG OK\r\n")], "C: a CHECK\nS: a OK\n").await, 6, "EXISTS falls");
    fails(imap(&[("CHECK", "* 5 FETCH (UID 1)\r\nTAG OK\r\n")], "C: a CHECK\nS: a OK\n").await, 6, "FETCH 5 of 2");
}

#[tokio::test]
async fn malformed_replies_fail_wherever_they_come() {
    fails(imap(&[("CHECK", "* LIST (\r\nTAG OK\r\n")], "C: a CHECK\nS: a OK\n").await, 6, "malformed");
    fails(imap(&[("CHECK", "TAG OK\n")], "C: a CHECK\nS: a OK\n").await, 6, "bare LF");
    let two_codes: Script = &[("NOOP", "250-a\r\n550 b\r\n")];
    fails(outcome(Service::Smtp, "220 hi\r\n", two_codes, "connect smtp\nC: NOOP\nS: 250\n").await, 6, "two codes");
}

#[tokio::test]
async fn literals_are_waited_for() {
    let refuses: Script = &[("APPEND", "TAG NO no\r\n")];
    fails(imap(refuses, "C: a APPEND INBOX {text \"abc\"}\nS: a OK\n").await, 5, "the literal is refused");
    let takes: Script = &[("APPEND", "+ go\r\n"), ("abc", "a OK\r\n")];
    passes(imap(takes, "C: a APPEND INBOX {text \"abc\"}\nS: a OK\n").await);
}

#[tokio::test]
async fn captures_hold_what_they_caught() {
    let script: Script = &[("FETCH", "* 1 FETCH (UID 7)\r\nTAG OK\r\n"), ("SEARCH", "* SEARCH 8\r\nTAG OK\r\n")];
    let body = "C: a FETCH 1 UID\nS: * 1 FETCH (UID $uid)\nS: a OK\nC: b UID SEARCH ALL\n";
    fails(imap(script, &format!("{body}S: * SEARCH $uid\nS: b OK\n")).await, 9, "* SEARCH 8");
    passes(imap(script, &format!("{body}S: * SEARCH $uid+1\nS: b OK\n")).await);
    fails(imap(script, &format!("{body}S: b OK\ncheck $uid = 8\n")).await, 10, "7 and 8");
    fails(imap(script, "C: a FETCH $nothing UID\n").await, 5, "$nothing has no value");
}

#[tokio::test]
async fn lines_and_messages_of_pop3_are_exact() {
    let script: Script = &[("LIST", "+OK\r\n1 10\r\n2 20\r\n.\r\n"), ("RETR", "+OK\r\n..a\r\nb\r\n.\r\n")];
    let pop3 = |body: &'static str| outcome(Service::Pop3, "+OK hi\r\n", script, body);
    passes(pop3("connect pop3\nC: LIST\nS: +OK\nS lines:\n  1 10\n  2 $size\n").await);
    fails(pop3("connect pop3\nC: LIST\nS: +OK\nS lines:\n  1 10\n").await, 7, "2 20");
    passes(pop3("bytes m \".a\\r\\nb\\r\\n\"\nconnect pop3\nC: RETR 1\nS: +OK\nS message: {file m}\n").await);
    fails(pop3("bytes m \"a\\r\\nb\\r\\n\"\nconnect pop3\nC: RETR 1\nS: +OK\nS message: {file m}\n").await, 8, ".a");
    fails(pop3("connect pop3\nC: LIST\nS: -ERR\n").await, 6, "+OK");
}

#[tokio::test]
async fn replies_of_smtp_are_compared_by_code_and_asked_for_lines() {
    let script: Script = &[("EHLO", "250-host\r\n250 SIZE 10\r\n")];
    let smtp = |body: &'static str| outcome(Service::Smtp, "220 hi\r\n", script, body);
    passes(smtp("connect smtp\nC: EHLO x\nS: 250\nS has: SIZE\nS lacks: STARTTLS\n").await);
    fails(smtp("connect smtp\nC: EHLO x\nS: 250\nS has: STARTTLS\n").await, 7, "SIZE 10");
    fails(smtp("connect smtp\nC: EHLO x\nS: 250\nS lacks: SIZE\n").await, 7, "SIZE 10");
    fails(smtp("connect smtp\nC: EHLO x\nS: 500\n").await, 6, "host");
}

#[tokio::test]
async fn replies_are_held_to_their_framing_whatever_is_asked_for() {
    let smtp: Script =
        &[("NOOP", "699 what\r\n"), ("HELP", "214-a\r\n214 caf\u{e9}\r\n"), ("RSET", "250-a\r\n251 b\r\n")];
    for (line, got) in [("NOOP", "such a code"), ("HELP", "not ASCII"), ("RSET", "two codes")] {
        let body = format!("connect smtp\nC: {line}\nS: /[0-9]+.*/\n");
        fails(outcome(Service::Smtp, "220 hi\r\n", smtp, &body).await, 6, got);
    }
    let pop3: Script = &[("STAT", "+ok 0 0\r\n")];
    fails(outcome(Service::Pop3, "+OK\r\n", pop3, "connect pop3\nC: STAT\nS: +OK 0 0\n").await, 6, "upper case");
}

#[tokio::test]
async fn listings_of_pop3_are_asked_for_lines() {
    let script: Script = &[("CAPA", "+OK\r\nTOP\r\nUIDL\r\n.\r\n")];
    let pop3 = |line: &'static str| async move {
        let body = format!("connect pop3\nC: CAPA\nS: +OK\nS lines:\n  …\n{line}\n");
        outcome(Service::Pop3, "+OK\r\n", script, &body).await
    };
    passes(pop3("S has: UIDL").await);
    passes(pop3("S lacks: STLS").await);
    fails(pop3("S has: STLS").await, 9, "UIDL");
    fails(pop3("S lacks: TOP").await, 9, "UIDL");
}

#[tokio::test]
async fn a_server_that_greets_with_a_refusal_fails_the_connect() {
    fails(outcome(Service::Smtp, "554 no\r\n", &[], "connect smtp\n").await, 4, "no friendly greeting");
    fails(outcome(Service::Imap, "", &[("CLOSE", "")], "connect imap\n").await, 4, "no friendly greeting");
}

#[tokio::test]
async fn what_is_not_offered_is_not_passed() {
    let script: Script = &[("CAPABILITY", "* CAPABILITY IMAP4rev1 ID\r\nTAG OK\r\n")];
    let subject = subject(Service::Imap, "* OK\r\n", script).await;
    for (needs, lacking) in [("imap IDLE", "imap IDLE"), ("pop3", "pop3")] {
        let source = format!("# A rule.\nrfc: RFC 1 §1\nneeds: {needs}\n\nconnect imap\n");
        let transcript = parse::parse("x", &source, &|_| Err(String::new())).unwrap();
        let outcome = run::transcript(&transcript, &subject, Segments::Whole).await.outcome;
        assert_eq!(outcome, Outcome::NotOffered(lacking.to_owned()));
    }
    assert_eq!(
        subject.deadline().duration_since(tokio::time::Instant::now()).as_secs(),
        Duration::from_millis(500).as_secs()
    );
}

/// Answers NOOP at once, and tells the session called `phone` of it after the delay, the one called `laptop` without.
async fn tells(stream: TcpStream, delay: Duration, heard: Arc<Notify>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK hello\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let tag = line.split(' ').next().unwrap_or("").to_owned();
        let told = async |stream: &mut BufReader<TcpStream>, delay: Duration| {
            stream.write_all(b"+ idling\r\n").await?;
            heard.notified().await;
            tokio::time::sleep(delay).await;
            stream.write_all(b"* 3 EXISTS\r\n").await
        };
        match line.trim().split_once(' ').map_or("", |(_, rest)| rest) {
            "SELECT phone" | "SELECT laptop" => {
                stream.write_all(format!("* 2 EXISTS\r\n{tag} OK\r\n").as_bytes()).await?;
            }
            "IDLE phone" => told(&mut stream, delay).await?,
            "IDLE laptop" => told(&mut stream, Duration::ZERO).await?,
            "NOOP" => {
                stream.write_all(format!("{tag} OK\r\n").as_bytes()).await?;
                heard.notify_waiters();
            }
            _ => stream.write_all(format!("{tag} OK\r\n").as_bytes()).await?,
        }
        line.clear();
    }
    Ok(())
}

#[tokio::test]
async fn a_figure_is_the_time_until_somebody_is_told_and_not_until_somebody_looks() {
    const DELAY: Duration = Duration::from_millis(150);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Notify::new());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(tells(stream, DELAY, heard.clone()));
        }
    });
    let subject = Subject::new(BTreeMap::from([(Service::Imap, address)]), "t{n}@localhost", "secret");
    let body = "connect phone: imap select phone\nconnect laptop: imap select laptop\nconnect imap\n\
                phone C: a IDLE phone\nphone S: +\nlaptop C: b IDLE laptop\nlaptop S: +\nC: c NOOP\nS: c OK\n\
                phone S told: * 3 EXISTS\nlaptop S told: * 3 EXISTS\n";
    let source = format!("# A rule.\nrfc: RFC 1 §1\n\n{body}");
    let transcript = parse::parse("x", &source, &|name| Err(format!("no {name}"))).unwrap();
    let ended = run::transcript(&transcript, &subject, Segments::Whole).await;
    let [phone, laptop] = &ended.figures[..] else { panic!("{ended:?}") };
    assert_eq!((phone.line, phone.what.as_str()), (13, "phone S told: * 3 EXISTS"));
    // The laptop was told long before anybody asked it.
    assert!(phone.samples[0] >= DELAY.mul_f64(0.9) && laptop.samples[0] < phone.samples[0], "{:?}", ended.figures);
    passes(ended);
}

#[tokio::test]
async fn who_is_never_told_has_no_figure_and_fails() {
    let body = "C: a IDLE\nS: +\nconnect other: imap\nother C: b NOOP\nother S: b OK\nS told: * 3 EXISTS\n";
    let ended = imap(&[("IDLE", "+ idling\r\n")], body).await;
    assert_eq!(ended.figures, []);
    fails(ended, 10, "nothing in time");
}

/// A server of LMTP that takes whatever it is sent.
const TAKES_MAIL: Script = &[
    ("LHLO", "250 hello\r\n"),
    ("MAIL", "250 ok\r\n"),
    ("RCPT", "250 ok\r\n"),
    ("DATA", "354 go\r\n"),
    ("From", ""),
    ("QUIT", "221 bye\r\n"),
    (".\r\n", "250 taken\r\n"),
];

#[tokio::test]
async fn mail_that_goes_elsewhere_is_told_before_the_first_case() {
    let keeps_none: Script = &[("STATUS", "* STATUS INBOX (MESSAGES 0)\r\nTAG OK\r\n")];
    let mut reads = subject(Service::Imap, "* OK hello\r\n", keeps_none).await;
    let takes = subject(Service::Lmtp, "220 hello\r\n", TAKES_MAIL).await;
    reads.addresses.extend(takes.addresses);
    let error = probe::mail_comes(&reads).await.unwrap_err();
    assert!(error.contains("which lmtp took, does not come to the INBOX of t"), "{error}");
    let refuses = subject(Service::Lmtp, "220 hello\r\n", &[("LHLO", "250 x\r\n"), ("MAIL", "550 no\r\n")]).await;
    reads.addresses.extend(refuses.addresses);
    let error = probe::mail_comes(&reads).await.unwrap_err();
    assert!(error.contains("lmtp does not take mail") && error.contains("550 no"), "{error}");
}
