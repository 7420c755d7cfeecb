//! What the user's files mean: the validated model, and the compilers that make it.
//!
//! No network, no environment; files are read by [`load`] alone, through `spec`. A [`Pipeline`] that exists has
//! passed every offline check.

mod compile;
pub mod credentials;
pub mod expr;
pub mod model;
pub mod soql;

pub use compile::{Loaded, apply_vars, load, load_instead, load_to_check};
pub(crate) use compile::{masked, state_of};
pub use model::Pipeline;
