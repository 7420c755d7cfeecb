//! Tests that stand in a pipeline file: a row goes in, fields come out, orgs are faked.

use std::sync::{Arc, OnceLock};

use compact_str::CompactString;

use super::{
    Masker,
    answers::{Answers, LookupAnswer, LookupKey},
    check::{RowCheck, place_of},
    mapping::{Cell, MappedField, Mapping, RowEnd},
};
use crate::{
    pipeline::{
        expr::{Context, RunInfo, Vars},
        model::{Copy, Expectation, Lookup, MapValue, MappingTest, Only, Step, StepRef},
    },
    record::{FieldPath, RefAnswer, Value, same_id},
};

/// The key that tests mask under.
const TEST_KEY: &[u8] = b"orgferry test";

/// What a test came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResult {
    /// Where expectation and result differ; empty: the test has passed.
    pub differences: Vec<Difference>,
}

/// A field that came out otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field; empty for the row as a whole.
    pub field: String,
    /// What the test expects.
    pub expected: String,
    /// What came out.
    pub found: String,
}

impl TestResult {
    /// Whether nothing differs.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Runs one test of a step. `vars` are the pipeline's; the test's own come over them.
pub fn run_test(step: &Step, test: &MappingTest, vars: &Vars, run: &RunInfo) -> TestResult {
    let mut vars = vars.clone();
    for (name, value) in &test.vars {
        vars.insert(name.clone(), value.clone());
    }
    let mapping = Mapping {
        when: step.when.clone(),
        fields: fields(step, test.action),
    };
    let mut context = Context {
        row: &test.given,
        vars: &vars,
        run,
        item: None,
        item_number: 0,
    };
    let item = match (&step.each, &test.item) {
        (None, _) => None,
        (Some(_), Some(item)) => Some(item.clone()),
        // The entry of the list that the given fields make; without one there is no row.
        (Some(each), None) => match each.expr.eval(&context) {
            Ok(Value::Json(list)) => list.get(test.item_number.saturating_sub(1)).map(Value::from_json),
            _ => None,
        },
    };
    let mut end = match (&step.each, &item) {
        (Some(_), None) => RowEnd::Filtered,
        _ => {
            context.item = item.as_ref();
            context.item_number = if item.is_some() { test.item_number } else { 0 };
            mapping.map(&context, &Fakes(test), true)
        }
    };
    if let RowEnd::Mapped(cells) = &end {
        let found = step
            .checks
            .iter()
            // What `copy: all` copies is not known without the orgs, and neither is a check of it.
            .filter_map(|check| RowCheck::new(check, &mut |field| place_of(&mapping.fields, &field.path)))
            .find_map(|check| check.look(cells, &mapping.fields, &vars, run));
        if let Some(reason) = found {
            end = RowEnd::Parked(reason);
        }
    }
    TestResult {
        differences: compare(&mapping, &test.expect, end),
    }
}

/// The fields of a step as its file has them: without a describe, a copied lookup is a plain copy.
fn fields(step: &Step, action: Only) -> Vec<MappedField> {
    let copied = match &step.copy {
        Copy::Fields(fields) => fields.as_slice(),
        Copy::Nothing | Copy::All { .. } => &[],
    };
    let copied = copied.iter().map(|c| MappedField {
        name: c.field.as_str().into(),
        value: MapValue::Expr(crate::pipeline::expr::Expr::column(c.column)),
        shape: None,
        looping: false,
        partial: false,
    });
    let mapped = step.map.iter().map(|m| MappedField {
        name: m.field.clone(),
        value: m.value.on(action),
        shape: None,
        looping: false,
        partial: false,
    });
    copied.chain(mapped).collect()
}

fn compare(mapping: &Mapping, expect: &Expectation, end: RowEnd) -> Vec<Difference> {
    let whole = |expected: &str, found: String| {
        vec![Difference {
            field: String::new(),
            expected: expected.into(),
            found,
        }]
    };
    match (expect, end) {
        (Expectation::Filtered, RowEnd::Filtered)
        | (Expectation::Parked, RowEnd::Parked(_) | RowEnd::Stop(_)) => Vec::new(),
        (Expectation::Filtered, end) => whole("filtered", describe(&end)),
        (Expectation::Parked, end) => whole("parked", describe(&end)),
        (Expectation::Fields(fields), RowEnd::Mapped(cells)) => fields
            .iter()
            .filter_map(|(path, expected, _)| {
                let at = mapping.fields.iter().position(|f| f.name == *path);
                let found = at.map_or(&Cell::Omit, |at| &cells[at]);
                (!same(expected, found)).then(|| Difference {
                    field: path.to_string(),
                    expected: show(expected),
                    found: match found {
                        Cell::Value(value) => show(value),
                        Cell::Null | Cell::Clear => "null".into(),
                        Cell::Omit | Cell::Later | Cell::Held(_) => "left out".into(),
                    },
                })
            })
            .collect(),
        (Expectation::Fields(_), end) => whole("a mapped row", describe(&end)),
    }
}

/// Expected values come from YAML: there a number may stand for the text of the same digits.
fn same(expected: &Value, found: &Cell) -> bool {
    match found {
        Cell::Null | Cell::Clear | Cell::Omit | Cell::Later | Cell::Held(_) => expected.is_null(),
        Cell::Value(Value::Number(found)) => match expected {
            Value::Number(e) => {
                e.to_decimal() == found.to_decimal() && e.to_decimal().is_some() || e == found
            }
            other => other.as_text() == Some(found.as_str()),
        },
        Cell::Value(found @ Value::Json(_)) => expected == found,
        Cell::Value(found) => expected.as_text() == found.as_text(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Json(json) => json.to_string(),
        other => other.as_text().unwrap_or_default().to_owned(),
    }
}

fn describe(end: &RowEnd) -> String {
    match end {
        RowEnd::Mapped(_) => "a mapped row".into(),
        RowEnd::Filtered => "filtered".into(),
        RowEnd::Parked(reason) => format!("parked ({}: {})", reason.code, reason.message),
        RowEnd::Stop(reason) => format!("stopped ({}: {})", reason.code, reason.message),
        RowEnd::Pending => "unanswered".into(),
    }
}

/// The answers that the test gives; what it does not give is not there.
struct Fakes<'t>(&'t MappingTest);

impl Answers for Fakes<'_> {
    fn reference(&self, step: StepRef, id: &str) -> Option<RefAnswer> {
        let found = self
            .0
            .refs
            .iter()
            .find(|(s, source, _)| *s == step && same_id(source, id));
        Some(match found {
            Some((_, _, target)) => RefAnswer::Linked(target.into()),
            None if matches!(step, StepRef::Own(own) if self.0.files.contains(&own)) => {
                RefAnswer::Linked(id.into())
            }
            None => RefAnswer::Unknown,
        })
    }

