//! What an org allows in a day and at a time, and what it tells of it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
    time::Instant,
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::emulator::{
    faults::{Refusal, lock},
    file::LimitsSpec,
};

/// What was used, and what may be.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) spec: LimitsSpec,
    daily_calls: u64,
    calls: Mutex<Day>,
    by_app: Mutex<HashMap<String, Day>>,
    batches: Mutex<Day>,
    query_jobs: Mutex<Day>,
    query_bytes: Mutex<Day>,
    /// When the requests of the data API that are under way began.
    under_way: Mutex<HashMap<u64, Instant>>,
}

/// Amounts of the last 24 hours, summed up by the minute.
#[derive(Debug, Default)]
struct Day {
    minutes: VecDeque<(i64, u64)>,
    sum: u64,
}

impl Day {
    fn add(&mut self, now: Timestamp, amount: u64) {
        let minute = now.as_second() / 60;
        self.sum += amount;
        match self.minutes.back_mut() {
            Some((last, n)) if *last == minute => *n += amount,
            _ => self.minutes.push_back((minute, amount)),
        }
    }

    fn used(&mut self, now: Timestamp) -> u64 {
        let oldest = now.as_second() / 60 - 24 * 60;
        while let Some((minute, n)) = self.minutes.front()
            && *minute <= oldest
        {
            self.sum -= n;
            self.minutes.pop_front();
        }
        self.sum
    }
}

/// Ends a request's time under way.
pub(super) struct UnderWay<'a> {
    limits: &'a Limits,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.limits.under_way).remove(&self.number);
    }
}

impl Limits {
    pub(super) fn new(spec: &LimitsSpec, daily_calls: u64, now: Timestamp) -> Self {
        let mut calls = Day::default();
        calls.add(now, spec.used_api_requests);
        Limits {
            spec: spec.clone(),
            daily_calls: spec.daily_api_requests.unwrap_or(daily_calls),
            calls: Mutex::new(calls),
            by_app: Mutex::default(),
            batches: Mutex::default(),
            query_jobs: Mutex::default(),
            query_bytes: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// Nothing was used yet, but for what the org file says.
    pub(super) fn restart(&self, now: Timestamp) {
        let mut calls = Day::default();
        calls.add(now, self.spec.used_api_requests);
        *lock(&self.calls) = calls;
        lock(&self.by_app).clear();
        for day in [&self.batches, &self.query_jobs, &self.query_bytes] {
            *lock(day) = Day::default();
        }
    }

    /// Counts a call through an app, unless the day's calls are used up.
    pub(super) fn take_call(&self, now: Timestamp, app: Option<&str>) -> Result<(), Refusal> {
        let mut calls = lock(&self.calls);
        if calls.used(now) >= self.daily_calls {
            return Err(Refusal::DailyLimit);
        }
        if let Some((app, most)) = self.app(app) {
            let mut by_app = lock(&self.by_app);
            let day = by_app.entry(app.to_owned()).or_default();
            if day.used(now) >= most {
                return Err(Refusal::DailyLimit);
            }
            day.add(now, 1);
        }
        calls.add(now, 1);
        Ok(())
    }

    fn app<'a>(&self, name: Option<&'a str>) -> Option<(&'a str, u64)> {
        let name = name?;
        self.spec
            .daily_api_requests_by_app
            .get(name)
            .map(|most| (name, *most))
    }

    /// The calls of the last 24 hours.
    pub(super) fn calls(&self, now: Timestamp) -> (u64, u64) {
        (lock(&self.calls).used(now), self.daily_calls)
    }

    /// `Sforce-Limit-Info`.
    pub(super) fn info(&self, now: Timestamp, app: Option<&str>) -> String {
        let (used, most) = self.calls(now);
        let mut text = format!("api-usage={used}/{most}");
        if let Some((app, most)) = self.app(app) {
            let used = lock(&self.by_app).get_mut(app).map_or(0, |day| day.used(now));
            text.push_str(&format!("; per-app-api-usage={used}/{most}(appName={app})"));
        }
        text
    }

    /// A request begins, unless too many long ones are under way.
    pub(super) fn begin(&self, number: u64) -> Result<UnderWay<'_>, Refusal> {
        let long = self.spec.long_request.get();
        let mut under_way = lock(&self.under_way);
        let running = under_way.values().filter(|begun| begun.elapsed() >= long).count();
        if running >= self.spec.concurrent_long_requests {
            return Err(Refusal::ConcurrentLimit);
        }
        under_way.insert(number, Instant::now());
        Ok(UnderWay { limits: self, number })
    }

    /// Whether an ingest job may be made.
    pub(super) fn batches_left(&self, now: Timestamp) -> bool {
        lock(&self.batches).used(now) < self.spec.daily_bulk_batches
    }

    /// Counts the batches of a job.
    pub(super) fn take_batches(&self, now: Timestamp, batches: u64) {
        lock(&self.batches).add(now, batches);
    }

    /// Counts a query job, unless the day's are used up.
    pub(super) fn take_query_job(&self, now: Timestamp) -> bool {
        let mut jobs = lock(&self.query_jobs);
        if jobs.used(now) >= self.spec.daily_bulk_query_jobs {
            return false;
        }
        jobs.add(now, 1);
        true
    }

    /// Counts the results of a query job.
    pub(super) fn take_query_bytes(&self, now: Timestamp, bytes: u64) {
        lock(&self.query_bytes).add(now, bytes);
    }

