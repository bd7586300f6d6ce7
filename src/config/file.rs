//! The keys of the configuration file, their defaults and bounds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::policy::{read_dns, read_policy};
use super::read::{Document, Section};
use super::{Config, Endpoint, Log, LogFormat, Problem};
use crate::auth::address::{Address, canonical_domain};
use crate::auth::directory::Membership;
use crate::auth::resolution::Rules;
use crate::net::guard;
use crate::net::limits::{Network, SessionLimits};
use crate::net::listener::{self, Role};
use crate::net::{socket_file, tls};
use crate::wire::newline::BareNewlines;
use crate::{imap, pop3, smtp, store};

/// Where mail lies when nothing else is said (FHS 3.0 §5.8: state of an application).
const DATA_DIR: &str = "/var/lib/postbell";

/// What a timeout may be: RFCs ask for minutes, and a test of them is glad about less.
const TIMEOUT_MS: RangeInclusive<u64> = 100..=86_400_000;
/// What may be done in a minute or an hour.
const RATE: RangeInclusive<u32> = 0..=1_000_000_000;
/// A client waits five minutes for a reply (RFC 5321 §4.5.3.2), and some wait less.
const TARPIT_MS: RangeInclusive<u64> = 1..=60_000;
/// Nobody waits longer than a day for their mail.
const LOGIN_DELAY_S: RangeInclusive<u64> = 0..=86_400;
/// RFC 5321 §4.5.3.2.1 has clients wait five minutes for a greeting; many give up after half a one.
const GREETING_DELAY_MS: RangeInclusive<u64> = 0..=20_000;
/// RFC 9585 §3 asks for 10 s at least; whoever tests a client wants to see it sooner.
const PROGRESS_MS: RangeInclusive<u64> = 1..=86_400_000;

/// Who may write to LMTP's Unix socket, and so deliver: the server's user, and its group or that of the socket's folder.
const LMTP_SOCKET_MODE: u32 = 0o660;

/// Reads the text of a configuration file, or says everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Config, Vec<Problem>> {
    read_with_keys(text).map(|(config, _)| config)
}

