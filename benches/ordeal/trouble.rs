//! What happens to a run.

use serde_json::{Value, json};

use super::shape::{Api, Shape};

/// What goes wrong in a round, besides results and rows that come in no order: they always do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The engine is killed with -9, and killed again while it resumes.
    Kill,
    /// Connections are closed before a request is looked at, after it was done, and in the middle of an answer.
    Cut,
    /// The org is not there at times: 503 and 502.
    Unavailable,
    /// A twentieth of the rows is locked the first time.
    Locks,
    /// Tokens end early and often.
    Tokens,
    /// Bulk jobs fail after some rows; a query job fails.
    FailedJobs,
    /// Bulk jobs are aborted by somebody else.
    AbortedJobs,
    /// A Bulk job stands still for a while.
    HangingJob,
    /// A Bulk job stands still until the user gives up, with two Ctrl-C.
    HungJob,
    /// The target ends and is started again, its tokens forgotten.
    Restart,
    /// The engine is killed while connections are cut.
    KillAndCut,
    /// The engine is killed while the target is started again, too.
    KillAndRestart,
}

/// All but [`Trouble::Kill`].
pub(crate) const FAULTS: &[Trouble] = &[
    Trouble::Cut,
    Trouble::Unavailable,
    Trouble::Locks,
    Trouble::Tokens,
    Trouble::FailedJobs,
    Trouble::AbortedJobs,
    Trouble::HangingJob,
    Trouble::HungJob,
    Trouble::Restart,
    Trouble::KillAndCut,
    Trouble::KillAndRestart,
];

impl Trouble {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Trouble::Kill => "kill",
            Trouble::Cut => "cut connections",
            Trouble::Unavailable => "503 and 502",
            Trouble::Locks => "locked rows",
            Trouble::Tokens => "expired tokens",
            Trouble::FailedJobs => "failed jobs",
            Trouble::AbortedJobs => "aborted jobs",
            Trouble::HangingJob => "hanging job",
            Trouble::HungJob => "hung job, Ctrl-C",
            Trouble::Restart => "target restarts",
            Trouble::KillAndCut => "kill, cut connections",
            Trouble::KillAndRestart => "kill, target restarts",
        }
    }

    /// Whether it can happen to a shape.
    pub(crate) fn suits(self, shape: Shape) -> bool {
        match self {
            Trouble::FailedJobs | Trouble::AbortedJobs | Trouble::HangingJob | Trouble::HungJob => {
                shape.api() == Api::Bulk
            }
            _ => true,
        }
    }

    pub(super) fn kills(self) -> bool {
        matches!(
            self,
            Trouble::Kill | Trouble::KillAndCut | Trouble::KillAndRestart
        )
    }

    pub(super) fn restarts(self) -> bool {
        matches!(self, Trouble::Restart | Trouble::KillAndRestart)
    }

    /// Whether it explains that a row is parked.
    pub(super) fn explains(self, code: &str) -> bool {
        matches!(self, Trouble::FailedJobs | Trouble::AbortedJobs)
            && matches!(code, "job_failed" | "not_processed" | "waits_for_parent")
    }

    /// The faults of the source and of the target.
    pub(super) fn faults(self) -> [Vec<Value>; 2] {
        let share = |share: &str, then: Value| json!({ "share": share, "then": then });
        match self {
            Trouble::Cut | Trouble::KillAndCut => {
                let cuts = ["drop_connection", "drop_answer", "truncate_body"];
                let cuts = cuts.map(|cut| share("4%", json!(cut))).to_vec();
                [cuts.clone(), cuts]
            }
            Trouble::Unavailable => {
                let refusals = [("8%", "server_unavailable"), ("3%", "bad_gateway")];
                let refusals = refusals.map(|(part, word)| share(part, json!({ "refuse": word })));
                [refusals.to_vec(), refusals.to_vec()]
            }
            Trouble::Locks => {
                let locks = ["Account", "Contact"]
                    .map(|object| json!({ "then": { "lock_rows": { "object": object, "share": "5%" } } }));
                [Vec::new(), locks.to_vec()]
            }
            Trouble::Tokens => {
                let expire = vec![json!({ "every": 7, "then": "expire_token" })];
                [expire.clone(), expire]
            }
            Trouble::FailedJobs => {
                let fail = |object: &str, times: u64, after: u64, queries: bool| {
                    let message = "InternalServerError : the job stopped";
                    json!({ "times": times, "then": { "fail_job": {
                        "object": object, "message": message, "after_rows": after, "queries": queries } } })
                };
                [
                    vec![fail("Contact", 1, 0, true)],
                    vec![fail("Account", 1, 9, false), fail("Contact", 2, 0, false)],
                ]
            }
            Trouble::AbortedJobs => {
                let abort =
                    |object: &str| json!({ "times": 1, "then": { "abort_job": { "object": object } } });
                [Vec::new(), vec![abort("Account"), abort("Contact")]]
            }
            Trouble::Kill
            | Trouble::HangingJob
            | Trouble::HungJob
            | Trouble::Restart
            | Trouble::KillAndRestart => [Vec::new(), Vec::new()],
        }
    }
}
