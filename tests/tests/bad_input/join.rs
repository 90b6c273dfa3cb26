//! Join lists that lead nowhere, and members that do not come.

use std::time::Duration;

use registry_runtime::{CommandError, Executed, Identity, Reason};
use registry_testkit::{builder, counters, eventually, every_slot_answers, free_addresses, state_of};

use crate::events;

/// A name that never resolves (RFC 6761, section 6.4).
const NOWHERE: &str = "nobody-is-here.invalid:7400";

#[tokio::test]
async fn an_address_that_does_not_answer_is_tried_until_it_does() {
    events::listen();
    let address = free_addresses(1)[0];
    let early = builder("join-early").host(counters::registry()).join([address]).start().await.unwrap();
    events::warned(&[&[&address.to_string()]]).await;
    let error = counters::client(&early).bump(1).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error, CommandError::Unavailable { reason: Reason::NotJoined });
    assert_eq!(error.executed(), Executed::No);

    let late = builder("join-late").host(counters::registry()).listen(address).start().await.unwrap();
    eventually(Duration::from_secs(30), async || match state_of(&late, "join-early") {
        Some(state) if state == "Up" => Ok(()),
        other => Err(format!("join-early is {other:?} to join-late")),
    })
    .await;
    every_slot_answers(Duration::from_secs(20), &counters::client(&early), &[1, 2, 3]).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_and_survived() {
    events::listen();
    let founder = builder("resolve-founder").host(counters::registry()).start().await.unwrap();
    let join = [NOWHERE.to_owned(), founder.local_addr().to_string()];
    let newcomer = builder("resolve-newcomer").host(counters::registry()).join(join).start().await.unwrap();
    events::warned(&[&["nobody-is-here.invalid"]]).await;
    newcomer.wait_for_members(2).await.unwrap();
    every_slot_answers(Duration::from_secs(20), &counters::client(&newcomer), &[1, 2, 3]).await;
}

#[tokio::test]
async fn a_start_that_requires_an_answer_fails_without_one() {
    let silent = free_addresses(1)[0];
    let start = builder("require").join([silent]).require_join(Duration::from_millis(500)).start();
    assert!(tokio::time::timeout(Duration::from_secs(20), start).await.expect("it waits for ever").is_err());

    let founder = builder("require-founder").host(counters::registry()).start().await.unwrap();
    let stranger = builder("require-stranger").identity(Identity::shared_secret("another secret"));
    let error = stranger.join([founder.local_addr()]).require_join(Duration::from_secs(1)).start().await.unwrap_err();
    assert!(error.to_string().contains("another secret"), "says not why: {error}");
    builder("require-found").join([founder.local_addr()]).require_join(Duration::from_secs(20)).start().await.unwrap();
}

#[tokio::test]
async fn members_that_do_not_come() {
    let alone = builder("members-alone").start().await.unwrap();
    alone.wait_for_members(1).await.unwrap();
    let error = alone.wait_for_members_within(3, Duration::from_millis(300)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("members-alone") && text.contains('3'), "says not who was seen: {text}");
    // The wait without a time of its own ends, too.
    let error =
        tokio::time::timeout(Duration::from_secs(60), alone.wait_for_members(3)).await.expect("it waits for ever");
    assert!(error.unwrap_err().to_string().contains("members-alone"));
}
