//! The child's end: one node in a process of its own, which lives as long as its parent does.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::process;
use std::thread;
use std::time::Duration;

use registry_runtime::{Identity, Node};
use tokio::sync::oneshot;

use super::domain::{customers, orders};
use super::receipts::Receipts;
use super::tally::Tally;

/// The line that tells the parent that the node listens; anything else is the reason why it does not.
pub const READY: &str = "ready";

/// How long the node may take to stop once the parent is gone. After that the process ends all the same.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest secret that is read from the parent, in bytes.
const SECRET_BYTES_MAX: u64 = 256;

/// The exit code of a child that had to leave its node running.
const EXIT_STUCK: i32 = 3;

/// Runs a node of that name until standard input ends.
pub async fn serve(name: &str, listen: SocketAddr, join: &[SocketAddr], receipts: Receipts) -> Result<(), String> {
    let parent = Parent::watch();
    let secret = parent.secret.await.map_err(|_| "the parent sent no secret")?;
    let node = Node::builder(name)
        .listen(listen)
        .join(join)
        .cluster("orders")
        .identity(Identity::shared_secret(secret))
        .host(orders::registry())
        .host(customers::registry())
        .state(Tally::new(receipts))
        .start()
        .await
        .map_err(|error| error.to_string())?;
    report(READY);
    // Both outcomes mean that the parent is gone.
    let _ = parent.gone.await;
    node.shutdown().await;
    Ok(())
}

/// Says to the parent how the start went.
pub fn report(line: &str) {
    // A parent that does not listen any more is gone, which the lifeline tells too.
    let _ = writeln!(io::stdout(), "{line}");
}

/// What comes from the parent through standard input: the secret, then nothing until the end.
struct Parent {
    secret: oneshot::Receiver<String>,
    gone: oneshot::Receiver<()>,
}

impl Parent {
    /// Watches from a thread of its own, so that the process ends even when everything else in it hangs.
    fn watch() -> Self {
        let (secret_in, secret) = oneshot::channel();
        let (gone_in, gone) = oneshot::channel();
        thread::spawn(move || {
            let mut input = io::stdin().lock();
            let mut line = String::new();
            if input.by_ref().take(SECRET_BYTES_MAX).read_line(&mut line).is_ok() && line.ends_with('\n') {
                let _ = secret_in.send(line.trim_end().into());
                // Whatever else may come is thrown away; an error ends the watch like the end does.
                let _ = io::copy(&mut input, &mut io::sink());
            }
            drop(gone_in);
            thread::sleep(STOP_TIMEOUT);
            process::exit(EXIT_STUCK);
        });
        Self { secret, gone }
    }
}
