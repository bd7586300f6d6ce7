//! STARTTLS: what was said in the clear is forgotten.

use super::*;

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
         S: 250-LIMITS RCPTMAX=1000
         S: 250-STARTTLS
         S: 250 HELP
         C: MAIL FROM:<>
         S: 250 2.1.0 Sender accepted
         C: STARTTLS now
         S: 501 5.5.4 This command takes no argument
         C| STARTTLS\\r\\nMAIL FROM:<evil@example.org>\\r\\nRCPT T
         -- abandoned
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
         S: 250-LIMITS RCPTMAX=1000
         S: 250-REQUIRETLS
         S: 250 HELP
         C: STARTTLS
         S: 503 5.5.1 TLS is on already";
    converse(Dialect::Smtp, Tls::Offered, Limits::default(), script);
}

#[test]
fn octets_between_starttls_and_the_handshake_are_dropped() {
    let now = Instant::now();
    let peer =
        Peer { origin: Origin::Address("192.0.2.1:4711".parse().unwrap()), tls: Tls::Offered, terms: Terms::default() };
    let mut session = Session::new(Dialect::Smtp, "mx.example".into(), peer, Arc::default(), now);
    session.receive(b"STARTTLS\r\n", now);
    assert!(matches!(session.poll(), Step::Write(_)));
    session.receive(b"EHLO evil.example\r\n", now);
    assert_eq!(session.poll(), Step::StartTls);
    session.receive(b"EHLO evil.example\r\n", now);
    session.tls_started(under_tls(), now);
    assert_eq!(session.poll(), Step::NeedInput);
}

#[test]
fn starttls_is_refused_where_there_is_none() {
    talk_on(
        "C: STARTTLS
         S: 502 5.5.1 TLS is not configured here",
    );
}
