//! The verdict of each zone, and what it does to an answer.
