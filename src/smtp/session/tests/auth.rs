//! AUTH: the session's side of an exchange, with an authenticator that knows one name.

use proptest::prelude::*;

use super::*;
use crate::auth::sasl::{Login, Offer};
use crate::smtp::{Auth, Claim, Judged};

/// Holds a conversation, octet by octet or line by line, and says what was answered.
fn answers(terms: Terms, limits: Limits, octets: &[u8], piece: usize) -> Vec<String> {
    let now = Instant::now();
    let peer = Peer { origin: Origin::Address("192.0.2.1:4711".parse().unwrap()), tls: Tls::Unavailable, terms };
    let mut session = Session::new(Dialect::Smtp, "mx".into(), peer, Arc::new(limits), now);
    let mut said = Vec::new();
    for piece in octets.chunks(piece) {
        session.receive(piece, now);
        loop {
            match session.poll() {
                Step::Pause(_) => panic!("nobody waits in these tests"),
                Step::Write(octets) => said.extend(octets),
                Step::Ask(Ask::Authenticate(claim)) => session.authenticated(judge(claim), now),
                Step::Ask(_) => session.answer(Ok(()), now),
                Step::NeedInput | Step::Close => break,
                Step::Abandon | Step::StartTls => {}
            }
        }
    }
    let said = String::from_utf8(said).unwrap();
    said.lines().filter(|line| !line.starts_with("250-")).map(|line| line[..3].to_owned()).collect()
}

fn judge(claim: Claim) -> Result<Judged, Reply> {
    match claim {
        Claim::Password(Login { name, password }) if (name.as_str(), password.as_str()) == ("tim", "secret") => {
            Ok(Judged::Account { name: name.into(), last_challenge: None })
        }
        Claim::Password(Login { name, .. }) if name == "later" => Err(replies::LOGIN_UNAVAILABLE),
        _ => Err(replies::LOGIN_REFUSED),
    }
}

fn offered() -> Terms {
    let auth = Auth::Offered { offer: Offer { scram: false, channel: false }, channel: None };
    Terms { auth, needs_login: true, ..Terms::default() }
}

fn talk(terms: Terms, lines: &[&str], codes: &[&str]) {
    let octets = format!("EHLO x\r\n{}\r\n", lines.join("\r\n"));
    let expected = [&["220", "250"], codes].concat();
    for piece in [1, 7, octets.len()] {
        assert_eq!(answers(terms.clone(), Limits::default(), octets.as_bytes(), piece), expected, "{piece}");
    }
}

#[test]
fn a_login_opens_the_door() {
    talk(
        offered(),
        &["MAIL FROM:<>", "AUTH PLAIN AHRpbQBzZWNyZXQ=", "MAIL FROM:<>", "RSET", "AUTH PLAIN AHRpbQBzZWNyZXQ="],
        &["530", "235", "250", "250", "503"],
    );
}

/// A pipelined password is no command, and a pipelined command behind a login is one.
#[test]
fn lines_of_an_exchange_are_no_commands() {
    talk(
        offered(),
        &["AUTH LOGIN", "dGlt", "c2VjcmV0", "NOOP", "AUTH LOGIN", "NOOP"],
        &["334", "334", "235", "250", "503", "250"],
    );
    talk(offered(), &["AUTH PLAIN", "QUIT", "NOOP"], &["334", "501", "250"]);
}

#[test]
fn a_passing_trouble_is_no_failure() {
    // later, secret
    let try_later = "AUTH PLAIN AGxhdGVyAHNlY3JldA==";
    talk(offered(), &[try_later; 5], &["454"; 5]);
}

#[test]
fn three_failures_are_enough() {
    let wrong = "AUTH PLAIN AHRpbQB3cm9uZw==";
    talk(offered(), &[wrong, wrong, wrong, "NOOP"], &["535", "535", "535", "421"]);
}

#[test]
fn without_an_offer_there_is_none() {
    talk(Terms::default(), &["AUTH PLAIN AHRpbQBzZWNyZXQ=", "MAIL FROM:<>"], &["502", "250"]);
    let under_tls = Terms { auth: Auth::UnderTls, needs_login: true, ..Terms::default() };
    talk(under_tls, &["AUTH PLAIN AHRpbQBzZWNyZXQ=", "MAIL FROM:<>"], &["538", "530"]);
}

#[test]
fn nothing_shows_a_password() {
    let Ok(command) = crate::smtp::parse_command(b"AUTH PLAIN AHRpbQBzZWNyZXQ=") else { panic!() };
    assert!(!format!("{command:?}").contains("AHRpbQ"), "{command:?}");
}

proptest! {
    /// Whatever comes, however it is split: the same answers, and no panic.
    #[test]
    fn any_octets_are_survived(pieces in proptest::collection::vec(prop_oneof![
        Just("EHLO c\r\n"), Just("AUTH PLAIN\r\n"), Just("AUTH LOGIN\r\n"), Just("AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n"),
        Just("dGlt\r\n"), Just("c2VjcmV0\r\n"), Just("*\r\n"), Just("=\r\n"), Just("\r\n"), Just("MAIL FROM:<>\r\n"),
        Just("RCPT TO:<bob>\r\n"), Just("RSET\r\n"), Just("\n"), Just("\r"), Just("AUTH SCRAM-SHA-256 =\r\n"), Just("x")
    ], 0..20)) {
        let octets = pieces.concat();
        let whole = answers(offered(), Limits::default(), octets.as_bytes(), octets.len().max(1));
        prop_assert_eq!(answers(offered(), Limits::default(), octets.as_bytes(), 1), whole);
    }
}
