//! SASL exchanges, SCRAM's messages among them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Choice, seeds};
use crate::auth::sasl::{Exchange, Mechanism, Step};
use crate::auth::scram;

/// No mechanism asks more often than this.
const CHALLENGES_MAX: usize = 4;

/// - Whatever a client answers, an exchange ends, and what it is asked is base64.
/// - A name that comes out is one: without NUL, and not empty.
/// - SCRAM asks back with the client's nonce in front (RFC 5802 §5.1).
///
/// The octets are the client's messages, one a line, and are put into base64 here, unless bit 3 is set.
pub(super) fn exchange_ends(input: &[u8]) {
    let (choice, octets) = Choice::of(input);
    let mechanism = Mechanism::ALL[usize::from(choice.0 & 3)];
    let encode = |line: &[u8]| if choice.has(3) { line.to_vec() } else { STANDARD.encode(line).into_bytes() };
    let mut lines = octets.split(|octet| *octet == b'\n').map(encode);
    let initial = if choice.has(4) { lines.next() } else { None };
    let channel = choice.has(5).then_some([7; 32]);
    let mut step = Exchange::start(mechanism, channel, initial.as_deref());
    let mut challenges = 0;
    loop {
        step = match step {
            Step::Challenge(challenge, exchange) => {
                challenges += 1;
                assert!(challenges <= CHALLENGES_MAX, "it asks for ever");
                assert!(STANDARD.decode(&challenge).is_ok(), "{challenge}");
                let Some(line) = lines.next() else { return };
                exchange.respond(&line)
            }
            Step::Identify(first) => match scram::challenge_for_tests(first) {
                Step::Challenge(challenge, exchange) => {
                    let asked = STANDARD.decode(&challenge).expect("a challenge is base64");
                    assert!(asked.starts_with(b"r=") && asked.ends_with(b"i=4096"), "{}", asked.escape_ascii());
                    Step::Challenge(challenge, exchange)
                }
                other => panic!("a name is answered by {other:?}"),
            },
            Step::Done(login) => {
                assert!(!login.name.is_empty());
                assert!(mechanism == Mechanism::Login || !login.name.contains('\0') && !login.password.contains('\0'));
                return;
            }
            Step::Prove(_) | Step::Failed(_) => return,
        };
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let nonce_and_salt = "r=abcserver,s=c2FsdA==,i=4096";
    let inputs = [
        b"\0alice\0secret".to_vec(),
        b"alice\nsecret".to_vec(),
        b"n,,n=alice,r=abc\nc=biws,r=abcserver,p=dGhpcnR5IHR3byBvY3RldHMgb2YgYSBwcm9vZiE=".to_vec(),
        b"p=tls-exporter,,n=al=2Cice,r=abc\nc=biws,r=abcserver,p=AAAA".to_vec(),
        format!("y,a=alice,n=alice,r=abc,x=1\n{nonce_and_salt}").into_bytes(),
        b"AGFsaWNlAHNlY3JldA==\n*".to_vec(),
    ];
    seeds::with_choices(&[0x00, 0x01, 0x12, 0x13, 0x20, 0x1a], &inputs)
}
