//! The control socket: how `postbell account` and `postbell alias` reach the process that owns the store (DESIGN §4).
//!
//! `control.sock` lies in the data folder with mode 0600, so whoever may read the store may ask, and nobody else. One
//! connection carries one question and one answer, each a line of JSON of bounded length. Passwords do not come this
//! way: the asker sends the verifiers made of them.
//!
//! Whoever holds the store's lock owns the socket's name as well, so a socket that an earlier process left behind is
//! replaced, and asking at it finds nobody.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::auth::Membership;
use crate::auth::address::Address;
use crate::auth::resolution::{Rules, meaning};
use crate::net::stopping;
use crate::sieve::{self, NamedMailbox, SCRIPT_OCTETS_MAX, Script};
use crate::store::{self, Account, AccountId, Credentials, Quota, Store, canonical_name};

/// The socket's name in the data folder.
const NAME: &str = "control.sock";

/// A question is a name and two verifiers, an alias and a thousand addresses, or a script, whose octets are six in JSON at
/// the worst.
const QUESTION_OCTETS_MAX: u64 = 1 << 20;
const _: () = assert!(6 * SCRIPT_OCTETS_MAX as u64 + 1024 < QUESTION_OCTETS_MAX);

/// The longest answer is the list of all accounts: a million of them.
const ANSWER_OCTETS_MAX: u64 = 64 << 20;

/// How long either side waits for the other's next step. The other is on the same machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many ask at one time; the next one waits in the kernel's queue.
const ASKERS_MAX: usize = 8;

/// What can be asked of the owner of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Make an account.
    AddAccount {
        /// The address, as its owner writes it.
        address: String,
        /// How it proves who it is.
        credentials: Credentials,
    },
    /// Give an account new credentials.
    SetCredentials {
        /// The address, in any spelling.
        address: String,
        /// How it proves who it is from now on.
        credentials: Credentials,
    },
    /// Remove an account with all its mail.
    RemoveAccount {
        /// The address, in any spelling.
        address: String,
    },
    /// Name all accounts.
    ListAccounts,
    /// How much an account holds, and may hold.
    ShowQuota {
        /// The address, in any spelling.
        address: String,
    },
    /// Give an account limits of its own, or (`None`) those of the configuration again.
    SetQuota {
        /// The address, in any spelling.
        address: String,
        /// What it may hold.
        quota: Option<Quota>,
    },
    /// Show an account's script.
    ShowScript {
        /// The address, in any spelling.
        address: String,
    },
    /// Give an account a script, or (`None`) take it away.
    SetScript {
        /// The address, in any spelling.
        address: String,
        /// The script.
        script: Option<String>,
    },
    /// Let an address lead to others, too.
    AddAlias {
        /// The address, or a whole domain: `@example.org`.
        address: String,
        /// Where it leads.
        targets: Vec<String>,
    },
    /// Let an address lead no longer to others.
    RemoveAlias {
        /// The address, or a whole domain.
        address: String,
        /// Where it leads no longer; none: nowhere at all.
        targets: Vec<String>,
    },
    /// Name all aliases, and what is wrong with them.
    ListAliases {
        /// As one JSON list.
        json: bool,
    },
}

/// What the owner says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done, and durable. Holds what there is to show, a line each.
    Done(Vec<String>),
    /// It is not; the text says why.
    Refused(String),
}

/// What may be asked about: the store, and which domains it is for, where that is known.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The store.
    pub store: Store,
    /// Where it is closed, accounts are made only in its domains.
    pub membership: Option<Membership>,
    /// How addresses are read.
    pub rules: Rules,
    /// Held while an alias or an account is added, so that what was verified is still so when it is there.
    pub(super) changing: Arc<Mutex<()>>,
}

impl Owner {
    /// The owner of this store, for these domains where they are known.
    pub fn new(store: Store, membership: Option<Membership>, rules: Rules) -> Self {
        Self { store, membership, rules, changing: Arc::default() }
    }

    /// Does what is asked.
    pub async fn answer(&self, question: Question) -> Answer {
        match self.try_answer(question).await {
            Ok(lines) => Answer::Done(lines),
            Err(reason) => Answer::Refused(reason),
        }
    }

