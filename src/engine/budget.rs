//! `policy.budget`: how many API calls a run may make to each org, and how it ends when they are used up.
//!
//! The counting is the client's (`salesforce::CallBudget`): it refuses calls that begin new work while some are left to
//! finish what is under way. Here budgets are opened, held against the plan before the first write, and put into words.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use super::{
    EngineError, RunRequest,
    connect::{Connections, Signed},
};
use crate::{
    event::Event,
    pipeline::{Pipeline, model},
    plan::{self, Plan},
    salesforce::{BudgetState, CallBudget, Class, Client, ClientError},
};

/// The entry of `/limits` that counts calls.
const DAILY: &str = "DailyApiRequests";

/// From this share of a budget on, in percent, a plan's likely calls are worth a word.
const NEAR: u64 = 80;

/// Why a run may make no more calls to an org.
#[derive(Clone, Debug, PartialEq)]
pub struct OutOfCalls {
    /// The named credential.
    pub connection: String,
    /// The run that can go on.
    pub run: String,
    /// What happened.
    pub why: WhyNoCalls,
    /// What the file says.
    pub policy: model::Budget,
    /// What the org had left when the run began, where it told.
    pub had: Option<u64>,
}

/// How calls came to be used up.
#[derive(Clone, Debug, PartialEq)]
pub enum WhyNoCalls {
    /// By this run, or by others.
    Used(BudgetState),
    /// The org says so.
    Refused(String),
    /// They are not, but they would be: the plan takes so many at least, and so many may be made.
    TooFew {
        /// Calls that the plan takes at least.
        least: u64,
        /// Calls that may be made.
        free: u64,
    },
}

impl fmt::Display for OutOfCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.of();
        write!(f, "`{}`: ", self.connection)?;
        match &self.why {
            WhyNoCalls::Used(state) if state.by_others => {
                let left = state.left.unwrap_or_default();
                let max = state
                    .max
                    .map(|max| format!(" of its {max} daily"))
                    .unwrap_or_default();
                write!(
                    f,
                    "others use the org too: it has {left}{max} API calls left, and `policy.budget` ({of}) leaves {} to \
                     them; this run has made {}",
                    state.floor, state.used
                )?;
            }
            WhyNoCalls::Used(state) => write!(
                f,
                "the run's budget of API calls is used up: {} of {} are made ({of})",
                state.used, state.allowed
            )?,
            WhyNoCalls::Refused(words) => write!(f, "the org takes no more API calls: {words}")?,
            WhyNoCalls::TooFew { least, free } => {
                return write!(
                    f,
                    "the run takes at least {least} more API calls, and may make {free} ({of}); nothing was written"
                );
            }
        }
        write!(f, "; what was under way is written down")
    }
}

