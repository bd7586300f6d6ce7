//! The commands: their order, their replies, and those that are none.

use proptest::prelude::*;

use super::*;
use crate::smtp::{FACTS, Verb};

#[test]
fn a_message_is_stored() {
    talk(
        "C: EHLO client.example
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE 52428800
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250-LIMITS RCPTMAX=1000
         S: 250 HELP
         C: MAIL FROM:<alice@example.org> SIZE=20 BODY=8BITMIME
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<alice@example.org>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<nobody@example.org>
         S: 550 5.1.1 No such user here
         C: RCPT TO:<alice@elsewhere.example>
         S: 550 5.7.1 Not our domain, and we relay for nobody
         C: RCPT TO:<later@example.org>
         S: 451 4.3.0 The message could not be stored; try again later
         C: DATA
         S: 354 Send the message, then CRLF.CRLF
         C: Subject: x
         C:
         C: ..dot
         C: .
         -- stored Subject: x\\r\\n\\r\\n.dot\\r\\n
         S: 250 2.0.0 Stored on disk
         C: QUIT
         S: 221 2.0.0 Goodbye
         -- closed",
    );
}

#[test]
fn commands_sent_ahead_are_answered_in_their_order() {
    talk_on(
        "C| MAIL FROM:<>\\r\\nRCPT TO:<bob>\\r\\nDATA\\r\\n
         S: 250 2.1.0 Sender accepted
         S: 250 2.1.5 Recipient accepted
         S: 354 Send the message, then CRLF.CRLF
         C| a\\r\\n.\\r\\nMAIL FROM:<>\\r\\nRSET\\r\\n
         -- stored a\\r\\n
         S: 250 2.0.0 Stored on disk
         -- abandoned
         S: 250 2.1.0 Sender accepted
         S: 250 2.0.0 Forgotten",
    );
}

/// RFC 5321 §3.3: MAIL may be refused, for now or for good; what was sent ahead finds no transaction.
#[test]
fn a_sender_that_is_refused_begins_no_transaction() {
    talk_on(
        "C| MAIL FROM:<unwanted@example.org>\\r\\nRCPT TO:<bob>\\r\\nDATA\\r\\n
         S: 550 5.7.1 Not our domain, and we relay for nobody
         S: 503 5.5.1 MAIL comes first
         S: 503 5.5.1 MAIL comes first
         C: MAIL FROM:<later@example.org>
         S: 451 4.3.0 The message could not be stored; try again later
         C: MAIL FROM:<bob@example.org>
         S: 250 2.1.0 Sender accepted
         C: RSET
         -- abandoned
         S: 250 2.0.0 Forgotten",
    );
}

#[test]
fn an_empty_message_is_a_message() {
    talk_on(
        "C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<bob>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 354 Send the message, then CRLF.CRLF
         C: .
         -- stored \n         S: 250 2.0.0 Stored on disk",
    );
}

#[test]
fn lmtp_answers_for_each_recipient() {
    talk_lmtp(
        "C: EHLO client.example
         S: 500 5.5.1 This is LMTP: say LHLO
         C: LHLO client.example
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE 52428800
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250-LIMITS RCPTMAX=1000
         S: 250 HELP
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: DATA
         S: 503 5.5.1 No valid recipient
         C: RCPT TO:<alice>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<nobody>
         S: 550 5.1.1 No such user here
         C: RCPT TO:<alice>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 354 Send the message, then CRLF.CRLF
         C: .
         -- stored \n         S: 250 2.0.0 Stored on disk
         S: 250 2.0.0 Stored on disk
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<alice>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<broken>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 354 Send the message, then CRLF.CRLF
         C: .
         S: 451 4.3.0 The message could not be stored; try again later
         S: 451 4.3.0 The message could not be stored; try again later",
    );
}

#[test]
fn a_full_store_says_so_before_the_message_is_sent() {
    talk_on(
        "C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<full>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 452 4.3.1 Too little space; try again later",
    );
}

#[test]
fn commands_out_of_their_order() {
    talk(
        "C: MAIL FROM:<>
         S: 503 5.5.1 Say hello first
         C: DATA
         S: 503 5.5.1 Say hello first
         C: LHLO c
         S: 500 5.5.1 This is SMTP: say EHLO
         C: HELO c
         S: 250 mx.example
         C: RCPT TO:<bob>
         S: 503 5.5.1 MAIL comes first
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: MAIL FROM:<>
         S: 503 5.5.1 A transaction is open already
         C: DATA
         S: 503 5.5.1 No valid recipient
         C: HELO c
         -- abandoned
         S: 250 mx.example
         C: RCPT TO:<bob>
         S: 503 5.5.1 MAIL comes first",
    );
}

