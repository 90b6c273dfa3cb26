//! The faults of a scenario: when each begins and ends, and what it does.

use std::collections::BTreeSet;

use super::super::history::Fate;
use super::super::network::Way;
use super::super::plan::Fault;
use super::Play;

/// How long one node of a rolling restart is given before the next one's turn comes.
const ROLL_MS: u64 = 3500;

/// Something that is to be done at its time.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Begin(usize),
    Mend(BTreeSet<Way>),
    Clear(BTreeSet<Way>),
    Thaw(u16),
    Start(u16),
    Crash(u16),
    Leave(u16),
}

impl Play<'_> {
    pub(super) fn at(&mut self, at_ms: u64, step: Step) {
        self.steps += 1;
        self.agenda.insert((at_ms, self.steps), step);
    }

    fn later(&mut self, wait_ms: u64, step: Step) {
        self.at(self.world.now_ms() + wait_ms, step);
    }

    pub(super) fn do_what_is_due(&mut self) {
        let now = self.world.now_ms();
        while let Some(due) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
            match due.remove() {
                Step::Begin(number) => self.begin(number),
                Step::Mend(ways) => {
                    self.trace.say("a cut is mended");
                    self.world.network().mend(&ways);
                }
                Step::Clear(ways) => {
                    self.trace.say("a storm is over");
                    for way in ways {
                        self.world.network().clear_weather(way);
                    }
                }
                Step::Thaw(host) => self.thaw(host),
                Step::Start(host) => self.start(host),
                Step::Crash(host) => self.crash(host),
                Step::Leave(host) => self.leave(host),
            }
        }
    }

    fn begin(&mut self, number: usize) {
        let planned = &self.scenario.faults[number];
        let for_ms = planned.for_ms;
        self.trace.say(format!("for {for_ms} ms: {:?}", planned.fault));
        match &planned.fault {
            Fault::Split { side } => {
                let ways = self.ways(|from, to| side.contains(&from) != side.contains(&to));
                self.cut(ways, for_ms);
            }
            Fault::OneWay { from } => {
                let ways = self.ways(|sender, to| from.contains(&sender) && !from.contains(&to));
                self.cut(ways, for_ms);
            }
            Fault::Partial { one, other } => {
                let ways = self.ways(|from, to| (from, to) == (*one, *other) || (from, to) == (*other, *one));
                self.cut(ways, for_ms);
            }
            Fault::Storm { host, weather } => {
                let ways = self.ways(|from, to| host.is_none_or(|host| host == from || host == to));
                for way in &ways {
                    self.world.network().set_weather(*way, *weather);
                }
                self.later(for_ms, Step::Clear(ways));
            }
            Fault::Crash { host } => {
                self.crash(*host);
                self.later(for_ms, Step::Start(*host));
            }
            Fault::Freeze { host } => {
                if self.world.host(*host).is_up() && !self.world.host(*host).is_frozen() {
                    self.world.freeze(*host);
                    self.note(*host, Fate::Frozen);
                    self.later(for_ms, Step::Thaw(*host));
                }
            }
            Fault::Leave { host } => {
                self.leave(*host);
                self.later(for_ms, Step::Start(*host));
            }
            Fault::Join => {
                let host = self.world.add_host();
                self.start(host);
            }
            Fault::RollingRestart { graceful } => {
                for (turn, host) in self.all_hosts().into_iter().enumerate() {
                    let begin_ms = ROLL_MS * turn as u64;
                    self.later(begin_ms, if *graceful { Step::Leave(host) } else { Step::Crash(host) });
                    self.later(begin_ms + ROLL_MS / 3, Step::Start(host));
                }
            }
        }
    }

    fn cut(&mut self, ways: BTreeSet<Way>, for_ms: u64) {
        self.world.network().cut(&ways);
        self.later(for_ms, Step::Mend(ways));
    }

    fn ways(&self, among: impl Fn(u16, u16) -> bool) -> BTreeSet<Way> {
        let hosts = self.all_hosts();
        let pairs = hosts.iter().flat_map(|from| hosts.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to && among(*from, *to)).collect()
    }
}
