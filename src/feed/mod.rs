//! Filing files to facts: CSV, NDJSON, MIIT JSON; tails and refusals.
