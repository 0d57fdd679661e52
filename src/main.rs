//! The `beiand` program: see `beiand --help`.

fn main() {}
