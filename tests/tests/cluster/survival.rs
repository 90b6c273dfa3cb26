//! What was acknowledged stays, whatever becomes of the node that did it.

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Reason, Resource, commands, registry};
use registry_testkit::{counters, eventually, one_key_per_slot};
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    /// All in one slot, which is filled in many parts.
    books { resource Note; sharding singleton; timeout 30s; }

    notes { resource Note; sharding consistent_hashing(slots = 16); timeout 30s; }
}

/// Something that is written down and added to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
struct Note {
    #[key]
    id: u64,
    lines: Vec<String>,
}

#[commands]
impl Note {
    fn write(id: u64, line: String) -> Self {
        Self { id, lines: vec![line] }
    }

    async fn append(&mut self, line: String) -> usize {
        // Somewhere between beginning and end.
        tokio::task::yield_now().await;
        self.lines.push(line);
        self.lines.len()
    }

    fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }

    fn tear_up(self) -> usize {
        self.lines.len()
    }
}

const NOTES: u64 = 40;

async fn cluster() -> Cluster {
    Cluster::builder().nodes(3).host(notes::registry()).host(counters::registry()).start().await.unwrap()
}

/// Writes notes from one node, with two lines each, and tears up every fourth.
async fn write_all(notes: &NoteClient) {
    for id in 0..NOTES {
        assert_eq!(notes.write(id, "first".into()).await.unwrap().id, id);
        assert_eq!(notes.append(id, "second".into()).await.unwrap(), 2);
        if id % 4 == 0 {
            assert_eq!(notes.tear_up(id).await.unwrap(), 2);
        }
    }
}

/// Sees to it that all are as they were left.
async fn find_all(notes: &NoteClient) {
    find_those_left(notes).await;
    for id in (0..NOTES).filter(|id| id % 4 == 0) {
        assert_eq!(notes.lines(id).await, Err(CommandError::NotFound), "note {id}");
    }
}

async fn find_those_left(notes: &NoteClient) {
    for id in (0..NOTES).filter(|id| id % 4 != 0) {
        assert_eq!(notes.lines(id).await.unwrap(), ["first", "second"], "note {id}");
    }
}

/// The index of the node that owns a note.
fn owner(cluster: &Cluster, notes: &NoteClient, id: u64) -> usize {
    cluster.index_of(&notes.registry().owner(id).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_changes_survive_their_owner() {
    let cluster = cluster().await;
    let notes = notes::client(cluster.node(0));
    write_all(&notes).await;
    let lost = owner(&cluster, &notes, 1);
    cluster.kill(lost).await;
    let notes = notes::client(cluster.node((lost + 1) % cluster.len()));
    // While the loss is being noticed, too. Of one that is gone a call with an unanswered attempt could not say that it never ran.
    find_those_left(&notes).await;
    find_all(&notes).await;
    assert_eq!(notes.append(1, "third".into()).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_survive_one_node_after_another_when_each_is_made_up_for() {
    let cluster = cluster().await;
    write_all(&notes::client(cluster.node(0))).await;
    for index in 0..cluster.len() {
        cluster.kill(index).await;
        cluster.restart(index).await.unwrap();
        cluster.settled().await;
        find_all(&notes::client(cluster.node(index))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_move_with_their_slots() {
    let cluster = cluster().await;
    write_all(&notes::client(cluster.node(0))).await;
    let added = cluster.add().await;
    cluster.settled().await;
    find_all(&notes::client(cluster.node(added))).await;
    cluster.leave(0).await.unwrap();
    cluster.settled().await;
    find_all(&notes::client(cluster.node(added))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_known_to_the_next_owner() {
    let cluster = cluster().await;
    let notes = notes::client(cluster.node(0));
    notes.write(1, "first".into()).await.unwrap();
    let append = |notes: &NoteClient| notes.append(1, "second".into()).idempotency_key("once");
    assert_eq!(append(&notes).await.unwrap(), 2);
    let lost = owner(&cluster, &notes, 1);
    cluster.kill(lost).await;
    let notes = notes::client(cluster.node((lost + 1) % cluster.len()));
    assert_eq!(append(&notes).await.unwrap(), 2, "the first reply");
    assert_eq!(notes.lines(1).await.unwrap(), ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_under_way_to_a_killed_owner_take_effect_once() {
    let cluster = std::sync::Arc::new(cluster().await);
    let notes = notes::client(cluster.node(0));
    notes.write(1, "0".into()).await.unwrap();
    let lost = owner(&cluster, &notes, 1);
    let caller = notes::client(cluster.node((lost + 1) % cluster.len()));
    let calls: Vec<_> = (1..=200).map(|number| tokio::spawn(caller.append(1, number.to_string()))).collect();
    // Some are done, some are under way.
    eventually(PATIENCE, async || match caller.lines(1).await {
        Ok(lines) if lines.len() > 20 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    cluster.kill(lost).await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let mut lines: Vec<u32> = caller.lines(1).await.unwrap().iter().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..=200).collect::<Vec<_>>(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_on_demand_survive_too() {
    let cluster = cluster().await;
    let counters = counters::client(cluster.node(0));
    let keys = one_key_per_slot(&counters);
    for key in &keys {
        counters.bump(key).await.unwrap();
    }
    cluster.kill(2).await;
    for key in &keys {
        assert_eq!(counters.count(key).timeout(PATIENCE).await.unwrap(), 1, "key {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_slot_is_filled_in_parts_while_it_changes() {
    const BOOKS: u64 = 60;
    let cluster = Cluster::builder().nodes(3).host(books::registry()).start().await.unwrap();
    let page = "a page of many words ".repeat(8_000);
    let books = books::client(cluster.node(0));
    for id in 0..BOOKS {
        books.write(id, page.clone()).await.unwrap();
    }
    for index in 0..cluster.len() {
        cluster.kill(index).await;
        let books = books::client(cluster.node((index + 1) % cluster.len()));
        // Its successor is filled with ten MB; what comes meanwhile is acknowledged by the two that are left.
        let (restarted, ()) = tokio::join!(cluster.restart(index), async {
            for id in 0..BOOKS {
                assert_eq!(books.append(id, index.to_string()).await.unwrap(), index + 2);
            }
        });
        restarted.unwrap();
        cluster.settled().await;
    }
    let books = books::client(cluster.node(1));
    for id in 0..BOOKS {
        let lines = books.lines(id).await.unwrap();
        assert_eq!((lines[0] == page, &lines[1..]), (true, &["0".into(), "1".into(), "2".into()][..]), "book {id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_over_the_limit_stays_as_it_was() {
    let cluster = cluster().await;
    let notes = notes::client(cluster.node(0));
    let half = "x".repeat(3 << 20);
    notes.write(1, half.clone()).await.unwrap();
    let refused = notes.append(1, half.clone()).await;
    assert_eq!(refused, Err(CommandError::Unknown { reason: Reason::BadReply }));
    assert_eq!(notes.lines(1).await.unwrap(), [half]);
    assert_eq!(notes.append(1, "short".into()).await.unwrap(), 2, "the lane is free");
}
