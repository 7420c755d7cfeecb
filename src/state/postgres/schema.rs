//! The tables, and how older ones are brought up to date.

use tokio_postgres::Error;

use super::{ServerError, error::Asked, error::words, key_of, place, session::Session};

/// The version that this code writes.
pub(super) const VERSION: i64 = 2;

/// The oldest server whose SQL is understood here: PostgreSQL 12.
const OLDEST_SERVER: i32 = 120_000;

/// Ids and keys are compared by their bytes, whatever language the database speaks: pages go by them. A `claim` is
/// the number of the call that wrote the row: a call that is made again because its answer was lost knows it by that.
const SCHEMA: &str = r#"
CREATE TABLE orgferry_state (version bigint NOT NULL);
CREATE TABLE runs (
    id text COLLATE "C" PRIMARY KEY, pipeline text NOT NULL, file text NOT NULL, env text,
    from_name text NOT NULL, to_name text NOT NULL, started_at text COLLATE "C" NOT NULL, ended_at text,
    status text NOT NULL, exit_code smallint, report text, started_with text, sittings bigint NOT NULL
);
CREATE TABLE places (
    key bigint PRIMARY KEY, run text NOT NULL, started_at text NOT NULL, process bigint NOT NULL, host text NOT NULL,
    backend integer NOT NULL, backend_start timestamptz NOT NULL
);
CREATE TABLE step_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text COLLATE "C" NOT NULL, step text COLLATE "C" NOT NULL,
    stage smallint NOT NULL DEFAULT 0, link_set bigint, note text, UNIQUE (run, step)
);
CREATE TABLE units (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, step_run bigint NOT NULL, pass smallint NOT NULL,
    action text NOT NULL, bulk boolean NOT NULL, job text, manifest bytea NOT NULL, claim bigint NOT NULL UNIQUE
);
CREATE INDEX units_of_steps ON units (step_run);
CREATE TABLE outcomes (
    step_run bigint NOT NULL, source_id text COLLATE "C" NOT NULL, outcome smallint NOT NULL, target_id text,
    PRIMARY KEY (step_run, source_id)
);
CREATE TABLE parked_rows (
    step_run bigint NOT NULL, source_id text COLLATE "C" NOT NULL, code text NOT NULL, message text NOT NULL,
    field text, help text NOT NULL, row text NOT NULL,
    PRIMARY KEY (step_run, source_id)
);
CREATE TABLE link_sets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pipeline text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL, target text COLLATE "C" NOT NULL,
    UNIQUE (pipeline, step, source, target)
);
CREATE TABLE links (
    link_set bigint NOT NULL, source_id text COLLATE "C" NOT NULL, target_id text NOT NULL, sent bytea,
    PRIMARY KEY (link_set, source_id)
);
CREATE TABLE keys (
    step_run bigint NOT NULL, key text COLLATE "C" NOT NULL, owner text COLLATE "C", sitting bigint NOT NULL,
    claim bigint NOT NULL, PRIMARY KEY (step_run, key)
);
CREATE TABLE deferred (
    step_run bigint NOT NULL, source_id text COLLATE "C" NOT NULL, target_id text NOT NULL, outcome smallint NOT NULL,
    payload text NOT NULL, PRIMARY KEY (step_run, source_id)
);
CREATE TABLE claimed_values (
    step_run bigint NOT NULL, check_no bigint NOT NULL, value text COLLATE "C" NOT NULL, source_id text NOT NULL,
    PRIMARY KEY (step_run, check_no, value)
);
CREATE TABLE expected (
    step_run bigint NOT NULL, target_id text COLLATE "C" NOT NULL, source_id text COLLATE "C" NOT NULL,
    payload text NOT NULL, PRIMARY KEY (step_run, target_id, source_id)
);
CREATE TABLE cursors (
    link_set bigint NOT NULL, scope text COLLATE "C" NOT NULL, value text NOT NULL, begun_at text NOT NULL,
    PRIMARY KEY (link_set, scope)
);
CREATE TABLE waiting (
    link_set bigint NOT NULL, scope text COLLATE "C" NOT NULL, source_id text COLLATE "C" NOT NULL,
    record_id text NOT NULL, at text, run text NOT NULL, PRIMARY KEY (link_set, scope, source_id)
);
"#;

