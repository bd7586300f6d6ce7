//! What CAPA lists: SCRAM (RFC 5034), UTF8 and LANG (RFC 6856).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::message::Span;

/// What CAPA lists behind what depends on the connection.
const COMMON: &str = "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n\
    IMPLEMENTATION Postbell\r\n.\r\n";

#[test]
fn capabilities_before_and_after_login_and_tls() {
    let head = "+OK capability list follows\r\n";
    let mut talk = Talk::connect();
    talk.says("CAPA\r\n", &format!("{head}STLS\r\nUSER\r\nSASL PLAIN\r\n{COMMON}"));
    let mut talk = Talk::logged_in();
    talk.says("CAPA\r\n", &format!("{head}USER\r\nSASL PLAIN\r\n{COMMON}"));
    let mut talk = Talk::with(Security::Tls, Limits::default());
    talk.says("CAPA\r\n", &format!("{head}USER\r\nSASL PLAIN\r\n{COMMON}"));

    let closed = Security::Clear { stls: true, plaintext_login: false };
    let limits = Limits { login_delay: Duration::from_secs(90), ..Limits::default() };
    let mut talk = Talk::on(Line { security: closed, scram: true, channel: None }, limits);
    let in_tls = format!("{head}USER\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN\r\nLOGIN-DELAY 90\r\n{COMMON}");
    talk.says("CAPA\r\n", &format!("{head}STLS\r\nLOGIN-DELAY 90\r\n{COMMON}"))
        .says("STLS\r\n", "+OK begin TLS\r\n")
        .says("CAPA\r\n", &in_tls)
        .says("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "+OK maildrop has 2 messages (51 octets)\r\n")
        .says("CAPA\r\n", &in_tls);
}

/// `n,,n=alice,r=abc`
const CLIENT_FIRST: &str = "biwsbj1hbGljZSxyPWFiYw==";

/// Up to the client's proof. It is well-formed; whether it is good says the server behind the session.
fn until_proof(talk: &mut Talk) -> String {
    let challenge = talk.sends(format!("AUTH SCRAM-SHA-256 {CLIENT_FIRST}\r\n").as_bytes());
    let challenge = challenge.strip_prefix("+ ").and_then(|line| line.strip_suffix("\r\n")).unwrap();
    let server_first = String::from_utf8(STANDARD.decode(challenge).unwrap()).unwrap();
    let nonce = server_first.split(',').next().unwrap();
    let proof = STANDARD.encode([0; 32]);
    STANDARD.encode(format!("c=biws,{nonce},p={proof}"))
}

/// RFC 5034 §4: what the server has to say comes in a challenge, and the client answers with an empty line.
#[test]
fn a_proof_is_acknowledged_before_the_maildrop_is_open() {
    let mut talk = Talk::with_scram();
    let proof = until_proof(&mut talk);
    talk.says(&format!("{proof}\r\n"), "+ dj1zaWc=\r\n")
        .says("\r\n", "+OK maildrop has 2 messages (51 octets)\r\n")
        .says("STAT\r\n", "+OK 2 51\r\n");
}

#[test]
fn a_proof_that_is_no_good_or_not_acknowledged_logs_nobody_in() {
    let mut talk = Talk::with_scram();
    let proof = until_proof(&mut talk);
    talk.says(&format!("{proof}\r\n"), "+ dj1zaWc=\r\n").says("*\r\n", "-ERR cancelled\r\n");
    let proof = until_proof(&mut talk);
    talk.says(&format!("{proof}\r\n"), "+ dj1zaWc=\r\n")
        .says("STAT\r\n", "-ERR an empty response was expected\r\n")
        .says("STAT\r\n", "-ERR log in first\r\n");
    talk.proofs_are_good = false;
    for _ in 0..2 {
        let proof = until_proof(&mut talk);
        talk.says(&format!("{proof}\r\n"), "-ERR [AUTH] wrong name or password\r\n");
    }
    let proof = until_proof(&mut talk);
    talk.says(&format!("{proof}\r\n"), "-ERR [AUTH] wrong name or password\r\n").is_closed();
}

#[test]
fn scram_is_there_only_where_it_is_announced() {
    let mut talk = Talk::connect();
    talk.says(&format!("AUTH SCRAM-SHA-256 {CLIENT_FIRST}\r\n"), "-ERR unknown mechanism, CAPA lists ours\r\n");
    let mut talk = Talk::with_scram();
    talk.says("AUTH SCRAM-SHA-256-PLUS\r\n", "-ERR unknown mechanism, CAPA lists ours\r\n");
}

/// RFC 6856 §2.1
#[test]
fn without_utf8_headers_are_shown_otherwise() {
    let subject = "Subject: \u{fc}\r\n\r\n";
    let patch =
        || Patch { place: Span::new(0, subject.len() as u32), octets: b"Subject: =?utf-8?B?w7w=?=\r\n\r\n".into() };
    let prepare = |talk: &mut Talk| {
        talk.mail = BTreeMap::from([(1, format!("{subject}\u{e4}\r\n").into()), (2, format!("{subject}x\r\n").into())]);
        talk.patches = BTreeMap::from([(1, Some(vec![patch()])), (2, None)]);
    };
    let login = "USER alice\r\nPASS secret\r\n";
    let logged_in = "+OK now the password\r\n+OK maildrop has 2 messages (37 octets)\r\n";

    let mut talk = Talk::connect();
    prepare(&mut talk);
    talk.says(login, logged_in)
        .says("RETR 1\r\n", "+OK 33 octets\r\nSubject: =?utf-8?B?w7w=?=\r\n\r\n\u{e4}\r\n.\r\n")
        .says("TOP 1 0\r\n", "+OK top of message 1\r\nSubject: =?utf-8?B?w7w=?=\r\n\r\n.\r\n");
    for command in ["RETR 2\r\n", "TOP 2 0\r\n"] {
        talk.says(command, "-ERR [UTF8] message 2 is for clients that say UTF8 before they log in\r\n");
    }
    talk.says("UTF8\r\n", "-ERR you are logged in already\r\n");

    let mut talk = Talk::connect();
    prepare(&mut talk);
    talk.says("UTF8\r\n", "+OK UTF-8 it is\r\n")
        .says(login, logged_in)
        .says("RETR 1\r\n", &format!("+OK 19 octets\r\n{subject}\u{e4}\r\n.\r\n"))
        .says("TOP 2 0\r\n", &format!("+OK top of message 2\r\n{subject}.\r\n"));
}

/// RFC 6856 §2.1: what was agreed on in the clear does not outlive it.
#[test]
fn stls_comes_before_utf8() {
    let mut talk = Talk::connect();
    talk.says("UTF8\r\nSTLS\r\n", "+OK UTF-8 it is\r\n-ERR STLS comes before UTF8\r\n");
    let mut talk = Talk::connect();
    talk.says("STLS\r\n", "+OK begin TLS\r\n").says("UTF8\r\nUTF8\r\n", "+OK UTF-8 it is\r\n+OK UTF-8 it is\r\n");
}

/// RFC 6856 §2.2, RFC 4013 §3
#[test]
fn names_and_passwords_are_prepared() {
    let mut talk = Talk::connect();
    talk.says(
        "USER al\u{ad}ice\r\nPASS secret\r\n",
        "+OK now the password\r\n+OK maildrop has 2 messages (51 octets)\r\n",
    );
    let mut talk = Talk::connect();
    let no_name = "-ERR [AUTH] this can't be a name, there are characters in it that names don't have\r\n";
    talk.says("USER alice\u{e000}\r\n", no_name)
        .says("USER \u{ad}\r\n", no_name)
        .says("PASS secret\r\n", "-ERR USER comes first\r\n")
        .says("USER alice\r\nPASS \u{fffd}\r\n", "+OK now the password\r\n-ERR [AUTH] wrong name or password\r\n");
    // RFC 6856 §2.2: not UTF-8.
    assert_eq!(talk.sends(b"USER \xc3\r\n"), "-ERR a command holds no control characters, and only UTF-8\r\n");
}

/// RFC 6856 §3
#[test]
fn languages_in_both_states() {
    for mut talk in [Talk::connect(), Talk::logged_in()] {
        talk.says(
            "LANG\r\n",
            "+OK language listing follows\r\ni-default Default language, English\r\nen English\r\n.\r\n",
        )
        .says("LANG EN\r\n", "+OK en English it is\r\n")
        .says("LANG i-default\r\n", "+OK i-default English it is\r\n")
        .says("LANG *\r\n", "+OK en English it is\r\n")
        .says("LANG MUL\r\n", "-ERR there is no such language here, LANG lists ours\r\n")
        .says("LANG d_e\r\n", "-ERR usage: LANG [language]\r\n");
    }
}
