//! Each type from text to wire form and back.
