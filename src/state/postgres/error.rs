//! Our words for what a PostgreSQL server, or the way to it, says.

use tokio_postgres::error::SqlState;

/// Why a PostgreSQL database cannot be used as state. `at` is `host/database`; no password is ever part of it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be read.
    #[error("the address of the state database cannot be used: {detail}")]
    Address {
        /// Why, without what it holds.
        detail: String,
    },
    /// Nobody answers there.
    #[error("the state database `{at}` cannot be reached: {detail}")]
    Unreachable {
        /// The database.
        at: String,
        /// The operating system's words.
        detail: String,
    },
    /// The connection cannot be made safe.
    #[error("no safe connection to the state database `{at}`: {detail}")]
    Tls {
        /// The database.
        at: String,
        /// Why.
        detail: String,
    },
    /// The server does not take the user.
    #[error("the state database `{at}` does not let `{user}` in: {detail}")]
    Login {
        /// The database.
        at: String,
        /// Who asked.
        user: String,
        /// The server's words.
        detail: String,
    },
    /// There is no such database.
    #[error("there is no state database `{at}`")]
    NoDatabase {
        /// The database.
        at: String,
        /// Its own name.
        database: String,
    },
    /// The user may not do it.
    #[error("`{user}` may not keep state in `{at}`: {detail}")]
    NoRight {
        /// The database.
        at: String,
        /// The user.
        user: String,
        /// The schema.
        schema: String,
        /// The server's words.
        detail: String,
    },
    /// The server is a copy, or writes are shut off.
    #[error("the state database `{at}` is read-only")]
    ReadOnly {
        /// The database.
        at: String,
    },
    /// Nothing more fits on the server's disk.
    #[error("cannot write to the state database `{at}`: the server's disk is full")]
    Full {
        /// The database.
        at: String,
    },
    /// The server has no connection left.
    #[error("the state database `{at}` has no connection left: {detail}")]
    Crowded {
        /// The database.
        at: String,
        /// The server's words.
        detail: String,
    },
    /// The schema holds something else.
    #[error("schema `{schema}` of `{at}` is no state of orgferry: {found}")]
    Foreign {
        /// The database.
        at: String,
        /// The schema.
        schema: String,
        /// What it holds.
        found: &'static str,
    },
    /// The schema was made by a newer orgferry.
    #[error(
        "the state in schema `{schema}` of `{at}` has version {found}, and this orgferry knows up to {known}"
    )]
    Newer {
        /// The database.
        at: String,
        /// The schema.
        schema: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The schema was made by an older orgferry, and a run of that is going on.
    #[error("the state in schema `{schema}` of `{at}` is in use by a run of an older orgferry: {by}")]
    InUse {
        /// The database.
        at: String,
        /// The schema.
        schema: String,
        /// The run.
        by: String,
    },
    /// The server cannot hold what state holds.
    #[error("`{at}` cannot hold state: {found}")]
    Unfit {
        /// The database.
        at: String,
        /// What it is like.
        found: String,
    },
    /// A text is too long for the server's indexes.
    #[error("a row's id is longer than the state database `{at}` can take")]
    LongId {
        /// The database.
        at: String,
    },
    /// Another run has begun while the connection was gone.
    #[error("`{pipeline}` is being run by another process since the connection to `{at}` was lost{}", by.as_ref().map(|by| format!(": {by}")).unwrap_or_default())]
    PlaceLost {
        /// The database.
        at: String,
        /// The pipeline.
        pipeline: String,
        /// Who runs it.
        by: Option<String>,
    },
    /// The connection is gone and does not come back.
    #[error("the connection to the state database `{at}` was lost: {detail}")]
    Gone {
        /// The database.
        at: String,
        /// The last words.
        detail: String,
    },
    /// Anything else.
    #[error("state database `{at}`: {message}")]
    Other {
        /// The database.
        at: String,
        /// The server's words.
        message: String,
    },
}

