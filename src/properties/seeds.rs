//! Where inputs begin: the messages of the tree, and what the clients of the transcripts say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::wire::dot;

/// The root of the tree.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder`, in the order of their names; none where there is no such folder.
pub(super) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(next) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Messages that are no longer than `octets_max`.
pub(super) fn messages(octets_max: usize) -> Vec<Vec<u8>> {
    let folders = ["fixtures/messages", "fixtures/real-life", "fixtures/broken", "protocol-tests/messages"];
    let messages = folders.into_iter().flat_map(files).map(|path| read(&path));
    messages.filter(|message| message.len() <= octets_max).collect()
}

/// What the clients of the transcripts below `folder` send, one conversation each, without what needs an answer first.
pub(super) fn conversations(folder: &str) -> Vec<Vec<u8>> {
    transcripts(folder)
        .iter()
        .map(|transcript| client_lines(transcript).concat())
        .filter(|said| !said.is_empty())
        .collect()
}

/// Each line of them by itself, without its CRLF, once.
pub(super) fn lines(folder: &str) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = transcripts(folder).iter().flat_map(|transcript| client_lines(transcript)).collect();
    for line in &mut lines {
        if line.ends_with(b"\r\n") {
            line.truncate(line.len() - 2);
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

/// The scripts of the transcripts below `folder`.
pub(super) fn scripts(folder: &str) -> Vec<Vec<u8>> {
    let mut scripts = Vec::new();
    for transcript in transcripts(folder) {
        let mut lines = transcript.lines().peekable();
        while let Some(line) = lines.next() {
            if line != "rules" && !line.starts_with("rules for ") {
                continue;
            }
            let mut script = String::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                script.push_str(&names(line));
                script.push('\n');
            }
            scripts.push(script.into_bytes());
        }
    }
    scripts
}

fn transcripts(folder: &str) -> Vec<String> {
    let files = files(&format!("protocol-tests/transcripts/{folder}"));
    files.iter().map(|path| String::from_utf8_lossy(&read(path)).into_owned()).collect()
}

/// What stands for the names of a transcript.
fn names(text: &str) -> String {
    [
        ("$user", "alice@localhost"),
        ("$bob", "bob@localhost"),
        ("$local", "alice"),
        ("$domain", "localhost"),
        ("$password", "secret"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// What a transcript's clients send, in the order in which it stands there.
fn client_lines(transcript: &str) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for line in transcript.lines() {
        let Some((who, what)) = line.split_once(": ") else {
            if line.starts_with("connect") && line.contains(" ehlo") {
                let verb = if line.contains("lmtp") { "LHLO" } else { "EHLO" };
                lines.push(format!("{verb} client.example\r\n").into_bytes());
            }
            continue;
        };
        let words: Vec<&str> = who.split(' ').collect();
        match words.as_slice() {
            ["C"] | [_, "C"] | ["C", "split"] => lines.push(format!("{}\r\n", names(what)).into_bytes()),
            ["C", .., "raw"] => lines.push(quoted(what)),
            ["C", .., "data"] => lines.extend(message(what).map(|message| stuffed(&message))),
            ["C", "bytes"] => lines.extend(message(what)),
            ["C", .., "bdat"] => lines.extend(chunk(what)),
            _ => {}
        }
    }
    lines
}

/// A message by its name; `None`: the transcript makes it itself.
fn message(name: &str) -> Option<Vec<u8>> {
    let name = name.split(' ').next()?;
    ["protocol-tests/messages", "fixtures/messages"]
        .iter()
        .find_map(|folder| fs::read(root().join(folder).join(name)).ok())
}

fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut encoder = dot::Encoder::new();
    let mut out = Vec::new();
    encoder.encode(message, &mut out);
    encoder.finish(&mut out);
    out
}

fn chunk(what: &str) -> Option<Vec<u8>> {
    let message = message(what)?;
    let last = if what.ends_with(" LAST") { " LAST" } else { "" };
    Some([format!("BDAT {}{last}\r\n", message.len()).as_bytes(), &message].concat())
}

/// The octets of `"…" "…"`, with their escapes; what is to be repeated stands there once.
fn quoted(what: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = what.bytes();
    let mut inside = false;
    while let Some(octet) = rest.next() {
        match octet {
            b'"' => inside = !inside,
            b'\\' if inside => match rest.next() {
                Some(b'r') => octets.push(b'\r'),
                Some(b'n') => octets.push(b'\n'),
                Some(b't') => octets.push(b'\t'),
                Some(b'0') => octets.push(0),
                Some(b'x') => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    octets.extend(u8::from_str_radix(&digits, 16));
                }
                other => octets.extend(other),
            },
            _ if inside => octets.push(octet),
            _ => {}
        }
    }
    octets
}

/// Each of them with each of these first octets, for [`Choice`](super::Choice).
pub(super) fn with_choices(choices: &[u8], inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let chosen = |choice: u8| inputs.iter().map(move |input| [&[choice][..], input].concat());
    choices.iter().flat_map(|choice| chosen(*choice)).collect()
}
