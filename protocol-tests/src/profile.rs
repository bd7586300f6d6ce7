//! A profile: what the runner has to know of one server, in a file of TOML. `subjects/` has some, and `README.md` beside
//! this crate says what each key is for.
//!
//! What the command line says stands above it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::transcript::Service;

/// What the file says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// What the server is called.
    pub name: Option<String>,
    /// A command whose first line tells its version.
    pub version: Vec<String>,
    /// Where each service is: `imap = "localhost:143"`.
    pub services: BTreeMap<Service, String>,
    /// The accounts.
    pub accounts: Accounts,
    /// How mailboxes are named, where the server need not be asked.
    pub mailboxes: Mailboxes,
    /// How `deliver` goes.
    pub deliver: Option<Service>,
    /// What it takes over SMTP it passes on.
    pub relay: bool,
    /// A file of authorities in PEM, of which one has to have signed the server's certificate; any is good without it.
    pub ca: Option<PathBuf>,
    /// Stretches every deadline.
    pub patience: Option<f64>,
    /// A list of known differences.
    pub known: Option<PathBuf>,
}

/// The accounts of a profile.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accounts {
    /// A form with `{n}`, or the only account.
    pub user: Option<String>,
    /// Some accounts.
    pub users: Vec<String>,
    /// The password of each.
    pub password: Option<String>,
    /// A command that makes an account, `{user}` and `{password}` among its words.
    pub create: Vec<String>,
    /// The mail address of an account, where that is not its name: `{user}@example.org`.
    pub address: Option<String>,
    /// All that is in accounts that exist may be deleted.
    pub empty: bool,
}

/// How mailboxes are named.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mailboxes {
    /// What stands between the levels; empty where there are none.
    pub separator: Option<String>,
    /// What stands before all but INBOX.
    pub prefix: Option<String>,
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Service, D::Error> {
        let name = String::deserialize(deserializer)?;
        Service::named(&name).ok_or_else(|| {
            let known: Vec<&str> = Service::ALL.iter().map(|(name, _)| *name).collect();
            serde::de::Error::custom(format!("{name:?} is no service: {}", known.join(", ")))
        })
    }
}

impl Profile {
    /// Reads a profile; the files that it names lie where it lies.
    pub fn read(file: &Path) -> Result<Profile, String> {
        let wrong = |error: String| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
        let mut profile = Profile::parse(&text).map_err(wrong)?;
        for path in [&mut profile.ca, &mut profile.known].into_iter().flatten() {
            *path = file.with_file_name(&path);
        }
        Ok(profile)
    }

    fn parse(text: &str) -> Result<Profile, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_says_what_differs() {
        let profile = Profile::parse(
            "name = \"x\"\ndeliver = \"lmtp\"\n[services]\nimap = \"localhost:143\"\n[accounts]\nuser = \"t{n}\"\n\
             create = [\"add\", \"{user}\"]\n[mailboxes]\nseparator = \".\"\n",
        )
        .unwrap();
        assert_eq!(profile.services[&Service::Imap], "localhost:143");
        assert_eq!(profile.deliver, Some(Service::Lmtp));
        assert_eq!(profile.mailboxes.separator.as_deref(), Some("."));
    }

    #[test]
    fn what_no_profile_says_is_named() {
        for (text, named) in [
            ("nmae = \"x\"\n", "nmae"),
            ("[services]\nimpa = \"localhost:143\"\n", "\"impa\" is no service"),
            ("[accounts]\nempty = \"yes\"\n", "boolean"),
        ] {
            let error = Profile::parse(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_profiles_of_subjects_can_be_read() {
        let folder = crate::suite::Corpus::default().root.join("subjects");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let profile = Profile::read(&path).unwrap();
                assert!(profile.name.is_some() && !profile.services.is_empty(), "{path:?}");
                assert!(profile.known.is_none_or(|known| known.exists()), "{path:?}");
                count += 1;
            }
        }
        assert!(count > 0);
    }
}
