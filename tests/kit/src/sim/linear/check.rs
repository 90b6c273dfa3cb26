//! The search for an order.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use super::model::Model;

/// One operation as its caller saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<O, R> {
    /// When it was called. All moments of a history are of one clock.
    pub begun: u64,
    /// When it was answered, and with what; `None` for one that may have taken effect at any time since, or never.
    pub ended: Option<(u64, R)>,
    /// What was asked.
    pub op: O,
}

/// How far the search may go.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// How many configurations it may look at.
    pub steps: u64,
    /// How many it may remember; each takes about a hundred bytes.
    pub remembered: usize,
}

impl Default for Budget {
    /// A few seconds and a few hundred megabytes at the very most: a sound history of thousands of entries takes a
    /// thousandth of that.
    fn default() -> Self {
        Self { steps: 2_000_000, remembered: 2_000_000 }
    }
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is none.
    Violation(Witness),
    /// The budget was used up.
    Undecided {
        /// How many configurations were looked at.
        steps: u64,
    },
}

/// How far the best attempt at an order came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// How many answered entries it explains.
    pub explained: usize,
    /// How many there are.
    pub answered: usize,
    /// The state that it led to.
    pub state: String,
    /// The answered entries that could come next, as places in the history; none of their answers fits, now or after any
    /// pending one.
    pub next: Vec<usize>,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { explained, answered, state, .. } = self;
        write!(
            f,
            "{explained} of {answered} answers can be put in order, up to the state {state}; none of the next fits"
        )
    }
}

/// Looks for an order of the entries in which every answer is the model's, no entry comes before one that had ended when it
/// began, and each pending entry comes at most once.
pub fn check<M: Model>(history: &[Entry<M::Op, M::Reply>], budget: Budget) -> Verdict {
    Search::<M>::new(history).run(budget)
}

/// Which entries were taken, and the state that they led to.
#[derive(Clone)]
struct Configuration<S> {
    reached: Reached<S>,
    /// The pending entries that were taken, in order.
    pending: Vec<usize>,
}

/// Which answered entries were taken, and the state.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reached<S> {
    /// All answered entries before this place were taken...
    front: usize,
    /// ...and these beyond it, in order. As few as callers overlap.
    ahead: Vec<usize>,
    state: S,
}

impl<S> Configuration<S> {
    fn explained(&self) -> usize {
        self.reached.front + self.reached.ahead.len()
    }
}

/// What was looked at already.
///
/// Whoever has come to the same state by the same answered entries with fewer pending ones can do all that one with more can,
/// so what has spent more is not looked at: a step beyond Lowe's memory, which histories with many lost answers need.
struct Memory<S> {
    spent: HashMap<Reached<S>, Vec<Vec<usize>>>,
    remembered: usize,
}

impl<S: Clone + Eq + Hash> Memory<S> {
    /// Whether the configuration is worth a look.
    fn is_new(&mut self, configuration: &Configuration<S>) -> bool {
        let spent = self.spent.entry(configuration.reached.clone()).or_default();
        let is_part = |part: &Vec<usize>, of: &Vec<usize>| part.iter().all(|index| of.binary_search(index).is_ok());
        if spent.iter().any(|less| is_part(less, &configuration.pending)) {
            return false;
        }
        self.remembered += 1;
        spent.push(configuration.pending.clone());
        true
    }
}

