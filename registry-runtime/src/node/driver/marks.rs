//! Tells those who may have receipts of this node's calls which of these are over.

use std::time::Duration;

use super::super::letter::{CallerMark, Letter};
use super::Driver;
use crate::id::RegistryName;

/// How often callers say which of their calls are over, for slots that they do not call again. A walk through thousands of slots takes some
/// tenths of a millisecond for each caller; between two, replies of 100 MiB a second find their room.
pub(in crate::node) const MARKS_EVERY: Duration = Duration::from_secs(2);

impl Driver {
    /// Tells every host of a registry that was called lately, this node included.
    pub(super) fn tell_marks(&mut self) {
        let session = self.port.session();
        for (name, mark) in self.port.marks() {
            let Some(registry) = RegistryName::new(name) else { continue };
            let mark = CallerMark { registry, session, mark };
            self.take_mark(&mark);
            let letter = Letter::Mark(mark);
            for link in self.peers.links().filter(|link| link.peer().hello.registry(name).is_some()) {
                self.send(&link.peer().node, &letter);
            }
        }
    }

    /// A caller says which of its calls are over. What it says of a registry that is not hosted here matters to nobody.
    pub(super) fn take_mark(&self, told: &CallerMark) {
        if let Some(kept) = self.kept.get(&told.registry) {
            kept.host.pass(told.session, told.mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::super::super::Node;
    use super::super::super::notes::{Note, notes};
    use super::*;
    use crate::time::Timing;
    use crate::transport::Identity;

    /// No other call of these slots comes to say so.
    #[tokio::test]
    async fn receipts_go_soon_after_their_callers_have_heard() {
        let builder = |name: &str| {
            Node::builder(name).identity(Identity::shared_secret("a secret of marks")).timing(Timing::fast())
        };
        let host = builder("host").host(notes::registry()).start().await.unwrap();
        let caller = builder("caller").client_only().join([host.local_addr()]).start().await.unwrap();
        let notes = notes::client(&caller);
        let kept = host.inner.port.host("notes").unwrap().host_of::<Note>().unwrap();
        let mut most = 0;
        for id in 0..100 {
            assert_eq!(notes.touch(id).timeout(Duration::from_secs(20)).await, Ok(id));
            most = most.max(kept.receipts());
        }
        assert!(most > 0);
        let all_gone = async {
            while kept.receipts() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(30), all_gone).await.expect("they would lie there for a minute and more");
        assert_eq!(notes.touch(1).await, Ok(1));
    }
}
