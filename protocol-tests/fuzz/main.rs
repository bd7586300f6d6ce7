//! Holds a property of Postbell to octets that libFuzzer makes up (`src/properties/`; the script beside this runs it).
//!
//! - `FUZZ_PROPERTY=NAME` says which. `FUZZ_LIST=1` lists them: a name and the longest input, each on a line.
//! - `FUZZ_SEEDS=FOLDER` writes its seeds there and ends.
//!
//! Memory is counted: an input that takes more at once than its property allows is a finding like others.

#![no_main]

use std::sync::OnceLock;
use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use postbell::properties::{ALL, MEMORY_OCTETS, Property};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static PROPERTY: OnceLock<Property> = OnceLock::new();

fn begin() {
    if env::var_os("FUZZ_LIST").is_some() {
        ALL.iter().for_each(|property| println!("{} {}", property.name, property.octets_max));
        process::exit(0);
    }
    let name = env::var("FUZZ_PROPERTY").expect("FUZZ_PROPERTY names a property");
    let property =
        ALL.iter().find(|property| property.name == name).unwrap_or_else(|| panic!("no property is called {name}"));
    if let Some(folder) = env::var_os("FUZZ_SEEDS") {
        for (number, seed) in (property.seeds)().iter().enumerate() {
            let path = std::path::Path::new(&folder).join(format!("seed-{number:04}"));
            fs::write(&path, seed).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        process::exit(0);
    }
    PROPERTY.get_or_init(|| *property);
}

fuzz_target!(init: begin(), |octets: &[u8]| {
    let property = PROPERTY.get().expect("the property was chosen at the start");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    (property.holds)(octets);
    let peak = MEMORY.peak_usage().saturating_sub(before);
    let allowed = MEMORY_OCTETS + property.memory_factor * octets.len();
    assert!(peak <= allowed, "{peak} octets of memory for {} octets of input; {allowed} are allowed", octets.len());
});
