//! The parent's end of a node process.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use super::ground::Ground;
use super::word::{Order, Recipe, Word, name};
use super::{ChaosError, frame};

/// How long a process may take to end once its standard output has: it is about to be reaped.
const REAP_TIMEOUT: Duration = Duration::from_secs(10);

/// A node process.
pub(super) struct Process {
    name: String,
    pid: u32,
    child: Child,
    /// Held open for as long as the process shall live.
    orders: Option<ChildStdin>,
}

/// Something that was heard of a host.
pub(super) struct Heard {
    pub(super) host: u16,
    /// What its process said; `None` when it has said its last word.
    pub(super) word: Option<Word>,
}

impl Process {
    /// Starts a node process on its host.
    pub(super) async fn start(
        recipe: &Recipe,
        ground: &Ground,
        ears: UnboundedSender<Heard>,
    ) -> Result<Self, ChaosError> {
        let name = name(recipe.host);
        let failed = |error| ChaosError::Process(name.clone(), error);
        let mut command = Command::new(program().map_err(failed)?);
        command.args(["node", &name]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let runtime = Handle::current();
        let spawn = || {
            let _within = runtime.enter();
            command.spawn()
        };
        let mut child = ground.on(recipe.host, spawn).map_err(failed)?;
        let (Some(mut orders), Some(words), Some(pid)) = (child.stdin.take(), child.stdout.take(), child.id()) else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        frame::send(&mut orders, recipe).await.map_err(failed)?;
        tokio::spawn(listen(recipe.host, words, ears));
        Ok(Self { name: name.clone(), pid, child, orders: Some(orders) })
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Tells it to do something. One that is gone does not hear.
    pub(super) async fn order(&mut self, order: &Order) {
        if let Some(orders) = &mut self.orders {
            // Its end is heard of elsewhere.
            let _ = frame::send(orders, order).await;
        }
    }

    /// Lets it end by itself.
    pub(super) fn let_go(&mut self) {
        self.orders = None;
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), ChaosError> {
        // It is not reaped before `end`, so the number is its own.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.map(|pid| kill_process(pid, signal)) {
            Some(Err(error)) => Err(ChaosError::Process(self.name.clone(), error.into())),
            _ => Ok(()),
        }
    }

    /// Waits for it once it has said its last word, and tells how it ended.
    pub(super) async fn end(mut self) -> Result<String, ChaosError> {
        match timeout(REAP_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => Ok(status.to_string()),
            Ok(Err(error)) => Err(ChaosError::Process(self.name, error)),
            Err(_) => Err(ChaosError::TooLate(format!("{} ends", self.name), REAP_TIMEOUT)),
        }
    }
}

/// This program, which every process of a run is.
pub(super) fn program() -> io::Result<PathBuf> {
    env::current_exe()
}

async fn listen(host: u16, words: ChildStdout, ears: UnboundedSender<Heard>) {
    let mut words = BufReader::new(words);
    // A frame that cannot be read is as good as the end: what follows it cannot be found.
    while let Ok(Some(word)) = frame::receive(&mut words).await {
        if ears.send(Heard { host, word: Some(word) }).is_err() {
            return;
        }
    }
    // Who started the process is gone if nobody hears this.
    let _ = ears.send(Heard { host, word: None });
}
