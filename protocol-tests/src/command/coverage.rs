//! `coverage`: makes docs/RFC.md, and says what does not fit together.

use clap::Args;
use protocol_tests::citation;
use protocol_tests::coverage::{Coverage, PAGE, page};
use protocol_tests::suite::Corpus;

use super::print;

#[derive(Debug, Args)]
pub(crate) struct CoverageOf {
    /// Write nothing; fail where docs/RFC.md is not what the tree says
    #[arg(long)]
    check: bool,
    /// Tell of this place alone, with every file and case: "RFC 2177 §3"
    #[arg(conflicts_with = "check")]
    place: Option<String>,
}

impl CoverageOf {
    /// Whether all fits together.
    pub(crate) fn run(self) -> Result<bool, String> {
        let corpus = Corpus::default();
        let root = corpus.root.parent().ok_or("the crate's folder stands in no other")?;
        let coverage = Coverage::read(root)?;
        if let Some(place) = &self.place {
            for citation in citation::parse(place)? {
                print(&page::told(&coverage, &citation))?;
            }
            return Ok(true);
        }
        let findings = match self.check {
            true => coverage.check()?,
            false => {
                coverage.write()?;
                print(&format!("{PAGE} is written\n"))?;
                coverage.findings
            }
        };
        for finding in &findings {
            print(&format!("{finding}\n"))?;
        }
        Ok(findings.is_empty())
    }
}
