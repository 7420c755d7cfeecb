//! `source`.

use super::{target::API, text::*};
use crate::spec::shape::{ByKind, Form, Forms, Key, Shape};

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
            on: Key::new("csv", &ANYTHING, "A CSV file.")
                .not_yet_whole("read from an org, or from a JSON API with `http`"),
            keys: &[],
        },
        Form {
            on: Key::new("jsonl", &ANYTHING, "A file of JSON lines.")
                .not_yet_whole("read from an org, or from a JSON API with `http`"),
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
            &SCALAR,
            "What tells rows apart: an expression. Default: `Id`, else the target's key.",
        ),
        Key::new(
            "each",
            &SCALAR,
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

static HTTP: Shape = Shape::Forms(&Forms {
    name: "http",
    noun: "an `http` source",
    doc: "A JSON API, read page by page.",
    forms: &[
        Form {
            on: Key::new("get", &CALLOUT, "`callout:NAMED_CREDENTIAL/path`, as in Apex.")
                .example("\"callout:org1/services/apexrest/customers\""),
            keys: &[],
        },
        Form {
            on: Key::new("post", &ANYTHING, "As `get`, for searches.").not_yet_whole("use `get`"),
            keys: &[Key::new("body", &ANYTHING, "What is sent.")],
        },
    ],
    common: &[
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
                        on: Key::new("cursor", &ANYTHING, "A cursor.").not_yet_whole("use { url: JSONPATH }"),
                        keys: &[],
                    },
                    Form {
                        on: Key::new("page", &ANYTHING, "Page numbers.")
                            .not_yet_whole("use { url: JSONPATH }"),
                        keys: &[],
                    },
                    Form {
                        on: Key::new("offset", &ANYTHING, "Offsets.").not_yet_whole("use { url: JSONPATH }"),
                        keys: &[],
                    },
                    Form {
                        on: Key::new("link_header", &ANYTHING, "A Link header.")
                            .not_yet_whole("use { url: JSONPATH }"),
                        keys: &[],
                    },
                ],
                common: &[],
            }),
            "How the next page is found. Default: there is one page.",
        ),
    ],
});