/// The configuration, and every key that there can be: for the test that compares them with the example.
fn read_with_keys(text: &str) -> Result<(Config, Vec<String>), Vec<Problem>> {
    let document = Document::parse(text).map_err(|problem| vec![problem])?;
    let mut root = document.root();
    let mut keys = Vec::new();

    let mut server = root.section("server");
    let mut hostname = String::new();
    let mut domains = Vec::new();
    let mut plaintext_login = Network::LOOPBACK.to_vec();
    server.text("hostname", &mut hostname, domain);
    server.list("domains", &mut domains, domain);
    let mut addresses = Rules::default();
    server.text("subaddress_separators", &mut addresses.separators, separators);
    server.text("postmaster", &mut addresses.postmaster, |address| postmaster(address, &domains));
    let data_dir = server.path("data_dir").unwrap_or_else(|| PathBuf::from(DATA_DIR));
    server.list("plaintext_login_networks", &mut plaintext_login, str::parse);
    if !server.has("hostname") {
        server.missing("hostname", "the server's own name, such as mail.example.org");
    }
    if !server.has("domains") {
        server.missing("domains", "the domains whose mail is taken, such as [\"example.org\"]");
    }
    keys.extend(server.end());

    let tls = read_tls(root.section("tls"), &mut keys);

    let mut section = root.section("sessions");
    let mut sessions = SessionLimits::default();
    section.number("max_connections", &mut sessions.max_connections, 1..=1_000_000);
    section.number("max_per_address", &mut sessions.max_per_address, 1..=1_000_000);
    section.number("max_per_user_and_address", &mut sessions.max_per_user_and_address, 1..=1_000_000);
    section.number("reserved_percent", &mut sessions.reserved_percent, 0..=90);
    section.number("stressed_from_percent", &mut sessions.stressed_from_percent, 0..=100);
    section.millis("stressed_timeout_ms", &mut sessions.stressed_timeout, TIMEOUT_MS);
    section.list("exempt_networks", &mut sessions.exempt, str::parse::<Network>);
    keys.extend(section.end());

    let abuse = read_abuse(root.section("abuse"), &mut keys);

    let mut section = root.section("store");
    let mut store = store::Options::default();
    // The lower bound is RFC 5321 §4.5.3.1.7, the upper one the store's own.
    section.number("max_message_octets", &mut store.max_message_octets, 64 << 10..=1 << 30);
    section.number("max_in_flight_octets", &mut store.in_flight_octets, 1 << 20..=1 << 40);
    section.number("idle_index_octets", &mut store.idle_index_octets, 0..=1 << 40);
    let (mut quota_octets, mut quota_messages) = (0, 0);
    section.number("quota_octets", &mut quota_octets, 0..=1 << 50);
    section.number("quota_messages", &mut quota_messages, 0..=1 << 40);
    // 0 is no limit: nobody runs a server whose accounts may hold nothing.
    store.quota = store::Quota {
        octets: Some(quota_octets).filter(|limit| *limit > 0),
        messages: Some(quota_messages).filter(|limit| *limit > 0),
    };
    section.flag("special_mailboxes", &mut store.special_mailboxes);
    keys.extend(section.end());

    let mut smtp = read_smtp(root.section("smtp"), &mut keys);
    smtp.message_size = store.max_message_octets;
    let imap = read_imap(root.section("imap"), &mut keys);
    let (pop3, pop3_enabled) = read_pop3(root.section("pop3"), &mut keys);

    let (listeners, trusted_proxies) =
        read_listeners(root.section("listen"), tls != tls::Source::Off, pop3_enabled, &mut keys);

    let dns = read_dns(root.section("dns"), &mut keys);
    let strangers = read_policy(root.section("policy"), &mut keys);

    let mut section = root.section("log");
    let mut log = Log { format: LogFormat::Text, filter: "info".to_owned() };
    section.text("format", &mut log.format, log_format);
    section.text("filter", &mut log.filter, log_filter);
    keys.extend(section.end());

    root.end();
    let config = Config {
        hostname,
        data_dir,
        membership: Membership::Closed { domains },
        addresses,
        plaintext_login,
        trusted_proxies,
        listeners,
        tls,
        sessions,
        abuse,
        store,
        smtp,
        imap,
        pop3,
        dns,
        strangers,
        log,
    };
    match document.into_problems() {
        problems if problems.is_empty() => Ok((config, keys)),
        problems => Err(problems),
    }
}

fn read_tls(mut section: Section<'_>, keys: &mut Vec<String>) -> tls::Source {
    let certificate = section.path("certificate_file");
    let key = section.path("key_file");
    let source = match (certificate, key) {
        (None, None) => tls::Source::Off,
        (Some(certificate), Some(key)) => tls::Source::Files { certificate, key },
        (Some(_), None) => {
            section.missing("key_file", "the private key that belongs to certificate_file");
            tls::Source::Off
        }
        (None, Some(_)) => {
            section.missing("certificate_file", "the certificate that belongs to key_file");
            tls::Source::Off
        }
    };
    keys.extend(section.end());
    source
}

/// 0 turns a limit off, everywhere in it.
fn read_abuse(mut section: Section<'_>, keys: &mut Vec<String>) -> guard::Settings {
    let guard::Settings { mut limits, mut tarpit } = guard::Settings::default();
    section.number("max_connections_per_minute", &mut limits.connections_per_minute, RATE);
    section.number("max_messages_per_hour", &mut limits.messages_per_hour, RATE);
    section.number("max_recipients_per_hour", &mut limits.recipients_per_hour, RATE);
    section.number("max_unknown_recipients_per_hour", &mut limits.unknown_recipients_per_hour, RATE);
    section.number("max_errors_per_hour", &mut limits.errors_per_hour, RATE);
    section.number("max_login_failures_per_hour", &mut limits.failed_logins_per_hour, RATE);
    section.number("network_factor", &mut limits.network_factor, 0..=1_000);
    section.number("tarpit_from_error", &mut tarpit.from_error, 0..=1_000);
    section.millis("tarpit_step_ms", &mut tarpit.step, TARPIT_MS);
    section.millis("tarpit_longest_ms", &mut tarpit.longest, TARPIT_MS);
    keys.extend(section.end());
    guard::Settings { limits, tarpit }
}

