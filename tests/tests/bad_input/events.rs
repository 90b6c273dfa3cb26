//! The warnings of this process's nodes.

use std::io::{self, Write};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use registry_tests::eventually;
use tracing_subscriber::filter::LevelFilter;

/// The warnings so far, one a line. All tests of this process write here; a test looks for names and addresses that are only
/// its own.
static WARNINGS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to listen; called before a test's first node starts.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_ansi(false).with_writer(|| Recorder).init();
    });
}

/// Waits for a warning that holds one of the words of each group.
pub(crate) async fn warned(groups: &[&[&str]]) {
    eventually(Duration::from_secs(20), async || {
        let warnings = String::from_utf8_lossy(&WARNINGS.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let fits = |line: &str| groups.iter().all(|group| group.iter().any(|word| line.contains(word)));
        if warnings.lines().any(fits) { Ok(()) } else { Err(format!("no warning with {groups:?} in:\n{warnings}")) }
    })
    .await;
}

struct Recorder;

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WARNINGS.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
