//! Clients that talk to the driver through a real socket, over a real store.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::Origin;
use crate::net::guard::{Guard, Settings};
use crate::net::limits::{SessionLimits, Sessions};
use crate::net::testbed::{Client, Server};
use crate::smtp::Tarpit;

async fn connect(server: &Server, door: Door) -> (Client<TcpStream>, JoinHandle<()>) {
    let (mut client, connection) = server.connection().await;
    let served = tokio::spawn(serve(connection, Arc::clone(&server.services), door));
    let protocol = if door.dialect() == Dialect::Smtp { "ESMTP" } else { "LMTP" };
    client.hears(&format!("220 mail.example.org {protocol} Postbell")).await;
    (client, served)
}

/// Greets, and opens a transaction for alice up to DATA.
async fn begin_message(client: &mut Client<TcpStream>) {
    client.says("HELO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA").await;
    client.hears("250 mail.example.org").await;
    client.hears("250 2.1.0 Sender accepted").await;
    client.hears("250 2.1.5 Recipient accepted").await;
    client.hears("354 Send the message, then CRLF.CRLF").await;
}

async fn only_message(server: &Server) -> String {
    let inbox = server.services.store.open_mailbox(&server.inbox).await.unwrap();
    let messages = inbox.messages(&inbox.snapshot().uids);
    assert_eq!(messages.len(), 1);
    let body = server.services.store.read_body(messages[0].body).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_message_is_in_the_store_when_its_sender_hears_so() {
    let server = Server::start().await;
    let (mut client, served) = connect(&server, Door::Smtp).await;
    begin_message(&mut client).await;
    // Larger than what is read at once.
    let lines = "0123456789 ..\r\n".repeat(100_000);
    client.says(&format!("Subject: large\r\n\r\n{lines}.")).await;
    client.hears("250 2.0.0 Stored on disk").await;
    assert!(only_message(&server).await.ends_with(&format!("Subject: large\r\n\r\n{lines}")));
    client.says("QUIT").await;
    client.hears("221 2.0.0 Goodbye").await;
    client.is_closed().await;
    served.await.unwrap();
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server, Door::Lmtp).await;
    client.says("LHLO client.example").await;
    while client.line().await.starts_with("250-") {}
    client.says("MAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nRCPT TO:<bob@example.org>").await;
    client.says("RCPT TO:<alice@other.example>\r\nRCPT TO:<alice+x@example.org>\r\nBDAT 3 LAST\r\na").await;
    client.hears("250 2.1.0 Sender accepted").await;
    client.hears("250 2.1.5 Recipient accepted").await;
    client.hears("550 5.1.1 No such user here").await;
    client.hears("550 5.7.1 Not our domain, and we relay for nobody").await;
    client.hears("250 2.1.5 Recipient accepted").await;
    client.hears("250 2.0.0 Stored on disk").await;
    client.hears("250 2.0.0 Stored on disk").await;
    assert!(only_message(&server).await.contains(" with LMTP\r\n"));
}

#[tokio::test]
async fn a_unix_socket_has_no_address_and_no_tls() {
    let server = Server::start().await;
    let (mut client, connection) = server.socket_connection();
    let served = tokio::spawn(serve(connection, Arc::clone(&server.services), Door::Lmtp));
    client.hears("220 mail.example.org LMTP Postbell").await;
    client.says("LHLO client.example").await;
    loop {
        let line = client.line().await;
        assert_ne!(&line[4..], "STARTTLS");
        if line.starts_with("250 ") {
            break;
        }
    }
    client.says("STARTTLS\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nBDAT 3 LAST\r\na").await;
    client.hears("502 5.5.1 TLS is not configured here").await;
    client.hears("250 2.1.0 Sender accepted").await;
    client.hears("250 2.1.5 Recipient accepted").await;
    client.hears("250 2.0.0 Stored on disk").await;
    assert!(only_message(&server).await.contains("\r\nReceived: from client.example (unix)\r\n"));
    client.says("QUIT").await;
    client.hears("221 2.0.0 Goodbye").await;
    client.is_closed().await;
    served.await.unwrap();
}

#[tokio::test]
async fn starttls_drops_what_was_injected_before_it() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server, Door::Smtp).await;
    client.says("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@example.org>").await;
    client.hears("220 2.0.0 Ready for TLS").await;
    let mut client = client.start_tls(&server).await;
    client.says("MAIL FROM:<>").await;
    client.hears("503 5.5.1 Say hello first").await;
    client.says("HELO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n.").await;
    for _ in 0..4 {
        client.line().await;
    }
    client.hears("250 2.0.0 Stored on disk").await;
    let message = only_message(&server).await;
    assert!(message.contains("\r\n\tby mail.example.org with ESMTPS (TLSv1.3 TLS13_AES_"), "{message}");
    client.says("QUIT").await;
    client.hears("221 2.0.0 Goodbye").await;
    client.is_closed().await;
}

#[tokio::test]
async fn a_stop_is_told_and_half_a_message_is_none() {
    let server = Server::start().await;
    let (mut silent, _served) = connect(&server, Door::Smtp).await;
    let (mut client, served) = connect(&server, Door::Smtp).await;
    begin_message(&mut client).await;
    client.says("Subject: half").await;
    server.stop.send_replace(true);
    for client in [&mut silent, &mut client] {
        client.hears("421 4.3.2 The server is shutting down").await;
        client.is_closed().await;
    }
    served.await.unwrap();
    assert_eq!(server.exists(), 0);
}

