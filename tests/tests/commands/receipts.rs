//! Commands that come a second time: told what the first was told, with no second effect.

use registry_runtime::{CommandError, MemberState};
use registry_tests::eventually;

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
