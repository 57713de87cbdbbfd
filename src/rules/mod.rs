//! One file per finding; this file is the one list.
