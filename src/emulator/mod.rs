//! An org in the box: virtual Salesforce orgs on loopback, made from org files.
//!
//! Real clients, unchanged, take it for an org in what orgferry and its peers do: every flow of the token endpoint,
//! describes, SOQL, records, collections, composite requests, files, Bulk 1.0 and 2.0, and the SOAP calls that clients
//! still make. It keeps an org's rules (types, permissions, references, validation and duplicate rules, formulas,
//! roll-ups, what standard objects do by themselves) with the codes and texts that Salesforce answers, and can be told
//! to misbehave ([`Fault`]). It shares no code with the client that it is used to test, so that it cannot inherit its
//! mistakes: what it does comes from public documentation and from recordings of real orgs, which a test replays.
//!
//! `docs/emulator.md` lists what is emulated, what is simplified and what is refused. Whatever a real org has and this
//! one has not is refused with a 501 that names it, never answered with something made up.
//!
//! One table's cells stand in columns of short texts in one canonical form. What follows from other rows (formulas,
//! roll-ups, full names) is worked out when those rows are written, so that queries only read. A write that is refused
//! leaves no trace: every change goes into an undo list first.
//!
//! Rooms: `file` is what users write, `schema` what that means, `access` who may see and do what, `store` the records
//! and their rules, `soql` the query language, `formula` that of rules and formula fields, `recipe` the making of
//! records, `http` the protocol, `faults` what goes wrong, `clock` the org's time, `state` what is kept in a file.

mod access;
mod clock;
mod faults;
mod file;
mod formula;
mod http;
mod recipe;
mod schema;
mod soql;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod words;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use access::Permission;
pub use faults::{
    ArmedFault, Effect, FailJob, Fault, FaultAnswer, JobsOf, On, Refusal, RejectRows, RetryJob, RowShare,
};
pub use file::*;
pub use http::{Counters, LoggedRequest};
pub use state::StateError;

use http::Org;
use state::StateFile;

/// An emulated org could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// Its file is wrong.
    #[error(transparent)]
    File(#[from] OrgFileError),
    /// Its port cannot be had.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port; 0 is any.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Its kept records cannot be had.
    #[error(transparent)]
    State(#[from] StateError),
    /// The making of its records stopped half-way.
    #[error("the org's records could not be made")]
    Interrupted,
}

/// A running org. It stops when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    org: Arc<Org>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
    kept: Option<Arc<StateFile>>,
    keeper: Option<tokio::task::JoinHandle<()>>,
}

impl Emulator {
    /// Makes an org and serves it on 127.0.0.1. Port 0 takes the file's port, or any free one.
    ///
    /// # Errors
    /// When a record of the file breaks a rule, or the port is taken.
    pub async fn start(file: OrgFile, port: u16) -> Result<Self, EmulatorError> {
        Self::launch(file, port, None).await
    }

    /// As [`Emulator::start`], with a file that keeps the records, and the jobs of Bulk 2.0, between two runs. It is
    /// made when there is none; when there is one, its records stand for those of the org file, and jobs that were under
    /// way go on. It is written when nothing changed for a
    /// second, at least every ten seconds when something did, and by [`Emulator::stop`] and [`Emulator::save`].
    ///
    /// # Errors
    /// As [`Emulator::start`], and when the kept records cannot be read or do not fit the org file.
    pub async fn start_kept(file: OrgFile, port: u16, state: &Path) -> Result<Self, EmulatorError> {
        Self::launch(file, port, Some(state.to_owned())).await
    }

