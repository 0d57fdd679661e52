//! The zone store: build, find, look up (RFC 1034 §4.3.2).