fn read_smtp(mut section: Section<'_>, keys: &mut Vec<String>) -> smtp::Limits {
    let mut limits = smtp::Limits::default();
    section.number("max_command_line_octets", &mut limits.command_line, 512..=64 << 10);
    section.number("max_recipients", &mut limits.recipients, 1..=100_000);
    section.number("max_hops", &mut limits.hops, 1..=1_000);
    section.number("max_errors", &mut limits.errors, 1..=1_000);
    section.number("max_junk_commands", &mut limits.junk_commands, 1..=100_000);
    section.millis("command_timeout_ms", &mut limits.command_timeout, TIMEOUT_MS);
    section.millis("data_timeout_ms", &mut limits.data_timeout, TIMEOUT_MS);
    section.millis("stalled_output_timeout_ms", &mut limits.write_timeout, TIMEOUT_MS);
    section.millis("greeting_delay_ms", &mut limits.greeting_delay, GREETING_DELAY_MS);
    section.number("min_data_octets_per_s", &mut limits.data_rate, 1..=1_000_000);
    section.text("bare_newlines", &mut limits.bare_newlines, bare_newlines);
    section.text("auth", &mut limits.auth, offered);
    section.number("max_login_failures", &mut limits.login_failures, 1..=1_000);
    keys.extend(section.end());
    limits
}

fn read_imap(mut section: Section<'_>, keys: &mut Vec<String>) -> imap::Limits {
    let mut limits = imap::Limits::default();
    section.millis("login_timeout_ms", &mut limits.login_timeout, TIMEOUT_MS);
    section.millis("autologout_ms", &mut limits.autologout, TIMEOUT_MS);
    section.millis("keepalive_interval_ms", &mut limits.keepalive_interval, TIMEOUT_MS);
    section.millis("progress_interval_ms", &mut limits.progress_interval, PROGRESS_MS);
    section.millis("stalled_output_timeout_ms", &mut limits.stalled_output, TIMEOUT_MS);
    section.number("max_bad_commands_before_login", &mut limits.bad_commands_before_login, 1..=1_000);
    section.number("max_bad_commands", &mut limits.bad_commands, 1..=1_000);
    section.number("max_login_failures", &mut limits.login_failures, 1..=1_000);
    section.text("comment", &mut limits.notices.comment, |text| Ok(text.to_owned()));
    section.text("admin", &mut limits.notices.admin, admin_uri);
    keys.extend(section.end());
    limits
}

/// POP3's limits, and whether it is there.
fn read_pop3(mut section: Section<'_>, keys: &mut Vec<String>) -> (pop3::Limits, bool) {
    let mut limits = pop3::Limits::default();
    let mut enabled = true;
    section.flag("enabled", &mut enabled);
    section.millis("autologout_ms", &mut limits.autologout, TIMEOUT_MS);
    section.millis("stalled_output_timeout_ms", &mut limits.stalled_output, TIMEOUT_MS);
    section.number("max_bad_commands", &mut limits.bad_commands, 1..=1_000);
    section.number("max_login_failures", &mut limits.login_failures, 1..=1_000);
    let mut login_delay_s = limits.login_delay.as_secs();
    section.number("login_delay_s", &mut login_delay_s, LOGIN_DELAY_S);
    limits.login_delay = Duration::from_secs(login_delay_s);
    keys.extend(section.end());
    (limits, enabled)
}

