//! The hosts of a scenario: who lives, who calls there, and whom the cluster can spare.

use std::sync::Arc;

use super::super::history::Fate;
use super::super::tally::Client;
use super::super::{Caller, dice};
use super::{CALLERS, CLIENTS, CLIENTS_MAX, Play};

/// How long a process must have lived to count as whole again after a crash or a departure: what it held is elsewhere by then.
const WHOLE_MS: u64 = 3000;

impl Play<'_> {
    pub(super) fn all_hosts(&self) -> Vec<u16> {
        self.world.hosts().iter().map(|host| host.number()).collect()
    }

    pub(super) fn start(&mut self, number: u16) {
        if self.world.host(number).is_up() {
            return;
        }
        self.world.start(number);
        self.born_ms.insert(number, self.world.now_ms());
        self.note(number, Fate::Up);
        for place in 1..=if self.scenario.tiny { CLIENTS_MAX } else { CLIENTS } {
            let client = self.client(number, place);
            self.world.host(number).spawn(client.run(Arc::clone(&self.stop)));
        }
        for place in 1..=CALLERS {
            let caller = self.caller(number, place);
            self.world.host(number).spawn(caller.run(self.workloads.clone(), Arc::clone(&self.stop)));
        }
    }

    /// A caller that carries out the workloads.
    pub(super) fn caller(&self, number: u16, place: u32) -> Caller {
        let host = self.world.host(number);
        let caller = host.lives() * 10 + CLIENTS_MAX + place;
        let Some(node) = host.node() else { panic!("nobody lives on n{number}") };
        let rng = dice(self.scenario.seed, "caller", u64::from(number) << 32 | u64::from(caller));
        Caller::new(node.clone(), caller, rng, &self.history)
    }

    pub(super) fn client(&self, number: u16, place: u32) -> Client {
        let host = self.world.host(number);
        let client = host.lives() * 10 + place;
        let Some(node) = host.node() else { panic!("nobody lives on n{number}") };
        Client {
            node: node.clone(),
            number: client,
            narrow: self.scenario.tiny && place > 0,
            rng: dice(self.scenario.seed, "client", u64::from(number) << 32 | u64::from(client)),
            history: Arc::clone(&self.history),
        }
    }

    pub(super) fn crash(&mut self, number: u16) {
        if self.world.host(number).is_up() && self.can_spare(number) {
            self.world.crash(number);
            self.note(number, Fate::Crashed);
        }
    }

    pub(super) fn leave(&mut self, number: u16) {
        let host = self.world.host(number);
        if host.is_up() && !host.is_frozen() && !host.is_leaving() && self.can_spare(number) {
            self.world.leave(number);
            self.note(number, Fate::Leaving);
        }
    }

    pub(super) fn thaw(&mut self, number: u16) {
        if self.world.host(number).is_frozen() {
            self.world.thaw(number);
            self.note(number, Fate::Thawed);
        }
    }

    /// Whether the founders can spare another: without a disk nobody promises anything once a majority has lost its memory.
    fn can_spare(&self, number: u16) -> bool {
        let now = self.world.now_ms();
        let whole = |host: &u16| {
            let is_old = self.born_ms.get(host).is_some_and(|born_ms| now >= born_ms + WHOLE_MS);
            let place = self.world.host(*host);
            *host != number && place.is_up() && !place.is_leaving() && (is_old || place.lives() == 1)
        };
        let left = (1..=self.scenario.founders).filter(whole).count();
        let spared = left > usize::from(self.scenario.founders) / 2;
        if !spared {
            self.trace.say(format!("n{number} cannot be spared now"));
        }
        spared
    }

    pub(super) fn note(&self, number: u16, fate: Fate) {
        self.history.host(self.world.host(number).name(), fate);
    }
}
