//! Clients that talk to a driver through a real socket, over a real store.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::net::limits::{Network, SessionLimits, Sessions};
use crate::net::testbed::{Client, Server};

mod model;

/// A connection that is being served.
async fn connect(server: &Server) -> (Client<TcpStream>, JoinHandle<()>) {
    let (mut client, connection) = server.connection().await;
    let served = tokio::spawn(serve(connection, Arc::clone(&server.services)));
    client.hears("+OK mail.example.org Postbell POP3 ready").await;
    (client, served)
}

async fn log_in(server: &Server) -> Client<TcpStream> {
    let (mut client, _served) = connect(server).await;
    client.says("USER alice").await;
    client.hears("+OK now the password").await;
    client.says("PASS secret").await;
    assert!(client.line().await.starts_with("+OK maildrop has "));
    client
}

/// The lines of a multi-line answer behind its first, dots taken out.
async fn lines(client: &mut Client<TcpStream>) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let start = octets.len();
        assert_ne!(client.stream.read_until(b'\n', &mut octets).await.unwrap(), 0, "the answer breaks off");
        // A line may hold bare LFs; the tests' messages hold none.
        match &octets[start..] {
            b".\r\n" => {
                octets.truncate(start);
                return octets;
            }
            [b'.', ..] => drop(octets.remove(start)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn mail_is_listed_fetched_and_removed_at_quit() {
    let server = Server::start().await;
    let large: Vec<u8> = (0..60_000).flat_map(|number| format!(".{number} \u{fc}\0\r\n").into_bytes()).collect();
    assert!(large.len() > 2 * 256 * 1024, "more than one piece");
    server.deliver(b"Subject: one\r\n\r\nHello\r\n").await;
    server.deliver(&large).await;
    let mut client = log_in(&server).await;
    client.says("STAT").await;
    client.hears(&format!("+OK 2 {}", 23 + large.len())).await;
    client.says("UIDL").await;
    client.line().await;
    let unique_ids = lines(&mut client).await;
    client.says("RETR 2").await;
    client.hears(&format!("+OK {} octets", large.len())).await;
    assert!(lines(&mut client).await == large, "the octets come out as they went in");
    client.says("TOP 1 0").await;
    client.hears("+OK top of message 1").await;
    assert_eq!(lines(&mut client).await, b"Subject: one\r\n\r\n");
    client.says("DELE 2").await;
    client.hears("+OK message 2 deleted").await;
    assert_eq!(server.exists(), 2);
    client.says("QUIT").await;
    client.hears("+OK goodbye, 1 message (23 octets) left").await;
    client.is_closed().await;
    assert_eq!(server.exists(), 1);

    let mut client = log_in(&server).await;
    client.says("UIDL").await;
    client.line().await;
    let first = unique_ids.split_inclusive(|octet| *octet == b'\n').next().unwrap();
    assert_eq!(lines(&mut client).await, first, "the unique-id is the same in the next session");
}

#[tokio::test]
async fn a_lost_connection_removes_nothing() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let (mut client, served) = connect(&server).await;
    for line in ["USER alice", "PASS secret", "DELE 1"] {
        client.says(line).await;
        assert!(client.line().await.starts_with("+OK"));
    }
    drop(client);
    served.await.unwrap();
    assert_eq!(server.exists(), 1);
}

/// The password's proof takes longer than the end of the client's side to come.
#[tokio::test]
async fn who_ends_its_side_behind_what_it_sent_is_answered() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    client.stream.write_all(b"USER alice\r\nPASS secret\r\nQUIT\r\n").await.unwrap();
    client.stream.shutdown().await.unwrap();
    client.hears("+OK now the password").await;
    assert!(client.line().await.starts_with("+OK maildrop has "));
    assert!(client.line().await.starts_with("+OK goodbye"));
    client.is_closed().await;
}