    async fn try_answer(&self, question: Question) -> Result<Vec<String>, String> {
        match question {
            Question::AddAccount { address, credentials } => {
                let _changing = self.changing.lock().await;
                let address = self.parse(&address)?;
                self.check_domain(&address.name, &address.display_name)?;
                if let Some(detail) = &address.detail {
                    let name = &address.display_name;
                    return Err(format!("an account has no detail such as {detail:?}, but gets mail with any: {name}"));
                }
                if self.store.alias(&address.name).is_some() {
                    let name = &address.display_name;
                    return Err(format!("{name} is an alias; first `postbell alias remove {name}`"));
                }
                let added = self.store.add_account(&address.name, &address.display_name, credentials).await;
                added.map_err(|error| about(&address, &error))?;
                tracing::info!(account = address.name, "account added");
                Ok(Vec::new())
            }
            Question::SetCredentials { address, credentials } => {
                let (address, account) = self.find(&address)?;
                let set = self.store.set_credentials(account.id, credentials).await;
                set.map_err(|error| about(&address, &error))?;
                tracing::info!(account = address.name, "password changed");
                Ok(Vec::new())
            }
            Question::RemoveAccount { address } => {
                let (address, account) = self.find(&address)?;
                let removed = self.store.remove_account(account.id).await;
                removed.map_err(|error| about(&address, &error))?;
                tracing::info!(account = address.name, "account removed");
                Ok(self.aliases_of_nobody())
            }
            Question::ShowQuota { address } => {
                let (_, account) = self.find(&address)?;
                Ok(self.quota_lines(account.id))
            }
            Question::SetQuota { address, quota } => {
                let (address, account) = self.find(&address)?;
                let set = self.store.set_quota(account.id, quota).await;
                set.map_err(|error| about(&address, &error))?;
                tracing::info!(account = address.name, ?quota, "quota changed");
                Ok(self.quota_lines(account.id))
            }
            Question::ShowScript { address } => {
                let (address, account) = self.find(&address)?;
                let script = self.store.script(account.id);
                script.map(|script| vec![script.to_string()]).ok_or(format!("{} has no script", address.display_name))
            }
            Question::SetScript { address, script } => {
                let (address, account) = self.find(&address)?;
                let warnings = self.check_script(account.id, script.as_deref().unwrap_or_default())?;
                let (octets, script) = (script.as_ref().map(String::len), script.map(Arc::from));
                let set = self.store.set_script(account.id, script).await;
                set.map_err(|error| about(&address, &error))?;
                tracing::info!(account = address.name, ?octets, "script changed");
                Ok(warnings)
            }
            Question::AddAlias { address, targets } => self.add_alias(&address, &targets).await.map(|()| Vec::new()),
            Question::RemoveAlias { address, targets } => {
                self.remove_alias(&address, &targets).await.map(|()| Vec::new())
            }
            Question::ListAliases { json } => self.list_aliases(json),
            Question::ListAccounts => {
                Ok(self.store.accounts().iter().map(|account| account.display_name.clone()).collect())
            }
        }
    }

    /// A line for each resource: what is used, and how much of it there may be.
    fn quota_lines(&self, account: AccountId) -> Vec<String> {
        let (quota, usage) = (self.store.quota(account), self.store.usage(account));
        let whose = if self.store.own_quota(account).is_some() { "its own limit" } else { "limit of all accounts" };
        let line = |used: u64, what: &str, limit: Option<u64>| match limit {
            Some(limit) => format!("{used} {what} of {limit} ({whose})"),
            None => format!("{used} {what}, no limit"),
        };
        vec![line(usage.octets, "octets", quota.octets), line(usage.messages, "messages", quota.messages)]
    }

    /// Refuses a script that is wrong; says what may be a mistake in it.
    fn check_script(&self, account: AccountId, script: &str) -> Result<Vec<String>, String> {
        let script = Script::new(script.as_bytes()).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })?;
        let mut warnings: Vec<_> = script
            .warnings()
            .iter()
            .map(|warning| format!("{}: warning: {}", warning.position, warning.text))
            .collect();
        for (position, path) in script.redirects() {
            if !self.is_ours(path) {
                warnings.push(format!(
                    "{position}: warning: {path} is nobody's address here: what is redirected there goes to INBOX instead"
                ));
            }
        }
        for NamedMailbox { position, name, has_to_be_there } in script.mailboxes() {
            let why = match canonical_name(name) {
                Err(error) => error.to_string(),
                Ok(_) if has_to_be_there && self.store.mailbox(account, name).is_none() => {
                    "there is no such mailbox now; mail for one that is not there goes to INBOX".to_owned()
                }
                Ok(_) => continue,
            };
            warnings.push(format!("{position}: warning: {name:?}: {why}"));
        }
        Ok(warnings)
    }

    /// Whether an address leads to somebody now, an alias or an account; where it can't be said, it does.
    fn is_ours(&self, path: &sieve::Path) -> bool {
        match (&self.membership, meaning(&self.store, &self.rules, &path.quoted_local_part(), &path.domain)) {
            (Some(Membership::Closed { .. }), Ok(meaning)) => !meaning.accounts.is_empty(),
            (_, meaning) => meaning.is_ok(),
        }
    }

    fn find(&self, address: &str) -> Result<(Address, Arc<Account>), String> {
        // The account of just this name comes first, as it does for mail.
        let (whole, cut) = (parse(address, "")?, self.parse(address)?);
        for address in [whole, cut.clone()] {
            if let Some(account) = self.store.account(&address.name) {
                return Ok((address, account));
            }
        }
        Err(about(&cut, &store::Error::NoSuchAccount))
    }

    fn parse(&self, address: &str) -> Result<Address, String> {
        parse(address, &self.rules.separators)
    }
}

