//! One who transfers money, and repeats each step until its end is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use registry_runtime::{CommandError, Executed};
use tokio::time::{Instant, sleep};

use super::book::{Book, Known};
use super::{ACCOUNTS, AccountClient};

/// The most steps of one teller: their numbers are its own.
const STEPS_MAX: u64 = 1 << 40;

/// One who transfers money.
pub(super) struct Teller {
    pub(super) client: AccountClient,
    pub(super) book: Arc<Book>,
    pub(super) rng: ChaCha8Rng,
    /// Tells its steps from those of the others.
    pub(super) number: u64,
    pub(super) stop: Arc<AtomicBool>,
}

impl Teller {
    /// Transfers until it is told to stop, and ends what it has begun.
    pub(super) async fn work(mut self) {
        let mut steps = (self.number * STEPS_MAX..).step_by(2);
        while let Some(first) = steps.next().filter(|_| !self.stop.load(Ordering::Relaxed)) {
            self.transfer(first).await;
            let pause = Duration::from_millis(self.rng.random_range(0..30));
            sleep(pause).await;
        }
    }

    async fn transfer(&mut self, first: u64) {
        let (from, to) = (self.rng.random_range(0..ACCOUNTS), self.rng.random_range(0..ACCOUNTS));
        let amount = self.rng.random_range(1..100);
        if self.step(first, from, -amount, true).await == Known::Taken {
            self.step(first + 1, to, amount, false).await;
            self.book.transferred();
        }
    }

    /// Takes a step under its number until it is known what became of it. One that no node ever runs may be given up.
    async fn step(&mut self, number: u64, account: u64, amount: i64, may_give_up: bool) -> Known {
        self.book.know(number, account, Known::Open);
        let (began, mut doubtful, mut repeated) = (Instant::now(), false, 0);
        let known = loop {
            let timeout = Duration::from_millis(self.rng.random_range(20..3_000));
            let call = self.client.step(account, number, amount).idempotency_key(number.to_string()).timeout(timeout);
            match call.await {
                Ok(_) => break Known::Taken,
                Err(error) => {
                    self.book.heard(kind(&error));
                    doubtful |= error.executed() != Executed::No;
                    if may_give_up && !doubtful {
                        break Known::Never;
                    }
                }
            }
            repeated += 1;
            let pause = Duration::from_millis(self.rng.random_range(5..100));
            sleep(pause).await;
        };
        self.book.took(began.elapsed(), repeated);
        self.book.know(number, account, known);
        known
    }
}

/// The kind of an error, with what it says of the command.
pub(super) fn kind<E: std::fmt::Debug>(error: &CommandError<E>) -> String {
    let text = format!("{error:?}");
    let name = text.split([' ', '(']).next().unwrap_or_default();
    format!("{name} ({:?})", error.executed())
}
