//! How a server names mailboxes, and a transcript in these names.
//!
//! Transcripts are written with `/` between the levels, and with nothing before the first. A server may have another
//! separator (RFC 3501 §6.3.8), and may want all personal mailboxes below `INBOX.` (RFC 2342 §5). There the names that a
//! transcript gives itself are put into the server's form before it is run: what it creates or renames to, the levels
//! above, and whatever begins with them. Where that would not be the same rule any more, the transcript is *not offered*;
//! see docs/decisions/0014.

use std::collections::BTreeSet;

/// How a server names mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What stands between the levels; `None` where all mailboxes lie side by side.
    pub separator: Option<String>,
    /// What stands before all but INBOX: `INBOX.`
    pub prefix: String,
}

impl Default for Names {
    /// As transcripts are written.
    fn default() -> Self {
        Names { separator: Some("/".to_owned()), prefix: String::new() }
    }
}

/// Commands of IMAP that have names of mailboxes in them.
const COMMANDS: [&str; 28] = [
    "APPEND",
    "COPY",
    "CREATE",
    "DELETE",
    "DELETEACL",
    "ESEARCH",
    "EXAMINE",
    "GETACL",
    "GETMETADATA",
    "GETQUOTAROOT",
    "LIST",
    "LISTRIGHTS",
    "LSUB",
    "MOVE",
    "MYRIGHTS",
    "NOTIFY",
    "RENAME",
    "REPLACE",
    "SELECT",
    "SETACL",
    "SETMETADATA",
    "STATUS",
    "SUBSCRIBE",
    "UID",
    "UNSUBSCRIBE",
    "XLIST",
    "GENURLAUTH",
    "RESETKEY",
];

/// Commands whose first argument is a mailbox; RENAME has two of them.
const NAMING: [&str; 9] =
    ["APPEND", "CREATE", "DELETE", "EXAMINE", "RENAME", "SELECT", "STATUS", "SUBSCRIBE", "UNSUBSCRIBE"];

/// Commands whose strings may be patterns: `*` and `%` (RFC 3501 §6.3.8).
const MATCHING: [&str; 4] = ["LIST", "LSUB", "XLIST", "NOTIFY"];

/// Untagged responses of IMAP that have names of mailboxes in them.
const RESPONSES: [&str; 10] =
    ["ACL", "ESEARCH", "LIST", "LISTRIGHTS", "LSUB", "METADATA", "MYRIGHTS", "QUOTAROOT", "STATUS", "XLIST"];

impl Names {
    /// Whether they are as transcripts are written.
    pub fn are_usual(&self) -> bool {
        *self == Names::default()
    }

    /// The transcript `source` in these names; the error is why it would not be the same rule.
    pub fn put_into(&self, source: &str) -> Result<String, String> {
        if self.are_usual() {
            return Ok(source.to_owned());
        }
        let own = names_in(source);
        self.can_hold(&own)?;
        let mut out = String::with_capacity(source.len());
        for line in source.lines() {
            out += &self.line(line, &own)?;
            out.push('\n');
        }
        Ok(out)
    }

