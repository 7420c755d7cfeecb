use std::{fmt, time::Duration};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::collections::AssignmentRule;

/// Which kind of Bulk API 2.0 job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Writes records.
    Ingest,
    /// Reads records.
    Query,
}

impl JobKind {
    /// Below `/services/data/vXX.0`.
    pub(super) fn path(self) -> &'static str {
        match self {
            JobKind::Ingest => "/jobs/ingest",
            JobKind::Query => "/jobs/query",
        }
    }
}

/// Where a job is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum JobState {
    /// Waits for its data.
    Open,
    /// Waits for its turn.
    UploadComplete,
    /// Works.
    InProgress,
    /// Done, though single rows may have failed.
    JobComplete,
    /// Ended by an error; what was done stays done.
    Failed,
    /// Ended by somebody.
    Aborted,
    /// A state that is newer than this program.
    #[serde(other)]
    Other,
}

impl JobState {
    /// Whether it stays as it is.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::JobComplete | JobState::Failed | JobState::Aborted)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an org says of a job. The short answers to a change of state leave most of it out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// The job's Id.
    pub id: CompactString,
    /// Where it is on its way.
    pub state: JobState,
    /// The object that it reads or writes.
    #[serde(default)]
    pub object: Option<CompactString>,
    /// `insert`, `upsert`, `query`, ...
    #[serde(default)]
    pub operation: Option<CompactString>,
    /// Where the data goes, as long as the job is open: a path without a slash at its start.
    #[serde(default)]
    pub content_url: Option<String>,
    /// Rows done so far, failed ones included. Absent before there are data.
    #[serde(default)]
    pub number_records_processed: Option<u64>,
    /// Rows of an ingest job that failed.
    #[serde(default)]
    pub number_records_failed: Option<u64>,
    /// Milliseconds of work.
    #[serde(default)]
    pub total_processing_time: Option<u64>,
    /// How often the org tried again by itself.
    #[serde(default)]
    pub retries: Option<u64>,
    /// Why it failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

/// What an ingest job does with its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngestOperation {
    /// Creates each.
    Insert,
    /// Changes each by its `Id` column.
    Update,
    /// Creates or changes each by the value of a column.
    Upsert {
        /// The column: an external id field, another that Salesforce looks up by, or `Id`.
        key: String,
    },
    /// Deletes each by its `Id` column, the only one.
    Delete,
    /// As delete, past the recycle bin. Needs a permission of its own.
    HardDelete,
}

impl IngestOperation {
    fn as_str(&self) -> &'static str {
        match self {
            IngestOperation::Insert => "insert",
            IngestOperation::Update => "update",
            IngestOperation::Upsert { .. } => "upsert",
            IngestOperation::Delete => "delete",
            IngestOperation::HardDelete => "hardDelete",
        }
    }
}

/// How lines of an uploaded CSV end. Line breaks inside cells have to be of the same kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnding {
    /// `\n`.
    #[default]
    Lf,
    /// `\r\n`.
    CrLf,
}

impl LineEnding {
    /// The characters.
    pub fn as_str(self) -> &'static str {
        match self {
            LineEnding::Lf => "\n",
            LineEnding::CrLf => "\r\n",
        }
    }
}

/// An ingest job to be created.
#[derive(Clone, Debug)]
pub struct IngestJob {
    /// The object to write.
    pub object: String,
    /// What to do with the rows.
    pub operation: IngestOperation,
    /// How the upload's lines end.
    pub line_ending: LineEnding,
    /// Which assignment rule runs. Bulk knows rules by Id only: [`AssignmentRule::Default`] counts as none.
    pub assignment_rule: AssignmentRule,
}

