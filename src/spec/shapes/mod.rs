//! The shapes of the files, a file each.

mod checks;
mod credentials;
mod mapping;
mod pipeline;
mod project;
mod source;
mod target;
mod text;

pub(crate) use credentials::CREDENTIALS_FILE;
pub(crate) use mapping::MAPPING_FILE;
pub(crate) use pipeline::PIPELINE_FILE;
pub(crate) use project::PROJECT_FILE;
pub(crate) use text::ANY_TEXT;
pub use text::{backoff, delimiter, duration, percent, size};
