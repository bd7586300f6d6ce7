//! The messages of `fixtures/`, damaged by lot: cut, spliced, repeated, with bits turned and pieces of MIME put in. Whatever
//! comes out obeys the rules of `message`.
//!
//! ```text
//! PROPTEST_CASES=100000 cargo test --lib message::tests::mutated
//! ```

use std::sync::LazyLock;

use super::*;
use crate::message::rules::is_bounded;

/// What a message may come to: mutants of mutants grow.
const OCTETS_MAX: usize = 300_000;

static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folders = ["messages", "real-life", "broken"].map(fixtures::messages);
    folders.into_iter().flat_map(|messages| messages.into_values()).collect()
});

/// What readers of messages look for.
const TOKENS: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b"--",
    b"\r\n--",
    b"--\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Subject: ",
    b"From: ",
    b"=?utf-8?q?",
    b"=?utf-8?B?4pi6",
    b"?=",
    b"*0*=utf-8\'\'%",
    b"\"",
    b"(",
    b"\\",
    b"<>",
    b"\xc3\xa9",
    b"\xff",
];

/// A change, its places as parts of the whole.
#[derive(Clone, Debug)]
enum Mutation {
    Cut(f64, f64),
    Truncate(f64),
    TurnBit(f64, u8),
    Insert(f64, usize),
    /// Repeats what lies between so many times.
    Repeat(f64, f64, usize),
    /// Goes on at that place with the end of another message.
    Splice(f64, usize, f64),
    /// All line ends become LF, or CRLF.
    LineEnds(bool),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let place = || 0.0..1.0;
    proptest::collection::vec(
        prop_oneof![
            (place(), place()).prop_map(|(from, to)| Mutation::Cut(from, to)),
            place().prop_map(Mutation::Truncate),
            (place(), 0u8..8).prop_map(|(at, bit)| Mutation::TurnBit(at, bit)),
            (place(), 0..TOKENS.len()).prop_map(|(at, token)| Mutation::Insert(at, token)),
            (place(), place(), 2usize..20).prop_map(|(from, to, times)| Mutation::Repeat(from, to, times)),
            (place(), any::<usize>(), place()).prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
            any::<bool>().prop_map(Mutation::LineEnds),
        ],
        1..8,
    )
}

impl Mutation {
    fn apply(&self, message: &mut Vec<u8>) {
        let len = message.len();
        let place = |part: f64| ((part * len as f64) as usize).min(len);
        let between = |from, to| place(from).min(place(to))..place(from).max(place(to));
        match *self {
            Mutation::Cut(from, to) => drop(message.drain(between(from, to))),
            Mutation::Truncate(at) => message.truncate(place(at)),
            Mutation::TurnBit(at, bit) => {
                if let Some(octet) = message.get_mut(place(at)) {
                    *octet ^= 1 << bit;
                }
            }
            Mutation::Insert(at, token) => drop(message.splice(place(at)..place(at), TOKENS[token].iter().copied())),
            Mutation::Repeat(from, to, times) => {
                let piece = message[between(from, to)].repeat(times);
                message.splice(between(from, to), piece);
            }
            Mutation::Splice(at, other, from) => {
                let other = &CORPUS[other % CORPUS.len()];
                message.truncate(place(at));
                message.extend_from_slice(&other[(from * other.len() as f64) as usize..]);
            }
            Mutation::LineEnds(crlf) => {
                message.retain(|octet| *octet != b'\r');
                if crlf {
                    *message = message
                        .iter()
                        .flat_map(|octet| [b'\r', *octet][usize::from(*octet != b'\n')..].to_vec())
                        .collect();
                }
            }
        }
        message.truncate(OCTETS_MAX);
    }
}

#[test]
fn each_message_of_the_corpus_cut_anywhere_obeys_the_rules() {
    for message in CORPUS.iter() {
        // Each place of a short one, some hundred of a long one.
        for end in (0..message.len()).step_by(1 + message.len() / 300) {
            let cut = &message[..end];
            obeys_the_rules(cut, &Summary::of(cut));
        }
    }
}

proptest! {
    #[test]
    fn no_mutant_breaks_a_rule(start in any::<usize>(), mutations in mutations()) {
        let mut message = CORPUS[start % CORPUS.len()].clone();
        for mutation in &mutations {
            mutation.apply(&mut message);
        }
        let summary = Summary::of(&message);
        obeys_the_rules(&message, &summary);
        prop_assert!(is_bounded(&message, &summary), "{} octets of {}", summary.encode().len(), message.len());
        for place in downgrade::headers(&summary) {
            let header = place.of(&message);
            if let Some(shown) = downgrade::downgrade(header) {
                prop_assert!(shown.len() <= 4 * header.len() + 1024, "{} octets of {}", shown.len(), header.len());
            }
        }
    }
}
