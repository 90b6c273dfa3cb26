//! The parent's end of the node processes: copies of this program, started, watched and ended.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fmt, io};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::member::READY;

/// How often a whole start is tried. The ports are found free and let go before the children take them, so now and then one
/// is gone; three such accidents in a row are none.
const STARTS_MAX: u32 = 3;

/// How long the children may take until all listen; a debug build on a busy machine needs about one second.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a child may take to end when asked, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest line that a child may report, in bytes: a sentence and some addresses.
const LINE_BYTES_MAX: u64 = 4096;

/// The shared secret's length in bytes, before it is written in hex.
const SECRET_BYTES: usize = 32;

/// Node processes on loopback under one shared secret.
///
/// A child lives as long as its standard input is open, and the other end of that pipe is here. So whatever way this process
/// ends, a `kill -9` included, the kernel closes the pipe and the children end.
#[derive(Debug)]
pub struct Cluster {
    secret: String,
    addresses: Vec<SocketAddr>,
    /// Changed only while a process is killed or started.
    members: Mutex<Vec<Member>>,
}

#[derive(Debug)]
struct Member {
    name: String,
    process: Child,
    /// Held open for as long as the child shall live.
    lifeline: ChildStdin,
}

impl Cluster {
    /// Starts that many processes and waits until all of them listen.
    pub async fn start(nodes: usize) -> Result<Self, ClusterError> {
        let mut starts = 1;
        loop {
            match Self::try_start(nodes).await {
                Err(error) if starts < STARTS_MAX => eprintln!("starting again: {error}"),
                outcome => return outcome,
            }
            starts += 1;
        }
    }

    async fn try_start(nodes: usize) -> Result<Self, ClusterError> {
        let addresses = free_addresses(nodes).map_err(ClusterError::NoPorts)?;
        let cluster = Self { secret: secret()?, addresses, members: Mutex::default() };
        let deadline = Instant::now() + START_TIMEOUT;
        match cluster.start_members(deadline).await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop().await;
                Err(error)
            }
        }
    }

    async fn start_members(&self, deadline: Instant) -> Result<(), ClusterError> {
        let mut members = self.members.lock().await;
        let mut reports = Vec::new();
        for at in 0..self.addresses.len() {
            let (member, report) = self.spawn(at).await?;
            members.push(member);
            reports.push(report);
        }
        for (member, report) in members.iter().zip(reports) {
            member.listens(report, deadline).await?;
        }
        Ok(())
    }

    /// Starts the process of one node; what it reports comes out of the pipe.
    async fn spawn(&self, at: usize) -> Result<(Member, ChildStdout), ClusterError> {
        let program = env::current_exe().map_err(ClusterError::Spawn)?;
        let join = self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
        let name = self.name(at);
        let address = self.addresses.get(at).ok_or_else(no_such_node)?.to_string();
        let mut process = Command::new(&program)
            .args(["node", &name, "--listen", &address, "--join", &join])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(ClusterError::Spawn)?;
        let (Some(mut lifeline), Some(report)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ClusterError::Spawn(io::Error::other("the child has no pipes")));
        };
        // The secret goes through the pipe: a command line or an environment can be read by others.
        lifeline.write_all(format!("{}\n", self.secret).as_bytes()).await.map_err(ClusterError::Spawn)?;
        Ok((Member { name, process, lifeline }, report))
    }

    /// Kills a node's process with SIGKILL and waits until it is gone.
    pub async fn kill(&self, at: usize) -> Result<(), ClusterError> {
        match self.members.lock().await.get_mut(at) {
            Some(member) => member.process.kill().await.map_err(ClusterError::Spawn),
            None => Err(no_such_node()),
        }
    }

    /// Starts a node again that was killed, under its name and address, and waits until it listens.
    pub async fn restart(&self, at: usize) -> Result<(), ClusterError> {
        let mut members = self.members.lock().await;
        let place = members.get_mut(at).ok_or_else(no_such_node)?;
        let (member, report) = self.spawn(at).await?;
        *place = member;
        place.listens(report, Instant::now() + START_TIMEOUT).await
    }

    /// A node's name.
    pub fn name(&self, at: usize) -> String {
        format!("node-{}", at + 1)
    }

    /// Where the nodes listen: the `join` list.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What makes a process one of them.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Ends all processes and waits until they are gone: asks first, by closing their standard input, then kills.
    pub async fn stop(self) {
        let members = self.members.into_inner();
        let processes: Vec<Child> = members
            .into_iter()
            .map(|Member { process, lifeline, .. }| {
                drop(lifeline);
                process
            })
            .collect();
        for mut process in processes {
            if timeout(STOP_TIMEOUT, process.wait()).await.is_err() {
                // Fails only when the process is gone already.
                let _ = process.kill().await;
            }
        }
    }
}

impl Member {
    /// Waits until the process says that its node listens.
    async fn listens(&self, report: ChildStdout, deadline: Instant) -> Result<(), ClusterError> {
        let mut line = String::new();
        let mut report = BufReader::new(report.take(LINE_BYTES_MAX));
        match timeout_at(deadline, report.read_line(&mut line)).await {
            Ok(Ok(_)) if line.trim_end() == READY => Ok(()),
            Ok(Ok(_)) => Err(ClusterError::refused(self, line.trim_end())),
            Ok(Err(error)) => Err(ClusterError::refused(self, &error.to_string())),
            Err(_) => Err(ClusterError::refused(self, "it did not listen in time")),
        }
    }
}

/// Addresses on loopback whose UDP ports are free now. All are held together, so no two are the same.
///
/// The list must be known before the first node starts, for it is the same on every node; so the nodes cannot choose their
/// ports themselves.
fn free_addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    let sockets = (0..count).map(|_| UdpSocket::bind(("127.0.0.1", 0))).collect::<io::Result<Vec<_>>>()?;
    sockets.iter().map(UdpSocket::local_addr).collect()
}

fn no_such_node() -> ClusterError {
    ClusterError::Spawn(io::Error::other("there is no such node"))
}

fn secret() -> Result<String, ClusterError> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ClusterError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Why the processes could not be started; none is left behind.
#[derive(Debug)]
pub enum ClusterError {
    /// No UDP port is free on loopback.
    NoPorts(io::Error),
    /// The operating system gives no random bytes.
    NoRandomness,
    /// A process could not be started.
    Spawn(io::Error),
    /// A process started and reported that its node did not.
    Member {
        /// The node.
        node: String,
        /// Its last words.
        why: String,
    },
}

impl ClusterError {
    fn refused(member: &Member, why: &str) -> Self {
        let why = if why.is_empty() { "it ended without a word" } else { why };
        Self::Member { node: member.name.clone(), why: why.into() }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPorts(error) => write!(f, "no free ports on loopback: {error}"),
            Self::NoRandomness => f.write_str("the operating system gives no random bytes for the secret"),
            Self::Spawn(error) => write!(f, "a node process could not be started: {error}"),
            Self::Member { node, why } => write!(f, "{node} did not start: {why}"),
        }
    }
}

impl Error for ClusterError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_addresses_differ() {
        let addresses = free_addresses(16).unwrap();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 16);
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 2 * SECRET_BYTES);
        assert_ne!(one, other);
    }
}
