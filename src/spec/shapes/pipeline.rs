//! A pipeline file, and what it shares with the project file.

use super::{
    checks::CHECKS,
    credentials::{INLINE_CREDENTIALS, MASK_KEY, VERSION},
    mapping::*,
    source::SOURCE,
    target::TARGET,
    text::*,
};
use crate::spec::shape::{ByKind, Form, Forms, Key, Record, Shape, Word};

pub(crate) static PIPELINE_FILE: Shape = Shape::Record(&Record {
    name: "pipeline_file",
    noun: "a pipeline",
    doc: "What is carried from one org to another.",
    keys: &[
        VERSION,
        Key::new(
            "name",
            &DASHED_NAME,
            "Default: the file's name without its ending.",
        ),
        Key::new("description", &TEXT, "For people."),
        Key::new("from", &DASHED_NAME, "The named credential that sources read."),
        Key::new("to", &DASHED_NAME, "The named credential that targets write."),
        Key::new(
            "run_as",
            &DASHED_NAME,
            "The permission set whose principals it uses.",
        ),
        Key::new(
            "credentials",
            &Shape::ByKind(&ByKind {
                noun: "the path of a credentials file, or its three keys",
                scalar: Some(&TEXT),
                list: None,
                map: Some(&INLINE_CREDENTIALS),
            }),
            "The credentials file, or credentials of this pipeline alone.",
        ),
        VARS,
        POLICY,
        TABLES,
        MASK_KEY,
        PII,
        Key::new(
            "steps",
            &Shape::Map {
                keys: &NAME_KIND,
                values: &STEP,
                include: false,
            },
            "What is read and written. Their order says nothing: it follows from references.",
        )
        .required(),
    ],
    rest: None,
});

static STEP: Shape = Shape::Record(&Record {
    name: "step",
    noun: "a step",
    doc: "Rows of one source become records of one target.",
    keys: &[
        Key::new("description", &TEXT, "For people."),
        Key::new("source", &SOURCE, "What is read.")
            .required()
            .example("{\"object\":\"Account\"}"),
        Key::new("target", &TARGET, "What is written.")
            .required()
            .example("{\"object\":\"Account\",\"key\":\"Legacy_Id__c\"}"),
        Key::new(
            "when",
            &EXPRESSION,
            "Rows for which this expression does not hold are filtered.",
        )
        .example("\"not IsDeleted\""),
        Key::new(
            "copy",
            &Shape::ByKind(&ByKind {
                noun: "`all` or a list of fields",
                scalar: Some(&Shape::Words(&[Word::new(
                    "all",
                    "every field that both sides have",
                )])),
                list: Some(&Shape::List(&FIELD)),
                map: None,
            }),
            "Fields of the same name on both sides.",
        )
        .example("[\"AnnualRevenue\", \"Phone\"]"),
        Key::new(
            "except",
            &Shape::List(&FIELD),
            "With `copy: all`: fields that are left out.",
        ),
        MAP,
        Key::new(
            "needs",
            &Shape::ByKind(&ByKind {
                noun: "a step's name, or a list of them",
                scalar: Some(&NAME),
                list: Some(&Shape::List(&NAME)),
                map: None,
            }),
            "Steps that have to end before this one starts.",
        ),
        POLICY,
        Key::new("checks", &CHECKS, "What must hold of rows and of the whole.")
            .example("[{\"not_null\":[\"LastName\"]},{\"rows\":{\"at_least\":1}}]"),
        Key::new(
            "tests",
            &Shape::List(&TEST),
            "Tests of the mapping, run by `orgferry test`.",
        ),
    ],
    rest: None,
});

static TEST: Shape = Shape::Record(&Record {
    name: "test",
    noun: "a test",
    doc: "A row, and what must become of it.",
    keys: &[
        Key::new("name", &TEXT, "What it shows.").required(),
        Key::new(
            "given",
            &Shape::Map {
                keys: &ANY_TEXT,
                values: &ANYTHING,
                include: false,
            },
            "Source fields; those not given are null.",
        ),
        Key::new(
            "action",
            &ACTION,
            "Whether the row's record is created or updated, for `only`.",
        )
        .default("\"create\""),
        Key::new(
            "refs",
            &Shape::Map {
                keys: &STEP_REF_KIND,
                values: &ANSWERS,
                include: false,
            },
            "For each step, which target Id a source row id became; null: none.",
        )
        .example("{\"accounts\":{\"001A\":\"001T\"}}"),
        Key::new(
            "lookups",
            &Shape::Map {
                keys: &NAME_KIND,
                values: &ANSWERS,
                include: false,
            },
            "For each object, which Id a key finds; null: none. Record types, by developer name, under RecordType.",
        )
        .example("{\"User\":{\"ann@example.com\":\"005T\",\"gone@example.com\":null}}"),
        Key::new(
            "vars",
            &Shape::Map {
                keys: &NAME_KIND,
                values: &VAR_VALUE,
                include: false,
            },
            "Vars of this test.",
        ),
        Key::new(
            "expect",
            &Shape::ByKind(&ByKind {
                noun: "target fields with their values, or `parked`, or `filtered`",
                scalar: Some(&Shape::Words(&[
                    Word::new("parked", "the row is parked"),
                    Word::new("filtered", "the row is filtered"),
                ])),
                list: None,
                map: Some(&Shape::Map {
                    keys: &FIELD_PATH_KIND,
                    values: &ANYTHING,
                    include: false,
                }),
            }),
            "What must come out; only the fields that are named are looked at.",
        )
        .required(),
    ],
    rest: None,
});

