//! Tells: every renderer writes a value to a given writer.
