//! `postbell serve`: for real.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::signal::{Hangup, Stop};
use super::{Failure, log, ready};
use crate::config::Config;
use crate::observe::{Nobody, Observer};
use crate::server::Server;

/// What is left on the runtime's threads when the server has stopped gets this long: all that mattered has ended.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file; docs/postbell.toml names every key
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print one line of JSON with the addresses when everything listens
    #[arg(long)]
    ready_json: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config)?;
        log::begin(&config.log)?;
        let data = config.data_dir.clone();
        run_server(config, Arc::new(Nobody), async |server| {
            if self.ready_json {
                ready::announce(server, &data).map_err(Failure::new)?;
            }
            renew_at_sighup(server).await
        })
    }
}

/// Takes the certificate anew at each SIGHUP, for as long as the server runs.
async fn renew_at_sighup(server: &Server) -> Result<(), Failure> {
    let mut hangup = Hangup::listen().map_err(Failure::new)?;
    loop {
        hangup.asked().await;
        match server.reload_certificate().await {
            Ok(true) => tracing::info!("the certificate was read anew"),
            Ok(false) => tracing::info!("there is no certificate to read anew"),
            Err(error) => tracing::error!(%error, "the certificate can't be read anew; the old one stays"),
        }
    }
}

/// Starts a server, does `beside` beside it, and stops it when a signal says so, `beside` fails, or the store can't be
/// written any more.
pub(super) fn run_server(
    config: Config,
    observer: Arc<dyn Observer>,
    beside: impl AsyncFnOnce(&Server) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    let outcome = runtime.block_on(async {
        let mut stop = Stop::listen().map_err(Failure::new)?;
        let server = Server::start(config, observer).await?;
        let outcome = tokio::select! {
            () = stop.asked() => Ok(()),
            outcome = beside(&server) => outcome,
            reason = server.failed() => Err(Failure::new(format_args!("the store can't be written any more: {reason}"))),
        };
        tokio::select! {
            // What went wrong first says more than what went wrong because of it.
            stopped = server.shutdown() => outcome.and(stopped.map_err(Failure::new)),
            () = stop.asked() => Err(Failure::new("stopped at once by a second signal")),
        }
    });
    runtime.shutdown_timeout(LINGER);
    outcome
}
