//! `credentials.yaml`, and `credentials:` in a pipeline.

use super::text::*;
use crate::spec::shape::{ByKind, Form, Forms, Key, Record, Shape, Word};

pub(crate) static CREDENTIALS_FILE: Shape = Shape::Record(&Record {
    name: "credentials_file",
    noun: "a credentials file",
    doc: "External credentials, named credentials and permission sets, as Salesforce Setup calls them.",
    keys: &[VERSION, EXTERNAL_CREDENTIALS, NAMED_CREDENTIALS, PERMISSION_SETS],
    rest: None,
});

/// The three keys inside a pipeline.
pub(crate) static INLINE_CREDENTIALS: Shape = Shape::Record(&Record {
    name: "credentials",
    noun: "`credentials`",
    doc: "External credentials, named credentials and permission sets of this pipeline alone.",
    keys: &[EXTERNAL_CREDENTIALS, NAMED_CREDENTIALS, PERMISSION_SETS],
    rest: None,
});

pub(crate) static VERSION: Key = Key::new(
    "version",
    &Shape::Integer { min: 1, max: 1 },
    "The version of the language that the file is written in.",
)
.required()
.example("1");

static EXTERNAL_CREDENTIALS: Key = Key::new(
    "external_credentials",
    &Shape::Map {
        keys: &DASHED_NAME_KIND,
        values: &EXTERNAL_CREDENTIAL,
        include: false,
    },
    "How to sign in: protocol, flow and principals.",
);
static NAMED_CREDENTIALS: Key = Key::new(
    "named_credentials",
    &Shape::Map {
        keys: &DASHED_NAME_KIND,
        values: &NAMED_CREDENTIAL,
        include: false,
    },
    "Where to call, and which external credential authorises it. Pipelines name these in `from` and `to`.",
);
static PERMISSION_SETS: Key = Key::new(
    "permission_sets",
    &Shape::Map {
        keys: &DASHED_NAME_KIND,
        values: &PERMISSION_SET,
        include: false,
    },
    "Which pipelines may use which principals. Without any, every pipeline may use every principal.",
);

static EXTERNAL_CREDENTIAL: Shape = Shape::Record(&Record {
    name: "external_credential",
    noun: "an external credential",
    doc: "How to sign in.",
    keys: &[
        LABEL,
        Key::new(
            "protocol",
            &Shape::Words(&[
                Word::new("oauth2", "OAuth 2.0; `flow` says how a token is come by"),
                Word::new("basic", "the principal's `username` and `password`"),
                Word::new(
                    "custom",
                    "the named credential's headers carry the principal's parameters",
                ),
                Word::new("none", "nothing is sent"),
            ]),
            "The authentication protocol.",
        )
        .required(),
        Key::new(
            "flow",
            &Shape::Words(&[
                Word::new(
                    "client_credentials",
                    "server to server, with `client_id` and `client_secret`",
                ),
                Word::new("access_token", "a token from elsewhere"),
                Word::not_yet("jwt_bearer", "server to server with a certificate"),
                Word::not_yet("refresh_token", "a user's own login, stored"),
                Word::not_yet("authorization_code", "a user's own login, by browser"),
                Word::not_yet("password", "legacy orgs"),
                Word::not_yet("salesforce_cli", "the login of an installed Salesforce CLI"),
            ]),
            "The OAuth 2.0 flow.",
        ),
        Key::new("identity_provider_url", &URL, "The token endpoint.")
            .example("\"https://example.my.salesforce.com/services/oauth2/token\""),
        Key::new(
            "pass_client_credentials_in_body",
            &BOOL,
            "Whether the client's id and secret travel in the form, or in a Basic header.",
        )
        .default("true"),
        Key::new("scope", &TEXT, "Sent as `scope`.").example("\"api\""),
        Key::new(
            "principals",
            &Shape::Map {
                keys: &DASHED_NAME_KIND,
                values: &PRINCIPAL,
                include: false,
            },
            "Whose secrets. Of those that a permission set opens, the lowest `sequence` is used.",
        ),
    ],
    rest: None,
});

static PRINCIPAL: Shape = Shape::Record(&Record {
    name: "principal",
    noun: "a principal",
    doc: "The parameters that the flow needs (`client_id`, `client_secret`, `access_token`, `username`, `password`), \
          or, with `protocol: custom`, parameters of its own.",
    keys: &[Key::new(
        "sequence",
        &Shape::Integer { min: 0, max: 9999 },
        "Of the principals that a pipeline may use, the one of lowest sequence is used.",
    )
    .default("1")],
    rest: Some(&CREDENTIAL_VALUE),
});

static CREDENTIAL_VALUE: Shape = Shape::ByKind(&ByKind {
    noun: "text, or a reference such as { env: NAME }",
    scalar: Some(&TEXT),
    list: None,
    map: Some(&Shape::Forms(&Forms {
        name: "reference",
        noun: "a reference",
        doc: "Where a value comes from.",
        forms: &[FROM_ENV, FROM_FILE, FROM_KEYRING, FROM_EXEC],
        common: &[],
    })),
});

