//! Describes for checks alone: orgs are signed in to and asked, nothing is read or written, so that a production org is
//! no obstacle.

use std::collections::HashMap;

use super::{
    EngineError,
    connect::{self, Signed},
};
use crate::{
    auth::Environment,
    pipeline::Pipeline,
    plan::{self, Schemas},
};

/// What orgs have told so far. Pipelines that sign in as the same share logins and answers.
#[derive(Default)]
pub struct Describes {
    by_logins: HashMap<String, (Signed, Schemas)>,
}

impl Describes {
    /// The describes of all that a pipeline reads and writes.
    ///
    /// # Errors
    /// When access is refused, or an org does not answer.
    pub async fn of(
        &mut self,
        pipeline: &Pipeline,
        environment: &Environment,
    ) -> Result<&Schemas, EngineError> {
        let logins = connect::logins(pipeline)?;
        let (signed, schemas) = self.by_logins.entry(logins).or_default();
        connect::sign_in(pipeline, environment, false, signed).await?;
        plan::gather_into(pipeline, &signed.orgs, schemas).await?;
        Ok(schemas)
    }
}
