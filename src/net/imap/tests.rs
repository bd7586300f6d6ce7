//! Clients that talk to the driver through a real socket, over a real store.

use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::Origin;
use crate::net::testbed::{Client, Server};
use crate::observe::{Delivery, Observer};

/// A connection that is being served, behind its greeting.
async fn connect(server: &Server) -> (Client<TcpStream>, JoinHandle<()>) {
    let (mut client, connection) = server.connection().await;
    let served = tokio::spawn(serve(connection, Arc::clone(&server.services)));
    begins(&client.line().await, "* OK [CAPABILITY IMAP4rev1 ");
    (client, served)
}

/// A client that has selected its INBOX.
async fn select(server: &Server) -> Client<TcpStream> {
    let (mut client, _served) = connect(server).await;
    asks(&mut client, "1 LOGIN alice secret").await;
    asks(&mut client, "2 SELECT INBOX").await;
    client
}

/// A client that idles in its INBOX.
async fn idle(server: &Server) -> Client<TcpStream> {
    let mut client = select(server).await;
    client.says("3 IDLE").await;
    client.hears("+ idling").await;
    client
}

/// Says a command and hears its answer to the end, which is OK.
async fn asks<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, command: &str) -> Vec<String> {
    client.says(command).await;
    let tag = command.split(' ').next().unwrap();
    let mut heard = Vec::new();
    loop {
        heard.push(client.line().await);
        if let Some(answer) = heard.last().unwrap().strip_prefix(tag) {
            assert!(answer.starts_with(" OK "), "{command}: {heard:#?}");
            return heard;
        }
    }
}

#[track_caller]
fn begins(line: &str, expected: &str) {
    assert!(line.starts_with(expected), "{line:?} does not begin with {expected:?}");
}

#[tokio::test]
async fn a_delivery_rings_an_idling_client() {
    let server = Server::start().await;
    let mut client = idle(&server).await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    client.hears("* 1 EXISTS").await;
    client.hears("* 1 RECENT").await;
    server.expunge(1).await;
    client.hears("* 1 EXPUNGE").await;
    client.hears("* 0 RECENT").await;
    client.says("DONE").await;
    client.hears("3 OK IDLE done").await;
}

#[tokio::test]
async fn done_comes_in_any_case_split_anywhere_and_with_commands_behind_it() {
    let server = Server::start().await;
    let mut client = idle(&server).await;
    for piece in ["d", "oN", "e\r", "\n4 NO"] {
        client.says_octets(piece.as_bytes()).await;
    }
    client.hears("3 OK IDLE done").await;
    client.says_octets(b"OP\r\n5 IDLE\r\nDONE\r\n6 NOOP\r\n7 IDLE\r\n").await;
    client.hears("4 OK NOOP done").await;
    client.hears("+ idling").await;
    client.hears("5 OK IDLE done").await;
    client.hears("6 OK NOOP done").await;
    client.hears("+ idling").await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    client.hears("* 1 EXISTS").await;
}

#[tokio::test]
async fn another_line_than_done_ends_idle_with_bad() {
    let server = Server::start().await;
    let mut client = idle(&server).await;
    client.says("4 NOOP").await;
    client.hears("3 BAD DONE was expected").await;
    asks(&mut client, "5 NOOP").await;
}

#[tokio::test]
async fn every_idling_session_of_a_mailbox_hears_it() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(idle(&server).await);
    }
    server.deliver(b"Subject: one\r\n\r\n").await;
    for client in &mut clients {
        client.hears("* 1 EXISTS").await;
    }
}

