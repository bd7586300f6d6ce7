//! `list`: names, rules, where they stand, and their levels.

use clap::Args;
use protocol_tests::suite::{Corpus, Options};
use protocol_tests::transcript::Level;

use super::{print, suggestion};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this level: must, should, own
    #[arg(long, value_parser = level)]
    level: Option<Level>,
    /// Only those with one of these in their names
    filters: Vec<String>,
}

/// A level as an argument.
pub(super) fn level(name: &str) -> Result<Level, String> {
    Level::named(name).ok_or_else(|| "must, should or own".to_owned())
}

impl List {
    pub(crate) fn run(self) -> Result<(), String> {
        let corpus = Corpus::default();
        let options = Options { filters: self.filters, ..Options::default() };
        let names = corpus.names()?;
        let wanted: Vec<&String> = names.iter().filter(|name| options.wants(name)).collect();
        if wanted.is_empty() {
            let filter = options.filters.join(" ");
            return Err(format!("no transcript has {filter:?} in its name{}", suggestion(&filter, &names)));
        }
        let mut out = String::new();
        for name in wanted {
            let transcript = corpus.read(name)?;
            if self.level.is_none_or(|level| level == transcript.level) {
                let level = transcript.level.name();
                out += &format!("{name}\n    {level}: {} ({})\n", transcript.rule, transcript.rfc);
            }
        }
        print(&out)
    }
}
