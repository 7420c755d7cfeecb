use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Mutex,
};

use jiff::Timestamp;

use super::{
    super::{Org, Reply},
    apps::{self, Key},
    codes::Code,
    refuse,
    session::{Session, open},
};
use crate::emulator::{
    faults::lock,
    file::{ConnectedApp, OrgFile, OrgFileError, UserEntry},
    store::Cell,
};

/// A user may sign in so often in an hour.
const LOGINS_PER_HOUR: usize = 3_600;

/// After so many wrong passwords a user is locked out.
const WRONG_PASSWORDS: u32 = 10;

/// What the org knows about signing in beside the tokens.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    keys: HashMap<String, Key>,
    accounts: HashMap<Cell, Account>,
    pub(super) state: Mutex<State>,
}

/// How a user proves who he is.
#[derive(Debug, Default)]
struct Account {
    password: Option<String>,
    security_token: Option<String>,
    locked: bool,
    permission_sets: Vec<String>,
}

/// What changes as users come and go.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) refresh: HashMap<String, Refresh>,
    /// Refresh tokens that were rotated away, and their family.
    pub(super) spent: HashMap<String, u64>,
    pub(super) codes: HashMap<String, Code>,
    /// Cookies of browsers, and one-time passwords for them.
    pub(super) browsers: HashMap<String, Cell>,
    /// Users who allowed an app, as `(client id, user)`.
    pub(super) approvals: HashSet<(String, Cell)>,
    families: u64,
    times: HashMap<Cell, VecDeque<i64>>,
    wrong: HashMap<Cell, u32>,
}

impl State {
    pub(super) fn family(&mut self) -> u64 {
        self.families += 1;
        self.families
    }
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    pub(super) client_id: String,
    pub(super) user: Cell,
    pub(super) scope: String,
    pub(super) made: Timestamp,
    /// What one sign-in led to; rotation keeps it.
    pub(super) family: u64,
}

/// Why a password did not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum LoginError {
    /// User or password are wrong, or the user is inactive or locked out.
    Wrong,
    /// The password is right, but the security token is not behind it.
    SecurityToken,
    /// Too many logins in an hour.
    Rate,
}

impl LoginError {
    /// The code of a SOAP fault.
    pub(in super::super) fn code(self) -> &'static str {
        match self {
            LoginError::Wrong => "INVALID_LOGIN",
            LoginError::SecurityToken => "LOGIN_MUST_USE_SECURITY_TOKEN",
            LoginError::Rate => "LOGIN_RATE_EXCEEDED",
        }
    }

    /// Its text.
    pub(in super::super) fn message(self) -> &'static str {
        match self {
            LoginError::Wrong => "Invalid username, password, security token; or user locked out.",
            LoginError::SecurityToken => {
                "Invalid username, password, security token; or user locked out. Are you at a new location? Outside of the company's trusted networks a security token has to follow the password."
            }
            LoginError::Rate => "login rate exceeded",
        }
    }
}

impl Logins {
    /// Reads the apps' certificates and the users' passwords.
    pub(crate) fn new(file: &OrgFile, ids: impl Fn(&str) -> Option<Cell>) -> Result<Self, OrgFileError> {
        let mut logins = Logins::default();
        for app in &file.connected_apps {
            if let Some(key) = Key::of(file, app)? {
                logins.keys.insert(app.client_id.clone(), key);
            }
        }
        for user in &file.users {
            if let Some(id) = ids(&user.username) {
                logins.accounts.insert(id, Account::of(user));
            }
        }
        Ok(logins)
    }

    /// All apps that clients may sign in through.
    pub(crate) fn apps(file: &OrgFile) -> Vec<ConnectedApp> {
        apps::apps(file)
    }

    pub(super) fn key(&self, client_id: &str) -> Option<&Key> {
        self.keys.get(client_id)
    }

    /// The permission sets of a user.
    pub(crate) fn permission_sets(&self, user: &str) -> &[String] {
        self.accounts
            .get(user)
            .map(|account| account.permission_sets.as_slice())
            .unwrap_or_default()
    }

    /// As if a user had signed in as often as is allowed.
    #[cfg(test)]
    pub(crate) fn wear_out(&self, user: &str, now: Timestamp) {
        let times = std::iter::repeat_n(now.as_second(), LOGINS_PER_HOUR).collect();
        lock(&self.state).times.insert(Cell::new(user), times);
    }

    fn locked(&self, user: &str) -> bool {
        self.accounts.get(user).is_some_and(|account| account.locked)
            || lock(&self.state)
                .wrong
                .get(user)
                .is_some_and(|count| *count >= WRONG_PASSWORDS)
    }
}

