//! Five kinds of command, sync and async, wherever caller and owner are.

use registry_runtime::{CommandError, Executed};

use crate::Bank;
use crate::account::{Account, Refusal};

#[tokio::test]
async fn every_kind_answers_every_caller() {
    let bank = Bank::with_nodes(3).await;
    for caller in 0..3 {
        for owner in 0..3 {
            let accounts = bank.accounts(caller);
            let id = bank.number(owner, caller).await;

            let opened = accounts.open(id, "Ada".to_owned()).await.unwrap();
            assert_eq!(opened, Account { id, holder: "Ada".to_owned(), balance: 0, entries: vec![] });
            assert_eq!(accounts.deposit(id, 30).await, Ok(30));
            #[expect(clippy::needless_borrows_for_generic_args, reason = "a borrowed key is a key, too")]
            let withdrawn = accounts.withdraw(&id, 10).await;
            assert_eq!(withdrawn, Ok(20));
            assert_eq!(accounts.balance(id).await, Ok(20));
            assert_eq!(accounts.statement(id, 2).await.unwrap(), ["0: Ada has 20", "1: Ada has 20"]);
            assert_eq!(accounts.close(id).await, Err(CommandError::Rejected(Refusal::NotEmpty(20))));
            assert_eq!(accounts.forfeit(id).await, Ok(20));

            let heir = bank.cluster.node(caller).id().to_string();
            let inherited = accounts.inherit(id, 7).await.unwrap();
            assert_eq!((inherited.balance, inherited.holder), (7, heir), "a create sees who called");
            assert_eq!(accounts.withdraw(id, 7).await, Ok(0));
            assert_eq!(accounts.close(id).await.unwrap(), bank.cluster.node(caller).id().as_str());
        }
        let accounts = bank.accounts(caller);
        assert_eq!(accounts.fee(200, 3).await, Ok(6));
        let quote = accounts.quote(5).await.unwrap();
        assert!(quote.ends_with("epoch 0 key \"\""), "an action has neither epoch nor key: {quote}");
        assert_eq!(accounts.quote(-5).await, Err(CommandError::Rejected(Refusal::Short { missing: 5 })));
    }
}

#[tokio::test]
async fn the_instance_decides_before_the_body() {
    let bank = Bank::with_nodes(2).await;
    for (caller, owner) in crate::WAYS {
        let accounts = bank.accounts(caller);
        let id = bank.number(owner, 0).await;

        assert_eq!(accounts.balance(id).await, Err(CommandError::NotFound));
        assert_eq!(accounts.statement(id, 1).await, Err(CommandError::NotFound));
        assert_eq!(accounts.stare(id).await, Err(CommandError::NotFound));
        assert_eq!(accounts.deposit(id, 1).await, Err(CommandError::NotFound));
        assert_eq!(accounts.explode(id).await, Err(CommandError::NotFound));
        assert_eq!(accounts.close(id).await, Err(CommandError::NotFound));
        assert_eq!(accounts.shatter(id).await, Err(CommandError::NotFound));

        accounts.open(id, "Bo".to_owned()).await.unwrap();
        assert_eq!(accounts.open(id, String::new()).await, Err(CommandError::AlreadyExists));
        assert_eq!(accounts.inherit(id, 1).await, Err(CommandError::AlreadyExists));
        assert_eq!(accounts.stillborn(id).await, Err(CommandError::AlreadyExists));
        assert_eq!(accounts.balance(id).await, Ok(0));

        accounts.close(id).await.unwrap();
        let error = accounts.close(id).await.unwrap_err();
        assert_eq!((error.executed(), error), (Executed::No, CommandError::NotFound));
    }
}

#[test]
fn the_bodies_are_plain_rust() {
    let mut account = Account::open(7, "Cy".to_owned()).unwrap();
    assert_eq!(account.deposit(5), 5);
    assert_eq!(account.balance(), 5);
    assert_eq!(account.clone().close(), Err(Refusal::NotEmpty(5)));
    assert_eq!(Account::fee(300, 2), 6);
}
