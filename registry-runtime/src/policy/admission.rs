//! Who of a registry's commands may run on a node, who waits, and who is sent away.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::spec::Spec;

/// The shortest advice: below this a caller's own way to the node costs as much as the wait.
pub(crate) const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);

/// The longest advice: a guess from past run times says nothing about what lies further ahead.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// The weight of one run in the moving average of run times is one in this many: eight runs make most of the figure, so it
/// follows a change of load within a few commands and is not thrown by a single one.
const AVERAGE_OVER: u64 = 8;

/// Counts a registry's commands on one node against its limits: who waits, in which order, and for how long about.
///
/// How many places to run are taken is counted by whoever calls, for a command that ends at once must not wait for this
/// count: `take` takes one, if one is free. `enter` and `enter_waiting` let a command in; `start` makes a waiting one run or
/// lines it up behind those that wait for the same; `next` hands a place to the first in line; `finish`, `give_up` and
/// `leave_line` let it out. `W` is whatever finds the waiting command again.
///
/// Whoever gives a place back must afterwards call `next` until it tells `None`, if anybody stands in line.
#[derive(Debug)]
pub(crate) struct Admission<W> {
    concurrency: u32,
    queue: u32,
    waiting: u32,
    /// Those of the waiting that need nothing more than a place to run, in order of arrival.
    line: BTreeMap<Ticket, W>,
    next_ticket: u64,
    average_ns: u64,
}

/// A place in the line of those that wait to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// How a command was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It runs now.
    Runs,
    /// It waits.
    Waits,
}

/// Both limits are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// When to try again.
    pub(crate) retry_after: Duration,
}

impl<W> Admission<W> {
    /// Nothing waits.
    pub(crate) fn new(spec: &Spec) -> Self {
        Self {
            concurrency: spec.concurrency.max(1),
            queue: spec.queue,
            waiting: 0,
            line: BTreeMap::new(),
            next_ticket: 0,
            average_ns: 0,
        }
    }

    /// Lets in a command that could run at once.
    pub(crate) fn enter(&mut self, take: impl FnOnce() -> bool) -> Result<Entry, Full> {
        // Nobody in line is overtaken.
        if self.line.is_empty() && take() {
            return Ok(Entry::Runs);
        }
        self.enter_waiting().map(|()| Entry::Waits)
    }

