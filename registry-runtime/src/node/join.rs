//! The join list: looked up again and again, and matched with the processes found behind it.
//!
//! An entry is to stand for one node, and a name may stand for several. Then nobody can tell how many nodes there are to be, and one
//! that reaches only itself would take itself for all of them. So an entry stands for a process only if all its addresses
//! were found to be that one node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::id::{NodeId, Process};

/// How long one lookup may take before the entry counts as unresolved this time.
const LOOKUP: Duration = Duration::from_secs(5);

/// The first wait after a lookup in vain; it doubles up to [`AGAIN_MAX`].
const AGAIN_MIN: Duration = Duration::from_millis(500);

/// The longest wait after a lookup in vain.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// How often an entry that resolved is looked up again: names may move to other addresses.
const REFRESH: Duration = Duration::from_secs(60);

/// The most addresses of an entry that are looked at: no more are dialled for the whole list, and one that has so many is not one node.
const ADDRESSES_MAX: usize = 64;

/// What an entry of the join list stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The entry's place in the list.
    pub(super) entry: usize,
    /// Its addresses.
    pub(super) addresses: Vec<SocketAddr>,
}

/// The join list as far as it is resolved, and who was found there.
#[derive(Debug)]
pub(super) struct Join {
    own: Process,
    /// Where this process listens: it never hears from others who that is.
    listening: SocketAddr,
    entries: Vec<Entry>,
}

impl Join {
    /// Reads the entries that are plain addresses; the others follow by [`Resolved`].
    pub(super) fn new(list: &[String], own: Process, listening: SocketAddr) -> Self {
        let entries = list.iter().map(|text| Entry { text: text.as_str().into(), ..Entry::default() }).collect();
        let mut join = Self { own, listening, entries };
        for (entry, text) in list.iter().enumerate() {
            if let Ok(address) = text.parse() {
                join.resolve(Resolved { entry, addresses: vec![address] });
            }
        }
        join
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes in what an entry stands for now.
    pub(super) fn resolve(&mut self, resolved: Resolved) {
        if let Some(entry) = self.entries.get_mut(resolved.entry) {
            entry.resolve(&resolved.addresses, self.listening);
        }
        self.find(self.listening, &self.own.clone());
    }

    /// Takes in who is connected: found where it was `dialled`, or else where it says that it listens.
    pub(super) fn meet(&mut self, process: &Process, says: SocketAddr, dialled: Option<SocketAddr>) {
        let is_listed = |address: &SocketAddr| self.entries.iter().any(|entry| entry.addresses.contains_key(address));
        let address = dialled.filter(is_listed).unwrap_or(says);
        self.find(address, process);
    }

    /// This process was found behind an address.
    pub(super) fn meet_myself(&mut self, address: SocketAddr) {
        self.find(address, &self.own.clone());
    }

    /// The entries that stand for another process than was last told, or for none any more.
    pub(super) fn news(&mut self) -> Vec<(usize, Option<Process>)> {
        let entries = self.entries.iter_mut().enumerate();
        entries.filter_map(|(index, entry)| Some((index, entry.news(self.listening)?))).collect()
    }

    /// All addresses.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.entries.iter().flat_map(|entry| entry.addresses.keys()).copied().collect()
    }

    fn find(&mut self, address: SocketAddr, process: &Process) {
        for entry in &mut self.entries {
            entry.find(address, process);
        }
    }
}

/// One entry of the list.
#[derive(Debug, Default)]
struct Entry {
    text: Box<str>,
    /// Its addresses, and who was last found there.
    addresses: BTreeMap<SocketAddr, Option<Process>>,
    /// The most addresses that it had at once, without those that this node cannot dial. Where some are gone again, the nodes behind
    /// them may only be away: lookups often leave those out that are not ready.
    addresses_max: usize,
    /// Whom it stands for, as was last told.
    told: Option<Process>,
    /// Whether it was said that it stands for several nodes.
    is_blamed: bool,
}

impl Entry {
    fn resolve(&mut self, addresses: &[SocketAddr], listening: SocketAddr) {
        let before = std::mem::take(&mut self.addresses);
        let found = |address: &SocketAddr| before.get(address).cloned().flatten();
        // Some lookups bring an address twice.
        self.addresses = addresses.iter().take(ADDRESSES_MAX).map(|address| (*address, found(address))).collect();
        self.addresses_max = self.addresses_max.max(self.found(listening).count());
    }

