//! Findings: what is wrong in a user's file, where, why, and what to do now.
//!
//! Knows files and places, nothing of Salesforce or of steps. Raise findings anywhere with [`Finding::error`], put
//! them in the reader's order with [`sort`], show them with [`render_text`] or [`render_json`].

mod files;
mod finding;
mod json;
mod suggest;
mod text;

pub use files::{Files, Place};
pub use finding::{Code, Edit, Finding, Label, Severity, Span, sort};
pub use json::render_json;
pub use suggest::{all_of, did_you_mean, one_of};
pub use text::{Colour, render_text, summary};