/// The registered ports, on all addresses; implicit TLS only where there is a certificate. LMTP is for neighbours that
/// are trusted to deliver, so it listens only where it is told to (RFC 2033 §5: never on port 25).
fn default_port(role: Role, with_tls: bool) -> Option<u16> {
    match role {
        Role::Smtp => Some(25),
        // Whoever has users that send to one another opens it; nothing goes out to others.
        Role::Submission | Role::Submissions | Role::Lmtp => None,
        Role::Imap => Some(143),
        Role::Imaps => with_tls.then_some(993),
        Role::Pop3 => Some(110),
        Role::Pop3s => with_tls.then_some(995),
    }
}

/// Where to listen, and which proxies are believed.
fn read_listeners(
    mut section: Section<'_>,
    with_tls: bool,
    pop3: bool,
    keys: &mut Vec<String>,
) -> (Vec<Endpoint>, Vec<Network>) {
    let mut endpoints = Vec::new();
    let mut trusted_proxies = Vec::new();
    section.list("trusted_proxies", &mut trusted_proxies, str::parse::<Network>);
    let mut lmtp_socket_mode = LMTP_SOCKET_MODE;
    section.text("lmtp_socket_mode", &mut lmtp_socket_mode, socket_mode);
    for role in Role::ALL {
        let everywhere: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let mut addresses: Vec<(listener::Address, bool)> = default_port(role, with_tls)
            .into_iter()
            .flat_map(|port| everywhere.map(|address| (listener::Address::Port(SocketAddr::new(address, port)), false)))
            .collect();
        section.list(role.name(), &mut addresses, |text| {
            if role.implicit_tls() && !with_tls {
                return Err("needs certificate_file and key_file in [tls]".to_owned());
            }
            if let Some(path) = text.strip_prefix("unix:") {
                return match role {
                    Role::Lmtp => Ok((socket(path, lmtp_socket_mode)?, false)),
                    _ => Err("only LMTP listens at a Unix socket".to_owned()),
                };
            }
            let proxied = text.strip_prefix("proxy:");
            if proxied.is_some() && trusted_proxies.is_empty() {
                return Err("needs trusted_proxies, the networks of the proxies that are believed here".to_owned());
            }
            let address = proxied.unwrap_or(text).parse();
            let address = address
                .map_err(|_| format!("{text:?} is not an address with a port, such as 0.0.0.0:25 or [::1]:25"))?;
            Ok((listener::Address::Port(address), proxied.is_some()))
        });
        if !pop3 && matches!(role, Role::Pop3 | Role::Pop3s) {
            addresses.clear();
        }
        // A machine without IPv6 starts all the same, unless the address was asked for by name.
        let asked = section.has(role.name());
        endpoints.extend(addresses.into_iter().map(|(address, proxied)| {
            let optional = !asked && matches!(&address, listener::Address::Port(address) if address.is_ipv6());
            Endpoint { role, address, proxied, optional }
        }));
    }
    keys.extend(section.end());
    (endpoints, trusted_proxies)
}

fn socket(path: &str, mode: u32) -> Result<listener::Address, String> {
    match path.len() {
        0 => Err("a path is missing, such as unix:/run/postbell/lmtp".to_owned()),
        1..=socket_file::PATH_OCTETS_MAX => Ok(listener::Address::Socket { path: path.into(), mode }),
        _ => Err(format!("the path of a socket has at most {} octets", socket_file::PATH_OCTETS_MAX)),
    }
}

/// Octal, as chmod(1) takes it. The server's own user may always connect.
fn socket_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()));
    mode.filter(|mode| (0o600..=0o777).contains(mode))
        .ok_or_else(|| format!("{text:?} is not a mode such as \"0660\", from \"0600\" to \"0777\""))
}

/// Characters that separate the user from the detail, of those that a local part has unquoted (RFC 5321 §4.1.2). Letters and
/// digits would cut every name.
fn separators(text: &str) -> Result<String, String> {
    match text.chars().find(|character| !"!#$%&'*+-/=?^_`{|}~.".contains(*character)) {
        Some(other) => Err(format!("{other:?} can't separate a name from its detail; \"+\" is common, \"\" is none")),
        None => Ok(text.to_owned()),
    }
}

