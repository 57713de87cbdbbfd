//! (in work)
use super::flags::{ConnectionArgs, OutputArgs};
use crate::host::Host;
/// Flags.
#[derive(Debug, clap::Args)]
pub struct DecodeArgs {}
/// Runs.
pub fn run(_: &Host, _: &ConnectionArgs, _: &OutputArgs, _: &DecodeArgs) -> Result<u8, super::Error> { Ok(2) }