/// The last number that `* n EXISTS` told, up to a line that begins with `end`.
async fn exists_until(client: &mut Client<TcpStream>, exists: &mut u32, end: &[&str]) {
    loop {
        let line = client.line().await;
        if let Some(number) = line.strip_prefix("* ").and_then(|rest| rest.strip_suffix(" EXISTS")) {
            *exists = number.parse().unwrap();
        }
        if end.iter().any(|end| line.starts_with(end) || line.ends_with(end)) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_delivery_is_lost_between_two_idles() {
    const DELIVERIES: u32 = 150;
    let server = Arc::new(Server::start().await);
    let mut client = select(&server).await;
    let sender = Arc::clone(&server);
    let delivering = tokio::spawn(async move {
        for _ in 0..DELIVERIES {
            sender.deliver(b"Subject: one\r\n\r\n").await;
        }
    });
    let listening = async {
        let mut exists = 0;
        // It goes out of IDLE with each news, and back, and never asks: a wake-up that is lost would leave it waiting.
        while exists < DELIVERIES {
            let before = exists;
            client.says("3 IDLE").await;
            exists_until(&mut client, &mut exists, &["+ idling"]).await;
            while exists == before {
                exists_until(&mut client, &mut exists, &[" EXISTS"]).await;
            }
            client.says("DONE").await;
            exists_until(&mut client, &mut exists, &["3 OK"]).await;
        }
        assert_eq!(exists, DELIVERIES);
    };
    tokio::time::timeout(Duration::from_secs(60), listening).await.expect("every delivery rings");
    delivering.await.unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let server = Server::with(|services| services.imap.stalled_output = Duration::from_millis(200)).await;
    // More than both ends of a connection hold for it.
    server.deliver(&b"0123456789abcdef".repeat(2 << 20)).await;
    let (mut client, served) = connect(&server).await;
    asks(&mut client, "1 LOGIN alice secret").await;
    asks(&mut client, "2 SELECT INBOX").await;
    client.says("3 FETCH 1 BODY.PEEK[]").await;
    served.await.unwrap();
}

#[tokio::test]
async fn the_observer_is_told_of_each_push() {
    #[derive(Default)]
    struct Notes(Mutex<Vec<Push>>);
    impl Observer for Notes {
        fn delivered(&self, _: &Delivery) {}
        fn pushed(&self, push: &Push) {
            self.0.lock().unwrap().push(*push);
        }
    }
    let notes = Arc::new(Notes::default());
    let server = Server::with(|services| services.observer = notes.clone()).await;
    let mut client = idle(&server).await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    client.hears("* 1 EXISTS").await;
    client.hears("* 1 RECENT").await;
    client.says("DONE").await;
    client.hears("3 OK IDLE done").await;
    let notes = notes.0.lock().unwrap();
    let [push] = notes.as_slice() else { panic!("{notes:?}") };
    assert_eq!((push.mailbox_id, push.mod_seq), (server.inbox.id(), server.inbox.head().highest_mod_seq));
}

#[tokio::test]
async fn nothing_sent_ahead_of_tls_survives_it() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    client.says("1 STARTTLS\r\n2 LOGIN mallory secret\r\n3 NOOP").await;
    client.hears("1 OK Begin TLS now").await;
    let mut client = client.start_tls(&server).await;
    let heard = asks(&mut client, "4 CAPABILITY").await;
    assert!(!heard[0].contains("STARTTLS") && heard[0].contains("AUTH=PLAIN"), "{heard:?}");
    client.says("5 STARTTLS").await;
    begins(&client.line().await, "5 BAD");
    asks(&mut client, "6 LOGIN alice secret").await;
    asks(&mut client, "7 SELECT INBOX").await;
    client.says("8 IDLE").await;
    client.hears("+ idling").await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    client.hears("* 1 EXISTS").await;
}

#[tokio::test]
async fn no_password_from_afar_without_tls() {
    let server = Server::start().await;
    let (mut client, connection) = server.connection().await;
    let connection = Connection { peer: Origin::Address("192.0.2.7:993".parse().unwrap()), ..connection };
    tokio::spawn(serve(connection, Arc::clone(&server.services)));
    let greeting = client.line().await;
    assert!(greeting.contains(" LOGINDISABLED") && !greeting.contains("AUTH="), "{greeting}");
    client.says("1 LOGIN alice secret").await;
    begins(&client.line().await, "1 NO [PRIVACYREQUIRED]");
}

#[tokio::test]
async fn a_stop_is_told_to_everybody() {
    let server = Server::start().await;
    let (mut stranger, served) = connect(&server).await;
    let mut waiting = select(&server).await;
    let mut idling = idle(&server).await;
    let mut appending = select(&server).await;
    appending.says("3 APPEND INBOX {5}").await;
    begins(&appending.line().await, "+ ");
    server.stop.send_replace(true);
    for client in [&mut stranger, &mut waiting, &mut idling, &mut appending] {
        client.hears("* BYE The server is shutting down").await;
        client.is_closed().await;
    }
    drop(stranger);
    served.await.unwrap();
}

#[tokio::test]
async fn a_deleted_mailbox_is_told_at_once_in_idle_and_out_of_it() {
    let server = Server::start().await;
    let mut owner = select(&server).await;
    asks(&mut owner, "3 CREATE work").await;
    let mut waiting = select(&server).await;
    asks(&mut waiting, "3 SELECT work").await;
    let mut idling = select(&server).await;
    asks(&mut idling, "3 SELECT work").await;
    idling.says("4 IDLE").await;
    idling.hears("+ idling").await;
    asks(&mut owner, "4 DELETE work").await;
    for client in [&mut waiting, &mut idling] {
        client.hears("* BYE The selected mailbox was deleted").await;
        client.is_closed().await;
    }
}

#[tokio::test]
async fn whoever_does_not_log_in_is_gone_in_a_minute() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    // A command now and then does not help.
    tokio::time::pause();
    let start = Instant::now();
    tokio::time::advance(Duration::from_secs(50)).await;
    client.says("1 NOOP").await;
    client.hears("1 OK NOOP done").await;
    client.hears("* BYE Too slow to log in").await;
    client.is_closed().await;
    assert!(start.elapsed() <= Duration::from_secs(61));
}

