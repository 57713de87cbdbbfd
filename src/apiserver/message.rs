//! The grammar of the API server's errors and logs.