    fn can_hold(&self, own: &BTreeSet<String>) -> Result<(), String> {
        for name in own {
            match &self.separator {
                None if name.contains('/') => return Err("mailboxes below others".to_owned()),
                Some(separator) if separator != "/" && name.contains(separator.as_str()) => {
                    return Err(format!("{separator:?} in the name of a mailbox"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn line(&self, line: &str, own: &BTreeSet<String>) -> Result<String, String> {
        let Some(speech) = Speech::of(line) else { return Ok(line.to_owned()) };
        if speech.kind.contains("raw") {
            let naming = |word: &&str| speech.text.split([' ', '"']).any(|w| w.eq_ignore_ascii_case(word));
            let named = own.iter().any(|name| speech.text.contains(name.as_str()));
            if (named && COMMANDS.iter().any(naming)) || naming(&"CREATE") {
                return Err("the name of a mailbox among raw octets".to_owned());
            }
            return Ok(line.to_owned());
        }
        if speech.side == Side::Server && speech.word == "NAMESPACE" {
            let separator = self.separator.as_ref().map_or_else(|| "NIL".to_owned(), |s| written(s, "\""));
            return Ok(line.replace("\"\" \"/\"", &format!("{} {separator}", written(&self.prefix, "\""))));
        }
        self.means_inbox_alone(&speech)?;
        let matches = speech.is_client() && MATCHING.iter().any(|word| *word == speech.word);
        let speaks_of_mailboxes = match speech.side {
            Side::Client => COMMANDS.contains(&speech.word.as_str()),
            Side::Server => RESPONSES.contains(&speech.word.as_str()),
            Side::Runner => true,
        };
        if !speaks_of_mailboxes {
            return Ok(line.to_owned());
        }
        let mut out = line[..speech.at].to_owned();
        for token in tokens(&line[speech.at..]) {
            match token {
                Token::Between(text) => out.push_str(text),
                Token::Word { text, source } => match self.word(&text, source, own, &speech, matches)? {
                    Some(new) => out.push_str(&written(&new, source)),
                    None => out.push_str(source),
                },
            }
        }
        Ok(out)
    }

    /// What is said of an INBOX that has no mailboxes below it is not true where all are.
    fn means_inbox_alone(&self, speech: &Speech<'_>) -> Result<(), String> {
        let is = |word: &str| speech.text.split([' ', '"']).any(|w| w.eq_ignore_ascii_case(word));
        let has_none = speech.side == Side::Server && speech.text.contains("\\HasNoChildren") && is("INBOX");
        let renamed = speech.word == "RENAME" && is("INBOX");
        let all_below = self.prefix.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("INBOX"));
        if all_below && (has_none || renamed) {
            return Err("an INBOX that not all mailboxes lie below".to_owned());
        }
        Ok(())
    }

    /// What a word becomes; nothing where it stays.
    fn word(
        &self,
        text: &str,
        source: &str,
        own: &BTreeSet<String>,
        speech: &Speech<'_>,
        matches: bool,
    ) -> Result<Option<String>, String> {
        let quoted = source.starts_with('"');
        if speech.side == Side::Server && quoted && text == "/" {
            // The separator itself, as LIST tells it.
            return Ok(Some(self.separator.clone().unwrap_or_else(|| "NIL".to_owned())));
        }
        let begins_expression = speech.side == Side::Server && !quoted && text.starts_with('/');
        if begins_expression && own.iter().any(|name| speech.text.contains(name.as_str())) {
            return Err("the name of a mailbox in a regular expression".to_owned());
        }
        if matches && text.contains(['*', '%']) && text != "*" {
            if text.starts_with(['*', '%']) && !self.prefix.is_empty() {
                return Err(format!("{text} where {} stands before all mailboxes", self.prefix));
            }
            return Ok(Some(self.named(text)));
        }
        let below = |name: &String| text.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if own.contains(text) || own.iter().any(below) {
            return Ok(Some(self.named(text)));
        }
        // A URL has its names percent-encoded (RFC 5092 §3), where they are not found.
        let path = text.split(";UID").next().filter(|path| path.len() < text.len());
        if path.is_some_and(|path| !["", "INBOX"].contains(&path.trim_matches('/'))) {
            return Err("the name of a mailbox in a URL".to_owned());
        }
        Ok(None)
    }

    /// A name in the server's form.
    fn named(&self, name: &str) -> String {
        let separator = self.separator.as_deref().unwrap_or("/");
        let in_form = name.replace('/', separator);
        let first = name.split('/').next().unwrap_or("");
        // Patterns of INBOX's own are INBOX's too.
        if first.eq_ignore_ascii_case("INBOX") || name.starts_with(['*', '%']) {
            return in_form;
        }
        format!("{}{in_form}", self.prefix)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
    /// `connect`, `append` and `arrived`, where the runner speaks.
    Runner,
}

/// A line of a transcript that may have names of mailboxes in it.
struct Speech<'a> {
    side: Side,
    /// What stands between `C` or `S` and the colon.
    kind: &'a str,
    /// What is said, behind the colon.
    text: &'a str,
    /// The command or response, in capitals.
    word: String,
    /// Where in the line its arguments begin.
    at: usize,
}

impl<'a> Speech<'a> {
    fn of(line: &'a str) -> Option<Speech<'a>> {
        let trimmed = line.trim_start();
        let from = line.len() - trimmed.len();
        if trimmed.starts_with("connect ") || trimmed.starts_with("append ") || trimmed.starts_with("arrived ") {
            let word = trimmed.split(' ').next()?.to_ascii_uppercase();
            // Options of `connect` and the message of `append` are no names.
            let at = [" select ", " examine ", " to ", " in "]
                .iter()
                .find_map(|mark| Some(line.find(mark)? + mark.len()))?;
            return Some(Speech { side: Side::Runner, kind: "", text: trimmed, word, at });
        }
        let (before, _) = trimmed.split_once(':')?;
        let words: Vec<&str> = before.split(' ').collect();
        let at = words.iter().take(2).position(|word| *word == "C" || *word == "S")?;
        let side = if words[at] == "C" { Side::Client } else { Side::Server };
        let kind = before.split_once(words[at])?.1.trim();
        let text = &trimmed[before.len() + 1..];
        let start = from + before.len() + 1;
        // The tag, then the command; a number stands between `*` and FETCH, which has no names.
        let mut rest = text.trim_start();
        let (_, behind_tag) = rest.split_once(' ')?;
        rest = behind_tag.trim_start();
        let word = rest.split(' ').next()?.to_ascii_uppercase();
        let arguments = &rest[word.len()..];
        Some(Speech { side, kind, text, word, at: start + text.len() - arguments.len() })
    }

    fn is_client(&self) -> bool {
        self.side == Side::Client
    }
}

/// The mailboxes that a transcript names itself, and those above them; INBOX is everybody's.
fn names_in(source: &str) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for line in source.lines() {
        let Some(speech) = Speech::of(line) else { continue };
        let words: Vec<String> = tokens(&line[speech.at..])
            .into_iter()
            .filter_map(|token| match token {
                Token::Word { text, .. } => Some(text),
                Token::Between(_) => None,
            })
            .filter(|word| word != "text" && word != "text+")
            .collect();
        let copies = |word: &str| word == "COPY" || word == "MOVE";
        let named: &[String] = match (speech.side, speech.word.as_str()) {
            (Side::Server, _) => &[],
            (Side::Runner, _) => words.get(..1).unwrap_or(&[]),
            (_, "RENAME") => words.get(..2).unwrap_or(&[]),
            (_, word) if NAMING.contains(&word) => words.get(..1).unwrap_or(&[]),
            (_, word) if copies(word) => words.get(1..2).unwrap_or(&[]),
            (_, "UID") if words.first().is_some_and(|w| copies(&w.to_ascii_uppercase())) => {
                words.get(2..3).unwrap_or(&[])
            }
            _ => &[],
        };
        for name in named {
            let mut name = name.trim_end_matches('/');
            while !name.is_empty() && !name.eq_ignore_ascii_case("INBOX") {
                own.insert(name.to_owned());
                name = name.rsplit_once('/').map_or("", |(above, _)| above);
            }
        }
    }
    own
}

enum Token<'a> {
    /// Spaces, brackets, braces.
    Between(&'a str),
    /// An atom or a quoted string: what it says, and how it stands there.
    Word { text: String, source: &'a str },
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(at, _)| at + 1)
            }
            c if " ()[]{}".contains(c) => rest.find(|c| !" ()[]{}".contains(c)).unwrap_or(rest.len()),
            _ => rest.find(|c| " ()[]{}\"".contains(c)).unwrap_or(rest.len()),
        };
        let (source, behind) = rest.split_at(length);
        tokens.push(match first {
            '"' => {
                let inner = source.trim_start_matches('"');
                let inner = inner.strip_suffix('"').unwrap_or(inner);
                Token::Word { text: inner.replace("\\\"", "\"").replace("\\\\", "\\"), source }
            }
            c if " ()[]{}".contains(c) => Token::Between(source),
            _ => Token::Word { text: source.to_owned(), source },
        });
        rest = behind;
    }
    tokens
}

/// A word as the one before it stood there: in quotes, or without where it can be.
fn written(text: &str, like: &str) -> String {
    if text == "NIL" {
        return text.to_owned();
    }
    if like.starts_with('"') || text.contains([' ', '"', '\\', '(', ')', '{', '}', '[', ']']) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Corpus;
    use crate::transcript::parse;

    fn names(separator: Option<&str>, prefix: &str) -> Names {
        Names { separator: separator.map(str::to_owned), prefix: prefix.to_owned() }
    }

    #[test]
    fn what_a_transcript_creates_is_put_into_the_form_of_the_server() {
        let source = "# A rule.\nrfc: RFC 1 §1\n\nconnect a: imap login\na C: Work CREATE Work/one\na S: Work OK\n\
                      a C: t2 LIST \"\" \"Work/*\"\na S: * LIST (…) \"/\" Work/one\na S: t2 OK\n\
                      a C: t3 SEARCH SUBJECT Work\nappend m to \"Work/one\" (\\Seen)\nconnect imap login select Work\n\
                      C: t4 LIST \"\" *\nC: t5 STATUS INBOX (MESSAGES)\nC: t6 COPY 1 inbox/Sub\n";
        let put = names(Some("."), "INBOX.").put_into(source).unwrap();
        let lines: Vec<&str> = put.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "connect a: imap login",
                "a C: Work CREATE INBOX.Work.one",
                "a S: Work OK",
                "a C: t2 LIST \"\" \"INBOX.Work.*\"",
                "a S: * LIST (…) \".\" INBOX.Work.one",
                "a S: t2 OK",
                "a C: t3 SEARCH SUBJECT Work",
                "append m to \"INBOX.Work.one\" (\\Seen)",
                "connect imap login select INBOX.Work",
                "C: t4 LIST \"\" *",
                "C: t5 STATUS INBOX (MESSAGES)",
                "C: t6 COPY 1 inbox.Sub",
            ]
        );
        assert_eq!(Names::default().put_into(source).unwrap(), source);
    }

