//! Every limit has its reply, and patience ends.

use std::time::Duration;

use super::*;

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
    let peer = Peer { origin: Origin::Address("192.0.2.1:4711".parse().unwrap()), tls: Tls::Unavailable };
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
