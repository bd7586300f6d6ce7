//! Connections through a proxy, over real sockets.

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use super::*;
use crate::net::limits::{Network, SessionLimits, Sessions};
use crate::net::testbed::{Client, Server};

/// A client of the proxy, on its way to the server.
const FROM_AFAR: &str = "PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n";

/// A listener behind a proxy, and the way to it.
struct Proxied {
    server: Server,
    address: SocketAddr,
    running: tokio::task::JoinHandle<()>,
}

impl Proxied {
    async fn start(role: Role) -> Self {
        Self::with(role, |_| ()).await
    }

    async fn with(role: Role, change: impl FnOnce(&mut Services)) -> Self {
        let server = Server::with(change).await;
        let listener = Listener::bind(role, &Address::Port("127.0.0.1:0".parse().unwrap()), true).unwrap();
        let Address::Port(address) = *listener.address() else { panic!("a port was bound") };
        let running = tokio::spawn(listener.run(Arc::clone(&server.services), Duration::from_secs(7)));
        Self { server, address, running }
    }

    /// Connects, and says this first.
    async fn connect(&self, header: &[u8]) -> Client<TcpStream> {
        let mut client = Client { stream: BufReader::new(TcpStream::connect(self.address).await.unwrap()) };
        client.says_octets(header).await;
        client
    }
}

/// Nothing was said before the close, which is a reset where octets were left unread.
async fn is_gone(mut client: Client<TcpStream>) {
    let mut heard = Vec::new();
    match client.stream.read_to_end(&mut heard).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
    assert_eq!(String::from_utf8_lossy(&heard), "");
}

/// A header of version 2, with this command, family and block.
fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

#[tokio::test]
async fn a_message_says_the_clients_address_and_not_the_proxys() {
    let proxied = Proxied::start(Role::Smtp).await;
    let mut client = proxied.connect(FROM_AFAR.as_bytes()).await;
    client.hears("220 mail.example.org ESMTP Postbell").await;
    client.says("HELO client.example").await;
    client.hears("250 mail.example.org").await;
    for command in ["MAIL FROM:<>", "RCPT TO:<alice@example.org>", "DATA"] {
        client.says(command).await;
        client.line().await;
    }
    client.says("Subject: x\r\n\r\n.").await;
    client.hears("250 2.0.0 Stored on disk").await;
    let inbox = proxied.server.services.store.open_mailbox(&proxied.server.inbox).await.unwrap();
    let messages = inbox.messages(&inbox.snapshot().uids);
    let body = proxied.server.services.store.read_body(messages[0].body).await.unwrap();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("\r\nReceived: from client.example ([192.0.2.7])\r\n"), "{text}");
}

#[tokio::test]
async fn nobody_is_on_loopback_because_the_proxy_is() {
    let proxied = Proxied::start(Role::Imap).await;
    let ipv6 = [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 28], &[0x12, 0x67, 0, 143], &[0xff; 300]].concat();
    for (header, plaintext_login) in [
        (FROM_AFAR.into(), false),
        (version_2(0x21, 0x21, &ipv6), false),
        (b"PROXY UNKNOWN\r\n".to_vec(), false),
        (version_2(0x21, 0x31, &[b'/'; 216]), false),
        // The proxy itself, and one of this machine who came through it.
        (version_2(0x20, 0x00, b""), true),
        (b"PROXY TCP4 127.0.0.9 127.0.0.1 4711 143\r\n".to_vec(), true),
    ] {
        let mut client = proxied.connect(&header).await;
        let greeting = client.line().await;
        assert_eq!(!greeting.contains(" LOGINDISABLED"), plaintext_login, "{header:?}: {greeting}");
    }
}

#[tokio::test]
async fn limits_count_the_client_and_not_the_proxy() {
    let limits = SessionLimits { max_per_address: 1, exempt: Vec::new(), ..SessionLimits::default() };
    let proxied = Proxied::with(Role::Smtp, |services| services.sessions = Sessions::new(limits)).await;
    let mut first = proxied.connect(FROM_AFAR.as_bytes()).await;
    first.line().await;
    let mut second = proxied.connect(FROM_AFAR.as_bytes()).await;
    second.hears("421 4.7.0 too many connections from your address").await;
    second.is_closed().await;
    let mut neighbour = proxied.connect(b"PROXY TCP4 192.0.2.8 192.0.2.25 4711 25\r\n").await;
    neighbour.hears("220 mail.example.org ESMTP Postbell").await;
    first.says("QUIT").await;
    first.hears("221 2.0.0 Goodbye").await;
    first.is_closed().await;
}

#[tokio::test]
async fn a_header_may_come_octet_by_octet() {
    let proxied = Proxied::start(Role::Pop3).await;
    let mut client = proxied.connect(b"").await;
    for octet in version_2(0x21, 0x11, &[192, 0, 2, 7, 192, 0, 2, 25, 0x12, 0x67, 0, 110, 0x04, 0, 1, 0]) {
        client.says_octets(&[octet]).await;
        tokio::task::yield_now().await;
    }
    assert!(client.line().await.starts_with("+OK "));
}

#[tokio::test]
async fn tls_begins_behind_the_header() {
    let proxied = Proxied::start(Role::Imaps).await;
    let client = proxied.connect(FROM_AFAR.as_bytes()).await;
    let mut client = client.start_tls(&proxied.server).await;
    let greeting = client.line().await;
    assert!(greeting.starts_with("* OK ") && greeting.contains(" AUTH=PLAIN"), "{greeting}");
}

#[tokio::test]
async fn who_is_no_proxy_of_ours_is_not_listened_to() {
    let change = |services: &mut Services| services.trusted_proxies = vec!["192.0.2.0/24".parse::<Network>().unwrap()];
    let proxied = Proxied::with(Role::Smtp, change).await;
    is_gone(proxied.connect(b"").await).await;
    assert_eq!(proxied.server.services.sessions.connections(), 0);
}

#[tokio::test]
async fn what_is_no_header_ends_the_connection() {
    let proxied = Proxied::start(Role::Smtp).await;
    let kind = version_2(0x21, 0x12, b"");
    for wrong in [&b"E"[..], b"PROXY TCP4 192.0.2.7\r\n", &kind] {
        is_gone(proxied.connect(wrong).await).await;
    }
}

#[tokio::test]
async fn a_proxy_that_says_nothing_does_not_delay_the_stop() {
    let proxied = Proxied::start(Role::Smtp).await;
    let silent = proxied.connect(b"PROXY ").await;
    proxied.server.stop.send_replace(true);
    is_gone(silent).await;
    tokio::time::timeout(Duration::from_secs(5), proxied.running).await.expect("a stop at once").unwrap();
}
