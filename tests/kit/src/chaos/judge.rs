//! Joins what all processes wrote down, and hands it to the oracles.

use std::collections::BTreeMap;

use super::fleet;
use super::play::{Report, Settings};
use crate::sim::history::{CallId, Note, Records, RunId, Stamp, Whose};
use crate::sim::oracle::Digest;
use crate::sim::{Evidence, Findings, Sighting, Sometimes, workload};

/// By how many per cent the times of two processes may differ in what they mean: one clock, but a process may be held up
/// between what it does and what it notes.
const CLOCK_PERCENT: u64 = 6;

/// Judges a run by what was heard.
pub(super) fn judge(
    settings: &Settings,
    heard: fleet::Evidence,
    digests: Vec<Digest>,
    (genesis_ms, end_ms): (u64, u64),
) -> Report {
    let fleet::Evidence { notes, sightings, mut broken } = heard;
    let (records, sightings) = join(notes, sightings);
    let mut rules = workload::rules(CLOCK_PERCENT);
    (rules.end_slack_ms, rules.genesis_ms, rules.founders) =
        (settings.slack_ms, genesis_ms, settings.scenario.founders);
    let all = Evidence { records, sightings, excuses: Vec::new(), digests, end_ms, rules };
    let findings = look(&all);
    broken.extend(findings.faults.iter().map(ToString::to_string));
    let mut sometimes = Sometimes::default();
    sometimes.add(&all);
    let calls = &all.records.calls;
    let late = calls.iter().filter_map(|call| {
        let (at, _) = call.ends.first()?;
        let frozen = all.records.frozen_ms(&call.ask.host, call.begun.at_ms, at.at_ms);
        Some(at.at_ms.saturating_sub(call.deadline_ms() + frozen))
    });
    Report {
        seed: settings.scenario.seed,
        why_together: None,
        skipped: 0,
        sometimes,
        settled_ms: None,
        calls: (calls.len(), calls.iter().filter(|call| call.acknowledged().is_some()).count()),
        latest_ms: late.max().unwrap_or_default(),
        packets: None,
        story: all.tell(&findings),
        broken,
        findings,
    }
}

/// Judges what callers asked and what ran, and what nodes said of themselves, each without the other: in a process of several
/// threads a command may run a moment before its node has noted that the slot is open, or after it has noted that it is
/// closed, so the order between the two says nothing. What a node has said of a possible loss excuses calls all the same.
fn look(all: &Evidence) -> Findings {
    let calls = Evidence { sightings: Vec::new(), excuses: all.sightings.clone(), ..all.clone() };
    let fates = Records { fates: all.records.fates.clone(), ..Records::default() };
    let nodes = Evidence { records: fates, digests: Vec::new(), ..all.clone() };
    let mut findings = Findings::of(&calls);
    let other = Findings::of(&nodes);
    findings.faults.extend(other.faults);
    findings.undecided.extend(other.undecided);
    findings.faults.sort_by_key(|fault| fault.at);
    findings
}

/// One history out of all, in the order of the machine's clock, with numbers from 1.
fn join(notes: Vec<(Stamp, Note)>, sightings: Vec<Sighting>) -> (Records, Vec<Sighting>) {
    enum Line {
        Note(Note),
        Sighting(Sighting),
    }
    let notes = notes.into_iter().map(|(at, note)| (at, Line::Note(note)));
    let mut lines: Vec<(Stamp, Line)> =
        notes.chain(sightings.into_iter().map(|sighting| (sighting.at, Line::Sighting(sighting)))).collect();
    lines.sort_by_key(|(at, _)| *at);
    let times: Vec<Stamp> = lines.iter().map(|(at, _)| *at).collect();
    let mut names = Names::default();
    let (mut records, mut sightings) = (Records::default(), Vec::new());
    for (sequence, (at, line)) in (1..).zip(lines) {
        let at = Stamp { sequence, at_ms: at.at_ms };
        match line {
            // A moment that a process noted is where it lies among all that were.
            Line::Note(Note::Audited { place, since, number, effects }) => {
                let before = times.partition_point(|time| *time < since) as u64;
                let since = Stamp { sequence: before + 1, at_ms: since.at_ms };
                records.take(at, names.translate(Note::Audited { place, since, number, effects }));
            }
            Line::Note(note) => records.take(at, names.translate(note)),
            Line::Sighting(sighting) => sightings.push(Sighting { at, ..sighting }),
        }
    }
    (records, sightings)
}