static ANSWERS: Shape = Shape::Map {
    keys: &ANY_TEXT,
    values: &ANSWER,
    include: false,
};

static ANSWER: Shape = Shape::ByKind(&ByKind {
    noun: "an Id, null for no record, a list for several records, or the record's fields",
    scalar: Some(&SCALAR),
    list: Some(&Shape::List(&SCALAR)),
    map: Some(&Shape::Map {
        keys: &FIELD_KIND,
        values: &SCALAR,
        include: false,
    }),
});

static VAR_VALUE: Shape = Shape::ByKind(&ByKind {
    noun: "text, a number, true or a list",
    scalar: Some(&SCALAR),
    list: Some(&Shape::List(&SCALAR)),
    map: None,
});

pub(crate) static VARS: Key = Key::new(
    "vars",
    &Shape::Map {
        keys: &NAME_KIND,
        values: &Shape::ByKind(&ByKind {
            noun: "text, a number, true, a list, { env: NAME } or { required: true }",
            scalar: Some(&SCALAR),
            list: Some(&Shape::List(&SCALAR)),
            map: Some(&Shape::Forms(&Forms {
                name: "var",
                noun: "a var's value",
                doc: "A var whose value comes from outside.",
                forms: &[
                    Form {
                        on: Key::new("env", &NAME, "The environment variable that holds it."),
                        keys: &[],
                    },
                    Form {
                        on: Key::new("required", &BOOL, "It has to be given by `--var`."),
                        keys: &[],
                    },
                ],
                common: &[],
            })),
        }),
        include: false,
    },
    "Values with a name, overridden by `--env` and `--var`.",
);

pub(crate) static TABLES: Key = Key::new(
    "tables",
    &Shape::Map {
        keys: &NAME_KIND,
        values: &TABLE,
        include: true,
    },
    "Value mappings with a name: their entries, or the CSV file that holds them.",
);

pub(crate) static PII: Key = Key::new(
    "pii",
    &Shape::Map {
        keys: &FIELD_KIND,
        values: &Shape::List(&FIELD),
        include: false,
    },
    "Fields that hold personal data, by object, beside the standard ones: see `policy.pii`.",
)
.example("{\"Contact\":[\"National_Id__c\"]}");

pub(crate) static POLICY: Key = Key::new(
    "policy",
    &POLICY_SHAPE,
    "What happens to nulls, errors and retries.",
);

static DRIFT: Shape = Shape::Words(&[
    Word::new("fail", "an error: nothing is written"),
    Word::new("report", "a warning"),
    Word::new("ignore", "nothing is said"),
]);

/// A value that needs no row.
static SET_VALUE: Shape = Shape::ByKind(&ByKind {
    noun: "a literal, an expression of `vars` and `run`, or `{ value: X }`",
    scalar: Some(&SCALAR),
    list: None,
    map: Some(&Shape::Record(&Record {
        name: "set_value",
        noun: "a text",
        doc: "A text as it is.",
        keys: &[Key::new("value", &SCALAR, "The text.").required()],
        rest: None,
    })),
});

