//! Conversations with a session, as a person would read them, and each of them again with every split.
//!
//! `C:` is a line from the client, with its CRLF; `C|` octets with `\r`, `\n`, `\0` and `\xNN` written out, and no CRLF
//! added. `S:` is a line from the server. `--` is what the driver was told to do: `stored` (with the octets), `abandoned`,
//! `tls`, `closed`. Recipients are `alice`, `bob`, and some whose names say what goes wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::smtp::{FACTS, Verb};
use crate::wire::newline::BareNewlines;

/// The driver of these tests: a directory and a store without either.
struct Fake {
    session: Session,
    now: Instant,
    /// The message that is open.
    message: Option<Vec<u8>>,
    /// What happened, line by line.
    events: Vec<String>,
    closed: bool,
}

impl Fake {
    fn new(dialect: Dialect, tls: Tls, limits: Limits) -> Self {
        let now = Instant::now();
        let peer = Peer { address: "192.0.2.1".parse().unwrap(), tls };
        let session = Session::new(dialect, "mx.example".into(), peer, Arc::new(limits), now);
        let mut fake = Self { session, now, message: None, events: Vec::new(), closed: false };
        fake.run();
        fake
    }

    fn feed(&mut self, octets: &[u8]) {
        self.session.receive(octets, self.now);
        self.run();
    }

    fn run(&mut self) {
        let mut output = Vec::new();
        loop {
            match self.session.poll() {
                Step::NeedInput => break,
                Step::Write(octets) => output.extend_from_slice(&octets),
                Step::Ask(ask) => {
                    let answer = self.reply_to(ask);
                    self.session.answer(answer, self.now);
                    continue;
                }
                Step::Abandon => {
                    self.message = None;
                    self.note("-- abandoned");
                }
                Step::StartTls => {
                    self.flush(&mut output);
                    self.note("-- tls");
                    self.session.tls_started("TLSv1_3".into(), self.now);
                }
                Step::Close => {
                    self.flush(&mut output);
                    if !self.closed {
                        self.note("-- closed");
                    }
                    self.closed = true;
                    break;
                }
            }
        }
        self.flush(&mut output);
    }

    fn flush(&mut self, output: &mut Vec<u8>) {
        let text = String::from_utf8(mem::take(output)).unwrap();
        assert!(text.is_empty() || text.ends_with("\r\n"));
        self.events.extend(text.split_terminator("\r\n").map(|line| format!("S: {line}")));
    }

    /// What was said and what was done, each in its order. Replies leave together, so the order between the two depends
    /// on how the octets came.
    fn outcome(&self) -> (Vec<String>, Vec<String>) {
        self.events.iter().cloned().partition(|event| event.starts_with("S:"))
    }

    fn note(&mut self, event: &str) {
        self.events.push(event.to_owned());
    }

    fn reply_to(&mut self, ask: Ask) -> Result<(), Reply> {
        match ask {
            Ask::Recipient(path) => match (path.local_part(), path.domain()) {
                (_, "elsewhere.example") => Err(replies::NOT_OUR_DOMAIN),
                ("alice" | "bob" | "full" | "broken" | "postmaster" | "käthe", _) => Ok(()),
                ("later", _) => Err(replies::STORE_FAILED),
                _ => Err(replies::NO_SUCH_USER),
            },
            Ask::Open(envelope) => {
                let full = envelope.recipients.iter().any(|path| path.local_part() == "full");
                let broken = envelope.recipients.iter().any(|path| path.local_part() == "broken");
                self.message = Some(if broken { b"broken:".to_vec() } else { Vec::new() });
                if full { Err(replies::STORE_FULL) } else { Ok(()) }
            }
            Ask::Store(octets) => {
                self.message.as_mut().expect("nothing is stored before it was opened").extend_from_slice(&octets);
                Ok(())
            }
            Ask::Deliver => {
                let message = self.message.take().expect("nothing is delivered that was abandoned");
                if message.starts_with(b"broken:") {
                    return Err(replies::STORE_FAILED);
                }
                self.events.push(format!("-- stored {}", message.escape_ascii()));
                Ok(())
            }
        }
    }
}

