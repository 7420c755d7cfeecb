//! `source`.

use super::{target::API, text::*};
use crate::spec::shape::{ByKind, Form, Forms, Key, Record, Shape, Word};

pub(crate) static SOURCE: Shape = Shape::Forms(&Forms {
    name: "source",
    noun: "a source",
    doc: "What is read.",
    forms: &[
        Form {
            on: Key::new("soql", &TEXT, "A SOQL query; `:name` binds a var.")
                .example("\"SELECT Id, Name FROM Account WHERE Region__c = :region\""),
            keys: &[API, INCLUDE_DELETED, CHUNK],
        },
        Form {
            on: Key::new(
                "object",
                &FIELD,
                "An sobject; the columns are derived from the mapping.",
            )
            .example("\"Contact\""),
            keys: &[
                Key::new("where", &TEXT, "A SOQL condition; `:name` binds a var.")
                    .example("\"Account.Region__c = :region\""),
                Key::new("order_by", &TEXT, "A SOQL ORDER BY list.").example("\"Name, CreatedDate DESC\""),
                Key::new(
                    "limit",
                    &Shape::Integer {
                        min: 1,
                        max: 1_000_000_000,
                    },
                    "At most this many rows.",
                ),
                API,
                INCLUDE_DELETED,
                CHUNK,
            ],
        },
        Form {
            on: Key::new("http", &HTTP, "A JSON API, read page by page."),
            keys: &[],
        },
        Form {
            on: Key::new(
                "csv",
                &CSV_FILE,
                "A CSV file: a header line, all values text, empty is null. `-` is standard input.",
            )
            .example("\"data/accounts.csv\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "jsonl",
                &FILE_PATH,
                "A file of JSON lines: an object a line. `-` is standard input.",
            )
            .example("\"data/accounts.jsonl.gz\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "same_as",
                &NAME,
                "Reads what another step of this file reads; only `id` and `each` are its own.",
            )
            .example("\"accounts\""),
            keys: &[],
        },
    ],
    common: &[
        Key::new(
            "connection",
            &DASHED_NAME,
            "The named credential that is read. Default: `from`.",
        ),
        Key::new(
            "id",
            &EXPRESSION,
            "What tells rows apart: an expression. Default: `Id`, else the target's key.",
        ),
        Key::new(
            "each",
            &EXPRESSION,
            "One row of every entry of a list: an expression. The entry is `item`, its place `item_number`.",
        )
        .example("\"line_items\""),
        Key::new(
            "cursor",
            &FIELD,
            "Incremental: the field that tells when a row last changed. Only rows changed since the last good run are read.",
        )
        .example("\"SystemModstamp\""),
    ],
});

static INCLUDE_DELETED: Key = Key::new(
    "include_deleted",
    &BOOL,
    "Whether rows in the recycle bin, and archived ones, are read too; `IsDeleted` tells them apart.",
)
.default("false");
static CHUNK: Key = Key::new(
    "chunk",
    &CHUNK_SIZE,
    "How a large query is cut into pieces: `auto` leaves it to the org, `off` keeps it whole, a number asks for so many rows at a time.",
)
.default("\"auto\"")
.example("250000");

/// A CSV file, on either side.
pub(crate) static CSV_FILE: Shape = Shape::ByKind(&ByKind {
    noun: "a path, or { path: PATH, delimiter: \";\" }",
    scalar: Some(&FILE_PATH),
    list: None,
    map: Some(&Shape::Record(&Record {
        name: "csv_file",
        noun: "a CSV file",
        doc: "A CSV file, and how it is written.",
        keys: &[
            Key::new(
                "path",
                &FILE_PATH,
                "Where it is, from this file's folder; `.gz` at its end packs it; may be a template of `vars` and `run`.",
            )
            .required()
            .example("\"data/accounts.csv\""),
            Key::new("delimiter", &DELIMITER, "What stands between cells.").default("\",\""),
            Key::new(
                "encoding",
                &ENCODING,
                "How its letters are written. `utf-8-bom` writes a byte order mark, as spreadsheets want it.",
            )
            .default("\"utf-8\"")
            .example("\"windows-1252\""),
        ],
        rest: None,
    })),
});

