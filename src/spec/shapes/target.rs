//! `target`.

use super::text::*;
use crate::spec::shape::{ByKind, Key, Record, Shape, Word};

pub(crate) static TARGET: Shape = Shape::Record(&Record {
    name: "target",
    noun: "a target",
    doc: "What is written.",
    keys: &[
        Key::new("object", &FIELD, "The sobject. Default: the source's object.").example("\"Account\""),
        Key::new(
            "operation",
            &Shape::Words(&[
                Word::new("upsert", "update by key, create where there is none"),
                Word::new("insert", "create; with a key, records that exist are left alone"),
                Word::new("update", "update by key"),
                Word::not_yet("delete", "delete by key"),
                Word::not_yet("hard_delete", "delete by key, past the recycle bin"),
                Word::not_yet("match", "find by key, write nothing"),
            ]),
            "What is done.",
        )
        .default("\"upsert\""),
        Key::new(
            "key",
            &Shape::ByKind(&ByKind {
                noun: "a field's name",
                scalar: Some(&FIELD),
                list: Some(&Shape::NotYet("a key of several fields")),
                map: None,
            }),
            "The target field that tells records apart: an external id field, `Id`, or another field.",
        )
        .example("\"Legacy_Id__c\""),
        Key::new(
            "connection",
            &DASHED_NAME,
            "The named credential that is written. Default: `to`.",
        ),
        API,
        Key::new(
            "batch_size",
            &Shape::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Rows a request. Default: decided.",
        ),
        Key::new(
            "parallel",
            &Shape::Integer { min: 1, max: 100 },
            "Requests side by side. Default: decided.",
        ),
        Key::new("assignment_rule", &SCALAR, "The assignment rule.").not_yet("leave it out: no rule is used"),
        Key::new(
            "allow_duplicates",
            &BOOL,
            "Whether duplicate rules are passed over.",
        )
        .not_yet("leave it out"),
        Key::new(
            "group_by",
            &FIELD,
            "The field whose equal values travel in one batch.",
        )
        .not_yet("leave it out"),
        Key::new("csv", &ANYTHING, "A CSV file.").not_yet_whole("write to an org"),
        Key::new("jsonl", &ANYTHING, "A file of JSON lines.").not_yet_whole("write to an org"),
    ],
    rest: None,
});

pub(crate) static API: Key = Key::new(
    "api",
    &Shape::Words(&[
        Word::new("auto", "chosen by size"),
        Word::new("rest", "query pages, sObject collections"),
        Word::new("bulk", "Bulk API 2.0"),
    ]),
    "Which of the org's APIs carries the rows.",
)
.default("\"auto\"");
