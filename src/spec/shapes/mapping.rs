//! `map`, tables, and files in `mappings/`.

use super::{credentials::VERSION, pipeline::TABLES, source::CSV_FILE, text::*};
use crate::spec::shape::{ByKind, Form, Forms, Key, Record, Shape, Word};

pub(crate) static MAPPING_FILE: Shape = Shape::Record(&Record {
    name: "mapping_file",
    noun: "a mapping file",
    doc: "Field mappings and tables that pipelines include.",
    keys: &[VERSION, MAP, TABLES],
    rest: None,
});

pub(crate) static MAP: Key = Key::new(
    "map",
    &Shape::Map {
        keys: &FIELD_PATH_KIND,
        values: &MAP_VALUE,
        include: true,
    },
    "Target fields on the left, what they get on the right.",
)
.example("{\"Name\":\"Name | trim\",\"Source_Org__c\":{\"value\":\"HQ\"}}");

/// Where an expression, a literal or a form in braces may stand.
pub(crate) static MAP_VALUE: Shape = Shape::ByKind(&ByKind {
    noun: "an expression, a literal or a form in braces",
    scalar: Some(&EXPRESSION),
    list: None,
    map: Some(&MAP_FORMS),
});

pub(crate) static TABLE_ENTRIES: Shape = Shape::Map {
    keys: &ANY_TEXT,
    values: &SCALAR,
    include: false,
};

/// A table with a name.
pub(crate) static TABLE: Shape = Shape::OrFile(
    &TABLE_ENTRIES,
    &Record {
        name: "table_file",
        noun: "a table from a file",
        doc: "A table whose entries are the rows of a CSV file.",
        keys: &[
            Key::new("csv", &CSV_FILE, "The file; a path starts at this file's folder.")
                .required()
                .example("\"tables/industries.csv\""),
            Key::new(
                "key",
                &TEXT,
                "The column of the values that are looked up. Default: the first one.",
            )
            .example("\"Sector\""),
            Key::new(
                "value",
                &TEXT,
                "The column of what they lead to. Default: the second one.",
            )
            .example("\"Industry\""),
        ],
        rest: None,
    },
);

static OF: Key = Key::new("of", &MAP_VALUE, "The value that is looked at.")
    .required()
    .example("\"Sector__c\"");

