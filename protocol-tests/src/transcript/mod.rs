//! A transcript as data. The format is described in the crate's `README.md`; [`parse`] reads it.

pub mod parse;
mod used;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::citation::Citation;
use crate::imap::pattern::Pattern;

/// One conversation, and the rule that it shows.
#[derive(Debug)]
pub struct Transcript {
    /// Its path below the folder of transcripts, without the ending: `push/idle/delivery-rings`.
    pub name: String,
    /// The first comment: one sentence.
    pub rule: String,
    /// Where the rule comes from, as the head says it: `RFC 2177 §3`.
    pub rfc: String,
    /// The same as data; never empty.
    pub citations: Vec<Citation>,
    /// How much of a rule it is.
    pub level: Level,
    /// What the server has to offer; without it, the transcript says nothing about the server.
    pub needs: Vec<Need>,
    /// The configuration that it needs, by its file's name; `dev` where none is named.
    pub server: String,
    /// Its accounts have to be new: emptied ones will not do.
    pub new_account: bool,
    /// Accounts besides the main one, by the names that the transcript calls them.
    pub users: Vec<String>,
    /// The conversation.
    pub steps: Vec<Step>,
    /// The source, line by line, for reports.
    pub lines: Vec<String>,
}

impl Transcript {
    /// All steps, those within others too.
    fn actions(&self) -> Vec<&Action> {
        fn add<'a>(steps: &'a [Step], all: &mut Vec<&'a Action>) {
            for step in steps {
                all.push(&step.action);
                if let Action::Repeat { steps, .. } = &step.action {
                    add(steps, all);
                }
            }
        }
        let mut all = Vec::new();
        add(&self.steps, &mut all);
        all
    }

    fn connects(&self) -> impl Iterator<Item = &Connect> {
        self.actions().into_iter().filter_map(|action| match action {
            Action::Connect(connect) => Some(connect),
            _ => None,
        })
    }

    /// Whether something in it is measured.
    pub fn is_timed(&self) -> bool {
        let told =
            |(_, expectation): &(usize, Expectation)| matches!(expectation, Expectation::Reply { told: true, .. });
        self.actions()
            .into_iter()
            .any(|action| matches!(action, Action::Expect { block, .. } if block.iter().any(told)))
    }

    /// Whether it sends literals of IMAP without waiting for their `+`.
    pub fn has_plus_literals(&self) -> bool {
        let plus = |part: &LinePart| matches!(part, LinePart::Literal { plus: true, .. });
        self.actions().into_iter().any(|action| match action {
            Action::Send { what: Sending::Line(parts), .. } => parts.iter().any(plus),
            _ => false,
        })
    }

    /// Whether it gives rules to an account.
    pub fn has_rules(&self) -> bool {
        self.actions().into_iter().any(|action| matches!(action, Action::Rules { .. }))
    }

    /// Whether it has a message delivered, and does not say how.
    pub fn delivers(&self) -> bool {
        self.actions().into_iter().any(|action| matches!(action, Action::Deliver { by: None, .. }))
    }

    /// The services that it connects to, itself or by what it has done beside.
    pub fn services(&self) -> BTreeSet<Service> {
        let beside = self.actions().into_iter().filter_map(|action| match action {
            Action::Deliver { by, .. } => *by,
            Action::Append { .. } | Action::Arrived { .. } => Some(Service::Imap),
            _ => None,
        });
        self.connects().map(|connect| connect.service).chain(beside).collect()
    }

    /// The services whose connections it begins itself, from the greeting on.
    pub fn cold_services(&self) -> BTreeSet<Service> {
        self.connects().filter(|connect| connect.cold || connect.raw).map(|connect| connect.service).collect()
    }

    /// Whether it is about STARTTLS, so that nobody else may begin TLS.
    pub fn is_about_tls(&self) -> bool {
        let needed = |need: &Need| need.capability.as_deref().is_some_and(|c| ["STARTTLS", "STLS"].contains(&c));
        self.needs.iter().any(needed)
            || self.connects().any(|connect| connect.starttls)
            || self.actions().into_iter().any(|action| matches!(action, Action::Handshake { .. }))
    }
}

/// How much of a rule a transcript shows, in the sense of RFC 2119.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// A MUST or MUST NOT, or a sentence that leaves no choice.
    #[default]
    Must,
    /// A SHOULD, or what clients depend on though no RFC says MUST.
    Should,
    /// What Postbell chose where the RFC leaves the choice open: other servers are not held to it.
    Own,
}

