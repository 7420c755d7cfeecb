//! One connection to the server, with the statements that it has prepared.

use std::{collections::HashMap, io, sync::OnceLock, thread};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error, NoTls, Row, Statement, types::ToSql};

use super::{
    ServerError,
    address::{Address, Tls},
    error::{Asked, innermost, words},
    tls::Verified,
};

/// A parameter of a statement.
pub(super) type Param<'a> = &'a (dyn ToSql + Sync);

/// An open connection.
pub(super) struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Session {
    /// Connects, and says which schema is meant.
    pub(super) async fn open(address: &Address, schema: &str) -> Result<Self, ServerError> {
        let config = address.config();
        let client = match &address.tls {
            Tls::Off => {
                let connected = config.connect(NoTls).await;
                let (client, connection) = connected.map_err(|e| refused(&e, address, schema))?;
                tokio::spawn(connection);
                client
            }
            Tls::Verified { authorities } => {
                let tls = Verified::new(authorities.as_deref()).map_err(|detail| ServerError::Tls {
                    at: address.shown.clone(),
                    detail,
                })?;
                let connected = config.connect(tls).await;
                let (client, connection) = connected.map_err(|e| refused(&e, address, schema))?;
                tokio::spawn(connection);
                client
            }
        };
        // A client that is gone without a word is noticed in a minute, and its run's place is free again. (Over a
        // socket file there is nothing to keep alive; the server takes the settings and ignores them.)
        let settings = format!(
            "SET search_path TO \"{schema}\"; SET client_min_messages TO warning; SET tcp_keepalives_idle TO 30; \
             SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 3; \
             SET default_transaction_isolation TO 'read committed'"
        );
        client
            .batch_execute(&settings)
            .await
            .map_err(|e| refused(&e, address, schema))?;
        Ok(Session {
            client,
            statements: HashMap::new(),
        })
    }

    /// Whether it is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The rows of a statement; statements are atomic, whatever they write.
    pub(super) async fn rows(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(sql).await?;
        self.client.query(&statement, params).await
    }

    /// The first row of a statement.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Error> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows a statement has touched.
    pub(super) async fn execute(&mut self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Error> {
        let statement = self.prepared(sql).await?;
        self.client.execute(&statement, params).await
    }

    /// Several statements without parameters; `BEGIN` and `COMMIT` among them.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    /// Does several statements: all of them or none.
    pub(super) async fn together<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.batch("BEGIN").await?;
        match work(self).await {
            Ok(done) => self.batch("COMMIT").await.map(|()| done),
            Err(error) => {
                // Where that fails, too, the connection is gone, and the server has undone it.
                let _ = self.batch("ROLLBACK").await;
                Err(error)
            }
        }
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// Why there is no connection.
fn refused(error: &Error, address: &Address, schema: &str) -> ServerError {
    let at = address.shown.clone();
    if error.as_db_error().is_some() {
        let asked = Asked {
            at: &at,
            user: &address.user,
            schema,
        };
        return words(error, &asked);
    }
    let detail = innermost(error);
    let told = error.to_string();
    if told.contains("TLS") {
        return ServerError::Tls { at, detail };
    }
    // The driver's own words for what the address lacks; a password is asked for, and there is none.
    if told.contains("configuration") || told.contains("authentication") {
        return ServerError::Login {
            at,
            user: address.user.clone(),
            detail,
        };
    }
    ServerError::Unreachable { at, detail }
}

/// Waits for what a connection does, on any thread: one that serves other tasks of the process included, which must
/// not wait for itself.
pub(super) fn wait<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> Result<T, io::Error> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            let made = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("state")
                .enable_all()
                .build()?;
            // Another thread may have been first: then its own is used.
            let _ = RUNTIME.set(made);
            match RUNTIME.get() {
                Some(runtime) => runtime,
                None => return Err(io::Error::other("no runtime for the state database")),
            }
        }
    };
    thread::scope(|scope| {
        match thread::Builder::new()
            .name("state call".to_owned())
            .spawn_scoped(scope, || runtime.block_on(async move { work().await }))?
            .join()
        {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
