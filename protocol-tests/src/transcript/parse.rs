//! Reads a transcript. Each error names its line.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::citation;
use crate::imap::pattern::unquote;

/// An error of a transcript, not of a server.
#[derive(Debug, thiserror::Error)]
#[error("{name}:{line}: {what}")]
pub struct ParseError {
    /// The transcript.
    pub name: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Finds a message by its file's name.
pub type FindFile<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Reads the transcript `source`; messages that it does not hold itself come from `find`.
pub fn parse(name: &str, source: &str, find: FindFile<'_>) -> Result<Transcript, ParseError> {
    let lines: Vec<String> = source.lines().map(str::to_owned).collect();
    let mut parser =
        Parser { lines: &lines, at: 0, find, messages: BTreeMap::new(), languages: HashMap::new(), acting: Vec::new() };
    let mut transcript = Transcript {
        name: name.to_owned(),
        rule: String::new(),
        rfc: String::new(),
        citations: Vec::new(),
        level: Level::Must,
        needs: Vec::new(),
        server: "dev".to_owned(),
        new_account: false,
        users: Vec::new(),
        steps: Vec::new(),
        lines: Vec::new(),
    };
    let result = parser.head(&mut transcript).and_then(|()| parser.steps(0));
    match result {
        Ok(steps) => {
            transcript.steps = steps;
            transcript.lines = lines;
            Ok(transcript)
        }
        Err(what) => Err(ParseError { name: name.to_owned(), line: parser.at + 1, what }),
    }
}

struct Parser<'a> {
    lines: &'a [String],
    at: usize,
    find: FindFile<'a>,
    messages: BTreeMap<String, Vec<u8>>,
    languages: HashMap<String, Language>,
    /// Who has done something that another connection may be told of.
    acting: Vec<String>,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

impl Parser<'_> {
    /// Comments and `key: value` lines, up to the first empty line.
    fn head(&mut self, transcript: &mut Transcript) -> Result<(), String> {
        while let Some(line) = self.lines.get(self.at).map(|l| l.trim()).filter(|l| !l.is_empty()) {
            if let Some(comment) = line.strip_prefix('#') {
                if transcript.rule.is_empty() {
                    transcript.rule = comment.trim().to_owned();
                }
            } else {
                let (key, value) = line.split_once(':').ok_or("the head holds `key: value` lines")?;
                let value = value.trim();
                match key {
                    "rfc" => {
                        transcript.rfc = value.to_owned();
                        transcript.citations = citation::parse(value)?;
                    }
                    "level" => {
                        transcript.level = Level::named(value).ok_or("a level is must, should or own")?;
                    }
                    "server" => transcript.server = value.to_owned(),
                    "users" => transcript.users = value.split_whitespace().map(str::to_owned).collect(),
                    "account" if value == "new" => transcript.new_account = true,
                    "account" => return Err("an account is new, or nothing is said of it".to_owned()),
                    "needs" => transcript.needs = needs(value)?,
                    other => {
                        return Err(format!(
                            "{other:?} is no key of the head: rfc, level, needs, server, users, account"
                        ));
                    }
                }
            }
            self.at += 1;
        }
        if transcript.rule.is_empty() {
            return Err("the head begins with `# ` and the rule in one sentence".to_owned());
        }
        if transcript.rfc.is_empty() {
            return Err("the head has no `rfc:` line".to_owned());
        }
        Ok(())
    }

