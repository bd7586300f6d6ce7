//! What the tests of this module share: a DNS of their own.

use std::net::SocketAddr;
use std::time::Duration;

use protocol_tests::dns;

use super::resolver::{DnsSettings, Resolver};

/// A resolver that asks the server at `address`.
pub(super) fn resolver_at(address: SocketAddr, timeout: Duration) -> Resolver {
    Resolver::new(&DnsSettings { servers: vec![address], timeout, ..DnsSettings::default() }).unwrap()
}

/// A resolver that knows what `zone` says, and its server.
pub(super) async fn resolver(zone: &str) -> (Resolver, dns::Server) {
    let server = dns::Server::start(zone).await.unwrap();
    (resolver_at(server.address(), Duration::from_secs(2)), server)
}
