//! Instances of a size on processes of their own, for what is weighed and timed from outside.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use registry_runtime::{Identity, Node, Resource, StartError, Timing, commands, registry};
use serde::{Deserialize, Serialize};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use crate::SECRET;

/// How many calls [`with_each`] has under way at once.
const AT_ONCE: u64 = 512;

registry! {
    /// Parcels, in the slots and with the replicas that are usual.
    pub parcels { resource Parcel; }
}

/// Something of a size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
pub struct Parcel {
    #[key]
    id: u64,
    content: Vec<u8>,
}

#[commands]
impl Parcel {
    /// Makes one of so many bytes.
    pub fn pack(id: u64, bytes: u32) -> Self {
        let byte = |at: u32| id.to_le_bytes().get(at as usize % 8).copied().unwrap_or(0);
        Self { id, content: (0..bytes).map(byte).collect() }
    }

    /// Says how many bytes it holds.
    pub fn weigh(&self) -> u64 {
        self.content.len() as u64
    }

    /// Ends it.
    pub fn unpack(self) {}
}

/// A node's process, killed with this.
#[derive(Debug)]
pub struct Member {
    process: Child,
    _says: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Member {
    /// Starts so many processes of one cluster.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub fn start_all(count: usize) -> Result<Vec<Self>, Box<dyn Error>> {
        let mut members: Vec<Self> = Vec::new();
        for number in 0..count {
            let join = members.first().map(|first| first.address);
            members.push(Self::start(number, join)?);
        }
        Ok(members)
    }

    /// Starts this program once more, as `node parcels-<number>`, and waits until it listens.
    fn start(number: usize, join: Option<SocketAddr>) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["node", &format!("parcels-{number}")]).args(join.iter().map(ToString::to_string));
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| io::Error::other("the node says nothing"))?;
        let mut says = BufReader::new(stdout);
        let mut line = String::new();
        says.read_line(&mut line)?;
        Ok(Self { process, _says: says, address: line.trim().parse()? })
    }

    /// What it has in memory, in bytes.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub fn resident(&self) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| io::Error::other("no VmRSS"))? * 1024.0)
    }
}

/// One node, until it is killed; says where it listens.
///
/// # Errors
///
/// When it does not start, or nobody hears it.
pub async fn node(name: &str, join: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let node = Node::builder(name)
        .identity(Identity::shared_secret(SECRET))
        .timing(Timing::fast())
        .host(parcels::registry())
        .join(join)
        .start()
        .await?;
    writeln!(io::stdout(), "{}", node.local_addr())?;
    io::stdout().flush()?;
    std::future::pending().await
}

/// A node that only calls.
///
/// # Errors
///
/// When it does not start.
pub async fn caller(members: &[Member]) -> Result<Node, StartError> {
    let builder = Node::builder("caller").identity(Identity::shared_secret(SECRET)).timing(Timing::fast());
    builder.client_only().join(members.iter().map(|member| member.address)).start().await
}

/// Does one thing with each of the instances, many at once. How many that were in a second.
///
/// # Errors
///
/// The first that any of them met.
pub async fn with_each(
    client: &ParcelClient,
    instances: u64,
    act: impl AsyncFn(ParcelClient, u64) -> Result<(), String> + Clone + Send + Sync + 'static,
) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    let local = LocalSet::new();
    for worker in 0..AT_ONCE {
        let (client, act) = (client.clone(), act.clone());
        workers.spawn_local_on(
            async move {
                for id in (worker..instances).step_by(AT_ONCE as usize) {
                    act(client.clone(), id).await?;
                }
                Ok::<(), String>(())
            },
            &local,
        );
    }
    local
        .run_until(async {
            while let Some(done) = workers.join_next().await {
                done??;
            }
            Ok::<(), Box<dyn Error>>(())
        })
        .await?;
    Ok(instances as f64 / begun.elapsed().as_secs_f64())
}
