//! Clients that speak when they have to wait: before the greeting, and behind DATA.

use std::time::Duration;

use super::*;
use crate::smtp::Haste;

fn session(now: Instant) -> Session {
    let terms = Terms { haste: Haste::Refused { greeting_delay: Duration::from_secs(2) }, ..Terms::default() };
    let peer = Peer { origin: Origin::Address("192.0.2.1:4711".parse().unwrap()), tls: Tls::Unavailable, terms };
    Session::new(Dialect::Smtp, "mx.example".into(), peer, Arc::default(), now)
}

fn said(session: &mut Session, now: Instant) -> String {
    let mut said = Vec::new();
    loop {
        match session.poll() {
            Step::Write(octets) => said.extend(octets),
            Step::Ask(_) => session.answer(Ok(()), now),
            Step::Abandon => said.extend(b"(abandoned)\r\n"),
            Step::Close => said.extend(b"(closed)\r\n"),
            _ => break,
        }
        if said.ends_with(b"(closed)\r\n") {
            break;
        }
    }
    String::from_utf8(said).unwrap()
}

#[test]
fn the_greeting_comes_when_it_is_time() {
    let now = Instant::now();
    let mut session = session(now);
    assert_eq!(said(&mut session, now), "");
    assert_eq!(session.next_timeout(), Some(now + Duration::from_secs(2)));
    session.timed_out();
    assert_eq!(said(&mut session, now), "220 mx.example ESMTP Postbell\r\n");
    let patience = Limits::default().command_timeout;
    assert_eq!(session.next_timeout(), Some(now + Duration::from_secs(2) + patience));
    session.timed_out();
    assert!(said(&mut session, now).starts_with("421 4.4.2"));
}

#[test]
fn who_talks_before_it_is_sent_away() {
    let now = Instant::now();
    for (octets, reply) in [(&b"E"[..], "554 5.5.1"), (b"EHLO x\r\nQUIT\r\n", "554 5.5.1"), (b"\x16\x03", "421 4.7.0")]
    {
        let mut session = session(now);
        session.receive(octets, now);
        let said = said(&mut session, now);
        assert!(said.starts_with(reply) && said.ends_with("(closed)\r\n") && said.lines().count() == 2, "{said}");
    }
}

#[test]
fn a_server_that_stops_says_so_in_place_of_the_greeting() {
    let now = Instant::now();
    let mut session = session(now);
    session.shut_down();
    assert_eq!(said(&mut session, now), "421 4.3.2 The server is shutting down\r\n(closed)\r\n");
}

#[test]
fn data_ends_a_group_of_commands() {
    let now = Instant::now();
    let begin = |octets: &[u8]| {
        let mut session = session(now);
        session.timed_out();
        session.receive(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob>\r\n", now);
        said(&mut session, now);
        session.receive(octets, now);
        said(&mut session, now)
    };
    assert!(begin(b"DATA\r\n").starts_with("354 "));
    let hurried = begin(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\nVRFY x\r\n");
    assert_eq!(hurried, "(abandoned)\r\n554 5.5.1 Wait for 354 behind DATA\r\n(closed)\r\n");
    // Refused, its message would be commands: so here too.
    let refused = begin(b"RSET\r\nDATA\r\nSubject: x\r\n");
    assert_eq!(refused, "(abandoned)\r\n250 2.0.0 Forgotten\r\n554 5.5.1 Wait for 354 behind DATA\r\n(closed)\r\n");
}
