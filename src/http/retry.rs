use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often a request is tried, and how long is waited in between: exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles from there.
    pub first: Duration,
    /// The longest wait at all.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 5,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

/// A server may ask for a longer wait than the cap, but not for an endless one.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// What an error means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A repetition cannot help, or could do harm.
    Stop,
    /// A repetition may help.
    Again {
        /// How long the server asks to wait.
        after: Option<Duration>,
        /// At most so many attempts in all, where this kind of error deserves fewer than others.
        most: Option<u32>,
    },
}

/// An error that knows whether a repetition can help.
pub trait Retryable {
    /// Stop, or try again.
    fn verdict(&self) -> Verdict;
}

impl Retry {
    /// No second attempt.
    pub const NEVER: Retry = Retry {
        attempts: 1,
        first: Duration::ZERO,
        cap: Duration::ZERO,
    };

    /// How long to wait after the `attempt`th failure (from 1), or `None` when that was the last one.
    pub fn wait(&self, attempt: u32, verdict: Verdict) -> Option<Duration> {
        let Verdict::Again { after, most } = verdict else {
            return None;
        };
        let attempts = most.map_or(self.attempts, |most| most.min(self.attempts));
        if attempt >= attempts {
            return None;
        }
        let jittered = self.pause(attempt);
        Some(match after {
            Some(asked) if asked > LONGEST_ASKED => return None,
            Some(asked) => asked.max(jittered),
            None => jittered,
        })
    }

    /// A wait after the `attempt`th failure, drawn by lot up to the longest possible one, so that those who failed
    /// together do not meet again.
    pub fn pause(&self, attempt: u32) -> Duration {
        self.ceiling(attempt).mul_f64(fastrand::f64())
    }

    /// The longest possible wait after the `attempt`th failure.
    fn ceiling(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }

    /// After the `attempt`th failure (from 1): waits and says true when another attempt is due, or says false at
    /// once.
    pub async fn again(&self, attempt: u32, error: &impl Retryable) -> bool {
        let Some(pause) = self.wait(attempt, error.verdict()) else {
            return false;
        };
        tracing::debug!(attempt, pause_ms = pause.as_millis() as u64, "trying again");
        tokio::time::sleep(pause).await;
        true
    }
}

/// What `Retry-After` asks for, in seconds or as a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = at.as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Verdict = Verdict::Again {
        after: None,
        most: None,
    };

    fn policy() -> Retry {
        Retry {
            attempts: 4,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(3),
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        assert_eq!([1, 2, 3, 30].map(|n| policy().ceiling(n).as_secs()), [1, 2, 3, 3]);
        for _ in 0..100 {
            assert!(policy().wait(1, AGAIN).unwrap() <= Duration::from_secs(1));
        }
        assert_eq!(policy().wait(4, AGAIN), None);
        assert_eq!(policy().wait(1, Verdict::Stop), None);
        let twice = Verdict::Again {
            after: None,
            most: Some(2),
        };
        assert!(policy().wait(1, twice).is_some());
        assert_eq!(policy().wait(2, twice), None);
    }

    #[test]
    fn jitter_is_spread_over_the_whole_wait() {
        let waits: Vec<_> = (0..200).map(|_| policy().wait(2, AGAIN).unwrap()).collect();
        assert!(waits.iter().any(|w| *w < Duration::from_millis(600)));
        assert!(waits.iter().any(|w| *w > Duration::from_millis(1400)));
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_hours() {
        let asked = |s| Verdict::Again {
            after: Some(Duration::from_secs(s)),
            most: None,
        };
        assert_eq!(policy().wait(1, asked(20)), Some(Duration::from_secs(20)));
        assert_eq!(policy().wait(1, asked(7200)), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let headers = |value: &str| {
            let mut map = HeaderMap::new();
            map.insert(RETRY_AFTER, value.parse().unwrap());
            map
        };
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2015 07:28:00 GMT")),
            Some(Duration::ZERO)
        );
        let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(90);
        let soon = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&soon)
            .unwrap();
        let wait = retry_after(&headers(&soon)).unwrap().as_secs();
        assert!((88..=90).contains(&wait), "{wait}");
        assert_eq!(retry_after(&headers("soon")), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
