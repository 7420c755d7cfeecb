use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::Method;
use serde_json::Value;

use super::{
    auth::{self, Logins, Session},
    bulk::{Job, v1::BatchJob},
    limits::Limits,
    query::Cursor,
    setup,
};
use crate::emulator::{
    access::{Access, Book},
    clock::{Clock, canonical},
    faults::{Faults, Refusal, lock},
    file::{ApiVersions, BulkOptions, ConnectedApp, OrgFile, OrgFileError},
    formula::Pace,
    recipe, schema,
    store::{Call, Cell, DuplicateHeader, Store, make_id, parse_datetime},
};

/// The log keeps this many requests, the oldest go first.
const LOG: usize = 200_000;

/// A query locator is good for so long.
const CURSOR_DAYS: i64 = 2;

/// A running org: its records, who is signed in, what is under way.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) name: String,
    pub(crate) org_id: String,
    pub(crate) url: String,
    pub(super) seed: u64,
    pub(crate) versions: ApiVersions,
    pub(super) bulk: BulkOptions,
    pub(super) page_size: usize,
    pub(super) compression: bool,
    pub(super) apps: Vec<ConnectedApp>,
    pub(crate) logins: Logins,
    /// How long a session without an app lives.
    pub(super) session_lifetime: Duration,
    login_hosts: Vec<String>,
    book: Book,
    pub(super) instance: String,
    pub(super) limits: Limits,
    first_user: Cell,
    used_calls: AtomicU64,
    logged: AtomicU64,
    requests: AtomicU64,
    pub(super) serial: AtomicU64,
    counters: Mutex<Counters>,
    log: Mutex<Vec<LoggedRequest>>,
    pub(super) store: RwLock<Store>,
    /// How often records were about to be changed.
    pub(super) changes: AtomicU64,
    pub(super) snapshots: Mutex<BTreeMap<String, Arc<Store>>>,
    /// What the org was built from.
    pub(crate) file: OrgFile,
    pub(crate) clock: Clock,
    pub(super) tokens: Mutex<HashMap<String, Session>>,
    cursors: Mutex<HashMap<String, (jiff::Timestamp, Arc<Cursor>)>>,
    pub(super) jobs: Mutex<HashMap<String, Job>>,
    pub(super) batch_jobs: Mutex<HashMap<String, BatchJob>>,
    /// Held by Bulk jobs while they work on their rows, and by whoever writes the org down.
    pub(crate) at_work: Arc<tokio::sync::RwLock<()>>,
    /// Whether the org has ended; read while a request is worked on, so that ending waits for it.
    pub(super) ended: RwLock<bool>,
    /// The org's objects and fields as records, once somebody asked for them.
    catalogue: OnceLock<Option<Store>>,
    pub(crate) faults: Faults,
}

/// How much of what was asked since the org was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Requests of any kind.
    pub requests: u64,
    /// Calls that count against the daily limit.
    pub api_calls: u64,
    /// Good answers of the token endpoint.
    pub logins: u64,
    /// Queries and further pages.
    pub queries: u64,
    /// sObject collection calls.
    pub collections: u64,
    /// Bulk jobs that were made.
    pub bulk_jobs: u64,
    /// Rows of query answers and Bulk query results.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Rows that were refused.
    pub rows_refused: u64,
}

/// A request as the log keeps it: no headers, no bodies, so no secrets.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// When the answer was ready, by the org's clock.
    pub at: jiff::Timestamp,
    /// `GET`, `POST`, ...
    pub method: String,
    /// The decoded path.
    pub path: String,
    /// The decoded values of the query string.
    pub query: String,
    /// The HTTP status; 0 when the connection was cut.
    pub status: u16,
    /// The rows that the answer carries or tells of.
    pub rows: u64,
    /// How long the answer took.
    pub took: Duration,
}

