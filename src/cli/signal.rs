//! The signals that a server hears.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, heard from the moment of its making.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens; from now on neither signal ends the process by itself.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next of them.
    pub(super) async fn asked(&mut self) {
        // `None` would mean that the runtime is going down.
        tokio::select! {
            _ = self.terminate.recv() => tracing::info!("stopping: SIGTERM"),
            _ = self.interrupt.recv() => tracing::info!("stopping: SIGINT"),
        }
    }
}

/// SIGHUP: a service manager says that the certificate was renewed, or the terminal was closed.
pub(super) struct Hangup(Signal);

impl Hangup {
    /// Listens; from now on SIGHUP does not end the process.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub(super) async fn asked(&mut self) {
        if self.0.recv().await.is_none() {
            // The runtime is going down, and so is whoever waits.
            std::future::pending().await
        }
    }
}
