//! Commands that come a second time: told what the first was told, with no second effect.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use registry_runtime::{CommandError, MemberState};
use registry_testkit::eventually;

use crate::{Bank, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_told_again() {
    let bank = Bank::with_nodes(3).await;
    let (accounts, id) = (bank.accounts(0), bank.number(1, 0).await);
    accounts.open(id, "Ann".to_owned()).await.unwrap();
    let under_way = tokio::spawn(accounts.hold(id, 5).timeout(PATIENCE));
    bank.entered(1).await;
    bank.cluster.partition(&[&[0], &[1, 2]]).await;
    bank.probe.open(1);
    bank.left(1).await;
    // The connection is over, and the answer with it.
    let (caller, owner) = (bank.cluster.node(0), bank.cluster.node(1).id().clone());
    eventually(PATIENCE, async || {
        let is_down = caller.members().iter().any(|member| member.id == owner && member.state == MemberState::Down);
        if is_down { Ok(()) } else { Err("the caller still sees the owner") }
    })
    .await;
    bank.cluster.heal().await;
    assert_eq!(under_way.await.unwrap(), Ok(5));
    assert_eq!(accounts.entries(id).timeout(PATIENCE).await, Ok(vec![5]));
    assert_eq!(bank.probe.entered(), 1, "it ran once");
}

#[tokio::test]
async fn a_key_makes_a_retry_of_whoever_calls_harmless() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let (accounts, other) = (bank.accounts(caller), bank.accounts(1 - caller));
        let (id, sibling) = (bank.number(owner, 0).await, bank.number(owner, 1).await);
        let opened = accounts.open(id, "Bo".to_owned()).idempotency_key("open").await.unwrap();
        assert_eq!(other.open(id, "Bo".to_owned()).idempotency_key("open").await, Ok(opened));
        assert_eq!(accounts.deposit(id, 5).idempotency_key("pay day").await, Ok(5));
        assert_eq!(accounts.deposit(id, 5).idempotency_key("pay day").await, Ok(5));
        assert_eq!(other.deposit(id, 5).idempotency_key("pay day").await, Ok(5));
        let reused = CommandError::IdempotencyKeyReused;
        assert_eq!(other.deposit(id, 6).idempotency_key("pay day").await, Err(reused.clone()));
        assert_eq!(accounts.withdraw(id, 5).idempotency_key("pay day").await, Err(reused.widen()));
        assert_eq!(accounts.entries(id).await, Ok(vec![5]));

        accounts.open(sibling, "Cy".to_owned()).await.unwrap();
        assert_eq!(
            accounts.deposit(sibling, 7).idempotency_key("pay day").await,
            Ok(7),
            "a key belongs to an instance"
        );
        assert_eq!(accounts.balance(id).idempotency_key("pay day").await, Ok(5), "a read has no use for one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_is_not_taken_for_a_late_one() {
    let bank = Bank::with_nodes(2).await;
    for (round, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let (accounts, id) = (bank.accounts(caller), bank.number(owner, 0).await);
        let slot = |id: u64| accounts.registry().explain(id).slot;
        let sibling = (id + 1..).find(|other| slot(*other) == slot(id)).unwrap();
        for id in [id, sibling] {
            accounts.open(id, "Ed".to_owned()).await.unwrap();
        }
        let first = tokio::spawn(accounts.hold(id, 1).idempotency_key("first").timeout(PATIENCE));
        bank.entered(2 * round + 1).await;
        let mut second = accounts.hold(id, 2).idempotency_key("second").timeout(PATIENCE);
        // Sent now, and the third behind it on the same way: so it stands in line before the third begins.
        poll_fn(|task| {
            assert!(Pin::new(&mut second).poll(task).is_pending());
            Poll::Ready(())
        })
        .await;
        // Called later, on another key of the slot, and over sooner.
        assert_eq!(accounts.deposit(sibling, 5).idempotency_key("third").await, Ok(5));
        bank.probe.open(2);
        assert_eq!((first.await.unwrap(), second.await), (Ok(1), Ok(3)));
    }
}

#[tokio::test]
async fn what_was_rejected_may_be_tried_again_under_its_key() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let (accounts, id) = (bank.accounts(caller), bank.number(owner, 0).await);
        accounts.open(id, "Di".to_owned()).await.unwrap();
        let withdraw = || accounts.withdraw(id, 5).idempotency_key("rent");
        assert!(matches!(withdraw().await, Err(CommandError::Rejected(_))));
        accounts.deposit(id, 8).await.unwrap();
        assert_eq!((withdraw().await, withdraw().await), (Ok(3), Ok(3)));
    }
}