static HTTP: Shape = Shape::Forms(&Forms {
    name: "http",
    noun: "an `http` source",
    doc: "A JSON API, read page by page.",
    forms: &[
        Form {
            on: Key::new(
                "get",
                &ADDRESS,
                "`callout:NAMED_CREDENTIAL/path`, as in Apex, or a whole `https://` address, which is called without credentials.",
            )
            .example("\"callout:org1/services/apexrest/customers\""),
            keys: &[],
        },
        Form {
            on: Key::new(
                "post",
                &ADDRESS,
                "As `get`, for searches: it may be sent again, so that it must change nothing.",
            )
            .example("\"callout:crm/search\""),
            keys: &[Key::new(
                "body",
                &ANYTHING,
                "The JSON that is sent; `{ var: NAME }` and `{ cursor: FIRST }` may stand for values in it.",
            )
            .example("{\"region\":{\"var\":\"region\"}}")],
        },
    ],
    common: &[
        Key::new(
            "headers",
            &Shape::Map {
                keys: &HEADER_KIND,
                values: &TEXT,
                include: false,
            },
            "Headers that hold no secret; those that do stand in the named credential.",
        )
        .example("{\"Accept-Language\":\"en\"}"),
        Key::new(
            "query",
            &Shape::Map {
                keys: &ANY_TEXT,
                values: &Shape::ByKind(&ByKind {
                    noun: "text, { var: NAME } or { cursor: FIRST }",
                    scalar: Some(&SCALAR),
                    list: None,
                    map: Some(&Shape::Forms(&Forms {
                        name: "query_parameter",
                        noun: "a query parameter",
                        doc: "Where a query parameter's value comes from.",
                        forms: &[
                            Form {
                                on: Key::new("var", &NAME, "A var's value."),
                                keys: &[],
                            },
                            Form {
                                on: Key::new(
                                    "cursor",
                                    &SCALAR,
                                    "How far the last good run came, by the source's `cursor`; in the first run this value.",
                                )
                                .example("\"2020-01-01T00:00:00Z\""),
                                keys: &[],
                            },
                        ],
                        common: &[],
                    })),
                }),
                include: false,
            },
            "Query parameters.",
        ),
        Key::new(
            "records",
            &JSONPATH,
            "JSONPath of the records. Default: the body, when it is a list.",
        )
        .example("\"$.records[*]\""),
        Key::new(
            "next",
            &Shape::Forms(&Forms {
                name: "next",
                noun: "`next`",
                doc: "How the next page is found.",
                forms: &[
                    Form {
                        on: Key::new("url", &JSONPATH, "JSONPath of the next page's address.")
                            .example("\"$.nextRecordsUrl\""),
                        keys: &[],
                    },
                    Form {
                        on: Key::new(
                            "cursor",
                            &JSONPATH,
                            "JSONPath of the word that asks for the next page; none: this was the last one.",
                        )
                        .example("\"$.paging.next\""),
                        keys: &[
                            Key::new("param", &TEXT, "The parameter that takes the word.")
                                .required()
                                .example("\"after\""),
                        ],
                    },
                    Form {
                        on: Key::new(
                            "page",
                            &TEXT,
                            "The parameter that takes the number of the page: from 1, or from the number that `query` gives it.",
                        )
                        .example("\"page\""),
                        keys: &[
                            Key::new(
                                "until",
                                &Shape::Words(&[Word::new("empty", "a page without records is behind the last one")]),
                                "Where it ends.",
                            )
                            .default("\"empty\""),
                        ],
                    },
                    Form {
                        on: Key::new(
                            "offset",
                            &TEXT,
                            "The parameter that takes the number of records to pass over; it ends at a page without records.",
                        )
                        .example("\"offset\""),
                        keys: &[
                            Key::new(
                                "size",
                                &Shape::Integer {
                                    min: 1,
                                    max: 1_000_000,
                                },
                                "How many records the API gives a page.",
                            )
                            .required()
                            .example("200"),
                        ],
                    },
                    Form {
                        on: Key::new(
                            "link_header",
                            &TEXT,
                            "The relation in the `Link` header that leads to the next page.",
                        )
                        .example("\"next\""),
                        keys: &[],
                    },
                ],
                common: &[],
            }),
            "How the next page is found. Default: there is one page.",
        ),
        Key::new(
            "limits",
            &Shape::Record(&Record {
                name: "http_limits",
                noun: "`limits`",
                doc: "Where an API that never ends is cut off.",
                keys: &[
                    Key::new(
                        "pages",
                        &Shape::Integer {
                            min: 1,
                            max: 10_000_000,
                        },
                        "The most pages; one more stops the run.",
                    )
                    .default("100000"),
                    Key::new("page_bytes", &SIZE, "The largest page, unpacked.").default("\"64MB\""),
                ],
                rest: None,
            }),
            "Where an API that never ends is cut off.",
        ),
    ],
});
