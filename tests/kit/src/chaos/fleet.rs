//! The node processes of a run: started, killed, frozen, asked, and listened to.

use std::collections::BTreeMap;
use std::time::Duration;

use registry_runtime::Node;
use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::clock::machine_time;
use super::ground::Ground;
use super::janitor::Janitor;
use super::process::{Heard, Process};
use super::seat::Seat;
use super::word::{Hosts, Order, Recipe, Tempo, Word, name};
use super::{ChaosError, clock};
use crate::builder;
use crate::sim::history::{Fate, Note, Stamp};
use crate::sim::oracle::Digest;
use crate::sim::{Clock, Sighting};

/// How long a process may take until it listens, on a machine that is busy with others.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a process may take to end when it is killed or let go.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long a process may take to say what it believes, before it is asked anew.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How often the fleet is asked what it believes while it settles.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The node processes of a run.
pub(super) struct Fleet {
    pub(super) clock: Clock,
    pub(super) ground: Ground,
    pub(super) heard: Evidence,
    pub(super) seats: BTreeMap<u16, Seat>,
    origin: Duration,
    made_of: Ingredients,
    rounds: u64,
    mouth: UnboundedSender<Heard>,
    ears: UnboundedReceiver<Heard>,
    // The last to go: what the others leave behind is for the janitor.
    janitor: Janitor,
}

/// What all processes of a fleet are made from.
#[derive(Clone, Debug)]
pub(super) struct Ingredients {
    pub(super) seed: u64,
    pub(super) tempo: Tempo,
    /// The first so many hosts stand in everybody's join list.
    pub(super) founders: u16,
    /// So many hosts are there altogether.
    pub(super) hosts: u16,
    pub(super) registries: Hosts,
}

/// What was heard of the fleet.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) notes: Vec<(Stamp, Note)>,
    pub(super) sightings: Vec<Sighting>,
    /// What no fault explains.
    pub(super) broken: Vec<String>,
}

impl Fleet {
    /// Prepares a fleet without processes; and says why, if there are no namespaces for it though they were wanted.
    pub(super) async fn prepare(made_of: Ingredients, apart: bool) -> Result<(Self, Option<String>), ChaosError> {
        let origin = machine_time();
        let clock = clock::since(origin);
        let mut janitor = Janitor::start()?;
        let (ground, why_not) = match apart {
            false => (Ground::together(made_of.hosts), None),
            true => match Ground::apart(made_of.hosts, made_of.seed, &clock, &mut janitor).await? {
                Ok(ground) => (ground, None),
                Err(why) => (Ground::together(made_of.hosts), Some(why)),
            },
        };
        let (mouth, ears) = unbounded_channel();
        let seats = (1..=made_of.hosts).map(|host| (host, Seat::default())).collect();
        let heard = Evidence::default();
        Ok((Self { clock, ground, heard, seats, origin, made_of, rounds: 0, mouth, ears, janitor }, why_not))
    }

    /// Starts a process on a host where none lives. It is ready some time later.
    pub(super) async fn start(&mut self, host: u16) -> Result<(), ChaosError> {
        let Ingredients { seed, tempo, founders, ref registries, .. } = self.made_of;
        let seat = self.seats.entry(host).or_default();
        if seat.is_up() {
            return Ok(());
        }
        seat.lives += 1;
        let recipe = Recipe {
            host,
            life: seat.lives,
            listen: self.ground.address(host),
            join: (1..=founders).map(|founder| self.ground.address(founder)).collect(),
            tempo,
            seed,
            origin: self.origin,
            hosts: registries.clone(),
        };
        self.note(host, Fate::Up);
        let process = Process::start(&recipe, &self.ground, self.mouth.clone()).await?;
        self.janitor.process(process.pid()).await?;
        let born_ms = self.clock.now_ms();
        self.seat(host).moves_in(process, born_ms);
        Ok(())
    }

    /// Starts a process on each of the founders' hosts, and waits until all are ready.
    pub(super) async fn found(&mut self) -> Result<(), ChaosError> {
        for host in 1..=self.made_of.founders {
            self.start(host).await?;
        }
        for host in 1..=self.made_of.founders {
            self.ready(host).await?;
        }
        Ok(())
    }

    /// A node in this process that only calls.
    pub(super) async fn caller(&self, id: &str) -> Result<Node, ChaosError> {
        let Ingredients { tempo, founders, .. } = self.made_of;
        let join: Vec<_> = (1..=founders).map(|host| self.ground.address(host)).collect();
        let caller = builder(id).timing(tempo.timing()).client_only().join(join).start().await;
        caller.map_err(ChaosError::Caller)
    }