impl Org {
    /// Builds the org that a file describes.
    pub(crate) fn build(file: &OrgFile, url: String) -> Result<Self, OrgFileError> {
        let mut schema = schema::build(file).map_err(|e| file.meaning(e.place, e.message))?;
        let mark = file
            .seed
            .wrapping_mul(2_654_435_761)
            .wrapping_add(file.name.bytes().map(u64::from).sum());
        let instance: String = make_id("000", "000", mark % 3_844)
            .get(13..15)
            .unwrap_or("00")
            .to_owned()
            + "0";
        let org_id = match &file.org_id {
            Some(id) => id
                .parse::<crate::record::Id>()
                .ok()
                .filter(|id| id.prefix() == "00D")
                .map(|id| id.to_string())
                .ok_or_else(|| file.meaning("org_id", format!("`{id}` is no Id that starts with 00D")))?,
            None => make_id("00D", &instance, 1).to_string(),
        };
        let created = parse_datetime(&file.records_created).ok_or_else(|| {
            file.meaning(
                "records_created",
                format!(
                    "`{}` is no datetime such as 2026-01-05T08:00:00Z",
                    file.records_created
                ),
            )
        })?;
        let clock = Clock::new(&file.clock).ok_or_else(|| {
            file.meaning(
                "clock.start",
                format!(
                    "`{}` is no datetime such as 2026-01-05T08:00:00Z",
                    file.clock.start.as_deref().unwrap_or_default()
                ),
            )
        })?;
        // Record types get their Ids before the schema is shared, so that defaults and checks can name them.
        let mut number = 0;
        for object in &mut schema.objects {
            for record_type in &mut object.record_types {
                number += 1;
                record_type.id = make_id("012", &instance, number).to_string();
            }
        }
        let book = Book::new(file, &schema)?;
        let mut store = Store::new(Arc::new(schema), instance.clone());
        let first_user = store.id_of(store.user, 0);
        let call = Call {
            user: &first_user,
            access: &Access::All,
            now: &created,
            faults: None,
            duplicates: DuplicateHeader::default(),
            loading: true,
            lasting: false,
        };
        store.most_mb = file.limits.data_storage_mb;
        setup::records(&mut store, file, &book, &org_id, &instance, call)?;
        recipe::load(&mut store, file, call)?;
        let faults = Faults::default();
        for fault in &file.faults {
            faults.add(fault.clone());
        }
        let mut org = Org {
            name: file.name.clone(),
            org_id,
            url,
            seed: file.seed,
            versions: file.api_versions,
            bulk: file.bulk.clone(),
            page_size: file.query_page_size.clamp(1, 2_000),
            compression: file.compression,
            apps: Logins::apps(file),
            logins: Logins::default(),
            session_lifetime: Duration::from_secs(2 * 60 * 60),
            login_hosts: file.login_hosts.clone(),
            book,
            instance,
            limits: Limits::new(&file.limits, file.daily_api_requests, clock.read()),
            first_user: first_user.clone(),
            used_calls: AtomicU64::new(0),
            logged: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            serial: AtomicU64::new(0),
            counters: Mutex::default(),
            log: Mutex::default(),
            store: RwLock::new(store),
            changes: AtomicU64::new(0),
            snapshots: Mutex::default(),
            file: file.clone(),
            clock,
            tokens: Mutex::default(),
            cursors: Mutex::default(),
            jobs: Mutex::default(),
            batch_jobs: Mutex::default(),
            at_work: Arc::default(),
            ended: RwLock::default(),
            catalogue: OnceLock::new(),
            faults,
        };
        org.logins = Logins::new(file, |username| org.user(username))?;
        for app in &file.connected_apps {
            for (username, what) in [(&app.run_as, "to run as"), (&app.auto_approve, "to approve it")] {
                if let Some(username) = username
                    && org.user(username).is_none()
                {
                    return Err(
                        file.meaning("connected_apps", format!("there is no user `{username}` {what}"))
                    );
                }
            }
        }
        for token in &file.access_tokens {
            let user = match &token.user {
                None => first_user.clone(),
                Some(username) => org
                    .user(username)
                    .ok_or_else(|| file.meaning("access_tokens", format!("there is no user `{username}`")))?,
            };
            let session = Session::new(&org, user, None, token.scopes.join(" "), token.lifetime.get());
            lock(&org.tokens).insert(token.token.clone(), session);
        }
        Ok(org)
    }

    /// What time it is in this org.
    pub(crate) fn time(&self) -> jiff::Timestamp {
        self.clock.read()
    }

    /// What time it is, in canonical form; whole seconds, as an org keeps them.
    pub(crate) fn now(&self) -> Cell {
        canonical(self.time())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        debug_assert!(
            !super::transaction::held(),
            "within a transaction the store is had from `Api::read`"
        );
        let read = || {
            self.store
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let store = read();
        if store.schema.pace == Pace::Still || !store.stale(&self.now()) {
            return store;
        }
        drop(store);
        drop(self.write());
        read()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Store> {
        debug_assert!(
            !super::transaction::held(),
            "within a transaction the store is had from `Api::write`"
        );
        self.changes.fetch_add(1, Ordering::Relaxed);
        let mut store = self
            .store
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Formula fields that read the clock follow it.
        if store.schema.pace != Pace::Still {
            let now = self.now();
            if store.stale(&now) {
                store.refresh(&now);
            }
        }
        store
    }

    /// Does something to the store as the first user, whom nothing is forbidden.
    pub(crate) fn as_first_user<T>(&self, write: impl FnOnce(Call<'_>) -> T) -> T {
        let now = self.now();
        write(Call {
            user: &self.first_user,
            access: &Access::All,
            now: &now,
            faults: None,
            duplicates: DuplicateHeader::default(),
            loading: false,
            lasting: false,
        })
    }

    /// The Id of a user by username.
    pub(crate) fn user(&self, username: &str) -> Option<Cell> {
        let store = self.read();
        let field = store.schema.objects[store.user].field("Username")?;
        let row = *store.find(store.user, field, username).first()?;
        Some(Cell::new(store.tables[store.user].get(row, 0)))
    }

    /// What a user may see and do, by profile and permission sets.
    pub(super) fn access_of(&self, user: &str) -> Access {
        let store = self.read();
        let profile = auth::profile_name(&store, user);
        let sets = self.logins.permission_sets(user);
        self.book.access(&store.schema, user, &profile, sets)
    }

    /// Whether a Host header names a host that stands for the login page of all orgs.
    pub(super) fn is_login_host(&self, host: Option<&str>) -> bool {
        let host = host.unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.login_hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(name))
    }

    pub(super) fn identity_url(&self, user: &str) -> String {
        format!("{}/id/{}/{user}", self.url, self.org_id)
    }

    /// A fresh Id that names no record: jobs, locators.
    pub(super) fn serial_id(&self, prefix: &str) -> String {
        make_id(
            prefix,
            &self.instance,
            self.serial.fetch_add(1, Ordering::Relaxed) + 1,
        )
        .to_string()
    }

    /// The number of a request.
    pub(super) fn next_number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts a call of the data API, unless the day's calls are used up.
    pub(super) fn count_call(&self, app: Option<&str>) -> Result<(), Refusal> {
        self.limits.take_call(self.time(), app)?;
        self.used_calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The label of a connected app.
    pub(super) fn app_name(&self, client_id: Option<&str>) -> Option<&str> {
        let client_id = client_id?;
        let app = self.apps.iter().find(|app| app.client_id == client_id)?;
        Some(&app.name)
    }

    pub(super) fn tally(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.counters));
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            requests: self.logged.load(Ordering::Relaxed),
            api_calls: self.used_calls.load(Ordering::Relaxed),
            ..*lock(&self.counters)
        }
    }

