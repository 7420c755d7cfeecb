//! The steps of a run, each as soon as those that it waits for have ended.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};

use super::{
    EngineError, ahead, checks, first_pass, handover, reconcile, second_pass,
    shared::{Shared, blocking},
};
use crate::{event::Event, record::Outcome, state::StepStage};

/// How far a step is; later steps watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Waiting,
    Begun,
    FirstPassEnded,
    Ended,
    Failed,
}

/// Runs all steps, each as soon as those that it waits for have ended, and gives the number of parked rows.
pub(super) async fn run_steps(shared: Arc<Shared>) -> Result<u64, EngineError> {
    let stages: Arc<Vec<watch::Sender<Stage>>> = Arc::new(
        shared
            .plan
            .steps
            .iter()
            .map(|_| watch::channel(Stage::Waiting).0)
            .collect(),
    );
    let mut tasks = JoinSet::new();
    for step in 0..shared.plan.steps.len() {
        let (shared, stages) = (Arc::clone(&shared), Arc::clone(&stages));
        tasks.spawn(async move {
            // Even when a step breaks: those that wait for it must not wait for ever.
            let mut failing = Failing {
                shared: Arc::clone(&shared),
                stages: Arc::clone(&stages),
                step,
                armed: true,
            };
            let result = run_step(&shared, step, &stages).await;
            failing.armed = result.is_err();
            result
        });
    }
    let mut first = None;
    while let Some(ended) = tasks.join_next().await {
        let error = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(error) => {
                shared.halt();
                EngineError::Broken(error.to_string())
            }
        };
        // Steps that stop because another one failed say so; the cause is what counts.
        let keep = first
            .as_ref()
            .is_none_or(|f| matches!(f, EngineError::Interrupted));
        if keep {
            first = Some(error);
        }
    }
    match first {
        Some(EngineError::Interrupted) if !shared.cancelled() => {
            Err(EngineError::Broken("a step stopped without a reason".into()))
        }
        Some(error) => Err(error),
        None => Ok((0..shared.plan.steps.len())
            .map(|s| shared.counts(s).of(Outcome::Parked))
            .sum()),
    }
}

/// Tells the other steps that a step has failed, when it is dropped.
struct Failing {
    shared: Arc<Shared>,
    stages: Arc<Vec<watch::Sender<Stage>>>,
    step: usize,
    armed: bool,
}

impl Drop for Failing {
    fn drop(&mut self) {
        if self.armed {
            self.shared.halt();
            self.stages[self.step].send_replace(Stage::Failed);
        }
    }
}

async fn run_step(
    shared: &Arc<Shared>,
    step: usize,
    stages: &[watch::Sender<Stage>],
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    // What is deleted in the source goes when everything is where it belongs, looping references too.
    let stage = match plan.deletes_of {
        Some(_) => Stage::Ended,
        None => Stage::FirstPassEnded,
    };
    let mut ahead = None;
    if ahead::may(shared, step) {
        wait_for(stages, plan.after.iter(), Stage::Begun).await?;
        ahead = ahead::query(shared, step).await;
    }
    if let Err(error) = wait_for(stages, plan.after.iter(), stage).await {
        if let Some(job) = ahead {
            ahead::give_up(shared, step, job).await;
        }
        return Err(error);
    }
    stages[step].send_replace(Stage::Begun);
    let started = std::time::Instant::now();
    shared.events.send(Event::StepStarted { step });
    let before = shared.books[step].stage;
    handover::take_up(shared, step);
    if before < StepStage::FirstPassEnded {
        handover::set(shared, step, before).await?;
        first_pass::run(shared, step, ahead).await?;
        second_pass::count(shared, step).await?;
        handover::set(shared, step, StepStage::FirstPassEnded).await?;
    }
    if before < StepStage::Ended {
        finish(shared, step, stages).await?;
    }
    stages[step].send_replace(Stage::Ended);
    shared.events.send(Event::StepEnded {
        step,
        counts: shared.counts(step),
        elapsed: started.elapsed(),
    });
    Ok(())
}

/// What comes behind the first pass.
async fn finish(
    shared: &Arc<Shared>,
    step: usize,
    stages: &[watch::Sender<Stage>],
) -> Result<(), EngineError> {
    let plan = &shared.plan.steps[step];
    let again = !plan.second_pass_after.is_empty();
    if !again {
        // Before others build on its records.
        reconcile::run(shared, step).await?;
    }
    stages[step].send_replace(Stage::FirstPassEnded);
    if again {
        wait_for(stages, plan.second_pass_after.iter(), Stage::FirstPassEnded).await?;
        second_pass::run(shared, step).await?;
        reconcile::run(shared, step).await?;
    }
    checks::tell_rows(shared, step);
    if !plan.checks.is_empty() {
        handover::set(shared, step, StepStage::FirstPassEnded).await?;
    }
    let (store, book) = (Arc::clone(&shared.store), shared.books[step].step);
    blocking(move || store.end_step(book)).await
}

async fn wait_for(
    stages: &[watch::Sender<Stage>],
    steps: impl Iterator<Item = &usize>,
    least: Stage,
) -> Result<(), EngineError> {
    for step in steps {
        let mut watched = stages[*step].subscribe();
        let stage = watched.wait_for(|stage| *stage >= least).await;
        if stage.as_deref().map_or(true, |stage| *stage == Stage::Failed) {
            return Err(EngineError::Interrupted);
        }
    }
    Ok(())
}
