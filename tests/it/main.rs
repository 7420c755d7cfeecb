//! The integration tests, as one program: a module a subject.

mod behaviour;
mod cli;
mod compile;
mod crossing;
mod deletes;
mod evidence;
mod expressions;
mod files;
mod flow;
mod fmt;
mod http_source;
mod manual;
mod mapping;
mod mapping_tests;
mod mutation;
mod one_at_a_time;
mod recording;
mod robust;
mod rooms;
mod rows_files;
mod schemas;
mod shapes;
mod support;
mod targets;
mod types;
mod validate;
