//! The model test: POP3 sessions, IMAP (as changes of the store) and deliveries over one INBOX, in random histories, against a
//! plain list.
//!
//! The rules of decision 3, and nothing else, stand here: a session sees the INBOX as it was at its login, with numbers that
//! nothing shifts; what has vanished can't be fetched and is deleted without a word; QUIT removes what is marked, and a
//! connection that is lost removes nothing; what others do in between is as it was.
//!
//! ```text
//! PROPTEST_CASES=5000 cargo test --lib net::pop3::tests::model
//! ```

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// So many clients at the most.
const CLIENTS: usize = 3;

/// What happens next. A number of a message is taken modulo what there is, and one more: the one that there is not.
#[derive(Clone, Copy, Debug)]
enum Event {
    Deliver,
    /// IMAP removes the nth message that is there.
    Expunge(usize),
    /// A client that is not logged in logs in; one that is, says NOOP.
    LogIn(usize),
    Stat(usize),
    List(usize),
    Uidl(usize, usize),
    Retr(usize, usize),
    Top(usize, usize),
    Dele(usize, usize),
    Rset(usize),
    Quit(usize),
    /// The connection is lost.
    Lose(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let client = || 0..CLIENTS;
    let message = || 0usize..8;
    let event = prop_oneof![
        3 => Just(Event::Deliver),
        2 => message().prop_map(Event::Expunge),
        3 => client().prop_map(Event::LogIn),
        1 => client().prop_map(Event::Stat),
        1 => client().prop_map(Event::List),
        1 => (client(), message()).prop_map(|(client, message)| Event::Uidl(client, message)),
        2 => (client(), message()).prop_map(|(client, message)| Event::Retr(client, message)),
        1 => (client(), message()).prop_map(|(client, message)| Event::Top(client, message)),
        4 => (client(), message()).prop_map(|(client, message)| Event::Dele(client, message)),
        1 => client().prop_map(Event::Rset),
        2 => client().prop_map(Event::Quit),
        1 => client().prop_map(Event::Lose),
    ];
    proptest::collection::vec(event, 1..40)
}

/// What is true.
struct Truth {
    uid_next: u32,
    /// The UIDs that are there. Each message's text is made of its UID.
    inbox: BTreeSet<u32>,
}

/// What a client that is logged in has to see.
struct Seen {
    /// The UIDs by number, as they were at login.
    list: Vec<u32>,
    marked: BTreeSet<u32>,
}

impl Seen {
    /// The UID of a number, unless there is none or it is marked.
    fn get(&self, number: usize) -> Option<u32> {
        let uid = *self.list.get(number.checked_sub(1)?)?;
        (!self.marked.contains(&uid)).then_some(uid)
    }

    fn left(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        (1..).zip(self.list.iter().copied()).filter(|(_, uid)| !self.marked.contains(uid))
    }

    fn stat(&self) -> String {
        let octets: usize = self.left().map(|(_, uid)| text(uid).len()).sum();
        format!("+OK {} {octets}", self.left().count())
    }
}

fn text(uid: u32) -> String {
    // Each of another length, with a line that has to be stuffed.
    format!("Subject: {uid}\r\n\r\n.{}\r\n", "x".repeat(uid as usize % 50))
}

struct Session {
    client: Client<TcpStream>,
    served: JoinHandle<()>,
    seen: Seen,
}

struct Play<'s> {
    server: &'s Server,
    truth: Truth,
    sessions: [Option<Session>; CLIENTS],
    uid_validity: u32,
}

impl<'s> Play<'s> {
    /// In an empty INBOX: what the history before has left is removed.
    async fn begin(server: &'s Server) -> Self {
        let open = server.services.store.open_mailbox(&server.inbox).await.unwrap();
        server.services.store.expunge(&open, &open.snapshot().uids, false).await.unwrap();
        let head = server.inbox.head();
        let truth = Truth { uid_next: head.uid_next, inbox: BTreeSet::new() };
        Play { server, truth, sessions: Default::default(), uid_validity: head.uid_validity }
    }

    async fn step(&mut self, event: Event) {
        match event {
            Event::Deliver => {
                let uid = self.truth.uid_next;
                self.truth.uid_next += 1;
                self.truth.inbox.insert(uid);
                self.server.deliver(text(uid).as_bytes()).await;
            }
            Event::Expunge(at) => {
                if let Some(uid) = self.truth.inbox.iter().nth(at).copied() {
                    self.truth.inbox.remove(&uid);
                    self.server.expunge(uid).await;
                }
            }
            Event::LogIn(client) => self.log_in(client).await,
            Event::Quit(client) => self.quit(client).await,
            Event::Lose(client) => {
                if let Some(Session { client, served, .. }) = self.sessions[client].take() {
                    drop(client);
                    served.await.unwrap();
                }
            }
            Event::Stat(client)
            | Event::List(client)
            | Event::Uidl(client, _)
            | Event::Retr(client, _)
            | Event::Top(client, _)
            | Event::Dele(client, _)
            | Event::Rset(client) => {
                let Play { truth, sessions, uid_validity, .. } = self;
                if let Some(session) = &mut sessions[client] {
                    session.step(event, truth, *uid_validity).await;
                }
            }
        }
        assert_eq!(self.server.exists() as usize, self.truth.inbox.len(), "after {event:?}");
    }

