//! From verdicts to what happens with a message: tagged, filed into Junk, refused.
//!
//! Two moments decide. At RCPT what is known of the client and its sender, so that whoever is refused learns it for each
//! recipient, and postmaster stays within reach of all (RFC 5321 §4.5.1, RFC 5782 §3). At the end of the message what its
//! header says of its author (RFC 7208 §8, RFC 7489 §6.7). Where the DNS has no answer, mail is put off only if that
//! answer could have refused it.

use std::str::FromStr;

use super::blocklist::List;
use super::dmarc;
use super::results::{Outcome, Verdicts};
use super::spf;
use crate::smtp::Reply;

/// What an outcome leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It stands in the header, and no more.
    Tag,
    /// The message is filed into Junk.
    Junk,
    /// The message is refused.
    Refuse,
}

impl Action {
    pub(super) const WORDS: &str = "\"tag\", \"junk\" or \"refuse\"";
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Action, String> {
        match text {
            "tag" => Ok(Action::Tag),
            "junk" => Ok(Action::Junk),
            "refuse" => Ok(Action::Refuse),
            _ => Err(format!("{text:?} is not one of {}", Action::WORDS)),
        }
    }
}

/// What the configuration says about outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The client's address has no name that leads back to it.
    pub reverse_dns_fail: Action,
    /// The sender's domain says that the client may not send for it (`-all`).
    pub spf_fail: Action,
    /// Nobody vouches for the author, whose domain wants such mail quarantined.
    pub dmarc_quarantine: Action,
    /// The same, where it wants it rejected.
    pub dmarc_reject: Action,
    /// Whose ARC seal excuses a message that DMARC would blame: mailing lists and forwarders, A-labels in lower case.
    pub trusted_arc_sealers: Vec<String>,
    /// Lists of clients, each with its action.
    pub blocklists: Vec<List>,
    /// Lists of clients that no blocklist, and no missing name, speaks against.
    pub allowlists: Vec<List>,
}

impl Default for Rules {
    /// What the owners of domains want goes as far as Junk, where a mistake can be found; refusing is the operator's word.
    fn default() -> Self {
        Self {
            reverse_dns_fail: Action::Tag,
            spf_fail: Action::Tag,
            dmarc_quarantine: Action::Junk,
            dmarc_reject: Action::Junk,
            trusted_arc_sealers: Vec::new(),
            blocklists: Vec::new(),
            allowlists: Vec::new(),
        }
    }
}

/// What happens with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is taken.
    Take {
        /// And filed into Junk.
        is_junk: bool,
    },
    /// It is not.
    Refuse(Reply),
}

impl Rules {
    /// Whether anything could be refused at RCPT; if not, nobody waits there.
    pub fn may_refuse_early(&self) -> bool {
        let lists = self.blocklists.iter().any(|list| list.action == Action::Refuse);
        lists || self.reverse_dns_fail == Action::Refuse || self.spf_fail == Action::Refuse
    }

    /// Why a recipient is refused for the client's or the sender's sake.
    pub fn refusal_of_client(&self, verdicts: &Verdicts) -> Option<Reply> {
        let is_allowed = !verdicts.allowed.is_empty();
        if let (false, Some(hit)) = (is_allowed, verdicts.blocked.iter().find(|hit| hit.list.action == Action::Refuse))
        {
            return Some(Reply::new(550, "5.7.1", "").with_text(hit.to_string()));
        }
        if self.reverse_dns_fail == Action::Refuse
            && !is_allowed
            && let Some(verdict) = &verdicts.reverse_dns
        {
            match verdict.outcome {
                Outcome::Fail => {
                    return Some(
                        Reply::new(550, "5.7.25", "")
                            .with_text(format!("{} has no name in the DNS that leads back to it", verdict.address)),
                    );
                }
                Outcome::TempError => {
                    return Some(
                        Reply::new(451, "4.7.25", "")
                            .with_text(format!("The name of {} cannot be asked for now", verdict.address)),
                    );
                }
                _ => {}
            }
        }
        if self.spf_fail == Action::Refuse
            && let Some(verdict) = verdicts.spf()
        {
            return refusal_by_spf(verdict);
        }
        None
    }

    /// What happens with a message that has come.
    pub fn decide(&self, verdicts: &Verdicts) -> Decision {
        let action = match &verdicts.dmarc {
            Some(verdict) if !self.is_excused(verdicts) => self.action_by_dmarc(verdict),
            _ => Action::Tag,
        };
        match &verdicts.dmarc {
            Some(verdict) if action == Action::Refuse => Decision::Refuse(refusal_by_dmarc(verdict, verdicts)),
            _ => Decision::Take { is_junk: action >= Action::Junk || self.is_junk(verdicts) },
        }
    }

    /// RFC 8617 §7.2.1: whoever altered the message is trusted to have looked at it before.
    fn is_excused(&self, verdicts: &Verdicts) -> bool {
        verdicts.arc.as_ref().is_some_and(|chain| chain.is_sealed_by(&self.trusted_arc_sealers))
    }