    /// What a test answers for a ref is what the ref gives, be it an Id or another field.
    fn given(&self, _: StepRef, _: &FieldPath, id: &str) -> Option<Option<Value>> {
        Some(Some(Value::text(id)))
    }

    /// Tests mask under a key of their own, so that what they expect is the same for everybody.
    fn masker(&self) -> Option<&Masker> {
        static MASKER: OnceLock<Masker> = OnceLock::new();
        Some(MASKER.get_or_init(|| Masker::new(TEST_KEY)))
    }

    fn lookup(&self, lookup: &Arc<Lookup>, key: &LookupKey) -> Option<LookupAnswer> {
        let key = key
            .iter()
            .map(|k| k.as_deref().unwrap_or_default())
            .collect::<Vec<_>>()
            .join(", ");
        let mut found = self
            .0
            .lookups
            .iter()
            .filter(|(object, given, _)| object.eq_ignore_ascii_case(&lookup.object) && *given == key);
        Some(match (found.next(), found.count()) {
            (None, _) => LookupAnswer::None,
            (Some((_, _, target)), 0) => LookupAnswer::Found(Value::text(target.as_str())),
            (Some(_), more) => LookupAnswer::Several(more + 1),
        })
    }

    /// Record types are named by the test's `lookups`, under `RecordType`; without one the name stands for itself.
    fn record_type(&self, developer_name: &str) -> Option<CompactString> {
        let given = self
            .0
            .lookups
            .iter()
            .filter(|(object, _, _)| object.eq_ignore_ascii_case("RecordType"));
        let mut any = false;
        for (_, name, id) in given {
            any = true;
            if name.eq_ignore_ascii_case(developer_name) {
                return Some(id.into());
            }
        }
        (!any).then(|| developer_name.into())
    }
}
