//! Rules that every IMAP session obeys at every moment, checked on each reply whatever the transcript asks for.
//!
//! - EXISTS never falls without an EXPUNGE for each message that went (RFC 3501 §7.3.1).
//! - EXPUNGE names a message that is there; it is never sent while no command is in progress, nor while all commands in
//!   progress are FETCH, STORE, SEARCH, SORT or THREAD by sequence number (RFC 3501 §7.4.1, RFC 5256 §3).
//! - VANISHED without (EARLIER) may come where EXPUNGE may, and names no more messages than there are (RFC 7162 §3.2.10.2).
//! - FETCH names a message that has been announced (RFC 3501 §7.4.2), and none of them comes without a mailbox.
//! - ESEARCH names a command in progress (RFC 4731 §3.1), and no sequence number beyond the mailbox.
//! - After ENABLE UIDONLY neither FETCH nor EXPUNGE comes, but UIDFETCH and VANISHED, and ESEARCH has UIDs; before it no
//!   UIDFETCH comes (RFC 9586 §3). VANISHED without (EARLIER) needs UIDONLY or QRESYNC.
//! - After ENABLE IMAP4rev2 a FETCH that nobody asked for has the UID (RFC 9051 §7.5.2).

use std::collections::BTreeSet;

use super::value::{Kind, Response, Value};

/// What the client has been told of the selected mailbox, and which commands it waits for.
#[derive(Debug, Default)]
pub struct Session {
    exists: Option<u64>,
    in_progress: Vec<(String, String)>,
    /// NOTIFY SET with SELECTED: the client can follow a renumbering at any time (RFC 5465 §5.3).
    follows: bool,
    /// What ENABLED has named, in capitals.
    enabled: BTreeSet<String>,
}

/// Commands during which EXPUNGE may not be sent, in their form with sequence numbers.
const NO_EXPUNGE: [&str; 5] = ["FETCH", "STORE", "SEARCH", "SORT", "THREAD"];
/// What the client may say first in a command; other lines are continuations (`DONE`, literals, SASL).
const COMMANDS: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "LOGOUT",
    "STARTTLS",
    "AUTHENTICATE",
    "LOGIN",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "STATUS",
    "APPEND",
    "REPLACE",
    "CHECK",
    "CLOSE",
    "EXPUNGE",
    "SEARCH",
    "SORT",
    "THREAD",
    "ESEARCH",
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID",
    "IDLE",
    "ENABLE",
    "UNSELECT",
    "NAMESPACE",
    "UNAUTHENTICATE",
    "COMPRESS",
    "ID",
    "NOTIFY",
    "UIDBATCHES",
];

impl Session {
    /// Takes note of what the client sends.
    pub fn sent(&mut self, bytes: &[u8]) {
        for line in bytes.split(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_ascii_whitespace();
            let (Some(tag), Some(command)) = (words.next(), words.next()) else { continue };
            let mut command = command.to_ascii_uppercase();
            if !COMMANDS.contains(&command.as_str()) {
                continue;
            }
            if command == "NOTIFY" && asks_for_selected(&line) {
                command = NOTIFY_SELECTED.to_owned();
            }
            if command == "UID" {
                command = format!("UID {}", words.next().unwrap_or("").to_ascii_uppercase());
            }
            self.in_progress.push((tag.to_owned(), command));
        }
    }

    /// Holds a reply to the rules: the rule that it breaks is the error.
    pub fn received(&mut self, response: &Response) -> Result<(), String> {
        match &response.kind {
            Kind::Tagged(tag) => self.completed(tag, response.word(0).as_deref() == Some("OK")),
            Kind::Untagged => return self.untagged(response),
            Kind::Continuation => {}
        }
        Ok(())
    }

    fn completed(&mut self, tag: &str, ok: bool) {
        let Some(at) = self.in_progress.iter().position(|(t, _)| t == tag) else { return };
        let (_, command) = self.in_progress.remove(at);
        if ok && command.starts_with("NOTIFY") {
            self.follows = command == NOTIFY_SELECTED;
        }
        let selects = command == "SELECT" || command == "EXAMINE";
        if (selects && !ok) || (ok && (command == "CLOSE" || command == "UNSELECT" || command == "UNAUTHENTICATE")) {
            self.exists = None;
        }
        if ok && command == "UNAUTHENTICATE" {
            self.enabled.clear();
            self.follows = false;
        }
    }

