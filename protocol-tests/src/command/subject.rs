//! The server that the command line and a profile tell of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use clap::Args;
use protocol_tests::accounts::{Provision, Supply};
use protocol_tests::names::Names;
use protocol_tests::probe;
use protocol_tests::profile::Profile;
use protocol_tests::subject::Subject;
use protocol_tests::tls::Trust;
use protocol_tests::transcript::Service;
use tokio::process::Command;

/// What stands for an account where nothing is said.
const USER: &str = "t{n}@localhost";
/// The password where nothing is said.
const PASSWORD: &str = "correct-horse";

/// No machine is slower than this.
const PATIENCE_MAX: f64 = 1_000.0;

#[derive(Debug, Args)]
#[command(next_help_heading = "The server")]
pub(crate) struct Server {
    /// A profile of it: what follows, in a file of TOML; what is said here stands above it
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Where it speaks IMAP
    #[arg(long, value_name = "HOST:PORT")]
    imap: Option<String>,
    /// Where it speaks IMAP over TLS; without --imap, all of IMAP goes there
    #[arg(long, value_name = "HOST:PORT")]
    imaps: Option<String>,
    /// Where it speaks SMTP
    #[arg(long, value_name = "HOST:PORT")]
    smtp: Option<String>,
    /// Where it speaks LMTP
    #[arg(long, value_name = "HOST:PORT")]
    lmtp: Option<String>,
    /// Where it speaks SMTP for those who log in
    #[arg(long, value_name = "HOST:PORT")]
    submission: Option<String>,
    /// Where it speaks SMTP for those who log in, over TLS
    #[arg(long, value_name = "HOST:PORT")]
    submissions: Option<String>,
    /// Where it speaks POP3
    #[arg(long, value_name = "HOST:PORT")]
    pop3: Option<String>,
    /// Where it speaks POP3 over TLS; without --pop3, all of POP3 goes there
    #[arg(long, value_name = "HOST:PORT")]
    pop3s: Option<String>,
    // clap takes an n in braces for the end of a line, so that it can't be shown here.
    /// The accounts: the name of one that exists; or where the server takes any, a name with an n in braces in it, which
    /// becomes another number for each [default: t, such a number, @localhost]
    #[arg(long)]
    user: Option<String>,
    /// Accounts that exist; several cases need two, few more
    #[arg(long, value_delimiter = ',', conflicts_with = "user")]
    users: Vec<String>,
    /// The password of each account [default: correct-horse]
    #[arg(long)]
    password: Option<String>,
    /// The mail address of an account, where that is not its name: {user}@example.org
    #[arg(long)]
    address: Option<String>,
    /// Let everything in accounts that exist be deleted, before each case: mail, mailboxes, subscriptions
    #[arg(long)]
    empty: bool,
    /// How mail is delivered: smtp, lmtp, submission, submissions [default: the first of them that is there]
    #[arg(long, value_name = "SERVICE", value_parser = service)]
    deliver: Option<Service>,
    /// What it takes over SMTP it passes on: a mailbox has it by the deadline, and not at once
    #[arg(long)]
    relay: bool,
    /// What stands between the levels of mailboxes; the server is asked where nothing is said
    #[arg(long)]
    separator: Option<String>,
    /// What stands before all mailboxes but INBOX; the server is asked where nothing is said
    #[arg(long)]
    prefix: Option<String>,
    /// Authorities in PEM, one of which has to have signed the certificate; without it any is good
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Stretch every deadline by this factor
    #[arg(long)]
    patience: Option<f64>,
    /// Transcripts that it is known to fail: a line for each, its name and why; below it the sentence that it breaks
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
}

fn service(name: &str) -> Result<Service, String> {
    Service::named(name).ok_or_else(|| "smtp, lmtp, submission or submissions".to_owned())
}

/// A server that is there, with what a report tells of it.
pub(crate) struct Found {
    pub(crate) subject: Subject,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) known: Option<PathBuf>,
    /// Where each service was said to be.
    pub(crate) places: BTreeMap<Service, String>,
}

impl Server {
    /// The profile with what stands above it.
    fn profile(&self) -> Result<Profile, String> {
        let mut profile = self.profile.as_deref().map(Profile::read).transpose()?.unwrap_or_default();
        let places = [
            (Service::Smtp, &self.smtp),
            (Service::Submission, &self.submission),
            (Service::Submissions, &self.submissions),
            (Service::Lmtp, &self.lmtp),
            (Service::Imap, &self.imap),
            (Service::Imaps, &self.imaps),
            (Service::Pop3, &self.pop3),
            (Service::Pop3s, &self.pop3s),
        ];
        let given = places.into_iter().filter_map(|(service, place)| Some((service, place.clone()?)));
        profile.services.extend(given);
        if self.user.is_some() || !self.users.is_empty() {
            profile.accounts.users = self.users.clone();
            profile.accounts.user = self.user.clone();
        }
        fn above<T: Clone>(said: &Option<T>, profile: &mut Option<T>) {
            if said.is_some() {
                profile.clone_from(said);
            }
        }
        above(&self.password, &mut profile.accounts.password);
        above(&self.address, &mut profile.accounts.address);
        above(&self.separator, &mut profile.mailboxes.separator);
        above(&self.prefix, &mut profile.mailboxes.prefix);
        above(&self.deliver, &mut profile.deliver);
        above(&self.ca, &mut profile.ca);
        above(&self.patience, &mut profile.patience);
        above(&self.known, &mut profile.known);
        profile.accounts.empty |= self.empty;
        profile.relay |= self.relay;
        Ok(profile)
    }

