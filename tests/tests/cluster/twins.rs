//! Two live processes with one node id.

use std::time::Duration;

use registry_runtime::{CommandError, Node};
use registry_testkit::{builder, counters, eventually, free_addresses, one_key_per_slot, state_of};

#[tokio::test(flavor = "multi_thread")]
async fn the_older_of_two_nodes_with_one_id_stops_with_a_clear_error() {
    let addresses = free_addresses(4);
    let start = async |id: &str, index: usize| -> Node {
        builder(id).listen(addresses[index]).join(&addresses[..3]).host(counters::registry()).start().await.unwrap()
    };
    let (one, two, older) = tokio::join!(start("twins-1", 0), start("twins-2", 1), start("twin", 2));
    for node in [&one, &two, &older] {
        node.wait_for_members(3).await.unwrap();
    }
    let newer = start("twin", 3).await;

    let why = tokio::time::timeout(Duration::from_secs(20), older.stopped()).await.expect("the older twin still runs");
    let why = why.to_string();
    assert!(why.contains("twin") && why.contains(&addresses[3].to_string()), "names no twin: {why}");
    let error = counters::client(&older).bump(1).await.unwrap_err();
    assert!(matches!(error, CommandError::Unavailable { .. }), "{error:?}");

    newer.wait_for_members(3).await.unwrap();
    let counters = counters::client(&one);
    let keys = one_key_per_slot(&counters);
    eventually(Duration::from_secs(20), async || {
        let seen = one.members();
        let seen = seen.iter().find(|member| member.id == *newer.id()).ok_or("no twin is a member")?;
        if seen.address != newer.local_addr() || state_of(&one, "twin").as_deref() != Some("Up") {
            return Err("the newer twin is not the member");
        }
        Ok(())
    })
    .await;
    registry_testkit::every_slot_answers(Duration::from_secs(20), &counters, &keys).await;
}
