//! What is to be done when: an agenda in milliseconds, and the one scenario that is not drawn from a seed.

use std::collections::{BTreeMap, BTreeSet};

use registry_runtime::Timing;
use registry_runtime::testing::Rules;

use crate::sim::network::{Way, Weather};
use crate::sim::plan::Planned;
use crate::sim::{Fault, Scenario};

/// What is to be done, by time and number.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    steps: BTreeMap<(u64, u64), Step>,
    taken: u64,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The fault with this number begins.
    Begin(usize),
    /// These ways are mended.
    Mend(BTreeSet<Way>),
    /// The weather on these ways clears.
    Clear(BTreeSet<Way>),
    /// A frozen process goes on.
    Thaw(u16),
    /// A process starts.
    Start(u16),
    /// A process is killed.
    Kill(u16),
    /// A node leaves.
    Leave(u16),
}

impl Agenda {
    /// The agenda of a scenario.
    pub(super) fn of(scenario: &Scenario) -> Self {
        let mut agenda = Self::default();
        for (number, planned) in scenario.faults.iter().enumerate() {
            agenda.at(planned.at_ms, Step::Begin(number));
        }
        agenda
    }

    /// Adds something.
    pub(super) fn at(&mut self, at_ms: u64, step: Step) {
        self.taken += 1;
        self.steps.insert((at_ms, self.taken), step);
    }

    /// Takes out what is due.
    pub(super) fn due(&mut self, now_ms: u64) -> Option<Step> {
        let first = self.steps.first_entry().filter(|first| first.key().0 <= now_ms)?;
        Some(first.remove())
    }

    /// When the next thing is due.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.steps.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }
}

/// Five processes that meet one trouble of each kind within some seconds: what the gate plays.
pub fn smoke() -> Scenario {
    let storm = Weather { loss: 200, duplication: 100, reordering: 100, delay_ms: (2, 30), ..Weather::FAIR };
    // The least that QUIC asks of a path: whatever is larger vanishes.
    let black_hole = Weather { mtu: 1200, ..Weather::FAIR };
    let faults = [
        (500, 3_000, Fault::Crash { host: 2 }),
        (4_000, 2_500, Fault::Freeze { host: 4 }),
        (7_000, 2_000, Fault::Storm { host: None, weather: storm }),
        (9_500, 2_500, Fault::OneWay { from: BTreeSet::from([5]) }),
        (10_000, 1_500, Fault::Storm { host: Some(1), weather: black_hole }),
    ];
    Scenario {
        seed: 0,
        founders: 5,
        timing: ("fast", Timing::fast()),
        climate: Weather::FAIR,
        rates: Vec::new(),
        tiny: false,
        quiet: false,
        safety_ms: 12_500,
        faults: faults.map(|(at_ms, for_ms, fault)| Planned { at_ms, for_ms, fault }).into(),
        rules: Rules::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_done_in_their_order() {
        let mut agenda = Agenda::of(&smoke());
        agenda.at(500, Step::Start(1));
        assert_eq!(agenda.due(499), None);
        assert_eq!(agenda.due(500), Some(Step::Begin(0)));
        assert_eq!(agenda.due(500), Some(Step::Start(1)));
        assert_eq!((agenda.due(500), agenda.next_ms()), (None, Some(4_000)));
    }
}
