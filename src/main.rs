//! The kaccess command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let host = kaccess::host::Host::read();
    ExitCode::from(kaccess::cli::run(&host, std::env::args_os()))
}
