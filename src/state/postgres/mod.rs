//! State in a PostgreSQL database, which several machines can share.
//!
//! Two connections: one that writes, one that reads. A run's place is an advisory lock of the connection that writes,
//! and nothing is written by another one: a run whose connection broke, while another run of its pipeline began, cannot
//! write any more. Every change is one statement (or one transaction of a few), and doing it twice leaves what doing it
//! once leaves, so that it is done again when the connection broke before its answer came.

mod address;
mod error;
mod flow;
mod journal;
mod links;
mod outcomes;
mod place;
mod schema;
mod session;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod tls;

use std::{
    sync::{Arc, Mutex as Shortly, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio_postgres::Error;

pub use error::ServerError;

use super::StateError;
use address::Address;
use error::{Asked, is_lost, is_undone, words};
use place::Held;
use schema::Found;
use session::{Session, wait};

/// State in one schema of a PostgreSQL database.
pub struct Postgres {
    server: Arc<Server>,
}

/// The way to the database. What holds a place holds it too.
struct Server {
    address: Address,
    schema: String,
    writing: Mutex<Option<Session>>,
    reading: Mutex<Option<Session>>,
    /// The places that this process has taken; the connection that writes has their locks.
    held: Shortly<Vec<Held>>,
}

/// How long a connection that broke is tried for anew: a server that restarts, or hands over to another, is back by
/// then.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

impl Postgres {
    /// Opens the schema, making it and its tables where they are missing. `url` is
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// When the server cannot be reached or used, or the schema is something else, or comes from a newer orgferry.
    pub fn open(url: &SecretString, schema: &str) -> Result<Self, StateError> {
        Postgres::prepared(url, schema, true)?.ok_or_else(|| {
            StateError::Server(ServerError::Other {
                at: schema.to_owned(),
                message: "the tables are gone as soon as they were made".to_owned(),
            })
        })
    }

    /// Opens the schema if there is one: a question about the history creates nothing.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub fn open_existing(url: &SecretString, schema: &str) -> Result<Option<Self>, StateError> {
        Postgres::prepared(url, schema, false)
    }

    fn prepared(url: &SecretString, schema: &str, make: bool) -> Result<Option<Self>, StateError> {
        let address = Address::parse(url)?;
        let mut server = Server {
            address,
            schema: schema.to_owned(),
            writing: Mutex::new(None),
            reading: Mutex::new(None),
            held: Shortly::default(),
        };
        let session = server.on_its_thread(async || {
            let mut session = Session::open(&server.address, &server.schema).await?;
            match (schema::look(&mut session, &server.asked()).await?, make) {
                (Found::Version(schema::VERSION), _) => {}
                (Found::Nothing, false) => return Ok(None),
                (Found::Nothing | Found::Version(_), _) => {
                    schema::prepare(&mut session, &server.asked()).await?;
                }
            }
            Ok(Some(session))
        })?;
        let Some(session) = session else { return Ok(None) };
        *server.writing.get_mut() = Some(session);
        Ok(Some(Postgres {
            server: Arc::new(server),
        }))
    }

    /// Writes by one statement or transaction. `work` may be called again when the connection broke: it has to do
    /// the same then.
    fn write<T: Send>(
        &self,
        work: impl AsyncFn(&mut Session) -> Result<T, Error> + Sync,
    ) -> Result<T, StateError> {
        self.server.write(work)
    }

    fn read<T: Send>(
        &self,
        work: impl AsyncFn(&mut Session) -> Result<T, Error> + Sync,
    ) -> Result<T, StateError> {
        let server = &*self.server;
        server.on_its_thread(async || {
            let mut slot = server.reading.lock().await;
            server.repeated(&mut slot, &work, false).await
        })
    }
}

impl Server {
    fn write<T: Send>(
        &self,
        work: impl AsyncFn(&mut Session) -> Result<T, Error> + Sync,
    ) -> Result<T, StateError> {
        self.on_its_thread(async || {
            let mut slot = self.writing.lock().await;
            self.repeated(&mut slot, &work, true).await
        })
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            at: &self.address.shown,
            user: &self.address.user,
            schema: &self.schema,
        }
    }

    fn on_its_thread<T: Send>(
        &self,
        work: impl AsyncFnOnce() -> Result<T, ServerError> + Send,
    ) -> Result<T, StateError> {
        match wait(work) {
            Ok(done) => Ok(done?),
            Err(error) => Err(ServerError::Other {
                at: self.address.shown.clone(),
                message: format!("no thread for it: {error}"),
            }
            .into()),
        }
    }

    /// Does `work`, on a new connection where the one in `slot` is gone, until it is done or patience ends.
    async fn repeated<T>(
        &self,
        slot: &mut Option<Session>,
        work: impl AsyncFn(&mut Session) -> Result<T, Error>,
        writes: bool,
    ) -> Result<T, ServerError> {
        let begun = Instant::now();
        let mut pause = PAUSE;
        loop {
            let failed = match self.connected(slot, writes).await {
                Ok(session) => match work(session).await {
                    Ok(done) => return Ok(done),
                    Err(error) => {
                        let undone = is_undone(&error);
                        if !undone && !is_lost(&error) {
                            return Err(words(&error, &self.asked()));
                        }
                        if !undone {
                            *slot = None;
                        }
                        words(&error, &self.asked())
                    }
                },
                Err(
                    error @ (ServerError::Gone { .. }
                    | ServerError::Unreachable { .. }
                    | ServerError::Crowded { .. }),
                ) => error,
                Err(error) => return Err(error),
            };
            if begun.elapsed() + pause > PATIENCE {
                return Err(match failed {
                    ServerError::Unreachable { at, detail } => ServerError::Gone { at, detail },
                    failed => failed,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connected<'a>(
        &self,
        slot: &'a mut Option<Session>,
        writes: bool,
    ) -> Result<&'a mut Session, ServerError> {
        if slot.as_ref().is_some_and(Session::is_closed) {
            *slot = None;
        }
        match slot {
            Some(session) => Ok(session),
            None => {
                let mut session = Session::open(&self.address, &self.schema).await?;
                if writes {
                    place::take_again(self, &mut session).await?;
                }
                Ok(slot.insert(session))
            }
        }
    }
}

fn lock<T>(mutex: &Shortly<T>) -> MutexGuard<'_, T> {
    // A panic in another call left no half-written transaction behind: the server undoes what was not committed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of an advisory lock: the same for the same words, and hardly another program's.
fn key_of(words: &[&str]) -> i64 {
    let mut hash = Sha256::new();
    hash.update(b"orgferry");
    for word in words {
        hash.update([0]);
        hash.update(word.as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first)
}

impl From<ServerError> for StateError {
    fn from(error: ServerError) -> Self {
        StateError::Server(error)
    }
}