/// What version 2 adds: the newest records of each id map, with those that are there already.
const VERSION_2: &str = r#"
CREATE TABLE newest_links (
    link_set bigint NOT NULL, target_id text COLLATE "C" NOT NULL, source_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (link_set, target_id, source_id)
);
INSERT INTO newest_links SELECT link_set, target_id, source_id FROM (
    SELECT *, row_number() OVER (PARTITION BY link_set ORDER BY target_id COLLATE "C" DESC) AS place FROM links
) AS placed WHERE place <= 256;
"#;

/// What a schema holds.
pub(super) enum Found {
    /// It is not there, or empty.
    Nothing,
    /// Tables of ours, of this version.
    Version(i64),
}

/// Looks at the server and the schema, and writes nothing.
pub(super) async fn look(session: &mut Session, asked: &Asked<'_>) -> Result<Found, ServerError> {
    let fail = |e: Error| words(&e, asked);
    let row = session
        .row(
            "SELECT current_setting('server_version_num')::int, pg_catalog.getdatabaseencoding()::text, \
             EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'orgferry_state'), \
             EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1)",
            &[&asked.schema],
        )
        .await
        .map_err(fail)?;
    let Some(row) = row else {
        return Ok(Found::Nothing);
    };
    let (server, encoding): (i32, String) = (row.get(0), row.get(1));
    if server < OLDEST_SERVER {
        return Err(ServerError::Unfit {
            at: asked.at.to_owned(),
            found: format!("the server is PostgreSQL {}", server / 10_000),
        });
    }
    if encoding != "UTF8" {
        return Err(ServerError::Unfit {
            at: asked.at.to_owned(),
            found: format!("the database's encoding is {encoding}"),
        });
    }
    let (ours, anything): (bool, bool) = (row.get(2), row.get(3));
    if !ours {
        return if anything {
            Err(ServerError::Foreign {
                at: asked.at.to_owned(),
                schema: asked.schema.to_owned(),
                found: "there are tables of another program in it",
            })
        } else {
            Ok(Found::Nothing)
        };
    }
    match version(session).await.map_err(fail)? {
        Some(found) if found > VERSION => Err(ServerError::Newer {
            at: asked.at.to_owned(),
            schema: asked.schema.to_owned(),
            found,
            known: VERSION,
        }),
        // What it writes would be missing in the tables that it does not know.
        Some(found)
            if found < VERSION
                && let Some(by) = place::any(session).await.map_err(fail)? =>
        {
            Err(ServerError::InUse {
                at: asked.at.to_owned(),
                schema: asked.schema.to_owned(),
                by,
            })
        }
        Some(found) => Ok(Found::Version(found)),
        None => Err(ServerError::Foreign {
            at: asked.at.to_owned(),
            schema: asked.schema.to_owned(),
            found: "its version is missing",
        }),
    }
}

/// Makes the tables, or brings them up to date: all of it or nothing, one process at a time.
pub(super) async fn prepare(session: &mut Session, asked: &Asked<'_>) -> Result<(), ServerError> {
    let fail = |e: Error| words(&e, asked);
    session
        .together(async |session| make(session, asked.schema).await)
        .await
        .map_err(fail)
}

async fn make(session: &mut Session, schema: &str) -> Result<(), Error> {
    let key = key_of(&[schema, "tables"]);
    session
        .execute("SELECT pg_advisory_xact_lock($1)", &[&key])
        .await?;
    let there = session
        .row(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)",
            &[&schema],
        )
        .await?
        .is_some_and(|row| row.get(0));
    if !there {
        session.batch(&format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let made = session
        .row(
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'orgferry_state')",
            &[&schema],
        )
        .await?
        .is_some_and(|row| row.get(0));
    // Another process may have been first.
    if !made {
        session.batch(SCHEMA).await?;
        session.batch("INSERT INTO orgferry_state VALUES (1)").await?;
    }
    if version(session).await? == Some(1) {
        session.batch(VERSION_2).await?;
        session.batch("UPDATE orgferry_state SET version = 2").await?;
    }
    Ok(())
}

async fn version(session: &mut Session) -> Result<Option<i64>, Error> {
    let row = session.row("SELECT version FROM orgferry_state", &[]).await?;
    Ok(row.map(|row| row.get(0)))
}
