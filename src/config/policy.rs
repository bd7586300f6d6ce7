//! The keys about where mail comes from: `[dns]` and `[policy]`.

use std::ops::RangeInclusive;

use super::Strangers;
use super::read::Section;
use crate::auth::address::canonical_domain;
use crate::net::limits::Network;
use crate::policy::blocklist::List;
use crate::policy::resolver::DnsSettings;

/// Lists that may be asked about each client: each costs it a question, and its hit a line before the message.
const LISTS_MAX: usize = 10;

/// A question to the DNS, or all of them about a message.
const TIMEOUT_MS: RangeInclusive<u64> = 100..=120_000;

/// Whom to ask.
pub(super) fn read_dns(mut section: Section<'_>, keys: &mut Vec<String>) -> DnsSettings {
    let mut dns = DnsSettings::default();
    section.list("servers", &mut dns.servers, |text| {
        text.parse().map_err(|_| format!("{text:?} is not an address with a port, such as 127.0.0.1:53 or [::1]:53"))
    });
    section.millis("timeout_ms", &mut dns.timeout, TIMEOUT_MS);
    section.number("cache_entries", &mut dns.cache_entries, 0..=1_000_000);
    keys.extend(section.end());
    dns
}

/// What is asked, and what follows; `None` where nothing is.
pub(super) fn read_policy(mut section: Section<'_>, keys: &mut Vec<String>) -> Option<Strangers> {
    let mut enabled = true;
    let mut strangers = Strangers { trusted: Network::LOOPBACK.to_vec(), policy: Default::default() };
    section.flag("checks", &mut enabled);
    section.list("trusted_networks", &mut strangers.trusted, str::parse);
    section.millis("timeout_ms", &mut strangers.policy.timeout, TIMEOUT_MS);
    let rules = &mut strangers.policy.rules;
    section.text("reverse_dns_fail", &mut rules.reverse_dns_fail, str::parse);
    section.text("spf_fail", &mut rules.spf_fail, str::parse);
    section.text("dmarc_quarantine", &mut rules.dmarc_quarantine, str::parse);
    section.text("dmarc_reject", &mut rules.dmarc_reject, str::parse);
    section.list("trusted_arc_sealers", &mut rules.trusted_arc_sealers, |text| match canonical_domain(text) {
        Ok(domain) if !domain.starts_with('[') => Ok(domain),
        _ => Err(format!("{text:?} is not a domain name")),
    });
    section.list("blocklists", &mut rules.blocklists, str::parse);
    section.list("allowlists", &mut rules.allowlists, List::allowlist);
    if rules.blocklists.len() + rules.allowlists.len() > LISTS_MAX {
        let key = if section.has("blocklists") { "blocklists" } else { "allowlists" };
        section.refuse(key, &format!("more than {LISTS_MAX} lists of both kinds"));
    }
    keys.extend(section.end());
    enabled.then_some(strangers)
}

#[cfg(test)]
mod tests {
    use super::super::file::read;
    use super::*;
    use crate::policy::decision::Action;

    const LEAST: &str = "[server]\nhostname = \"mail.example.org\"\ndomains = [\"example.org\"]\n[policy]\n";

    #[test]
    fn checks_are_on_and_careful_unless_they_are_turned_off() {
        let strangers = read(LEAST).unwrap().strangers.unwrap();
        assert_eq!(strangers.trusted, Network::LOOPBACK);
        let rules = strangers.policy.rules;
        assert!(!rules.may_refuse_early());
        assert_eq!([rules.spf_fail, rules.reverse_dns_fail], [Action::Tag; 2]);
        assert_eq!([rules.dmarc_quarantine, rules.dmarc_reject], [Action::Junk; 2]);
        assert_eq!(read(&format!("{LEAST}checks = false\n")).unwrap().strangers, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let many: Vec<String> = (0..11).map(|number| format!("\"l{number}.example tag\"")).collect();
        for (text, complaint) in [
            ("spf_fail = \"drop\"".to_owned(), "\"drop\" is not one of \"tag\", \"junk\" or \"refuse\""),
            (
                "blocklists = [\"a.example\"]".to_owned(),
                "what happens to whom a.example lists: \"tag\", \"junk\" or \"refuse\"",
            ),
            (format!("blocklists = [{}]", many.join(", ")), "more than 10 lists of both kinds"),
            ("trusted_arc_sealers = [\"[192.0.2.1]\"]".to_owned(), "\"[192.0.2.1]\" is not a domain name"),
        ] {
            let problems = read(&format!("{LEAST}{text}\n")).unwrap_err();
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let key = text.split(' ').next().unwrap_or("");
            assert_eq!(texts, [format!("5: {key:?} in [policy]: {complaint}")]);
        }
    }
}
