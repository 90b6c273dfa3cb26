//! A command that ends badly leaves the instance exactly as it was.

use std::time::Duration;

use registry_runtime::{CommandError, Executed};

use crate::Bank;
use crate::account::{AccountClient, Refusal};

/// The instance is as `open_with_ten` left it, and takes commands.
async fn assert_untouched(accounts: &AccountClient, id: u64, what: &str) {
    assert_eq!(accounts.balance(id).await, Ok(10), "after {what}");
    assert_eq!(accounts.entries(id).await.unwrap(), [10], "after {what}");
    assert_eq!(accounts.inscribe(id, what.to_owned()).await, Ok(what.len()), "after {what}");
}

async fn open_with_ten(accounts: &AccountClient, id: u64) {
    accounts.open(id, "Di".to_owned()).await.unwrap();
    accounts.deposit(id, 10).await.unwrap();
}

#[tokio::test]
async fn a_rejection_changes_nothing() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        assert_eq!(accounts.open(id, String::new()).await, Err(CommandError::Rejected(Refusal::NoHolder)));
        assert_eq!(accounts.balance(id).await, Err(CommandError::NotFound), "a rejected create creates nothing");

        open_with_ten(&accounts, id).await;
        let error = accounts.withdraw(id, 15).await.unwrap_err();
        assert_eq!((error.executed(), error), (Executed::Yes, CommandError::Rejected(Refusal::Short { missing: 5 })));
        assert_untouched(&accounts, id, "an async refusal").await;
        assert_eq!(accounts.refuse(id).await, Err(CommandError::Rejected(Refusal::NoHolder)));
        assert_untouched(&accounts, id, "a refusal").await;
        assert_eq!(accounts.close(id).await, Err(CommandError::Rejected(Refusal::NotEmpty(10))));
        assert_untouched(&accounts, id, "a refused destroy").await;
    }
}

#[tokio::test]
async fn a_panic_changes_nothing_and_costs_one_command() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        assert_eq!(accounts.stillborn(id).await, Err(CommandError::Panicked));
        assert_eq!(accounts.balance(id).await, Err(CommandError::NotFound), "a create that panics creates nothing");

        open_with_ten(&accounts, id).await;
        assert_eq!(accounts.stare(id).await, Err(CommandError::Panicked));
        assert_untouched(&accounts, id, "a panic in a read").await;
        let error = accounts.explode(id).await.unwrap_err();
        assert_eq!((error.executed(), error), (Executed::Maybe, CommandError::Panicked));
        assert_untouched(&accounts, id, "a panic in an update").await;
        assert_eq!(accounts.smoulder(id).await, Err(CommandError::Panicked));
        assert_untouched(&accounts, id, "a panic after an await").await;
        assert_eq!(accounts.shatter(id).await, Err(CommandError::Panicked));
        assert_untouched(&accounts, id, "a panic in a destroy").await;
    }
    assert_eq!(bank.accounts(0).faint().await, Err(CommandError::Panicked));
    assert_eq!(bank.accounts(0).fee(100, 1).await, Ok(1));
}

#[tokio::test]
async fn another_key_counts_as_a_panic() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        assert_eq!(accounts.mislabel(id).await, Err(CommandError::Panicked));
        assert_eq!(accounts.balance(id).await, Err(CommandError::NotFound));
        open_with_ten(&accounts, id).await;
        assert_eq!(accounts.renumber(id).await, Err(CommandError::Panicked));
        assert_untouched(&accounts, id, "a change of key").await;
    }
}

#[tokio::test]
async fn a_passed_deadline_changes_nothing() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        open_with_ten(&accounts, id).await;

        let before = bank.probe.left();
        let error = accounts.hold(id, 5).timeout(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error, CommandError::DeadlineExceeded { executed: Executed::Maybe });
        // It is stopped where it runs, too, or the lane would stay taken.
        bank.left(before + 1).await;
        assert_untouched(&accounts, id, "a passed deadline").await;
        bank.probe.open(1);
        assert_eq!(accounts.hold(id, 5).timeout(crate::PATIENCE).await, Ok(15), "the lane is taken");
    }
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let bank = Bank::with_nodes(2).await;
    for (turn, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        open_with_ten(&accounts, id).await;

        let call = tokio::spawn(accounts.hold(id, 5).timeout(Duration::from_secs(600)));
        bank.entered(turn + 1).await;
        call.abort();
        bank.left(turn + 1).await;
        assert_untouched(&accounts, id, "a dropped call").await;
    }
}