    fn action_by_dmarc(&self, verdict: &dmarc::Verdict) -> Action {
        let wanted = match verdict.policy {
            dmarc::Policy::None => Action::Tag,
            dmarc::Policy::Quarantine => self.dmarc_quarantine,
            dmarc::Policy::Reject => self.dmarc_reject,
        };
        let most = self.dmarc_quarantine.max(self.dmarc_reject);
        match verdict.outcome {
            Outcome::Fail => wanted,
            // Without a record nobody knows what is wanted: what could be refused is put off.
            Outcome::TempError if most == Action::Refuse && (wanted == Action::Refuse || verdict.problem.is_some()) => {
                Action::Refuse
            }
            // A From that names nobody, or a crowd, hides from DMARC.
            Outcome::PermError => most.min(Action::Junk),
            _ => Action::Tag,
        }
    }

    /// What of the client and sender leads into Junk. Who vouches for the author by DKIM makes a forwarder's SPF failure
    /// harmless.
    fn is_junk(&self, verdicts: &Verdicts) -> bool {
        let is_allowed = !verdicts.allowed.is_empty();
        let blocked = verdicts.blocked.iter().any(|hit| hit.list.action == Action::Junk);
        let nameless = self.reverse_dns_fail == Action::Junk
            && verdicts.reverse_dns.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::Fail);
        let vouched = verdicts.dmarc.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::Pass);
        let spf =
            self.spf_fail == Action::Junk && verdicts.spf().is_some_and(|verdict| verdict.outcome == Outcome::Fail);
        (!is_allowed && (blocked || nameless)) || (spf && !vouched && !self.is_excused(verdicts))
    }
}

/// RFC 7372 §3.2.
fn refusal_by_spf(verdict: &spf::Verdict) -> Option<Reply> {
    match verdict.outcome {
        Outcome::Fail => {
            let mut text = format!("{} does not let you send for it (SPF)", verdict.domain);
            if let Some(explanation) = &verdict.explanation {
                // RFC 7208 §6.2: it has to be told who says so.
                text.push_str(&format!("\n{} explains: {explanation}", verdict.domain));
            }
            Some(Reply::new(550, "5.7.23", "").with_text(text))
        }
        Outcome::TempError => {
            let text = format!("{} cannot be asked now whether you may send for it (SPF)", verdict.domain);
            Some(Reply::new(451, "4.7.24", "").with_text(text))
        }
        _ => None,
    }
}

/// RFC 7489 §10.3, RFC 7372 §3.3.
fn refusal_by_dmarc(verdict: &dmarc::Verdict, verdicts: &Verdicts) -> Reply {
    if verdict.outcome == Outcome::TempError {
        let text = format!("Whether this is from {} cannot be found out now (DMARC)", verdict.domain);
        return Reply::new(451, "4.4.3", "").with_text(text);
    }
    let spf_failed = verdicts.spf().is_some_and(|verdict| verdict.outcome == Outcome::Fail);
    let dkim_failed = verdicts.dkim.iter().any(|verdict| verdict.outcome == Outcome::Fail);
    let text = format!("Nothing shows that this is from {}, which wants such mail refused (DMARC)", verdict.domain);
    let enhanced = if spf_failed && dkim_failed { "5.7.26" } else { "5.7.1" };
    Reply::new(550, enhanced, "").with_text(text)
}

#[cfg(test)]
mod tests {
    use super::super::{arc, blocklist::Hit, reverse_dns};
    use super::*;

    fn dmarc(outcome: Outcome, policy: dmarc::Policy) -> Verdicts {
        let problem = None;
        Verdicts {
            dmarc: Some(dmarc::Verdict { domain: "a.example".into(), outcome, policy, problem }),
            ..Verdicts::default()
        }
    }

    fn spf(outcome: Outcome, verdicts: Verdicts) -> Verdicts {
        let spf_mail_from = Some(spf::Verdict {
            identity: spf::Identity::MailFrom,
            domain: "b.example".into(),
            outcome,
            mechanism: None,
            problem: None,
            explanation: Some("because".into()),
        });
        Verdicts { spf_mail_from, ..verdicts }
    }

    fn reply(decision: Decision) -> (u16, &'static str) {
        let Decision::Refuse(reply) = decision else { return (250, "") };
        (reply.code(), reply.enhanced())
    }

    const JUNK: Decision = Decision::Take { is_junk: true };
    const INBOX: Decision = Decision::Take { is_junk: false };

    #[test]
    fn what_owners_want_goes_as_far_as_the_operator_says() {
        use dmarc::Policy::{None, Quarantine, Reject};
        let mild = Rules::default();
        let tagging = Rules { dmarc_quarantine: Action::Tag, dmarc_reject: Action::Tag, ..Rules::default() };
        let strict = Rules { dmarc_reject: Action::Refuse, ..Rules::default() };
        for (policy, decisions) in [
            (None, [INBOX, INBOX, INBOX]),
            (Quarantine, [INBOX, JUNK, JUNK]),
            (Reject, [INBOX, JUNK, Decision::Refuse(Reply::new(550, "5.7.1", ""))]),
        ] {
            for (rules, expected) in [&tagging, &mild, &strict].into_iter().zip(decisions) {
                let decision = rules.decide(&dmarc(Outcome::Fail, policy));
                assert_eq!(decision == INBOX, expected == INBOX, "{policy:?}");
                assert_eq!(reply(decision), reply(expected), "{policy:?}");
                assert_eq!(rules.decide(&dmarc(Outcome::Pass, policy)), INBOX);
            }
        }
    }