impl OutOfCalls {
    /// The policy, with what it comes from.
    fn of(&self) -> String {
        match (self.policy, self.had) {
            (model::Budget::Share(share), Some(had)) => {
                format!("{share}% of the {had} that the org had left")
            }
            (model::Budget::Share(share), None) => format!("{share}% of what the org had left"),
            (model::Budget::Calls(calls), _) => format!("`daily_calls: {calls}`"),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        let more = match self.policy {
            model::Budget::Share(share) if share < 100.0 => {
                "; or allow more: `policy: { budget: { daily_calls: 100% } }`"
            }
            model::Budget::Share(_) => "",
            model::Budget::Calls(_) => "; or allow more with `daily_calls` under `policy.budget`",
        };
        let back = "calls come back a day after they were made";
        match &self.why {
            WhyNoCalls::TooFew { .. } => format!("run it when more are left ({back}){more}"),
            WhyNoCalls::Refused(_) => {
                format!(
                    "go on with `orgferry resume {}` when the org takes calls again: {back}",
                    self.run
                )
            }
            WhyNoCalls::Used(_) => {
                let then = match self.policy {
                    model::Budget::Share(share) => format!("{share}% of what the org has left then"),
                    model::Budget::Calls(calls) => format!("{calls} calls more"),
                };
                format!(
                    "go on with `orgferry resume {}`, which may use {then}: {back}",
                    self.run
                )
            }
        }
    }
}

/// What the file says: the same in every step.
fn policy(pipeline: &Pipeline) -> model::Budget {
    pipeline
        .steps
        .first()
        .map_or_else(|| model::Policy::default().budget, |step| step.policy.budget)
}

/// Opens a budget for each org. From here on its clients keep to it.
pub(super) async fn open(
    request: &RunRequest,
    signed: &mut Signed,
    connected: &Connections,
) -> Result<(), EngineError> {
    let policy = policy(&request.pipeline);
    let mut by_org: HashMap<String, Option<Arc<CallBudget>>> = HashMap::new();
    for (connection, client) in &signed.orgs {
        let org = connected.identity(connection);
        let budget = match by_org.get(&org) {
            Some(budget) => {
                // The same org by another name.
                budget.iter().for_each(|budget| budget.add(client.calls()));
                budget.clone()
            }
            None => {
                let had = left_of(client).await.map_err(|source| EngineError::Org {
                    connection: connection.clone(),
                    source,
                })?;
                let budget = budget_of(policy, client.calls(), had).map(Arc::new);
                if budget.is_none() {
                    request.events.send(Event::Noted {
                        text: format!(
                            "`{connection}` does not tell how many API calls it has left (the login needs the permission \
                             View Setup and Configuration): `policy.budget` cannot be held by a share; say a number of \
                             calls, `policy: {{ budget: {{ daily_calls: 5000 }} }}`"
                        ),
                    });
                }
                budget
            }
        };
        if let Some(budget) = &budget {
            client.keep_to(Arc::clone(budget));
            if let Some(callout) = signed.callouts.get(connection) {
                budget.add(callout.calls());
                callout.keep_to(Arc::clone(budget));
            }
            signed.budgets.insert(connection.clone(), Arc::clone(budget));
        }
        by_org.insert(org, budget);
    }
    Ok(())
}

/// What an org has left, and what it allows in a day; `None` when it does not tell.
async fn left_of(client: &Client) -> Result<Option<(u64, u64)>, ClientError> {
    let told = match client.limits().await {
        Ok(limits) => limits.get(DAILY).map(|daily| (daily.remaining, daily.max)),
        // Who may not see the limits sees the calls all the same, in the answers to other requests.
        Err(ClientError::Api(error)) if error.status != 401 && error.class() == Class::Never => None,
        Err(error) => return Err(error),
    };
    let number = |n: i64| u64::try_from(n).unwrap_or_default();
    Ok(match told {
        Some((left, max)) => Some((number(left), number(max))),
        None => client
            .api_usage()
            .map(|usage| (u64::from(usage.remaining()), u64::from(usage.max))),
    })
}

/// The budget of an org that had so many calls left, after this run had made some.
fn budget_of(policy: model::Budget, made: u64, had: Option<(u64, u64)>) -> Option<CallBudget> {
    match (policy, had) {
        (model::Budget::Share(share), Some((left, _))) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share of at most some millions of calls"
            )]
            let mine = ((left as f64 * share / 100.0) as u64).min(left);
            Some(CallBudget::new(mine + made, made, had, left - mine))
        }
        (model::Budget::Share(_), None) => None,
        (model::Budget::Calls(calls), Some((left, _))) => {
            Some(CallBudget::new(calls.min(left + made), made, had, 0))
        }
        (model::Budget::Calls(calls), None) => Some(CallBudget::new(calls, made, None, 0)),
    }
}

/// Holds the plan against the budgets, before the first write. What cannot fit is an error, what is near a word.
pub(super) fn fits(request: &RunRequest, plan: &Plan, signed: &Signed) -> Result<(), EngineError> {
    // What earlier sittings have done nobody can subtract.
    if request.sitting > 1 {
        return Ok(());
    }
    let mut needs: BTreeMap<*const CallBudget, (String, &CallBudget, plan::Calls)> = BTreeMap::new();
    for (connection, calls) in plan::calls(plan) {
        let Some(budget) = signed.budgets.get(&connection) else {
            continue;
        };
        // Several named credentials may lead to one org.
        let (_, _, sum) = needs
            .entry(Arc::as_ptr(budget))
            .or_insert_with(|| (connection, budget.as_ref(), plan::Calls::default()));
        sum.least += calls.least;
        sum.likely += calls.likely;
    }
    for (connection, budget, calls) in needs.into_values() {
        let free = budget.free();
        if calls.least > free {
            return Err(EngineError::Budget(Box::new(OutOfCalls {
                connection,
                run: request.id.clone(),
                why: WhyNoCalls::TooFew {
                    least: calls.least,
                    free,
                },
                policy: policy(&request.pipeline),
                had: budget.had_left(),
            })));
        }
        if calls.likely * 100 > free * NEAR {
            request.events.send(Event::Noted {
                text: format!(
                    "`{connection}`: the run takes about {} more API calls, and `policy.budget` lets it make {free}; it \
                     stops there, and `orgferry resume {}` goes on",
                    calls.likely, request.id
                ),
            });
        }
    }
    Ok(())
}

