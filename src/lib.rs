//! orgferry carries data from one Salesforce org to another, declared in YAML.

pub mod auth;
pub mod diag;
pub mod emulator;
pub mod engine;
pub mod event;
pub mod extract;
pub mod http;
pub mod load;
pub mod pipeline;
pub mod plan;
pub mod record;
pub mod report;
pub mod salesforce;
pub mod spec;
pub mod state;
pub mod transform;
