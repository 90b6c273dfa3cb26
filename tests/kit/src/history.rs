//! What happened, written down while it happens and judged afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use registry_runtime::Context;

use crate::Ran;

/// Which nodes ran commands of a key in an epoch; one for a whole cluster, handed to every node as state.
#[derive(Debug, Default)]
pub struct Runs(Mutex<BTreeMap<(u64, u64), BTreeSet<String>>>);

impl Runs {
    /// Notes that a command of the key runs.
    pub fn record(&self, key: u64, cx: &Context) {
        self.0.lock().unwrap().entry((key, cx.epoch().get())).or_default().insert(cx.node().to_string());
    }

    /// An epoch belongs to one opening, hence to one node.
    ///
    /// # Panics
    ///
    /// When two nodes ran one key in one epoch.
    pub fn assert_one_node_per_epoch(&self) {
        let runs = self.0.lock().unwrap();
        let shared: Vec<_> = runs.iter().filter(|(_, nodes)| nodes.len() > 1).collect();
        assert!(shared.is_empty(), "epochs (key, epoch) in which more than one node ran: {shared:?}");
    }
}

/// The acknowledged writes of all callers.
#[derive(Debug, Default)]
pub struct Acknowledged(Mutex<Vec<Write>>);

#[derive(Clone, Debug)]
struct Write {
    key: u64,
    begun: Instant,
    acknowledged: Instant,
    ran: Ran,
}

impl Acknowledged {
    /// Notes a write that was called at `begun` and is acknowledged now.
    pub fn record(&self, key: u64, begun: Instant, ran: Ran) {
        self.0.lock().unwrap().push(Write { key, begun, acknowledged: Instant::now(), ran });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Once a write was acknowledged in an epoch, no write that is called afterwards is acknowledged in a lower one: its owner
    /// would be an ex-owner.
    ///
    /// # Panics
    ///
    /// When one was.
    pub fn assert_epochs_rise(&self) {
        let mut by_end = self.0.lock().unwrap().clone();
        let mut by_begin = by_end.clone();
        by_end.sort_by_key(|write| write.acknowledged);
        by_begin.sort_by_key(|write| write.begun);
        let mut earlier = by_end.into_iter().peekable();
        let mut highest: BTreeMap<u64, Write> = BTreeMap::new();
        for write in by_begin {
            while let Some(before) = earlier.next_if(|before| before.acknowledged < write.begun) {
                if highest.get(&before.key).is_none_or(|high| high.ran.epoch < before.ran.epoch) {
                    highest.insert(before.key, before);
                }
            }
            if let Some(high) = highest.get(&write.key) {
                assert!(high.ran.epoch <= write.ran.epoch, "an ex-owner acknowledged {write:?} after {high:?}");
            }
        }
    }
}
