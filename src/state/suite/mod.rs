//! What every store has to do, whatever database is behind it.
//!
//! A behaviour is a function over an empty store. [`behaves_as_a_store`] makes a test of each of them for one kind of
//! store; what only one kind can show stays with that kind.

mod flow;
mod journal;
mod places;
mod rows;

use compact_str::CompactString;

pub(crate) use flow::*;
pub(crate) use journal::*;
pub(crate) use places::*;
pub(crate) use rows::*;

use super::{LinkSet, ParkedRow, RunRecord, RunStatus, StepRun, Store};
use crate::record::{Outcome, ParkReason, RowResult};

/// Tests of all behaviours. `$open` gives an empty store, whatever keeps it alive included: anything that is
/// a `&dyn Store` behind `&*`.
macro_rules! behaves_as_a_store {
    ($open:expr) => {
        crate::state::suite::behaves_as_a_store! { $open =>
            runs_are_listed_newest_first_and_found_by_their_beginning
            a_run_ends_with_its_report
            steps_and_id_maps_are_made_once
            an_outcome_replaces_the_one_before
            counts_follow_the_order_of_steps
            refs_answer_in_the_order_of_the_question
            a_large_unit_keeps_all_its_rows
            parked_rows_come_by_pages
            a_key_belongs_to_the_first_row
            rows_wait_for_the_second_pass
            links_of_records_that_are_gone_are_forgotten
            links_are_found_by_their_records_and_from_the_newest_on
            a_value_belongs_to_the_first_row_of_each_check
            expectations_come_by_target_record
            a_cursor_moves_with_what_waits_beside_it
            a_mark_lasts_until_the_row_is_written_without_one_or_fails
            rows_near_and_far_are_found_in_any_order
            a_run_sits_down_again_with_what_it_was_started_with
            the_last_run_is_the_newest_that_began_a_step
            a_step_knows_its_place
            a_unit_is_there_until_its_outcomes_are
            rows_that_have_ended_are_known
            a_row_has_its_key_in_every_sitting_once
            a_row_does_not_repeat_its_own_value
            rows_that_are_through_wait_no_more
            what_was_expected_of_a_row_is_known
            a_step_begins_anew_without_losing_its_links
        }
    };
    ($open:expr => $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                let store = $open;
                crate::state::suite::$behaviour(&*store);
            }
        )*
    };
}

/// Tests of what holds between two who opened one place. `$place` is what [`Place`] is implemented for.
macro_rules! behaves_as_a_shared_place {
    ($place:expr) => {
        crate::state::suite::behaves_as_a_shared_place! { $place =>
            what_was_recorded_is_there_for_the_next
            a_place_is_taken_once_and_free_again
            a_run_whose_process_is_gone_has_died
        }
    };
    ($place:expr => $($behaviour:ident)*) => {
        $(
            #[test]
            fn $behaviour() {
                let place = $place;
                crate::state::suite::$behaviour(&place);
            }
        )*
    };
}

pub(crate) use behaves_as_a_shared_place;
pub(crate) use behaves_as_a_store;

/// A database that several processes may open.
pub(crate) trait Place {
    /// Opens it, as a process of its own would.
    fn open(&self) -> Box<dyn Store>;
}

pub(super) fn run(id: &str, started_at: &str) -> RunRecord {
    RunRecord {
        id: id.into(),
        pipeline: "customers".into(),
        file: "pipelines/customers.yaml".into(),
        env: Some("uat".into()),
        from: "hq".into(),
        to: "emea".into(),
        started_at: started_at.into(),
        ended_at: None,
        status: RunStatus::Running,
        exit_code: None,
        report: None,
        started_with: None,
        sittings: 1,
        begun: false,
    }
}

pub(super) fn result(id: &str, outcome: Outcome, target: Option<&str>) -> RowResult {
    RowResult {
        source_id: id.into(),
        target_id: target.map(Into::into),
        outcome,
        reason: (outcome == Outcome::Parked).then(|| ParkReason {
            code: "required".into(),
            message: format!("row {id} has no name"),
            field: Some("Name".into()),
            help: "fill it".into(),
        }),
    }
}

pub(super) fn parked(id: &str) -> ParkedRow {
    ParkedRow {
        source_id: id.into(),
        values: vec![("Id".into(), Some(id.into())), ("Name".into(), None)],
    }
}

pub(super) fn ids(ids: &[&str]) -> Vec<CompactString> {
    ids.iter().map(|id| CompactString::new(id)).collect()
}

/// One run, one step and its id map.
pub(super) fn stage(store: &dyn Store) -> (StepRun, LinkSet) {
    stage_of(store, "r1")
}

pub(super) fn stage_of(store: &dyn Store, id: &str) -> (StepRun, LinkSet) {
    store.begin_run(&run(id, "2026-01-01T00:00:00Z")).unwrap();
    let step = store.begin_step(id, "accounts").unwrap();
    let links = store.link_set("customers", "accounts", "00DA", "00DB").unwrap();
    (step, links)
}
