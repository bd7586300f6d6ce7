//! docs/RFC.md claims a lot, and says where each claim is shown. Here it is held to this: every transcript and file that it
//! names is there. Whether a claim is true, only what it names can show.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder`, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found
}

#[test]
fn what_the_coverage_names_is_there() {
    let page = fs::read_to_string(root().join("docs/RFC.md")).unwrap();
    let transcripts: Vec<String> = files(&root().join("protocol-tests/transcripts"))
        .iter()
        .filter_map(|path| Some(path.to_str()?.strip_suffix(".transcript")?.to_owned()))
        .collect();
    let is_there = |name: &str| match name.strip_suffix('*') {
        Some(beginning) => transcripts.iter().any(|transcript| transcript.starts_with(beginning)),
        None => {
            transcripts.iter().any(|transcript| transcript == name)
                || root().join("src").join(name).exists()
                || root().join(name).exists()
        }
    };
    // In tables, what has a slash between backticks is a transcript or a file; `/` alone is the separator of mailboxes.
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let names =
        rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|name| name.len() > 1 && name.contains('/'));
    let missing: Vec<&str> = names.filter(|name| !is_there(name)).collect();
    assert_eq!(missing, [""; 0]);
}
