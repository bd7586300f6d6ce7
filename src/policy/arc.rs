//! ARC (RFC 8617): what those who passed a message on found out, sealed by each.
//!
//! The chain is checked by `mail-auth` with the signatures ([`super::dkim`]); here is what it comes to. A chain that holds
//! says who handled the message, and no more: only of a sealer that the configuration trusts does it excuse a message that
//! DMARC would blame (RFC 8617 §7.2.1).

use mail_auth::{ArcOutput, DkimResult};

use super::dkim::reason;
use super::results::Outcome;

/// What ARC says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `pass`, `fail`, `none`; `temperror` when a key could not be asked for.
    pub outcome: Outcome,
    /// Who sealed last.
    pub sealer: Option<String>,
    /// What was wrong.
    pub problem: Option<String>,
}

impl Verdict {
    pub(super) fn of(output: &ArcOutput<'_>) -> Verdict {
        let (outcome, problem) = match output.result() {
            DkimResult::Pass => (Outcome::Pass, None),
            DkimResult::None => (Outcome::None, None),
            DkimResult::TempError(error) => (Outcome::TempError, Some(reason(error))),
            // RFC 8617 §5.2: whatever else is wrong breaks the chain.
            DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
                (Outcome::Fail, Some(reason(error)))
            }
        };
        let sealer = output.sets().last().map(|set| set.seal.header.d.to_ascii_lowercase());
        Verdict { outcome, sealer, problem }
    }

    /// Whether the chain holds and one of `trusted` sealed it last.
    pub fn is_sealed_by(&self, trusted: &[String]) -> bool {
        self.outcome == Outcome::Pass && self.sealer.as_ref().is_some_and(|sealer| trusted.contains(sealer))
    }
}
