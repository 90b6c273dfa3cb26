//! An account: commands of every kind, sync and async, well behaved and otherwise.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use registry_runtime::{Context, Resource, commands, registry};
use registry_testkit::Probe;
use serde::{Deserialize, Serialize};

registry! {
    pub(crate) accounts {
        resource Account;
        sharding consistent_hashing(slots = 64);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
pub(crate) struct Account {
    #[key]
    pub(crate) id: u64,
    pub(crate) holder: String,
    pub(crate) balance: i64,
    pub(crate) entries: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NoHolder,
    Short { missing: i64 },
    NotEmpty(i64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHolder => f.write_str("an account has a holder"),
            Self::Short { missing } => write!(f, "{missing} are missing"),
            Self::NotEmpty(balance) => write!(f, "there are {balance} left"),
        }
    }
}

#[commands]
impl Account {
    // Creates.

    pub(crate) fn open(id: u64, holder: String) -> Result<Self, Refusal> {
        if holder.is_empty() {
            return Err(Refusal::NoHolder);
        }
        Ok(Self { id, holder, balance: 0, entries: Vec::new() })
    }

    pub(crate) async fn inherit(cx: &Context, id: u64, mut balance: i64) -> Account {
        tokio::task::yield_now().await;
        balance = balance.max(0);
        Account { id, holder: cx.caller().to_string(), balance, entries: vec![balance] }
    }

    pub(crate) fn stillborn(id: u64) -> Self {
        panic!("account {id} is not to be")
    }

    pub(crate) fn mislabel(id: u64) -> Self {
        Self { id: id + 1, holder: String::new(), balance: 0, entries: Vec::new() }
    }

    // Reads.

    pub(crate) fn balance(&self) -> i64 {
        self.balance
    }

    /// The call's deadline, counted from the beginning of this process.
    pub(crate) fn due(&self, cx: &Context) -> Duration {
        cx.deadline().saturating_duration_since(crate::beginning())
    }

    pub(crate) fn entries(&self) -> Vec<i64> {
        self.entries.clone()
    }

    pub(crate) async fn statement(&self, lines: u32) -> Result<Vec<String>, Refusal> {
        tokio::task::yield_now().await;
        if self.balance < 0 {
            return Err(Refusal::Short { missing: -self.balance });
        }
        Ok((0..lines).map(|line| format!("{line}: {} has {}", self.holder, self.balance)).collect())
    }

    pub(crate) fn stare(&self) -> i64 {
        panic!("the balance of {} is not to be looked at", self.id)
    }

    pub(crate) async fn ponder(&self, cx: &Context) -> i64 {
        let probe = cx.state::<Arc<Probe>>();
        let _inside = probe.enter();
        probe.pass().await;
        self.balance
    }

    // Updates.

    pub(crate) fn deposit(&mut self, amount: i64) -> i64 {
        self.balance += amount;
        self.entries.push(amount);
        self.balance
    }

    /// Takes first and judges afterwards, so that the refusal has something to undo.
    pub(crate) async fn withdraw(&mut self, amount: i64) -> Result<i64, Refusal> {
        self.balance -= amount;
        self.entries.push(-amount);
        tokio::task::yield_now().await;
        if self.balance < 0 { Err(Refusal::Short { missing: -self.balance }) } else { Ok(self.balance) }
    }

    pub(crate) fn refuse(&mut self) -> Result<(), Refusal> {
        self.balance = -1;
        Err(Refusal::NoHolder)
    }

    pub(crate) fn explode(&mut self) {
        self.balance = -1;
        panic!("account {} explodes", self.id)
    }

    pub(crate) async fn smoulder(&mut self) {
        self.balance = -1;
        tokio::task::yield_now().await;
        panic!("account {} burns down", self.id)
    }

    pub(crate) fn renumber(&mut self) {
        self.id += 1;
    }

    /// Stays inside the probe until its gate lets it pass.
    pub(crate) async fn hold(&mut self, amount: i64, cx: &Context) -> i64 {
        let probe = cx.state::<Arc<Probe>>();
        let _inside = probe.enter();
        self.balance += amount;
        self.entries.push(amount);
        probe.pass().await;
        self.balance
    }

    /// Passes through the probe without a stop, but not without a pause.
    pub(crate) async fn cross(&mut self, cx: &Context, amount: i64) -> i64 {
        let _inside = cx.state::<Arc<Probe>>().enter();
        tokio::task::yield_now().await;
        self.balance += amount;
        self.entries.push(amount);
        self.balance
    }

    // Destroys.

    pub(crate) fn close(self) -> Result<String, Refusal> {
        if self.balance == 0 { Ok(self.holder) } else { Err(Refusal::NotEmpty(self.balance)) }
    }

    pub(crate) async fn forfeit(self) -> i64 {
        tokio::task::yield_now().await;
        self.balance
    }

    pub(crate) fn shatter(self) -> i64 {
        panic!("account {} does not close", self.id)
    }

    // Actions.

    pub(crate) fn fee(amount: i64, percent: i64) -> i64 {
        amount * percent / 100
    }

    pub(crate) async fn quote(amount: i64, cx: &Context) -> Result<String, Refusal> {
        tokio::task::yield_now().await;
        if amount < 0 {
            return Err(Refusal::Short { missing: -amount });
        }
        Ok(format!("{amount} at {} epoch {} key {:?}", cx.node(), cx.epoch().get(), cx.key()))
    }

    pub(crate) fn faint() -> u8 {
        panic!("an action faints")
    }

    pub(crate) fn weigh(text: String) -> usize {
        text.len()
    }

    pub(crate) fn inscribe(&mut self, text: String) -> usize {
        self.holder = text;
        self.holder.len()
    }
}