#[test]
fn utf8_has_to_be_announced() {
    talk_on(
        "C: MAIL FROM:<käthe@example.org>
         S: 550 5.6.7 A sender beyond ASCII needs SMTPUTF8
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<käthe@example.org>
         S: 553 5.6.7 A recipient beyond ASCII needs SMTPUTF8
         C: RSET
         -- abandoned
         S: 250 2.0.0 Forgotten
         C: MAIL FROM:<käthe@example.org> SMTPUTF8
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<käthe@example.org>
         S: 250 2.1.5 Recipient accepted",
    );
}

#[test]
fn lines_that_are_no_commands() {
    talk_on(&format!(
        "C:
         S: 500 5.5.1 No such command
         C: EXPN list
         S: 502 5.5.1 Not implemented
         C: VRFY bob
         S: 252 2.5.0 Not verified here; RCPT will tell
         C| NOOP\\nQUIT\\r\\n
         S: 500 5.5.2 Command lines end with CRLF
         C| NOOP\\0\\r\\n
         S: 500 5.5.2 Commands are text
         C| NO\\rOP\\r\\n
         S: 500 5.5.2 Commands are text
         C: NOOP {}
         S: 500 5.5.2 Line too long
         C: NOOP {}
         S: 250 2.0.0 Nothing done",
        "x".repeat(2_042),
        "x".repeat(2_041)
    ));
}

#[test]
fn who_speaks_another_protocol_is_sent_away() {
    talk(
        "C: GET / HTTP/1.1
         S: 421 4.7.0 This is a mail server
         -- closed
         C: Host: x",
    );
    talk(
        "C| \\x16\\x03\\x01\\x02
         S: 421 4.7.0 TLS begins with STARTTLS at this port
         -- closed",
    );
}

/// The table of facts says what happens: 503 exactly where a command is not allowed.
#[test]
fn the_table_of_facts_holds() {
    let stages = [
        (Stage::Fresh, ""),
        (Stage::Introduced, "HELO c\r\n"),
        (Stage::Transaction, "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob>\r\n"),
        (Stage::Chunks, "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob>\r\nBDAT 1\r\na"),
        (Stage::Failed, "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<full>\r\nBDAT 1\r\na"),
    ];
    for facts in FACTS.iter().filter(|facts| !matches!(facts.verb, Verb::Lhlo | Verb::Bdat)) {
        let line = match facts.verb {
            Verb::Helo | Verb::Ehlo | Verb::Vrfy => format!("{} x\r\n", facts.name),
            Verb::Mail => "MAIL FROM:<>\r\n".to_owned(),
            Verb::Rcpt => "RCPT TO:<bob>\r\n".to_owned(),
            Verb::Auth => "AUTH PLAIN\r\n".to_owned(),
            _ => format!("{}\r\n", facts.name),
        };
        for (stage, before) in stages {
            let mut fake = Fake::new(Dialect::Smtp, Tls::Offered, Limits::default());
            fake.feed(before.as_bytes());
            assert_eq!(fake.session.stage(), stage);
            let said = fake.events.len();
            fake.feed(line.as_bytes());
            let is_503 = fake.events[said..].iter().any(|event| event.starts_with("S: 503"));
            assert_eq!(is_503, !facts.stages.contains(&stage), "{line:?} at {stage:?}: {:?}", &fake.events[said..]);
        }
    }
}

proptest! {
    /// Whatever comes, however it is split: the same conversation, no panic, and an end.
    #[test]
    fn any_octets_are_survived(pieces in proptest::collection::vec(prop_oneof![
        Just("EHLO c\r\n"), Just("MAIL FROM:<>\r\n"), Just("RCPT TO:<bob>\r\n"), Just("RCPT TO:<full>\r\n"),
        Just("DATA\r\n"), Just("BDAT 3\r\n"), Just("BDAT 3 LAST\r\n"), Just("RSET\r\n"), Just("a\r\n"), Just(".\r\n"),
        Just("\n"), Just("\r"), Just("\0"), Just("NOOP\r\n"), Just("QUIT\r\n"), Just("abc")], 0..24), cut in 0usize..200) {
        let octets = pieces.concat().into_bytes();
        let (head, tail) = octets.split_at(cut.min(octets.len()));
        for (dialect, hello) in [(Dialect::Smtp, b"EHLO c\r\n"), (Dialect::Lmtp, b"LHLO c\r\n")] {
            let mut whole = Fake::new(dialect, Tls::Unavailable, Limits::default());
            whole.feed(hello);
            whole.feed(&octets);
            let mut split = Fake::new(dialect, Tls::Unavailable, Limits::default());
            split.feed(hello);
            split.feed(head);
            split.feed(tail);
            prop_assert_eq!(whole.outcome(), split.outcome());
        }
    }
}
