//! One node of a cluster as a process of its own: `member ID LISTEN JOIN..` hosts counters.
//!
//! Prints `ready` with its incarnation once it runs, and ends when its standard input does, so that it never outlives who
//! started it.

use std::error::Error;
use std::io::{self, Write};

use registry_testkit::{builder, counters};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let id = arguments.next().ok_or("usage: member ID LISTEN JOIN..")?;
    let listen = arguments.next().ok_or("usage: member ID LISTEN JOIN..")?.parse()?;
    let node = builder(&id).listen(listen).join(arguments).host(counters::registry()).start().await?;
    writeln!(io::stdout(), "ready {}", node.incarnation())?;
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    node.shutdown().await;
    Ok(())
}