#[tokio::test]
async fn autologout_is_for_those_who_do_not_idle() {
    let server = Server::start().await;
    let mut waiting = select(&server).await;
    let mut idling = idle(&server).await;
    tokio::time::pause();
    let start = Instant::now();
    for _ in 0..30 {
        idling.hears("* OK Still here").await;
    }
    let elapsed = start.elapsed();
    assert!(elapsed > Duration::from_secs(58 * 60), "{elapsed:?}");
    waiting.hears("* BYE Autologout; idle for too long").await;
    idling.says("DONE").await;
    // The paused clock runs whenever nothing else does: some more signs of life may have been sent.
    let mut line = idling.line().await;
    while line == "* OK Still here" {
        line = idling.line().await;
    }
    assert_eq!(line, "3 OK IDLE done");
}

#[tokio::test]
async fn overlong_and_hopeless_input() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    client.says(&format!("1 LOGIN {}", "x".repeat(20_000))).await;
    begins(&client.line().await, "1 BAD");
    client.says("GET / HTTP/1.1").await;
    begins(&client.line().await, "GET BAD");
    client.says("Host: example.org").await;
    begins(&client.line().await, "Host: BAD");
    client.hears("* BYE Too many bad commands").await;
    client.is_closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_small() {
    let server = Server::start().await;
    let (_client, connection) = server.connection().await;
    // DESIGN §6: 4 KiB in all; the rest is the selected mailbox, the task and the registration of its socket.
    let octets = size_of_val(&serve(connection, Arc::clone(&server.services)));
    assert!(octets <= 2048, "{octets} octets");
}

#[test]
fn keepalives_fall_on_multiples() {
    let epoch = Instant::now();
    let interval = Duration::from_secs(120);
    let at = |after: u64, seed| next_multiple(epoch, epoch + Duration::from_secs(after), interval, seed) - epoch;
    assert_eq!(at(0, 0).as_secs(), 120);
    assert_eq!(at(119, 0).as_secs(), 120);
    assert_eq!(at(120, 0).as_secs(), 240);
    let phase = 30_000_000_000;
    assert_eq!(at(0, phase).as_secs(), 30);
    assert_eq!(at(30, phase).as_secs(), 150);
    assert_eq!(at(149, phase + 120_000_000_000).as_secs(), 150);
}

/// A client that has turned compression on. What it says goes in stored blocks, which any decompressor takes.
struct Compressed<S> {
    client: Client<S>,
    decompressor: Box<miniz_oxide::inflate::stream::InflateState>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Compressed<S> {
    async fn new(mut client: Client<S>) -> Self {
        asks(&mut client, "0 COMPRESS DEFLATE").await;
        let decompressor = miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw);
        Self { client, decompressor }
    }

    async fn says(&mut self, line: &str) {
        let length = line.len() as u16 + 2;
        let head = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
        self.client.says_octets(&[&head, line.as_bytes(), b"\r\n"].concat()).await;
    }

