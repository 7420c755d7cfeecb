//! The org's clock: the time that records, tokens, locators and jobs see.
//!
//! It is the real time unless the org file or the admin endpoint says otherwise: it can start elsewhere, run faster,
//! stand still, and be moved on, so that a test need not wait two days for a locator to expire.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use super::{faults::lock, file::ClockSpec, store::Cell};

/// A clock that may be set.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Hand>);

/// Where the clock was set last, and how it runs since.
#[derive(Clone, Copy, Debug)]
struct Hand {
    set: Instant,
    to: Timestamp,
    /// Seconds of the org in a second; 0 stands still.
    speed: f64,
}

impl Hand {
    fn read(&self) -> Timestamp {
        let passed = self.set.elapsed();
        // The usual clock must not lose a nanosecond to a multiplication.
        let passed = if self.speed == 1.0 {
            passed
        } else {
            Duration::try_from_secs_f64(passed.as_secs_f64() * self.speed).unwrap_or_default()
        };
        later(self.to, passed)
    }
}

/// The sum, or the end of time.
fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

impl Clock {
    /// The clock of an org file. `None` when its start is no point in time.
    pub(crate) fn new(spec: &ClockSpec) -> Option<Self> {
        let to = match &spec.start {
            Some(text) => text.parse().ok()?,
            None => Timestamp::now(),
        };
        Some(Clock(Mutex::new(Hand {
            set: Instant::now(),
            to,
            speed: if spec.frozen {
                0.0
            } else {
                spec.speed.clamp(0.0, 1e6)
            },
        })))
    }

    /// What time it is.
    pub(crate) fn read(&self) -> Timestamp {
        lock(&self.0).read()
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        let mut hand = lock(&self.0);
        *hand = Hand {
            set: Instant::now(),
            to: later(hand.read(), by),
            ..*hand
        };
    }

    /// Sets the clock; it runs on as it did.
    pub(crate) fn set(&self, to: Timestamp) {
        let mut hand = lock(&self.0);
        *hand = Hand {
            set: Instant::now(),
            to,
            ..*hand
        };
    }

    /// Becomes another clock.
    pub(crate) fn restart(&self, other: Clock) {
        *lock(&self.0) = *lock(&other.0);
    }

    /// How fast it runs: 1 is real time, 0 stands still.
    pub(crate) fn speed(&self) -> f64 {
        lock(&self.0).speed
    }

    /// Lets it run at a speed from now on.
    pub(crate) fn run(&self, speed: f64) {
        let mut hand = lock(&self.0);
        *hand = Hand {
            set: Instant::now(),
            to: hand.read(),
            speed: speed.clamp(0.0, 1e6),
        };
    }
}

/// A time in canonical form; whole seconds, as an org keeps them.
pub(crate) fn canonical(time: Timestamp) -> Cell {
    Cell::new(time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(spec: &str) -> Clock {
        Clock::new(&serde_yaml::from_str(spec).expect("a clock")).expect("a start")
    }

    #[test]
    fn a_frozen_clock_moves_when_it_is_told_to() {
        let clock = clock("{ start: 2026-01-05T08:00:00.7Z, frozen: true }");
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(canonical(clock.read()), "2026-01-05T08:00:00.000Z");
        clock.advance(Duration::from_secs(2 * 86_400));
        assert_eq!(canonical(clock.read()), "2026-01-07T08:00:00.000Z");
        clock.set("2027-01-01T00:00:00Z".parse().expect("a time"));
        assert_eq!(canonical(clock.read()), "2027-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_clock_may_run() {
        let clock = clock("{ start: 2026-01-05T08:00:00Z, speed: 100000 }");
        std::thread::sleep(Duration::from_millis(5));
        let gone = clock.read().as_second() - 1_767_600_000;
        assert!((500..500_000).contains(&gone), "{gone}");
        clock.run(0.0);
        let stopped = clock.read();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(clock.read(), stopped);
    }

    #[test]
    fn the_usual_clock_tells_the_real_time() {
        let clock = Clock::new(&ClockSpec::default()).expect("a clock");
        assert!((Timestamp::now().as_second() - clock.read().as_second()).abs() < 2);
        assert!(
            Clock::new(&ClockSpec {
                start: Some("soon".to_owned()),
                ..ClockSpec::default()
            })
            .is_none()
        );
    }
}
