//! A look into commands that run: how many are inside, and a gate that holds them there.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// Handed to nodes as state; commands enter it and wait at its gate.
#[derive(Debug)]
pub struct Probe {
    entered: AtomicUsize,
    left: AtomicUsize,
    most: AtomicUsize,
    gate: Semaphore,
}

impl Default for Probe {
    fn default() -> Self {
        Self { entered: 0.into(), left: 0.into(), most: 0.into(), gate: Semaphore::new(0) }
    }
}

impl Probe {
    /// A command enters; it leaves when the guard is dropped, however that comes.
    pub fn enter(&self) -> Inside<'_> {
        let entered = self.entered.fetch_add(1, Ordering::SeqCst) + 1;
        let inside = entered.saturating_sub(self.left.load(Ordering::SeqCst));
        self.most.fetch_max(inside, Ordering::SeqCst);
        Inside { probe: self }
    }

    /// Waits until the gate lets one pass.
    pub async fn pass(&self) {
        self.gate.acquire().await.unwrap().forget();
    }

    /// Lets that many pass.
    pub fn open(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// How many have entered so far.
    pub fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    /// How many have left so far.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// How many were inside at once at most.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// A command's stay inside a [`Probe`].
#[derive(Debug)]
pub struct Inside<'a> {
    probe: &'a Probe,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.probe.left.fetch_add(1, Ordering::SeqCst);
    }
}