    #[test]
    fn a_trusted_sealer_excuses_and_others_do_not() {
        let rules = Rules {
            dmarc_reject: Action::Refuse,
            trusted_arc_sealers: vec!["list.example".into()],
            ..Rules::default()
        };
        for (outcome, sealer, code) in [
            (Outcome::Pass, "list.example", 250),
            (Outcome::Pass, "evil.example", 550),
            (Outcome::Fail, "list.example", 550),
        ] {
            let mut verdicts = dmarc(Outcome::Fail, dmarc::Policy::Reject);
            verdicts.arc = Some(arc::Verdict { outcome, sealer: Some(sealer.into()), problem: None });
            assert_eq!(reply(rules.decide(&verdicts)).0, code, "{outcome:?} {sealer}");
        }
    }

    #[test]
    fn mail_is_put_off_only_where_the_answer_could_refuse_it() {
        let strict = Rules {
            dmarc_reject: Action::Refuse,
            spf_fail: Action::Refuse,
            reverse_dns_fail: Action::Refuse,
            ..Rules::default()
        };
        let mut unknown = dmarc(Outcome::TempError, dmarc::Policy::None);
        unknown.dmarc.as_mut().unwrap().problem = Some("no answer".into());
        assert_eq!(reply(strict.decide(&unknown)), (451, "4.4.3"));
        assert_eq!(Rules::default().decide(&unknown), INBOX);
        assert_eq!(reply(strict.decide(&dmarc(Outcome::TempError, dmarc::Policy::Reject))), (451, "4.4.3"));
        assert_eq!(strict.decide(&dmarc(Outcome::TempError, dmarc::Policy::None)), INBOX);

        let mut verdicts = spf(Outcome::TempError, Verdicts::default());
        assert_eq!(strict.refusal_of_client(&verdicts).unwrap().enhanced(), "4.7.24");
        assert_eq!(Rules::default().refusal_of_client(&verdicts), None);
        verdicts.reverse_dns =
            Some(reverse_dns::Verdict { outcome: Outcome::TempError, address: [192, 0, 2, 1].into(), name: None });
        assert_eq!(strict.refusal_of_client(&verdicts).unwrap().enhanced(), "4.7.25");
        assert_eq!(Rules::default().refusal_of_client(&verdicts), None);
    }

    #[test]
    fn clients_and_senders() {
        let strict = Rules { spf_fail: Action::Refuse, reverse_dns_fail: Action::Refuse, ..Rules::default() };
        let failed = spf(Outcome::Fail, Verdicts::default());
        let refused = strict.refusal_of_client(&failed).unwrap();
        assert_eq!((refused.code(), refused.enhanced()), (550, "5.7.23"));
        assert_eq!(refused.text(), "b.example does not let you send for it (SPF)\nb.example explains: because");
        assert_eq!(strict.refusal_of_client(&spf(Outcome::SoftFail, Verdicts::default())), None);

        let mut listed = Verdicts {
            reverse_dns: Some(reverse_dns::Verdict {
                outcome: Outcome::Fail,
                address: [192, 0, 2, 1].into(),
                name: None,
            }),
            ..Verdicts::default()
        };
        assert_eq!(strict.refusal_of_client(&listed).unwrap().enhanced(), "5.7.25");
        let hit =
            |text: &str| Hit { list: text.parse().unwrap(), code: [127, 0, 0, 2].into(), reason: Some("spam".into()) };
        listed.blocked = vec![hit("tags.example tag"), hit("bl.example refuse")];
        let refused = Rules::default().refusal_of_client(&listed).unwrap();
        assert_eq!((refused.enhanced(), refused.text()), ("5.7.1", "bl.example lists you: spam"));
        listed.allowed = vec![hit("wl.example tag")];
        assert_eq!(strict.refusal_of_client(&listed), None, "an allowlist has the client");
        listed.blocked = vec![hit("bl.example junk")];
        assert_eq!(strict.decide(&listed), INBOX);
        listed.allowed.clear();
        assert_eq!(strict.decide(&listed), JUNK);
    }

    #[test]
    fn a_forwarders_spf_failure_is_harmless_where_somebody_vouches() {
        let rules = Rules { spf_fail: Action::Junk, ..Rules::default() };
        assert_eq!(rules.decide(&spf(Outcome::Fail, Verdicts::default())), JUNK);
        assert_eq!(rules.decide(&spf(Outcome::Fail, dmarc(Outcome::Pass, dmarc::Policy::Reject))), INBOX);
        assert_eq!(rules.decide(&dmarc(Outcome::PermError, dmarc::Policy::None)), JUNK, "a From without a domain");
    }
}
