//! What a run did: a fold of the engine's events, and its formats.
//!
//! The engine reports facts; the words that a user reads about a run are chosen here. [`Collector`] takes events
//! while the run goes, [`parked`] writes the files of parked rows from state, [`RunReport`] is the result, and
//! [`text`] shows it. Prints nothing itself.

mod collector;
pub mod parked;
mod quantity;
mod run_report;
pub mod text;

pub use collector::{Collector, End, Start};
pub use quantity::{duration, grouped, plural, rate};
pub use run_report::{
    CallsLeft, CheckReport, Failure, ParkedFile, ParkedGroup, ReportFinding, Retry, RunReport, SecondPass,
    Side, StepReport, StepState, Tally,
};
