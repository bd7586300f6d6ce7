//! What Postbell does of each RFC, where, and which case shows it: docs/RFC.md, made from the tree.
//!
//! People write what we do of a section, in docs/rfc-statements.md ([`statements`]). Where it is done, the comments of the
//! code say, which cite it ([`scan`]); what shows it, the heads of the transcripts and the comments of unit tests. Here the
//! three come together, and what one of them says and the others do not is a finding.

pub mod page;
pub mod scan;
pub mod statements;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use statements::{Statements, Verdict};

use crate::citation::Citation;
use crate::sections;
use crate::suite::Corpus;

/// The source of the page, and the page.
pub const STATEMENTS: &str = "docs/rfc-statements.md";
/// See [`STATEMENTS`].
pub const PAGE: &str = "docs/RFC.md";

/// What cites: a file of the code, one of its tests, or a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file below `src/`, by its path.
    Code,
    /// A file with tests, by its path.
    Test,
    /// A transcript, by its name.
    Case,
}

/// One citation in the tree.
#[derive(Clone, Debug)]
pub struct Cited {
    /// What is cited.
    pub citation: Citation,
    /// What cites.
    pub kind: Kind,
    /// A path from the root of the tree; of a transcript its name.
    pub by: String,
    /// In which line.
    pub line: usize,
}

/// Statements and citations, put together.
#[derive(Debug)]
pub struct Coverage {
    /// What people say.
    pub statements: Statements,
    /// What cites what.
    pub cited: Vec<Cited>,
    /// For each statement the citations that belong to it, by number.
    pub belongs: BTreeMap<usize, Vec<usize>>,
    /// What does not fit together, each in one sentence.
    pub findings: Vec<String>,
    root: PathBuf,
}

impl Coverage {
    /// Reads the tree at `root`.
    pub fn read(root: &Path) -> Result<Coverage, String> {
        let text = read(&root.join(STATEMENTS))?;
        let statements = Statements::read(&text).map_err(|what| format!("{STATEMENTS}, {what}"))?;
        let mut findings = Vec::new();
        let mut cited = code(root, &mut findings)?;
        cited.extend(cases(root)?);
        let mut coverage = Coverage { statements, cited, belongs: BTreeMap::new(), findings, root: root.to_owned() };
        coverage.put_together();
        Ok(coverage)
    }

    fn put_together(&mut self) {
        let mut unspoken: BTreeMap<&Citation, Vec<String>> = BTreeMap::new();
        for (index, cited) in self.cited.iter().enumerate() {
            let at = format!("{}:{}", file_of(cited), cited.line);
            let citation = &cited.citation;
            if sections::knows(&citation.document) && sections::heading(citation).is_none() {
                self.findings.push(format!("{at} cites {citation}, which does not exist: see rfc-sections.txt"));
                continue;
            }
            match self.statements.of(citation) {
                Some(found) => found.into_iter().for_each(|at| self.belongs.entry(at).or_default().push(index)),
                None => unspoken.entry(citation).or_default().push(at),
            }
        }
        for (citation, at) in unspoken {
            let place = citation.place.as_ref().map_or(String::new(), ToString::to_string);
            let more = if at.len() > 1 { format!(" and {} more", at.len() - 1) } else { String::new() };
            self.findings.push(format!(
                "{citation} is cited in {}{more}, and {STATEMENTS} says nothing of it: below `### {}` (made where it is not) \
                 add a row `| {place} what it is about | yes |`, or partly or no, and why",
                at[0], citation.document,
            ));
        }
        for (at, statement) in self.statements.all.iter().enumerate() {
            let here = format!("{STATEMENTS}:{}", statement.line);
            for place in &statement.places {
                let citation = Citation { document: statement.document.clone(), place: Some(place.clone()) };
                if sections::knows(&statement.document) && sections::heading(&citation).is_none() {
                    self.findings.push(format!("{here} speaks of {citation}, which does not exist"));
                }
            }
            if !matches!(statement.verdict, Verdict::Yes | Verdict::Partly) {
                continue;
            }
            let (about, has) = (format!("{} {}", statement.document, statement.subject), |kinds: &[Kind]| {
                self.belongs.get(&at).is_some_and(|all| all.iter().any(|i| kinds.contains(&self.cited[*i].kind)))
            });
            if !has(&[Kind::Code]) {
                self.findings.push(format!(
                    "{here} says {about:?} is done, and no comment in src/ cites it: cite it where it is"
                ));
            }
            if !has(&[Kind::Case, Kind::Test]) {
                self.findings.push(format!(
                    "{here} says {about:?} is done, and nothing shows it: cite it in the head of a transcript, or in a \
                     comment of a unit test"
                ));
            }
        }
    }

