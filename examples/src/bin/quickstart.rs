//! One process, three nodes, and the five kinds of command.
//!
//! Read from the top: a resource, its commands, the registry that keeps it, and then `main`, which uses it.

use std::error::Error;
use std::fmt;

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Resource, commands, registry};
use serde::{Deserialize, Serialize};

// A resource is a plain struct. Its key says which instance is meant, from any node.

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
struct Account {
    #[key]
    number: u64,
    holder: String,
    cents: u64,
}

// Its commands are plain methods. What kind of command a method is, its signature says.

#[commands]
impl Account {
    /// Opens an account. No receiver, returns the resource: a *create*.
    fn open(number: u64, holder: String) -> Self {
        Self { number, holder, cents: 0 }
    }

    /// Tells the balance. `&self`: a *read*; many run at once, on the committed state.
    fn balance(&self) -> u64 {
        self.cents
    }

    /// Pays in. `&mut self`: an *update*; one at a time for each account.
    fn deposit(&mut self, cents: u64) -> u64 {
        self.cents = self.cents.saturating_add(cents);
        self.cents
    }

    /// Pays out, if there is enough. Whatever a command did before it returned `Err` is undone.
    fn withdraw(&mut self, cents: u64) -> Result<u64, Short> {
        self.cents = self.cents.checked_sub(cents).ok_or_else(|| Short { missing: cents - self.cents })?;
        Ok(self.cents)
    }

    /// Closes the account and pays everything out. `self`: a *destroy*.
    fn close(self) -> u64 {
        self.cents
    }

    /// Works out a year's interest. No receiver, returns something else: an *action*; it needs no account, so any node will do.
    fn interest(cents: u64, percent: u64) -> u64 {
        cents.saturating_mul(percent) / 100
    }
}

/// There is not enough in the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Short {
    missing: u64,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cents are missing", self.missing)
    }
}

// A registry says how the cluster keeps the resource. Every clause but the first has a default.

registry! {
    /// Accounts, spread over the cluster by their number.
    accounts {
        resource Account;
        sharding consistent_hashing;
        load_balancing round_robin;
        failover auto_reassign;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Three real nodes in this process; in production each is a `Node::builder("..")` in a process of its own.
    let cluster = Cluster::builder().nodes(3).host(accounts::registry()).start().await?;

    // A client is made from any node, and its methods are the commands. Where they run is not your business ..
    let here = accounts::client(cluster.node(0));
    here.open(7, "Ada".into()).await?;
    assert_eq!(here.deposit(7, 1250).await?, 1250);

    // .. so another node finds the same account, wherever it lives.
    let there = accounts::client(cluster.node(1));
    assert_eq!(there.withdraw(7, 250).await?, 1000);
    assert_eq!(here.registry().owner(7), there.registry().owner(7));

    // Errors say what happened. The command's own error is `Rejected`, and the account is as it was.
    assert_eq!(there.withdraw(7, 9900).await, Err(CommandError::Rejected(Short { missing: 8900 })));
    assert_eq!(here.balance(7).await?, 1000);

    // Whether an instance exists is decided before a command runs.
    assert!(matches!(there.open(7, "Eve".into()).await, Err(CommandError::AlreadyExists)));
    assert_eq!(here.balance(8).await, Err(CommandError::NotFound));

    // An action needs no key; `round_robin` takes it from node to node.
    assert_eq!(here.interest(1000, 3).await?, 30);

    // `Ok` of a destroy removes the instance.
    assert_eq!(there.close(7).await?, 1000);
    assert_eq!(here.balance(7).await, Err(CommandError::NotFound));
    Ok(())
}
