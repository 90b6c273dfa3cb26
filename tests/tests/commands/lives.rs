//! Nodes that only call, and clients that outlive their node.

use registry_runtime::{CommandError, Executed};
use registry_testkit::{builder, counters, eventually, one_key_per_slot};

use crate::PATIENCE;

#[tokio::test]
async fn a_client_only_node_calls_and_owns_nothing() {
    let host = builder("lives-host").host(counters::registry()).start().await.unwrap();
    let visitor = builder("lives-visitor")
        .client_only()
        .host(counters::registry())
        .join([host.local_addr()])
        .start()
        .await
        .unwrap();
    visitor.wait_for_members(2).await.unwrap();
    host.wait_for_members(2).await.unwrap();

    let counters = counters::client(&visitor);
    let keys = one_key_per_slot(&counters);
    for ran in registry_testkit::every_slot_answers(PATIENCE, &counters, &keys).await {
        assert_eq!(ran.node, "lives-host");
    }
    for node in [&host, &visitor] {
        let members = node.members();
        let seen = members.iter().find(|member| member.id == *visitor.id()).unwrap();
        assert!(seen.registries.is_empty(), "{seen:?}");
    }
}

#[tokio::test]
async fn clients_do_not_keep_a_node_alive() {
    let host = builder("lives-alone").host(counters::registry()).start().await.unwrap();
    let counters = counters::client(&host);
    let another = host.clone();
    drop(host);
    registry_testkit::every_slot_answers(PATIENCE, &counters, &[1]).await;
    drop(another);
    eventually(PATIENCE, async || match counters.bump(1).await {
        Err(error @ CommandError::Unavailable { .. }) => {
            assert_eq!(error.executed(), Executed::No);
            Ok(())
        }
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_node_that_was_shut_down_refuses_calls() {
    let host = builder("lives-ended").host(counters::registry()).start().await.unwrap();
    let counters = counters::client(&host);
    registry_testkit::every_slot_answers(PATIENCE, &counters, &[1]).await;
    host.shutdown().await;
    let error = counters.bump(1).await.unwrap_err();
    assert!(matches!(error, CommandError::Unavailable { .. }), "{error:?}");
    let error = counters::client(&host).count(1).await.unwrap_err();
    assert!(matches!(error, CommandError::Unavailable { .. }), "{error:?}");
}
