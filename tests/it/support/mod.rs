//! What the integration tests share.

pub mod dice;
pub mod lab;
pub mod network;
pub mod run;
