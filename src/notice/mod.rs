//! The notice page: the web server at the address that blocked domains are answered with
//! (DESIGN 2). It tells a site's owner why the domain is dark and what to do.
//!
//! | file | idea |
//! | --- | --- |
//! | `respond` | from a request to a response: status, headers, form |
//! | `host` | which name was asked for; hostile until proven otherwise |
//! | `situation` | how that name stands, by the same answer core that DNS queries get |
//! | `details` | the filing number and what else stands in the record only |
//! | `preferences` | the language and the form that the client wants |
//! | `told` | everything that is told, in both languages |
//! | `served` | what was answered, counted |
//! | `look` | the provider's name, colours and templates; rendering |
//!
//! It decides nothing: whether a name is blocked, and why, is what [`crate::answer`] says of the
//! published state. The words are [`crate::filing::words`]; connections and their limits are
//! [`crate::serve`]'s. It speaks plain HTTP only: no
//! certificate for a customer's name is ever made up, so port 443 of the notice address is to
//! refuse connections.

mod details;
mod host;
mod look;
mod preferences;
mod respond;
mod served;
mod situation;
mod told;

pub use details::{Busy, FindRecord};
pub use look::{Colour, Look, LookInUse, Provider, Settings};
pub use respond::Responder;
pub use served::Served;
