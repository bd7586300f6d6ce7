//! The `postbell` binary: everything it does is in the library ([`postbell::cli`]).

use std::process::ExitCode;

/// Gives memory back soon after connections close; its settings are in `.cargo/config.toml`.
#[cfg(not(any(target_env = "msvc", fuzzing)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    postbell::cli::run()
}