    async fn launch(file: OrgFile, port: u16, state: Option<PathBuf>) -> Result<Self, EmulatorError> {
        let port = if port == 0 { file.port.unwrap_or(0) } else { port };
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|source| EmulatorError::Listen { port, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| EmulatorError::Listen { port, source })?;
        let url = format!("http://{address}");
        // A million records take a moment: off the runtime's threads.
        let (org, kept) = tokio::task::spawn_blocking(move || -> Result<_, EmulatorError> {
            // Kept records stand for those of the file: they need not be made first.
            let org = match &state {
                Some(path) if path.exists() => {
                    let mut bare = file.clone();
                    bare.records.clear();
                    let mut org = Org::build(&bare, url)?;
                    org.file = file;
                    org
                }
                _ => Org::build(&file, url)?,
            };
            let kept = state.map(|path| StateFile::open(&path, &org)).transpose()?;
            Ok((Arc::new(org), kept.map(Arc::new)))
        })
        .await
        .map_err(|_| EmulatorError::Interrupted)??;
        http::kept::go_on(&org);
        let server = tokio::spawn(http::serve(listener, org.clone()));
        let keeper = kept
            .as_ref()
            .map(|kept| tokio::spawn(keep(org.clone(), kept.clone())));
        Ok(Emulator {
            org,
            address,
            server,
            kept,
            keeper,
        })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The name in the org file.
    pub fn name(&self) -> &str {
        &self.org.name
    }

    /// The newest API version that it answers to.
    pub fn newest_version(&self) -> u32 {
        self.org.versions.to
    }

    /// The org's Id.
    pub fn org_id(&self) -> &str {
        &self.org.org_id
    }

    /// Stops serving, and keeps the records when there is a file for them.
    ///
    /// # Errors
    /// When the records cannot be kept.
    pub async fn stop(mut self) -> Result<(), StateError> {
        self.server.abort();
        let _ = (&mut self.server).await;
        let org = self.org.clone();
        // It waits for requests that are being worked on.
        let _ = tokio::task::spawn_blocking(move || org.end()).await;
        if let Some(keeper) = &mut self.keeper {
            keeper.abort();
            let _ = keeper.await;
        }
        self.save().await
    }

    /// Writes the records to their file, when there is one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn save(&self) -> Result<(), StateError> {
        match &self.kept {
            Some(kept) => save(&self.org, kept).await,
            None => Ok(()),
        }
    }

    /// Keeps the records in memory under a name.
    pub fn snapshot(&self, name: &str) {
        self.org.snapshot(name);
    }

    /// Goes back to the records that were kept under a name; false when there are none.
    pub fn restore(&self, name: &str) -> bool {
        self.org.restore(name)
    }

    /// Back to the org file: its records, tokens, faults and clock; no jobs, locators, counters or log.
    ///
    /// # Errors
    /// When a CSV file of the org file has gone or changed for the worse.
    pub fn reset(&self) -> Result<(), OrgFileError> {
        self.org.reset()
    }

    /// All records of an object as CSV, as `GET /emulator/records/OBJECT.csv` gives them; `None` when there is no such
    /// object.
    pub fn csv(&self, object: &str) -> Option<String> {
        let wish = http::CsvWish::default();
        let pieces = http::records_csv(&self.org.read(), object, &wish).ok()?;
        String::from_utf8(pieces.concat()).ok()
    }

    /// An access token for the org's first user, for tools that bring a token; good for as long as the org runs.
    pub fn access_token(&self) -> String {
        self.org.master_token()
    }

    /// All tokens are expired from now on; clients have to sign in again.
    pub fn expire_tokens(&self) {
        self.org.expire_tokens();
    }

    /// All query locators are expired from now on.
    pub fn expire_query_locators(&self) {
        self.org.expire_cursors();
    }

    /// Moves the org's clock on: tokens, locators and jobs grow older.
    pub fn advance_clock(&self, by: std::time::Duration) {
        self.org.clock.advance(by);
    }

    /// Sets the org's clock; it runs on as it did.
    pub fn set_clock(&self, to: jiff::Timestamp) {
        self.org.clock.set(to);
    }

    /// How fast the org's clock runs from now on: 1 is real time, 0 stands still.
    pub fn run_clock(&self, speed: f64) {
        self.org.clock.run(speed);
    }

    /// How fast the org's clock runs.
    pub fn clock_speed(&self) -> f64 {
        self.org.clock.speed()
    }

    /// What time it is in the org.
    pub fn time(&self) -> jiff::Timestamp {
        self.org.time()
    }

    /// Adds something that goes wrong and tells its number.
    pub fn add_fault(&self, fault: Fault) -> u64 {
        self.org.faults.add(fault)
    }

