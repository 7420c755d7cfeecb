//! Tests that stand in a pipeline file: a row goes in, fields come out, orgs are faked.

mod difference;
mod fakes;
mod record;

use super::{
    answers::Answers,
    check::{RowCheck, place_of},
    mapping::{Cell, MappedField, Mapping, RowEnd},
};
use crate::{
    diag::Span,
    pipeline::{
        expr::{Context, RunInfo, Vars},
        model::{Copy, Expectation, MapValue, MappingTest, Only, Step},
    },
    record::{ParkReason, Value},
};
pub use difference::Difference;
use difference::same;
use fakes::Fakes;
pub use fakes::{Question, TEST_KEY};
pub use record::{Holder, RealRow, Recorded, RecordedEnd, Unrecordable, record};

/// What a test came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// Where expectation and result differ; empty: the test has passed.
    pub differences: Vec<Difference>,
    /// What the mapping asked and the test does not answer (such a record is not there), where that may be why the test
    /// has failed.
    pub unanswered: Vec<Question>,
}

impl TestResult {
    /// Whether nothing differs.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A step's mapping as its file has it: no describe is at hand, so that values keep their types, a copied lookup is a
/// plain copy, and of `copy: all` nothing is known.
#[derive(Clone, Debug)]
pub struct BareMapping {
    /// The fields, those of `copy` first.
    pub mapping: Mapping,
    /// Where each field stands in the file.
    pub places: Vec<Span>,
    /// How many fields `copy` names.
    pub copied: usize,
}

impl BareMapping {
    /// The mapping of a step, for records that are created or for those that are updated.
    pub fn new(step: &Step, action: Only) -> BareMapping {
        let copied = match &step.copy {
            Copy::Fields(fields) => fields.as_slice(),
            Copy::Nothing | Copy::All { .. } => &[],
        };
        let bare = |name, value| MappedField {
            name,
            value,
            shape: None,
            looping: false,
            partial: false,
        };
        let copies = copied.iter().map(|c| {
            let value = MapValue::Expr(crate::pipeline::expr::Expr::column(c.column));
            bare(c.field.as_str().into(), value)
        });
        let mapped = step.map.iter().map(|m| bare(m.field.clone(), m.value.on(action)));
        let places = copied
            .iter()
            .map(|c| &c.span)
            .chain(step.map.iter().map(|m| &m.span));
        BareMapping {
            places: places.cloned().collect(),
            copied: copied.len(),
            mapping: Mapping {
                when: step.when.clone(),
                fields: copies.chain(mapped).collect(),
            },
        }
    }

