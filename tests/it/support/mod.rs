//! What the integration tests share.

pub mod aws;
pub mod dice;
pub mod front;
pub mod lab;
pub mod network;
pub mod run;
pub mod schema;
pub mod stage;
