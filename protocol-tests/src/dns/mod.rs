//! A DNS server for tests: a few zones, served at a port of loopback over UDP and TCP, with whatever troubles a DNS can
//! have. It is asked by the server under test, and by the unit tests of whoever asks a DNS.

pub mod message;
pub mod zone;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use self::zone::Zone;

/// Serves until it is dropped.
pub struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves what `zone` says.
    pub async fn start(zone: &str) -> Result<Server, String> {
        let zone = Arc::new(Zone::parse(zone)?);
        let (udp, tcp) = sockets().await.map_err(|error| format!("a DNS server: {error}"))?;
        let address = udp.local_addr().map_err(|error| error.to_string())?;
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(udp, Arc::clone(&zone)));
        tasks.spawn(over_tcp(tcp, zone));
        Ok(Server { address, _tasks: tasks })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The same port for both.
async fn sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..16 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse)))
}

async fn over_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut query = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut query).await {
        if let Some(answer) = message::answer(&zone, &query[..length], true) {
            // Whoever asked may be gone.
            let _sent = socket.send_to(&answer, peer).await;
        }
    }
}

async fn over_tcp(listener: TcpListener, zone: Arc<Zone>) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        clients.spawn(one_client(client, Arc::clone(&zone)));
    }
}

async fn one_client(mut client: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = client.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if client.read_exact(&mut query).await.is_err() {
            return;
        }
        let Some(answer) = message::answer(&zone, &query, false) else { continue };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        if client.write_u16(length).await.is_err() || client.write_all(&answer).await.is_err() {
            return;
        }
    }
}