    /// Finds the server, and makes sure that it can be asked for something.
    pub(crate) async fn find(&self) -> Result<Found, String> {
        let profile = self.profile()?;
        if profile.services.is_empty() {
            return Err("no address: say where the server is, as with --imap localhost:143".to_owned());
        }
        let roads = [Service::Smtp, Service::Lmtp, Service::Submission, Service::Submissions];
        if let Some(service) = profile.deliver.filter(|service| !roads.contains(service)) {
            return Err(format!(
                "nobody delivers mail by {}, but by smtp, lmtp, submission or submissions",
                service.name()
            ));
        }
        let patience = profile.patience.unwrap_or(1.0);
        if !(patience > 0.0 && patience <= PATIENCE_MAX) {
            return Err(format!("no deadline can be stretched by {patience}: up to {PATIENCE_MAX} is enough"));
        }
        let accounts = &profile.accounts;
        let user = accounts.user.as_deref().unwrap_or(USER);
        let password = accounts.password.as_deref().unwrap_or(PASSWORD);
        let mut subject = Subject::new(BTreeMap::new(), user, password);
        let fixed = match (&accounts.users[..], user.contains("{n}")) {
            ([], true) => Vec::new(),
            ([], false) => vec![user.to_owned()],
            (users, _) => users.to_vec(),
        };
        if let Some(twice) = fixed.iter().enumerate().find_map(|(at, name)| fixed[..at].contains(name).then_some(name))
        {
            return Err(format!("{twice} is named twice: two cases would share it"));
        }
        if fixed.iter().any(String::is_empty) {
            return Err("an account without a name is none".to_owned());
        }
        if !fixed.is_empty() {
            if !accounts.empty {
                return Err(format!(
                    "{} exists, and everything in it would be deleted before each case: say --empty if that may be",
                    fixed.join(", ")
                ));
            }
            subject.supply = Supply::few(fixed);
        }
        subject.address = accounts.address.clone();
        subject.provision = create(&accounts.create);
        subject.delivery = profile.deliver;
        subject.relay = profile.relay;
        subject.patience *= patience;
        if let Some(ca) = &profile.ca {
            subject.trust = Trust::authorities(ca)?;
        }
        for (service, place) in &profile.services {
            let address =
                probe::listening(place, &subject).await.map_err(|error| format!("{}: {error}", service.name()))?;
            subject.addresses.insert(*service, address);
            let host = place.rsplit_once(':').map_or("localhost", |(host, _)| host);
            subject.hosts.insert(*service, host.trim_matches(['[', ']']).to_owned());
        }
        if let Some(service) = subject.delivery.filter(|service| subject.endpoint(*service).is_none()) {
            return Err(format!("mail is to be delivered by {}, and nobody says where that is", service.name()));
        }
        let known_names = profile.mailboxes.separator.is_some() || profile.mailboxes.prefix.is_some();
        probe::services(&mut subject, !known_names).await?;
        probe::mail_comes(&subject).await?;
        if known_names {
            let usual = Names::default();
            let separator = match profile.mailboxes.separator.as_deref() {
                Some("") => None,
                Some(separator) => Some(separator.to_owned()),
                None => usual.separator,
            };
            subject.names = Names { separator, prefix: profile.mailboxes.prefix.clone().unwrap_or_default() };
        }
        let first = profile.services.values().next().map_or("", String::as_str);
        Ok(Found {
            name: profile.name.clone().unwrap_or_else(|| format!("the server at {first}")),
            version: version(&profile.version).await?,
            known: profile.known,
            places: profile.services,
            subject,
        })
    }
}

/// The first line that the command prints.
async fn version(words: &[String]) -> Result<Option<String>, String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(None) };
    let failed = |what: String| format!("asking for the version, {}: {what}", words.join(" "));
    let output = Command::new(program).args(arguments).output().await.map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().map(|line| line.trim().to_owned()))
}

/// Makes accounts by a command.
fn create(words: &[String]) -> Option<Provision> {
    if words.is_empty() {
        return None;
    }
    let words = words.to_vec();
    Some(Box::new(move |user, password| {
        let words: Vec<String> =
            words.iter().map(|word| word.replace("{user}", &user).replace("{password}", &password)).collect();
        Box::pin(async move {
            let failed = |what: String| format!("{}: {what}", words.join(" "));
            let output = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output().await;
            let output = output.map_err(|e| failed(e.to_string()))?;
            if output.status.success() {
                return Ok(());
            }
            Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
        })
    }))
}