    /// The page as the tree says it.
    pub fn page(&self) -> String {
        page::print(self)
    }

    /// Writes the page.
    pub fn write(&self) -> Result<(), String> {
        let path = self.root.join(PAGE);
        fs::write(&path, self.page()).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// All that does not fit together, and whether the page is another than the tree says.
    pub fn check(&self) -> Result<Vec<String>, String> {
        let mut findings = self.findings.clone();
        if read(&self.root.join(PAGE))? != self.page() {
            findings.push(format!("{PAGE} is not what the tree says: cargo run -p protocol-tests -- coverage"));
        }
        Ok(findings)
    }
}

/// The path of what cites, from the root of the tree.
fn file_of(cited: &Cited) -> String {
    match cited.kind {
        Kind::Case => format!("protocol-tests/transcripts/{}.transcript", cited.by),
        Kind::Code | Kind::Test => cited.by.clone(),
    }
}

fn code(root: &Path, findings: &mut Vec<String>) -> Result<Vec<Cited>, String> {
    let mut sources = BTreeMap::new();
    for folder in ["src", "protocol-tests/tests"] {
        let mut files = Vec::new();
        collect(root, Path::new(folder), &mut files)?;
        for file in files {
            let source = read(&root.join(&file))?;
            sources.insert(file, source);
        }
    }
    let mut tests = vec!["protocol-tests/tests/".to_owned()];
    tests.extend(sources.iter().flat_map(|(file, source)| {
        let beside = file.strip_suffix("/mod.rs").or(file.strip_suffix("/lib.rs")).or(file.strip_suffix(".rs"));
        let paths = scan::modules_of_tests(source).into_iter();
        paths.flat_map(move |module| [".rs", "/"].map(|end| format!("{}/{module}{end}", beside.unwrap_or(file))))
    }));
    let mut cited = Vec::new();
    for (file, source) in &sources {
        match scan::file(source, tests.iter().any(|path| file.starts_with(path))) {
            Ok(found) => cited.extend(found.into_iter().map(|found| Cited {
                citation: found.citation,
                kind: if found.in_tests { Kind::Test } else { Kind::Code },
                by: file.clone(),
                line: found.line,
            })),
            Err(what) => findings.push(format!("{file}, {what}")),
        }
    }
    Ok(cited)
}

fn cases(root: &Path) -> Result<Vec<Cited>, String> {
    let corpus = Corpus { root: root.join("protocol-tests") };
    let mut cited = Vec::new();
    for name in corpus.names()? {
        let transcript = corpus.read(&name)?;
        let line = transcript.lines.iter().position(|line| line.starts_with("rfc:")).map_or(0, |at| at + 1);
        cited.extend(transcript.citations.into_iter().map(|citation| Cited {
            citation,
            kind: Kind::Case,
            by: name.clone(),
            line,
        }));
    }
    Ok(cited)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), String> {
    let entries = fs::read_dir(root.join(folder)).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries {
        let path = folder.join(entry.map_err(|e| e.to_string())?.file_name());
        match root.join(&path).is_dir() {
            true => collect(root, &path, files)?,
            false if path.extension().is_some_and(|ending| ending == "rs") => files.push(path.display().to_string()),
            false => {}
        }
    }
    Ok(())
}