    /// Takes a fault away by the number that [`Emulator::add_fault`] told; false when it is gone already.
    pub fn remove_fault(&self, id: u64) -> bool {
        self.org.faults.remove(id)
    }

    /// What goes wrong at present, and how often it did.
    pub fn faults(&self) -> Vec<ArmedFault> {
        self.org.faults.list()
    }

    /// From now on nothing goes wrong, the org file's faults included.
    pub fn clear_faults(&self) {
        self.org.faults.clear();
    }

    /// The requests so far, oldest first; tokens and bodies are not kept.
    pub fn request_log(&self) -> Vec<LoggedRequest> {
        self.org.log()
    }

    /// How much of what was asked.
    pub fn counters(&self) -> Counters {
        self.org.counters()
    }

    /// Brings a record back from the recycle bin, with all that went with it.
    ///
    /// # Errors
    /// The code and text of the org, when it cannot be brought back.
    pub fn undelete(&self, id: &str) -> Result<(), String> {
        let mut store = self.org.write();
        self.org
            .as_first_user(|call| store.undelete(id, call, &mut Vec::new()))
            .map(drop)
            .map_err(|e| format!("{}: {}", e.code, e.message))
    }

    /// The Ids of the records in the recycle bin; what went with another record is not among them.
    pub fn recycle_bin(&self) -> Vec<String> {
        let store = self.org.read();
        store.bin_ids().iter().map(ToString::to_string).collect()
    }

    /// Removes all records from the recycle bin for good.
    pub fn empty_recycle_bin(&self) {
        let mut store = self.org.write();
        self.org.as_first_user(|call| {
            for id in store.bin_ids() {
                // What is in the bin can be removed.
                let _ = store.empty_bin(&id, call, &mut Vec::new());
            }
        });
    }

    /// How many records of an object there are.
    pub fn count(&self, object: &str) -> usize {
        let store = self.org.read();
        store.schema.object(object).map_or(0, |o| store.tables[o].live())
    }

    /// All records of an object, oldest first, all fields that were ever filled; null is `None`. Values are in canonical
    /// form: plain decimals, `2026-01-31`, `2026-01-31T09:05:07.000Z`, `true`.
    pub fn rows(&self, object: &str) -> Vec<BTreeMap<String, Option<String>>> {
        let store = self.org.read();
        let Some(o) = store.schema.object(object) else {
            return Vec::new();
        };
        let table = &store.tables[o];
        let fields: Vec<(usize, &str)> = store.schema.objects[o]
            .fields
            .iter()
            .enumerate()
            .filter(|(at, _)| table.is_used(*at))
            .map(|(at, f)| (at, f.name.as_str()))
            .collect();
        (0..table.len())
            .filter(|row| table.state(*row) == store::State::Live)
            .map(|row| {
                fields
                    .iter()
                    .map(|(at, name)| {
                        let cell = table.get(row, *at);
                        ((*name).to_owned(), (!cell.is_empty()).then(|| cell.to_owned()))
                    })
                    .collect()
            })
            .collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// Writes the records when they have rested for a second, and at least every ten seconds.
async fn keep(org: Arc<Org>, kept: Arc<StateFile>) {
    let (mut saved, mut seen, mut waited) = (org.changes(), org.changes(), 0);
    let mut failed = false;
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let now = org.changes();
        let rests = now == std::mem::replace(&mut seen, now);
        waited += 1;
        // A full disk is not asked again every second.
        if now == saved || (failed || !rests) && waited < 10 {
            continue;
        }
        waited = 0;
        match save(&org, &kept).await {
            Ok(()) => {
                saved = now;
                failed = false;
            }
            // There is another try; whoever serves the org should know meanwhile.
            Err(error) => {
                failed = true;
                tracing::warn!(%error, "records are not kept; the next try is in ten seconds");
            }
        }
    }
}

async fn save(org: &Arc<Org>, kept: &Arc<StateFile>) -> Result<(), StateError> {
    let (org, kept) = (org.clone(), kept.clone());
    match tokio::task::spawn_blocking(move || kept.save(&org)).await {
        Ok(done) => done,
        Err(_) => Ok(()),
    }
}