impl Level {
    /// All of them with the words that name them.
    pub const ALL: [(&'static str, Level); 3] = [("must", Level::Must), ("should", Level::Should), ("own", Level::Own)];

    /// The level of that name.
    pub fn named(name: &str) -> Option<Level> {
        Level::ALL.iter().find(|(n, _)| *n == name).map(|(_, level)| *level)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Level::ALL.iter().find(|(_, l)| *l == self).map_or("", |(name, _)| name)
    }
}

/// A service, and a capability of it where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The service that has to be there.
    pub service: Service,
    /// The word by which the service announces what is needed.
    pub capability: Option<String>,
}

/// What a server listens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// SMTP (RFC 5321).
    Smtp,
    /// SMTP for those who log in (RFC 6409).
    Submission,
    /// The same behind TLS from the first byte (RFC 8314).
    Submissions,
    /// LMTP (RFC 2033).
    Lmtp,
    /// IMAP (RFC 3501).
    Imap,
    /// IMAP behind TLS from the first byte (RFC 8314).
    Imaps,
    /// POP3 (RFC 1939).
    Pop3,
    /// POP3 behind TLS from the first byte.
    Pop3s,
}

impl Service {
    /// All of them with the words that name them.
    pub const ALL: [(&'static str, Service); 8] = [
        ("smtp", Service::Smtp),
        ("submission", Service::Submission),
        ("submissions", Service::Submissions),
        ("lmtp", Service::Lmtp),
        ("imap", Service::Imap),
        ("imaps", Service::Imaps),
        ("pop3", Service::Pop3),
        ("pop3s", Service::Pop3s),
    ];

    /// The service of that name.
    pub fn named(name: &str) -> Option<Service> {
        Service::ALL.iter().find(|(n, _)| *n == name).map(|(_, service)| *service)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Service::ALL.iter().find(|(_, s)| *s == self).map_or("", |(name, _)| name)
    }

    /// Whether the first bytes are a TLS handshake.
    pub fn is_tls(self) -> bool {
        matches!(self, Service::Submissions | Service::Imaps | Service::Pop3s)
    }

    /// The language that is spoken there.
    pub fn language(self) -> Language {
        match self {
            Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp => Language::Smtp,
            Service::Imap | Service::Imaps => Language::Imap,
            Service::Pop3 | Service::Pop3s => Language::Pop3,
        }
    }
}

/// How replies are framed and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Three digits, several lines (RFC 5321 §4.2).
    Smtp,
    /// Responses with literals (RFC 3501 §2.2.2).
    Imap,
    /// `+OK` and `-ERR` (RFC 1939 §3).
    Pop3,
    /// Lines, nothing more.
    Lines,
}

/// One thing that is done or expected.
#[derive(Debug)]
pub struct Step {
    /// Its line, counted from 1.
    pub line: usize,
    /// What it is.
    pub action: Action,
}

/// What a step does. Connections are named; the one without a name is `""`.
#[derive(Debug)]
pub enum Action {
    /// Opens a connection.
    Connect(Connect),
    /// Closes a connection without a word.
    Disconnect(String),
    /// Ends the client's side of a connection: nothing more will be sent, and answers are still read.
    Finish(String),
    /// The TLS handshake, after the server agreed to STARTTLS.
    Handshake {
        /// The connection.
        connection: String,
        /// The server may end the connection instead, and with it the transcript.
        or_end: bool,
    },
    /// `compress` and `decompress`: both directions are raw DEFLATE from here on (RFC 4978), or no longer.
    Compress {
        /// The connection.
        connection: String,
        /// Whether they are.
        on: bool,
    },
    /// `C:` and its kin.
    Send {
        /// The connection.
        connection: String,
        /// What is sent.
        what: Sending,
        /// Whether each octet goes out in a segment of its own.
        split: bool,
    },
    /// Lines of `S` of one connection that follow one another.
    Expect {
        /// The connection.
        connection: String,
        /// What is expected, with the line that says so.
        block: Vec<(usize, Expectation)>,
    },
    /// A message sent over SMTP or LMTP; done when the server has accepted it.
    Deliver {
        /// The message.
        message: Vec<u8>,
        /// Recipients: names of users or addresses (with `$names`); the main account where there are none.
        to: Vec<String>,
        /// The road; where none is named SMTP, or LMTP if there is no SMTP.
        by: Option<Service>,
    },
    /// `arrived`: so many messages are in a mailbox: at once, or within the deadline where a relay was between.
    Arrived {
        /// How many.
        messages: u32,
        /// Whose: the name of a user.
        of: String,
        /// The mailbox.
        mailbox: String,
    },
    /// A message put there by APPEND on a connection of the runner's own.
    Append {
        /// The message.
        message: Vec<u8>,
        /// What stands between APPEND and the literal: mailbox, flags, date.
        arguments: String,
    },
    /// `rules`: an account is given a script of Sieve (RFC 5228).
    Rules {
        /// Whose: the name of a user.
        of: String,
        /// The script, with `$names`.
        script: String,
    },
    /// `check $a < $b`.
    Check {
        /// Text with names.
        left: String,
        /// `=`, `!=` or `<`.
        operator: String,
        /// Text with names.
        right: String,
    },
    /// `repeat N` with its indented steps; `$i` counts from 1.
    Repeat {
        /// How often.
        times: u64,
        /// What.
        steps: Vec<Step>,
    },
}

