//! A sum with everything that was added to it: what most registries hold.

use registry_runtime::Context;
use serde::{Deserialize, Serialize};

use super::work::{Refusal, Statement, Told, Work};
use crate::sim::history::Running;

/// A sum with everything that was added to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sum {
    total: i64,
    effects: Vec<u64>,
}

impl Sum {
    /// Adds an amount, does what is to be done besides, and tells the sum.
    pub(super) async fn add(
        &mut self,
        (effect, amount): (u64, i64),
        work: Work,
        running: Running,
        cx: &Context,
    ) -> Result<Told, Refusal> {
        self.change(effect, amount);
        work.end(running).await?;
        Ok(Told::number(self.total, cx))
    }

    /// Takes an amount, if there is as much. It is taken first, so that a refusal has something to undo.
    pub(super) fn take(
        &mut self,
        (effect, amount): (u64, i64),
        running: Running,
        cx: &Context,
    ) -> Result<Told, Refusal> {
        self.change(effect, -amount);
        if self.total < 0 {
            running.refused();
            return Err(Refusal::Short);
        }
        running.returned();
        Ok(Told::number(self.total, cx))
    }

    /// The sum.
    pub(super) fn total(&self) -> i64 {
        self.total
    }

    /// Tells the sum.
    pub(super) fn tell(&self, running: Running, cx: &Context) -> Told {
        running.returned();
        Told::number(self.total, cx)
    }

    /// Tells everything.
    pub(super) fn state(&self, running: Running, cx: &Context) -> Statement {
        Statement { told: self.tell(running, cx), number: Some(self.total), effects: self.effects.clone() }
    }

    fn change(&mut self, effect: u64, amount: i64) {
        self.total += amount;
        self.effects.push(effect);
    }
}
