//! `target`.

use super::{source::CSV_FILE, text::*};
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
                Word::new("delete", "delete by key"),
                Word::new(
                    "hard_delete",
                    "delete by key, past the recycle bin; needs the permission Bulk API Hard Delete",
                ),
                Word::new(
                    "match",
                    "find by key and write nothing, so that other steps may `ref` what is found",
                ),
            ]),
            "What is done.",
        )
        .default("\"upsert\""),
        Key::new(
            "key",
            &Shape::ByKind(&ByKind {
                noun: "a field's name or a list of fields",
                scalar: Some(&FIELD),
                list: Some(&Shape::List(&FIELD)),
                map: None,
            }),
            "The target field that tells records apart: an external id field, `Id`, another field, or a list of \
             fields that together tell records apart. What is no external id is matched by a query.",
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
            "Rows a request, 200 at most by REST; rows a job by Bulk. Default: decided.",
        )
        .example("50"),
        Key::new(
            "parallel",
            &Shape::Integer { min: 1, max: 100 },
            "Requests or jobs side by side. Default: decided.",
        )
        .example("2"),
        Key::new(
            "assignment_rule",
            &ASSIGNMENT_RULE,
            "Which assignment rule runs on new Cases, Leads and Accounts: `none`, `default` (the org's active one) or \
             the Id of a rule.",
        )
        .default("\"none\"")
        .example("\"01Q000000000001EAA\""),
        Key::new(
            "allow_duplicates",
            &BOOL,
            "Whether records are saved although a duplicate rule of the org warns.",
        )
        .default("false"),
        Key::new(
            "group_by",
            &FIELD,
            "The target field whose equal values travel in one batch and never in two at once, so that rows of one \
             parent do not lock each other out.",
        )
        .example("\"AccountId\""),
        Key::new(
            "csv",
            &CSV_FILE,
            "Rows go to a CSV file instead of an org. `-` is standard output.",
        )
        .example("\"backup/accounts.csv.gz\""),
        Key::new(
            "jsonl",
            &FILE_PATH,
            "Rows go to a file of JSON lines instead of an org. `-` is standard output.",
        )
        .example("\"backup/accounts.jsonl\""),
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
