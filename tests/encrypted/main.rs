//! The encrypted transports as their clients meet them, against the real binary: the same answers
//! everywhere, what each protocol asks for, certificates renewed, and clients who mean no good.

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod clients;
mod hostile;
mod https;
mod observed;
mod same_answers;
mod tls;
