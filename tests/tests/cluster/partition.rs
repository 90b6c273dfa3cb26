//! Nodes that are cut off from others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Executed};
use registry_testkit::{
    Acknowledged, CounterClient, Runs, counters, eventually, every_slot_answers, one_key_per_slot, state_of,
};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// An upper bound for what a cluster does unaided after a cut or a heal.
const UNAIDED: Duration = Duration::from_secs(20);

/// How long a node that is cut off looks for others in vain: some of the pauses between two attempts to connect.
const ALONE: Duration = Duration::from_secs(2);

/// How often a writer begins a write at most. A refusal may come at once, and the nodes need the machine too.
const PACE: Duration = Duration::from_millis(2);

/// Every key is refused as unavailable; else the first that is not.
async fn refuses_all(counters: &CounterClient, keys: &[u64]) -> Result<(), String> {
    let calls = keys.iter().map(|key| counters.bump(key).timeout(Duration::from_secs(1))).collect();
    for (key, outcome) in keys.iter().zip(registry_testkit::together(calls).await) {
        match outcome {
            Err(error @ CommandError::Unavailable { .. }) => assert_eq!(error.executed(), Executed::No),
            other => return Err(format!("key {key}: {other:?}")),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_pauses_while_the_others_go_on() {
    let runs = Arc::new(Runs::default());
    let cluster =
        Cluster::builder().nodes(3).host(counters::registry()).state(Arc::clone(&runs)).start().await.unwrap();
    let [single, two, three] = [0, 1, 2].map(|index| counters::client(cluster.node(index)));
    let keys = one_key_per_slot(&single);
    every_slot_answers(UNAIDED, &single, &keys).await;

    cluster.partition(&[&[0], &[1, 2]]).await;
    eventually(UNAIDED, async || refuses_all(&single, &keys).await).await;
    let alone = cluster.node(0).id().to_string();
    for counters in [&two, &three] {
        let answers = every_slot_answers(UNAIDED, counters, &keys).await;
        assert!(answers.iter().all(|ran| ran.node != alone), "{alone} is cut off and answers: {answers:?}");
    }
    // Now that the others serve everything, the single node still serves nothing.
    refuses_all(&single, &keys).await.unwrap();

    cluster.heal().await;
    let nodes = crate::nodes(&cluster, &[0, 1, 2]);
    eventually(UNAIDED, async || {
        for node in &nodes {
            for other in &nodes {
                if state_of(node, other.id().as_str()).as_deref() != Some("Up") {
                    return Err(format!("{} does not see {} up again", node.id(), other.id()));
                }
            }
        }
        crate::hold_one_view_and_table(&nodes, &keys)
    })
    .await;
    for counters in [&single, &two, &three] {
        every_slot_answers(UNAIDED, counters, &keys).await;
    }
    runs.assert_one_node_per_epoch();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_alone_serve_nothing_and_find_together_again() {
    let cluster = crate::three_nodes().await;
    let clients = [0, 1, 2].map(|index| counters::client(cluster.node(index)));
    let keys = one_key_per_slot(&clients[0]);
    every_slot_answers(UNAIDED, &clients[0], &keys).await;

    cluster.partition(&[&[0], &[1], &[2]]).await;
    for counters in &clients {
        eventually(UNAIDED, async || refuses_all(counters, &keys).await).await;
    }
    cluster.heal().await;
    let nodes = crate::nodes(&cluster, &[0, 1, 2]);
    eventually(UNAIDED, async || crate::hold_one_view_and_table(&nodes, &keys)).await;
    for counters in &clients {
        every_slot_answers(UNAIDED, counters, &keys).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_holds_for_nodes_that_start_while_it_lasts() {
    let cluster = crate::three_nodes().await;
    cluster.partition(&[&[0], &[1, 2]]).await;
    for index in [0, 1] {
        cluster.kill(index).await;
        cluster.restart(index).await.unwrap();
    }
    let newcomer = cluster.add().await;
    cluster.node(1).wait_for_members(2).await.unwrap();
    // Long enough for those who could meet.
    let meets = async |index: usize| cluster.node(index).wait_for_members_within(2, ALONE).await.is_ok();
    assert_eq!(tokio::join!(meets(0), meets(newcomer)), (false, false));
    let sees = |one: usize, other: usize| {
        let (one, other) = (cluster.node(one), cluster.node(other));
        state_of(&one, other.id().as_str()).as_deref() == Some("Up")
    };
    assert!(sees(1, 2));
    for (one, other) in [(0, 1), (1, 0), (newcomer, 0), (newcomer, 1), (1, newcomer)] {
        assert!(!sees(one, other), "{one} has met {other}");
    }
    cluster.heal().await;
    for node in crate::nodes(&cluster, &[0, 1, 2, newcomer]) {
        node.wait_for_members(4).await.unwrap();
    }
}

/// The writers of a test: at every node one task that writes to all keys in turn and notes what is acknowledged.
struct Writers {
    acknowledged: Arc<Acknowledged>,
    attempts: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Writers {
    fn start(cluster: &Cluster, keys: &[u64]) -> Self {
        let mut writers = Self {
            acknowledged: Arc::default(),
            attempts: Arc::default(),
            enough: Arc::default(),
            tasks: JoinSet::new(),
        };
        for index in 0..cluster.len() {
            let counters = counters::client(cluster.node(index));
            let keys = keys.to_vec();
            let (acknowledged, attempts, enough) =
                (Arc::clone(&writers.acknowledged), Arc::clone(&writers.attempts), Arc::clone(&writers.enough));
            writers.tasks.spawn(async move {
                let mut pace = tokio::time::interval(PACE);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for key in keys.into_iter().cycle() {
                    if enough.load(Ordering::Relaxed) {
                        break;
                    }
                    let begun = Instant::now();
                    if let Ok(ran) = counters.bump(key).timeout(Duration::from_millis(100)).await {
                        acknowledged.record(key, begun, ran);
                    }
                    attempts.fetch_add(1, Ordering::Relaxed);
                    pace.tick().await;
                }
            });
        }
        writers
    }

    /// Waits for so many further attempts, whatever comes of them.
    async fn go_on(&self, attempts: usize) {
        let target = self.attempts.load(Ordering::Relaxed) + attempts;
        eventually(Duration::from_secs(60), async || match self.attempts.load(Ordering::Relaxed) {
            now if now >= target => Ok(()),
            now => Err(format!("{now} of {target} writes were tried")),
        })
        .await;
    }

    async fn stop(mut self) -> Arc<Acknowledged> {
        self.enough.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.acknowledged
    }
}

/// One more cut: the sides that still hold together, and the node that node 0 must have lost before the next cut.
struct Step {
    sides: &'static [&'static [usize]],
    lost: Option<usize>,
}

/// Cuts node 0 off step by step while every node writes; then heals, and sees that no ex-owner was ever heard.
async fn cut_off(nodes: usize, steps: &[Step]) {
    let runs = Arc::new(Runs::default());
    let cluster =
        Cluster::builder().nodes(nodes).host(counters::registry()).state(Arc::clone(&runs)).start().await.unwrap();
    let every: Vec<CounterClient> = (0..nodes).map(|index| counters::client(cluster.node(index))).collect();
    let keys: Vec<u64> = one_key_per_slot(&every[0]).into_iter().step_by(8).collect();
    every_slot_answers(UNAIDED, &every[0], &keys).await;
    let writers = Writers::start(&cluster, &keys);
    writers.go_on(200).await;

    let lonely = cluster.node(0);
    for step in steps {
        cluster.partition(step.sides).await;
        if let Some(lost) = step.lost {
            let lost = cluster.node(lost).id().to_string();
            eventually(UNAIDED, async || match state_of(&lonely, &lost) {
                Some(state) if state == "Down" => Ok(()),
                other => Err(format!("{lost} is {other:?} to {}", lonely.id())),
            })
            .await;
        }
        writers.go_on(200).await;
    }

    cluster.heal().await;
    let all = crate::nodes(&cluster, &(0..nodes).collect::<Vec<_>>());
    eventually(Duration::from_secs(40), async || crate::hold_one_view_and_table(&all, &keys)).await;
    writers.go_on(200).await;
    let acknowledged = writers.stop().await;
    for counters in &every {
        every_slot_answers(UNAIDED, counters, &keys).await;
    }
    assert!(!acknowledged.is_empty());
    acknowledged.assert_epochs_rise();
    runs.assert_one_node_per_epoch();
}

/// The others go Down for node 0 one by one, so that it never sees more than one vanish from those that it still counts;
/// meanwhile they gather on the other side.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_loses_one_after_another_never_serves_beside_them() {
    let steps = [
        Step { sides: &[&[0, 1, 2], &[3]], lost: Some(3) },
        Step { sides: &[&[0, 1], &[2, 3]], lost: Some(2) },
        Step { sides: &[&[0], &[1, 2, 3]], lost: Some(1) },
    ];
    cut_off(4, &steps).await;
}

/// The same, but those that node 0 has lost still see the ones that it has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_links_break_one_after_another_never_serves_beside_the_others() {
    let steps = [Step { sides: &[&[0, 1], &[1, 2]], lost: None }, Step { sides: &[&[0], &[1, 2]], lost: Some(1) }];
    cut_off(3, &steps).await;
}
