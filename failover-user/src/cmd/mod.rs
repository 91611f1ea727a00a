//! The command line's verbs, one file each.

pub mod check;
