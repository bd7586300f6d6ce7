//! What the runner asks of a server on its own behalf: what it offers, how it names mailboxes, and to empty an account.

use tokio::time::Instant;

use crate::accounts::{Found, Lease};
use crate::connection::{Arrival, Connection, Reply, Segments, printable};
use crate::imap::value::{Kind, Response, Value};
use crate::names::Names;
use crate::subject::Subject;
use crate::transcript::{Language, Service};

/// A connection on which the runner speaks for itself.
pub(crate) struct Errand<'a> {
    subject: &'a Subject,
    connection: Connection,
    service: Service,
    tags: u32,
}

impl<'a> Errand<'a> {
    /// Connects, takes the greeting, and begins TLS where the server takes no password without.
    pub(crate) async fn begin(subject: &'a Subject, service: Service) -> Result<Errand<'a>, String> {
        let mut errand = Errand::greeted(subject, service).await?;
        if subject.starts_tls(service) {
            errand.start_tls().await?;
        }
        Ok(errand)
    }

    /// Connects and takes the greeting.
    pub(crate) async fn greeted(subject: &'a Subject, service: Service) -> Result<Errand<'a>, String> {
        let opening = subject.connect("", service, subject.fresh_peer(), service.language());
        let opened = tokio::time::timeout_at(subject.deadline(), opening).await;
        let silent = || {
            let address =
                subject.endpoint(service).map_or_else(String::new, |endpoint| format!(" at {}", endpoint.address));
            format!("nothing answers{address} in time")
        };
        let connection = opened.map_err(|_| silent())??;
        let mut errand = Errand { subject, connection, service, tags: 0 };
        let greeting = errand.reply().await?;
        let good = match &greeting {
            Reply::Imap(response) => response.word(0).is_some_and(|word| word == "OK" || word == "PREAUTH"),
            Reply::Lines(lines) => lines[0].starts_with(b"220") || lines[0].starts_with(b"+OK"),
        };
        if good { Ok(errand) } else { Err(format!("its greeting is no welcome: {}", shown(&greeting))) }
    }

    fn deadline(&self) -> Instant {
        self.subject.deadline()
    }

    async fn reply(&mut self) -> Result<Reply, String> {
        let deadline = self.deadline();
        match self.connection.reply(deadline).await? {
            Arrival::Reply(reply) => Ok(reply),
            Arrival::End => Err("it ends the connection".to_owned()),
            Arrival::Nothing => Err(self.silence()),
        }
    }

    /// Who waits for a handshake says nothing.
    fn silence(&self) -> String {
        let said = "it says nothing in time";
        let waits_for_tls = !self.service.is_tls() && self.tags == 0;
        let hint = |secure: &str| format!("{said}; if it waits for TLS, name it by --{secure}");
        match self.service {
            Service::Imap if waits_for_tls => hint("imaps"),
            Service::Pop3 if waits_for_tls => hint("pop3s"),
            Service::Submission if waits_for_tls => hint("submissions"),
            _ => said.to_owned(),
        }
    }

    /// What begins a session of SMTP or LMTP.
    fn hello(&self) -> &'static str {
        if self.service == Service::Lmtp { "LHLO probe.example" } else { "EHLO probe.example" }
    }

    /// STARTTLS and the handshake.
    pub(crate) async fn start_tls(&mut self) -> Result<(), String> {
        match self.service.language() {
            Language::Imap => drop(self.imap("STARTTLS").await?),
            Language::Pop3 => drop(self.line("STLS").await?),
            Language::Smtp | Language::Lines => {
                self.line(self.hello()).await?;
                self.line("STARTTLS").await?;
            }
        }
        self.connection.handshake().await.map_err(|e| e.to_string())
    }

    /// One command of SMTP or POP3, and its good answer.
    async fn line(&mut self, line: &str) -> Result<Vec<Vec<u8>>, String> {
        let deadline = self.deadline();
        self.connection.send(format!("{line}\r\n").as_bytes(), Segments::Whole, deadline).await?;
        match self.reply().await? {
            Reply::Lines(lines) if lines[0].starts_with(b"2") || lines[0].starts_with(b"+OK") => Ok(lines),
            other => Err(shown(&other)),
        }
    }

    /// One command of IMAP: what came before its OK.
    async fn imap(&mut self, command: &str) -> Result<Vec<Response>, String> {
        self.tags += 1;
        let (tag, deadline) = (format!("e{}", self.tags), self.deadline());
        self.connection.send(format!("{tag} {command}\r\n").as_bytes(), Segments::Whole, deadline).await?;
        let mut came = Vec::new();
        loop {
            match self.reply().await? {
                Reply::Imap(response) if response.kind == Kind::Tagged(tag.clone()) => {
                    let good = response.word(0).as_deref() == Some("OK");
                    came.push(response);
                    return if good { Ok(came) } else { Err(shown(&Reply::Imap(came.remove(came.len() - 1)))) };
                }
                Reply::Imap(response) => came.push(response),
                other => return Err(shown(&other)),
            }
        }
    }

    /// Logs in.
    pub(crate) async fn login(&mut self, user: &str) -> Result<(), String> {
        let password = self.subject.password.clone();
        match self.service.language() {
            Language::Imap => drop(self.imap(&format!("LOGIN {} {}", quoted(user), quoted(&password))).await?),
            Language::Pop3 => {
                self.line(&format!("USER {user}")).await?;
                self.line(&format!("PASS {password}")).await?;
            }
            Language::Smtp | Language::Lines => {
                self.line(self.hello()).await?;
                let plain = self.subject.sasl_plain(user);
                self.line(&format!("AUTH PLAIN {plain}")).await?;
            }
        }
        Ok(())
    }

    /// What the service announces just now, in upper case. Who knows no CAPA (RFC 2449) announces nothing.
    pub(crate) async fn announced(&mut self) -> Result<Vec<String>, String> {
        let words = match self.service.language() {
            Language::Imap => capabilities(&self.imap("CAPABILITY").await?),
            Language::Smtp => {
                self.line(self.hello()).await?.iter().map(|line| first_word(line.get(4..).unwrap_or(b""))).collect()
            }
            Language::Pop3 | Language::Lines => match self.line("CAPA").await {
                Ok(_) => {
                    let deadline = self.deadline();
                    let listing = self.connection.multi_line(deadline).await?;
                    listing.split(|&b| b == b'\n').map(first_word).collect()
                }
                Err(_) => Vec::new(),
            },
        };
        Ok(words)
    }

    /// How the server names mailboxes: by NAMESPACE (RFC 2342) where it has that, else by what LIST says of itself
    /// (RFC 3501 §6.3.8).
    pub(crate) async fn names(&mut self, capabilities: &[String]) -> Result<Names, String> {
        let mut names = Names::default();
        if capabilities.iter().any(|word| word == "NAMESPACE" || word == "IMAP4REV2") {
            for response in self.imap("NAMESPACE").await? {
                if let (Some("NAMESPACE"), Some(Value::List(personal))) =
                    (response.word(0).as_deref(), response.values.get(1))
                    && let Some(Value::List(first)) = personal.first()
                    && let [prefix, separator, ..] = &first[..]
                {
                    names.prefix = string(prefix).unwrap_or_default();
                    names.separator = string(separator);
                }
            }
            return Ok(names);
        }
        for response in self.imap("LIST \"\" \"\"").await? {
            if response.word(0).as_deref() == Some("LIST") {
                names.separator = response.values.get(2).and_then(string);
            }
        }
        Ok(names)
    }

    /// Sends a message to an address, and waits for the 250.
    pub(crate) async fn deliver(mut self, sender: &str, address: &str) -> Result<(), String> {
        if self.tags == 0 {
            self.line(self.hello()).await?;
        }
        self.line(&format!("MAIL FROM:<{sender}>")).await?;
        self.line(&format!("RCPT TO:<{address}>")).await?;
        let deadline = self.deadline();
        self.connection.send(b"DATA\r\n", Segments::Whole, deadline).await?;
        match self.reply().await? {
            Reply::Lines(lines) if lines[0].starts_with(b"354") => {}
            other => return Err(shown(&other)),
        }
        let message = format!("From: {sender}\r\nSubject: whether mail comes here\r\n\r\n.");
        self.line(&message).await?;
        self.line("QUIT").await?;
        Ok(())
    }

    /// How many messages are in INBOX.
    pub(crate) async fn messages(&mut self) -> Result<Option<String>, String> {
        let told = self.imap("STATUS INBOX (MESSAGES)").await?;
        let status = told.iter().find(|response| response.word(0).as_deref() == Some("STATUS"));
        Ok(status.and_then(|response| match response.values.get(2) {
            Some(Value::List(items)) => match &items[..] {
                [_, Value::Atom(number)] => Some(String::from_utf8_lossy(number).into_owned()),
                _ => None,
            },
            _ => None,
        }))
    }

    /// Makes an account as empty as a new one: messages go, and so do mailboxes and subscriptions that it did not have
    /// when it was seen for the first time.
    pub(crate) async fn empty(mut self, user: &str, lease: &Lease) -> Result<(), String> {
        self.login(user).await?;
        if self.service.language() == Language::Pop3 {
            return self.empty_maildrop().await;
        }
        let has_metadata = self.announced().await?.iter().any(|word| word == "METADATA");
        let mailboxes = listed(&self.imap("LIST \"\" \"*\"").await?, "LIST");
        // RFC 9051 has no LSUB any more, and RFC 3501 no LIST that selects.
        let subscribed = match self.imap("LSUB \"\" \"*\"").await {
            Ok(told) => listed(&told, "LSUB"),
            Err(_) => listed(&self.imap("LIST (SUBSCRIBED) \"\" \"*\"").await?, "LIST"),
        };
        let found = lease.found(user).unwrap_or_else(|| {
            let names = |listed: &[Listed]| listed.iter().map(|one| one.name.clone()).collect();
            let found = Found { mailboxes: names(&mailboxes), subscribed: names(&subscribed) };
            lease.remember(user, found.clone());
            found
        });
        for one in subscribed.iter().filter(|one| !found.subscribed.contains(&one.name)) {
            self.imap(&format!("UNSUBSCRIBE {}", one.quoted()?)).await?;
        }
        // What lies below another goes first.
        let mut new: Vec<&Listed> = mailboxes.iter().filter(|one| !found.mailboxes.contains(&one.name)).collect();
        new.sort_by_key(|one| std::cmp::Reverse(one.name.len()));
        for one in new {
            let deleted = self.imap(&format!("DELETE {}", one.quoted()?)).await;
            if one.selectable {
                deleted?;
            }
        }
        for one in mailboxes.iter().filter(|one| one.selectable && found.mailboxes.contains(&one.name)) {
            let selected = self.imap(&format!("SELECT {}", one.quoted()?)).await?;
            let exists = |response: &Response| response.word(1).as_deref() == Some("EXISTS");
            let count = selected.iter().find(|response| exists(response)).and_then(|response| response.word(0));
            if count.is_some_and(|count| count != "0") {
                self.imap("STORE 1:* +FLAGS.SILENT (\\Deleted)").await?;
                self.imap("EXPUNGE").await?;
            }
        }
        if has_metadata {
            self.forget_metadata("\"\"").await?;
            for one in mailboxes.iter().filter(|one| one.selectable && found.mailboxes.contains(&one.name)) {
                self.forget_metadata(&one.quoted()?).await?;
            }
        }
        self.imap("LOGOUT").await?;
        Ok(())
    }

    /// Removes all private annotations (RFC 5464 §4.3), but for what a mailbox is for (RFC 6154 §5.4).
    async fn forget_metadata(&mut self, mailbox: &str) -> Result<(), String> {
        for response in self.imap(&format!("GETMETADATA (DEPTH infinity) {mailbox} /private")).await? {
            let (Some("METADATA"), Some(Value::List(entries))) = (response.word(0).as_deref(), response.values.get(2))
            else {
                continue;
            };
            for name in entries.iter().step_by(2) {
                if let Value::Atom(name) | Value::Text(name) = name
                    && !name.eq_ignore_ascii_case(b"/private/specialuse")
                {
                    let name = quoted(&String::from_utf8_lossy(name));
                    self.imap(&format!("SETMETADATA {mailbox} ({name} NIL)")).await?;
                }
            }
        }
        Ok(())
    }

    async fn empty_maildrop(&mut self) -> Result<(), String> {
        let answer = self.line("STAT").await?;
        let line = String::from_utf8_lossy(&answer[0]).into_owned();
        let count: u32 = line.split(' ').nth(1).and_then(|n| n.parse().ok()).ok_or_else(|| format!("STAT: {line}"))?;
        for number in 1..=count {
            self.line(&format!("DELE {number}")).await?;
        }
        self.line("QUIT").await?;
        Ok(())
    }
}

/// A mailbox as LIST and LSUB tell of it.
struct Listed {
    name: Vec<u8>,
    selectable: bool,
}

impl Listed {
    fn quoted(&self) -> Result<String, String> {
        let name = std::str::from_utf8(&self.name).map_err(|e| format!("{}: {e}", printable(&self.name)))?;
        Ok(quoted(name))
    }
}

fn listed(responses: &[Response], kind: &str) -> Vec<Listed> {
    let one = |response: &Response| match &response.values[..] {
        [_, Value::List(attributes), _, Value::Atom(name) | Value::Text(name), ..]
            if response.word(0).as_deref() == Some(kind) =>
        {
            let without = [&b"\\noselect"[..], b"\\nonexistent"];
            let is = |value: &Value| matches!(value, Value::Atom(a) if without.contains(&&a.to_ascii_lowercase()[..]));
            Some(Listed { name: name.clone(), selectable: !attributes.iter().any(is) })
        }
        _ => None,
    };
    responses.iter().filter_map(one).collect()
}

fn capabilities(responses: &[Response]) -> Vec<String> {
    let told = responses.iter().filter(|response| response.word(0).as_deref() == Some("CAPABILITY"));
    told.flat_map(|response| (1..response.values.len()).filter_map(|index| response.word(index))).collect()
}

fn string(value: &Value) -> Option<String> {
    match value {
        Value::Text(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn first_word(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line).to_ascii_uppercase();
    line.split_ascii_whitespace().next().unwrap_or("").to_owned()
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Imap(response) => printable(&response.raw),
        Reply::Lines(lines) => printable(&lines.join(&b"\r\n"[..])),
    }
}
