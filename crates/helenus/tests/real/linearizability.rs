//! Whether what clients saw of a register can be explained by one order of its operations.
//!
//! The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with Lowe's memory of the states that led
//! nowhere: an operation may come next when none of those left ended before it began. An operation whose outcome is unknown may
//! have happened at any time after it began, or never. Histories of different keys are checked one by one: linearizability
//! is local.

use std::collections::HashSet;

/// What a client did, and what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A read that saw this value.
    Read(i32),
    /// If the value is the first, it becomes the second; it was.
    Swapped(i32, i32),
    /// It was not: the value seen stands last.
    Refused(i32, i32),
    /// If the value is the first, it becomes the second; nobody knows whether it was.
    Unknown(i32, i32),
}

/// An operation with the times of its call and of its answer; `None` when there was no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) operation: Operation,
    pub(crate) called: u64,
    pub(crate) answered: Option<u64>,
}

impl Operation {
    /// The value after it, if it may happen while the value is `value`.
    fn apply(self, value: i32) -> Option<i32> {
        match self {
            Self::Read(seen) => (seen == value).then_some(value),
            Self::Swapped(expected, new) => (expected == value).then_some(new),
            Self::Refused(expected, seen) => (expected != value && seen == value).then_some(value),
            // Where it has no effect it need not have happened.
            Self::Unknown(expected, new) => (expected == value).then_some(new),
        }
    }
}

/// Whether the history of a register that began with `initial` has an order.
pub(crate) fn is_linearizable(initial: i32, history: &[Event]) -> bool {
    let mut events = history.to_vec();
    events.sort_by_key(|event| event.called);
    let mut search = Search {
        seen: HashSet::new(),
        left: events,
    };
    search.goes_on(initial)
}

struct Search {
    /// Operations not yet put in order, by the time of their call.
    left: Vec<Event>,
    /// What was left and the value, where the search has been already.
    seen: HashSet<(Vec<u64>, i32)>,
}

impl Search {
    fn goes_on(&mut self, value: i32) -> bool {
        // Those without an answer need not have happened.
        let Some(first_answer) = self.left.iter().filter_map(|event| event.answered).min() else {
            return true;
        };
        let calls = self.left.iter().map(|event| event.called).collect();
        if !self.seen.insert((calls, value)) {
            return false;
        }
        let candidates = self.left.partition_point(|event| event.called <= first_answer);
        for index in 0..candidates {
            let event = self.left[index];
            let Some(next) = event.operation.apply(value) else {
                continue;
            };
            self.left.remove(index);
            if self.goes_on(next) {
                return true;
            }
            self.left.insert(index, event);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Operation::{Read, Refused, Swapped, Unknown};
    use super::*;

    fn history(events: &[(Operation, u64, u64)]) -> Vec<Event> {
        let event = |(operation, called, answered)| Event {
            operation,
            called,
            answered: (answered != 0).then_some(answered),
        };
        events.iter().copied().map(event).collect()
    }

    #[test]
    fn one_client_after_the_other_is_linearizable() {
        let events = history(&[
            (Read(0), 1, 2),
            (Swapped(0, 7), 3, 4),
            (Read(7), 5, 6),
            (Refused(0, 7), 7, 8),
        ]);
        assert!(is_linearizable(0, &events));
        assert!(!is_linearizable(1, &events));
    }

    #[test]
    fn a_read_that_sees_an_old_value_is_not() {
        let events = history(&[(Swapped(0, 7), 1, 2), (Read(0), 3, 4)]);
        assert!(!is_linearizable(0, &events));
        // Unless both were under way at once.
        assert!(is_linearizable(
            0,
            &history(&[(Swapped(0, 7), 1, 5), (Read(0), 2, 4)])
        ));
    }

    #[test]
    fn two_winners_of_one_race_are_not() {
        let events = history(&[(Swapped(0, 1), 1, 9), (Swapped(0, 2), 2, 8)]);
        assert!(!is_linearizable(0, &events));
        let events = history(&[(Swapped(0, 1), 1, 9), (Refused(0, 1), 2, 8)]);
        assert!(is_linearizable(0, &events));
    }

    #[test]
    fn a_value_that_goes_back_is_not() {
        let events = history(&[(Swapped(0, 1), 1, 10), (Read(1), 2, 3), (Read(0), 4, 5)]);
        assert!(!is_linearizable(0, &events));
        let events = history(&[(Swapped(0, 1), 1, 10), (Read(0), 2, 3), (Read(1), 4, 5)]);
        assert!(is_linearizable(0, &events));
    }

    #[test]
    fn what_is_unknown_may_have_happened_late_or_never() {
        let unknown = (Unknown(0, 1), 1, 0);
        assert!(is_linearizable(0, &history(&[unknown, (Read(0), 2, 3)])));
        assert!(is_linearizable(0, &history(&[unknown, (Read(1), 2, 3)])));
        assert!(is_linearizable(
            0,
            &history(&[unknown, (Read(0), 2, 3), (Read(1), 4, 5)])
        ));
        assert!(!is_linearizable(
            0,
            &history(&[unknown, (Read(1), 2, 3), (Read(0), 4, 5)])
        ));
        // Nor does it happen before it is called.
        assert!(!is_linearizable(
            0,
            &history(&[(Unknown(0, 1), 3, 0), (Read(1), 1, 2)])
        ));
    }

    #[test]
    fn refusals_name_the_value_that_was_there() {
        assert!(!is_linearizable(0, &history(&[(Refused(0, 5), 1, 2)])));
        assert!(!is_linearizable(5, &history(&[(Refused(5, 5), 1, 2)])));
        assert!(is_linearizable(5, &history(&[(Refused(0, 5), 1, 2)])));
    }

    #[test]
    fn a_long_history_with_much_at_once_is_checked_in_time() {
        // Each round: five clients race for the next value, one of them is not answered.
        let mut events = Vec::new();
        for round in 0..200 {
            let (value, time) = (round, u64::try_from(round).unwrap() * 100 + 1);
            events.push((Swapped(value, value + 1), time, time + 50));
            for loser in 1..4 {
                events.push((Refused(value, value + 1), time + loser, time + 60 - loser));
            }
            events.push((Unknown(value - 1, 100_000), time + 5, 0));
        }
        assert!(is_linearizable(0, &history(&events)));
        events.push((Read(150), 1_000_000, 1_000_001));
        assert!(!is_linearizable(0, &history(&events)));
    }
}
