//! orgferry carries data from one Salesforce org to another, declared in YAML.

pub mod diag;
pub mod pipeline;
pub mod record;
pub mod spec;