    fn find(&mut self, address: SocketAddr, process: &Process) {
        let Some(found) = self.addresses.get_mut(&address) else { return };
        // What is heard of a former life comes late.
        if found.as_ref().is_none_or(|known| known.node != process.node || known.start < process.start) {
            *found = Some(process.clone());
            self.blame_if_shared();
        }
    }

    /// Says once that several nodes were found, for a cluster that is not founded must not be a riddle.
    fn blame_if_shared(&mut self) {
        let nodes: BTreeSet<&NodeId> = self.addresses.values().flatten().map(|process| &process.node).collect();
        if nodes.len() > 1 && !self.is_blamed {
            self.is_blamed = true;
            tracing::warn!(
                entry = %self.text,
                "an entry of the join list stands for several nodes: it serves to find them, but counts for none where a cluster is founded; \
                 give each node an entry of its own"
            );
        }
    }

    /// Whom it stands for, if that is news.
    fn news(&mut self, listening: SocketAddr) -> Option<Option<Process>> {
        let process = self.process(listening).cloned();
        (self.told != process).then(|| {
            self.told.clone_from(&process);
            process
        })
    }

    /// The process that it stands for: found behind all its addresses, as many as it ever had.
    fn process(&self, listening: SocketAddr) -> Option<&Process> {
        let found: Vec<&Process> = self.found(listening).collect::<Option<_>>()?;
        let latest = found.iter().max_by_key(|process| process.start)?;
        let is_one = found.iter().all(|process| process.node == latest.node);
        (is_one && found.len() >= self.addresses_max).then_some(*latest)
    }

    /// Who was found behind each address that this node can dial.
    fn found(&self, listening: SocketAddr) -> impl Iterator<Item = Option<&Process>> {
        let dialled = self.addresses.iter().filter(move |(address, _)| can_dial(listening, **address));
        dialled.map(|(_, found)| found.as_ref())
    }
}