    /// What becomes of a row. `item` is the entry of `each`, where a test gives it; else it is the `item_number`th of
    /// the list that the row makes.
    pub fn run(
        &self,
        step: &Step,
        row: &[Value],
        item: Option<&Value>,
        item_number: usize,
        (vars, run): (&Vars, &RunInfo),
        answers: &dyn Answers,
    ) -> RowEnd {
        let mut context = Context {
            row,
            vars,
            run,
            item: None,
            item_number: 0,
        };
        let item = match (&step.each, item) {
            (None, _) => None,
            (Some(_), Some(item)) => Some(item.clone()),
            (Some(each), None) => match each.expr.eval(&context) {
                Ok(Value::Json(list)) if list.is_array() => {
                    list.get(item_number.saturating_sub(1)).map(Value::from_json)
                }
                Ok(Value::Null) => None,
                Ok(other) => {
                    return no_list(format!("`each` gave a {}, not a list", other.kind()));
                }
                Err(error) => return no_list(format!("`each` failed: {error}")),
            },
        };
        if step.each.is_some() && item.is_none() {
            // No entry, no row.
            return RowEnd::Filtered;
        }
        context.item = item.as_ref();
        context.item_number = if item.is_some() { item_number } else { 0 };
        let end = self.mapping.map(&context, answers, true);
        let RowEnd::Mapped(cells) = &end else { return end };
        let fields = &self.mapping.fields;
        let found = step
            .checks
            .iter()
            // What `copy: all` copies is not known without the orgs, and neither is a check of it.
            .filter_map(|check| RowCheck::new(check, &mut |field| place_of(fields, &field.path)))
            .find_map(|check| check.look(cells, fields, vars, run));
        match found {
            Some(reason) => RowEnd::Parked(reason),
            None => end,
        }
    }
}

impl BareMapping {
    /// Whether a difference may come from an answer that the test does not give.
    fn may_lack_answer(&self, difference: &Difference) -> bool {
        if difference.field.is_empty() {
            let code = difference.code.as_deref();
            return code.is_none_or(|code| NOT_THERE.contains(&code));
        }
        let field = self
            .mapping
            .fields
            .iter()
            .find(|field| field.name.as_str().eq_ignore_ascii_case(&difference.field));
        field.is_some_and(|field| {
            field.value.any(|value| {
                matches!(
                    value,
                    MapValue::Ref { .. } | MapValue::Lookup { .. } | MapValue::RecordType { .. }
                )
            })
        })
    }
}

fn no_list(message: String) -> RowEnd {
    RowEnd::Parked(ParkReason {
        code: "type".into(),
        message,
        field: None,
        help: "let it give a list, such as `each: Skills__c | split_multi`".to_owned(),
    })
}

/// The reasons that an answer takes away.
const NOT_THERE: [&str; 3] = ["missing_parent", "not_found", "no_record_type"];

/// Runs one test of a step. `vars` are the pipeline's; the test's own come over them.
pub fn run_test(step: &Step, test: &MappingTest, vars: &Vars, run: &RunInfo) -> TestResult {
    let mut vars = vars.clone();
    for (name, value) in &test.vars {
        vars.insert(name.clone(), value.clone());
    }
    let bare = BareMapping::new(step, test.action);
    let fakes = Fakes::new(test);
    let end = bare.run(
        step,
        &test.given,
        test.item.as_ref(),
        test.item_number,
        (&vars, run),
        &fakes,
    );
    let mut differences = compare(&bare, step, test, end);
    let mut unanswered = fakes.unanswered();
    if !differences
        .iter()
        .any(|difference| bare.may_lack_answer(difference))
    {
        // A test may well live without: what differs does not come from that.
        unanswered.clear();
    }
    if !unanswered.is_empty() {
        // What would help in a run is beside the point: the test has to answer first.
        for difference in &mut differences {
            if difference
                .code
                .as_deref()
                .is_some_and(|code| NOT_THERE.contains(&code))
            {
                difference.help = None;
            }
        }
    }
    TestResult {
        differences,
        unanswered,
    }
}

fn compare(bare: &BareMapping, step: &Step, test: &MappingTest, end: RowEnd) -> Vec<Difference> {
    let fields = &bare.mapping.fields;
    let field_at = |name: &str| {
        fields
            .iter()
            .position(|f| f.name.as_str().eq_ignore_ascii_case(name))
    };
    let whole = |expected: &str, end: &RowEnd| {
        // Where the reason names a field, its line is what a reader wants to see; a filter's is the step's.
        let made_at = match end {
            RowEnd::Parked(reason) | RowEnd::Stop(reason) => reason
                .field
                .as_deref()
                .and_then(field_at)
                .map(|at| bare.places[at].clone()),
            _ => None,
        };
        vec![Difference::of_row(
            expected,
            end,
            test.expect_span.clone(),
            made_at.or_else(|| Some(step.span.clone())),
        )]
    };
    match (&test.expect, end) {
        (Expectation::Filtered, RowEnd::Filtered)
        | (Expectation::Parked, RowEnd::Parked(_) | RowEnd::Stop(_)) => Vec::new(),
        (Expectation::Filtered, end) => whole("filtered", &end),
        (Expectation::Parked, end) => whole("parked", &end),
        (Expectation::Fields(expected), RowEnd::Mapped(cells)) => expected
            .iter()
            .filter_map(|(path, expected, span)| {
                let at = fields.iter().position(|f| f.name == *path);
                let found = at.map_or(&Cell::Omit, |at| &cells[at]);
                let made_at = at.map(|at| bare.places[at].clone());
                (!same(expected, found))
                    .then(|| Difference::of_field(path.as_str(), expected, found, span.clone(), made_at))
            })
            .collect(),
        (Expectation::Fields(_), end) => whole("a mapped row", &end),
    }
}