static MAP_FORMS: Shape = Shape::Forms(&Forms {
    name: "map_value",
    noun: "a mapping value",
    doc: "What a target field gets.",
    forms: &[
        Form {
            on: Key::new("value", &SCALAR, "A literal text, dates too.").example("\"HQ\""),
            keys: &[],
        },
        Form {
            on: Key::new("expr", &EXPRESSION, "An expression or a template.").example("\"Email | lower\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "first",
                &Shape::List(&MAP_VALUE),
                "The first of these that is neither null, nor missing, nor switched off by its `when`.",
            ),
            keys: &[],
        },
        Form {
            on: Key::new(
                "table",
                &Shape::ByKind(&ByKind {
                    noun: "the name of a table, or a table",
                    scalar: Some(&NAME),
                    list: None,
                    map: Some(&TABLE_ENTRIES),
                }),
                "A value mapping: a name from `tables`, or the table itself.",
            ),
            keys: &[OF, OTHERWISE_OR_KEEP],
        },
        Form {
            on: Key::new(
                "ref",
                &Shape::OneOrMore(&TEXT),
                "Id in the target of the row that this step wrote for the source row id in `of`; several steps for \
                 parents of several kinds, PIPELINE/STEP for another file's.",
            )
            .example("\"accounts\""),
            keys: &[
                OF,
                Key::new("missing", &MISSING, "When there is no such row.").default("\"park\""),
                GIVE,
            ],
        },
        Form {
            on: Key::new(
                "lookup",
                &FIELD,
                "Id of the target org's record of this object whose field `by` equals `of`.",
            ),
            keys: &[
                Key::new("by", &Shape::OneOrMore(&FIELD_PATH), "The field, or several.").required(),
                Key::new(
                    "of",
                    &Shape::ByKind(&ByKind {
                        noun: "a mapping value, or a list of them",
                        scalar: Some(&EXPRESSION),
                        list: Some(&Shape::List(&MAP_VALUE)),
                        map: Some(&MAP_FORMS),
                    }),
                    "The value of `by`, or a list of them of the same length.",
                )
                .required(),
                Key::new("where", &TEXT, "A further SOQL condition; `:name` binds a var.")
                    .example("\"IsActive = true\""),
                OTHERWISE,
                GIVE,
            ],
        },
        Form {
            on: Key::new(
                "record_type",
                &MAP_VALUE,
                "RecordTypeId of the target's object by developer name.",
            ),
            keys: &[OTHERWISE],
        },
        Form {
            on: Key::new(
                "jsonpath",
                &JSONPATH,
                "The first match in the JSON value `of`, or null.",
            ),
            keys: &[OF],
        },
        Form {
            on: Key::new(
                "mask",
                &Shape::Words(&[
                    Word::new("email", "an address under `example.invalid`, a different one for each"),
                    Word::new("name", "other words that read like names"),
                    Word::new("phone", "other digits in the same shape"),
                    Word::new("text", "other letters and digits in the same shape"),
                    Word::new("digits", "other digits; dates stay dates of the same year"),
                ]),
                "Anonymisation that can be repeated: equal values stay equal. Needs `mask_key`.",
            )
            .example("\"email\""),
            keys: &[OF],
        },
    ],
    common: &[
        Key::new(
            "when",
            &EXPRESSION,
            "Where this expression does not hold the field is left out.",
        )
        .example("\"not HasOptedOutOfEmail\""),
        Key::new(
            "only",
            &ACTION,
            "The field is sent only when the record is created, or only when it is updated.",
        )
        .example("\"create\""),
    ],
});

static GIVE: Key = Key::new(
    "give",
    &FIELD,
    "This field of the record found, instead of its Id.",
)
.example("\"ContentDocumentId\"");

pub(crate) static ACTION: Shape = Shape::Words(&[
    Word::new("create", "the target has no such record yet"),
    Word::new("update", "the target has it"),
]);

const MISSING_WORDS: [Word; 5] = [
    Word::new("park", "the row waits, with its reason"),
    Word::new("skip", "the row is filtered"),
    Word::new("null", "the field is null"),
    Word::new("omit", "the field is left out"),
    Word::new("stop", "the run stops"),
];
static OTHERWISE: Key = Key::new("otherwise", &MISSING, "When there is none.").default("\"park\"");
static OTHERWISE_OR_KEEP: Key =
    Key::new("otherwise", &MISSING_OR_KEEP, "When the table has no such entry.").default("\"park\"");

static MISSING: Shape = Shape::ByKind(&ByKind {
    noun: "`park`, `skip`, `null`, `omit`, `stop` or { value: X }",
    scalar: Some(&Shape::Words(&MISSING_WORDS)),
    list: None,
    map: Some(&INSTEAD),
});
static MISSING_OR_KEEP: Shape = Shape::ByKind(&ByKind {
    noun: "`park`, `skip`, `null`, `omit`, `stop`, `keep` or { value: X }",
    scalar: Some(&Shape::Words(&{
        let [park, skip, null, omit, stop] = MISSING_WORDS;
        [
            park,
            skip,
            null,
            omit,
            stop,
            Word::new("keep", "the value as it is"),
        ]
    })),
    list: None,
    map: Some(&INSTEAD),
});
static INSTEAD: Shape = Shape::Record(&Record {
    name: "instead",
    noun: "a value to use instead",
    doc: "A value to use instead.",
    keys: &[Key::new("value", &SCALAR, "The value.").required()],
    rest: None,
});
