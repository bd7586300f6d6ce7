//! How a connection begins: greeting, STARTTLS, EHLO, login, SELECT, and the exchanges that the runner makes by itself.

use crate::connection::{Arrival, Reply, Segments, printable};
use crate::expect::Failure;
use crate::imap::value::Kind;
use crate::transcript::{Connect, Language, Service};

use super::Run;

/// What clients say in EHLO and LHLO.
pub(super) const CLIENT_NAME: &str = "client.example";

impl Run<'_> {
    pub(super) async fn connect(&mut self, connect: &Connect) -> Result<(), Failure> {
        let service = connect.service;
        let language = if connect.raw { Language::Lines } else { service.language() };
        let opening = self.subject.connect(&connect.connection, service, self.peer, language);
        let opened = tokio::time::timeout_at(self.subject.deadline(), opening).await;
        let opened = opened.map_err(|_| self.fail("no connection in time"))?.map_err(|e| self.fail(e))?;
        self.connections.insert(connect.connection.clone(), opened);
        let name = connect.connection.as_str();
        if !connect.raw && !connect.cold {
            self.greeting(name).await?;
        }
        let secured = self.subject.starts_tls(service) && !self.about_tls && !connect.raw && !connect.cold;
        if connect.starttls || secured {
            self.starttls(name, service).await?;
        }
        if connect.ehlo {
            self.exchange(name, &format!("{} {CLIENT_NAME}", hello(service))).await?;
        }
        if let Some(user) = &connect.login {
            let user = self.fill(&format!("${user}"))?;
            let (user, password) = (String::from_utf8_lossy(&user).into_owned(), self.subject.password.clone());
            if language == Language::Pop3 {
                self.exchange(name, &format!("USER {user}")).await?;
                self.exchange(name, &format!("PASS {password}")).await?;
            } else if language == Language::Smtp {
                let plain = self.subject.sasl_plain(&user);
                self.exchange(name, &format!("AUTH PLAIN {plain}")).await?;
            } else {
                self.exchange(name, &format!("L1 LOGIN \"{user}\" \"{password}\"")).await?;
            }
        }
        if let Some((mailbox, read_only)) = &connect.select {
            let command = if *read_only { "EXAMINE" } else { "SELECT" };
            self.exchange(name, &format!("L2 {command} {mailbox}")).await?;
        }
        Ok(())
    }

    async fn greeting(&mut self, name: &str) -> Result<(), Failure> {
        let deadline = self.subject.deadline();
        let line = self.line;
        let arrival = self.receive(name, deadline).await?;
        let good = match &arrival {
            Arrival::Reply(Reply::Imap(response)) => response.word(0).is_some_and(|w| w == "OK" || w == "PREAUTH"),
            Arrival::Reply(Reply::Lines(lines)) => lines[0].starts_with(b"220") || lines[0].starts_with(b"+OK"),
            _ => false,
        };
        if good { Ok(()) } else { Err(Failure::at(line, format!("no friendly greeting: {arrival:?}"))) }
    }

    /// A line and its answer, which has to be a good one: what the runner says by itself.
    pub(super) async fn exchange(&mut self, name: &str, command: &str) -> Result<(), Failure> {
        self.write(name, format!("{command}\r\n").as_bytes(), Segments::Whole).await?;
        let deadline = self.subject.deadline();
        loop {
            match self.receive(name, deadline).await? {
                Arrival::Reply(Reply::Imap(response)) => match response.kind {
                    Kind::Tagged(_) if response.word(0).as_deref() == Some("OK") => return Ok(()),
                    Kind::Tagged(_) => return Err(self.fail(printable(&response.raw))),
                    _ => {}
                },
                Arrival::Reply(Reply::Lines(lines)) => {
                    let good = lines[0].starts_with(b"2") || lines[0].starts_with(b"3") || lines[0].starts_with(b"+OK");
                    let shown = printable(&lines.join(&b"\r\n"[..]));
                    self.connection(name)?.last = lines;
                    return if good { Ok(()) } else { Err(self.fail(shown)) };
                }
                Arrival::End => return Err(self.fail("the end of the stream")),
                Arrival::Nothing => return Err(self.fail(format!("no answer to {command:?} in time"))),
            }
        }
    }

    async fn starttls(&mut self, name: &str, service: Service) -> Result<(), Failure> {
        if service.language() == Language::Smtp {
            self.exchange(name, &format!("{} {CLIENT_NAME}", hello(service))).await?;
        }
        let command = match service.language() {
            Language::Imap => "L0 STARTTLS",
            Language::Pop3 => "STLS",
            Language::Smtp | Language::Lines => "STARTTLS",
        };
        self.exchange(name, command).await?;
        let line = self.line;
        self.connection(name)?.handshake().await.map_err(|e| Failure::at(line, e.to_string()))
    }
}

fn hello(service: Service) -> &'static str {
    if service == Service::Lmtp { "LHLO" } else { "EHLO" }
}
