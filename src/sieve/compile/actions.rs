//! Commands that are not `if` or `require`: `stop` (RFC 5228 §3.3), actions (§4), and those of imap4flags (RFC 5232 §3).

use super::super::flags::Flags;
use super::super::program::Step;
use super::super::run::Path;
use super::super::syntax::{Argument, Command};
use super::arguments::{Given, Place, TagSpec, Takes};
use super::{Compiler, conditions};

const FLAGS: TagSpec = TagSpec::new("flags", Takes::Strings, "list of flags").of("imap4flags");
const COPY: TagSpec = TagSpec::new("copy", Takes::Nothing, "`:copy`").of("copy");
const CREATE: TagSpec = TagSpec::new("create", Takes::Nothing, "`:create`").of("mailbox");
const SPECIAL_USE: TagSpec = TagSpec::new("specialuse", Takes::String, "special use").of("special-use");

/// A command, and what it takes.
struct CommandSpec {
    name: &'static str,
    extension: Option<&'static str>,
    tags: &'static [TagSpec],
    places: &'static [Place],
}

const fn spec(name: &'static str, tags: &'static [TagSpec], places: &'static [Place]) -> CommandSpec {
    CommandSpec { name, extension: None, tags, places }
}

const LIST_OF_FLAGS: &[Place] = &[(Takes::Strings, "its list of flags")];

const COMMANDS: &[CommandSpec] = &[
    spec("stop", &[], &[]),
    spec("keep", &[FLAGS], &[]),
    spec("discard", &[], &[]),
    spec("redirect", &[COPY], &[(Takes::String, "its address")]),
    CommandSpec {
        extension: Some("fileinto"),
        ..spec("fileinto", &[FLAGS, COPY, CREATE, SPECIAL_USE], &[(Takes::String, "its mailbox")])
    },
    CommandSpec { extension: Some("imap4flags"), ..spec("setflag", &[], LIST_OF_FLAGS) },
    CommandSpec { extension: Some("imap4flags"), ..spec("addflag", &[], LIST_OF_FLAGS) },
    CommandSpec { extension: Some("imap4flags"), ..spec("removeflag", &[], LIST_OF_FLAGS) },
];

impl Compiler<'_> {
    /// A command that is not `if`.
    pub(super) fn step(&mut self, command: &Command) -> Option<Step> {
        let name = command.name.as_str();
        let Some(spec) = COMMANDS.iter().find(|spec| spec.name == name) else {
            self.unknown(command);
            // What is in its block is looked at all the same.
            self.steps(command.block.as_deref().unwrap_or_default());
            return None;
        };
        if let Some(extension) = spec.extension {
            self.needs(extension, &format!("`{name}`"), command.at);
        }
        self.no_tests(name, command.at, &command.tests);
        self.no_block(command);
        if spec.extension == Some("imap4flags") && command.arguments.len() == 2 {
            let text = format!("`{name}` takes one list of flags: the extension \"variables\" is not supported");
            self.problem(command.at, text);
            return None;
        }
        let given = self.arguments((name, command.at), &command.arguments, spec.tags, spec.places)?;
        Some(match name {
            "stop" => Step::Stop,
            "discard" => Step::Discard,
            "keep" => Step::Keep { at: command.at, flags: self.tagged_flags(&given) },
            "fileinto" => self.file_into(command, &given),
            "redirect" => self.redirect(command, &given)?,
            "setflag" => Step::SetFlag(self.flags(given.place(0))),
            "addflag" => Step::AddFlag(self.flags(given.place(0))),
            _ => Step::RemoveFlag(self.flags(given.place(0))),
        })
    }

    fn unknown(&mut self, Command { at, name, .. }: &Command) {
        let text = match name.as_str() {
            "require" => "`require` has to stand before all other commands".to_owned(),
            "elsif" | "else" => format!("`{name}` has to stand directly behind an `if` or `elsif`"),
            test if conditions::is_test(test) => format!("`{test}` is a test: it stands behind `if`"),
            _ => {
                let names = COMMANDS.iter().map(|spec| spec.name).chain(["require", "if", "elsif", "else"]);
                format!("there is no command `{name}`{}", self.suggestion(name, names))
            }
        };
        self.problem(*at, text);
    }

    /// RFC 5228 §4.1, RFC 5490 §3.2, RFC 8579 §4.
    fn file_into(&mut self, command: &Command, given: &Given<'_>) -> Step {
        let mailbox = self.one_text(given.place(0));
        let has_to_be_there = !given.has("create") && !given.has("specialuse");
        self.mailboxes.push((given.place(0).at, mailbox.clone(), has_to_be_there));
        let special_use = given.value("specialuse").map(|argument| self.one_text(argument));
        let flags = self.tagged_flags(given);
        Step::FileInto {
            at: command.at,
            mailbox,
            create: given.has("create"),
            copy: given.has("copy"),
            flags,
            special_use,
        }
    }

    /// RFC 5228 §4.2
    fn redirect(&mut self, command: &Command, given: &Given<'_>) -> Option<Step> {
        let argument = given.place(0);
        let address = self.one_text(argument);
        let Some(to) = Path::of_redirect(&address) else {
            self.problem(argument.at, format!("{address:?} is not an address, like `alice@example.org`"));
            return None;
        };
        self.redirects.push((argument.at, to.clone()));
        Some(Step::Redirect { at: command.at, to, copy: given.has("copy") })
    }

    fn tagged_flags(&mut self, given: &Given<'_>) -> Option<Flags> {
        given.value("flags").map(|argument| self.flags(argument))
    }

    /// A list of flags; what can't be set is ignored, as RFC 5232 §2 has it, but not in silence.
    fn flags(&mut self, argument: &Argument) -> Flags {
        let texts = self.all_texts(argument);
        let (flags, ignored) = Flags::of(texts.iter().map(String::as_str));
        for flag in ignored {
            self.warn(argument.at, format!("{flag:?} is no flag that can be set, and is ignored"));
        }
        flags
    }
}