/// The octets of a `C:` or `C|` line.
fn client_octets(line: &str) -> Option<Vec<u8>> {
    if let Some(text) = line.strip_prefix("C:") {
        let text = text.strip_prefix(' ').unwrap_or(text);
        return Some([text.as_bytes(), b"\r\n"].concat());
    }
    let mut rest = line.strip_prefix("C| ")?;
    let mut octets = Vec::new();
    while let Some(character) = rest.chars().next() {
        let (octet, len) = match (character, rest.as_bytes().get(1)) {
            ('\\', Some(b'r')) => (vec![b'\r'], 2),
            ('\\', Some(b'n')) => (vec![b'\n'], 2),
            ('\\', Some(b'0')) => (vec![0], 2),
            ('\\', Some(b'x')) => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
            (character, _) => (character.to_string().into_bytes(), character.len_utf8()),
        };
        octets.extend(octet);
        rest = &rest[len..];
    }
    Some(octets)
}

/// Holds a conversation against its script; then, where TLS does not cut it in two, with every split.
fn converse(dialect: Dialect, tls: Tls, limits: Limits, script: &str) {
    let lines: Vec<&str> = script.lines().map(str::trim_start).filter(|line| !line.is_empty()).collect();
    let mut fake = Fake::new(dialect, tls.clone(), limits.clone());
    let mut said = 0;
    let mut client = Vec::new();
    for line in &lines {
        if let Some(octets) = client_octets(line) {
            fake.feed(&octets);
            client.extend(octets);
        } else {
            assert_eq!(fake.events.get(said).map(String::as_str), Some(*line), "\nin {:#?}", fake.events);
            said += 1;
        }
    }
    assert_eq!(fake.events[said..], [] as [&str; 0]);
    if lines.contains(&"-- tls") {
        return;
    }
    let outcome = |pieces: &[&[u8]]| {
        let mut fake = Fake::new(dialect, tls.clone(), limits.clone());
        pieces.iter().for_each(|piece| fake.feed(piece));
        fake.outcome()
    };
    for cut in 0..=client.len() {
        let (head, tail) = client.split_at(cut);
        assert_eq!(outcome(&[head, tail]), fake.outcome(), "split at {cut}");
    }
    let single: Vec<&[u8]> = client.chunks(1).collect();
    assert_eq!(outcome(&single), fake.outcome(), "octet by octet");
}

fn talk(script: &str) {
    converse(
        Dialect::Smtp,
        Tls::Unavailable,
        Limits::default(),
        &format!("S: 220 mx.example ESMTP Postbell\n{script}"),
    );
}

fn talk_lmtp(script: &str) {
    converse(Dialect::Lmtp, Tls::Unavailable, Limits::default(), &format!("S: 220 mx.example LMTP Postbell\n{script}"));
}

/// After hello, with these limits.
fn talk_limited(limits: Limits, script: &str) {
    let hello = "S: 220 mx.example ESMTP Postbell\nC: HELO client.example\nS: 250 mx.example\n";
    converse(Dialect::Smtp, Tls::Unavailable, limits, &format!("{hello}{script}"));
}

fn talk_on(script: &str) {
    talk_limited(Limits::default(), script);
}

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
         -- abandoned
         S: 250 2.0.0 Stored on disk
         S: 250 2.1.0 Sender accepted
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

const LHLO: &str = "C: LHLO c
    S: 250-mx.example
    S: 250-PIPELINING
    S: 250-SIZE 52428800
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-CHUNKING
    S: 250-BINARYMIME
    S: 250-ENHANCEDSTATUSCODES
    S: 250 HELP
    C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    ";

