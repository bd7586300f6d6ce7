//! The ready line: one JSON object on standard output when all sockets listen, for whatever started the server.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::net::listener::Role;
use crate::server::Server;

/// A protocol that listens at several addresses shows its first; one that does not listen is left out.
#[derive(Debug, Serialize)]
struct Ready<'r> {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    smtp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lmtp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imap: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imaps: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pop3: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pop3s: Option<SocketAddr>,
    data: &'r Path,
}

/// Says that `server` is ready, with its real addresses.
pub(super) fn announce(server: &Server, data: &Path) -> io::Result<()> {
    let ready = Ready {
        ready: true,
        smtp: first(server, Role::Smtp),
        lmtp: first(server, Role::Lmtp),
        imap: first(server, Role::Imap),
        imaps: first(server, Role::Imaps),
        pop3: first(server, Role::Pop3),
        pop3s: first(server, Role::Pop3s),
        data,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&ready)?)?;
    stdout.flush()
}

/// Where `role` is spoken, if it is; the first of several addresses.
pub(super) fn first(server: &Server, role: Role) -> Option<SocketAddr> {
    server.addresses().iter().find(|(candidate, _)| *candidate == role).map(|(_, address)| *address)
}
