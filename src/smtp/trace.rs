//! What a message is told about its way: `Return-Path` and `Received` (RFC 5321 §4.4), printed.
//!
//! All recipients of a transaction read identical bytes, since a message is stored once. So there is a `for` clause
//! only where there is one recipient: nobody learns of the others (RFC 5321 §7.2).
//!
//! They are two functions, since what is found out about a message is told between the two: `Return-Path` is the first of
//! all (RFC 5321 §4.4), and a verdict stands above the `Received` of the host that gave it (RFC 8601 §4, RFC 7208 §9.1).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Dialect, Envelope};
use crate::auth::Origin;

/// Where the message comes from, as a line with its CRLF.
pub fn return_path(envelope: &Envelope) -> String {
    match &envelope.reverse_path {
        None => "Return-Path: <>\r\n".to_owned(),
        Some(path) => format!("Return-Path: <{path}>\r\n"),
    }
}

/// How it came here, as lines with their CRLFs. `by` is our host name, `id` what our logs call this message, `date` an
/// RFC 5322 date-time.
pub fn received(envelope: &Envelope, by: &str, id: &str, date: &str) -> String {
    let mut header = String::with_capacity(400);
    // Writing to a String can't fail.
    if let Origin::Program { uid } = envelope.peer {
        // No host said hello, and none of the registered names is what was spoken: who it was stands in a comment, as
        // other servers have it (RFC 5322 §3.6.7 asks for none of the clauses).
        let _ = write!(header, "Received: by {by} (from user {uid})");
    } else {
        let _ = write!(header, "Received: from {} ({})\r\n\tby {by}", envelope.client.name, tcp_info(&envelope.peer));
        let _ = write!(header, " with {}", with_protocol(envelope));
        if let Some(tls) = &envelope.tls {
            let _ = write!(header, " ({tls})");
        }
    }
    let _ = write!(header, "\r\n\tid {id}");
    if let [recipient] = envelope.recipients.as_slice() {
        let _ = write!(header, "\r\n\tfor <{recipient}>");
    }
    let _ = write!(header, "; {date}\r\n");
    header
}

/// `TCP-info` (RFC 5321 §4.4): an `address-literal` (§4.1.3), and where there is no address a comment (RFC 5322 §3.2.2)
/// that says so.
fn tcp_info(peer: &Origin) -> String {
    match (peer, peer.address()) {
        (_, Some(IpAddr::V4(address))) => format!("[{address}]"),
        (_, Some(IpAddr::V6(address))) => format!("[IPv6:{address}]"),
        (Origin::Socket, None) => "unix".to_owned(),
        (_, None) => "unknown".to_owned(),
    }
}

/// The registered names of what was spoken: RFC 3848, RFC 6531 §4.3. In LMTP nobody logs in.
fn with_protocol(envelope: &Envelope) -> &'static str {
    let utf8 = envelope.parameters.smtputf8;
    match (envelope.dialect, utf8, envelope.tls.is_some(), envelope.account.is_some()) {
        (Dialect::Smtp, false, false, false) if !envelope.client.extended => "SMTP",
        (Dialect::Smtp, false, false, false) => "ESMTP",
        (Dialect::Smtp, false, false, true) => "ESMTPA",
        (Dialect::Smtp, false, true, false) => "ESMTPS",
        (Dialect::Smtp, false, true, true) => "ESMTPSA",
        (Dialect::Smtp, true, false, false) => "UTF8SMTP",
        (Dialect::Smtp, true, false, true) => "UTF8SMTPA",
        (Dialect::Smtp, true, true, false) => "UTF8SMTPS",
        (Dialect::Smtp, true, true, true) => "UTF8SMTPSA",
        (Dialect::Lmtp, false, false, _) => "LMTP",
        (Dialect::Lmtp, false, true, _) => "LMTPS",
        (Dialect::Lmtp, true, false, _) => "UTF8LMTP",
        (Dialect::Lmtp, true, true, _) => "UTF8LMTPS",
    }
}

