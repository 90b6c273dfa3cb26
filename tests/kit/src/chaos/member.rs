//! A node process: what this program is when its parent starts it as `node NAME`.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{panic, process, thread};

use registry_runtime::{Node, NodeBuilder};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::scribe::Scribe;
use super::word::{Hosts, Order, Recipe, Word, name};
use super::{bank, clock, frame};
use crate::sim::oracle::Digest;
use crate::sim::{Caller, Clock, History, Workload, dice, workload};
use crate::{builder, counters, one_key_per_slot, table};

/// The callers of each life.
const CALLERS: u32 = 2;

/// The standard output, which belongs to the parent. Clones speak through the same pipe.
#[derive(Clone)]
pub(super) struct Mouth(Arc<Mutex<File>>);

impl Mouth {
    fn new() -> io::Result<Self> {
        let pipe = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(Arc::new(Mutex::new(pipe.into()))))
    }

    /// Says something; it is in the pipe, and so survives this process, when this returns.
    pub(super) fn say(&self, word: &Word) {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if frame::write(&mut *pipe, word).is_err() {
            // Nobody listens any more: the parent is gone.
            process::exit(1);
        }
    }
}

/// Lives one life of a node, and ends with the standard input.
///
/// # Errors
///
/// Whatever keeps the node from starting.
pub fn run() -> Result<(), Box<dyn Error>> {
    let mouth = Mouth::new()?;
    let Some(recipe) = frame::read::<Recipe>(&mut io::stdin().lock())? else { return Ok(()) };
    let clock = clock::since(recipe.origin);
    tracing::subscriber::set_global_default(Scribe { clock: clock.clone(), mouth: mouth.clone() })?;
    let (usual, crier) = (panic::take_hook(), mouth.clone());
    panic::set_hook(Box::new(move |panic| {
        crier.say(&Word::Panicked(panic.to_string()));
        usual(panic);
    }));
    let (sender, orders) = mpsc::unbounded_channel();
    thread::spawn(move || {
        while let Ok(Some(order)) = frame::read::<Order>(&mut io::stdin().lock()) {
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    Runtime::new()?.block_on(Member::live(recipe, clock, mouth, orders))
}

struct Member {
    node: Node,
    recipe: Recipe,
    history: Arc<History>,
    mouth: Mouth,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Member {
    async fn live(
        recipe: Recipe,
        clock: Clock,
        mouth: Mouth,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> Result<(), Box<dyn Error>> {
        let teller = mouth.clone();
        // Calls are named by host, life and number.
        let before = u64::from(recipe.host) << 40 | u64::from(recipe.life) << 32;
        let tell = Box::new(move |at, note| teller.say(&Word::Noted { at, note }));
        let history = History::told_elsewhere(clock, before, tell);
        let plain = builder(&name(recipe.host)).timing(recipe.tempo.timing()).listen(recipe.listen).join(&recipe.join);
        let node = recipe.hosts.equip(plain, &history).start().await?;
        mouth.say(&Word::Ready);
        let mut member = Self { node, recipe, history, mouth, stop: Arc::default(), callers: JoinSet::new() };
        while let Some(order) = orders.recv().await {
            if !member.obey(order).await {
                return Ok(());
            }
        }
        member.node.shutdown().await;
        Ok(())
    }

    /// Does as it is told. Whether the node lives on.
    async fn obey(&mut self, order: Order) -> bool {
        let mouth = self.mouth.clone();
        match order {
            Order::Begin => {
                for number in 1..=CALLERS {
                    let caller = self.caller(number);
                    self.callers.spawn(caller.run(self.recipe.hosts.workloads(), Arc::clone(&self.stop)));
                }
            }
            Order::Rest => {
                self.stop.store(true, Ordering::Relaxed);
                let callers = std::mem::take(&mut self.callers);
                tokio::spawn(async move {
                    callers.join_all().await;
                    mouth.say(&Word::Rested);
                });
            }
            Order::Tell { round } => mouth.say(&Word::Believes { round, digest: self.recipe.hosts.digest(&self.node) }),
            Order::Audit => {
                let (auditor, workloads) = (self.caller(CALLERS + 1), self.recipe.hosts.workloads());
                tokio::spawn(async move { mouth.say(&Word::Audited(auditor.audit(&workloads).await)) });
            }
            Order::Leave => {
                // What could not be handed over is for the oracles to find out.
                let _ = self.node.leave().await;
                return false;
            }
        }
        true
    }

    fn caller(&self, number: u32) -> Caller {
        let Recipe { host, life, seed, .. } = self.recipe;
        let number = life * 10 + number;
        let rng = dice(seed, "caller", u64::from(host) << 32 | u64::from(number));
        Caller::new(self.node.clone(), number, rng, &self.history)
    }
}

impl Hosts {
    fn equip(&self, builder: NodeBuilder, history: &Arc<History>) -> NodeBuilder {
        match self {
            Self::Workloads(_) => workload::equip(builder, history),
            Self::Counters => builder.host(counters::registry()),
            Self::Bank => builder.host(bank::bank::registry()),
        }
    }

    fn workloads(&self) -> Vec<Workload> {
        match self {
            Self::Workloads(workloads) => workloads.clone(),
            Self::Counters | Self::Bank => Vec::new(),
        }
    }

    fn digest(&self, node: &Node) -> Digest {
        match self {
            Self::Workloads(_) => workload::digest(node),
            Self::Counters => {
                let counters = counters::client(node);
                believes(node, &table(&counters, &one_key_per_slot(&counters)))
            }
            Self::Bank => believes(node, &bank::slots(node)),
        }
    }
}

fn believes(node: &Node, slots: &[String]) -> Digest {
    let view: Vec<String> = crate::view(node).into_iter().collect();
    Digest { node: node.id().to_string(), view: view.join("\n"), slots: slots.join("\n") }
}
