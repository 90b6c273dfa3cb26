//! The main job: real purchases, placed as orders on a cluster of operating-system processes, then counted back.
//!
//! This process starts copies of itself as nodes on loopback under one shared secret, joins them as a node that only calls,
//! places an `Order` for every line of the file (which records it on its `Customer`), reads everything back through the cluster
//! and compares it with the totals of the file. It ends with 0 only if all of them agree.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use registry_examples::orders::accident::Accident;
use registry_examples::orders::cluster::Cluster;
use registry_examples::orders::load::Load;
use registry_examples::orders::member;
use registry_examples::orders::purchases::Purchases;
use registry_examples::orders::receipts::Receipts;
use registry_examples::orders::report::Report;
use registry_runtime::{Identity, Node};
use tokio::time::Instant;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The purchases that are placed when no other file is named.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow_sample.txt");

/// The most calls at a time: each is a task and a place in the nodes' queues, and beyond this they only wait for one another.
const CONCURRENCY_MAX: u16 = 16_384;

/// The fewest nodes of which one can be killed.
const NODES_FOR_KILL: u8 = 3;

/// The exit code for input that cannot be used, the same as for a command line that cannot be.
const EXIT_INPUT: u8 = 2;

/// The exit code after Ctrl-C: 128 and the number of the signal, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

/// Place real purchases on a cluster of processes and count them back.
///
/// Starts node processes on loopback, places an order for every line of the input file, records it on its customer, reads
/// everything back through the cluster, and prints it beside the totals of the file. Ends with 0 if all totals agree, with 1 if
/// one differs or the run failed, with 2 if the input cannot be used. `RUST_LOG=registry_runtime=debug` shows what the
/// nodes do.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Run one node until standard input ends; the job starts its nodes with this.
    #[command(hide = true)]
    Node {
        /// The node's name.
        name: String,
        /// The address to listen on.
        #[arg(long)]
        listen: SocketAddr,
        /// The addresses of all nodes.
        #[arg(long, value_delimiter = ',', required = true)]
        join: Vec<SocketAddr>,
    },
}

#[derive(Debug, Args)]
struct Job {
    /// How many node processes to start
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// The purchases: one per line, five columns (customer id, sample id, date YYYYMMDD, CDs, dollars)
    #[arg(long, value_name = "FILE", default_value = SAMPLE)]
    input: PathBuf,
    /// How many calls to keep in flight
    #[arg(
        long,
        value_name = "N",
        default_value_t = 256,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(CONCURRENCY_MAX))
    )]
    concurrency: u16,
    /// Kill a node process (SIGKILL) when a third of the orders are placed, and start it again later; needs three nodes
    #[arg(long)]
    kill: bool,
}

fn main() -> ExitCode {
    let Arguments { role, job } = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    let receipts = Receipts::default();
    let told = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(told).with(receipts.layer()).init();
    match role {
        Some(Role::Node { name, listen, join }) => run_node(&name, listen, &join, receipts),
        None => run_job(&job),
    }
}

#[tokio::main]
async fn run_node(name: &str, listen: SocketAddr, join: &[SocketAddr], receipts: Receipts) -> ExitCode {
    match member::serve(name, listen, join, receipts).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            member::report(&why);
            ExitCode::FAILURE
        }
    }
}

fn run_job(job: &Job) -> ExitCode {
    if job.kill && job.nodes < NODES_FOR_KILL {
        eprintln!("--kill needs --nodes {NODES_FOR_KILL} or more: without a majority of its replicas no slot goes on");
        return ExitCode::from(EXIT_INPUT);
    }
    let purchases = match Purchases::read(&job.input) {
        Ok(purchases) => purchases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_INPUT);
        }
    };
    match start_and_work(job, &purchases) {
        Ok(Some(report)) => {
            // The verdict is the exit code too, for a reader that closed the pipe.
            let _ = write!(io::stdout(), "{report}");
            if report.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => {
            eprintln!("interrupted");
            ExitCode::from(EXIT_INTERRUPTED)
        }
        Err(error) => {
            eprintln!("the run failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does the whole job; `None` when it was interrupted. The processes are gone when it returns.
#[tokio::main]
async fn start_and_work(job: &Job, purchases: &Purchases) -> Result<Option<Report>, Box<dyn Error>> {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let cluster = tokio::select! {
        biased;
        _ = &mut interrupted => return Ok(None),
        started = Cluster::start(job.nodes.into()) => started?,
    };
    let outcome = tokio::select! {
        biased;
        _ = &mut interrupted => Ok(None),
        report = work(job, &cluster, purchases) => report.map(Some),
    };
    cluster.stop().await;
    outcome
}

async fn work(job: &Job, cluster: &Cluster, purchases: &Purchases) -> Result<Report, Box<dyn Error>> {
    let nodes = usize::from(job.nodes);
    let node = Node::builder("till")
        .client_only()
        .join(cluster.addresses())
        .cluster("orders")
        .identity(Identity::shared_secret(cluster.secret()))
        .start()
        .await?;
    // This node counts as a member too, though it owns nothing.
    node.wait_for_members(nodes + 1).await?;
    let load = Load::new(&node, NonZeroUsize::new(job.concurrency.into()).unwrap_or(NonZeroUsize::MIN));
    let begun = Instant::now();
    load.settled(nodes).await?;
    announce(job, cluster, &job.input, begun.elapsed());

    let begun = Instant::now();
    let orders = u64::try_from(purchases.numbered().count()).unwrap_or(u64::MAX);
    let accident = async {
        match job.kill {
            true => Ok(Some(Accident::happen(cluster, &node, &load, orders).await?)),
            false => Ok::<_, Box<dyn Error>>(None),
        }
    };
    // Whichever fails ends the other.
    let (placed, accident) = tokio::try_join!(async { Ok(load.place(purchases).await?) }, accident)?;
    if accident.is_some() {
        node.wait_for_members(nodes + 1).await?;
        load.settled(nodes).await?;
    }
    let counted = load.count(purchases).await?;
    let elapsed = begun.elapsed();
    let tallies = load.tallies(nodes).await?;
    let report = Report {
        accident,
        file: purchases.summary(),
        placed,
        counted,
        tallies,
        order_slots: load.order_slots(),
        customer_slots: load.customer_slots(),
        elapsed,
    };
    node.shutdown().await;
    Ok(report)
}

fn announce(job: &Job, cluster: &Cluster, input: &Path, settled_after: Duration) {
    let addresses: Vec<_> = cluster.addresses().iter().map(SocketAddr::to_string).collect();
    eprintln!(
        "{} nodes are up on {}, slots shared out after {:.2} s; placing {} with {} calls in flight",
        job.nodes,
        addresses.join(", "),
        settled_after.as_secs_f64(),
        input.display(),
        job.concurrency,
    );
}
