//! `checks` of a step.

use super::text::*;
use crate::spec::shape::{Form, Forms, Key, Record, Shape};

pub(crate) static CHECKS: Shape = Shape::List(&CHECK);

static CHECK: Shape = Shape::Forms(&Forms {
    name: "check",
    noun: "a check",
    doc: "What must hold of rows, or of the step as a whole.",
    forms: &[
        Form {
            on: Key::new(
                "not_null",
                &Shape::OneOrMore(&FIELD_PATH),
                "Target fields that must have a value in every row; a row without one is parked as `check`.",
            )
            .example("[\"LastName\"]"),
            keys: &[],
        },
        Form {
            on: Key::new(
                "expr",
                &EXPRESSION,
                "An expression over target fields that must hold for every row; a row for which it does not is parked as `check`.",
            )
            .example("\"Amount >= 0\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "unique",
                &Shape::OneOrMore(&FIELD_PATH),
                "Target fields whose values, taken together, no two rows may share. Looked at before the first write; stops the run.",
            )
            .example("\"Email\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "rows",
                &ROWS,
                "How many rows the step may write. Looked at before the first write; stops the run.",
            )
            .example("{\"at_least\":1,\"at_most\":50000}"),
            keys: &[],
        },
        Form {
            on: Key::new(
                "reconcile",
                &RECONCILE,
                "What must be alike in source and target after the last write; stops the run.",
            )
            .example("{\"count\":true}"),
            keys: &[],
        },
    ],
    common: &[],
});

static ROWS: Shape = Shape::Record(&Record {
    name: "rows_check",
    noun: "`rows`",
    doc: "How many rows the step may write.",
    keys: &[
        Key::new("at_least", &ROW_COUNT, "Fewer rows stop the run.").example("1"),
        Key::new("at_most", &ROW_COUNT, "More rows stop the run.").example("50000"),
    ],
    rest: None,
});

static ROW_COUNT: Shape = Shape::Integer {
    min: 0,
    max: 1_000_000_000,
};

static RECONCILE: Shape = Shape::Record(&Record {
    name: "reconcile",
    noun: "`reconcile`",
    doc: "What must be alike in source and target after the last write.",
    keys: &[
        Key::new("count", &BOOL, "The number of rows.")
            .default("false")
            .example("true"),
        Key::new("sum", &FIELD, "The sum of this target field.").example("\"Amount\""),
        Key::new(
            "fields",
            &Shape::OneOrMore(&FIELD_PATH),
            "The values of these target fields, row by row.",
        )
        .example("[\"Name\", \"AnnualRevenue\"]"),
        Key::new(
            "tolerance",
            &AMOUNT,
            "By how much the numbers may differ, or in how many rows the fields may.",
        )
        .default("0")
        .example("0.01"),
    ],
    rest: None,
});
