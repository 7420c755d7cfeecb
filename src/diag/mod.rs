//! Findings: what is wrong in a user's file, where, why, and what to do now.
//!
//! Knows files and places, nothing of Salesforce or of steps. Raise findings anywhere with [`Finding::error`], put
//! them in the reader's order with [`sort`], show them with [`render_text`], [`render_json`], [`render_sarif`] or
//! [`render_github`].

mod files;
mod finding;
mod github;
mod json;
mod sarif;
mod suggest;
mod text;

pub use files::{Files, Place};
pub use finding::{Code, Edit, Finding, Label, Severity, Span, sort};
pub use github::render_github;
pub use json::render_json;
pub use sarif::render_sarif;
pub(crate) use suggest::LONGEST;
pub use suggest::{all_of, did_you_mean, one_of};
pub use text::{Colour, render_text, summary};