    /// Waits until a process is ready.
    pub(super) async fn ready(&mut self, host: u16) -> Result<(), ChaosError> {
        let what = format!("{} is ready", name(host));
        self.until(START_LIMIT, &what, |fleet| fleet.seats[&host].is_ready || !fleet.seats[&host].is_up()).await
    }

    /// Kills a process, and waits until it is gone.
    pub(super) async fn kill(&mut self, host: u16) -> Result<(), ChaosError> {
        self.signal(host, Signal::KILL)?;
        self.seat(host).end = Some(Fate::Crashed);
        self.gone(host).await
    }

    /// Stops a process where it stands.
    pub(super) fn freeze(&mut self, host: u16) -> Result<(), ChaosError> {
        // Noted first, for what is frozen may be excused and what is not may not.
        self.note(host, Fate::Frozen);
        self.seat(host).is_frozen = true;
        self.signal(host, Signal::STOP)
    }

    /// Lets a frozen process go on.
    pub(super) fn thaw(&mut self, host: u16) -> Result<(), ChaosError> {
        if !std::mem::take(&mut self.seat(host).is_frozen) {
            return Ok(());
        }
        self.signal(host, Signal::CONT)?;
        self.note(host, Fate::Thawed);
        Ok(())
    }

    /// Has a process leave the cluster. It is gone some time later.
    pub(super) async fn leave(&mut self, host: u16) {
        self.seat(host).end = Some(Fate::Left);
        self.note(host, Fate::Leaving);
        self.order(host, &Order::Leave).await;
    }

    /// Waits until a process is gone that was told to end.
    pub(super) async fn gone(&mut self, host: u16) -> Result<(), ChaosError> {
        self.until(END_LIMIT, &format!("{} is gone", name(host)), |fleet| !fleet.seats[&host].is_up()).await
    }

    /// Tells a process to do something.
    pub(super) async fn order(&mut self, host: u16, order: &Order) {
        if let Some(process) = &mut self.seat(host).process {
            process.order(order).await;
        }
    }

    /// Asks all processes that live what they believe until they agree, know all of themselves to be up, and have an owner
    /// for every slot.
    ///
    /// # Errors
    ///
    /// What was missing last.
    pub(super) async fn settled(&mut self, limit: Duration) -> Result<Result<Vec<Digest>, String>, ChaosError> {
        let until = Instant::now() + limit;
        loop {
            let missing = match self.beliefs().await? {
                Ok(digests) => match unsettled(&digests) {
                    None => return Ok(Ok(digests)),
                    Some(missing) => missing,
                },
                Err(silent) => silent,
            };
            if Instant::now() >= until {
                return Ok(Err(missing));
            }
            self.listen(Instant::now() + LOOK_AGAIN).await?;
        }
    }

    async fn beliefs(&mut self) -> Result<Result<Vec<Digest>, String>, ChaosError> {
        self.rounds += 1;
        let round = self.rounds;
        let asked: Vec<u16> = self.up().collect();
        for host in &asked {
            self.order(*host, &Order::Tell { round }).await;
        }
        let answer = |fleet: &Self, host: &u16| match &fleet.seats[host].believes {
            Some((asked, digest)) if *asked == round => Some(digest.clone()),
            _ => None,
        };
        let until = Instant::now() + ANSWER_LIMIT;
        while Instant::now() < until && asked.iter().any(|host| answer(self, host).is_none()) {
            self.hear_one(until).await?;
        }
        let answers = asked.iter().map(|host| answer(self, host).ok_or_else(|| format!("{} is silent", name(*host))));
        Ok(answers.collect())
    }

    /// The hosts on which a process lives.
    pub(super) fn up(&self) -> impl Iterator<Item = u16> {
        self.seats.iter().filter(|(_, seat)| seat.is_up()).map(|(host, _)| *host)
    }

    /// Listens until the condition holds.
    ///
    /// # Errors
    ///
    /// When it does not within the limit.
    pub(super) async fn until(
        &mut self,
        limit: Duration,
        what: &str,
        condition: impl Fn(&Self) -> bool,
    ) -> Result<(), ChaosError> {
        let until = Instant::now() + limit;
        while !condition(self) {
            if Instant::now() >= until {
                return Err(ChaosError::TooLate(what.to_owned(), limit));
            }
            self.hear_one(until).await?;
        }
        Ok(())
    }