/// An address of ours, or empty.
fn postmaster(text: &str, domains: &[String]) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (local_part, domain) = text.rsplit_once('@').ok_or("must be a full address such as alice@example.org")?;
    let address = Address::new(local_part, domain).map_err(|bad| bad.to_string())?;
    let domain = address.name.rsplit_once('@').map_or("", |(_, domain)| domain);
    match domains.iter().any(|ours| ours == domain) {
        true => Ok(Some(text.to_owned())),
        false => Err(format!("{domain} is none of this server's domains")),
    }
}

fn domain(text: &str) -> Result<String, String> {
    match canonical_domain(text) {
        Ok(domain) if !domain.starts_with('[') => Ok(domain),
        _ => Err(format!("{text:?} is not a domain name")),
    }
}

/// RFC 5464 §3.2.1.1 wants a URI.
fn admin_uri(text: &str) -> Result<String, String> {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.is_empty());
    let is_scheme = |scheme: &str| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    match text.is_empty() || scheme.is_some_and(is_scheme) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not a URI such as \"mailto:postmaster@example.org\"")),
    }
}

fn bare_newlines(text: &str) -> Result<BareNewlines, String> {
    match text {
        "refuse" => Ok(BareNewlines::Refuse),
        "normalise" => Ok(BareNewlines::Normalise),
        _ => Err("must be \"refuse\" or \"normalise\"".to_owned()),
    }
}

