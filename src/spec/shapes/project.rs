//! `orgferry.yaml`.

use super::{
    credentials::{MASK_KEY, STATE_URL, VERSION},
    pipeline::*,
    text::*,
};
use crate::spec::shape::{Form, Forms, Key, Record, Shape};

pub(crate) static PROJECT_FILE: Shape = Shape::Record(&Record {
    name: "project_file",
    noun: "a project file",
    doc: "Defaults for every pipeline below this folder.",
    keys: &[
        VERSION,
        Key::new(
            "state",
            &Shape::Forms(&Forms {
                name: "state",
                noun: "`state`",
                doc: "Where runs are remembered.",
                forms: &[
                    Form {
                        on: Key::new("sqlite", &TEXT, "A file; its path starts at this file's folder.")
                            .example("\".orgferry/state.db\""),
                        keys: &[],
                    },
                    Form {
                        on: STATE_URL,
                        keys: &[Key::new(
                            "schema",
                            &SCHEMA_NAME,
                            "The database's schema that holds the tables. Projects that share a database need one each.",
                        )
                        .default("\"orgferry\"")],
                    },
                ],
                common: &[],
            }),
            "Where runs are remembered.",
        )
        .default("{\"sqlite\":\".orgferry/state.db\"}"),
        CREDENTIALS_PATH,
        VARS,
        POLICY,
        TABLES,
        MASK_KEY,
        PII,
        Key::new(
            "environments",
            &Shape::Map {
                keys: &DASHED_NAME_KIND,
                values: &ENVIRONMENT,
                include: false,
            },
            "What `--env NAME` changes.",
        ),
    ],
    rest: None,
});

static ENVIRONMENT: Shape = Shape::Record(&Record {
    name: "environment",
    noun: "an environment",
    doc: "What `--env` with its name changes: credentials, vars and policy, never a mapping.",
    keys: &[CREDENTIALS_PATH, VARS, POLICY],
    rest: None,
});

static CREDENTIALS_PATH: Key =
    Key::new("credentials", &TEXT, "The credentials file.").default("\"credentials.yaml\"");