#[tokio::test]
async fn two_sessions_and_imap_share_a_maildrop() {
    let server = Server::start().await;
    for number in 1..=3 {
        server.deliver(format!("Subject: {number}\r\n\r\n").as_bytes()).await;
    }
    let mut phone = log_in(&server).await;
    let mut desktop = log_in(&server).await;
    server.expunge(1).await;
    server.deliver(b"Subject: 4\r\n\r\n").await;
    for client in [&mut phone, &mut desktop] {
        client.says("STAT").await;
        client.hears("+OK 3 42").await;
        client.says("RETR 2").await;
        client.hears("+OK 14 octets").await;
        assert_eq!(lines(client).await, b"Subject: 2\r\n\r\n");
    }
    for client in [&mut phone, &mut desktop] {
        client.says("RETR 1").await;
        client.hears("-ERR [SYS/TEMP] message 1 was removed by another client").await;
        client.says("DELE 1").await;
        client.hears("+OK message 1 deleted").await;
        client.says("DELE 2").await;
        client.hears("+OK message 2 deleted").await;
        client.says("QUIT").await;
        client.hears("+OK goodbye, 1 message (14 octets) left").await;
    }
    assert_eq!(server.exists(), 2, "the third, and the one that nobody saw");
}

#[tokio::test]
async fn stls_drops_what_was_injected_before_it() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    client.says("STLS\r\nNOOP\r\nUSER mallory").await;
    client.hears("+OK begin TLS").await;
    let mut client = client.start_tls(&server).await;
    client.says("PASS secret").await;
    client.hears("-ERR USER comes first").await;
    client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    client.hears("+OK maildrop has 0 messages (0 octets)").await;
    client.says("QUIT").await;
    client.hears("+OK goodbye, 0 messages (0 octets) left").await;
    client.is_closed().await;
}

#[tokio::test]
async fn a_stop_is_told_and_removes_nothing() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let mut client = log_in(&server).await;
    client.says("DELE 1").await;
    client.hears("+OK message 1 deleted").await;
    let (mut stranger, _served) = connect(&server).await;
    server.stop.send_replace(true);
    for client in [&mut client, &mut stranger] {
        client.hears("-ERR [SYS/TEMP] shutting down").await;
        client.is_closed().await;
    }
    assert_eq!(server.exists(), 1);
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let limits = SessionLimits { max_per_user_and_address: 1, exempt: Vec::new(), ..SessionLimits::default() };
    let server = Server::with(|services| services.sessions = Sessions::new(limits)).await;
    let mut first = log_in(&server).await;
    let (mut second, _served) = connect(&server).await;
    second.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    second.hears("-ERR [IN-USE] you have too many sessions").await;
    first.says("QUIT").await;
    first.hears("+OK goodbye, 0 messages (0 octets) left").await;
    first.is_closed().await;
    drop(first);
    // The place is free when the session is over, a moment after its last line.
    loop {
        second.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
        match second.line().await {
            line if line.starts_with("-ERR [IN-USE]") => tokio::task::yield_now().await,
            line => break assert_eq!(line, "+OK maildrop has 0 messages (0 octets)"),
        }
    }
}

#[tokio::test]
async fn the_third_wrong_password_ends_the_connection() {
    tokio::time::pause();
    let server = Server::start().await;
    let (mut client, _served) = connect(&server).await;
    for _ in 0..3 {
        client.says("AUTH PLAIN AGFsaWNlAHdyb25n").await;
        client.hears("-ERR [AUTH] wrong name or password").await;
    }
    client.is_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_autologout_closes_without_a_word() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let mut client = log_in(&server).await;
    client.says("DELE 1").await;
    client.hears("+OK message 1 deleted").await;
    let start = tokio::time::Instant::now();
    client.is_closed().await;
    assert_eq!(start.elapsed().as_secs(), 600);
    assert_eq!(server.exists(), 1);
}