/// RFC 2033 §4.3: as many replies to the last chunk as there are recipients.
#[test]
fn lmtp_counts_replies_to_the_last_chunk() {
    talk_lmtp(&format!(
        "{LHLO}C: RCPT TO:<nobody>
         S: 550 5.1.1 No such user here
         C| BDAT 4 LAST\\r\\nQUITNOOP\\r\\n
         -- abandoned
         S: 250 2.0.0 Nothing done"
    ));
    talk_lmtp(&format!(
        "{LHLO}C: RCPT TO:<alice>
         S: 250 2.1.5 Recipient accepted
         C: RCPT TO:<bob>
         S: 250 2.1.5 Recipient accepted
         C| BDAT 3\\r\\na\\nb
         -- abandoned
         S: 550 5.6.11 The message has a CR or LF that stands alone
         C| BDAT 1 LAST\\r\\nc
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted"
    ));
}

const ENVELOPE: &str = "C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    C: RCPT TO:<bob>
    S: 250 2.1.5 Recipient accepted
    ";

const DATA: &str = "C: MAIL FROM:<>
    S: 250 2.1.0 Sender accepted
    C: RCPT TO:<bob>
    S: 250 2.1.5 Recipient accepted
    C: DATA
    S: 354 Send the message, then CRLF.CRLF
    ";

/// SMTP smuggling (December 2023): no such sequence ends a message, and each gets it refused.
#[test]
fn only_crlf_dot_crlf_ends_data() {
    for end in ["\\n.\\n", "\\r\\n.\\n", "\\n.\\r\\n", "\\r.\\r", "\\r\\n.\\r", "\\r.\\r\\n", "\\n\\n.\\r\\r\\n"] {
        talk_on(&format!(
            "{DATA}C| a{end}MAIL FROM:<evil@example.org>\\r\\n.\\r\\n
             -- abandoned
             S: 550 5.6.11 The message has a CR or LF that stands alone
             C: NOOP
             S: 250 2.0.0 Nothing done"
        ));
    }
}

#[test]
fn a_bare_lf_becomes_crlf_where_that_is_configured() {
    let limits = Limits { bare_newlines: BareNewlines::Normalise, ..Limits::default() };
    let stored = "-- stored a\\r\\n.\\r\\nb\\r\\n
         S: 250 2.0.0 Stored on disk";
    // Storing goes piece by piece, so only the sum is the same for every split: the fake adds them up.
    talk_limited(limits.clone(), &format!("{DATA}C| a\\n.\\nb\\r\\n.\\r\\n\n{stored}"));
    talk_limited(limits, &format!("{ENVELOPE}C| BDAT 7 LAST\\r\\na\\n.\\nb\\r\\n\n{stored}"));
}

#[test]
fn chunks_are_counted_to_the_octet() {
    talk_on(&format!(
        "{ENVELOPE}C| BDAT 6\\r\\nQUIT\\r\\nBDAT 3\\r\\n.\\r\\n
         S: 250 2.0.0 Chunk received
         S: 250 2.0.0 Chunk received
         C: BDAT 0 LAST
         -- stored QUIT\\r\\n.\\r\\n
         S: 250 2.0.0 Stored on disk
         C| BDAT 2 LAST\\r\\nxx
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL"
    ));
}

#[test]
fn binary_needs_chunks() {
    talk_on(
        "C: MAIL FROM:<> BODY=BINARYMIME
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<bob>
         S: 250 2.1.5 Recipient accepted
         C: DATA
         S: 503 5.5.1 BODY=BINARYMIME needs BDAT
         C| BDAT 5 LAST\\r\\n\\0\\r\\n\\n\\r
         -- stored \\x00\\r\\n\\n\\r
         S: 250 2.0.0 Stored on disk",
    );
}

#[test]
fn data_and_chunks_do_not_mix() {
    talk_on(&format!(
        "{ENVELOPE}C| BDAT 1\\r\\na
         S: 250 2.0.0 Chunk received
         C: DATA
         S: 503 5.5.1 BDAT has begun; only BDAT goes on with it
         C: RCPT TO:<alice>
         S: 503 5.5.1 BDAT has begun; only BDAT goes on with it
         C: RSET
         -- abandoned
         S: 250 2.0.0 Forgotten"
    ));
}

