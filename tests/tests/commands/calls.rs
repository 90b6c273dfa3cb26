//! What a `Call` is, and what a client can say about its registry.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use registry_runtime::testing::Cluster;
use registry_runtime::{Call, CommandError, Executed, registry};
use tokio::time::Instant;

use crate::Bank;
use crate::account::{Account, AccountClient};

/// A call of `hold`.
type Hold = Call<i64, std::convert::Infallible>;

/// Long against the millisecond that a deadline may lose on its way.
const BEFORE_THE_FIRST_POLL: Duration = Duration::from_millis(20);

#[tokio::test]
async fn nothing_happens_before_the_first_poll() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Jo".to_owned()).await.unwrap();
        drop(accounts.deposit(id, 5));
        let made = Instant::now();
        let due = accounts.due(id).timeout(crate::PATIENCE);
        // Other calls take their time before the first poll of this one.
        while made.elapsed() < BEFORE_THE_FIRST_POLL {
            assert_eq!(accounts.balance(id).await, Ok(0), "nothing was paid in");
        }
        // The timeout counts from the first poll: time before it is not taken from it.
        let due = crate::beginning() + due.await.unwrap();
        let counted_from = due - crate::PATIENCE;
        assert!(counted_from >= made + BEFORE_THE_FIRST_POLL / 2, "{:?}", counted_from - made);
    }
}

/// On one thread: the loop alone would never let the other task begin.
#[tokio::test]
async fn a_loop_of_local_calls_lets_others_run() {
    /// Some hundred times as many as a task makes in one turn.
    const CALLS_MAX: usize = 100_000;
    let bank = Bank::with_nodes(1).await;
    let accounts = bank.accounts(0);
    accounts.open(1, "Jo".to_owned()).await.unwrap();
    let other = tokio::spawn(async {});
    let mut calls = 0;
    while !other.is_finished() && calls < CALLS_MAX {
        accounts.deposit(1, 1).await.unwrap();
        calls += 1;
    }
    assert!(other.is_finished(), "{calls} calls, and nobody else has run");
}