    async fn log_in(&mut self, at: usize) {
        if let Some(session) = &mut self.sessions[at] {
            session.client.says("NOOP").await;
            return session.client.hears("+OK still here").await;
        }
        let (mut client, served) = connect(self.server).await;
        client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
        assert!(client.line().await.starts_with("+OK"));
        let seen = Seen { list: self.truth.inbox.iter().copied().collect(), marked: BTreeSet::new() };
        self.sessions[at] = Some(Session { client, served, seen });
    }

    async fn quit(&mut self, at: usize) {
        let Some(Session { mut client, served, seen }) = self.sessions[at].take() else { return };
        client.says("QUIT").await;
        assert!(client.line().await.starts_with("+OK"), "what is gone already is no error");
        client.is_closed().await;
        drop(client);
        served.await.unwrap();
        self.truth.inbox.retain(|uid| !seen.marked.contains(uid));
    }

    /// Everybody leaves without QUIT; what is left is what is true, octet for octet.
    async fn end(mut self) {
        for client in 0..CLIENTS {
            self.step(Event::Lose(client)).await;
        }
        self.log_in(0).await;
        let Some(session) = &mut self.sessions[0] else { return };
        for number in 0..session.seen.list.len() + 1 {
            session.step(Event::Retr(0, number), &self.truth, self.uid_validity).await;
        }
    }
}

impl Session {
    async fn step(&mut self, event: Event, truth: &Truth, uid_validity: u32) {
        let Session { client, seen, .. } = self;
        let number = |at: usize| at % (seen.list.len() + 2);
        match event {
            Event::Stat(_) => {
                client.says("STAT").await;
                client.hears(&seen.stat()).await;
            }
            Event::List(_) => {
                client.says("LIST").await;
                assert!(client.line().await.starts_with("+OK"));
                let expected: String =
                    seen.left().map(|(number, uid)| format!("{number} {}\r\n", text(uid).len())).collect();
                assert_eq!(String::from_utf8(lines(client).await).unwrap(), expected);
            }
            Event::Uidl(_, at) => {
                let number = number(at);
                client.says(&format!("UIDL {number}")).await;
                match seen.get(number) {
                    Some(uid) => client.hears(&format!("+OK {number} {uid_validity}.{uid}")).await,
                    None => assert!(client.line().await.starts_with("-ERR")),
                }
            }
            Event::Retr(_, at) | Event::Top(_, at) => {
                let number = number(at);
                let is_top = matches!(event, Event::Top(..));
                client.says(&if is_top { format!("TOP {number} 0") } else { format!("RETR {number}") }).await;
                let line = client.line().await;
                match seen.get(number) {
                    Some(uid) if truth.inbox.contains(&uid) => {
                        assert!(line.starts_with("+OK"), "{line}");
                        let whole = text(uid);
                        let header = whole.find("\r\n\r\n").map_or(0, |at| at + 4);
                        let expected = if is_top { &whole[..header] } else { &whole[..] };
                        assert_eq!(String::from_utf8(lines(client).await).unwrap(), expected);
                    }
                    Some(_) => assert!(line.starts_with("-ERR [SYS/TEMP]"), "{line}"),
                    None => assert!(line.starts_with("-ERR") && !line.contains('['), "{line}"),
                }
            }
            Event::Dele(_, at) => {
                let number = number(at);
                client.says(&format!("DELE {number}")).await;
                let line = client.line().await;
                match seen.get(number) {
                    Some(uid) => {
                        assert!(line.starts_with("+OK"), "{line}");
                        seen.marked.insert(uid);
                    }
                    None => assert!(line.starts_with("-ERR"), "{line}"),
                }
            }
            _ => {
                client.says("RSET").await;
                assert!(client.line().await.starts_with("+OK"));
                seen.marked.clear();
            }
        }
    }
}

#[test]
fn each_session_sees_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = SessionLimits { exempt: Network::LOOPBACK.to_vec(), ..SessionLimits::default() };
    // One store for all histories: to make an account costs more than to play one.
    let server = runtime.block_on(Server::with(|services| services.sessions = Sessions::new(limits)));
    let history = |events: Vec<Event>| {
        runtime.block_on(async {
            let mut play = Play::begin(&server).await;
            for event in events {
                play.step(event).await;
            }
            play.end().await;
        });
        Ok(())
    };
    TestRunner::default().run(&events(), history).unwrap_or_else(|failed| panic!("{failed}"));
}
