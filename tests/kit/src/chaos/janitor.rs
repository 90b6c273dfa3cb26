//! Cleans up whatever way its parent ends: kills the processes and removes the namespaces that it was told of.
//!
//! It is a process of its own, in a group of its own, so that neither the parent's death nor a key at the terminal takes it
//! along. It acts when its standard input ends.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::parent_id;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::{ChaosError, frame, namespace, process};

/// How long the janitor may take: it makes a few short calls of the system.
const JANITOR_TIMEOUT: Duration = Duration::from_secs(20);

/// The parent's end of the janitor.
pub(super) struct Janitor {
    process: Child,
    chores: ChildStdin,
}

/// What a janitor is told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Chore {
    /// Kill this process in the end.
    Process(u32),
    /// The process has ended.
    Ended(u32),
    /// Remove this namespace in the end.
    Namespace(String),
}

impl Janitor {
    /// Starts a janitor.
    pub(super) fn start() -> Result<Self, ChaosError> {
        let failed = |error| ChaosError::Process("janitor".to_owned(), error);
        let mut command = Command::new(process::program().map_err(failed)?);
        command.arg("janitor").stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        let mut process = command.spawn().map_err(failed)?;
        let chores = process.stdin.take().ok_or_else(|| failed(io::Error::other("it has no pipe")))?;
        Ok(Self { process, chores })
    }

    /// Tells of a child process.
    pub(super) async fn process(&mut self, pid: u32) -> Result<(), ChaosError> {
        self.tell(&Chore::Process(pid)).await
    }

    /// Tells of the end of a child process.
    pub(super) async fn ended(&mut self, pid: u32) -> Result<(), ChaosError> {
        self.tell(&Chore::Ended(pid)).await
    }

    /// Tells of a namespace that is about to be made.
    pub(super) async fn namespace(&mut self, name: &str) -> Result<(), ChaosError> {
        self.tell(&Chore::Namespace(name.to_owned())).await
    }

    async fn tell(&mut self, chore: &Chore) -> Result<(), ChaosError> {
        frame::send(&mut self.chores, chore).await.map_err(|error| ChaosError::Process("janitor".to_owned(), error))
    }

    /// Has everything cleaned up now, and waits for it.
    pub(super) async fn finish(self) {
        let Self { mut process, chores } = self;
        drop(chores);
        // A janitor that needs longer goes on without being waited for.
        let _ = timeout(JANITOR_TIMEOUT, process.wait()).await;
    }
}

/// What this program is when it is started as `janitor`.
///
/// # Errors
///
/// Those of the pipe.
pub fn run() -> io::Result<()> {
    let parent = parent_id();
    let mut processes: BTreeMap<u32, OwnedFd> = BTreeMap::new();
    let mut namespaces = Vec::new();
    while let Some(chore) = frame::read::<Chore>(&mut io::stdin().lock())? {
        match chore {
            // A descriptor stands for this very process, while a number may be another's by the time it is used.
            Chore::Process(pid) => _ = open(pid, parent).map(|process| processes.insert(pid, process)),
            Chore::Ended(pid) => _ = processes.remove(&pid),
            Chore::Namespace(name) => namespaces.push(name),
        }
    }
    for process in processes.values() {
        // It may have ended by itself.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
    for name in namespaces {
        // It may never have come into being.
        let _ = namespace::remove(&name);
    }
    Ok(())
}

/// A process by its number, if it is a child of that parent.
fn open(pid: u32, parent: u32) -> Option<OwnedFd> {
    let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let process = pidfd_open(number, PidfdFlags::empty()).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    (line.trim().parse() == Ok(parent)).then_some(process)
}
