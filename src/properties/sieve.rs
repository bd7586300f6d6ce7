//! Scripts of Sieve, and running them.

use super::seeds;
use crate::sieve::{
    ACTIONS_MAX, Action, FileInto, Mail, NoMailboxes, Outcome, PROBLEMS_MAX, Path, REDIRECTS_MAX, Script, printed,
};

/// A header for those who bring none.
const HEADER: &[u8] =
    b"From: Tim <tim@example.com>\r\nTo: ken+list@example.com\r\nSubject: =?utf-8?q?the_bell?=\r\n\r\n";

/// - A script is read, or it is said where it is wrong.
/// - What is read is printed, and that is read as the same script, with the same outcome.
/// - It ends, with no more than may be done; where it is given up, with the message kept and nothing else (RFC 5228 §2.10.6).
///
/// What stands behind a NUL, which no script can hold, is the header that it is run over.
pub(super) fn script_runs_bounded(input: &[u8]) {
    let (source, header) = match input.iter().position(|octet| *octet == 0) {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, HEADER),
    };
    let shown = printed(source);
    if let Some(shown) = &shown {
        assert_eq!(printed(shown.as_bytes()).as_ref(), Some(shown), "what was printed is another script");
    }
    let script = match Script::new(source) {
        Ok(script) => script,
        Err(problems) => {
            assert!((1..=PROBLEMS_MAX).contains(&problems.len()));
            let lines = source.iter().filter(|octet| **octet == b'\n').count() as u32 + 1;
            for problem in &problems {
                assert!((1..=lines).contains(&problem.position.line) && problem.position.column > 0, "{problem}");
            }
            return;
        }
    };
    let outcome = run(&script, header);
    let copies = |is_copy: fn(&Action) -> bool| outcome.actions.iter().filter(|action| is_copy(action)).count();
    assert!(copies(|action| !matches!(action, Action::Redirect { .. })) <= ACTIONS_MAX);
    assert!(copies(|action| matches!(action, Action::Redirect { .. })) <= REDIRECTS_MAX);
    assert!(copies(|action| matches!(action, Action::Keep { .. })) <= 1);
    if outcome.failure.is_some() {
        assert!(matches!(outcome.actions[..], [Action::Keep { implicit: true, .. }]), "{outcome:?}");
    }
    assert_eq!(run(&script, header), outcome);
    let shown = shown.expect("what can be run can be parsed");
    let again =
        Script::new(shown.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?} in what was printed: {shown}"));
    assert_eq!(said(&run(&again, header)), said(&outcome), "{shown}");
}

fn run(script: &Script, header: &[u8]) -> Outcome {
    let path = |local_part: &str| Path { local_part: local_part.into(), domain: "example.com".into() };
    let mail = Mail { header, octets: 4_000, from: Some(&path("tim")), to: &path("ken+list"), separators: "+" };
    script.run(&mail, &NoMailboxes)
}

/// An outcome without the places in the script.
fn said(outcome: &Outcome) -> Vec<String> {
    let actions = outcome.actions.iter().map(|action| match action {
        Action::Keep { flags, implicit } => format!("keep {flags:?} {implicit}"),
        Action::FileInto(FileInto { mailbox, special_use, create, flags, .. }) => {
            format!("file {mailbox:?} {special_use:?} {create} {flags:?}")
        }
        Action::Redirect { to, .. } => format!("redirect {to:?}"),
    });
    actions.chain(outcome.failure.iter().map(|failure| failure.text.clone())).collect()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = [
        r#"require ["fileinto", "copy", "imap4flags", "mailbox", "special-use", "envelope", "subaddress", "encoded-character"];
if anyof (header :contains ["subject", "x"] "be${hex:6C}l", not exists "list-id", size :over 5K) {
    fileinto :copy :create :specialuse "\\Junk" :flags ["\\Seen", "$x"] "Lists/Ärger";
    addflag ["a b", "c"];
} elsif allof (address :detail :matches "to" "l*?t", envelope :all :comparator "i;octet" "from" "tim@example.com", true) {
    redirect "bart@example.com";
    stop;
} else { discard; }
keep; # behind
/* and in front */ removeflag "c";
"#,
        "if header :matches \"subject\" text:\r\n*x*\r\n..y\r\n.\r\n { keep; }",
        "require \"special-use\"; if specialuse_exists [\"\\\\Sent\"] { setflag \"x\"; } if hasflag \"x\" { stop; }",
    ]
    .map(|script| script.as_bytes().to_vec())
    .to_vec();
    inputs.extend(["smtp/rules", "lmtp/rules"].into_iter().flat_map(seeds::scripts));
    let script = b"if address :domain :is [\"from\", \"to\"] \"example.com\" { discard; }\0".to_vec();
    inputs.extend(seeds::messages(4_000).into_iter().map(|message| [script.clone(), message].concat()));
    inputs
}
