//! The commands of the command line.

pub(crate) mod compare;
pub(crate) mod coverage;
pub(crate) mod explain;
pub(crate) mod list;
pub(crate) mod run;
pub(crate) mod subject;

use std::io::{ErrorKind, Write as _};

/// Prints to standard output; a reader who has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

/// What a name that is none may have meant, as the end of a sentence.
fn suggestion(wanted: &str, names: &[String]) -> String {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let likeness = |name: &String| {
        let whole = strsim::jaro_winkler(wanted, name);
        let end = strsim::jaro_winkler(&last(wanted), &last(name));
        // What is right but for its folder is as near as what is right but for a letter.
        whole.max(end * 0.98)
    };
    let mut near: Vec<(f64, &String)> = names.iter().map(|name| (likeness(name), name)).collect();
    near.retain(|(likeness, _)| *likeness > 0.8);
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    match near.iter().take(3).map(|(_, name)| name.as_str()).collect::<Vec<_>>()[..] {
        [] => "; `protocol-tests list` names all".to_owned(),
        [one] => format!("; did you mean {one}?"),
        ref some => format!("; did you mean one of these?\n  {}", some.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant() {
        let names = ["imap/idle/delivery-rings", "imap/move/copyuid", "pop3/uidl/stays"].map(str::to_owned);
        assert!(suggestion("imap/idle/delivry-rings", &names).contains("imap/idle/delivery-rings"));
        assert!(suggestion("push/idle/delivery-rings", &names).contains("imap/idle/delivery-rings"));
        assert!(suggestion("zzzz", &names).contains("protocol-tests list"));
    }
}