    /// Whether messages may be renumbered now; `what` would do it.
    fn renumbers(&self, what: &str) -> Result<(), String> {
        if self.follows {
            return Ok(());
        }
        if self.in_progress.is_empty() {
            return Err(format!("{what} while no command is in progress (RFC 3501 §7.4.1)"));
        }
        if self.in_progress.iter().all(|(_, c)| NO_EXPUNGE.contains(&c.as_str())) {
            return Err(format!("{what} during {} (RFC 3501 §7.4.1)", self.in_progress[0].1));
        }
        Ok(())
    }

    fn has_enabled(&self, capability: &str) -> bool {
        self.enabled.contains(capability)
    }

    /// Whether the client reads UTF-8 in quoted strings.
    pub fn reads_utf8(&self) -> bool {
        self.has_enabled("UTF8=ACCEPT") || self.has_enabled("IMAP4REV2")
    }

    fn enabled(&mut self, response: &Response) {
        let names = (1..response.values.len()).filter_map(|index| response.word(index));
        self.enabled.extend(names);
    }

    /// `ESEARCH [(TAG tag [MAILBOX … UIDVALIDITY …])] [UID] …` (RFC 4466 §2.6.2, RFC 7377 §2.1)
    fn esearch(&self, response: &Response) -> Result<(), String> {
        let mut values = &response.values[1..];
        if let [Value::List(correlator), rest @ ..] = values {
            values = rest;
            let is_tag = |value: &Value| matches!(value, Value::Atom(name) if name.eq_ignore_ascii_case(b"TAG"));
            // The mailbox may stand beside it (RFC 7377 §2.1).
            if let Some([_, Value::Atom(tag) | Value::Text(tag)]) = correlator.chunks(2).find(|pair| is_tag(&pair[0]))
                && !self.in_progress.iter().any(|(known, _)| known.as_bytes() == tag)
            {
                return Err(format!("ESEARCH for {:?}, which is not in progress", String::from_utf8_lossy(tag)));
            }
        }
        if matches!(values.first(), Some(Value::Atom(uid)) if uid.eq_ignore_ascii_case(b"UID")) {
            return Ok(());
        }
        if self.has_enabled("UIDONLY") {
            return Err("ESEARCH without UID after ENABLE UIDONLY (RFC 9586 §3)".to_owned());
        }
        let Some(exists) = self.exists else { return Ok(()) };
        for pair in values.chunks(2) {
            if let [Value::Atom(name), Value::Atom(numbers)] = pair
                && ["ALL", "MIN", "MAX"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
                && highest(numbers).is_none_or(|highest| highest > exists)
            {
                return Err(format!("ESEARCH names {} of {exists} messages", String::from_utf8_lossy(numbers)));
            }
        }
        Ok(())
    }

    /// FETCH and UIDFETCH: which of the two, and with the UID where nobody asked.
    fn fetched(&self, kind: &str, response: &Response) -> Result<(), String> {
        if (kind == "UIDFETCH") != self.has_enabled("UIDONLY") {
            return Err(format!("{kind} where ENABLE UIDONLY decides otherwise (RFC 9586 §3)"));
        }
        let asked = ["FETCH", "STORE", "UID FETCH", "UID STORE", "SELECT", "EXAMINE"];
        let unasked = !self.in_progress.iter().any(|(_, command)| asked.contains(&command.as_str()));
        if kind == "FETCH" && unasked && self.has_enabled("IMAP4REV2") {
            let Some(Value::List(items)) = response.values.get(2) else { return Ok(()) };
            let is_uid = |value: &Value| matches!(value, Value::Atom(name) if name.eq_ignore_ascii_case(b"UID"));
            if !items.iter().step_by(2).any(is_uid) {
                return Err("FETCH without UID that nobody asked for (RFC 9051 §7.5.2)".to_owned());
            }
        }
        Ok(())
    }

    fn vanished(&mut self, uids: &[u8]) -> Result<(), String> {
        if !self.has_enabled("QRESYNC") && !self.has_enabled("UIDONLY") {
            return Err("VANISHED, which nobody has enabled (RFC 7162 §3.2.10)".to_owned());
        }
        self.renumbers("VANISHED")?;
        let exists = self.exists.ok_or("VANISHED without a selected mailbox")?;
        let gone = count(uids).ok_or("VANISHED without UIDs")?;
        match exists.checked_sub(gone) {
            Some(left) => {
                self.exists = Some(left);
                Ok(())
            }
            None => Err(format!("VANISHED names {gone} of {exists} messages")),
        }
    }

    fn untagged(&mut self, response: &Response) -> Result<(), String> {
        match (response.word(0).as_deref(), response.values.get(1)) {
            (Some("VANISHED"), Some(Value::Atom(uids))) => return self.vanished(uids),
            (Some("ENABLED"), _) => {
                self.enabled(response);
                return Ok(());
            }
            (Some("ESEARCH"), _) => return self.esearch(response),
            _ => {}
        }
        let Some(Value::Atom(number)) = response.values.first() else { return Ok(()) };
        let Some(number) = std::str::from_utf8(number).ok().and_then(|n| n.parse::<u64>().ok()) else { return Ok(()) };
        let selecting = self.in_progress.iter().any(|(_, c)| c == "SELECT" || c == "EXAMINE");
        let kind = response.word(1).unwrap_or_default();
        let exists = match (self.exists, kind.as_str()) {
            (_, "EXISTS") if selecting => {
                self.exists = Some(number);
                return Ok(());
            }
            (None, "EXISTS" | "EXPUNGE" | "FETCH" | "UIDFETCH") if selecting => return Ok(()),
            (None, "EXISTS" | "EXPUNGE" | "FETCH" | "UIDFETCH") => {
                return Err(format!("{kind} without a selected mailbox"));
            }
            (Some(exists), _) => exists,
            (None, _) => return Ok(()),
        };
        match kind.as_str() {
            "EXISTS" if number < exists => {
                Err(format!("EXISTS falls from {exists} to {number} without EXPUNGE (RFC 3501 §7.3.1)"))
            }
            "EXISTS" => {
                self.exists = Some(number);
                Ok(())
            }
            "EXPUNGE" => {
                if self.has_enabled("UIDONLY") {
                    return Err("EXPUNGE after ENABLE UIDONLY (RFC 9586 §3)".to_owned());
                }
                self.renumbers("EXPUNGE")?;
                if number == 0 || number > exists {
                    return Err(format!("EXPUNGE {number} of {exists} messages"));
                }
                self.exists = Some(exists - 1);
                Ok(())
            }
            "FETCH" if number == 0 || number > exists => Err(format!("FETCH {number} of {exists} messages")),
            "FETCH" | "UIDFETCH" => self.fetched(&kind, response),
            _ => Ok(()),
        }
    }
}

/// NOTIFY with SELECTED, as a command of its own.
const NOTIFY_SELECTED: &str = "NOTIFY SELECTED";

/// Whether a NOTIFY asks to be told of expunges in the selected mailbox at once (RFC 5465 §6.1.1).
fn asks_for_selected(line: &str) -> bool {
    let line = line.to_ascii_uppercase();
    line.split_once("(SELECTED ").is_some_and(|(_, events)| !events.starts_with("NONE"))
}

/// The highest number of a set.
fn highest(numbers: &[u8]) -> Option<u64> {
    let numbers = std::str::from_utf8(numbers).ok()?.split([',', ':']);
    numbers.map(|number| number.parse::<u64>().ok()).try_fold(0, |highest, number| Some(highest.max(number?)))
}

/// How many UIDs are in a set.
fn count(uids: &[u8]) -> Option<u64> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    std::str::from_utf8(uids).ok()?.split(',').try_fold(0, |count, range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        Some(count + number(last)?.abs_diff(number(first)?) + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected() -> Session {
        let mut session = Session::default();
        session.sent(b"a SELECT INBOX\r\n");
        for line in ["* 3 EXISTS", "a OK done"] {
            session.received(&Response::read(line.as_bytes()).unwrap()).unwrap();
        }
        session
    }

    fn hears(session: &mut Session, line: &str) -> Result<(), String> {
        session.received(&Response::read(line.as_bytes()).unwrap())
    }

    #[test]
    fn expunge_is_refused_during_fetch_and_between_commands_but_not_during_uid_fetch() {
        let mut session = selected();
        assert!(hears(&mut session, "* 1 EXPUNGE").is_err());
        session.sent(b"b FETCH 1 FLAGS\r\n");
        assert!(hears(&mut session, "* 1 EXPUNGE").is_err());
        let mut session = selected();
        session.sent(b"c UID FETCH 1 FLAGS\r\n");
        assert!(hears(&mut session, "* 1 EXPUNGE").is_ok());
        assert!(hears(&mut session, "* 3 EXPUNGE").is_err());
    }

    #[test]
    fn vanished_is_held_to_what_expunge_is_but_not_in_answer_to_a_question() {
        let mut session = selected();
        assert!(hears(&mut session, "* VANISHED (EARLIER) 1:100").is_ok());
        assert!(hears(&mut session, "* VANISHED 1").is_err());
        session.sent(b"b FETCH 1 FLAGS\r\n");
        assert!(hears(&mut session, "* VANISHED 1").is_err());
        let mut session = selected();
        session.sent(b"c NOOP\r\n");
        assert!(hears(&mut session, "* VANISHED 1").is_err(), "nobody has enabled it");
        assert!(hears(&mut session, "* ENABLED QRESYNC").is_ok());
        assert!(hears(&mut session, "* VANISHED 4,7:8").is_ok());
        assert!(hears(&mut session, "* VANISHED 9").is_err());
    }

    #[test]
    fn expunge_is_good_at_any_time_for_who_asked_for_it() {
        let mut session = selected();
        session.sent(b"b NOTIFY SET (selected (MessageNew MessageExpunge))\r\n");
        assert!(hears(&mut session, "b NO too much").is_ok());
        assert!(hears(&mut session, "* 1 EXPUNGE").is_err());
        session.sent(b"c NOTIFY SET (Selected (MessageNew MessageExpunge))\r\n");
        assert!(hears(&mut session, "c OK done").is_ok());
        assert!(hears(&mut session, "* 1 EXPUNGE").is_ok());
        session.sent(b"d FETCH 1 FLAGS\r\n");
        assert!(hears(&mut session, "* VANISHED 7").is_err(), "nobody has enabled it");
        assert!(hears(&mut session, "* ENABLED QRESYNC").is_ok());
        assert!(hears(&mut session, "* VANISHED 7").is_ok());
        for less in ["(selected-delayed (MessageNew MessageExpunge))", "(selected NONE)", "(inboxes (MailboxName))"] {
            session.sent(format!("e NOTIFY SET {less}\r\n").as_bytes());
            assert!(hears(&mut session, "e OK done").is_ok());
            session.in_progress.clear();
            assert!(hears(&mut session, "* 1 EXPUNGE").is_err(), "{less}");
        }
    }

    #[test]
    fn who_goes_by_uid_hears_no_number() {
        let mut session = selected();
        session.sent(b"b UID FETCH 9 FLAGS\r\nc NOOP\r\n");
        assert!(hears(&mut session, "* 9 UIDFETCH (FLAGS ())").is_err());
        assert!(hears(&mut session, "* ENABLED UIDONLY").is_ok());
        assert!(hears(&mut session, "* 9 UIDFETCH (FLAGS ())").is_ok());
        assert!(hears(&mut session, "* 1 FETCH (FLAGS ())").is_err());
        assert!(hears(&mut session, "* 1 EXPUNGE").is_err());
        assert!(hears(&mut session, "* VANISHED 9").is_ok());
        assert!(hears(&mut session, "* ESEARCH (TAG \"c\") UID ALL 9").is_ok());
        assert!(hears(&mut session, "* ESEARCH (TAG \"c\") ALL 1").is_err());
    }

    #[test]
    fn esearch_answers_a_command_with_numbers_that_are_there() {
        let mut session = selected();
        session.sent(b"b SEARCH RETURN () ALL\r\n");
        assert!(hears(&mut session, "* ESEARCH (TAG \"b\") ALL 1:3").is_ok());
        assert!(hears(&mut session, "* ESEARCH (TAG \"b\")").is_ok());
        assert!(hears(&mut session, "* ESEARCH (TAG \"x\") ALL 1:3").is_err());
        assert!(hears(&mut session, "* ESEARCH (TAG \"b\") COUNT 9 ALL 1:4").is_err());
        assert!(hears(&mut session, "* ESEARCH (TAG \"b\") UID ALL 9").is_ok());
        assert!(hears(&mut session, "* ESEARCH (TAG b MAILBOX a UIDVALIDITY 1) UID ALL 9").is_ok());
        assert!(hears(&mut session, "* ESEARCH (MAILBOX b UIDVALIDITY 1 TAG x) UID ALL 9").is_err());
    }

    #[test]
    fn flags_that_nobody_asked_for_come_with_the_uid_in_rev2() {
        let mut session = selected();
        session.sent(b"b NOOP\r\n");
        assert!(hears(&mut session, "* 1 FETCH (FLAGS ())").is_ok());
        assert!(hears(&mut session, "* ENABLED IMAP4rev2").is_ok());
        assert!(hears(&mut session, "* 1 FETCH (FLAGS ())").is_err());
        assert!(hears(&mut session, "* 1 FETCH (FLAGS () UID 9)").is_ok());
        session.sent(b"c STORE 1 +FLAGS (\\Seen)\r\n");
        assert!(hears(&mut session, "* 1 FETCH (FLAGS (\\Seen))").is_ok());
    }

    #[test]
    fn exists_never_falls_by_itself() {
        let mut session = selected();
        assert!(hears(&mut session, "* 2 EXISTS").is_err());
        assert!(hears(&mut session, "* 4 EXISTS").is_ok());
        assert!(hears(&mut session, "* 5 FETCH (FLAGS ())").is_err());
    }
}
