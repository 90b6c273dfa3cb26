//! Nodes that must never meet: other secret, other cluster, certificates that are not good here.

use std::time::Duration;

use registry_runtime::{Executed, Identity, Node, NodeBuilder, StartError, Timing};
use registry_testkit::{builder, counters, every_slot_answers, one_key_per_slot};

use crate::certificates::{Authority, Life};
use crate::events;

/// Starts the founder and then the stranger that joins it, and sees that neither takes the other for a member, that the
/// stranger's commands run nowhere, and that the founder serves as before. The ids are this meeting's own.
async fn never_meet(founder: NodeBuilder, stranger: NodeBuilder) {
    events::listen();
    let founder = founder.timing(Timing::fast()).host(counters::registry()).start().await.unwrap();
    let at_home = counters::client(&founder);
    let keys = one_key_per_slot(&at_home);
    let before = every_slot_answers(Duration::from_secs(10), &at_home, &keys).await;

    let stranger = stranger.timing(Timing::fast()).client_only().join([founder.local_addr()]).start().await.unwrap();
    let (one, two) = (founder.local_addr().to_string(), stranger.local_addr().to_string());
    // Once a refusal was heard of, the two have tried.
    events::warned(&[&[&one, &two, founder.id().as_str(), stranger.id().as_str()]]).await;
    let from_outside = counters::client(&stranger);
    for key in &keys {
        let error = from_outside.bump(key).timeout(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.executed(), Executed::No, "{error:?}");
    }
    let after = every_slot_answers(Duration::from_secs(10), &at_home, &keys).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.count, before.count + 1, "somebody else counted");
    }
    assert_knows_only_itself(&founder);
    assert_knows_only_itself(&stranger);
}

fn assert_knows_only_itself(node: &Node) {
    let strangers: Vec<String> =
        node.members().iter().filter(|member| member.id != *node.id()).map(|member| member.id.to_string()).collect();
    assert!(strangers.is_empty(), "{} took {strangers:?} for members", node.id());
}

fn with(id: &str, identity: Identity) -> NodeBuilder {
    Node::builder(id).identity(identity)
}

fn certified(authority: &Authority, id: &str, life: Life) -> NodeBuilder {
    with(id, authority.identity(id, life))
}

#[tokio::test]
async fn a_wrong_secret() {
    let known = |turn| builder(&format!("secret-known-{turn}"));
    let guessed = |turn| with(&format!("secret-guessed-{turn}"), Identity::shared_secret("a secret that was guessed"));
    never_meet(known(1), guessed(1)).await;
    never_meet(guessed(2), known(2)).await;
}

#[tokio::test]
async fn another_cluster() {
    never_meet(builder("cluster-north").cluster("north"), builder("cluster-south").cluster("south")).await;
    never_meet(builder("cluster-named").cluster("named"), builder("cluster-unnamed")).await;
}

#[tokio::test]
async fn a_foreign_authority() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let us = |turn| certified(&ours, &format!("authority-us-{turn}"), Life::Current);
    let them = |turn| certified(&theirs, &format!("authority-them-{turn}"), Life::Current);
    never_meet(us(1), them(1)).await;
    never_meet(them(2), us(2)).await;
    // A foreign certificate whose owner trusts our authority.
    let mixed = |turn| {
        let id = format!("authority-mixed-{turn}");
        with(&id, theirs.identity_under(&ours, &id))
    };
    never_meet(us(3), mixed(3)).await;
    never_meet(mixed(4), us(4)).await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time() {
    let authority = Authority::new("the only one");
    for (bad, life) in [("expired", Life::Expired), ("early", Life::NotYet)] {
        let good = |turn| certified(&authority, &format!("{bad}-good-{turn}"), Life::Current);
        let bad = |turn| certified(&authority, &format!("{bad}-bad-{turn}"), life);
        never_meet(good(1), bad(1)).await;
        never_meet(bad(2), good(2)).await;
    }
}

#[tokio::test]
async fn a_secret_and_an_authority() {
    let authority = Authority::new("a private one");
    never_meet(certified(&authority, "kinds-pem-1", Life::Current), builder("kinds-secret-1")).await;
    never_meet(builder("kinds-secret-2"), certified(&authority, "kinds-pem-2", Life::Current)).await;
}

#[tokio::test]
async fn the_certificate_of_another_node() {
    let authority = Authority::new("the only one");
    let borrowed =
        with("borrower", authority.identity("lender", Life::Current)).host(counters::registry()).start().await;
    let error: StartError = borrowed.expect_err("a node started under another one's name");
    let text = error.to_string();
    assert!(text.contains("borrower") || text.contains("lender"), "{text}");
}

/// The certificates of these tests are good where they should be, or the refusals above would prove nothing.
#[tokio::test]
async fn good_certificates_meet() {
    let authority = Authority::new("the only one");
    let builder = |id: &str| certified(&authority, id, Life::Current).timing(Timing::fast()).host(counters::registry());
    let one = builder("good-1").start().await.unwrap();
    let two = builder("good-2").join([one.local_addr()]).start().await.unwrap();
    one.wait_for_members(2).await.unwrap();
    two.wait_for_members(2).await.unwrap();
    let keys = one_key_per_slot(&counters::client(&one));
    for node in [&one, &two] {
        every_slot_answers(Duration::from_secs(20), &counters::client(node), &keys).await;
    }
}