#[tokio::test]
async fn a_quit_that_is_not_durable_is_told_and_keeps_all() {
    let server = Server::start().await;
    server.deliver(b"Subject: one\r\n\r\n").await;
    let mut client = log_in(&server).await;
    client.says("DELE 1").await;
    client.hears("+OK message 1 deleted").await;
    server.services.store.close().await.unwrap();
    client.says("QUIT").await;
    client.hears("-ERR [SYS/TEMP] the deleted messages were not removed").await;
    client.is_closed().await;
    assert_eq!(server.exists(), 1);
}

#[tokio::test]
async fn a_maildrop_that_cannot_be_opened_counts_for_no_delay() {
    let delay = crate::pop3::Limits { login_delay: std::time::Duration::from_secs(3600), ..Default::default() };
    let limits = SessionLimits { max_per_user_and_address: 1, exempt: Vec::new(), ..SessionLimits::default() };
    let server = Server::with(|services| {
        services.pop3 = delay;
        services.sessions = Sessions::new(limits);
    })
    .await;
    let account = server.inbox.account();
    let slot = server.services.sessions.admit_user(account, &Origin::Address("127.0.0.1:4711".parse().unwrap()));
    let (mut client, _served) = connect(&server).await;
    client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    client.hears("-ERR [IN-USE] you have too many sessions").await;
    drop(slot);
    client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
    client.hears("+OK maildrop has 0 messages (0 octets)").await;
    client.says("QUIT").await;
    client.line().await;
    client.is_closed().await;
    let (mut client, _served) = connect(&server).await;
    loop {
        client.says("AUTH PLAIN AGFsaWNlAHNlY3JldA==").await;
        match client.line().await {
            // The place of the session before is free a moment after its last line.
            line if line.starts_with("-ERR [IN-USE]") => tokio::task::yield_now().await,
            line => break assert_eq!(line, "-ERR [LOGIN-DELAY] the last login was less than 3600 s ago"),
        }
    }
}

/// RFC 6856 §2.1: in messages of any size, headers are found and shown otherwise.
#[tokio::test]
async fn headers_are_shown_otherwise_wherever_they_lie() {
    let server = Server::start().await;
    let filler = "x\r\n".repeat(20_000);
    let part = |header: &str| format!("--b\r\n{header}\r\n\r\n{filler}");
    let message = |field: &str| {
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let fields = [field, "A: b", field].map(part).concat();
        format!("{field}\r\n{head}{fields}--b--\r\n")
    };
    let (given, shown) = (message("Content-Description: \u{e9}"), message("Content-Description: =?utf-8?B?w6k=?="));
    server.deliver(given.as_bytes()).await;
    let mut client = log_in(&server).await;
    client.says("RETR 1").await;
    client.hears(&format!("+OK {} octets", shown.len())).await;
    assert!(lines(&mut client).await == shown.as_bytes());
}

#[tokio::test]
async fn a_header_above_the_limits_is_for_clients_with_utf8() {
    let server = Server::start().await;
    let field = format!("X: {}\r\n", "x".repeat(990)).repeat(1_100);
    let (ascii, utf8) = (format!("{field}\r\nbody\r\n"), format!("{field}Subject: \u{e9}\r\n\r\nbody\r\n"));
    assert!(field.len() > 1 << 20);
    server.deliver(ascii.as_bytes()).await;
    server.deliver(utf8.as_bytes()).await;
    let mut client = log_in(&server).await;
    client.says("RETR 1").await;
    client.hears(&format!("+OK {} octets", ascii.len())).await;
    assert!(lines(&mut client).await == ascii.as_bytes());
    client.says("RETR 2").await;
    client.hears("-ERR [UTF8] message 2 is for clients that say UTF8 before they log in").await;
    let (mut client, _served) = connect(&server).await;
    for line in ["UTF8", "USER alice", "PASS secret"] {
        client.says(line).await;
        assert!(client.line().await.starts_with("+OK"));
    }
    client.says("RETR 2").await;
    client.hears(&format!("+OK {} octets", utf8.len())).await;
    assert!(lines(&mut client).await == utf8.as_bytes());
}
