//! Parses a token or a certificate once into facts; the models judge facts, never a token.

pub mod base64url;
pub mod certificate;
pub mod chain;
pub mod json;
pub mod public_keys;
pub mod signature;
pub mod token;
