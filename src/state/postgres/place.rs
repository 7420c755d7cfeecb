//! One run of a pipeline at a time.
//!
//! An advisory lock of the connection that writes, and not a row with an expiry: it ends with the connection, whatever
//! its process died of, and no pause of a living one, however long, lets another run in while it is connected. The row
//! beside it says who has it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio_postgres::Error;

use super::{Server, ServerError, error::words, key_of, lock, session::Session};
use crate::state::{RunLock, RunRecord, StateError};

/// How soon a connection that broke is made anew.
const WATCH: Duration = Duration::from_secs(1);

/// A place that this process has taken.
#[derive(Clone)]
pub(super) struct Held {
    key: i64,
    run: String,
    pipeline: String,
}

/// What is dropped when the run has ended.
struct Place {
    server: Arc<Server>,
    key: i64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.server.held).retain(|held| held.key != self.key);
        let key = self.key;
        let server = &*self.server;
        // A connection that is gone has given the place back already, and one that hangs shall not keep us.
        let _ = server.on_its_thread(async || {
            let mut slot = server.writing.lock().await;
            let Some(session) = slot.as_mut() else {
                return Ok(());
            };
            let leave = async {
                session
                    .execute("DELETE FROM places WHERE key = $1", &[&key])
                    .await?;
                session.execute("SELECT pg_advisory_unlock($1)", &[&key]).await
            };
            if !matches!(
                tokio::time::timeout(Duration::from_secs(5), leave).await,
                Ok(Ok(_))
            ) {
                *slot = None;
            }
            Ok(())
        });
    }
}

/// Takes the place of the run's pipeline and environment.
pub(super) fn hold(server: &Arc<Server>, run: &RunRecord) -> Result<RunLock, StateError> {
    let key = key(server, run);
    let refused = |by| StateError::Running {
        pipeline: run.pipeline.clone(),
        env: run.env.clone(),
        by,
    };
    // The lock lets its own connection in twice.
    let ours = lock(&server.held).iter().any(|held| held.key == key);
    let taken = !ours && server.write(async |session| take(session, key, Some(run)).await)?;
    if !taken {
        return Err(refused(server.write(async |session| holder(session, key).await)?));
    }
    lock(&server.held).push(Held {
        key,
        run: run.id.clone(),
        pipeline: run.pipeline.clone(),
    });
    let watched = Arc::downgrade(server);
    server.on_its_thread(async || {
        tokio::spawn(keep(watched, key));
        Ok(())
    })?;
    Ok(RunLock::new(Place {
        server: Arc::clone(server),
        key,
    }))
}

/// Keeps a place while nobody writes: a connection that broke meanwhile is made anew at once, and not at the next
/// write, which may be many minutes of a Bulk job away.
async fn keep(server: Weak<Server>, key: i64) {
    loop {
        tokio::time::sleep(WATCH).await;
        let Some(server) = server.upgrade() else { return };
        if !lock(&server.held).iter().any(|held| held.key == key) {
            return;
        }
        // Who writes at this moment looks after the connection.
        let Ok(mut slot) = server.writing.try_lock() else {
            continue;
        };
        // What stands against it is told at the next write; until then it is tried again.
        let _ = server.connected(&mut slot, true).await;
    }
}

/// Takes the places of this process on a new connection, unless another run has begun since the old one broke.
pub(super) async fn take_again(server: &Server, session: &mut Session) -> Result<(), ServerError> {
    let held = lock(&server.held).clone();
    let fail = |e: Error| words(&e, &server.asked());
    for place in held {
        let ours = session
            .row("SELECT run FROM places WHERE key = $1", &[&place.key])
            .await
            .map_err(fail)?
            .is_some_and(|row| row.get::<_, &str>(0) == place.run);
        if !ours {
            return Err(ServerError::PlaceLost {
                at: server.address.shown.clone(),
                pipeline: place.pipeline,
                by: holder(session, place.key).await.map_err(fail)?,
            });
        }
        if !take(session, place.key, None).await.map_err(fail)? {
            // The server has not seen yet that our old connection is gone: we tell it, and come again.
            session
                .execute(
                    "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN places p \
                     ON a.pid = p.backend AND a.backend_start = p.backend_start \
                     WHERE p.key = $1 AND p.run = $2 AND a.pid <> pg_backend_pid()",
                    &[&place.key, &place.run],
                )
                .await
                .map_err(fail)?;
            return Err(ServerError::Gone {
                at: server.address.shown.clone(),
                detail: "the old connection still has the place of the run".to_owned(),
            });
        }
    }
    Ok(())
}

