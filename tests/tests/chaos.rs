//! Real processes, killed, frozen, drenched and cut off; and that nothing of a run is left behind.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where something is wrong")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use registry_testkit::eventually;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// An upper bound for what processes do on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the machine's other work may add to a deadline: the test is about promises, not about the machine.
const SLACK_MS: &str = "20000";

#[test]
fn promises_hold_for_real_processes() {
    let told = run(&["--smoke", "--slack-ms", SLACK_MS]);
    if told.contains("packets left alone") {
        // Past the harness, which keeps what a test prints to itself: whoever runs the gate shall know what it did not look at.
        let note =
            "NOTE: no network namespaces here, so nobody touched the packets of real processes; see CONTRIBUTING";
        let _ = writeln!(std::io::stderr(), "{note}");
    }
}

#[test]
fn every_step_of_a_bank_is_there_once_after_kills_and_freezes() {
    run(&["--bank", "--seconds", "5"]);
}

#[test]
fn nobody_hears_an_error_while_every_node_is_restarted() {
    run(&["--rolling", "--untimed"]);
}

/// Runs it to its good end, and says what it said.
fn run(words: &[&str]) -> String {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_chaos")).args(words).output().unwrap();
    let told = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(run.status.success(), "{told}");
    told
}

/// Whether a process lives; one that nobody has reaped yet does not.
fn lives(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn is_frozen(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains('T'))
}

/// The namespaces of the run with this process.
fn namespaces(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(Path::new("/run/netns")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("chaos-{pid}-"))).collect()
}

#[tokio::test]
async fn a_killed_run_leaves_nothing_behind() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .arg("--smoke")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = run.id().unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let mut processes = Vec::new();
    // Killed while one of its processes is frozen: that one cannot hear that it is alone.
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the run says nothing").unwrap();
        let line = line.expect("the run ended before it froze a process");
        if let Some((_, list)) = line.split_once("processes: ") {
            processes = list.split(' ').map(str::to_owned).collect();
        }
        if line.contains("Freeze") {
            break;
        }
    }
    assert_eq!(processes.len(), 5);
    eventually(PATIENCE, async || {
        if processes.iter().any(|pid| is_frozen(pid)) { Ok(()) } else { Err("no process is frozen yet") }
    })
    .await;
    run.kill().await.unwrap();
    eventually(PATIENCE, async || {
        let left: Vec<&String> = processes.iter().filter(|pid| lives(pid)).collect();
        match (left.as_slice(), namespaces(pid).as_slice()) {
            ([], []) => Ok(()),
            (processes, namespaces) => Err(format!("left behind: processes {processes:?}, namespaces {namespaces:?}")),
        }
    })
    .await;
}