#[test]
fn a_refused_chunk_is_read_and_the_transaction_waits_for_rset() {
    talk_on(
        "C| BDAT 6 LAST\\r\\nQUIT\\r\\n
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: RCPT TO:<full>
         S: 250 2.1.5 Recipient accepted
         C| BDAT 6\\r\\nQUIT\\r\\n
         -- abandoned
         S: 452 4.3.1 Too little space; try again later
         C| BDAT 6\\r\\nQUIT\\r\\n
         S: 503 5.5.1 No transaction that takes a chunk; RSET, then MAIL
         C: MAIL FROM:<>
         S: 503 5.5.1 The transaction has failed; RSET, then MAIL
         C: RSET
         S: 250 2.0.0 Forgotten
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted",
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
         C| NOOP\\n
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

#[test]
fn too_large_is_told_at_mail_and_after_the_message() {
    let limits = Limits { message_size: 10, ..Limits::default() };
    talk_limited(
        limits.clone(),
        &format!(
            "C: MAIL FROM:<> SIZE=11
             S: 552 5.3.4 The message is larger than SIZE says
             {DATA}C: 12345678
             C: .
             -- stored 12345678\\r\\n
             S: 250 2.0.0 Stored on disk
             {DATA}C: ..12345678
             C: .
             -- abandoned
             S: 552 5.3.4 The message is larger than SIZE says
             {ENVELOPE}C| BDAT 11\\r\\n123456789\\r\\n
             -- abandoned
             S: 552 5.3.4 The message is larger than SIZE says"
        ),
    );
    // Who sends without an end is not heard to the end.
    talk_limited(
        limits.clone(),
        &format!(
            "{DATA}C: 12345678
             C: 12345678
             C: 1
             -- abandoned
             S: 552 5.3.4 The message is larger than SIZE says
             -- closed"
        ),
    );
    talk_limited(
        limits,
        "C: BDAT 21
         S: 552 5.3.4 The message is larger than SIZE says
         -- closed",
    );
}

#[test]
fn recipients_above_the_limit_come_later() {
    let limits = Limits { recipients: 1, ..Limits::default() };
    talk_limited(
        limits,
        &format!(
            "{ENVELOPE}C: RCPT TO:<alice>
             S: 452 4.5.3 Too many recipients; send the others later
             C: DATA
             S: 354 Send the message, then CRLF.CRLF
             C: .
             -- stored \n             S: 250 2.0.0 Stored on disk"
        ),
    );
}

#[test]
fn too_many_errors_and_too_much_junk_end_the_session() {
    let limits = Limits { errors: 2, junk_commands: 3, ..Limits::default() };
    talk_limited(
        limits.clone(),
        &format!(
            "C: FROB
             S: 500 5.5.1 No such command
             {DATA}C: .
             -- stored \n             S: 250 2.0.0 Stored on disk
             C: FROB
             S: 500 5.5.1 No such command
             C: FROB
             S: 500 5.5.1 No such command
             S: 421 4.7.0 Too many errors
             -- closed
             C: NOOP"
        ),
    );
    talk_limited(
        limits,
        "C: NOOP
         S: 250 2.0.0 Nothing done
         C: RSET
         S: 250 2.0.0 Forgotten
         C: VRFY x
         S: 421 4.7.0 Too many commands that bring no mail
         -- closed",
    );
}

/// CVE-2011-0411 and its family: what was sent in the clear behind STARTTLS is not run under TLS.
#[test]
fn nothing_survives_starttls() {
    let script = "S: 220 mx.example ESMTP Postbell
         C: EHLO evil.example
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE 52428800
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250-STARTTLS
         S: 250 HELP
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: STARTTLS
         S: 503 5.5.1 Not within a transaction
         C: RSET
         -- abandoned
         S: 250 2.0.0 Forgotten
         C: STARTTLS now
         S: 501 5.5.4 This command takes no argument
         C| STARTTLS\\r\\nMAIL FROM:<evil@example.org>\\r\\nRCPT T
         S: 220 2.0.0 Ready for TLS
         -- tls
         C: MAIL FROM:<>
         S: 503 5.5.1 Say hello first
         C: EHLO client.example
         S: 250-mx.example
         S: 250-PIPELINING
         S: 250-SIZE 52428800
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-ENHANCEDSTATUSCODES
         S: 250 HELP
         C: STARTTLS
         S: 503 5.5.1 TLS is on already";
    converse(Dialect::Smtp, Tls::Offered, Limits::default(), script);
}

#[test]
fn octets_between_starttls_and_the_handshake_are_dropped() {
    let now = Instant::now();
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), tls: Tls::Offered };
    let mut session = Session::new(Dialect::Smtp, "mx.example".into(), peer, Arc::default(), now);
    session.receive(b"STARTTLS\r\n", now);
    assert!(matches!(session.poll(), Step::Write(_)));
    session.receive(b"EHLO evil.example\r\n", now);
    assert_eq!(session.poll(), Step::StartTls);
    session.receive(b"EHLO evil.example\r\n", now);
    session.tls_started("TLSv1_3".into(), now);
    assert_eq!(session.poll(), Step::NeedInput);
}

