//! The user's files as they were typed: reading them, and the shapes that they may have.
//!
//! [`yaml`] reads text to a tree of [`Node`]s that know where they stood. [`shapes`] describes what a file may look
//! like; [`check`] holds a tree against that, [`schema`] writes the same as JSON Schema. [`load`] finds the files.
//! What a file means is not known here: that is `pipeline::compile`.

mod check;
pub mod emit;
mod format;
mod insert;
mod load;
mod node;
mod scalar;
mod schema;
mod shape;
mod shapes;
mod slip;
mod tables;
mod yaml;
mod yaml_fault;

pub use format::{Unformatted, format};
pub use insert::{NotInserted, add_tests};
pub use load::{Document, FileKind, Loader, Project};
pub use node::{Entry, Key, Kind, Node, Plain, Scalar, Style};
pub use scalar::Segments;
pub use schema::{ORG_KEYS, schemas};
pub use shapes::{backoff, delimiter, duration, percent, size};
