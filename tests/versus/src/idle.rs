//! What a node costs that has nothing to do: three processes, one cluster.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use registry_runtime::{Identity, Node};

use crate::contestant::echoes;
use crate::load::cpu_seconds_of;
use crate::matches::Kill;
use crate::place::Place;

const NODES: usize = 3;

/// What the cluster does right after its start, such as trying larger packets, is over by then.
const SETTLED: Duration = Duration::from_secs(5);

/// Starts the cluster, leaves it alone, and prints a line for each node.
pub fn run(seconds: f64) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut nodes: Vec<(Kill, BufReader<ChildStdout>)> = Vec::new();
    let mut first = None;
    for number in 0..NODES {
        let mut command = Command::new(&program);
        command.args(["node", &format!("idle-{number}")]).args(first.iter()).stdout(Stdio::piped());
        let mut node = Kill(command.spawn()?);
        let stdout = node.0.stdout.take().ok_or_else(|| io::Error::other("the node says nothing"))?;
        let mut stdout = BufReader::new(stdout);
        let address = line(&mut stdout)?;
        first.get_or_insert(address);
        nodes.push((node, stdout));
    }
    for (_, stdout) in &mut nodes {
        line(stdout)?;
    }
    sleep(SETTLED);
    let ids: Vec<u32> = nodes.iter().map(|(node, _)| node.0.id()).collect();
    let (begun, before) = (Instant::now(), ids.iter().map(|id| cpu_seconds_of(&id.to_string())));
    let before: Vec<f64> = before.collect();
    sleep(Duration::from_secs_f64(seconds));
    for (id, before) in ids.iter().zip(before) {
        let share = (cpu_seconds_of(&id.to_string()) - before) / begun.elapsed().as_secs_f64();
        println!("an idle node of {NODES}: {:.1} MiB resident, {:.2} % of a core", resident_mib(*id), share * 100.0);
    }
    Ok(())
}

/// One node, until it is killed; says where it listens, and then that all are there.
pub fn node(name: &str, join: Option<SocketAddr>) -> io::Result<()> {
    Place::Multi.run(async move {
        let node = Node::builder(name).identity(Identity::shared_secret("versus")).host(echoes::registry()).join(join);
        let node = node.start().await.map_err(io::Error::other)?;
        println!("{}", node.local_addr());
        io::stdout().flush()?;
        node.wait_for_members(NODES).await.map_err(io::Error::other)?;
        println!("together");
        io::stdout().flush()?;
        node.stopped().await;
        Ok(())
    })
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The memory that a process has in use, where the system tells.
fn resident_mib(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}
