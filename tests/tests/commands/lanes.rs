//! One lane per key: exclusive commands one at a time and in order, reads beside them, other keys in parallel.

use std::time::Duration;

use registry_runtime::{CommandError, Executed};
use registry_testkit::together;

use crate::Bank;

#[tokio::test]
async fn reads_see_committed_state_while_an_update_runs() {
    let bank = Bank::with_nodes(2).await;
    for (turn, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Ed".to_owned()).await.unwrap();

        let update = tokio::spawn(accounts.hold(id, 5).timeout(crate::PATIENCE));
        bank.entered(turn + 1).await;
        assert_eq!(accounts.balance(id).await, Ok(0));
        assert_eq!(accounts.statement(id, 1).await.unwrap(), ["0: Ed has 0"]);
        bank.probe.open(1);
        assert_eq!(update.await.unwrap(), Ok(5));
        assert_eq!(accounts.balance(id).await, Ok(5));
    }
}

#[tokio::test]
async fn a_read_sees_one_state_however_long_it_takes() {
    let bank = Bank::with_nodes(2).await;
    for (turn, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Flo".to_owned()).await.unwrap();

        let reads = [(), ()].map(|()| tokio::spawn(accounts.ponder(id).timeout(crate::PATIENCE)));
        // Many at once.
        bank.entered(2 * (turn + 1)).await;
        assert_eq!(accounts.deposit(id, 5).await, Ok(5), "reads delay no update");
        bank.probe.open(2);
        for read in reads {
            assert_eq!(read.await.unwrap(), Ok(0));
        }
    }
}

#[tokio::test]
async fn updates_of_a_key_run_one_at_a_time_in_the_order_of_the_calls() {
    const CALLS: i64 = 200;
    let bank = Bank::with_nodes(2).await;
    for (turn, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Guy".to_owned()).await.unwrap();
        assert_eq!(accounts.cross(id, -1).await, Ok(-1));

        let calls = (0..CALLS).map(|amount| accounts.cross(id, amount).timeout(crate::PATIENCE)).collect();
        let outcomes = together(calls).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let entries: Vec<i64> = (-1..CALLS).collect();
        assert_eq!(accounts.entries(id).await.unwrap(), entries, "in turn {turn}");
    }
    assert_eq!(bank.probe.most(), 1, "two updates of a key overlapped");
}

#[tokio::test]
async fn other_keys_run_in_parallel() {
    let bank = Bank::with_nodes(2).await;
    let mut held = Vec::new();
    for nth in 0..4 {
        let accounts = bank.accounts(0);
        let id = bank.number(nth % 2, nth / 2).await;
        accounts.open(id, "Hal".to_owned()).await.unwrap();
        held.push(tokio::spawn(accounts.hold(id, 1).timeout(crate::PATIENCE)));
    }
    bank.entered(4).await;
    assert_eq!(bank.probe.left(), 0);
    bank.probe.open(4);
    for call in held {
        assert_eq!(call.await.unwrap(), Ok(1));
    }
}

#[tokio::test]
async fn a_command_whose_deadline_passes_in_the_queue_never_starts() {
    let bank = Bank::with_nodes(2).await;
    for (turn, (caller, owner)) in crate::WAYS.into_iter().enumerate() {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Ida".to_owned()).await.unwrap();
        let first = tokio::spawn(accounts.hold(id, 1).timeout(crate::PATIENCE));
        bank.entered(turn + 1).await;

        let error = accounts.deposit(id, 2).timeout(Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, CommandError::DeadlineExceeded { .. }), "{error:?}");
        if caller == owner {
            assert_eq!(error.executed(), Executed::No, "nothing was sent, and it has not started");
        }
        bank.probe.open(1);
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(accounts.deposit(id, 3).await, Ok(4));
        assert_eq!(accounts.entries(id).await.unwrap(), [1, 3]);
    }
}