#[cfg(test)]
mod tests {
    use super::super::path;
    use super::super::session::Client;
    use super::super::{MailParameters, Path};
    use super::*;

    fn path(text: &str) -> Path {
        path::path(text).unwrap().1
    }

    fn envelope() -> Envelope {
        Envelope {
            dialect: Dialect::Smtp,
            client: Client { name: "client.example".into(), extended: true },
            peer: Origin::Address("192.0.2.1:4711".parse().unwrap()),
            tls: None,
            account: None,
            is_submission: false,
            reverse_path: Some(path("<alice@example.org>")),
            parameters: MailParameters::default(),
            recipients: vec![path("<bob@example.net>")],
            recipient_parameters: Vec::new(),
        }
    }

    #[test]
    fn one_recipient_is_named() {
        assert_eq!(
            received(&envelope(), "mx.example.net", "1f", "Mon, 23 Nov 2026 15:00:00 +0000"),
            "Received: from client.example ([192.0.2.1])\r\n\
             \tby mx.example.net with ESMTP\r\n\
             \tid 1f\r\n\
             \tfor <bob@example.net>; Mon, 23 Nov 2026 15:00:00 +0000\r\n"
        );
    }

    #[test]
    fn the_null_path_is_told_too() {
        let mut envelope = envelope();
        assert_eq!(return_path(&envelope), "Return-Path: <alice@example.org>\r\n");
        envelope.reverse_path = None;
        assert_eq!(return_path(&envelope), "Return-Path: <>\r\n");
    }

    #[test]
    fn two_recipients_are_not_and_tls_is_told() {
        let mut envelope = envelope();
        envelope.recipients.push(path("<carol@example.net>"));
        envelope.peer = Origin::from("[::ffff:192.0.2.1]:4711".parse::<std::net::SocketAddr>().unwrap());
        envelope.tls = Some("TLSv1_3 TLS13_AES_128_GCM_SHA256".into());
        envelope.parameters.smtputf8 = true;
        assert_eq!(
            received(&envelope, "mx", "1f", "D"),
            "Received: from client.example ([192.0.2.1])\r\n\
             \tby mx with UTF8SMTPS (TLSv1_3 TLS13_AES_128_GCM_SHA256)\r\n\
             \tid 1f; D\r\n"
        );
    }

    #[test]
    fn a_peer_without_an_address_has_none() {
        let from = |peer| {
            let header = received(&Envelope { peer, ..envelope() }, "mx", "1f", "D");
            header.lines().next().unwrap().to_owned()
        };
        assert_eq!(from(Origin::Socket), "Received: from client.example (unix)");
        assert_eq!(from(Origin::Hidden("192.0.2.9".parse().unwrap())), "Received: from client.example (unknown)");
        let six = Origin::Address("[2001:db8::1]:4711".parse().unwrap());
        assert_eq!(from(six), "Received: from client.example ([IPv6:2001:db8::1])");
    }

    #[test]
    fn a_program_spoke_no_protocol() {
        let envelope = Envelope { peer: Origin::Program { uid: 1000 }, ..envelope() };
        assert_eq!(
            received(&envelope, "mx.example.net", "1f", "D"),
            "Received: by mx.example.net (from user 1000)\r\n\tid 1f\r\n\tfor <bob@example.net>; D\r\n"
        );
    }

    #[test]
    fn each_protocol_has_its_name() {
        let mut envelope = envelope();
        envelope.client.extended = false;
        assert_eq!(with_protocol(&envelope), "SMTP");
        envelope.account = Some("alice@example.net".into());
        assert_eq!(with_protocol(&envelope), "ESMTPA");
        envelope.dialect = Dialect::Lmtp;
        assert_eq!(with_protocol(&envelope), "LMTP");
        envelope.tls = Some(String::new());
        assert_eq!(with_protocol(&envelope), "LMTPS");
    }
}
