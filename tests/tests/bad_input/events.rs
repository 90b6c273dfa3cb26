//! What this process's nodes record for people to see.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use registry_testkit::eventually;
use tracing_subscriber::filter::LevelFilter;

/// The events so far, one a line. All tests of this process write here; a test looks for names and addresses that are only
/// its own.
static EVENTS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to listen; called before a test's first node starts.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_ansi(false).with_writer(|| Recorder).init();
    });
}

/// Waits for a warning that holds one of the words of each group.
pub(crate) async fn warned(groups: &[&[&str]]) {
    let warning: &[&str] = &["WARN"];
    told(&[&[warning], groups].concat()).await;
}

/// Waits for an event, a warning or less, that holds one of the words of each group.
pub(crate) async fn told(groups: &[&[&str]]) {
    eventually(Duration::from_secs(20), async || {
        let events = String::from_utf8_lossy(&EVENTS.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let fits = |line: &str| groups.iter().all(|group| group.iter().any(|word| line.contains(word)));
        if events.lines().any(fits) { Ok(()) } else { Err(format!("no event with {groups:?} in:\n{events}")) }
    })
    .await;
}

struct Recorder;

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        EVENTS.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
