//! Asking a person: for a password, unseen, or for a yes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Failure;

/// More than any password that is taken (`auth::password::PASSWORD_OCTETS_MAX`): its refusal says so.
const LINE_OCTETS_MAX: u64 = 4096;

/// The first line of standard input.
pub(super) fn from_stdin() -> Result<String, Failure> {
    read_line(io::stdin().lock()).map_err(|error| Failure::new(format_args!("standard input: {error}")))
}

/// Asks twice, without echo, at the terminal itself: standard input and output may be elsewhere.
pub(super) fn new_from_terminal(address: &str) -> Result<String, Failure> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal =
        terminal.map_err(|_| Failure::usage("no terminal to ask for the password at; say --password-stdin"))?;
    let first = ask_unseen(&terminal, &format!("New password for {address}: "));
    let first = first.map_err(Failure::new)?;
    let second = ask_unseen(&terminal, "Once more: ").map_err(Failure::new)?;
    if first == second { Ok(first) } else { Err(Failure::new("the two passwords differ; nothing was changed")) }
}

/// Asks at the terminal for a yes; where there is none, it is a no with a hint.
pub(super) fn confirm(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("no terminal to ask at; say --yes"));
    }
    eprint!("{question} [y/N] ");
    let answer = from_stdin()?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn ask_unseen(terminal: &File, prompt: &str) -> io::Result<String> {
    let mut writer = terminal;
    writer.write_all(prompt.as_bytes())?;
    let _unseen = Unseen::on(terminal)?;
    read_line(BufReader::new(terminal))
}

fn read_line(reader: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(LINE_OCTETS_MAX).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// A terminal that shows the line's end, but not the line; as it was when this is dropped.
struct Unseen<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Unseen<'t> {
    fn on(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        unseen.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _restored = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