static POLICY_SHAPE: Shape = Shape::Record(&Record {
    name: "policy",
    noun: "`policy`",
    doc: "Each level changes only the keys that it names.",
    keys: &[
        Key::new(
            "nulls",
            &Shape::Words(&[
                Word::new("clear", "an empty source value empties the target field"),
                Word::new("keep", "an empty source value leaves the target field alone"),
            ]),
            "What an empty source value does.",
        )
        .default("\"clear\""),
        Key::new(
            "compare",
            &Shape::Words(&[
                Word::new("none", "every row is written"),
                Word::new(
                    "target",
                    "the target is read first, and only what differs is written",
                ),
                Word::new(
                    "sent",
                    "a row whose values are those that were last sent is not sent again",
                ),
            ]),
            "Whether rows that would change nothing are written.",
        )
        .default("\"none\""),
        Key::new(
            "pii",
            &Shape::Words(&[
                Word::new("ignore", "nobody looks"),
                Word::new("report", "a warning for every field"),
                Word::new("refuse", "the file is not valid"),
            ]),
            "What personal fields do that would reach the target without a `mask`.",
        )
        .default("\"ignore\""),
        Key::new(
            "errors",
            &Shape::Record(&Record {
                name: "errors",
                noun: "`errors`",
                doc: "What failed rows do to the run.",
                keys: &[
                    Key::new(
                        "rows",
                        &Shape::Words(&[
                            Word::new("park", "a failed row is parked"),
                            Word::new("stop", "a failed row stops the run"),
                        ]),
                        "What a failed row does.",
                    )
                    .default("\"park\""),
                    Key::new(
                        "stop_when",
                        &Shape::Record(&Record {
                            name: "stop_when",
                            noun: "`stop_when`",
                            doc: "When the run stops.",
                            keys: &[
                                Key::new("failed", &PERCENT, "More than this share of parked rows ...")
                                    .default("\"10%\""),
                                Key::new(
                                    "at_least",
                                    &Shape::Integer {
                                        min: 0,
                                        max: 1_000_000_000,
                                    },
                                    "... once this many rows of the step are done.",
                                )
                                .default("100"),
                            ],
                            rest: None,
                        }),
                        "When the run stops.",
                    ),
                ],
                rest: None,
            }),
            "What failed rows do to the run.",
        ),
        Key::new(
            "retry",
            &Shape::Record(&Record {
                name: "retry",
                noun: "`retry`",
                doc: "How failed requests are tried again.",
                keys: &[
                    Key::new(
                        "attempts",
                        &Shape::Integer { min: 1, max: 100 },
                        "How often a request is tried in all.",
                    )
                    .default("5"),
                    Key::new(
                        "backoff",
                        &BACKOFF,
                        "The first and the longest pause between tries.",
                    )
                    .default("\"1s..60s\""),
                ],
                rest: None,
            }),
            "How failed requests are tried again.",
        ),
        Key::new(
            "changes",
            &Shape::Record(&Record {
                name: "changes",
                noun: "`changes`",
                doc: "How steps with a `cursor` follow the changes of their source.",
                keys: &[
                    Key::new(
                        "overlap",
                        &DURATION,
                        "How far behind the newest value of the last run the next one begins to read.",
                    )
                    .default("\"5m\""),
                    Key::new(
                        "deletes",
                        &Shape::ByKind(&ByKind {
                            noun: "`ignore`, `delete` or `{ set: { FIELD: VALUE } }`",
                            scalar: Some(&Shape::Words(&[
                                Word::new(
                                    "ignore",
                                    "records that are deleted in the source stay in the target",
                                ),
                                Word::new("delete", "their records in the target are deleted too"),
                            ])),
                            list: None,
                            map: Some(&Shape::Record(&Record {
                                name: "deletes",
                                noun: "what becomes of the records",
                                doc: "What the target records of deleted source records are marked with.",
                                keys: &[Key::new(
                                    "set",
                                    &Shape::Map {
                                        keys: &FIELD_KIND,
                                        values: &SET_VALUE,
                                        include: false,
                                    },
                                    "Target fields on the left, what they are set to on the right.",
                                )
                                .required()
                                .example("{\"Active__c\":false}")],
                                rest: None,
                            })),
                        }),
                        "What becomes of the target records of deleted source records.",
                    )
                    .default("\"ignore\"")
                    .example("{\"set\":{\"Active__c\":false}}"),
                    Key::new(
                        "stop_when",
                        &Shape::Record(&Record {
                            name: "stop_deletes_when",
                            noun: "`stop_when`",
                            doc: "When the run stops before it deletes or marks anything of a step.",
                            keys: &[
                                Key::new(
                                    "deleted",
                                    &PERCENT,
                                    "More than this share of the records that the step has in the target ...",
                                )
                                .default("\"10%\""),
                                Key::new(
                                    "at_least",
                                    &Shape::Integer {
                                        min: 0,
                                        max: 1_000_000_000,
                                    },
                                    "... and at least this many.",
                                )
                                .default("100"),
                            ],
                            rest: None,
                        }),
                        "When the run stops before it deletes or marks anything of a step.",
                    ),
                ],
                rest: None,
            }),
            "How steps with a `cursor` follow the changes of their source.",
        ),
        Key::new(
            "budget",
            &Shape::Record(&Record {
                name: "budget",
                noun: "`budget`",
                doc: "How many API calls a run may make.",
                keys: &[Key::new(
                    "daily_calls",
                    &CALLS,
                    "For each org: a share of the daily calls that it has left when the run begins, or a number of calls.",
                )
                .default("\"80%\"")
                .example("\"5000\"")],
                rest: None,
            }),
            "How many API calls a run may make. Not in a step.",
        ),
        Key::new(
            "drift",
            &Shape::Record(&Record {
                name: "drift",
                noun: "`drift`",
                doc: "What it means that an org is no longer as `orgferry schema lock` saw it.",
                keys: &[
                    Key::new(
                        "removed_field",
                        &DRIFT,
                        "A field that the pipeline uses is gone, or takes less than it did.",
                    )
                    .default("\"fail\""),
                    Key::new(
                        "new_field",
                        &DRIFT,
                        "An object that the pipeline uses has a field more.",
                    )
                    .default("\"report\""),
                    Key::new(
                        "picklist",
                        &DRIFT,
                        "A picklist that the pipeline uses has other values.",
                    )
                    .default("\"fail\""),
                ],
                rest: None,
            }),
            "What a difference between the schema lock and an org does.",
        )
        .example("{\"picklist\":\"report\"}"),
    ],
    rest: None,
});
