//! The `orders` binary from outside: what it refuses, what it counts, and that it leaves nobody behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::NamedTempFile;

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");

fn orders(arguments: &[&str]) -> Output {
    Command::new(ORDERS).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn file(content: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

/// Input that cannot be used ends the program before anything starts: exit code 2, nothing on standard output, and a message
/// that begins with the place.
fn check_refused(input: &Path, message: &str) {
    let output = orders(&["--input", input.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.trim_end(), format!("{}{message}", input.display()));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_missing_file_is_named() {
    check_refused(Path::new("/no/such/purchases.txt"), ": cannot be read: No such file or directory (os error 2)");
}

#[test]
fn an_empty_file_is_named() {
    check_refused(file(b"").path(), ": the file is empty, expected one purchase per line");
}

#[test]
fn a_malformed_line_is_named() {
    let input = file(b"1 1 19970101 2 1.00\n1 1 19970101 2 1.0\n");
    check_refused(input.path(), ":2: `1.0` is no dollar value: write digits and two decimals, such as 29.33");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for arguments in [["--nodes", "0"], ["--nodes", "x"], ["--concurrency", "0"], ["--frobnicate", "1"]] {
        assert_eq!(orders(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn totals_agree_through_three_processes() {
    let input = file(&first_lines(300));
    let output = orders(&["--input", input.path().to_str().unwrap(), "--concurrency", "32"]);
    let (report, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{report}\n{said}");
    let orders: Vec<_> = report.lines().find(|line| line.starts_with("orders ")).unwrap().split_whitespace().collect();
    assert_eq!(orders, ["orders", "300", "300", "300"], "{report}");
    assert!(report.contains("every total agrees with the file"), "{report}");
}

/// Whatever way the parent ends: here by SIGKILL, in the middle of its work.
#[cfg(target_os = "linux")]
#[test]
fn no_child_survives_a_killed_parent() {
    use std::time::{Duration, Instant};

    let mut parent =
        Command::new(ORDERS).stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = BufReader::new(parent.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("3 nodes are up"), "{line}");
    let children = children_of(parent.id());
    assert_eq!(children.len(), 3);

    parent.kill().unwrap();
    parent.wait().unwrap();
    // The children end by themselves; the limit only keeps a failure from hanging.
    let deadline = Instant::now() + Duration::from_secs(30);
    while children.iter().any(|child| alive(*child)) {
        assert!(Instant::now() < deadline, "{children:?} outlived their parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn first_lines(count: usize) -> Vec<u8> {
    let sample = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/cdnow_sample.txt")).unwrap();
    sample.split_inclusive(|byte| *byte == b'\n').take(count).flatten().copied().collect()
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap();
    let numbers = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    numbers.filter(|number| state(*number).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// A process that has ended and is not yet reaped by its new parent is not alive.
#[cfg(target_os = "linux")]
fn alive(process: u32) -> bool {
    state(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// State and parent of a process, from proc(5): the fields after the last parenthesis, for a name may hold any character.
#[cfg(target_os = "linux")]
fn state(process: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.into(), fields.next()?.parse().ok()?))
}
