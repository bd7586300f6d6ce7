//! Whether a transcript can run on a server that is not as the one it was written for: as an account that others had
//! before it, or with IMAP4rev2 alone.
//!
//! Emptied is not new: UIDs go on from where they were (RFC 3501 §2.3.1.1), and a mailbox may remember keywords that no
//! message has any more. A transcript that names UIDs by their numbers counts on a new account; one that counts on it
//! otherwise says `account: new` in its head.

use std::sync::LazyLock;

use regex::Regex;

use super::Transcript;

/// UIDs that the client names.
static ASKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)UID (FETCH|STORE|COPY|MOVE|EXPUNGE|REPLACE) \d|;UID=\d|[ (]UID \d|QRESYNC \(\S+ \d+ \d+ \d").ok()
});

/// UIDs that the server has to name.
static TELLS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let codes = r"(APPENDUID|COPYUID) \S+ (\S+ )?\d";
    let items = r"[ (](UID|UIDNEXT) \d|UID (ALL|MIN|MAX|COUNT \d+ ALL) \d";
    Regex::new(&format!(r"(?i){codes}|{items}|VANISHED (\(EARLIER\) )?\d|\* \d+ UIDFETCH")).ok()
});

/// UIDs that were searched for.
static FINDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"S: \* (SEARCH|SORT) (\$\S+ )*\d").ok());

impl Transcript {
    /// Whether it counts on an account that nobody had before.
    pub fn wants_new_account(&self) -> bool {
        let says = |what: &LazyLock<Option<Regex>>, line: &str| what.as_ref().is_some_and(|regex| regex.is_match(line));
        let said = |line: &String| {
            let line = line.trim_start();
            let (before, text) = line.split_once(':').unwrap_or((line, ""));
            let mut words = before.split(' ').take(2);
            let side = words.find(|word| ["C", "S"].contains(word));
            // What comes back is what the client may name later, so each is looked for on both sides.
            side.is_some() && (says(&ASKS, text) || says(&TELLS, text))
        };
        let searches = |line: &String| line.contains("UID SEARCH ") || line.contains("UID SORT ");
        let finds = |line: &String| says(&FINDS, line);
        let found = self.lines.iter().any(searches) && self.lines.iter().any(finds);
        self.new_account || found || self.lines.iter().any(said)
    }

    /// Whether it has what RFC 9051 took out of IMAP (appendix E): LSUB and RECENT.
    pub fn wants_rev1(&self) -> bool {
        self.lines.iter().any(|line| {
            let mut words = line.split([' ', '(', ')', '[', ']', '"']);
            words.any(|word| ["LSUB", "RECENT", "\\Recent", "NEW", "OLD"].iter().any(|w| word.eq_ignore_ascii_case(w)))
        })
    }

    /// Whether it takes an account's name apart as a mail address.
    pub fn wants_address(&self) -> bool {
        self.lines.iter().any(|line| line.contains("$local") || line.contains("$domain"))
    }
}