/// `connect`.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The connection's name.
    pub connection: String,
    /// Where to.
    pub service: Service,
    /// Framing by lines only, nothing read or sent by the runner itself.
    pub raw: bool,
    /// The greeting is left to the transcript.
    pub cold: bool,
    /// STARTTLS before anything else.
    pub starttls: bool,
    /// EHLO or LHLO at once.
    pub ehlo: bool,
    /// Logs in, as the main account or another.
    pub login: Option<String>,
    /// SELECTs (or, with `true`, EXAMINEs) this mailbox.
    pub select: Option<(String, bool)>,
}

impl Connect {
    /// A connection that takes the greeting and does nothing more.
    pub fn to(connection: &str, service: Service) -> Connect {
        Connect {
            connection: connection.to_owned(),
            service,
            raw: false,
            cold: false,
            starttls: false,
            ehlo: false,
            login: None,
            select: None,
        }
    }
}

/// What the client sends.
#[derive(Debug)]
pub enum Sending {
    /// A line, with CRLF behind it; literals are counted, and waited for where they are synchronising.
    Line(Vec<LinePart>),
    /// Bytes as they are.
    Raw(Vec<RawPart>),
    /// A message as DATA wants it: dot-stuffed, then CRLF.CRLF (RFC 5321 §4.5.2).
    Data(Vec<u8>),
    /// `BDAT n [LAST]` and its bytes (RFC 3030 §2).
    Bdat {
        /// The chunk.
        bytes: Vec<u8>,
        /// Whether it is the last.
        last: bool,
    },
}

/// A part of a line.
#[derive(Debug)]
pub enum LinePart {
    /// Text with names.
    Text(String),
    /// A literal.
    Literal {
        /// Its octets.
        bytes: Vec<u8>,
        /// `{n+}`: nothing is waited for (RFC 7888).
        plus: bool,
        /// `~{n}`: a literal8 (RFC 3516).
        binary: bool,
    },
    /// `{base64 "…"}`: text with names, in base64.
    Base64(String),
    /// `{scram "…" $challenge "…"}`: the last message of a SCRAM-SHA-256 exchange, in base64.
    Scram {
        /// The client's first message, with names.
        first: String,
        /// The server's first message in base64, as a name.
        challenge: String,
        /// The password, with names.
        password: String,
    },
}

/// A part of `C raw:`.
#[derive(Debug)]
pub enum RawPart {
    /// Octets.
    Bytes(Vec<u8>),
    /// A string with names in it.
    Text(String),
}

/// What is expected of one connection.
#[derive(Debug)]
pub enum Expectation {
    /// `S:` a reply like this. With `then`, behind the one that the expectation before it found.
    Reply {
        /// What it looks like.
        pattern: ReplyPattern,
        /// `S then:`
        then: bool,
        /// `S told:` how long it took to come is measured.
        told: bool,
    },
    /// `S not:` no reply like this up to the end of the block or the next tagged response.
    Not(ReplyPattern),
    /// `S has:` the last reply, or listing of POP3, has a line that begins like this.
    Has(String),
    /// `S lacks:` the last reply has none.
    Lacks(String),
    /// `S lines:` a POP3 listing: exactly these lines (`…` alone: any number of lines).
    Lines(Vec<String>),
    /// `S message:` a POP3 message: its bytes.
    Message(MessagePattern),
    /// `S closes`: the end of the stream.
    Closes,
    /// `S quiet for N ms`: nothing at all comes.
    Quiet(Duration),
}

/// A pattern in the language of its connection.
#[derive(Debug)]
pub enum ReplyPattern {
    /// Of IMAP.
    Imap(Pattern),
    /// Of all others.
    Text(String),
}

/// The bytes of a message that came over POP3.
#[derive(Debug)]
pub enum MessagePattern {
    /// Exactly these.
    Exactly(Vec<u8>),
    /// These behind trace fields.
    Delivered(Vec<u8>),
}