    /// Lets in a command that has to wait for something else first.
    pub(crate) fn enter_waiting(&mut self) -> Result<(), Full> {
        if self.waiting >= self.queue {
            return Err(Full { retry_after: self.retry_after() });
        }
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    /// Makes a waiting command run. `Some` when there is no place yet: it stands in line, and `next` will hand it one.
    pub(crate) fn start(&mut self, waiter: W, take: impl FnOnce() -> bool) -> Option<Ticket> {
        if self.line.is_empty() && take() {
            self.give_up();
            return None;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.line.insert(ticket, waiter);
        Some(ticket)
    }

    /// Hands a place to the first in line, who is given back to be told.
    pub(crate) fn next(&mut self, take: impl FnOnce() -> bool) -> Option<W> {
        if self.line.is_empty() || !take() {
            return None;
        }
        let (_, waiter) = self.line.pop_first()?;
        self.give_up();
        Some(waiter)
    }

    /// Lets out a command that ran for so long. Its place goes to the first in line, who is given back to be told; without
    /// one it is to be given back.
    pub(crate) fn finish(&mut self, ran: Duration) -> Option<W> {
        let ran_ns = u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX);
        self.average_ns = match self.average_ns {
            0 => ran_ns,
            average => (average - average / AVERAGE_OVER).saturating_add(ran_ns / AVERAGE_OVER),
        };
        self.next(|| true)
    }

    /// Lets out a waiting command that does not stand in line.
    pub(crate) fn give_up(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Lets out a command that stood in line. `false` when it has been handed a place already, which it must `finish`.
    pub(crate) fn leave_line(&mut self, ticket: Ticket) -> bool {
        let stood = self.line.remove(&ticket).is_some();
        if stood {
            self.give_up();
        }
        stood
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// How many of those that wait stand in line for a place to run.
    pub(crate) fn in_line(&self) -> u32 {
        u32::try_from(self.line.len()).unwrap_or(u32::MAX)
    }

    /// About how long those that wait now will take, within bounds.
    fn retry_after(&self) -> Duration {
        let ahead_ns = self.average_ns.saturating_mul(u64::from(self.waiting).saturating_add(1));
        let wait_ns = ahead_ns / u64::from(self.concurrency);
        Duration::from_nanos(wait_ns).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::spec::{Failover, LoadBalancing, OnPartition, Reads, Sharding};

    fn admission(concurrency: u32, queue: u32) -> Admission<&'static str> {
        Admission::new(&Spec {
            name: "test",
            sharding: Sharding::Singleton,
            load_balancing: LoadBalancing::LeastBusy,
            failover: Failover::AutoReassign,
            replicas: 3,
            reads: Reads::Owner,
            on_partition: OnPartition::PauseMinority,
            timeout: Duration::from_secs(5),
            idempotency_window: Duration::from_secs(600),
            queue,
            concurrency,
        })
    }

    /// Places to run, as many as it was made with.
    struct Places(Cell<u32>);

    impl Places {
        fn take(&self) -> bool {
            let free = self.0.get();
            self.0.set(free.saturating_sub(1));
            free > 0
        }

        fn give_back(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn runs_while_there_are_places_then_waits_up_to_queue_then_refuses() {
        let (mut door, places) = (admission(2, 1), Places(Cell::new(2)));
        assert_eq!(door.enter(|| places.take()), Ok(Entry::Runs));
        assert_eq!(door.enter(|| places.take()), Ok(Entry::Runs));
        assert_eq!(door.enter(|| places.take()), Ok(Entry::Waits));
        assert_eq!(door.enter(|| places.take()), Err(Full { retry_after: RETRY_AFTER_MIN }));
        assert_eq!((door.waiting(), door.in_line()), (1, 0));
    }

    #[test]
    fn places_are_handed_on_in_order_and_newcomers_do_not_overtake() {
        let (mut door, places) = (admission(1, 4), Places(Cell::new(1)));
        assert_eq!(door.enter(|| places.take()), Ok(Entry::Runs));
        for name in ["first", "second"] {
            assert_eq!(door.enter(|| places.take()), Ok(Entry::Waits));
            assert!(door.start(name, || places.take()).is_some());
        }
        assert_eq!(door.finish(Duration::ZERO), Some("first"));
        places.give_back();
        assert_eq!(door.enter(|| places.take()), Ok(Entry::Waits), "a free place belongs to the line");
        assert_eq!(door.next(|| places.take()), Some("second"));
        assert_eq!(door.next(|| places.take()), None);
        assert_eq!(door.finish(Duration::ZERO), None);
        assert_eq!((door.waiting(), door.in_line()), (1, 0));
        places.give_back();
        assert_eq!(door.start("third", || places.take()), None);
        assert_eq!(door.waiting(), 0);
    }

    #[test]
    fn nobody_is_handed_a_place_that_is_not_there() {
        let mut door = admission(1, 4);
        assert_eq!(door.enter(|| false), Ok(Entry::Waits));
        let ticket = door.start("only", || false).unwrap();
        assert_eq!(door.next(|| false), None);
        assert_eq!(door.in_line(), 1);
        assert!(door.leave_line(ticket));
        assert_eq!((door.waiting(), door.in_line()), (0, 0));
        assert_eq!(door.next(|| panic!("nobody wants a place")), None);
    }

    #[test]
    fn leaving_the_line_frees_the_wait_and_tells_when_it_was_too_late() {
        let mut door = admission(1, 2);
        assert_eq!(door.enter(|| true), Ok(Entry::Runs));
        assert_eq!(door.enter(|| false), Ok(Entry::Waits));
        let early = door.start("early", || false).unwrap();
        assert_eq!(door.enter(|| false), Ok(Entry::Waits));
        let late = door.start("late", || false).unwrap();
        assert!(door.leave_line(early));
        assert_eq!(door.waiting(), 1);
        assert_eq!(door.finish(Duration::ZERO), Some("late"));
        assert!(!door.leave_line(late), "it runs");
        assert_eq!(door.waiting(), 0);
    }

    #[test]
    fn advice_follows_run_times_within_bounds() {
        let mut door = admission(1, 1);
        let advice = |door: &mut Admission<_>| door.enter_waiting().map(|()| door.give_up()).err();
        assert_eq!(advice(&mut door), None);
        for (ran_ms, expected_ms) in [(1, 10), (100, 26), (100_000, 1000)] {
            assert_eq!(door.enter(|| true), Ok(Entry::Runs));
            door.finish(Duration::from_millis(ran_ms));
            door.enter_waiting().unwrap();
            let told = advice(&mut door).unwrap().retry_after.as_millis();
            assert_eq!(told, expected_ms, "after a run of {ran_ms} ms");
            door.give_up();
        }
    }
}
