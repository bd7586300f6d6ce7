//! The language as a whole: what the sections of RFC 5228 and of its extensions show, scripts that are wrong, and any octets.

mod extensions;
mod hostile;
mod language;
mod round_trip;
mod shown;
mod wrong;

use super::*;

/// Mailboxes by name, with a special use or none.
pub(super) struct Known(pub(super) &'static [(&'static str, &'static str)]);

impl Mailboxes for Known {
    fn exists(&self, name: &str) -> bool {
        self.0.iter().any(|(there, _)| *there == name)
    }

    fn has_special_use(&self, name: Option<&str>, special_use: &str) -> bool {
        self.0.iter().any(|(there, of)| name.is_none_or(|name| name == *there) && of.eq_ignore_ascii_case(special_use))
    }
}

pub(super) fn path(address: &str) -> Path {
    let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    Path { local_part: local_part.into(), domain: domain.into() }
}

pub(super) fn script(text: &str) -> Script {
    match Script::new(text.as_bytes()) {
        Ok(script) => script,
        Err(problems) => panic!("{text}\n{problems:?}"),
    }
}

/// A message for `ken+list@example.com` from `tim@example.com`, of 4,000 octets.
pub(super) fn run_with(text: &str, header: &str, mailboxes: &dyn Mailboxes) -> Outcome {
    let (from, to) = (path("tim@example.com"), path("ken+list@example.com"));
    let mail = Mail { header: header.as_bytes(), octets: 4_000, from: Some(&from), to: &to, separators: "+" };
    script(text).run(&mail, mailboxes)
}

/// The actions of a script that ends well, a word each: `keep`, `implicit keep`, `INBOX`, `>bart@example.com`; behind it flags.
pub(super) fn run(text: &str, header: &str) -> String {
    let outcome = run_with(text, header, &NoMailboxes);
    assert_eq!(outcome.failure, None, "{text}");
    show(&outcome.actions)
}

pub(super) fn show(actions: &[Action]) -> String {
    let word = |action: &Action| {
        let (mut word, flags) = match action {
            Action::Keep { flags, implicit } => ((if *implicit { "implicit keep" } else { "keep" }).to_owned(), flags),
            Action::FileInto(FileInto { mailbox, special_use, create, flags, .. }) => {
                let special_use =
                    special_use.as_ref().map(|special_use| format!("{special_use} or ")).unwrap_or_default();
                (format!("{special_use}{mailbox}{}", if *create { "!" } else { "" }), flags)
            }
            Action::Redirect { to, .. } => return format!(">{to}"),
        };
        for flag in flags.iter() {
            word += &format!(" {flag}");
        }
        word
    };
    actions.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Whether the test is true of that header.
pub(super) fn is_true(test: &str, header: &str) -> bool {
    is_true_with("", test, header)
}

/// The same, behind these commands.
pub(super) fn is_true_with(before: &str, test: &str, header: &str) -> bool {
    match run(&format!("{before} if {test} {{ discard; }}"), header).as_str() {
        "" => true,
        other => {
            assert!(other.starts_with("implicit keep"), "{other}");
            false
        }
    }
}