#[tokio::test]
async fn a_setter_after_the_first_poll_panics() {
    let bank = Bank::with_nodes(1).await;
    let accounts = bank.accounts(0);
    accounts.open(1, "Kim".to_owned()).await.unwrap();
    let late: [fn(Hold) -> Hold; 3] = [
        |call| call.timeout(Duration::from_secs(1)),
        |call| call.deadline(Instant::now()),
        |call| call.idempotency_key("late"),
    ];
    for set in late {
        let mut call = accounts.hold(1, 1);
        std::future::poll_fn(|task| {
            assert!(Pin::new(&mut call).poll(task).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(catch_unwind(AssertUnwindSafe(|| set(call))).is_err());
    }
}

/// A task that has used up its turn polls its calls in vain until it has let others run; that is a poll, too.
#[tokio::test]
async fn time_counts_from_a_first_poll_that_was_put_off() {
    let bank = Bank::with_nodes(1).await;
    let accounts = bank.accounts(0);
    accounts.open(1, "Kim".to_owned()).await.unwrap();
    let timeout = Duration::from_millis(20);
    let mut late = accounts.balance(1).timeout(timeout);
    let mut set = accounts.balance(1);
    std::future::poll_fn(|task| {
        while let Poll::Ready(turn) = tokio::task::coop::poll_proceed(task) {
            turn.made_progress();
        }
        assert!(Pin::new(&mut late).poll(task).is_pending());
        assert!(Pin::new(&mut set).poll(task).is_pending());
        Poll::Ready(())
    })
    .await;
    assert!(catch_unwind(AssertUnwindSafe(|| set.timeout(Duration::from_secs(1)))).is_err());
    tokio::time::sleep(timeout).await;
    let ended = late.await;
    assert!(matches!(ended, Err(CommandError::DeadlineExceeded { executed: Executed::No })), "{ended:?}");
}

#[tokio::test]
async fn calls_borrow_nothing() {
    let bank = Bank::with_nodes(2).await;
    let call = {
        let accounts = bank.accounts(0).clone();
        accounts.open(1, "Lu".to_owned())
    };
    let opened = tokio::spawn(call).await.unwrap().unwrap();
    assert_eq!(opened.holder, "Lu");
    fn is_shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    is_shareable(&bank.accounts(0));
    is_shareable(&bank.cluster.node(0));
}

#[tokio::test]
async fn a_deadline_in_the_past_starts_nothing() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;
        accounts.open(id, "Max".to_owned()).await.unwrap();
        for call in [
            accounts.deposit(id, 1).deadline(Instant::now() - Duration::from_millis(1)),
            accounts.deposit(id, 1).timeout(Duration::ZERO),
        ] {
            assert_eq!(call.await, Err(CommandError::DeadlineExceeded { executed: Executed::No }));
        }
        assert_eq!(accounts.deposit(id, 2).deadline(Instant::now() + crate::PATIENCE).await, Ok(2));
    }
}

registry! {
    hasty {
        resource Account;
        sharding singleton;
        timeout 250ms;
    }
}

#[tokio::test]
async fn the_timeout_clause_is_the_default_deadline() {
    let probe = std::sync::Arc::new(registry_testkit::Probe::default());
    let cluster =
        Cluster::builder().nodes(1).host(hasty::registry()).state(std::sync::Arc::clone(&probe)).start().await.unwrap();
    let accounts: AccountClient = hasty::client(cluster.node(0));
    accounts.open(1, "Nan".to_owned()).await.unwrap();
    let held = tokio::time::timeout(crate::PATIENCE, accounts.hold(1, 1)).await.expect("the call has no deadline");
    assert_eq!(held, Err(CommandError::DeadlineExceeded { executed: Executed::Maybe }));
    // A timeout of the call's own takes its place, also a longer one.
    let longer = tokio::spawn(accounts.hold(1, 2).timeout(crate::PATIENCE));
    registry_testkit::eventually(
        crate::PATIENCE,
        async || if probe.entered() == 2 { Ok(()) } else { Err("not inside") },
    )
    .await;
    assert_eq!(
        accounts.deposit(1, 3).await.unwrap_err().executed(),
        Executed::No,
        "the queue has the default deadline"
    );
    probe.open(1);
    assert_eq!(longer.await.unwrap(), Ok(2));
}

#[tokio::test]
async fn large_arguments_travel_and_too_large_ones_are_refused() {
    let bank = Bank::with_nodes(2).await;
    let accounts = bank.accounts(0);
    let id = bank.number(1, 0).await;
    accounts.open(id, "Ole".to_owned()).await.unwrap();
    let large = 1 << 20;
    assert_eq!(accounts.inscribe(id, "o".repeat(large)).await, Ok(large));

    let error = accounts.inscribe(id, "o".repeat(16 << 20)).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    let CommandError::TooLarge { limit } = error else { panic!("{error:?}") };
    assert!((large..16 << 20).contains(&limit), "{limit}");
    assert_eq!(accounts.inscribe(id, "Ole".to_owned()).await, Ok(3), "the connection lives on");
}

#[tokio::test]
async fn a_route_explains_itself() {
    let bank = Bank::with_nodes(3).await;
    let id = bank.number(1, 0).await;
    for caller in 0..3 {
        let accounts = bank.accounts(caller);
        let owner =
            registry_testkit::eventually(crate::PATIENCE, async || accounts.registry().owner(id).ok_or("nobody")).await;
        assert_eq!(bank.cluster.index_of(&owner), 1);
        let route = accounts.registry().explain(id);
        assert_eq!(route.owner.as_ref(), Some(&owner));
        assert_eq!(route.rank.len(), 3, "{route:?}");
        assert_eq!(route.replicas.len(), 3, "{route:?}");
        assert!(route.epoch.get() > 0);
        assert!((0..64).contains(&route.slot.get()));
        assert!(!route.why.is_empty() && !route.why.contains("degraded"), "{}", route.why);
        let line = route.to_string();
        assert!(
            !line.contains('\n') && line.contains(owner.as_str()) && line.contains(&route.slot.to_string()),
            "{line}"
        );
    }
}