    /// Steps that are indented by at least `depth`.
    fn steps(&mut self, depth: usize) -> Result<Vec<Step>, String> {
        let mut steps: Vec<Step> = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                self.at += 1;
                continue;
            }
            if indent(line) < depth {
                break;
            }
            if indent(line) > depth {
                return Err("indented, but nothing above it takes indented lines".to_owned());
            }
            let number = self.at + 1;
            if let Some(action) = self.action(text, depth)? {
                // Lines of S that follow one another on one connection are one block.
                if let Action::Expect { connection, block } = action {
                    match steps.last_mut() {
                        Some(Step { action: Action::Expect { connection: last, block: open }, .. })
                            if *last == connection =>
                        {
                            open.extend(block);
                        }
                        _ => steps.push(Step { line: number, action: Action::Expect { connection, block } }),
                    }
                } else {
                    steps.push(Step { line: number, action });
                }
            }
            self.at += 1;
        }
        Ok(steps)
    }

    /// The action of one line (and the indented lines below it, where it takes some); `None` for a definition.
    fn action(&mut self, text: &str, depth: usize) -> Result<Option<Action>, String> {
        if let Some((connection, side, rest)) = speech(text) {
            return self.speech(connection, side, rest, depth).map(Some);
        }
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        Ok(Some(match word {
            "connect" => Action::Connect(self.connect(rest)?),
            "disconnect" => Action::Disconnect(rest.to_owned()),
            "finish" => Action::Finish(rest.to_owned()),
            "handshake" => {
                let (name, or_end) = rest.strip_suffix("or end").map_or((rest, false), |name| (name.trim(), true));
                Action::Handshake { connection: name.to_owned(), or_end }
            }
            "compress" | "decompress" => Action::Compress { connection: rest.to_owned(), on: word == "compress" },
            "arrived" => arrived(rest)?,
            "deliver" => {
                self.acting.push("(deliver)".to_owned());
                self.deliver(rest)?
            }
            "append" => {
                self.acting.push("(append)".to_owned());
                let (message, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
                let arguments = arguments.trim().strip_prefix("to ").unwrap_or("INBOX").to_owned();
                Action::Append { message: self.message(message)?, arguments }
            }
            "check" => {
                let parts: Vec<&str> = rest.splitn(3, ' ').collect();
                let [left, operator @ ("=" | "!=" | "<"), right] = parts[..] else {
                    return Err("check LEFT = RIGHT, with =, != or <".to_owned());
                };
                Action::Check { left: left.into(), operator: operator.into(), right: right.into() }
            }
            "rules" => {
                let of = match rest.strip_prefix("for ") {
                    Some(of) => of.trim().to_owned(),
                    None if rest.is_empty() => "user".to_owned(),
                    None => return Err("rules [for USER], then indented lines".to_owned()),
                };
                let script = self.indented(depth).iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
                Action::Rules { of, script }
            }
            "repeat" => {
                let times = rest.parse().map_err(|_| "repeat NUMBER, then indented lines")?;
                self.at += 1;
                let steps = self.steps(depth + 2)?;
                self.at -= 1;
                Action::Repeat { times, steps }
            }
            "message" => {
                let (name, options) = rest.split_once(' ').unwrap_or((rest, ""));
                let lines = self.indented(depth);
                let mut bytes: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\r\n"].concat()).collect();
                match options {
                    "" => {}
                    "without final newline" => bytes.truncate(bytes.len().saturating_sub(2)),
                    other => return Err(format!("{other:?} is no option of message: without final newline")),
                }
                self.messages.insert(name.to_owned(), bytes);
                return Ok(None);
            }
            "bytes" => {
                let (name, source) = rest.split_once(' ').ok_or("bytes NAME \"…\" \"…\"*NUMBER …")?;
                let bytes = byte_string(source)?;
                self.messages.insert(name.to_owned(), bytes);
                return Ok(None);
            }
            other => return Err(format!("{other:?} begins no step")),
        }))
    }

    /// The lines below this one that are indented deeper, without the indentation.
    fn indented(&mut self, depth: usize) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = self.lines.get(self.at + 1) {
            if !line.trim().is_empty() && indent(line) < depth + 2 {
                break;
            }
            found.push(line.get(depth + 2..).unwrap_or("").to_owned());
            self.at += 1;
        }
        // Empty lines before the next step belong to nobody.
        while found.last().is_some_and(String::is_empty) {
            found.pop();
        }
        found
    }

    fn message(&self, name: &str) -> Result<Vec<u8>, String> {
        self.messages.get(name).cloned().map_or_else(|| (self.find)(name), Ok)
    }

    fn connect(&mut self, rest: &str) -> Result<Connect, String> {
        let (connection, rest) = match rest.split_once(':') {
            Some((name, rest)) => (name.trim().to_owned(), rest.trim()),
            None => (String::new(), rest),
        };
        let mut words = rest.split_whitespace().peekable();
        let service = words.next().and_then(Service::named).ok_or("connect [NAME:] SERVICE …, such as imap")?;
        let mut connect = Connect::to(&connection, service);
        while let Some(word) = words.next() {
            match word {
                "raw" => connect.raw = true,
                "cold" => connect.cold = true,
                "starttls" => connect.starttls = true,
                "ehlo" => connect.ehlo = true,
                "login" => {
                    connect.login = Some("user".to_owned());
                    if words.next_if_eq(&"as").is_some() {
                        connect.login = Some(words.next().ok_or("login as WHOM")?.to_owned());
                    }
                }
                "select" | "examine" => {
                    let mailbox = words.next().ok_or("select WHICH mailbox")?.to_owned();
                    connect.select = Some((mailbox, word == "examine"));
                }
                other => return Err(format!("{other:?} is no option of connect")),
            }
        }
        let language = if connect.raw { Language::Lines } else { service.language() };
        self.languages.insert(connection, language);
        Ok(connect)
    }

    fn deliver(&self, rest: &str) -> Result<Action, String> {
        let mut words = rest.split_whitespace();
        let message = self.message(words.next().ok_or("deliver MESSAGE")?)?;
        let (mut to, mut by, mut target) = (Vec::new(), None, "");
        for word in words {
            match (word, target) {
                ("to" | "by", _) => target = word,
                (word, "to") => to.push(word.to_owned()),
                (word, "by") => by = Some(Service::named(word).ok_or("deliver … by smtp or by lmtp")?),
                _ => return Err("deliver MESSAGE [to WHOM …] [by smtp|lmtp]".to_owned()),
            }
        }
        Ok(Action::Deliver { message, to, by })
    }

    fn speech(&mut self, connection: &str, side: Side, rest: &str, depth: usize) -> Result<Action, String> {
        let language =
            *self.languages.get(connection).ok_or_else(|| format!("no connection {connection:?} has been opened"))?;
        let connection = connection.to_owned();
        match side {
            Side::Client(kind) => {
                let (kind, split) = kind.strip_prefix("split").map_or((kind, false), |k| (k.trim(), true));
                let what = match kind {
                    "" => Sending::Line(self.line_parts(rest)?),
                    "raw" => Sending::Raw(raw_parts(rest)?),
                    "data" => Sending::Data(self.bytes(rest)?),
                    "bdat" => {
                        let (bytes, last) = rest.strip_suffix(" LAST").map_or((rest, false), |r| (r, true));
                        let (bytes, last) = if bytes == "LAST" { ("\"\"", true) } else { (bytes, last) };
                        Sending::Bdat { bytes: self.bytes(bytes)?, last }
                    }
                    "bytes" => Sending::Raw(vec![RawPart::Bytes(self.bytes(rest)?)]),
                    other => return Err(format!("C {other}: is no way to send: raw, data, bdat, bytes, split")),
                };
                Ok(Action::Send { connection, what, split })
            }
            Side::Server(kind) => {
                let line = self.at + 1;
                let expectation = self.expectation(kind, rest, language, depth)?;
                if kind == "told" && !self.acting.iter().any(|who| *who != connection) {
                    return Err(
                        "S told: is measured from the last answer to somebody else, and there is none".to_owned()
                    );
                }
                self.acting.push(connection.clone());
                Ok(Action::Expect { connection, block: vec![(line, expectation)] })
            }
        }
    }

    fn expectation(&mut self, kind: &str, rest: &str, language: Language, depth: usize) -> Result<Expectation, String> {
        let find = |name: &str| self.message(name);
        let pattern = || {
            Ok::<_, String>(match language {
                Language::Imap => ReplyPattern::Imap(Pattern::parse(rest, &find)?),
                _ => ReplyPattern::Text(rest.to_owned()),
            })
        };
        Ok(match kind {
            "" | "then" => Expectation::Reply { pattern: pattern()?, then: kind == "then", told: false },
            "told" => match pattern()? {
                ReplyPattern::Imap(pattern) if pattern.is_untagged() => {
                    Expectation::Reply { pattern: ReplyPattern::Imap(pattern), then: false, told: true }
                }
                _ => return Err("S told: is for untagged responses of IMAP".to_owned()),
            },
            "not" => Expectation::Not(pattern()?),
            "has" => Expectation::Has(rest.to_owned()),
            "lacks" => Expectation::Lacks(rest.to_owned()),
            "closes" => Expectation::Closes,
            "lines" => Expectation::Lines(self.indented(depth)),
            "message" => {
                let inner = rest.strip_prefix('{').and_then(|r| r.strip_suffix('}'));
                match inner.and_then(|i| i.split_once(' ')) {
                    Some(("file", name)) => Expectation::Message(MessagePattern::Exactly(self.message(name.trim())?)),
                    Some(("delivered", name)) => {
                        Expectation::Message(MessagePattern::Delivered(self.message(name.trim())?))
                    }
                    _ => return Err("S message: {file NAME} or {delivered NAME}".to_owned()),
                }
            }
            quiet if quiet.starts_with("quiet for ") => {
                let ms = quiet["quiet for ".len()..].strip_suffix("ms").map(str::trim).and_then(|n| n.parse().ok());
                Expectation::Quiet(Duration::from_millis(ms.ok_or("S quiet for NUMBER ms")?))
            }
            other => return Err(format!("S {other}: is no way to expect")),
        })
    }

    /// A name of a message, or strings in quotes.
    fn bytes(&self, source: &str) -> Result<Vec<u8>, String> {
        if source.starts_with('"') { byte_string(source) } else { self.message(source) }
    }

    /// Text and `{file NAME}`, `{text "…"}` with `+` or `8` behind the word where the literal is such a one; `{base64 "…"}`
    /// and `{scram "…" $challenge "…"}`.
    fn line_parts(&self, source: &str) -> Result<Vec<LinePart>, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        loop {
            let literal = ["{file", "{text", "{base64", "{scram"].iter().filter_map(|word| rest.find(word)).min();
            let Some(at) = literal else {
                parts.push(LinePart::Text(rest.to_owned()));
                return Ok(parts);
            };
            parts.push(LinePart::Text(rest[..at].to_owned()));
            let inner = &rest[at + 1..];
            let (word, argument) = inner.split_once(' ').ok_or("{file NAME} or {text \"…\"}")?;
            if let "base64" | "scram" = word {
                let end = argument.find('}').ok_or("} is missing")?;
                parts.push(computed(word, &argument[..end])?);
                rest = &argument[end + 1..];
                continue;
            }
            let (bytes, length) = if word.starts_with("text") {
                unquote(argument)?
            } else {
                let end = argument.find('}').ok_or("} is missing")?;
                (self.message(&argument[..end])?, end)
            };
            let marks = &word[4..];
            parts.push(LinePart::Literal { bytes, plus: marks.contains('+'), binary: marks.contains('8') });
            rest = argument[length..].strip_prefix('}').ok_or("} is missing")?;
        }
    }
}

