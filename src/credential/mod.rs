//! Parses a token or a certificate once into facts; the models judge facts, never a token.
//!
//! ```
//! use kaccess::credential::token;
//! use kaccess::evidence::credential::TokenKind;
//!
//! // {"alg": "RS256", "kid": "1"} and {"iss": "https://sso.example.com", "sub": "alice", ...}, cut off in the signature
//! let facts = token::parse("eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJodHRwczovL3Nzby5leGFtcGxlLmNvbSIsInN1YiI6ImFsaWNlIiwiYXVkIjoiYWNjb3VudCIsImV4cCI6NDAwMDAwMDAwMH0.AAAA");
//! assert_eq!(facts.kind, TokenKind::Jwt);
//! assert_eq!(facts.claims.as_ref().unwrap()["sub"], "alice");
//! assert!(facts.problems[0].detail.contains("too short for RS256"));
//! ```

pub mod base64url;
pub mod certificate;
pub mod chain;
pub mod json;
pub mod public_keys;
pub mod signature;
pub mod token;
