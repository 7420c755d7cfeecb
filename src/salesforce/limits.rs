use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::Value as Json;

/// Calls of the last 24 hours, as an answer's `Sforce-Limit-Info` tells. An estimate: the org counts with delay, and
/// the number goes down as well as up between two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    /// Calls made.
    pub used: u32,
    /// Calls allowed.
    pub max: u32,
}

impl ApiUsage {
    /// Reads `api-usage=18/15000` and what may follow it.
    pub fn parse(header: &str) -> Option<Self> {
        let usage = header
            .split(';')
            .find_map(|part| part.trim().strip_prefix("api-usage="))?;
        let (used, max) = usage.split_once('/')?;
        Some(ApiUsage {
            used: used.trim().parse().ok()?,
            max: max.trim().parse().ok()?,
        })
    }

    /// Calls left.
    pub fn remaining(&self) -> u32 {
        self.max.saturating_sub(self.used)
    }
}

/// The latest [`ApiUsage`], shared by all requests of a client.
#[derive(Debug, Default)]
pub(super) struct UsageCell(AtomicU64);

impl UsageCell {
    pub(super) fn set(&self, usage: ApiUsage) {
        self.0.store(
            u64::from(usage.used) << 32 | u64::from(usage.max),
            Ordering::Relaxed,
        );
    }

    pub(super) fn get(&self) -> Option<ApiUsage> {
        let both = self.0.load(Ordering::Relaxed);
        let max = u32::try_from(both & u64::from(u32::MAX)).ok()?;
        let used = u32::try_from(both >> 32).ok()?;
        (max > 0).then_some(ApiUsage { used, max })
    }
}

/// One entry of `/limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What the org may use up.
    pub max: i64,
    /// What is left of it.
    pub remaining: i64,
}

/// Reads the answer of `/limits`: every entry at the top that has both numbers; what is nested below (per app, per
/// permission set) is left out.
pub(super) fn parse_limits(body: &[u8]) -> Result<BTreeMap<String, Limit>, serde_json::Error> {
    let all: BTreeMap<String, Json> = serde_json::from_slice(body)?;
    Ok(all
        .into_iter()
        .filter_map(|(name, entry)| {
            let limit = Limit {
                max: entry.get("Max")?.as_i64()?,
                remaining: entry.get("Remaining")?.as_i64()?,
            };
            Some((name, limit))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_headers() {
        for (header, expected) in [
            ("api-usage=18/15000", Some((18, 15000))),
            (
                "api-usage=25/5000000; per-app-api-usage=17/250(appName=my-app)",
                Some((25, 5_000_000)),
            ),
            ("per-app-api-usage=17/250(appName=x)", None),
            ("api-usage=many/15000", None),
            ("", None),
        ] {
            assert_eq!(
                ApiUsage::parse(header).map(|u| (u.used, u.max)),
                expected,
                "{header}"
            );
        }
        let cell = UsageCell::default();
        assert_eq!(cell.get(), None);
        let usage = ApiUsage {
            used: 133,
            max: 15000,
        };
        cell.set(usage);
        assert_eq!(cell.get(), Some(usage));
        assert_eq!(usage.remaining(), 14867);
    }

    #[test]
    fn limits_of_any_depth() {
        let body =
            br#"{"DailyApiRequests":{"Max":15000,"Remaining":14998,"Some App":{"Max":0,"Remaining":0}},
            "PermissionSets":{"Max":1500,"Remaining":1499,"CreateCustom":{"Max":1000,"Remaining":999}},
            "Odd":"x","DataStorageMB":{"Max":5,"Remaining":5}}"#;
        let limits = parse_limits(body).unwrap();
        assert_eq!(limits.len(), 3);
        assert_eq!(
            limits["DailyApiRequests"],
            Limit {
                max: 15000,
                remaining: 14998
            }
        );
    }
}
