//! `compare`: the results of several servers, put into a page side by side.

use std::path::PathBuf;

use clap::Args;
use protocol_tests::report::comparison::{Results, figures, put, tables};

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The page, which has the markers `<!-- results -->` and `<!-- figures -->`, each with an `<!-- end of … -->`
    #[arg(long)]
    page: PathBuf,
    /// When and how the results came about: a sentence that stands above them
    #[arg(long, default_value = "")]
    note: String,
    /// A server and what `run --format json` wrote of it: `NAME VERSION=FILE`
    #[arg(required = true)]
    results: Vec<String>,
}

impl Compare {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut servers = Vec::new();
        for named in &self.results {
            let (server, file) = named.rsplit_once('=').ok_or_else(|| format!("{named:?} is not NAME VERSION=FILE"))?;
            let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            servers.push(Results::read(server, &text).map_err(|error| format!("{file}: {error}"))?);
        }
        let name = self.page.display();
        let page = std::fs::read_to_string(&self.page).map_err(|error| format!("{name}: {error}"))?;
        let results = format!("{}\n\n{}", self.note, tables(&servers));
        let page = put(&page, "results", &results).and_then(|page| put(&page, "figures", &figures(&servers)));
        std::fs::write(&self.page, page.map_err(|error| format!("{name}: {error}"))?)
            .map_err(|error| format!("{name}: {error}"))
    }
}
