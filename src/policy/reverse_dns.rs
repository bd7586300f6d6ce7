//! Reverse DNS (iprev, RFC 8601 §3): does the client's address have a name, and does the name lead back to it?

use std::net::IpAddr;

use super::resolver::Resolver;
use super::results::Outcome;

/// Names of an address that are looked up (RFC 8601 §3 wants a limit): hosts have one, rarely two.
const NAMES_MAX: usize = 5;

/// What reverse DNS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `pass`; `fail` when there is no name, or none that leads back; `temperror`.
    pub outcome: Outcome,
    /// The address that was asked about.
    pub address: IpAddr,
    /// The name that leads back; else the first that does not.
    pub name: Option<String>,
}

/// Asks for the names of `address`, and whether one of them has it.
pub async fn check(dns: &Resolver, address: IpAddr) -> Verdict {
    let verdict = |outcome, name| Verdict { outcome, address, name };
    let Ok(names) = dns.names(address).await else { return verdict(Outcome::TempError, None) };
    let mut failed = false;
    for name in names.iter().take(NAMES_MAX) {
        match dns.addresses(name, address).await {
            Ok(addresses) if addresses.contains(&address) => return verdict(Outcome::Pass, Some(name.clone())),
            Ok(_) => {}
            Err(_) => failed = true,
        }
    }
    // One that was not answered might have led back.
    verdict(if failed { Outcome::TempError } else { Outcome::Fail }, names.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::super::tests::resolver;
    use super::*;

    #[tokio::test]
    async fn only_a_name_that_leads_back_passes() {
        let v6 = super::super::resolver::reversed("2001:db8::1".parse().unwrap());
        let (dns, _server) = resolver(&format!(
            "1.2.0.192.in-addr.arpa PTR liar.example\n1.2.0.192.in-addr.arpa PTR mx.example\nmx.example A 192.0.2.1\n\
             2.2.0.192.in-addr.arpa PTR liar.example\nliar.example A 203.0.113.1\n\
             3.2.0.192.in-addr.arpa PTR dead.example\ndead.example SERVFAIL\n5.2.0.192.in-addr.arpa SERVFAIL\n\
             {v6}.ip6.arpa PTR six.example\nsix.example AAAA 2001:db8::1\n"
        ))
        .await;
        for (address, outcome, name) in [
            ("192.0.2.1", Outcome::Pass, Some("mx.example")),
            ("192.0.2.2", Outcome::Fail, Some("liar.example")),
            ("192.0.2.3", Outcome::TempError, Some("dead.example")),
            ("192.0.2.4", Outcome::Fail, None),
            ("192.0.2.5", Outcome::TempError, None),
            ("2001:db8::1", Outcome::Pass, Some("six.example")),
        ] {
            let verdict = check(&dns, address.parse().unwrap()).await;
            assert_eq!((verdict.outcome, verdict.name.as_deref()), (outcome, name), "{address}");
        }
    }
}
