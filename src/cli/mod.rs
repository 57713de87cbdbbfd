//! One file per command: flags, collect, think, render. The only code that writes stdout, stderr and files.

pub mod can_i;
pub mod decode;
pub mod doctor;
pub mod flags;

use std::ffi::OsString;

use crate::host::Host;

/// Runs kaccess and returns its exit code.
pub fn run(_host: &Host, _arguments: impl Iterator<Item = OsString>) -> u8 {
    2
}
