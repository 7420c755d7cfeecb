//! Opens the store that a project names.

use std::sync::Arc;

use super::{Context, Problem};
use crate::{
    auth,
    pipeline::{credentials::ValueRef, model::StatePlace},
    state::{Postgres, Sqlite, Store},
};

/// The store, made where it is missing.
pub(super) fn open(context: &Context, place: &StatePlace) -> Result<Arc<dyn Store>, Problem> {
    Ok(match place {
        StatePlace::Sqlite(path) => Arc::new(Sqlite::open(path)?),
        StatePlace::Postgres { url, schema } => Arc::new(Postgres::open(&resolve(context, url)?, schema)?),
    })
}

/// The store if there is one: a question about the history creates nothing.
pub(super) fn open_existing(
    context: &Context,
    place: &StatePlace,
) -> Result<Option<Arc<dyn Store>>, Problem> {
    Ok(match place {
        StatePlace::Sqlite(path) => {
            Sqlite::open_existing(path)?.map(|store| Arc::new(store) as Arc<dyn Store>)
        }
        StatePlace::Postgres { url, schema } => Postgres::open_existing(&resolve(context, url)?, schema)?
            .map(|store| Arc::new(store) as Arc<dyn Store>),
    })
}

fn resolve(context: &Context, url: &ValueRef) -> Result<secrecy::SecretString, Problem> {
    auth::resolve(url, &context.environment, "the address of the state database").map_err(|error| {
        let problem = Problem::usage(error.to_string());
        match error.help() {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}
