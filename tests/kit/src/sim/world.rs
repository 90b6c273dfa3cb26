//! The world: hosts, the network between them, and one time for all, stepped by whole milliseconds.

use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use registry_runtime::testing::{Machine, Rules, unsettled};
use registry_runtime::{Identity, Node, NodeBuilder};
use tokio::task::JoinHandle;

use super::host::Host;
use super::network::{Network, address};
use super::{Clock, Trace, panics};

/// What the wall clocks show when the world begins: some day in 2026, in milliseconds since 1970.
pub(super) const GENESIS_MS: u64 = 1_780_000_000_000;

/// The receive buffer of a host: what the nodes ask a kernel for.
pub const INBOX_BYTES_MAX: usize = 4 << 20;

/// What every node of a world is made from: completes the builder of the host with this number.
pub type Recipe = Box<dyn Fn(u16, NodeBuilder) -> NodeBuilder>;

/// A whole world in one thread.
///
/// In each step the packets that are due arrive first; then the hosts run for a millisecond each, in the order of their numbers.
pub struct World {
    seed: u64,
    clock: Clock,
    trace: Trace,
    network: Network,
    recipe: Recipe,
    founders: u16,
    inbox_bytes_max: usize,
    rules: Rules,
    hosts: Vec<Host>,
    panics: Vec<String>,
}

impl World {
    /// A world without hosts. The first so many hosts stand in everybody's join list.
    pub fn new(seed: u64, clock: Clock, trace: Trace, founders: u16, recipe: Recipe) -> Self {
        panics::watch();
        let network = Network::new(seed, clock.clone(), trace.clone());
        Self {
            seed,
            clock,
            trace,
            network,
            recipe,
            founders,
            inbox_bytes_max: INBOX_BYTES_MAX,
            rules: Rules::ALL,
            hosts: Vec::new(),
            panics: Vec::new(),
        }
    }

    /// Gives the hosts to come a receive buffer of so many bytes.
    pub fn set_inbox_bytes_max(&mut self, bytes: usize) {
        self.inbox_bytes_max = bytes;
    }

    /// Lets the nodes to come keep these rules only.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The world's time.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The hosts in the order of their numbers; the first has number 1.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host with this number.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn host(&self, number: u16) -> &Host {
        &self.hosts[usize::from(number) - 1]
    }

    /// The nodes that live, frozen ones included.
    pub fn nodes(&self) -> Vec<Node> {
        self.hosts.iter().filter_map(Host::node).cloned().collect()
    }

    /// The panics so far.
    pub fn panics(&self) -> &[String] {
        &self.panics
    }

    /// Adds a host on which nobody lives yet, and tells its number.
    pub fn add_host(&mut self) -> u16 {
        let number = u16::try_from(self.hosts.len() + 1).unwrap();
        self.hosts.push(Host::new(number, self.network.clone(), self.inbox_bytes_max));
        number
    }

    /// Starts a node on a host, under the host's name and in a life of its own.
    pub fn start(&mut self, number: u16) {
        let life = u64::from(self.host(number).lives()) + 1;
        self.trace.say(format!("start n{number}, life {life}"));
        let (seed, born_ms, rules) = (self.seed, GENESIS_MS + self.clock.now_ms(), self.rules);
        let join: Vec<_> = (1..=self.founders).map(address).collect();
        let (recipe, host) = (&self.recipe, &mut self.hosts[usize::from(number) - 1]);
        self.trace.speaks(number);
        let name = host.name().to_owned();
        host.start(|socket| {
            let seed = life_seed(seed, number, life);
            let builder = Node::builder(name)
                .listen(address(number))
                .join(join)
                .identity(identity())
                .machine(Machine { socket, seed, born_ms, rules });
            recipe(number, builder)
        });
        self.trace.speaks(0);
    }

    /// Ends a node without a word, as `kill -9` would.
    pub fn crash(&mut self, number: u16) {
        self.fault(number, "crash", Host::crash);
    }

    /// Has a node leave; it takes its time.
    pub fn leave(&mut self, number: u16) {
        self.fault(number, "leave", Host::leave);
    }

    /// Stops a host with everything on it, as SIGSTOP would.
    pub fn freeze(&mut self, number: u16) {
        self.fault(number, "freeze", Host::freeze);
    }

    /// Lets a frozen host run again; its clock jumps.
    pub fn thaw(&mut self, number: u16) {
        self.fault(number, "thaw", Host::thaw);
    }

    /// Lets a host's clock run at so many thousandths of the world's rate.
    pub fn set_rate(&mut self, number: u16, rate: u64) {
        self.trace.say(format!("the clock of n{number} runs at {rate} thousandths"));
        self.hosts[usize::from(number) - 1].set_rate(rate);
    }

    fn fault(&mut self, number: u16, name: &str, act: impl FnOnce(&mut Host)) {
        self.trace.say(format!("{name} n{number}"));
        self.trace.speaks(number);
        act(&mut self.hosts[usize::from(number) - 1]);
        self.trace.speaks(0);
    }

    /// A millisecond passes.
    pub fn step(&mut self) {
        self.clock.advance_to(self.clock.now_ms() + 1);
        self.network.deliver();
        for host in &mut self.hosts {
            self.trace.speaks(host.number());
            if host.step() {
                self.trace.say("has left");
            }
        }
        self.trace.speaks(0);
        for panic in panics::take() {
            self.trace.say(format!("panic: {panic}"));
            self.panics.push(panic);
        }
    }

    /// Lets so much time pass.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Lets time pass until the condition holds; `false` when it does not within the limit.
    pub fn run_until(&mut self, limit_ms: u64, mut condition: impl FnMut(&Self) -> bool) -> bool {
        for _ in 0..limit_ms {
            if condition(self) {
                return true;
            }
            self.step();
        }
        condition(self)
    }

    /// Lets time pass until the task has ended, for so long at most. What came of it.
    ///
    /// # Errors
    ///
    /// When it has not ended by then, or has panicked.
    pub fn finish<T>(&mut self, task: JoinHandle<T>, limit_ms: u64) -> Result<T, String> {
        self.run_until(limit_ms, |_| task.is_finished());
        match pin!(task).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(value)) => Ok(value),
            Poll::Ready(Err(error)) => Err(error.to_string()),
            Poll::Pending => Err(format!("it has not ended after {limit_ms} ms")),
        }
    }

    /// What keeps the nodes that live from being one settled cluster.
    pub fn unsettled(&self) -> Option<String> {
        unsettled(&self.nodes())
    }
}

/// The seed of one life of a node: another for each host and life.
fn life_seed(seed: u64, host: u16, life: u64) -> u64 {
    use rand::Rng;
    super::dice(seed, "life", u64::from(host) << 32 | life).next_u64()
}

/// What the nodes of all worlds trust one another by. Deriving it is slow, so it is done once in a process.
fn identity() -> Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::shared_secret("all worlds share one secret")).clone()
}