/// `arrived NUMBER [for USER] [in MAILBOX]`.
fn arrived(rest: &str) -> Result<Action, String> {
    const FORM: &str = "arrived NUMBER [for USER] [in MAILBOX]";
    let mut words = rest.split_whitespace();
    let messages = words.next().and_then(|number| number.parse().ok()).ok_or(FORM)?;
    let (mut of, mut mailbox) = ("user".to_owned(), "INBOX".to_owned());
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("for", Some(user)) => user.clone_into(&mut of),
            ("in", Some(name)) => name.clone_into(&mut mailbox),
            _ => return Err(FORM.to_owned()),
        }
    }
    Ok(Action::Arrived { messages, of, mailbox })
}

/// What the runner works out when the line is sent.
fn computed(word: &str, arguments: &str) -> Result<LinePart, String> {
    let quoted: Vec<&str> = arguments.split('"').collect();
    match (word, quoted.as_slice()) {
        ("base64", ["", _, ""]) => {
            let (text, _) = unquote(arguments)?;
            String::from_utf8(text).map(LinePart::Base64).map_err(|error| error.to_string())
        }
        ("scram", ["", first, challenge, password, ""]) => Ok(LinePart::Scram {
            first: (*first).to_owned(),
            challenge: challenge.trim().to_owned(),
            password: (*password).to_owned(),
        }),
        _ => Err("{base64 \"…\"} or {scram \"FIRST MESSAGE\" $challenge \"PASSWORD\"}".to_owned()),
    }
}

