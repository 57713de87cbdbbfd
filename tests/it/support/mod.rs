//! What the integration tests share.

pub mod dice;
pub mod front;
pub mod lab;
pub mod run;
