//! Long-running parts.
