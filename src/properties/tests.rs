//! Every property over its seeds, and over what was found when it was fuzzed.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;

use super::{ALL, Property, seeds};

/// Where the inputs are over which a property once did not hold.
const FOUND: &str = "fixtures/found";

/// Over which of these inputs it does not hold.
fn broken(property: &Property, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<String> {
    let fails = inputs.into_iter().filter(|(_, input)| catch_unwind(|| (property.holds)(input)).is_err());
    fails
        .map(|(name, input)| format!("{} over {name}: {}", property.name, input[..input.len().min(200)].escape_ascii()))
        .collect()
}

#[test]
fn all_hold_over_their_seeds() {
    let broken: Vec<String> = ALL
        .iter()
        .flat_map(|property| {
            let seeds = (property.seeds)();
            assert!(!seeds.is_empty(), "{} has no seeds", property.name);
            broken(property, (0..).map(|number: u32| format!("seed {number}")).zip(seeds))
        })
        .collect();
    assert!(broken.is_empty(), "what does not hold:\n{}", broken.join("\n"));
}

#[test]
fn all_hold_over_what_was_found() {
    let broken: Vec<String> = ALL
        .iter()
        .flat_map(|property| {
            let found = seeds::files(&format!("{FOUND}/{}", property.name));
            broken(property, found.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())))
        })
        .collect();
    assert!(broken.is_empty(), "what does not hold:\n{}", broken.join("\n"));
}

#[test]
fn what_was_found_belongs_to_a_property() {
    let names: BTreeSet<&str> = ALL.iter().map(|property| property.name).collect();
    assert_eq!(names.len(), ALL.len(), "two properties have one name");
    for path in seeds::files(FOUND) {
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert!(folder == "found" || names.contains(folder), "no property is called {folder}: {}", path.display());
    }
}
