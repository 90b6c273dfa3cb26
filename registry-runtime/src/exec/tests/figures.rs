//! What a command costs in here. Run by hand and optimised, the figures mean nothing otherwise:
//! `cargo test -p registry-runtime --lib --config 'profile.dev.package.registry-runtime.opt-level=3' figures -- --ignored --nocapture`

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::tally::{EPOCH, ID, SLOTS, spec};
use crate::exec::{
    AnyHost, Attempt, BootClock, Clock, Host, Lease, Outcome, Replier, Request, Served, Setting, Started,
};
use crate::id::{NodeId, Slot};
use crate::resource::{Command, Commands, Definition, ErrorCodec, Origin, Resource, Run, States, Visitor};

/// 64 bytes.
#[derive(Clone, Serialize, Deserialize)]
struct Cell {
    id: u64,
    values: [u64; 7],
}

impl Resource for Cell {
    type Key = u64;
    type KeyFields<'a> = &'a u64;

    fn key(&self) -> u64 {
        self.id
    }

    fn key_fields(key: &u64) -> &u64 {
        key
    }
}

const fn command<A, T>(number: u16, run: Run<Cell, A, T, Infallible>) -> Command<Cell, A, T, Infallible> {
    Command { name: "a_command", number, idempotent: false, error: ErrorCodec::never(), written: "", run }
}

static MAKE: Command<Cell, (), (), Infallible> =
    command(0, Run::Create(|id, (), _| Ok(Cell { id, values: [0; 7] }), |_| ()));
static GET: Command<Cell, (), u64, Infallible> = command(1, Run::Read(|cell, (), _| Ok(cell.values[0])));
static ADD: Command<Cell, (u64,), u64, Infallible> = command(
    2,
    Run::Update(|cell, (number,), _| {
        cell.values[0] += number;
        Ok(cell.values[0])
    }),
);
static ADD_ASYNC: Command<Cell, (u64,), u64, Infallible> = command(
    3,
    Run::UpdateAsync(|mut cell, (number,), _| {
        Box::pin(async move {
            cell.values[0] += number;
            let sum = cell.values[0];
            (cell, Ok(sum))
        })
    }),
);

impl Commands for Cell {
    type Client = ();

    fn each<V: Visitor<Self>>(visitor: &mut V) {
        visitor.command(&MAKE);
        visitor.command(&GET);
        visitor.command(&ADD);
        visitor.command(&ADD_ASYNC);
    }
}

static CELLS: Definition<Cell> = Definition { spec: spec("cells"), route: |key| *key };

struct Nobody;

impl Replier for Nobody {
    fn reply(self: Box<Self>, _: crate::exec::Answer) {}
}

const KEYS: u64 = 1000;
const ROUNDS: u32 = 20_000;
/// The best of so many is shown: other work on the machine only ever adds.
const REPEATS: u32 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "prints figures, for a person to read"]
async fn figures() {
    let clock = Arc::new(BootClock::start());
    let origin = Origin { node: NodeId::new("node").unwrap(), states: States::default(), port: Box::new(()) };
    let host: Arc<Host<Cell>> = Host::new(
        &CELLS,
        Setting {
            origin: Arc::new(origin),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            runtime: tokio::runtime::Handle::current(),
            drained: Arc::new(|_| ()),
            seed: 1,
            reply_bytes_max: 1000,
        },
    );
    let caller = NodeId::new("caller").unwrap();
    let deadline = Instant::now() + Duration::from_secs(3600);
    let attempt = |key: u64| Attempt {
        slot: Slot::new(key as u32 % SLOTS),
        epoch: EPOCH,
        key: Some(key),
        id: ID,
        attempt: 1,
        caller: &caller,
        deadline,
    };

    measure("deadline clock", |_| {
        black_box(Instant::now());
    });
    measure("lease clock", |_| {
        black_box(clock.now());
    });
    for (name, lease) in
        [("lease", Lease::until(clock.now() + Duration::from_secs(3600))), ("for ever", Lease::forever())]
    {
        for slot in (0..SLOTS).map(Slot::new) {
            if !host.open(slot, EPOCH, lease.clone(), true) {
                host.set_lease(slot, lease.clone());
            }
        }
        for key in 0..KEYS {
            drop(host.call(&MAKE, attempt(key), (), &mut |_, _| ()));
        }
        measure(&format!("{name}: read"), |key| match host.call(&GET, attempt(key), (), &mut |_, _| ()) {
            Started::Ready(Outcome::Done(value)) => drop(black_box(value)),
            _ => panic!("did not end in place"),
        });
        measure(&format!("{name}: update"), |key| match host.call(&ADD, attempt(key), (1,), &mut |_, _| ()) {
            Started::Ready(Outcome::Done(value)) => drop(black_box(value)),
            _ => panic!("did not end in place"),
        });
        measure(&format!("{name}: asynchronous update, ready at once"), |key| {
            match host.call(&ADD_ASYNC, attempt(key), (1,), &mut |_, _| ()) {
                Started::Ready(Outcome::Done(value)) => drop(black_box(value)),
                _ => panic!("did not end in place"),
            }
        });
        let mut buffer = Vec::new();
        for number in [1, 2] {
            let name = format!("{name}: {} from bytes to bytes", ["", "read", "update"][usize::from(number)]);
            measure(&name, |key| {
                let mut bytes = [0; 10];
                let key_bytes = postcard::to_slice(&key, &mut bytes).unwrap();
                let args: &[u8] = if number == 1 { &[] } else { &[1] };
                let request = Request {
                    slot: Slot::new(key as u32 % SLOTS),
                    epoch: EPOCH,
                    id: ID,
                    attempt: 1,
                    caller: &caller,
                    deadline,
                    key: key_bytes,
                    args,
                };
                buffer.clear();
                match host.serve(number, request, &mut buffer, &mut || Box::new(Nobody)) {
                    Served::Ready(Outcome::Done(())) => drop(black_box(&buffer)),
                    served => panic!("{served:?}"),
                }
            });
        }
    }
}

fn measure(name: &str, mut act: impl FnMut(u64)) {
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let watch = Stopwatch::now();
        for round in 0..ROUNDS {
            act(u64::from(round) % KEYS);
        }
        best = best.min(watch.elapsed() / (ROUNDS));
    }
    println!("{name}: {best:?}");
}