fn parse(address: &str, separators: &str) -> Result<Address, String> {
    let (local_part, domain) = address
        .rsplit_once('@')
        .ok_or_else(|| format!("{address:?} is not a full address such as alice@example.org"))?;
    Address::with_separators(local_part, domain, separators).map_err(|bad| format!("{address:?}: {bad}"))
}

/// What to say of an address whose domain is not ours.
pub(super) fn about_domain(address: &str, domain: &str, domains: &[String]) -> String {
    format!("{address}: {domain} is none of this server's domains: {}", domains.join(", "))
}

fn about(address: &Address, error: &store::Error) -> String {
    format!("{}: {error}", address.display_name)
}

/// Where the socket of the store in `data_dir` is.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// Listens beside the store in `data_dir`. The caller owns that store. The socket has its mode before it has its name.
pub(super) fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    let unnamed = data_dir.join("control.new");
    match std::fs::remove_file(&unnamed) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    std::fs::set_permissions(&unnamed, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&unnamed, path(data_dir))?;
    Ok(listener)
}

/// Answers until the server stops. What is being answered then is finished first, and the socket in `data_dir` goes away.
pub(super) async fn run(listener: UnixListener, data_dir: PathBuf, owner: Owner, mut shutdown: watch::Receiver<bool>) {
    let mut askers = JoinSet::new();
    loop {
        tokio::select! {
            () = stopping(&mut shutdown) => break,
            Some(_) = askers.join_next() => {}
            accepted = listener.accept(), if askers.len() < ASKERS_MAX => match accepted {
                Ok((stream, _)) => {
                    let (owner, shutdown) = (owner.clone(), shutdown.clone());
                    askers.spawn(async move {
                        if let Err(error) = serve(stream, &owner, shutdown).await {
                            tracing::warn!(%error, "a question at the control socket was not answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept at the control socket for a moment");
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
            },
        }
    }
    while askers.join_next().await.is_some() {}
    if let Err(error) = tokio::fs::remove_file(path(&data_dir)).await {
        // It is in nobody's way: the next owner replaces it.
        tracing::debug!(%error, "the control socket stays behind");
    }
}

async fn serve(stream: UnixStream, owner: &Owner, mut shutdown: watch::Receiver<bool>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(QUESTION_OCTETS_MAX));
    tokio::select! {
        () = stopping(&mut shutdown) => return Ok(()),
        read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)) => read??,
    };
    let answer = match serde_json::from_str(&line) {
        Ok(question) => owner.answer(question).await,
        // Another version of postbell asks what we do not know, or something else speaks here.
        Err(error) => Answer::Refused(format!("the server does not understand the question: {error}")),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    tokio::time::timeout(PATIENCE, writer.write_all(line.as_bytes())).await??;
    Ok(())
}

/// Asks the process that owns the store in `data_dir`; `None`: there is none. Blocks.
pub fn ask(data_dir: &Path, question: &Question) -> io::Result<Option<Answer>> {
    let mut stream = match BlockingStream::connect(path(data_dir)) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    stream.set_write_timeout(Some(PATIENCE))?;
    // No time limit for the answer: removing a large account takes what it takes, and a person can interrupt.
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    line.clear();
    BufReader::new(stream.take(ANSWER_OCTETS_MAX)).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server stopped before it answered"));
    }
    Ok(Some(serde_json::from_str(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_answers_where_no_socket_is_and_where_a_dead_one_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ask(folder.path(), &Question::ListAccounts).unwrap(), None);
        drop(std::os::unix::net::UnixListener::bind(path(folder.path())).unwrap());
        assert!(path(folder.path()).exists(), "the file stays behind");
        assert_eq!(ask(folder.path(), &Question::ListAccounts).unwrap(), None);
    }

    #[tokio::test]
    async fn the_socket_is_the_owners_alone_and_replaces_a_dead_one() {
        let folder = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(path(folder.path())).unwrap());
        let _listener = listen(folder.path()).unwrap();
        let mode = std::fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        BlockingStream::connect(path(folder.path())).unwrap();
    }

    #[test]
    fn only_full_addresses_name_accounts() {
        assert_eq!(parse("Alice@Example.org", "+").unwrap().name, "alice@example.org");
        for wrong in ["", "alice", "@example.org", "alice@", "alice@exa mple"] {
            assert!(parse(wrong, "+").is_err(), "{wrong:?}");
        }
    }
}
