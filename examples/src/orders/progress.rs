//! How far the work is: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// The plain lines that one piece of work writes where no terminal is.
const PLAIN_LINES: u64 = 5;

/// One piece of work that is under way. Everything goes to standard error: standard output is the report's.
#[derive(Debug)]
pub struct Progress {
    work: &'static str,
    whole: u64,
    done: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a piece of work of that many steps.
    pub fn begin(work: &'static str, whole: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(whole).with_message(work);
            // A template that does not parse leaves the default style.
            if let Ok(style) = ProgressStyle::with_template("{msg:>12} {wide_bar} {human_pos}/{human_len} {per_sec}") {
                bar.set_style(style);
            }
            bar
        });
        Self { work, whole, done: AtomicU64::new(0), bar }
    }

    /// One step is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None => {
                // A line whenever another fifth is full; exactly one step crosses each border.
                let share = |done: u64| done * PLAIN_LINES / self.whole.max(1);
                if share(done) > share(done - 1) {
                    eprintln!("{}: {done} of {}", self.work, self.whole);
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
