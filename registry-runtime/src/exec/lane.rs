//! What is kept of one key: its committed state, and who may change it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::control::Control;

/// What is kept of one key. An idle one costs its entry in the map and nothing more.
#[derive(Debug)]
pub(super) struct Lane<R> {
    /// The committed state; `None` while an absent instance is being made.
    pub(super) state: Option<Arc<R>>,
    holder: Turn,
    /// Those that wait, in order of arrival.
    #[expect(clippy::box_collection, reason = "the box keeps idle lanes small; almost all lanes are idle")]
    line: Option<Box<VecDeque<Waiter>>>,
}

/// Tells the commands of one slot apart; they count up, so a line is sorted by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

#[derive(Debug)]
struct Waiter {
    turn: Turn,
    control: Arc<Control>,
}

impl Turn {
    /// Nobody's.
    const NOBODY: Self = Self(0);

    /// The turn after this one.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl<R> Lane<R> {
    /// Of an instance that is not there, held by nobody.
    pub(super) fn new() -> Self {
        Self { state: None, holder: Turn::NOBODY, line: None }
    }

    pub(super) fn is_free(&self) -> bool {
        self.holder == Turn::NOBODY
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_none() && self.is_free()
    }

    pub(super) fn is_held_by(&self, turn: Turn) -> bool {
        self.holder == turn
    }

    /// Holds the lane, which must be free.
    pub(super) fn take(&mut self, turn: Turn) {
        debug_assert!(self.is_free(), "a lane was taken from its holder");
        self.holder = turn;
    }

    /// Stands in line.
    pub(super) fn line_up(&mut self, turn: Turn, control: Arc<Control>) {
        self.line.get_or_insert_default().push_back(Waiter { turn, control });
    }

    /// Lets go of the lane, or of a stand in its line.
    pub(super) fn leave(&mut self, turn: Turn) {
        if self.holder != turn {
            if let Some(line) = &mut self.line
                && let Ok(at) = line.binary_search_by_key(&turn, |waiter| waiter.turn)
            {
                line.remove(at);
            }
            return;
        }
        while let Some(waiter) = self.line.as_mut().and_then(|line| line.pop_front()) {
            if waiter.control.grant_turn() {
                self.holder = waiter.turn;
                return;
            }
        }
        self.holder = Turn::NOBODY;
        self.line = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Arc<Control> {
        Arc::new(Control::queued())
    }

    #[test]
    fn goes_from_hand_to_hand_in_order_of_arrival() {
        let turns: Vec<Turn> = (1..=4).map(Turn).collect();
        let controls: Vec<_> = turns.iter().map(|_| waiting()).collect();
        let mut lane = Lane::<()>::new();
        lane.take(turns[0]);
        for at in 1..4 {
            lane.line_up(turns[at], Arc::clone(&controls[at]));
        }
        lane.leave(turns[2]);
        lane.leave(turns[0]);
        assert!(lane.is_held_by(turns[1]));
        lane.leave(turns[1]);
        assert!(lane.is_held_by(turns[3]), "the third left the line");
        lane.leave(turns[3]);
        assert!(lane.is_free() && lane.is_empty() && lane.line.is_none());
    }

    #[test]
    fn passes_by_those_that_were_stopped() {
        let (stopped, next) = (waiting(), waiting());
        let mut lane = Lane::<()>::new();
        lane.take(Turn(1));
        lane.line_up(Turn(2), Arc::clone(&stopped));
        lane.line_up(Turn(3), next);
        stopped.stop_moved();
        lane.leave(Turn(1));
        assert!(lane.is_held_by(Turn(3)));
        lane.leave(Turn(2));
        assert!(lane.is_held_by(Turn(3)), "a late goodbye changes nothing");
    }

    #[test]
    fn an_idle_lane_is_three_words() {
        assert_eq!(size_of::<Lane<[u8; 64]>>(), 24);
    }
}