struct Search<'a, M: Model> {
    history: &'a [Entry<M::Op, M::Reply>],
    /// Places of the answered entries, in the order of their begins.
    answered: Vec<usize>,
    /// Places of the pending entries, in the order of their begins.
    pending: Vec<usize>,
    /// For each pending entry the one before it that asks the same.
    twin: Vec<Option<usize>>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(history: &'a [Entry<M::Op, M::Reply>]) -> Self {
        let mut places: Vec<usize> = (0..history.len()).collect();
        places.sort_by_key(|place| history[*place].begun);
        let (answered, pending): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|place| history[*place].ended.is_some());
        let twin_of =
            |index: usize| (0..index).rev().find(|other| history[pending[*other]].op == history[pending[index]].op);
        let twin = (0..pending.len()).map(twin_of).collect();
        Self { history, answered, pending, twin }
    }

    fn run(&self, budget: Budget) -> Verdict {
        let reached = Reached { front: 0, ahead: Vec::new(), state: M::first() };
        let first = Configuration { reached, pending: Vec::new() };
        let mut memory = Memory { spent: HashMap::new(), remembered: 0 };
        let mut best = first.clone();
        // Each level keeps the configurations that are still to be tried there, the most promising last.
        let mut levels = vec![vec![first]];
        let mut steps = 0;
        while let Some(level) = levels.last_mut() {
            let Some(configuration) = level.pop() else {
                levels.pop();
                continue;
            };
            if configuration.explained() == self.answered.len() {
                return Verdict::Linearizable;
            }
            if !memory.is_new(&configuration) {
                continue;
            }
            steps += 1;
            if steps > budget.steps || memory.remembered > budget.remembered {
                return Verdict::Undecided { steps };
            }
            let mut next = self.successors(&configuration);
            next.reverse();
            levels.push(next);
            if configuration.explained() > best.explained() {
                best = configuration;
            }
        }
        Verdict::Violation(self.witness(&best))
    }

    /// What can come next, the most promising first: answered entries by their ends, then pending ones, which a sound history
    /// seldom needs.
    fn successors(&self, from: &Configuration<M::State>) -> Vec<Configuration<M::State>> {
        let mut fits = Vec::new();
        let minimal = self.minimal(from);
        for index in &minimal.answered {
            let (_, entry) = self.at(*index);
            let (state, reply) = M::apply(&from.reached.state, &entry.op);
            if entry.ended.as_ref().is_none_or(|(_, heard)| *heard != reply) {
                continue;
            }
            let next = take(from, *index, state);
            if M::only_looked(&entry.op, &reply) {
                // It fits here and would change nothing anywhere else: if there is an order, there is one with it in front.
                return vec![next];
            }
            fits.push(next);
        }
        for index in 0..self.pending.len() {
            let entry = &self.history[self.pending[index]];
            if entry.begun > minimal.earliest_end {
                break;
            }
            // Of pending entries that ask the same, the earlier does whatever a later one could do.
            let twin_is_open = self.twin[index].is_some_and(|twin| from.pending.binary_search(&twin).is_err());
            let Err(place) = from.pending.binary_search(&index) else { continue };
            let (state, _) = M::apply(&from.reached.state, &entry.op);
            if !twin_is_open && state != from.reached.state {
                let mut next = from.clone();
                next.reached.state = state;
                next.pending.insert(place, index);
                fits.push(next);
            }
        }
        fits
    }

    /// The entries that nothing untaken must precede.
    fn minimal(&self, from: &Configuration<M::State>) -> Minimal {
        let mut earliest_end = u64::MAX;
        let mut open: Vec<(u64, usize)> = Vec::new();
        for index in from.reached.front..self.answered.len() {
            let (end, entry) = self.at(index);
            if entry.begun > earliest_end {
                break;
            }
            if from.reached.ahead.binary_search(&index).is_err() {
                earliest_end = earliest_end.min(end);
                open.push((end, index));
            }
        }
        open.retain(|(_, index)| self.at(*index).1.begun <= earliest_end);
        open.sort_unstable();
        Minimal { earliest_end, answered: open.into_iter().map(|(_, index)| index).collect() }
    }

    /// An answered entry and its end.
    fn at(&self, index: usize) -> (u64, &Entry<M::Op, M::Reply>) {
        let entry = &self.history[self.answered[index]];
        (entry.ended.as_ref().map_or(u64::MAX, |(end, _)| *end), entry)
    }

    fn witness(&self, best: &Configuration<M::State>) -> Witness {
        let next = self.minimal(best).answered.into_iter().map(|index| self.answered[index]).collect();
        let state = format!("{:?}", best.reached.state);
        Witness { explained: best.explained(), answered: self.answered.len(), state, next }
    }
}

struct Minimal {
    /// What begins later than this must come after the entry that ends then.
    earliest_end: u64,
    /// Answered ones, by their ends.
    answered: Vec<usize>,
}

/// The configuration after an answered entry.
fn take<S: Clone>(from: &Configuration<S>, index: usize, state: S) -> Configuration<S> {
    let mut next = from.clone();
    let Reached { front, ahead, .. } = &mut next.reached;
    if let Err(place) = ahead.binary_search(&index) {
        ahead.insert(place, index);
    }
    let closed = ahead.iter().zip(*front..).take_while(|(taken, place)| *taken == place).count();
    *front += closed;
    ahead.drain(..closed);
    next.reached.state = state;
    next
}