#[tokio::test]
async fn a_lost_connection_leaves_nothing() {
    let server = Server::start().await;
    let (mut client, served) = connect(&server, Door::Smtp).await;
    begin_message(&mut client).await;
    client.says("Subject: half\r\n..\r\n").await;
    drop(client);
    served.await.unwrap();
    assert_eq!(server.exists(), 0);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server, Door::Smtp).await;
    client.says(&format!("POST / HTTP/1.1\r\nHost: x\r\n\r\n{}", "x".repeat(100_000))).await;
    client.hears("421 4.7.0 This is a mail server").await;
}

#[tokio::test(start_paused = true)]
async fn patience_ends_after_five_minutes() {
    let server = Server::start().await;
    let (mut client, _served) = connect(&server, Door::Smtp).await;
    let start = tokio::time::Instant::now();
    client.hears("421 4.4.2 Waited too long").await;
    assert_eq!(start.elapsed().as_secs(), 300);
    client.is_closed().await;
}

/// Who errs waits for an hour.
async fn server_with_tarpit() -> Server {
    Server::with(|services| {
        services.sessions = Sessions::new(SessionLimits { exempt: Vec::new(), ..SessionLimits::default() });
        let hour = Duration::from_secs(3_600);
        let settings = Settings { tarpit: Tarpit { from_error: 1, step: hour, longest: hour }, ..Settings::OFF };
        services.guard = Arc::new(Guard::new(settings, Arc::clone(&services.sessions)));
    })
    .await
}

/// Errs, and waits until the server has read that.
async fn err(client: &mut Client<TcpStream>, line: &str) {
    client.says("HELO client.example").await;
    client.hears("250 mail.example.org").await;
    client.says(line).await;
}

#[tokio::test]
async fn who_leaves_the_tarpit_is_gone_at_once() {
    let server = server_with_tarpit().await;
    for rest in ["EXPN all", &format!("EXPN all\r\n{}", "NOOP\r\n".repeat(10_000))] {
        let (mut client, served) = connect(&server, Door::Smtp).await;
        err(&mut client, rest).await;
        drop(client);
        // It would take an hour.
        served.await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_reaches_the_tarpit() {
    let server = server_with_tarpit().await;
    let (mut client, served) = connect(&server, Door::Smtp).await;
    err(&mut client, "EXPN all").await;
    server.stop.send_replace(true);
    let mut lines = vec![client.line().await];
    if lines[0].starts_with("502") {
        lines.push(client.line().await);
    }
    assert_eq!(lines.last().map(String::as_str), Some("421 4.3.2 The server is shutting down"));
    client.is_closed().await;
    served.await.unwrap();
}

#[tokio::test]
async fn neighbours_who_deliver_by_lmtp_wait_for_nothing() {
    let server = server_with_tarpit().await;
    let (mut client, _served) = connect(&server, Door::Lmtp).await;
    client.says("EXPN all").await;
    client.hears("502 5.5.1 Not implemented").await;
}

/// A server with few places and short patience for strangers, who are all but the reader.
async fn server_with_places(max_connections: usize) -> Server {
    Server::with(|services| {
        let limits = SessionLimits { max_connections, exempt: Vec::new(), ..SessionLimits::default() };
        services.sessions = Sessions::new(limits);
        services.guard = Arc::new(Guard::new(Settings::OFF, Arc::clone(&services.sessions)));
    })
    .await
}

#[tokio::test]
async fn the_idle_make_room_and_who_brings_a_message_stays() {
    let server = server_with_places(4).await;
    let (mut busy, _served) = connect(&server, Door::Smtp).await;
    begin_message(&mut busy).await;
    let (mut idle, _served) = connect(&server, Door::Smtp).await;
    let (mut silent, _served) = connect(&server, Door::Smtp).await;
    idle.says("HELO client.example").await;
    idle.hears("250 mail.example.org").await;
    let _others = [take_place(&server).await, take_place(&server).await, take_place(&server).await];
    for client in [&mut silent, &mut idle] {
        client.hears("421 4.3.2 The server is full, and you were idle").await;
        client.is_closed().await;
    }
    busy.says("Subject: stays\r\n\r\n.").await;
    busy.hears("250 2.0.0 Stored on disk").await;
}

/// A place for somebody who logs in, as soon as a stranger may be asked to leave for it.
async fn take_place(server: &Server) -> crate::net::limits::ConnectionSlot {
    loop {
        match server.services.sessions.admit(&Origin::Address("192.0.2.9:4711".parse().unwrap())) {
            Ok(mut place) => {
                place.stands(Rank::Settled);
                break place;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_places_are_few_patience_is_short_for_those_who_are_there_too() {
    let server = server_with_places(5).await;
    let (mut client, _served) = connect(&server, Door::Smtp).await;
    let start = tokio::time::Instant::now();
    let mut others: Vec<_> = (0..3)
        .map(|_| server.services.sessions.admit(&Origin::Address("192.0.2.9:4711".parse().unwrap())).unwrap())
        .collect();
    others.iter_mut().for_each(|place| place.stands(Rank::Settled));
    assert!(server.services.sessions.is_stressed());
    client.hears("421 4.4.2 Waited too long").await;
    assert_eq!(start.elapsed().as_secs(), 10);
}