#[test]
fn starttls_is_refused_where_there_is_none() {
    talk_on(
        "C: STARTTLS
         S: 502 5.5.1 TLS is not configured here",
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

#[test]
fn patience_ends() {
    let limits = Limits::default();
    let mut fake = Fake::new(Dialect::Smtp, Tls::Unavailable, limits.clone());
    let start = fake.now;
    assert_eq!(fake.session.next_timeout(), Some(start + limits.command_timeout));
    // Octets alone are no progress; a command is.
    fake.now += Duration::from_secs(100);
    fake.feed(b"HELO c");
    assert_eq!(fake.session.next_timeout(), Some(start + limits.command_timeout));
    fake.feed(b"\r\nMAIL FROM:<>\r\nRCPT TO:<bob>\r\nDATA\r\n");
    let began = fake.now;
    assert_eq!(fake.session.next_timeout(), Some(began + limits.data_timeout));
    // A message has to keep its pace as a whole, and may not stop.
    fake.now += Duration::from_secs(100);
    fake.feed(&[b'a'; 10_000]);
    assert_eq!(fake.session.next_timeout(), Some(began + limits.data_timeout + Duration::from_secs(10)));
    fake.feed(&vec![b'a'; 1_000_000]);
    assert_eq!(fake.session.next_timeout(), Some(fake.now + limits.data_timeout));
    fake.session.timed_out();
    fake.run();
    assert_eq!(fake.events[fake.events.len() - 2..], ["S: 421 4.4.2 Waited too long", "-- closed"]);
}

#[test]
fn a_stopping_server_says_so() {
    let mut fake = Fake::new(Dialect::Smtp, Tls::Unavailable, Limits::default());
    fake.feed(b"HELO c\r\nMAIL FROM:<>\r\n");
    fake.session.shut_down();
    fake.run();
    assert_eq!(fake.events[3..], ["S: 421 4.3.2 The server is shutting down", "-- closed"]);
}

#[test]
fn replies_to_a_client_that_does_not_read_are_bounded() {
    let limits = Limits { junk_commands: u32::MAX, ..Limits::default() };
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), tls: Tls::Unavailable };
    let now = Instant::now();
    let mut session = Session::new(Dialect::Smtp, "mx.example".into(), peer, Arc::new(limits), now);
    session.receive(&b"HELP\r\n".repeat(2_000), now);
    while let Step::Write(octets) = session.poll() {
        assert!(octets.len() < 2 * OUTPUT_OCTETS);
    }
    assert!(session.input.capacity() == 0, "an idle session holds no buffer");
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