impl IngestJob {
    /// The body that creates it.
    pub(super) fn body(&self) -> Json {
        let mut body = Map::new();
        body.insert("object".into(), self.object.clone().into());
        body.insert("operation".into(), self.operation.as_str().into());
        if let IngestOperation::Upsert { key } = &self.operation {
            body.insert("externalIdFieldName".into(), key.clone().into());
        }
        body.insert("contentType".into(), "CSV".into());
        body.insert("columnDelimiter".into(), "COMMA".into());
        let ending = match self.line_ending {
            LineEnding::Lf => "LF",
            LineEnding::CrLf => "CRLF",
        };
        body.insert("lineEnding".into(), ending.into());
        if let AssignmentRule::Id(id) = &self.assignment_rule {
            body.insert("assignmentRuleId".into(), id.as_str().into());
        }
        body.into()
    }
}

/// The body that creates a query job.
pub(super) fn query_body(soql: &str, all: bool) -> Json {
    serde_json::json!({
        "operation": if all { "queryAll" } else { "query" },
        "query": soql,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    })
}

/// How long is waited before each look at a job: longer each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Poll {
    /// Before the first look.
    pub first: Duration,
    /// Before the second.
    pub step: Duration,
    /// From then on each wait is so many times the one before.
    pub factor: f64,
    /// The longest wait at first ...
    pub cap: Duration,
    /// ... until so much of what has been waited in all is longer ...
    pub share: f64,
    /// ... up to this.
    pub longest: Duration,
}

impl Poll {
    /// Soon at first, for small jobs are done in a moment; then less and less, for each look is a call: a job of an hour
    /// costs about a hundred. The end of a short one is seen late by some 30 ms or a third of its time, that of a long
    /// one by a tenth.
    pub const SOON: Poll = Poll {
        first: Duration::from_millis(40),
        step: Duration::from_millis(25),
        factor: 1.3,
        cap: Duration::from_secs(10),
        share: 0.1,
        longest: Duration::from_secs(60),
    };

    /// For a job that may have ended long ago.
    pub const AT_ONCE: Poll = Poll {
        first: Duration::ZERO,
        step: Duration::from_millis(25),
        ..Poll::SOON
    };

    /// For a job that is like one which took so long: the first look is some time before, for that one's end was not
    /// seen at once either.
    pub fn expecting(like: Duration) -> Poll {
        let first = like.mul_f64(0.75).clamp(Poll::SOON.first, Poll::SOON.longest);
        Poll {
            first,
            step: first
                .mul_f64(0.16)
                .clamp(Duration::from_millis(15), Poll::SOON.cap),
            factor: 1.3,
            ..Poll::SOON
        }
    }