fn offered(text: &str) -> Result<bool, String> {
    match text {
        "off" => Ok(false),
        "offered" => Ok(true),
        _ => Err("must be \"off\" or \"offered\"".to_owned()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be \"text\" or \"json\"".to_owned()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is not a filter such as \"info\": {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../docs/postbell.toml");

    const LEAST: &str = "[server]\nhostname = \"mail.example.org\"\ndomains = [\"example.org\"]\n";

    fn complaints(text: &str) -> Vec<String> {
        match read(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| format!("postbell.toml:{problem}")).collect(),
        }
    }

    #[test]
    fn the_example_is_the_defaults_and_names_every_key() {
        let (example, keys) = read_with_keys(EXAMPLE).unwrap();
        let tls = "[tls]\ncertificate_file = \"/etc/postbell/certificate.pem\"\nkey_file = \"/etc/postbell/key.pem\"\n";
        let mut least = read(&format!("{LEAST}{tls}")).unwrap();
        for endpoint in &mut least.listeners {
            // The example asks for both address families by name.
            endpoint.optional = false;
        }
        assert_eq!(format!("{example:#?}"), format!("{least:#?}"));

        let document = Document::parse(EXAMPLE).unwrap_or_else(|problem| panic!("{problem}"));
        for key in keys {
            let (section, name) = key.split_once('.').unwrap();
            assert!(document.root().section(Box::leak(section.into())).has(name), "{key} is not in docs/postbell.toml");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_line_and_nearest_key() {
        for (text, complaint) in [
            ("hostnam = \"x.example\"", "5: unknown key \"hostnam\" in [server]; did you mean \"hostname\"?"),
            (
                "plain_text_login_networks = []",
                "5: unknown key \"plain_text_login_networks\" in [server]; did you mean \"plaintext_login_networks\"?",
            ),
            ("colour = \"red\"", "5: unknown key \"colour\" in [server]"),
            ("[listen]\nimapss = []", "6: unknown key \"imapss\" in [listen]; did you mean \"imaps\"?"),
            ("[listener]\nimap = []", "5: unknown key \"listener\" at the top; did you mean \"listen\"?"),
        ] {
            assert_eq!(complaints(&format!("{LEAST}\n{text}\n")), [format!("postbell.toml:{complaint}")]);
        }
    }

    #[test]
    fn wrong_values_are_refused_with_line_and_what_would_be_right() {
        for (text, complaint) in [
            ("data_dir = 7", "4: \"data_dir\" in [server]: must be a text in quotes, not a number"),
            ("data_dir = \"\"", "4: \"data_dir\" in [server]: must not be empty"),
            ("[pop3]\nenabled = \"yes\"", "5: \"enabled\" in [pop3]: must be true or false, not a text"),
            (
                "[sessions]\nmax_connections = 0",
                "5: \"max_connections\" in [sessions]: must be a whole number from 1 to 1000000",
            ),
            (
                "[sessions]\nmax_connections = -1",
                "5: \"max_connections\" in [sessions]: must be a whole number from 1 to 1000000",
            ),
            (
                "[sessions]\nmax_connections = 1.5",
                "5: \"max_connections\" in [sessions]: must be a whole number from 1 to 1000000",
            ),
            (
                "[sessions]\nexempt_networks = [\n\"::1\",\n\"localhost\"]",
                "7: \"exempt_networks\" in [sessions]: \"localhost\" is not a network such as 127.0.0.0/8 or ::1",
            ),
            ("[listen]\nsmtp = \"0.0.0.0:25\"", "5: \"smtp\" in [listen]: must be a list of texts, not a text"),
            ("[listen]\nsmtp = [25]", "5: \"smtp\" in [listen]: must be a list of texts, and a number is none"),
            (
                "[listen]\nsmtp = [\"localhost\"]",
                "5: \"smtp\" in [listen]: \"localhost\" is not an address with a port, such as 0.0.0.0:25 or [::1]:25",
            ),
            (
                "[listen]\nimaps = [\"[::]:993\"]",
                "5: \"imaps\" in [listen]: needs certificate_file and key_file in [tls]",
            ),
            (
                "[listen]\nimap = [\"unix:/run/postbell/imap\"]",
                "5: \"imap\" in [listen]: only LMTP listens at a Unix socket",
            ),
            (
                "[listen]\nimap = [\"proxy:127.0.0.1:10143\"]",
                "5: \"imap\" in [listen]: needs trusted_proxies, the networks of the proxies that are believed here",
            ),
            (
                "[listen]\ntrusted_proxies = [\"::1\"]\nlmtp = [\"proxy:unix:/run/lmtp\"]",
                "6: \"lmtp\" in [listen]: \"proxy:unix:/run/lmtp\" is not an address with a port, such as 0.0.0.0:25 or [::1]:25",
            ),
            (
                "[listen]\nlmtp = [\"unix:\"]",
                "5: \"lmtp\" in [listen]: a path is missing, such as unix:/run/postbell/lmtp",
            ),
            (
                "[listen]\nlmtp_socket_mode = \"0060\"",
                "5: \"lmtp_socket_mode\" in [listen]: \"0060\" is not a mode such as \"0660\", from \"0600\" to \"0777\"",
            ),
            (
                "[listen]\nlmtp_socket_mode = \"+660\"",
                "5: \"lmtp_socket_mode\" in [listen]: \"+660\" is not a mode such as \"0660\", from \"0600\" to \"0777\"",
            ),
            (
                "[tls]\nkey_file = \"k\"",
                "4: \"certificate_file\" is missing in [tls]: the certificate that belongs to key_file",
            ),
            (
                "[imap]\nadmin = \"the postmaster\"",
                "5: \"admin\" in [imap]: \"the postmaster\" is not a URI such as \"mailto:postmaster@example.org\"",
            ),
            ("[smtp]\nauth = \"on\"", "5: \"auth\" in [smtp]: must be \"off\" or \"offered\""),
            (
                "[listen]\nsubmissions = [\"[::]:465\"]",
                "5: \"submissions\" in [listen]: needs certificate_file and key_file in [tls]",
            ),
            ("[log]\nformat = \"xml\"", "5: \"format\" in [log]: must be \"text\" or \"json\""),
            ("sessions = 5", "4: \"sessions\": must be a section, not a number"),
        ] {
            let text = if text.starts_with("sessions") {
                format!("{}{LEAST}", format_args!("\n\n\n{text}\n"))
            } else {
                format!("{LEAST}{text}\n")
            };
            assert_eq!(complaints(&text), [format!("postbell.toml:{complaint}")]);
        }
    }

    #[test]
    fn all_problems_are_told_at_once_in_the_order_of_the_lines() {
        assert_eq!(
            complaints("[log]\nformat = 1\n[server]\nhostname = \"a b\"\ndomains = []\nx = 1\n"),
            [
                "postbell.toml:2: \"format\" in [log]: must be a text in quotes, not a number",
                "postbell.toml:4: \"hostname\" in [server]: \"a b\" is not a domain name",
                "postbell.toml:6: unknown key \"x\" in [server]",
            ]
        );
        assert_eq!(
            complaints(""),
            [
                "postbell.toml: \"hostname\" is missing in [server]: the server's own name, such as mail.example.org",
                "postbell.toml: \"domains\" is missing in [server]: the domains whose mail is taken, such as [\"example.org\"]",
            ]
        );
        assert_eq!(complaints("[server\nhostname = 1").len(), 1, "a syntax error stands alone");
    }

    #[test]
    fn lmtp_listens_at_sockets_and_ports_side_by_side() {
        let lmtp = |more: &str| -> Vec<listener::Address> {
            let text = format!("{LEAST}[listen]\nlmtp = [\"unix:/run/postbell/lmtp\", \"127.0.0.1:24\"]\n{more}");
            let endpoints = read(&text).unwrap().listeners.into_iter();
            endpoints.filter(|endpoint| endpoint.role == Role::Lmtp).map(|endpoint| endpoint.address).collect()
        };
        let both = |mode| {
            vec![
                listener::Address::Socket { path: "/run/postbell/lmtp".into(), mode },
                listener::Address::Port("127.0.0.1:24".parse().unwrap()),
            ]
        };
        assert_eq!(lmtp(""), both(0o660));
        assert_eq!(lmtp("lmtp_socket_mode = \"0666\""), both(0o666));
        let long = format!("{LEAST}[listen]\nlmtp = [\"unix:/{}\"]\n", "x".repeat(103));
        assert_eq!(
            complaints(&long),
            ["postbell.toml:5: \"lmtp\" in [listen]: the path of a socket has at most 103 octets"]
        );
    }

    #[test]
    fn a_proxied_listener_stands_beside_a_plain_one() {
        let text = "[listen]\nsmtp = [\"0.0.0.0:25\", \"proxy:127.0.0.1:10025\"]\ntrusted_proxies = [\"127.0.0.1\"]\n";
        let config = read(&format!("{LEAST}{text}")).unwrap();
        let smtp: Vec<_> = config.listeners.iter().filter(|endpoint| endpoint.role == Role::Smtp).collect();
        assert_eq!(smtp.iter().map(|endpoint| endpoint.proxied).collect::<Vec<_>>(), [false, true]);
        assert_eq!(smtp[1].address, listener::Address::Port("127.0.0.1:10025".parse().unwrap()));
        assert_eq!(config.trusted_proxies, ["127.0.0.1".parse().unwrap()]);
    }

    #[test]
    fn one_key_turns_pop3_off() {
        let roles = |text: &str| -> Vec<Role> {
            let mut roles: Vec<_> = read(text).unwrap().listeners.iter().map(|endpoint| endpoint.role).collect();
            roles.dedup();
            roles
        };
        assert_eq!(roles(LEAST), [Role::Smtp, Role::Imap, Role::Pop3]);
        assert_eq!(roles(&format!("{LEAST}[pop3]\nenabled = false\n")), [Role::Smtp, Role::Imap]);
    }

    #[test]
    fn domains_become_a_labels() {
        let config = read("[server]\nhostname = \"Mail.Example\"\ndomains = [\"Bücher.example\"]\n").unwrap();
        assert_eq!(config.hostname, "mail.example");
        let Membership::Closed { domains } = config.membership else { panic!("serve is closed") };
        assert_eq!(domains, ["xn--bcher-kva.example"]);
    }
}
