//! docs/RFC.md is what the tree says, and what people say, what the code cites and what the cases show fit together.
//! Whether a claim is true, only what it names can show.

use std::path::Path;

use protocol_tests::coverage::Coverage;

#[test]
fn the_coverage_is_what_the_tree_says() {
    let coverage = Coverage::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let findings = coverage.check().unwrap();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}