/// An error that says in the run's own words that calls are used up, where it says so at all.
pub(super) fn worded(error: EngineError, request: &RunRequest, signed: &Signed) -> EngineError {
    let EngineError::Org { connection, source } = &error else {
        return error;
    };
    let why = match source {
        ClientError::BudgetUsed { state, .. } => WhyNoCalls::Used(*state),
        other if other.class() == Class::Quota => WhyNoCalls::Refused(other.to_string()),
        _ => return error,
    };
    EngineError::Budget(Box::new(OutOfCalls {
        connection: connection.clone(),
        run: request.id.clone(),
        why,
        policy: policy(&request.pipeline),
        had: signed
            .budgets
            .get(connection)
            .and_then(|budget| budget.had_left()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_shares_of_what_is_left_or_numbers() {
        for (policy, had, allowed, floor) in [
            (model::Budget::Share(80.0), Some((1000, 15_000)), Some(804), 200),
            (model::Budget::Share(100.0), Some((1000, 15_000)), Some(1004), 0),
            (model::Budget::Share(33.0), Some((10, 15_000)), Some(7), 7),
            (model::Budget::Share(80.0), Some((0, 15_000)), Some(4), 0),
            (model::Budget::Share(80.0), None, None, 0),
            (model::Budget::Calls(500), Some((1000, 15_000)), Some(500), 0),
            (model::Budget::Calls(5000), Some((1000, 15_000)), Some(1004), 0),
            (model::Budget::Calls(500), None, Some(500), 0),
        ] {
            let budget = budget_of(policy, 4, had);
            let state = budget.as_ref().map(CallBudget::state);
            assert_eq!(state.map(|s| s.allowed), allowed, "{policy:?} {had:?}");
            assert_eq!(state.map_or(0, |s| s.floor), floor, "{policy:?} {had:?}");
        }
    }

    #[test]
    fn what_happened_is_told_with_its_numbers() {
        let state = BudgetState {
            used: 16,
            allowed: 20,
            left: Some(180),
            max: Some(15_000),
            floor: 170,
            by_others: false,
        };
        let out = |why, policy| OutOfCalls {
            connection: "hq".into(),
            run: "R1".into(),
            why,
            policy,
            had: Some(200),
        };
        let used = out(WhyNoCalls::Used(state), model::Budget::Share(10.0));
        assert_eq!(
            used.to_string(),
            "`hq`: the run's budget of API calls is used up: 16 of 20 are made (10% of the 200 that the org had left); \
             what was under way is written down"
        );
        assert!(used.help().contains("`orgferry resume R1`"), "{}", used.help());
        assert!(
            used.help().contains("10% of what the org has left then"),
            "{}",
            used.help()
        );
        let others = BudgetState {
            by_others: true,
            ..state
        };
        assert_eq!(
            out(WhyNoCalls::Used(others), model::Budget::Share(10.0)).to_string(),
            "`hq`: others use the org too: it has 180 of its 15000 daily API calls left, and `policy.budget` (10% of the \
             200 that the org had left) leaves 170 to them; this run has made 16; what was under way is written down"
        );
        let few = out(
            WhyNoCalls::TooFew { least: 30, free: 9 },
            model::Budget::Calls(15),
        );
        assert_eq!(
            few.to_string(),
            "`hq`: the run takes at least 30 more API calls, and may make 9 (`daily_calls: 15`); nothing was written"
        );
        assert!(!few.help().contains("resume"), "{}", few.help());
        assert!(few.help().contains("allow more"), "{}", few.help());
    }
}