    /// The answer of `/limits`; `data` is the room that records take.
    pub(super) fn json(&self, now: Timestamp, data: u64, files: u64) -> Value {
        let entry = |max: u64, used: u64| json!({"Max": max, "Remaining": max.saturating_sub(used)});
        let mut all: BTreeMap<&str, Value> = ALLOWANCES
            .iter()
            .map(|(name, max)| (*name, entry(*max, 0)))
            .collect();
        let (used, most) = self.calls(now);
        all.insert("DailyApiRequests", entry(most, used));
        let used = lock(&self.batches).used(now);
        all.insert("DailyBulkApiBatches", entry(self.spec.daily_bulk_batches, used));
        let used = lock(&self.query_jobs).used(now);
        all.insert(
            "DailyBulkV2QueryJobs",
            entry(self.spec.daily_bulk_query_jobs, used),
        );
        let used = lock(&self.query_bytes).used(now) / 1_048_576;
        all.insert("DailyBulkV2QueryFileStorageMB", entry(976_562, used));
        let used = data.div_ceil(1_048_576);
        let most = self.spec.data_storage_mb.unwrap_or(1_048_576);
        all.insert("DataStorageMB", entry(most, used));
        all.insert(
            "FileStorageMB",
            entry(self.spec.file_storage_mb, files.div_ceil(1_048_576)),
        );
        all.insert(
            "PermissionSets",
            json!({"Max": 1_500, "Remaining": 1_491, "CreateCustom": {"Max": 1_000, "Remaining": 992}}),
        );
        let all: Map<String, Value> = all
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Value::Object(all)
    }
}

/// Allowances that nothing here uses up, as a recorded org tells them.
const ALLOWANCES: &[(&str, u64)] = &[
    ("AnalyticsExternalDataSizeMB", 40_960),
    ("BOZosCalloutHourlyLimit", 20_000),
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentEinsteinDataInsightsStoryCreation", 5),
    ("ConcurrentEinsteinDiscoveryStoryCreation", 2),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAnalyticsDataflowJobExecutions", 60),
    ("DailyAnalyticsUploadedFilesSizeMB", 51_200),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyDurableGenericStreamingApiEvents", 10_000),
    ("DailyDurableStreamingApiEvents", 10_000),
    ("DailyEinsteinDataInsightsStoryCreation", 1_000),
    ("DailyEinsteinDiscoveryPredictAPICalls", 50_000),
    ("DailyEinsteinDiscoveryPredictionsByCDC", 500_000),
    ("DailyEinsteinDiscoveryStoryCreation", 100),
    ("DailyFunctionsApiCallLimit", 50_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyStreamingApiEvents", 10_000),
    ("DailyWorkflowEmails", 195),
    ("DurableStreamingApiConcurrentClients", 20),
    ("HourlyAsyncReportRuns", 1_200),
    ("HourlyDashboardRefreshes", 200),
    ("HourlyDashboardResults", 5_000),
    ("HourlyDashboardStatuses", 999_999_999),
    ("HourlyLongTermIdMapping", 100_000),
    ("HourlyManagedContentPublicRequests", 50_000),
    ("HourlyODataCallout", 1_000),
    ("HourlyPublishedPlatformEvents", 50_000),
    ("HourlyPublishedStandardVolumePlatformEvents", 1_000),
    ("HourlyShortTermIdMapping", 100_000),
    ("HourlySyncReportRuns", 500),
    ("HourlyTimeBasedWorkflow", 50),
    ("MassEmail", 10),
    ("MonthlyEinsteinDiscoveryStoryCreation", 500),
    ("MonthlyPlatformEventsUsageEntitlement", 0),
    ("Package2VersionCreates", 6),
    ("Package2VersionCreatesWithoutValidation", 500),
    ("PrivateConnectOutboundCalloutHourlyLimitMB", 0),
    ("SingleEmail", 15),
    ("StreamingApiConcurrentClients", 20),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_rolls() {
        let at = |hours: i64| Timestamp::from_second(1_767_600_000 + hours * 3_600).expect("a time");
        let spec = LimitsSpec {
            daily_api_requests_by_app: [("Loader".to_owned(), 1)].into(),
            ..LimitsSpec::default()
        };
        let limits = Limits::new(&spec, 3, at(0));
        assert_eq!(limits.take_call(at(0), Some("Loader")), Ok(()));
        assert_eq!(limits.take_call(at(0), Some("Loader")), Err(Refusal::DailyLimit));
        assert_eq!(limits.take_call(at(12), None), Ok(()));
        assert_eq!(limits.take_call(at(12), None), Ok(()));
        assert_eq!(limits.take_call(at(23), None), Err(Refusal::DailyLimit));
        assert_eq!(
            limits.info(at(24), Some("Loader")),
            "api-usage=2/3; per-app-api-usage=0/1(appName=Loader)"
        );
        assert_eq!(limits.take_call(at(24), None), Ok(()));
        assert_eq!(
            limits.json(at(24), 3_000_000, 0)["DataStorageMB"]["Remaining"],
            1_048_573
        );
    }

    #[test]
    fn long_requests_are_few() {
        let spec = LimitsSpec {
            concurrent_long_requests: 1,
            long_request: crate::emulator::file::Span::from_millis(0),
            ..LimitsSpec::default()
        };
        let limits = Limits::new(&spec, 10, Timestamp::UNIX_EPOCH);
        let first = limits.begin(1).expect("the first");
        assert_eq!(limits.begin(2).map(drop), Err(Refusal::ConcurrentLimit));
        drop(first);
        assert!(limits.begin(3).is_ok());
    }
}