    /// What comes next, as it is and decompressed, up to these words.
    async fn hears(&mut self, end: &str) -> (Vec<u8>, String) {
        let (mut raw, mut text) = (Vec::new(), String::new());
        while !text.contains(end) {
            let mut space = vec![0; 1 << 16];
            let read = tokio::io::AsyncReadExt::read(&mut self.client.stream, &mut space).await.unwrap();
            assert!(read > 0, "the end, after {text:?}");
            raw.extend_from_slice(&space[..read]);
            let mut rest = &space[..read];
            while !rest.is_empty() {
                let mut out = vec![0; 1 << 16];
                let flush = miniz_oxide::MZFlush::None;
                let result = miniz_oxide::inflate::stream::inflate(&mut self.decompressor, rest, &mut out, flush);
                result.status.unwrap();
                rest = &rest[result.bytes_consumed..];
                text.push_str(std::str::from_utf8(&out[..result.bytes_written]).unwrap());
            }
        }
        (raw, text)
    }
}

#[tokio::test]
async fn a_compressed_session_rests_in_idle_and_hears_news_at_once() {
    let server = Server::with(|services| services.imap.compression_rest = Duration::from_millis(50)).await;
    let mut client = Compressed::new(select(&server).await).await;
    for _ in 0..3 {
        client.says("4 CAPABILITY").await;
        let (raw, text) = client.hears("4 OK CAPABILITY done\r\n").await;
        assert!(raw.len() < text.len());
        client.says("5 IDLE").await;
        client.hears("+ idling\r\n").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..2 {
            server.deliver(b"Subject: one\r\n\r\n").await;
            // It goes as it is: nothing was there that could have compressed it.
            let (raw, _) = client.hears("RECENT\r\n").await;
            assert!(String::from_utf8_lossy(&raw).contains(" EXISTS\r\n* "), "{raw:?}");
        }
        client.says("DONE").await;
        client.hears("5 OK IDLE done\r\n").await;
    }
}

#[tokio::test]
async fn a_compressed_session_stays_so_through_tls_a_large_answer_and_a_goodbye() {
    let server = Server::start().await;
    server.deliver("0123456789abcdef\r\n".repeat(100_000).as_bytes()).await;
    let (mut client, _served) = connect(&server).await;
    asks(&mut client, "1 STARTTLS").await;
    let mut client = client.start_tls(&server).await;
    asks(&mut client, "2 LOGIN alice secret").await;
    asks(&mut client, "3 SELECT INBOX").await;
    let mut client = Compressed::new(client).await;
    client.says("4 FETCH 1 BODY.PEEK[]").await;
    let (raw, text) = client.hears("4 OK FETCH done\r\n").await;
    assert!(text.len() > 1_800_000 && raw.len() < 100_000, "{} octets of {}", raw.len(), text.len());
    client.says("5 IDLE").await;
    client.hears("+ idling\r\n").await;
    server.stop.send(true).unwrap();
    client.hears("* BYE The server is shutting down\r\n").await;
}

#[tokio::test]
async fn who_is_logged_out_has_to_log_in_again_in_time() {
    let server = Server::with(|services| services.imap.login_timeout = Duration::from_millis(500)).await;
    let mut client = select(&server).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    asks(&mut client, "3 UNAUTHENTICATE").await;
    client.hears("* BYE Too slow to log in").await;
    client.is_closed().await;
}

/// RFC 9266 §4.1: before TLS 1.3 a channel may not be safe to be bound to, and rustls does not tell.
#[tokio::test]
async fn a_channel_is_bound_to_under_tls_1_3_alone() {
    let server = Server::start().await;
    for (version, bound) in [(&rustls::version::TLS12, false), (&rustls::version::TLS13, true)] {
        let (mut client, _served) = connect(&server).await;
        asks(&mut client, "1 STARTTLS").await;
        let mut client = client.start_tls_as(&server, &[version]).await;
        let capabilities = asks(&mut client, "2 CAPABILITY").await;
        assert!(capabilities[0].contains(" AUTH=SCRAM-SHA-256 "));
        assert_eq!(capabilities[0].contains(" AUTH=SCRAM-SHA-256-PLUS "), bound, "{version:?}");
    }
}