/// Whether who listens at `listening` can dial an address: only those of its own family, unless it listens on all addresses of both.
///
/// `localhost` often stands for 127.0.0.1 and ::1, and who listens on one of them finds nobody on the other. A node that listens there
/// instead is no member that this one could ever have.
fn can_dial(listening: SocketAddr, address: SocketAddr) -> bool {
    let is_v4 = |address: SocketAddr| address.ip().to_canonical().is_ipv4();
    is_v4(listening) == is_v4(address) || (listening.is_ipv6() && listening.ip().is_unspecified())
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
                let resolved = Resolved { entry, addresses: addresses.take(ADDRESSES_MAX).collect() };
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
    use crate::id::Start;

    const LISTENING: &str = "10.0.0.1:7400";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn process(name: &str, start: u64) -> Process {
        Process { node: NodeId::new(name).unwrap(), start: Start::new(start) }
    }

    fn join(list: &[&str], listening: &str) -> Join {
        let list: Vec<String> = list.iter().map(|entry| (*entry).to_owned()).collect();
        Join::new(&list, process("me", 1), address(listening))
    }

    fn resolve(join: &mut Join, entry: usize, addresses: &[&str]) {
        join.resolve(Resolved { entry, addresses: addresses.iter().map(|text| address(text)).collect() });
    }

    /// The entries that are told anew: each with the name and the start of its process.
    fn check(join: &mut Join, expected: &[(usize, Option<(&str, u64)>)]) {
        let expected: Vec<_> =
            expected.iter().map(|(entry, found)| (*entry, found.map(|(name, start)| process(name, start)))).collect();
        assert_eq!(join.news(), expected);
        assert_eq!(join.news(), [], "it is told once");
    }

    #[test]
    fn addresses_are_read_and_names_are_left_to_the_lookup() {
        let mut join = join(&[LISTENING, "10.0.0.3:7400", "db.example:7400"], LISTENING);
        assert_eq!(join.len(), 3);
        check(&mut join, &[(0, Some(("me", 1)))]);
        let second = address("10.0.0.2:7400");
        join.meet(&process("b", 1), second, None);
        check(&mut join, &[]);
        resolve(&mut join, 2, &["10.0.0.2:7400"]);
        join.meet(&process("b", 1), second, None);
        check(&mut join, &[(2, Some(("b", 1)))]);
        assert_eq!(join.addresses(), [LISTENING, "10.0.0.3:7400", "10.0.0.2:7400"].map(address));
    }

    #[test]
    fn the_own_name_is_known_once_it_resolves() {
        let mut join = join(&["me.example:7400"], LISTENING);
        check(&mut join, &[]);
        resolve(&mut join, 0, &[LISTENING]);
        check(&mut join, &[(0, Some(("me", 1)))]);
    }

    #[test]
    fn who_is_dialled_is_found_there_whatever_it_says() {
        let mut join = join(&["10.0.0.2:7400", "10.0.0.3:7400"], LISTENING);
        let [second, third] = ["10.0.0.2:7400", "10.0.0.3:7400"].map(address);
        join.meet(&process("b", 1), third, Some(second));
        check(&mut join, &[(0, Some(("b", 1)))]);
        join.meet(&process("c", 1), third, Some(address("10.0.0.9:7400")));
        check(&mut join, &[(1, Some(("c", 1)))]);
    }

    #[test]
    fn an_entry_stands_for_a_node_that_is_found_behind_all_its_addresses() {
        let mut join = join(&["db.example:7400"], "[::]:7400");
        let [v4, v6] = ["10.0.0.1:7400", "[2001:db8::1]:7400"];
        resolve(&mut join, 0, &[v4, v6]);
        join.meet_myself(address(v4));
        check(&mut join, &[]);
        join.meet_myself(address(v6));
        check(&mut join, &[(0, Some(("me", 1)))]);
        resolve(&mut join, 0, &[v6, v4, v6]);
        check(&mut join, &[]);
        // Another is found at one of them.
        join.meet(&process("b", 2), address(v6), None);
        check(&mut join, &[(0, None)]);
        join.meet(&process("b", 2), address(v4), Some(address(v4)));
        check(&mut join, &[(0, Some(("b", 2)))]);
        // It has restarted, and what is heard of its former life comes late.
        join.meet(&process("b", 3), address(v4), None);
        join.meet(&process("b", 2), address(v4), None);
        check(&mut join, &[(0, Some(("b", 3)))]);
    }

    #[test]
    fn an_entry_that_had_several_addresses_does_not_stand_for_what_is_left_of_them() {
        let mut join = join(&["db.example:7400"], "0.0.0.0:7400");
        let [first, second, third] = ["10.0.0.1:7400", "10.0.0.2:7400", "10.0.0.3:7400"];
        resolve(&mut join, 0, &[first]);
        join.meet_myself(address(first));
        check(&mut join, &[(0, Some(("me", 1)))]);
        resolve(&mut join, 0, &[first, second, third]);
        check(&mut join, &[(0, None)]);
        resolve(&mut join, 0, &[first]);
        check(&mut join, &[]);
    }

    #[test]
    fn an_entry_that_moves_stands_for_nobody_until_somebody_is_found() {
        let mut join = join(&["db.example:7400"], LISTENING);
        let [before, after] = ["10.0.0.2:7400", "10.0.0.3:7400"];
        resolve(&mut join, 0, &[before]);
        join.meet(&process("b", 1), address(before), None);
        check(&mut join, &[(0, Some(("b", 1)))]);
        resolve(&mut join, 0, &[after]);
        check(&mut join, &[(0, None)]);
        join.meet(&process("b", 2), address(after), None);
        check(&mut join, &[(0, Some(("b", 2)))]);
    }

    #[test]
    fn addresses_of_a_family_that_cannot_be_dialled_stand_for_nobody() {
        let check = |listening: &str, is_known: bool| {
            let mut join = join(&["localhost:7400"], listening);
            resolve(&mut join, 0, &["127.0.0.1:7400", "[::1]:7400"]);
            assert_eq!(!join.news().is_empty(), is_known, "{listening}");
            assert_eq!(join.addresses().len(), 2, "they are dialled as ever");
        };
        check("127.0.0.1:7400", true);
        check("[::1]:7400", true);
        check("[::]:7400", false);
        check("0.0.0.0:7400", false);
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