    /// Listens until a moment.
    pub(super) async fn listen(&mut self, until: Instant) -> Result<(), ChaosError> {
        while Instant::now() < until {
            self.hear_one(until).await?;
        }
        Ok(())
    }

    /// Takes in the next thing that is heard, if there is one before a moment.
    async fn hear_one(&mut self, until: Instant) -> Result<(), ChaosError> {
        let Ok(Some(Heard { host, word })) = timeout_at(until, self.ears.recv()).await else { return Ok(()) };
        let Some(word) = word else { return self.mourn(host).await };
        let seat = self.seats.entry(host).or_default();
        match word {
            Word::Ready => seat.is_ready = true,
            Word::Noted { at, note } => self.heard.notes.push((at, note)),
            Word::Sighted(sighting) => self.heard.sightings.push(sighting),
            Word::Rested => seat.is_rested = true,
            Word::Believes { round, digest } => seat.believes = Some((round, digest)),
            Word::Audited(outcome) => seat.audited = Some(outcome),
            Word::Panicked(what) => self.heard.broken.push(format!("a task of {} panicked: {what}", name(host))),
        }
        Ok(())
    }

    /// A process has said its last word.
    async fn mourn(&mut self, host: u16) -> Result<(), ChaosError> {
        let seat = self.seat(host);
        let (Some(process), end) = (seat.process.take(), seat.end.take()) else { return Ok(()) };
        let pid = process.pid();
        let status = process.end().await?;
        self.janitor.ended(pid).await?;
        self.note(host, end.unwrap_or(Fate::Crashed));
        if end.is_none() {
            self.heard.broken.push(format!("the process {} ended by itself: {status}", name(host)));
        }
        Ok(())
    }

    /// Lets all processes end, and cleans up.
    pub(super) async fn finish(mut self) -> Result<Evidence, ChaosError> {
        let hosts: Vec<u16> = self.up().collect();
        for host in &hosts {
            self.thaw(*host)?;
            let seat = self.seat(*host);
            seat.end = Some(Fate::Left);
            if let Some(process) = &mut seat.process {
                process.let_go();
            }
        }
        for host in hosts {
            self.gone(host).await?;
        }
        let Self { heard, janitor, .. } = self;
        janitor.finish().await;
        Ok(heard)
    }

    fn note(&mut self, host: u16, fate: Fate) {
        self.heard.notes.push((self.clock.stamp(), Note::Fate { host: name(host).into(), fate }));
    }

    fn signal(&mut self, host: u16, signal: Signal) -> Result<(), ChaosError> {
        self.seat(host).process.as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    pub(super) fn seat(&mut self, host: u16) -> &mut Seat {
        self.seats.entry(host).or_default()
    }
}

/// What keeps processes that believe this from being one cluster.
fn unsettled(digests: &[Digest]) -> Option<String> {
    let first = digests.first()?;
    for digest in digests {
        if digest.view != first.view || digest.slots != first.slots {
            return Some(format!("{} and {} believe different things", first.node, digest.node));
        }
        let is_up = |line: &str| line.starts_with(&format!("{} ", digest.node)) && line.ends_with(" Up");
        if !first.view.lines().any(is_up) {
            return Some(format!("{} does not see {} up", first.node, digest.node));
        }
    }
    let unowned = first.slots.lines().find(|line| line.contains("nobody") || line.contains("None"));
    unowned.map(|line| format!("a slot has no owner: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_settled_when_all_agree_and_nothing_is_missing() {
        let digest = |node: &str, view: &str, slots: &str| Digest {
            node: node.to_owned(),
            view: view.to_owned(),
            slots: slots.to_owned(),
        };
        let view = "n1 4 Up\nn2 5 Up";
        let table = [
            (vec![digest("n1", view, "a: n1"), digest("n2", view, "a: n1")], true),
            (vec![digest("n1", view, "a: n1"), digest("n2", view, "a: n2")], false),
            (vec![digest("n1", "n1 4 Up", "a: n1"), digest("n2", "n1 4 Up", "a: n1")], false),
            (vec![digest("n1", view, "a: nobody"), digest("n2", view, "a: nobody")], false),
        ];
        for (digests, settled) in table {
            assert_eq!(unsettled(&digests).is_none(), settled, "{digests:?}");
        }
    }
}
