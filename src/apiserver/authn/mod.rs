//! Which credential is accepted as whom, or the exact error.
