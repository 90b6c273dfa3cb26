//! What a call costs that does not leave the process: finding the slot, a local read, a local update.
//!
//! Everything goes through the public API, on a cluster of one node. What calls over the network cost is measured elsewhere, between
//! two processes.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use registry_runtime::resource::stable_hash;
use registry_runtime::{Identity, Node, Resource, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

registry! {
    cells {
        resource Cell;
    }

    lone_cells {
        resource Cell;
        replicas 1;
    }
}

/// 64 bytes: the key and seven words.
#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Cell {
    #[key]
    id: u64,
    words: [u64; 7],
}

impl From<u64> for Cell {
    fn from(id: u64) -> Self {
        Self { id, words: [id; 7] }
    }
}

#[commands]
impl Cell {
    fn word(&self) -> u64 {
        self.words[0]
    }

    fn bump(&mut self) -> u64 {
        self.words[0] = self.words[0].wrapping_add(1);
        self.words[0]
    }
}

/// The keys that are used in turn: enough for several slots, few enough to stay in a cache.
const KEYS: u64 = 64;

fn lookup(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let node = runtime.block_on(start());
    let cells = cells::client(&node);
    let mut group = criterion.benchmark_group("lookup");
    group.bench_function("hash of a u64", |bencher| {
        let mut keys = (0..KEYS).cycle();
        bencher.iter(|| stable_hash(&black_box(keys.next().unwrap_or_default())));
    });
    // Includes the copy of the owner's id (one atomic increment and decrement), which a call does not need.
    group.bench_function("owner of a u64", |bencher| {
        let registry = cells.registry();
        let mut keys = (0..KEYS).cycle();
        bencher.iter(|| registry.owner(black_box(keys.next().unwrap_or_default())));
    });
    group.finish();
    runtime.block_on(node.shutdown());
}

fn local(criterion: &mut Criterion) {
    for (name, runtime) in [
        ("local, multi-thread", Builder::new_multi_thread().enable_all().build().unwrap()),
        ("local, current-thread", Builder::new_current_thread().enable_all().build().unwrap()),
    ] {
        let node = runtime.block_on(start());
        let (cells, lone_cells) = (cells::client(&node), lone_cells::client(&node));
        let mut group = criterion.benchmark_group(name);
        group.bench_function("read", |bencher| {
            bencher.iter_custom(|calls| timed(&runtime, calls, async |key| cells.word(key).await.unwrap()));
        });
        group.bench_function("update", |bencher| {
            bencher.iter_custom(|calls| timed(&runtime, calls, async |key| lone_cells.bump(key).await.unwrap()));
        });
        // As many replicas as there may be: on one node there is nobody to send a change to, but it is written down, with its receipt.
        group.bench_function("update to be kept", |bencher| {
            bencher.iter_custom(|calls| timed(&runtime, calls, async |key| cells.bump(key).await.unwrap()));
        });
        group.finish();
        runtime.block_on(node.shutdown());
    }
}

/// Makes the calls one after the other inside one `block_on`, whose own cost is thus spread over all of them.
fn timed(runtime: &Runtime, calls: u64, call: impl AsyncFn(u64) -> u64) -> Duration {
    runtime.block_on(async {
        let begun = Instant::now();
        for number in 0..calls {
            black_box(call(number % KEYS).await);
        }
        begun.elapsed()
    })
}

/// A node that owns every slot.
async fn start() -> Node {
    let node = Node::builder("bench")
        .identity(Identity::shared_secret("benchmarks only"))
        .host(cells::registry())
        .host(lone_cells::registry())
        .start()
        .await
        .unwrap();
    let (cells, lone_cells) = (cells::client(&node), lone_cells::client(&node));
    for key in 0..KEYS {
        // The first calls wait until the slots are open.
        cells.bump(key).timeout(Duration::from_secs(30)).await.unwrap();
        lone_cells.bump(key).timeout(Duration::from_secs(30)).await.unwrap();
    }
    node
}

criterion_group!(benches, lookup, local);
criterion_main!(benches);