    /// The answer of `/limits`; `data` is the room that records take, `files` that of their files.
    pub(super) fn limits(&self, data: u64, files: u64) -> Value {
        self.limits.json(self.time(), data, files)
    }

    /// Writes a request into the log; `status` 0 is a connection that was cut.
    pub(super) fn note(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        (status, rows): (u16, u64),
        started: Instant,
    ) {
        let at = self.time();
        self.logged.fetch_add(1, Ordering::Relaxed);
        let mut log = lock(&self.log);
        if log.len() >= LOG {
            log.drain(..LOG / 2);
        }
        log.push(LoggedRequest {
            at,
            rows,
            method: method.to_string(),
            path: path.to_owned(),
            // Tokens may travel in the query of the OAuth endpoints only.
            query: if path.starts_with("/services/oauth2") || path.starts_with("/secur") {
                String::new()
            } else {
                query.to_owned()
            },
            status,
            took: started.elapsed(),
        });
    }

    /// Forgets the log, and all that was counted.
    pub(super) fn clear_log(&self) {
        lock(&self.log).clear();
        *lock(&self.counters) = Counters::default();
        self.used_calls.store(0, Ordering::Relaxed);
        self.logged.store(0, Ordering::Relaxed);
    }

    /// A token for the org's first user that never ends by itself.
    pub(crate) fn master_token(&self) -> String {
        let user = {
            let store = self.read();
            store.id_of(store.user, 0)
        };
        let tail: String = std::iter::repeat_with(fastrand::alphanumeric).take(96).collect();
        let token = format!("{}!{tail}", &self.org_id[..15]);
        let session = Session::new(self, user, None, "full".to_owned(), Duration::MAX);
        lock(&self.tokens).insert(token.clone(), session);
        token
    }

    pub(crate) fn log(&self) -> Vec<LoggedRequest> {
        lock(&self.log).clone()
    }

    pub(crate) fn expire_tokens(&self) {
        lock(&self.tokens).clear();
    }

    pub(super) fn expire_token(&self, token: &str) {
        lock(&self.tokens).remove(token);
    }

    /// Keeps a cursor for the days that an org keeps it.
    pub(super) fn keep_cursor(&self, locator: String, cursor: Cursor) {
        let now = self.time();
        let mut cursors = lock(&self.cursors);
        cursors.retain(|_, (made, _)| fresh(*made, now, CURSOR_DAYS));
        cursors.insert(locator, (now, Arc::new(cursor)));
    }

    /// The catalogue, made the first time.
    pub(super) fn catalogue(&self, build: impl FnOnce() -> Option<Store>) -> Option<&Store> {
        self.catalogue.get_or_init(build).as_ref()
    }

    /// A cursor that is not too old.
    pub(super) fn cursor(&self, locator: &str) -> Option<Arc<Cursor>> {
        let now = self.time();
        lock(&self.cursors)
            .get(locator)
            .filter(|(made, _)| fresh(*made, now, CURSOR_DAYS))
            .map(|(_, cursor)| cursor.clone())
    }

    pub(crate) fn expire_cursors(&self) {
        lock(&self.cursors).clear();
    }
}

/// Whether something made then is younger than so many days.
pub(super) fn fresh(made: jiff::Timestamp, now: jiff::Timestamp, days: i64) -> bool {
    now.as_second() - made.as_second() < days * 86_400
}
