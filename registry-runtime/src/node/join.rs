//! The join list: looked up again and again, and matched with the processes found behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How long one lookup may take before the entry counts as unresolved this time.
const LOOKUP: Duration = Duration::from_secs(5);

/// The first wait after a lookup in vain; it doubles up to [`AGAIN_MAX`].
const AGAIN_MIN: Duration = Duration::from_millis(500);

/// The longest wait after a lookup in vain.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// How often an entry that resolved is looked up again: names may move to other addresses.
const REFRESH: Duration = Duration::from_secs(60);

/// What an entry of the join list stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The entry's place in the list.
    pub(super) entry: usize,
    /// Its addresses.
    pub(super) addresses: Vec<SocketAddr>,
}

/// The join list as far as it is resolved.
#[derive(Debug)]
pub(super) struct Join {
    entries: Vec<Vec<SocketAddr>>,
}

impl Join {
    /// Reads the entries that are plain addresses; the others follow by [`Resolved`].
    pub(super) fn new(list: &[String]) -> Self {
        Self { entries: list.iter().map(|entry| entry.parse().into_iter().collect()).collect() }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes in what an entry stands for now.
    pub(super) fn resolve(&mut self, resolved: Resolved) {
        if let Some(entry) = self.entries.get_mut(resolved.entry) {
            *entry = resolved.addresses;
        }
    }

    /// All addresses.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.entries.iter().flatten().copied().collect()
    }

    /// The entry that stands for an address.
    pub(super) fn entry_of(&self, address: SocketAddr) -> Option<usize> {
        self.entries.iter().position(|entry| entry.contains(&address))
    }
}

/// Looks the named entries up, for as long as somebody wants to know.
pub(super) fn watch(list: &[String], tell: &mpsc::Sender<Resolved>) {
    for (entry, text) in list.iter().enumerate() {
        if text.parse::<SocketAddr>().is_err() {
            tokio::spawn(watch_entry(entry, text.as_str().into(), tell.clone()));
        }
    }
}

async fn watch_entry(entry: usize, text: Arc<str>, tell: mpsc::Sender<Resolved>) {
    let mut again = AGAIN_MIN;
    loop {
        let wait = match timeout(LOOKUP, lookup_host(&*text)).await {
            Ok(Ok(addresses)) => {
                let resolved = Resolved { entry, addresses: addresses.collect() };
                if tell.send(resolved).await.is_err() {
                    return;
                }
                again = AGAIN_MIN;
                REFRESH
            }
            Ok(Err(error)) => {
                tracing::warn!(entry = %text, %error, "an entry of the join list does not resolve; trying again in {again:?}");
                later(&mut again)
            }
            Err(_) => {
                tracing::warn!(entry = %text, "the lookup of an entry of the join list took too long; trying again in {again:?}");
                later(&mut again)
            }
        };
        tokio::select! {
            biased;
            () = tell.closed() => return,
            () = sleep(wait) => {}
        }
    }
}

/// The present wait; the next one is twice as long.
fn later(again: &mut Duration) -> Duration {
    let wait = *again;
    *again = (wait * 2).min(AGAIN_MAX);
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_names_are_left_to_the_lookup() {
        let mut join = Join::new(&["127.0.0.1:7400".into(), "db.example:7400".into()]);
        let [first, second]: [SocketAddr; 2] = ["127.0.0.1:7400".parse().unwrap(), "10.0.0.2:7400".parse().unwrap()];
        assert_eq!(join.entry_of(first), Some(0));
        assert_eq!(join.entry_of(second), None);
        join.resolve(Resolved { entry: 1, addresses: vec![second] });
        assert_eq!(join.entry_of(second), Some(1));
        assert_eq!(join.addresses(), [first, second]);
        assert_eq!(join.len(), 2);
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        let (tell, mut told) = mpsc::channel(1);
        watch(&["localhost:7400".into()], &tell);
        let resolved = told.recv().await.unwrap();
        assert_eq!(resolved.entry, 0);
        assert!(resolved.addresses.iter().all(|address| address.ip().is_loopback() && address.port() == 7400));
    }
}
