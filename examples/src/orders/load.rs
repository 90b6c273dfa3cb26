//! The calls: every purchase placed as an order, then everything counted back.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use registry_runtime::{CommandError, Node};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::domain::{CustomerClient, OrderClient, customer_key, customers, orders};
use super::meter::{Meter, Reading};
use super::progress::Progress;
use super::purchases::Purchases;
use super::slots::Slots;
use super::tally::Counts;
use super::totals::{Summary, Totals};

/// How long the cluster may take until every slot has an owner and every node owns some.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The pause between two looks at the table.
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

/// Calls per node in which each node must have told its tally: in turns one is enough, and somebody may be in between.
const TALLY_CALLS_MAX: usize = 20;

/// Makes the calls, a fixed number of them at a time.
#[derive(Clone)]
pub struct Load {
    orders: OrderClient,
    customers: CustomerClient,
    concurrency: NonZeroUsize,
    meters: Arc<Meters>,
}

struct Meters {
    quote: Meter,
    place: Meter,
    purchase: Meter,
    totals: Meter,
}

/// What the placing showed.
#[derive(Debug)]
pub struct Placed {
    /// The readings of the meters.
    pub readings: Vec<Reading>,
}

/// What was counted back through the cluster.
#[derive(Debug)]
pub struct Counted {
    /// The sum over the orders, read one by one.
    pub by_orders: Summary,
    /// The sum over the customers, read one by one.
    pub by_customers: Summary,
    /// The customers whose totals are not those of the file.
    pub differing: Vec<u32>,
    /// The readings of the meters.
    pub readings: Vec<Reading>,
}

impl Load {
    /// Calls from that node.
    pub fn new(node: &Node, concurrency: NonZeroUsize) -> Self {
        let meters = Meters {
            quote: Meter::new("orders.quote"),
            place: Meter::new("orders.place"),
            purchase: Meter::new("orders.purchase"),
            totals: Meter::new("customers.totals"),
        };
        Self { orders: orders::client(node), customers: customers::client(node), concurrency, meters: Arc::new(meters) }
    }

