//! `explain`: one transcript, and all that there is to know before it is run.

use clap::Args;
use protocol_tests::citation::Place;
use protocol_tests::sections;
use protocol_tests::suite::Corpus;
use protocol_tests::transcript::{Level, Need, Transcript};

use super::{print, suggestion};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Its name, or a part of the name that no other has
    case: String,
}

impl Explain {
    pub(crate) fn run(self) -> Result<(), String> {
        let corpus = Corpus::default();
        let names = corpus.names()?;
        let name = find(&self.case, &names)?;
        print(&explained(&corpus.read(name)?))
    }
}

/// The one that is meant.
fn find<'a>(case: &str, names: &'a [String]) -> Result<&'a String, String> {
    let case = case.trim_end_matches(".transcript");
    if let Some(name) = names.iter().find(|name| *name == case) {
        return Ok(name);
    }
    let end = format!("/{case}");
    if let [name] = names.iter().filter(|name| name.ends_with(&end)).collect::<Vec<_>>()[..] {
        return Ok(name);
    }
    match names.iter().filter(|name| name.contains(case)).collect::<Vec<_>>()[..] {
        [] => Err(format!("there is no transcript {case:?}{}", suggestion(case, names))),
        [name] => Ok(name),
        ref several => {
            let shown: Vec<&str> = several.iter().take(20).map(|name| name.as_str()).collect();
            let more = match several.len() - shown.len() {
                0 => String::new(),
                more => format!("\n  and {more} more"),
            };
            Err(format!("{case:?} is in several names:\n  {}{more}", shown.join("\n  ")))
        }
    }
}

fn explained(transcript: &Transcript) -> String {
    let level = match transcript.level {
        Level::Must => "must: a server that offers this has no choice",
        Level::Should => "should: clients depend on it, and a server has to have a reason to do otherwise",
        Level::Own => "own: what Postbell chose where the RFC leaves the choice open; no other server is held to it",
    };
    let mut out = format!("{}\n\n{}\n\n", transcript.name, transcript.rule);
    out += &format!("level    {level}\n");
    for (index, citation) in transcript.citations.iter().enumerate() {
        let heading = match (&citation.place, sections::heading(citation)) {
            (Some(Place::Heading(_)), _) | (_, None) => String::new(),
            (_, Some(heading)) => format!("  {heading}"),
        };
        out += &format!("{:9}{citation}{heading}\n", if index == 0 { "where" } else { "" });
    }
    out += &format!("needs    {}\n", needs(transcript));
    if transcript.is_timed() {
        out += "measures how long the lines `S told:` take; no figure passes or fails\n";
    }
    out += "\nThe conversation\n\n";
    for (number, line) in (1..).zip(&transcript.lines) {
        out += format!("{number:>6}  {line}").trim_end();
        out.push('\n');
    }
    out +=
        &format!("\nAlone, with all that is said\n\n  cargo run -p protocol-tests -- run … -v {}\n", transcript.name);
    out += &format!("  cargo test --test conformance -- --exact {}\n", transcript.name);
    out
}

fn needs(transcript: &Transcript) -> String {
    let need = |need: &Need| match &need.capability {
        None => need.service.name().to_owned(),
        Some(capability) => format!("{} {capability}", need.service.name()),
    };
    let mut needs: Vec<String> = transcript.needs.iter().map(need).collect();
    match transcript.users.len() {
        0 => {}
        1 => needs.push("a second account".to_owned()),
        more => needs.push(format!("{} accounts", more + 1)),
    }
    if transcript.server != "dev" {
        needs.push(format!("a Postbell that is configured as {}", transcript.server));
    }
    if needs.is_empty() { "nothing that has to be announced".to_owned() } else { needs.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_is_enough_where_it_is_one_names_alone() {
        let names = ["imap/idle/rings", "imap/idle/rings-twice", "pop3/uidl/stays"].map(str::to_owned);
        assert_eq!(find("imap/idle/rings", &names).unwrap(), "imap/idle/rings");
        assert_eq!(find("rings", &names).unwrap(), "imap/idle/rings");
        assert_eq!(find("uidl", &names).unwrap(), "pop3/uidl/stays");
        assert_eq!(find("pop3/uidl/stays.transcript", &names).unwrap(), "pop3/uidl/stays");
        let several = find("idle", &names).unwrap_err();
        assert!(several.contains("rings-twice"), "{several}");
        assert!(find("pop3/udil/stays", &names).unwrap_err().contains("did you mean pop3/uidl/stays?"));
    }

    #[test]
    fn every_transcript_can_be_explained() {
        let corpus = Corpus::default();
        for name in corpus.names().unwrap() {
            let transcript = corpus.read(&name).unwrap();
            let text = explained(&transcript);
            assert!(text.contains(&transcript.rule) && text.contains(&transcript.citations[0].document), "{text}");
        }
    }
}
