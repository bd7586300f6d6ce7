//! The mutations of `protocol-tests/mutations/` can still be made: each begins with what it breaks and the rule, and applies
//! to the tree as it is. Whether the transcripts notice them takes long: `protocol-tests/mutations/run`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use protocol_tests::{citation, sections};

fn patches() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/mutations");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut patches: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "patch")).collect();
    patches.sort();
    patches
}

#[test]
fn each_says_what_it_breaks() {
    assert!(patches().len() >= 20);
    for patch in patches() {
        let text = fs::read_to_string(&patch).unwrap();
        let mut lines = text.lines();
        let what = lines.next().unwrap();
        assert!(
            what.ends_with('.') && !what.starts_with("diff"),
            "{}: the first line says what breaks",
            patch.display()
        );
        let rule = lines.next().and_then(|line| line.strip_prefix("rfc: "));
        let rule = rule.unwrap_or_else(|| panic!("{}: the second line is `rfc: RFC n §n`", patch.display()));
        for place in citation::parse(rule).unwrap_or_else(|error| panic!("{}: {error}", patch.display())) {
            let there = !sections::knows(&place.document) || sections::heading(&place).is_some();
            assert!(there, "{}: there is no {place}", patch.display());
        }
    }
}

#[test]
fn each_applies_to_the_tree() {
    for patch in patches() {
        let check = Command::new("git")
            .args(["apply", "--check", "--whitespace=nowarn"])
            .arg(&patch)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("git is needed to apply patches");
        let why = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "{} no longer fits what it breaks; make it anew:\n{why}", patch.display());
    }
}