/// Takes a lock if it is free, and writes down whose it is: the run's, or the same run's on another connection.
async fn take(session: &mut Session, key: i64, run: Option<&RunRecord>) -> Result<bool, Error> {
    let got = session
        .row("SELECT pg_try_advisory_lock($1)", &[&key])
        .await?
        .is_some_and(|row| row.get(0));
    if !got {
        return Ok(false);
    }
    let wrote = match run {
        Some(run) => {
            let process = i64::from(std::process::id());
            session
                .execute(
                    "INSERT INTO places (key, run, started_at, process, host, backend, backend_start) \
                     SELECT $1, $2, $3, $4, $5, pid, backend_start FROM pg_stat_activity \
                     WHERE pid = pg_backend_pid() \
                     ON CONFLICT (key) DO UPDATE SET run = excluded.run, started_at = excluded.started_at, \
                     process = excluded.process, host = excluded.host, backend = excluded.backend, \
                     backend_start = excluded.backend_start",
                    &[&key, &run.id, &run.started_at, &process, &host()],
                )
                .await
        }
        None => session
            .execute(
                "UPDATE places SET backend = a.pid, backend_start = a.backend_start FROM pg_stat_activity a \
                     WHERE a.pid = pg_backend_pid() AND places.key = $1",
                &[&key],
            )
            .await,
    };
    if let Err(error) = wrote {
        // Nobody shall be kept out by a run that does not begin.
        let _ = session.execute("SELECT pg_advisory_unlock($1)", &[&key]).await;
        return Err(error);
    }
    Ok(true)
}

/// Who has a place, for the one who waits for it.
async fn holder(session: &mut Session, key: i64) -> Result<Option<String>, Error> {
    let row = session
        .row(
            "SELECT run, started_at, process, host FROM places WHERE key = $1",
            &[&key],
        )
        .await?;
    Ok(row.map(|row| {
        let (run, since, process): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
        let host: &str = row.get(3);
        let mut by = format!("run {run}, since {since}, process {process}");
        if !host.is_empty() {
            by.push_str(&format!(" on {host}"));
        }
        by
    }))
}

/// A run that has a place in the schema and whose process is still there.
pub(super) async fn any(session: &mut Session) -> Result<Option<String>, Error> {
    let row = session
        .row(
            "SELECT p.run FROM places p JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
              AND l.classid::bigint = ((p.key >> 32) & 4294967295) AND l.objid::bigint = (p.key & 4294967295) \
             ORDER BY p.run LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

/// Of some runs that have not ended, those whose process is still there.
pub(super) async fn living(
    session: &mut Session,
    server: &Server,
    runs: &[&RunRecord],
) -> Result<Vec<String>, Error> {
    let keys: Vec<i64> = runs.iter().map(|run| key(server, run)).collect();
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    // A lock of 64 bits shows as its two halves.
    let rows = session
        .rows(
            "SELECT asked.run FROM unnest($1::bigint[], $2::text[]) AS asked(key, run) \
             JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
              AND l.classid::bigint = ((asked.key >> 32) & 4294967295) AND l.objid::bigint = (asked.key & 4294967295) \
             LEFT JOIN places p ON p.key = asked.key WHERE p.run IS NULL OR p.run = asked.run",
            &[&keys, &ids],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn key(server: &Server, run: &RunRecord) -> i64 {
    // A pipeline without an environment is another than one with an empty name, which there is not.
    key_of(&[
        &server.schema,
        "run",
        &run.pipeline,
        run.env.as_deref().unwrap_or_default(),
    ])
}

/// This machine's name, for people; empty where it has none that is easily asked for.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
