//! `postbell check`: is everything there, and whole?

use clap::Args;

use super::{Failure, Place};
use crate::store::{Finding, Store};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    place: Place,
    /// Make the index anew from the journal afterwards
    #[arg(long)]
    rebuild: bool,
}

impl Check {
    /// Succeeds where nothing is wrong any more; the report is on standard output either way.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (data_dir, _) = self.place.resolve()?;
        let report = Store::check(&data_dir, self.rebuild).map_err(Failure::new)?;
        println!("{report}");
        let mended = |finding: &Finding| report.rebuilt && concerns_index(finding);
        match report.findings.iter().filter(|finding| !mended(finding)).count() {
            0 => Ok(()),
            wrong => Err(Failure::new(format_args!("{}: {wrong} of these findings stand", data_dir.display()))),
        }
    }
}

/// Whether a new index mends it; else the journal itself is damaged.
fn concerns_index(finding: &Finding) -> bool {
    match finding {
        Finding::UnusableIndex(_) | Finding::IndexDiffers(_) => true,
        Finding::SegmentHeader(_) | Finding::LostRecords { .. } | Finding::DamagedBody { .. } => false,
    }
}
