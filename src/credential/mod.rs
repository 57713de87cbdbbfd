//! Parses a token or a certificate once into facts; the models judge facts, never a token.

pub mod certificate;
pub mod signature;
pub mod token;