    /// Waits until every slot of both registries has an owner, and every node owns some.
    pub async fn settled(&self, nodes: usize) -> Result<(), LoadError> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let (orders, customers) = (self.order_slots(), self.customer_slots());
            if orders.settled(nodes) && customers.settled(nodes) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LoadError::NotSettled { orders, customers });
            }
            sleep(SETTLE_PAUSE).await;
        }
    }

    /// Places every purchase as an order, which records it on its customer.
    pub async fn place(&self, purchases: &Purchases) -> Result<Placed, LoadError> {
        let jobs: Vec<_> = purchases.numbered().map(|(id, purchase)| (id, purchase.clone())).collect();
        let progress = Progress::begin("placing", jobs.len() as u64);
        let begun = Instant::now();
        self.in_flight(jobs, progress, |load, (id, purchase)| async move {
            let meters = &load.meters;
            let quote = meters.quote.call(|| load.orders.quote(purchase.cds, purchase.paid)).await;
            quote.map_err(|error| LoadError::failed("orders.quote", id, error))?;
            match meters.place.call(|| load.orders.place(id, purchase.clone())).await {
                // An attempt that went unanswered has placed it; counting back will show whether it is the right one.
                Ok(_) | Err(CommandError::AlreadyExists) => Ok(()),
                Err(error) => Err(LoadError::failed("orders.place", id, error)),
            }
        })
        .await?;
        let span = begun.elapsed();
        Ok(Placed { readings: vec![self.meters.quote.reading(span), self.meters.place.reading(span)] })
    }

    /// How many orders were placed so far.
    pub fn placed(&self) -> u64 {
        self.meters.place.calls()
    }

    /// Reads every order and every customer back and adds them up.
    pub async fn count(&self, purchases: &Purchases) -> Result<Counted, LoadError> {
        let ids: Vec<u64> = purchases.numbered().map(|(id, _)| id).collect();
        let expected = purchases.by_customer();
        let buyers: Vec<u32> = expected.keys().copied().collect();

        let progress = Progress::begin("counting", ids.len() as u64);
        let begun = Instant::now();
        let found = self
            .in_flight(ids, progress, |load, id| async move {
                match load.meters.purchase.call(|| load.orders.purchase(id)).await {
                    Ok(purchase) => Ok(Some(purchase)),
                    // A missing order is not an error here but a total that differs.
                    Err(CommandError::NotFound) => Ok(None),
                    Err(error) => Err(LoadError::failed("orders.purchase", id, error)),
                }
            })
            .await?;
        let purchases_span = begun.elapsed();
        let mut ordered = BTreeMap::<u32, Totals>::new();
        for purchase in found.into_iter().flatten() {
            ordered.entry(purchase.customer).or_default().add(&purchase);
        }

        let progress = Progress::begin("reading back", buyers.len() as u64);
        let begun = Instant::now();
        let bought: BTreeMap<u32, Totals> = self
            .in_flight(buyers, progress, |load, id| async move {
                let totals = load.meters.totals.call(|| load.customers.totals(customer_key(id))).await;
                Ok((id, totals.map_err(|error| LoadError::failed("customers.totals", id.into(), error))?))
            })
            .await?
            .into_iter()
            .collect();
        let totals_span = begun.elapsed();

        let differing =
            expected.iter().filter(|(id, totals)| bought.get(*id) != Some(*totals)).map(|(id, _)| *id).collect();
        Ok(Counted {
            by_orders: summary(&ordered),
            by_customers: summary(&bought),
            differing,
            readings: vec![self.meters.purchase.reading(purchases_span), self.meters.totals.reading(totals_span)],
        })
    }

    /// Asks every node what it ran.
    pub async fn tallies(&self, nodes: usize) -> Result<Vec<Counts>, LoadError> {
        let meter = Meter::new("customers.tally");
        let mut tallies = BTreeMap::new();
        for _ in 0..nodes * TALLY_CALLS_MAX {
            let counts = meter.call(|| self.customers.tally()).await;
            let counts = counts.map_err(|error| LoadError::failed("customers.tally", 0, error))?;
            tallies.insert(counts.node.clone(), counts);
            if tallies.len() == nodes {
                return Ok(tallies.into_values().collect());
            }
        }
        Err(LoadError::NotTold { told: tallies.len(), nodes })
    }

    /// Who owns the slots of the orders.
    pub fn order_slots(&self) -> Slots {
        let registry = self.orders.registry();
        Slots::survey(|id| {
            let route = registry.explain(id);
            (route.slot, route.owner)
        })
    }

    /// Who owns the slots of the customers.
    pub fn customer_slots(&self) -> Slots {
        let registry = self.customers.registry();
        Slots::survey(|book| {
            let key = (u32::try_from(book).unwrap_or(u32::MAX), 0);
            let route = registry.explain(key);
            (route.slot, route.owner)
        })
    }

    /// Does all jobs, `concurrency` of them at a time, and gives what they gave in no particular order. The first failure ends
    /// the work: the tasks are aborted and their calls cancelled.
    async fn in_flight<J, T, F>(
        &self,
        jobs: Vec<J>,
        progress: Progress,
        work: impl Fn(Self, J) -> F + Clone + Send + 'static,
    ) -> Result<Vec<T>, LoadError>
    where
        J: Send + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, LoadError>> + Send + 'static,
    {
        let workers = self.concurrency.get().min(jobs.len());
        let jobs = Arc::new(Mutex::new(jobs.into_iter()));
        let progress = Arc::new(progress);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (load, jobs, progress, work) = (self.clone(), Arc::clone(&jobs), Arc::clone(&progress), work.clone());
            tasks.spawn(async move {
                let mut done = Vec::new();
                let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(job) = next() {
                    done.push(work(load.clone(), job).await?);
                    progress.step();
                }
                Ok::<_, LoadError>(done)
            });
        }
        let mut all = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            all.extend(outcome.map_err(|error| LoadError::Task(error.to_string()))??);
        }
        Ok(all)
    }
}

fn summary(customers: &BTreeMap<u32, Totals>) -> Summary {
    let mut totals = Totals::default();
    customers.values().for_each(|bought| totals += *bought);
    // Reading makes nobody a customer: an on-demand instance that was never recorded on has no orders.
    Summary { customers: customers.values().filter(|bought| bought.orders > 0).count() as u64, totals }
}

/// Why the work was not finished.
#[derive(Debug)]
pub enum LoadError {
    /// Some slots got no owner in time, or some node owns none.
    NotSettled {
        /// The slots of the orders.
        orders: Slots,
        /// The slots of the customers.
        customers: Slots,
    },
    /// A command failed, and went on failing.
    Failed {
        /// The command's wire name.
        command: &'static str,
        /// The order or customer.
        id: u64,
        /// What it ended with.
        why: String,
    },
    /// Not every node told its tally.
    NotTold {
        /// The nodes that did.
        told: usize,
        /// The nodes there are.
        nodes: usize,
    },
    /// A task of this process broke off.
    Task(String),
}

impl LoadError {
    fn failed(command: &'static str, id: u64, why: impl fmt::Display) -> Self {
        Self::Failed { command, id, why: why.to_string() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSettled { orders, customers } => {
                write!(f, "the slots were not shared out in time: orders {orders:?}, customers {customers:?}")
            }
            Self::Failed { command, id, why } => write!(f, "{command} of {id} failed: {why}"),
            Self::NotTold { told, nodes } => write!(f, "only {told} of {nodes} nodes told what they ran"),
            Self::Task(why) => write!(f, "a task broke off: {why}"),
        }
    }
}

impl Error for LoadError {}