fn needs(value: &str) -> Result<Vec<Need>, String> {
    let mut needs = Vec::new();
    for group in value.split([',', ';']) {
        let mut words = group.split_whitespace();
        let service = words.next().and_then(Service::named).ok_or("needs: SERVICE [CAPABILITY …][, SERVICE …]")?;
        needs.push(Need { service, capability: None });
        needs.extend(words.map(|word| Need { service, capability: Some(word.to_owned()) }));
    }
    Ok(needs)
}

enum Side<'a> {
    Client(&'a str),
    Server(&'a str),
}

/// `[NAME] C [KIND]: …` or `[NAME] S [KIND]: …`: the connection's name, the side with its kind, what follows.
fn speech(text: &str) -> Option<(&str, Side<'_>, &str)> {
    let (before, rest) = text.split_once(':').unwrap_or((text, ""));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let words: Vec<&str> = before.split(' ').collect();
    let at = words.iter().take(2).position(|w| *w == "C" || *w == "S")?;
    let name = if at == 0 { "" } else { words[0] };
    let kind = before[before.len() - words[at + 1..].iter().map(|w| w.len() + 1).sum::<usize>()..].trim();
    let side = if words[at] == "C" { Side::Client(kind) } else { Side::Server(kind) };
    Some((name, side, rest))
}

/// `"…" "…"*NUMBER …`: strings one after the other, some of them repeated.
fn byte_string(source: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = source.trim();
    while !rest.is_empty() {
        if !rest.starts_with('"') {
            return Err("strings stand in quotes".to_owned());
        }
        let (piece, length) = unquote(rest)?;
        rest = &rest[length..];
        let mut times = 1;
        if let Some(after) = rest.strip_prefix('*') {
            let end = after.find(' ').unwrap_or(after.len());
            times = after[..end].parse().map_err(|_| "\"…\"*NUMBER")?;
            rest = &after[end..];
        }
        bytes.extend(piece.repeat(times));
        rest = rest.trim_start();
    }
    Ok(bytes)
}

fn raw_parts(source: &str) -> Result<Vec<RawPart>, String> {
    let has_names = crate::bindings::pieces(source).iter().any(|p| matches!(p, crate::bindings::Piece::Name { .. }));
    let bytes = byte_string(source)?;
    if has_names {
        let text = String::from_utf8(bytes).map_err(|_| "names in a string that is not UTF-8")?;
        return Ok(vec![RawPart::Text(text)]);
    }
    Ok(vec![RawPart::Bytes(bytes)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# A rule.\nrfc: RFC 1 §1\nneeds: imap IDLE UIDPLUS, smtp\nusers: bob\n\n";

    fn read(body: &str) -> Result<Transcript, ParseError> {
        parse("x", &format!("{HEAD}{body}"), &|name| Err(format!("no file {name}")))
    }

    #[test]
    fn a_whole_transcript() {
        let transcript = read(
            "message m\n  Subject: x\n\n  body\n\nconnect a: imap login as bob select INBOX\na C: t APPEND INBOX {file+ m} x\n\
             a S: * 1 EXISTS\na S not: * $_ EXPUNGE\na S: t OK\nrepeat 3\n  deliver m to bob by lmtp\na S closes\n",
        )
        .unwrap();
        assert_eq!(transcript.needs.len(), 4);
        assert_eq!(transcript.steps.len(), 5);
        let Action::Connect(connect) = &transcript.steps[0].action else { panic!("connect") };
        assert_eq!(connect.login.as_deref(), Some("bob"));
        let Action::Send { what: Sending::Line(parts), .. } = &transcript.steps[1].action else { panic!("line") };
        let LinePart::Literal { bytes, plus: true, binary: false } = &parts[1] else { panic!("literal") };
        assert_eq!(bytes, b"Subject: x\r\n\r\nbody\r\n");
        let parts = computed("scram", "\"n,,n=u,r=x\" $c \"secret\"").unwrap();
        assert!(matches!(parts, LinePart::Scram { challenge, .. } if challenge == "$c"));
        assert!(matches!(computed("base64", "\"n,,\""), Ok(LinePart::Base64(text)) if text == "n,,"));
        let login = computed("base64", r#""\0$user\0$password""#);
        assert!(matches!(login, Ok(LinePart::Base64(text)) if text == "\0$user\0$password"));
        assert!(computed("scram", "\"n,,n=u,r=x\" $c").is_err());
        let Action::Expect { block, .. } = &transcript.steps[2].action else { panic!("block") };
        assert_eq!(block.len(), 3);
    }

    #[test]
    fn errors_name_their_line() {
        for (body, line, word) in [
            ("connect imap\nC: a\nfrobnicate\n", 8, "frobnicate"),
            ("C: a\n", 6, "no connection"),
            ("connect imap\nS: * LIST (\n", 7, "missing"),
            ("deliver nothing.eml\n", 6, "no file"),
            ("connect imap\nC: t NOOP\nS: t OK\nS told: * 1 EXISTS\n", 9, "somebody else"),
            ("connect a: imap\nconnect b: imap\na S: t OK\nb S told: t OK\n", 9, "untagged"),
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.what.contains(word), "{error}");
        }
        assert!(parse("x", "connect imap\n", &|_| Err(String::new())).is_err());
    }

    #[test]
    fn what_arrived_is_a_number_in_somebodys_mailbox() {
        let step = |body| read(body).unwrap().steps.remove(0).action;
        let Action::Arrived { messages: 2, of, mailbox } = step("arrived 2\n") else { panic!("arrived") };
        assert_eq!((of.as_str(), mailbox.as_str()), ("user", "INBOX"));
        let Action::Arrived { messages: 1, of, mailbox } = step("arrived 1 for bob in Junk\n") else {
            panic!("arrived")
        };
        assert_eq!((of.as_str(), mailbox.as_str()), ("bob", "Junk"));
        for wrong in ["arrived\n", "arrived some\n", "arrived 1 for\n", "arrived 1 at home\n"] {
            assert_eq!(read(wrong).unwrap_err().line, 6, "{wrong}");
        }
    }

    #[test]
    fn byte_strings() {
        assert_eq!(byte_string(r#""a\x00" "b"*3 "\r\n""#).unwrap(), b"a\0bbb\r\n");
        assert!(byte_string("a").is_err());
    }
}
