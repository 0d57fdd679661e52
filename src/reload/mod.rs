//! Watch, coalesce, rebuild.