    #[test]
    fn what_would_be_another_rule_is_not_offered() {
        let dotted = names(Some("."), "");
        assert!(dotted.put_into("C: t CREATE a.b\n").unwrap_err().contains("\".\""));
        assert!(names(None, "").put_into("C: t CREATE a/b\n").unwrap_err().contains("below"));
        assert!(names(Some("."), "INBOX.").put_into("C: t LIST \"\" %\n").unwrap_err().contains("INBOX."));
        assert!(dotted.put_into("C: t LIST \"\" %\n").is_ok());
        let below = names(Some("."), "INBOX.");
        assert!(below.put_into("C: t RENAME INBOX old\n").unwrap_err().contains("lie below"));
        assert!(dotted.put_into("C: t RENAME INBOX old\n").is_ok());
        assert!(below.put_into("C: t APPEND INBOX CATENATE (URL \"/K%20/;UID=1\")\n").unwrap_err().contains("URL"));
        assert!(below.put_into("C: t APPEND INBOX CATENATE (URL \"/INBOX/;UID=1\")\n").is_ok());
        let put = below.put_into("S: * NAMESPACE ((\"\" \"/\")) $_ $_\n").unwrap();
        assert_eq!(put, "S: * NAMESPACE ((\"INBOX.\" \".\")) $_ $_\n");
        assert!(dotted.put_into("C: t CREATE a/b\nC raw: \"t SELECT a/b\\r\\n\"\n").unwrap_err().contains("raw"));
        assert!(dotted.put_into("C: t CREATE a\nS: * LIST () $_ /(a|b)/\n").unwrap_err().contains("expression"));
    }

    #[test]
    fn every_transcript_is_still_one_in_other_names_or_says_why_not() {
        let corpus = Corpus::default();
        for other in [names(Some("."), "INBOX."), names(Some("."), ""), names(Some("\\"), ""), names(None, "")] {
            let mut refused = 0;
            let all = corpus.names().unwrap();
            for name in &all {
                let source = corpus.source(name).unwrap();
                match other.put_into(&source) {
                    Ok(put) => {
                        let read = parse::parse(name, &put, &|file| corpus.message(file));
                        read.unwrap_or_else(|error| panic!("{error}\n{put}"));
                    }
                    Err(_) => refused += 1,
                }
            }
            assert!(refused * 10 < all.len(), "{refused} of {} refused for {other:?}", all.len());
        }
    }
}