/// In the project file and in pipelines.
pub(crate) static MASK_KEY: Key = Key::new(
    "mask_key",
    &Shape::ByKind(&ByKind {
        noun: "a reference such as { env: NAME }",
        scalar: Some(&Shape::Secret),
        list: None,
        map: Some(&Shape::Forms(&Forms {
            name: "mask_key",
            noun: "a reference",
            doc: "Where the key comes from; never the key itself.",
            forms: &[FROM_ENV, FROM_FILE, FROM_KEYRING, FROM_EXEC],
            common: &[],
        })),
    }),
    "The secret under which `mask` anonymises: where it comes from. At least 16 bytes; who keeps it keeps the values.",
)
.example("{\"env\":\"ORGFERRY_MASK_KEY\"}");

/// In the project file.
pub(crate) static STATE_URL: Key = Key::new(
    "postgres",
    &Shape::ByKind(&ByKind {
        noun: "a reference such as { env: NAME }, or postgres://localhost/DATABASE",
        scalar: Some(&TEXT),
        list: None,
        map: Some(&Shape::Forms(&Forms {
            name: "state_url",
            noun: "a reference",
            doc: "Where the database's address comes from.",
            forms: &[FROM_ENV, FROM_FILE, FROM_KEYRING, FROM_EXEC],
            common: &[],
        })),
    }),
    "A PostgreSQL database: where its address comes from, `postgres://USER:PASSWORD@HOST/DATABASE`. As text only for \
     this machine, without a password.",
)
.example("{\"env\":\"ORGFERRY_STATE_URL\"}");

static FROM_ENV: Form = Form {
    on: Key::new("env", &NAME, "The environment variable that holds the value.")
        .example("\"ORG1_CLIENT_SECRET\""),
    keys: &[],
};
static FROM_FILE: Form = Form {
    on: Key::new(
        "file",
        &TEXT,
        "The file that holds the value; its path starts at this file's folder.",
    ),
    keys: &[],
};
static FROM_KEYRING: Form = Form {
    on: Key::new(
        "keyring",
        &TEXT,
        "SERVICE/ACCOUNT in the operating system's keyring.",
    )
    .not_yet("use { env: NAME } or { file: PATH }"),
    keys: &[],
};
static FROM_EXEC: Form = Form {
    on: Key::new("exec", &ANYTHING, "A program whose standard output is the value.")
        .not_yet("use { env: NAME } or { file: PATH }"),
    keys: &[],
};

static NAMED_CREDENTIAL: Shape = Shape::Record(&Record {
    name: "named_credential",
    noun: "a named credential",
    doc: "Where to call, and how that is authorised.",
    keys: &[
        LABEL,
        Key::new("url", &URL, "The org's address; `http://` only on loopback.")
            .required()
            .example("\"https://example.my.salesforce.com\""),
        Key::new(
            "external_credential",
            &DASHED_NAME,
            "The external credential that authorises calls.",
        )
        .required(),
        Key::new(
            "api_version",
            &API_VERSION,
            "Default: the newest that both sides know.",
        )
        .example("\"66.0\""),
        Key::new(
            "headers",
            &Shape::Map {
                keys: &HEADER_KIND,
                values: &HEADER_VALUE,
                include: false,
            },
            "Sent with every request.",
        ),
        Key::new(
            "generate_authorization_header",
            &BOOL,
            "Whether requests carry an `Authorization` header.",
        )
        .default("true"),
        Key::new(
            "writes",
            &Shape::Words(&[
                Word::new("auto", "refused when the org is a production org"),
                Word::new("allow", "allowed, production or not"),
                Word::new("refuse", "refused"),
            ]),
            "Whether this org may be written to.",
        )
        .default("\"auto\""),
    ],
    rest: None,
});

static HEADER_VALUE: Shape = Shape::ByKind(&ByKind {
    noun: "text, or { parameter: NAME } for a parameter of the principal",
    scalar: Some(&TEXT),
    list: None,
    map: Some(&Shape::Forms(&Forms {
        name: "header_value",
        noun: "a header's value",
        doc: "Where a header's value comes from.",
        forms: &[
            Form {
                on: Key::new(
                    "parameter",
                    &DASHED_NAME,
                    "The principal's parameter that is sent.",
                ),
                keys: &[],
            },
            FROM_ENV,
            FROM_FILE,
            FROM_KEYRING,
            FROM_EXEC,
        ],
        common: &[],
    })),
});

static PERMISSION_SET: Shape = Shape::Record(&Record {
    name: "permission_set",
    noun: "a permission set",
    doc: "Opens principals to pipelines.",
    keys: &[
        LABEL,
        Key::new(
            "principals",
            &Shape::List(&TEXT),
            "Each as `EXTERNAL_CREDENTIAL.PRINCIPAL`.",
        )
        .required()
        .example("[\"EC_Org1.EC_Principal\"]"),
        Key::new("pipelines", &Shape::List(&GLOB), "Globs of pipeline names.")
            .required()
            .example("[\"*\"]"),
    ],
    rest: None,
});

static LABEL: Key = Key::new("label", &TEXT, "For people.");