impl Account {
    fn of(user: &UserEntry) -> Self {
        Account {
            password: user.password.clone(),
            security_token: user.security_token.clone(),
            locked: user.locked,
            permission_sets: user.permission_sets.clone(),
        }
    }
}

impl Org {
    /// Ends all tokens of a user, and what they can be renewed with.
    pub(super) fn sign_out(&self, user: &str) {
        lock(&self.tokens).retain(|_, session| session.user != user);
        let mut state = lock(&self.logins.state);
        state.refresh.retain(|_, refresh| refresh.user != user);
        state.browsers.retain(|_, other| other != user);
    }
}

/// Signs a user in with a password and the security token behind it, as the SOAP login does.
pub(in super::super) fn password_login(
    org: &Org,
    username: &str,
    password: &str,
) -> Result<(String, Session), LoginError> {
    let user = by_password(org, username, password, true)?;
    let session = Session::new(org, user, None, "full".to_owned(), org.session_lifetime);
    Ok((open(org, session.clone()), session))
}

/// The user of a name and a password. Browsers do not give the security token, clients do.
pub(super) fn by_password(
    org: &Org,
    username: &str,
    password: &str,
    client: bool,
) -> Result<Cell, LoginError> {
    let user = org.user(username).ok_or(LoginError::Wrong)?;
    let account = org.logins.accounts.get(&user).ok_or(LoginError::Wrong)?;
    if org.logins.locked(&user) || !active(org, &user) {
        return Err(LoginError::Wrong);
    }
    let known = account.password.as_deref().ok_or(LoginError::Wrong)?;
    let token = account
        .security_token
        .as_deref()
        .filter(|_| client)
        .unwrap_or_default();
    if password.strip_prefix(known) == Some(token) {
        lock(&org.logins.state).wrong.remove(&user);
        return within_rate(org, &user).map(|()| user);
    }
    if password == known {
        return Err(LoginError::SecurityToken);
    }
    *lock(&org.logins.state).wrong.entry(user).or_default() += 1;
    Err(LoginError::Wrong)
}

/// Counts a login, unless there were too many.
fn within_rate(org: &Org, user: &Cell) -> Result<(), LoginError> {
    let now = org.time().as_second();
    let mut state = lock(&org.logins.state);
    let times = state.times.entry(user.clone()).or_default();
    while times.front().is_some_and(|time| *time <= now - 3_600) {
        times.pop_front();
    }
    if times.len() >= LOGINS_PER_HOUR {
        return Err(LoginError::Rate);
    }
    times.push_back(now);
    Ok(())
}

/// Whether a user is active.
pub(super) fn active(org: &Org, user: &str) -> bool {
    let store = org.read();
    store
        .live_row(store.user, user)
        .is_some_and(|row| store.text(store.user, row, "IsActive") == "true")
}

/// Whether a user may get a token through an app: active, approved, not too often.
pub(super) fn admit(org: &Org, app: &ConnectedApp, user: &Cell) -> Result<(), Reply> {
    if !active(org, user) {
        return Err(refuse("invalid_grant", "inactive user"));
    }
    if org.logins.locked(user) {
        return Err(refuse("invalid_grant", "authentication failure"));
    }
    if app.admin_approved_users_only && !approved(org, app, user) {
        return Err(refuse(
            "invalid_app_access",
            "user is not admin approved to access this app",
        ));
    }
    within_rate(org, user).map_err(|_| refuse("rate_limit_exceeded", "login rate exceeded"))
}

/// Whether an administrator approved a user for an app: by name, profile or permission set.
pub(super) fn approved(org: &Org, app: &ConnectedApp, user: &str) -> bool {
    let (username, profile) = {
        let store = org.read();
        let username = match store.row(store.user, user) {
            Some(row) => store.text(store.user, row, "Username").to_owned(),
            None => String::new(),
        };
        (username, profile_name(&store, user))
    };
    app.approved.iter().any(|name| {
        name.eq_ignore_ascii_case(&username)
            || *name == profile
            || org.logins.permission_sets(user).contains(name)
    })
}

/// The name of a user's profile.
pub(in super::super) fn profile_name(store: &crate::emulator::store::Store, user: &str) -> String {
    let name = || {
        let row = store.row(store.user, user)?;
        let profiles = store.schema.object("Profile")?;
        let profile = store.row(profiles, store.text(store.user, row, "ProfileId"))?;
        Some(store.text(profiles, profile, "Name").to_owned())
    };
    name().unwrap_or_default()
}
