//! What an org file says about time and limits.

use schemars::JsonSchema;
use serde::Deserialize;

/// The org's clock. Without it the org lives in real time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockSpec {
    /// The time when the org is started, `2026-01-05T08:00:00Z`; without it the real time.
    #[serde(default)]
    pub start: Option<String>,
    /// Seconds of the org in a real second.
    #[serde(default = "real_time")]
    pub speed: f64,
    /// Whether the clock stands still until it is moved at run time.
    #[serde(default)]
    pub frozen: bool,
}

fn real_time() -> f64 {
    1.0
}

impl Default for ClockSpec {
    fn default() -> Self {
        ClockSpec {
            start: None,
            speed: real_time(),
            frozen: false,
        }
    }
}