impl ServerError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            ServerError::Address { .. } => "it is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=verify-full` (what is meant without \
                 it), `require` or `disable`; in the password `@ / # ? %` are written `%40 %2F %23 %3F %25`"
                .to_owned(),
            ServerError::Unreachable { .. } => {
                "look whether the server runs, and whether host and port in the address are right".to_owned()
            }
            ServerError::Tls { .. } => {
                "a certificate of your own authority needs `?sslrootcert=FILE.pem` in the address; `sslmode=disable` \
                 sends everything in the clear, for networks that nobody else is on"
                    .to_owned()
            }
            ServerError::Login { .. } => {
                "look at user and password in the address, and at the server's `pg_hba.conf`".to_owned()
            }
            ServerError::NoDatabase { database, .. } => format!("make it: `CREATE DATABASE {database}`"),
            ServerError::NoRight { user, schema, .. } => format!(
                "let an administrator of the database run `CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION \
                 {user}`, or name another schema: `state: {{ postgres: ..., schema: NAME }}`"
            ),
            ServerError::ReadOnly { .. } => {
                "name the primary server in the address: a copy, or one that recovers, takes no writes".to_owned()
            }
            ServerError::Full { .. } => {
                "make room on the server; what the state held before is unharmed".to_owned()
            }
            ServerError::Crowded { .. } => {
                "wait until others have gone, or raise `max_connections`; a run takes two".to_owned()
            }
            ServerError::Foreign { .. } => {
                "name another schema in orgferry.yaml: `state: { postgres: ..., schema: NAME }`".to_owned()
            }
            ServerError::Newer { .. } => {
                "update orgferry, or name another schema: `state: { postgres: ..., schema: NAME }`".to_owned()
            }
            ServerError::InUse { .. } => {
                "wait until it has ended, or stop it there and `resume` it here: the tables are brought up to date then"
                    .to_owned()
            }
            ServerError::Unfit { .. } => {
                "PostgreSQL 12 or newer is needed, with a database made by `CREATE DATABASE ... ENCODING 'UTF8' \
                 TEMPLATE template0`"
                    .to_owned()
            }
            ServerError::LongId { .. } => {
                "name a shorter column as the id of the rows; ids of up to 2,600 bytes always fit".to_owned()
            }
            ServerError::PlaceLost { .. } => {
                "this run has stopped, since two runs at once would send the same rows".to_owned()
            }
            ServerError::Gone { .. } => {
                "what was stored before is safe; look at the server, then go on from there".to_owned()
            }
            ServerError::Other { .. } => return None,
        })
    }
}

/// Who asks for what, where; for words.
pub(super) struct Asked<'a> {
    pub(super) at: &'a str,
    pub(super) user: &'a str,
    pub(super) schema: &'a str,
}

/// What the driver says, in our words.
pub(super) fn words(error: &tokio_postgres::Error, asked: &Asked<'_>) -> ServerError {
    let at = asked.at.to_owned();
    let Some(said) = error.as_db_error() else {
        let detail = innermost(error);
        return if is_lost(error) {
            ServerError::Gone { at, detail }
        } else {
            ServerError::Other { at, message: detail }
        };
    };
    let detail = said.message().to_owned();
    let code = said.code();
    let user = asked.user.to_owned();
    match code {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            ServerError::Login { at, user, detail }
        }
        &SqlState::INVALID_CATALOG_NAME => ServerError::NoDatabase {
            database: at.rsplit('/').next().unwrap_or_default().to_owned(),
            at,
        },
        &SqlState::INSUFFICIENT_PRIVILEGE => ServerError::NoRight {
            at,
            user,
            schema: asked.schema.to_owned(),
            detail,
        },
        &SqlState::RESERVED_NAME => ServerError::Foreign {
            at,
            schema: asked.schema.to_owned(),
            found: "the name is the server's own",
        },
        &SqlState::READ_ONLY_SQL_TRANSACTION => ServerError::ReadOnly { at },
        &SqlState::DISK_FULL => ServerError::Full { at },
        &SqlState::TOO_MANY_CONNECTIONS => ServerError::Crowded { at, detail },
        &SqlState::PROGRAM_LIMIT_EXCEEDED => ServerError::LongId { at },
        code if is_going(code) => ServerError::Gone { at, detail },
        code => ServerError::Other {
            at,
            message: format!("{detail} (SQLSTATE {})", code.code()),
        },
    }
}

/// Whether the connection is gone, so that another one may do what this one could not.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(said) => is_going(said.code()),
        None => error.is_closed() || has_io(error),
    }
}

/// Whether the server asks to try the transaction again: it was undone in favour of another.
pub(super) fn is_undone(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code,
            &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED
        )
    })
}

fn is_going(code: &SqlState) -> bool {
    matches!(
        code,
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::CANNOT_CONNECT_NOW
    )
}

fn has_io(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// The cause of causes, which says the most.
pub(super) fn innermost(error: &tokio_postgres::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