/// What calls and runs are called in the joined history, by the names that their processes gave them.
#[derive(Default)]
struct Names {
    calls: BTreeMap<u64, u64>,
    runs: BTreeMap<u64, u64>,
}

impl Names {
    fn translate(&mut self, note: Note) -> Note {
        match note {
            Note::Asked { call, ask } => {
                let number = self.calls.len() as u64 + 1;
                self.calls.insert(call.0, number);
                Note::Asked { call: CallId(number), ask }
            }
            Note::Ended { call, outcome } => Note::Ended { call: self.call(call), outcome },
            Note::RunBegan { run, whose, host, epoch, attempt } => {
                let number = self.runs.len() as u64 + 1;
                self.runs.insert(run.0, number);
                let whose = match whose {
                    Whose::Call(call) => Whose::Call(self.call(call)),
                    Whose::Effect(effect) => Whose::Effect(effect),
                };
                Note::RunBegan { run: RunId(number), whose, host, epoch, attempt }
            }
            Note::RunEnded { run, ending } => {
                Note::RunEnded { run: RunId(self.runs.get(&run.0).copied().unwrap_or_default()), ending }
            }
            // An effect without a name of its own has that of its call.
            Note::Audited { place, since, number, effects } => {
                let effects = effects.iter().map(|effect| self.calls.get(effect).copied().unwrap_or(*effect));
                Note::Audited { place, since, number, effects: effects.collect() }
            }
            other => other,
        }
    }

    /// A call that nobody has asked is number 0, and an oddity.
    fn call(&self, call: CallId) -> CallId {
        CallId(self.calls.get(&call.0).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use registry_runtime::testing::context;

    use super::*;
    use crate::sim::Clock;
    use crate::sim::history::{Ask, History, Op, Outcome, Place, Reply};

    type Heard = Arc<Mutex<Vec<(Stamp, Note)>>>;

    /// A process whose notes end up in the list.
    fn process(number: u64, clock: &Clock, heard: &Heard) -> Arc<History> {
        let heard = Arc::clone(heard);
        let tell = Box::new(move |at, note| heard.lock().unwrap().push((at, note)));
        History::told_elsewhere(clock.clone(), number << 40, tell)
    }

    fn ask(client: u32, effect: Option<u64>) -> Ask {
        let place = Place { registry: workload::NAMES[0], key: 3 };
        Ask { host: "n1".into(), client, place, op: Op::Add(5), effect, timeout_ms: 500 }
    }

    #[test]
    fn the_two_sides_of_a_call_meet_though_they_were_noted_apart() {
        let (clock, heard) = (Clock::new(), Heard::default());
        let (caller, owner) = (process(1, &clock, &heard), process(2, &clock, &heard));
        let plain = caller.begin(ask(1, None));
        let cx = context().key(3).state(Arc::clone(&owner));
        History::running(&cx, plain.0).returned();
        caller.end(plain, Outcome::Ok { reply: Reply::Number(5), ran: None });
        let repeated = [caller.begin(ask(1, Some(90))), owner.begin(ask(2, Some(90)))];
        History::running_effect(&cx, 90).returned();
        owner.audit(ask(1, None).place, Stamp::default(), Some(10), vec![plain.0, 90]);

        let mut notes = std::mem::take(&mut *heard.lock().unwrap());
        notes.reverse();
        let (records, _) = join(notes, Vec::new());
        assert_eq!(records.calls.iter().map(|call| call.id.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(records.calls[0].acknowledged().is_some() && repeated[0] != repeated[1]);
        assert_eq!(records.runs.iter().map(|run| run.call.0).collect::<Vec<_>>(), [1, 2]);
        assert!(records.runs.iter().all(|run| run.ended.is_some()));
        assert_eq!(records.audits[0].effects, [1, 90]);
        assert!(records.oddities.is_empty(), "{records}");
    }

    #[test]
    fn what_nobody_called_is_odd() {
        let (clock, heard) = (Clock::new(), Heard::default());
        let cx = context().key(3).state(process(2, &clock, &heard));
        History::running(&cx, 77).returned();
        let (records, _) = join(std::mem::take(&mut *heard.lock().unwrap()), Vec::new());
        assert_eq!(records.oddities.len(), 1);
    }
}
