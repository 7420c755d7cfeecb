//! orgferry carries data from one Salesforce org to another, declared in YAML.
//!
//! This page is the map of the house. Users read the README; who changes the code starts here.
//!
//! # The path of a run
//!
//! 1. [`cli`] captures the outside world once: arguments, environment, terminal, working folder.
//! 2. [`spec`] reads the user's files into what was typed, every value with its place.
//! 3. [`pipeline`] compiles that into what it means, and collects all findings. `orgferry validate` stops here: no
//!    network, no secret. Where there is a schema lock, [`plan::check`] goes on with the describes that it keeps, by the
//!    same rules as a run.
//! 4. [`engine`] signs in through [`auth`] (a named credential, its external credential, the principal that the
//!    permission set opens).
//! 5. [`plan`] asks both orgs for their describes and row counts, and decides as a pure function: columns, queries, order,
//!    passes, REST or Bulk. What a describe proves wrong is a finding that points into the YAML. Nothing is written yet.
//! 6. [`engine`] runs the steps, side by side where nothing keeps them apart. In each step four stages work at once,
//!    joined by short channels: [`extract`] reads pages, [`transform`] maps batches, `engine` settles what is done with
//!    each row (some ask the target for that, several batches at once), [`load`] writes units (collections calls or Bulk
//!    jobs). What the org says of each row goes to [`state`] before anything else hears of it. Bulk queries are made ahead of
//!    their step's turn, and the links of steps that others refer to are kept in memory, up to a bound.
//! 7. References that loop (an account's parent among accounts that are still on their way) wait: their rows are put
//!    aside in `state`, and a second pass writes only those fields of only those rows.
//! 8. [`event`]s tell what happens; [`report`] folds them into a result, and `cli` shows it and picks the exit code.
//!
//! 9. A run that stopped before its end goes on in another sitting ([`engine::RunRequest`]): steps that have ended are
//!    left alone, what was on its way is asked for, and rows that have an outcome are left out after they were mapped
//!    once more. So no row's values are kept for it.
//!
//! [`engine::sample`] goes the same way as far as the mapping and makes tests of the rows; nothing is written.
//!
//! # The rooms, in reading order
//!
//! | room | holds | may use |
//! |---|---|---|
//! | [`record`] | values, numbers, Ids, batches, outcomes | nothing of ours |
//! | [`diag`] | findings and how they are shown | nothing of ours |
//! | [`file`](mod@file) | files of rows: CSV and JSON lines, read and written | `record` |
//! | [`spec`] | the user's files as typed, JSON Schema | `diag`, `file`, `record` |
//! | [`pipeline`] | the validated model; expressions, templates, SOQL; the compiler | `spec`, `diag`, `file`, `record` |
//! | [`http`] | transport, retries, redaction; no Salesforce words | nothing of ours |
//! | [`auth`] | secrets, flows, tokens | `http`, `pipeline` (credentials) |
//! | [`salesforce`] | requests and answers of the API, the client | `http`, `auth`, `pipeline` (credentials), `record` |
//! | [`transform`] | batch to batch, pure; tests of mappings | `pipeline`, `record`, `diag` (places) |
//! | [`plan`] | what will be done: gather, build, order; types across a step, schema lock, drift | `pipeline`, `salesforce`, `transform`, `file`, `record`, `diag` |
//! | [`extract`] | plan step to batches, a file a kind of source | `plan`, `pipeline`, `salesforce`, `file`, `record` |
//! | [`state`] | runs, outcomes, the id map, the journal: one trait, SQLite and PostgreSQL | `record` |
//! | [`load`] | rows to outcomes, a file a kind of road; writes down what it is about to send | `plan`, `pipeline`, `transform`, `salesforce`, `http`, `file`, `state`, `record` |
//! | [`event`] | the only bridge from the engine outwards | `record`, `plan` |
//! | [`engine`] | the loop: stages, back-pressure, stopping, passes | all above |
//! | [`report`] | fold of events to a result, and its formats | `event`, `engine` (how it ended), `state`, `record`, `diag` |
//! | [`emulator`] | an org that speaks Salesforce's API; never looks into `salesforce`, so that it cannot inherit the client's mistakes | `record` |
//! | [`cli`] | one file a subcommand; owns stdout, stderr, environment and exit | everything |
//!
//! A test reads the `use crate::` lines and holds them to this table.
//!
//! # What always holds
//!
//! - `pipeline`, `transform`, `plan::build` and the request builders do no input or output. (The compiler reads what the
//!   user's files name: included files, and the header lines of CSV files.) Only `cli` prints, reads the environment, or
//!   exits.
//! - A secret exists only as `auth`'s redacting type. `spec` and `pipeline` hold references to it (and the text of secrets
//!   for loopback hosts, which are nobody's).
//! - Nothing holds all rows: batches are bounded, stages wait for each other, ids and outcomes are on disk. (One
//!   exception, said where it is: a REST query with an ORDER BY of its own keeps 8 bytes a row.) What is in flight is at
//!   most a few Bulk jobs of 15,000 rows or 50 MB each; `benches/crossing/` measures what that comes to.
//! - A row that fails is an outcome, not an error. Every source row ends in exactly one: `created`, `updated`, `unchanged`,
//!   `deleted`, `filtered`, `parked`; read is their sum.
//! - What cannot be sent twice (a Bulk job, a call that makes records) is in the journal before it is sent, and leaves it
//!   when its outcomes are recorded.
//! - Results are paired with rows by a key that travels with the row, or by the record's Id. (A collections call answers
//!   in the order of its records: that order is the API's own key.)
//! - One value has one form, whichever API it came by: [`record::Number::canonical`], UTC datetimes, no empty texts.
//!
//! # Where a new thing goes
//!
//! A mapping form: one variant in `spec`, one in [`pipeline::model::MapValue`], one arm in `transform/value.rs`, fixtures.
//! A source or target kind: one file in `extract` or `load` (a form of file: one in `file`), one spec variant, one plan rule, one behaviour test. An OAuth
//! flow: one file in `auth`, one emulator endpoint. A report format: one file in `report`, one snapshot. A complaint: one
//! code, raised in one place, one fixture under `tests/fixtures/wrong`. A fact about Salesforce: one exchange under
//! `tests/fixtures/emulator/exchanges`, then the emulator, then the client.

pub mod auth;
pub mod cli;
pub mod diag;
pub mod emulator;
pub mod engine;
pub mod event;
pub mod extract;
pub mod file;
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