    /// The waits, one after the other, without end.
    pub fn waits(self) -> impl Iterator<Item = Duration> {
        let mut next = Some(self.first);
        let mut after = self.step.min(self.cap);
        let mut waited = Duration::ZERO;
        std::iter::from_fn(move || {
            let wait = next.take().unwrap_or_else(|| {
                let wait = after.max(waited.mul_f64(self.share.max(0.0)).min(self.longest));
                after = after.mul_f64(self.factor.max(1.0)).min(self.cap);
                wait
            });
            waited = waited.saturating_add(wait);
            Some(wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_answers_of_every_length() {
        for (body, state, processed, failed) in [
            (
                r#"{"id":"750000000000001AAA","operation":"upsert","object":"Account","state":"Open",
                    "externalIdFieldName":"Ext__c","apiVersion":60.0,"concurrencyMode":"Parallel",
                    "contentUrl":"services/data/v60.0/jobs/ingest/750000000000001AAA/batches","lineEnding":"LF"}"#,
                JobState::Open,
                None,
                None,
            ),
            (
                r#"{"id":"750000000000001AAA","state":"UploadComplete"}"#,
                JobState::UploadComplete,
                None,
                None,
            ),
            (
                r#"{"id":"750000000000001AAA","state":"JobComplete","jobType":"V2Ingest","numberRecordsProcessed":3000,
                    "numberRecordsFailed":5,"retries":0,"totalProcessingTime":2411,"isPkChunkingSupported":false}"#,
                JobState::JobComplete,
                Some(3000),
                Some(5),
            ),
            (
                r#"{"id":"750000000000001AAA","state":"Failed","numberRecordsProcessed":0,"numberRecordsFailed":0,
                    "errorMessage":"InvalidBatch : Field name not found : Foo__c"}"#,
                JobState::Failed,
                Some(0),
                Some(0),
            ),
        ] {
            let info: JobInfo = serde_json::from_str(body).unwrap();
            assert_eq!(
                (
                    info.state,
                    info.number_records_processed,
                    info.number_records_failed
                ),
                (state, processed, failed)
            );
            assert_eq!(
                info.state.is_final(),
                matches!(state, JobState::JobComplete | JobState::Failed)
            );
        }
    }

    #[test]
    fn job_bodies() {
        let job = IngestJob {
            object: "Contact".into(),
            operation: IngestOperation::Upsert { key: "Ext__c".into() },
            line_ending: LineEnding::CrLf,
            assignment_rule: AssignmentRule::Id("01Q000000000001AAA".into()),
        };
        assert_eq!(
            job.body().to_string(),
            r#"{"object":"Contact","operation":"upsert","externalIdFieldName":"Ext__c","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"CRLF","assignmentRuleId":"01Q000000000001AAA"}"#
        );
        assert_eq!(
            query_body("SELECT Id FROM A", true).to_string(),
            r#"{"operation":"queryAll","query":"SELECT Id FROM A","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"LF"}"#
        );
    }

    #[test]
    fn waits_grow_to_the_cap() {
        let waits =
            |poll: Poll| -> Vec<u128> { poll.waits().take(30).map(|wait| wait.as_millis()).collect() };
        assert_eq!(&waits(Poll::SOON)[..4], [40, 25, 32, 42]);
        assert_eq!(waits(Poll::SOON)[24], 10_000);
        assert_eq!(&waits(Poll::AT_ONCE)[..3], [0, 25, 32]);
    }

    #[test]
    fn a_long_job_costs_few_calls() {
        for (seconds, most) in [(1, 11), (60, 27), (3600, 100), (4 * 3600, 280)] {
            let (looks, late) = watched(Poll::SOON, Duration::from_secs(seconds));
            assert!(looks <= most, "{seconds} s: {looks} looks");
            assert!(late <= Duration::from_secs(60), "{seconds} s: {late:?} late");
        }
    }

    #[test]
    fn a_job_like_the_one_before_is_seen_at_its_end() {
        for (like, takes) in [
            (90, 90),
            (90, 110),
            (2_000, 2_100),
            (2_000, 1_500),
            (50_000, 50_500),
        ] {
            let takes = Duration::from_millis(takes);
            let (looks, late) = watched(Poll::expecting(Duration::from_millis(like)), takes);
            assert!(looks <= 4, "like {like} ms, {takes:?}: {looks} looks");
            assert!(
                late <= takes.mul_f64(0.2),
                "like {like} ms, {takes:?}: {late:?} late"
            );
        }
        // The one before says little of this one.
        let (looks, late) = watched(
            Poll::expecting(Duration::from_millis(100)),
            Duration::from_secs(60),
        );
        assert!(
            looks <= 29 && late <= Duration::from_secs(10),
            "{looks} looks, {late:?} late"
        );
        let (looks, late) = watched(Poll::expecting(Duration::from_secs(3600)), Duration::from_secs(1));
        assert!(
            looks == 1 && late <= Duration::from_secs(60),
            "{looks} looks, {late:?} late"
        );
        assert_eq!(watched(Poll::AT_ONCE, Duration::ZERO), (1, Duration::ZERO));
    }

    /// The looks at a job that takes so long, and how late its end is seen.
    fn watched(poll: Poll, takes: Duration) -> (usize, Duration) {
        let mut waited = Duration::ZERO;
        let looks = poll.waits().position(|wait| {
            waited += wait;
            waited >= takes
        });
        (looks.map_or(0, |at| at + 1), waited - takes)
    }
}
