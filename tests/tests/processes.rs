//! Real processes: three members, one of them killed and started again, none left behind.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use registry_runtime::Node;
use registry_testkit::{builder, counters, eventually, every_slot_answers, free_addresses, one_key_per_slot, owner_of};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// An upper bound for what processes do on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const SIGKILL: i32 = 9;

/// A process of `src/bin/member.rs`. Its standard input is held open here, so it ends when this does, also when this process
/// is killed; `kill_on_drop` is for a failing test.
struct Member {
    id: String,
    incarnation: u64,
    child: Child,
}

impl Member {
    /// Starts the process and waits until it is ready.
    async fn start(id: &str, listen: SocketAddr, join: &[SocketAddr]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_member"))
            .arg(id)
            .arg(listen.to_string())
            .args(join.iter().map(ToString::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the member is not ready").unwrap();
        let line = line.expect("the member ended before it was ready");
        let incarnation = line.strip_prefix("ready ").unwrap().parse().unwrap();
        Self { id: id.to_owned(), incarnation, child }
    }

    /// Ends it as `kill -9 PID` would.
    async fn kill(mut self) {
        self.child.start_kill().unwrap();
        assert_eq!(self.ended().await.signal(), Some(SIGKILL));
    }

    /// Closes its standard input, as the end of this process would.
    async fn let_go(mut self) {
        drop(self.child.stdin.take());
        assert!(self.ended().await.success(), "{} did not end well", self.id);
    }

    async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the member still runs").unwrap()
    }
}

async fn sees(node: &Node, id: &str, state: &str) {
    eventually(PATIENCE, async || match registry_testkit::state_of(node, id) {
        Some(seen) if seen == state => Ok(()),
        other => Err(format!("{id} is {other:?}, not {state}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_is_replaced_and_returns() {
    let addresses = free_addresses(3);
    let ids = ["process-0", "process-1", "process-2"];
    let (zero, one, two) = tokio::join!(
        Member::start(ids[0], addresses[0], &addresses),
        Member::start(ids[1], addresses[1], &addresses),
        Member::start(ids[2], addresses[2], &addresses),
    );
    let caller = builder("process-caller").client_only().join(&addresses).start().await.unwrap();
    caller.wait_for_members(4).await.unwrap();
    let counters = counters::client(&caller);
    let keys = one_key_per_slot(&counters);
    every_slot_answers(PATIENCE, &counters, &keys).await;

    let mut members = vec![zero, one, two];
    let lost = owner_of(&counters, keys[0]).await;
    let place = members.iter().position(|member| member.id == lost).unwrap();
    let killed = members.remove(place);
    let before = killed.incarnation;
    killed.kill().await;

    for ran in every_slot_answers(PATIENCE, &counters, &keys).await {
        assert_ne!(ran.node, lost, "the dead answer");
    }
    sees(&caller, &lost, "Down").await;

    let index = ids.iter().position(|id| *id == lost).unwrap();
    let back = Member::start(&lost, addresses[index], &addresses).await;
    assert!(back.incarnation > before, "{} is not above {before}", back.incarnation);
    sees(&caller, &lost, "Up").await;
    eventually(PATIENCE, async || {
        let answers = every_slot_answers(PATIENCE, &counters, &keys).await;
        if answers.iter().any(|ran| ran.node == lost) { Ok(()) } else { Err(format!("{lost} owns nothing yet")) }
    })
    .await;

    members.push(back);
    caller.shutdown().await;
    for member in members {
        member.let_go().await;
    }
}
