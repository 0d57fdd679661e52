//! Watch, coalesce, rebuild.

pub mod protocol;
