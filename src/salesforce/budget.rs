//! What a run may use of the API calls that an org allows in a day.
//!
//! One budget serves all clients of an org. It counts their calls, and listens to what each answer tells of the calls
//! that are left, for others use the org too. A part of it is kept for calls that finish what is under way: an ingest
//! job that was handed over is waited for, and its results are read. Which calls those are the client knows; when a
//! budget is opened, and what a run does when it is used up, is the engine's to decide.

use std::sync::{Mutex, PoisonError};

use super::ApiUsage;

/// Of a budget, one call in so many is kept for finishing what is under way ...
const KEPT_SHARE: u64 = 5;
/// ... but no more than these: a few jobs, waited for and read.
const MOST_KEPT: u64 = 100;

/// The calls that a run may make to one org.
#[derive(Debug)]
pub struct CallBudget {
    allowed: u64,
    /// Of those, calls that only finish what is under way.
    kept: u64,
    /// What the org had left, and what it allows in a day, when the budget was opened.
    had: Option<(u64, u64)>,
    /// The org's calls that are left to others, whoever uses up the rest.
    floor: u64,
    count: Mutex<Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    used: u64,
    /// Of those, calls that were made before the budget was opened.
    before: u64,
    /// What others have used since then, by the answer that told the most. Answers overtake each other, and calls that
    /// are under way may or may not be in an org's count: they count as ours.
    others: u64,
    /// What the org has left by the latest answer.
    left: Option<u64>,
}

/// What is known of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetState {
    /// Calls that the run has made.
    pub used: u64,
    /// Calls that it may make.
    pub allowed: u64,
    /// What the org has left, where it tells.
    pub left: Option<u64>,
    /// What the org allows in a day, where it tells.
    pub max: Option<u64>,
    /// What the budget leaves to others.
    pub floor: u64,
    /// Whether it is what others have used that ends the run.
    pub by_others: bool,
}

impl CallBudget {
    /// A budget of `allowed` calls, `used` of which have been made. `had`: what the org had left then, and what it allows
    /// in a day. With `floor` calls left the org is not asked any more, whoever used the others.
    pub fn new(allowed: u64, used: u64, had: Option<(u64, u64)>, floor: u64) -> Self {
        CallBudget {
            allowed,
            kept: (allowed / KEPT_SHARE).min(MOST_KEPT),
            had,
            floor,
            count: Mutex::new(Count {
                used,
                before: used,
                others: 0,
                left: had.map(|(left, _)| left),
            }),
        }
    }

    /// How it stands.
    pub fn state(&self) -> BudgetState {
        self.state_of(&self.lock(), false)
    }

    /// What the org had left when the budget was opened, where it told.
    pub fn had_left(&self) -> Option<u64> {
        self.had.map(|(left, _)| left)
    }

    /// Calls that new work may still take.
    pub fn free(&self) -> u64 {
        let count = self.lock();
        (self.allowed - self.kept).saturating_sub(count.used)
    }

    /// Counts calls that were made before the budget was theirs to keep.
    pub fn add(&self, calls: u64) {
        let mut count = self.lock();
        count.used += calls;
        count.before += calls;
    }

    /// Takes a call out of it; `finishes` when it only finishes what is under way.
    pub(super) fn take(&self, finishes: bool) -> Result<(), BudgetState> {
        let kept = if finishes { 0 } else { self.kept };
        let mut count = self.lock();
        let own = count.used + kept < self.allowed;
        let others = self.had.is_none_or(|(had, _)| {
            let gone = count.used.saturating_sub(count.before) + count.others;
            gone + self.floor + kept < had
        });
        if !own || !others {
            return Err(self.state_of(&count, own));
        }
        count.used += 1;
        Ok(())
    }

    /// Hears what the org tells of its day.
    pub(super) fn hear(&self, usage: ApiUsage) {
        let left = u64::from(usage.remaining());
        let mut count = self.lock();
        count.left = Some(left);
        if let Some((had, _)) = self.had {
            let ours = had.saturating_sub(count.used.saturating_sub(count.before));
            count.others = count.others.max(ours.saturating_sub(left));
        }
    }

    fn state_of(&self, count: &Count, by_others: bool) -> BudgetState {
        BudgetState {
            used: count.used,
            allowed: self.allowed,
            left: count.left,
            max: self.had.map(|(_, max)| max),
            floor: self.floor,
            by_others,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(used: u32) -> ApiUsage {
        ApiUsage { used, max: 1000 }
    }

    #[test]
    fn new_work_leaves_calls_for_what_is_under_way() {
        let budget = CallBudget::new(20, 4, Some((900, 1000)), 0);
        assert_eq!(budget.free(), 12);
        for _ in 0..12 {
            budget.take(false).unwrap();
        }
        let refused = budget.take(false).unwrap_err();
        assert_eq!(
            (refused.used, refused.allowed, refused.by_others),
            (16, 20, false)
        );
        for _ in 0..4 {
            budget.take(true).unwrap();
        }
        assert!(budget.take(true).is_err(), "twenty are twenty");
        assert_eq!(budget.state().used, 20);
    }

    #[test]
    fn what_others_use_counts_too() {
        // 900 are left, 80% of them may be used: 180 stay.
        let budget = CallBudget::new(720, 0, Some((900, 1000)), 180);
        budget.take(false).unwrap();
        budget.hear(usage(700));
        // 300 are left; 180 stay, and 100 are kept to finish.
        budget.take(false).unwrap();
        budget.hear(usage(748));
        // An older answer, late.
        budget.hear(usage(700));
        let refused = budget.take(false).unwrap_err();
        assert!(refused.by_others, "{refused:?}");
        assert_eq!((refused.left, refused.floor), (Some(300), 180));
        budget.take(true).unwrap();
        budget.hear(usage(819));
        budget.take(true).unwrap();
        budget.hear(usage(820));
        assert!(budget.take(true).is_err(), "180 are left");
    }

    #[test]
    fn our_own_calls_are_not_taken_for_those_of_others() {
        let budget = CallBudget::new(24, 4, Some((20, 1000)), 0);
        for made in 1..=16 {
            budget.take(false).unwrap();
            budget.hear(usage(980 + made));
        }
        let refused = budget.take(false).unwrap_err();
        assert!(!refused.by_others, "{refused:?}");
        assert_eq!(refused.used, 20);
    }

    #[test]
    fn an_org_that_tells_nothing_is_counted_by_our_own_calls() {
        let budget = CallBudget::new(4, 0, None, 0);
        for _ in 0..4 {
            budget.take(false).unwrap();
        }
        assert!(budget.take(false).is_err());
        assert_eq!(budget.state().left, None);
    }
}
