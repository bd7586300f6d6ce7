//! Every limit has its reply, and patience ends.

use std::time::Duration;

use super::*;
use crate::smtp::Tarpit;

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
         C: HELO c
         S: 250 mx.example
         C: VRFY x
         S: 421 4.7.0 Too many commands that bring no mail
         -- closed",
    );
}

#[test]
fn replies_to_a_client_that_does_not_read_are_bounded() {
    let limits = Limits { junk_commands: u32::MAX, ..Limits::default() };
    let peer = Peer {
        origin: Origin::Address("192.0.2.1:4711".parse().unwrap()),
        tls: Tls::Unavailable,
        terms: Terms::default(),
    };
    let now = Instant::now();
    let mut session = Session::new(Dialect::Smtp, "mx.example".into(), peer, Arc::new(limits), now);
    session.receive(&b"HELP\r\n".repeat(2_000), now);
    while let Step::Write(octets) = session.poll() {
        assert!(octets.len() < 2 * OUTPUT_OCTETS);
    }
    assert!(session.input.capacity() == 0, "an idle session holds no buffer");
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

/// Five errors, the last two of them behind a delay.
const TARPIT: Tarpit = Tarpit { from_error: 4, step: Duration::from_secs(1), longest: Duration::from_secs(2) };

#[test]
fn who_errs_waits_for_the_reply_and_so_does_what_was_sent_ahead() {
    talk_limited(
        Limits { tarpit: TARPIT, errors: 7, ..Limits::default() },
        "C| A\\r\\nB\\r\\nC\\r\\nD\\r\\nNOOP\\r\\nE\\r\\nF\\r\\nG\\r\\n
         S: 500 5.5.1 No such command
         S: 500 5.5.1 No such command
         S: 500 5.5.1 No such command
         -- waits 1 s
         S: 500 5.5.1 No such command
         S: 250 2.0.0 Nothing done
         -- waits 2 s
         S: 500 5.5.1 No such command
         -- waits 2 s
         S: 500 5.5.1 No such command
         S: 421 4.7.0 Too many errors
         -- closed",
    );
}

/// RFC 2033 §4.2: all replies of a message wait together.
#[test]
fn temporary_refusals_and_good_mail_wait_for_nothing() {
    talk_limited(
        Limits { tarpit: Tarpit { from_error: 1, ..TARPIT }, ..Limits::default() },
        &format!(
            "C: MAIL FROM:<later@example.org>
             S: 451 4.3.0 The message could not be stored; try again later
             {DATA}C: .
             -- stored \n             S: 250 2.0.0 Stored on disk"
        ),
    );
}

#[test]
fn a_stop_waits_for_nobody_in_the_tarpit() {
    let limits = Limits { tarpit: Tarpit { from_error: 1, ..TARPIT }, ..Limits::default() };
    let mut fake = Fake::new(Dialect::Smtp, Tls::Unavailable, limits);
    fake.session.receive(b"A\r\nNOOP\r\n", fake.now);
    assert_eq!(fake.session.poll(), Step::Pause(fake.now + Duration::from_secs(1)));
    assert_eq!(fake.session.take_errors(), 1);
    assert_eq!(fake.session.take_errors(), 0);
    fake.session.shut_down();
    fake.run();
    let said = ["S: 500 5.5.1 No such command", "S: 421 4.3.2 The server is shutting down", "-- closed"];
    assert_eq!(fake.events[1..], said);
}

#[test]
fn patience_follows_the_limits_of_the_moment() {
    let mut fake = Fake::new(Dialect::Smtp, Tls::Unavailable, Limits::default());
    assert_eq!(fake.session.standing(), Standing::Stranger);
    fake.feed(b"HELO client.example\r\n");
    assert_eq!(fake.session.standing(), Standing::Introduced);
    let patience = |fake: &Fake| fake.session.next_timeout().unwrap() - fake.now;
    assert_eq!(patience(&fake), Duration::from_secs(300));
    let short = Limits { command_timeout: Duration::from_secs(10), ..Limits::default() };
    fake.session.set_limits(Arc::new(short));
    assert_eq!(patience(&fake), Duration::from_secs(10));
    fake.feed(b"MAIL FROM:<>\r\n");
    assert_eq!(fake.session.standing(), Standing::Busy);
}
