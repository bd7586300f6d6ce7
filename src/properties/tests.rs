//! Every property over its seeds, and over what was found when it was fuzzed.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;

use super::{ALL, Property, seeds};

/// Where the inputs are over which a property once did not hold.
const FOUND: &str = "fixtures/found";

/// Says over which inputs it does not hold; the names of all, not of the first.
fn replay(property: &Property, inputs: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let broken: Vec<String> = inputs
        .into_iter()
        .filter(|(_, input)| catch_unwind(|| (property.holds)(input)).is_err())
        .map(|(name, input)| {
            format!("{name} ({} octets: {})", input.len(), input[..input.len().min(200)].escape_ascii())
        })
        .collect();
    assert!(broken.is_empty(), "{} does not hold over\n{}", property.name, broken.join("\n"));
}

#[test]
fn all_hold_over_their_seeds() {
    for property in &ALL {
        let seeds = (property.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", property.name);
        replay(property, (0..).map(|number: u32| format!("seed {number}")).zip(seeds));
    }
}

#[test]
fn all_hold_over_what_was_found() {
    for property in &ALL {
        let found = seeds::files(&format!("{FOUND}/{}", property.name));
        replay(property, found.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())));
    }
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
