//! Resources that come into being at their first command.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::tally::{EPOCH, SLOTS, ask, spec};
use super::world::{Hands, end};
use crate::exec::{Attempt, Host, Lease, Outcome, Setting};
use crate::id::{NodeId, Slot};
use crate::resource::{Command, Commands, Definition, ErrorCodec, Origin, Resource, Run, States, Visitor};
use crate::rules::Rules;

#[derive(Clone, Serialize, Deserialize)]
struct Visits {
    page: String,
    count: u32,
}

impl Resource for Visits {
    type Key = String;
    type KeyFields<'a> = &'a String;

    const FRESH: Option<fn(String) -> Self> = Some(|page| {
        assert!(page != "cursed", "a page that cannot be");
        Self { page, count: 100 }
    });

    fn key(&self) -> String {
        self.page.clone()
    }

    fn key_fields(key: &String) -> &String {
        key
    }
}

const fn command<A, T, E>(number: u16, error: ErrorCodec<E>, run: Run<Visits, A, T, E>) -> Command<Visits, A, T, E> {
    Command { name: "a_command", number, idempotent: false, error, written: "", run }
}

static COUNT: Command<Visits, (), u32, Infallible> =
    command(0, ErrorCodec::never(), Run::Read(|visits, (), _| Ok(visits.count)));
static COUNT_ASYNC: Command<Visits, (), u32, Infallible> =
    command(1, ErrorCodec::never(), Run::ReadAsync(|visits, (), _| Box::pin(async move { Ok(visits.count) })));
static VISIT: Command<Visits, (bool,), u32, ()> = command(
    2,
    ErrorCodec::travelling(),
    Run::Update(|visits, (fine,), _| {
        visits.count += 1;
        fine.then_some(visits.count).ok_or(())
    }),
);
static VISIT_ASYNC: Command<Visits, (), u32, Infallible> = command(
    3,
    ErrorCodec::never(),
    Run::UpdateAsync(|mut visits, (), _| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            visits.count += 1;
            let count = visits.count;
            (visits, Ok(count))
        })
    }),
);
static FORGET: Command<Visits, (), u32, Infallible> =
    command(4, ErrorCodec::never(), Run::Destroy(|visits, (), _| Ok(visits.count)));

static TAKE_BACK: Command<Visits, (u32,), u32, Infallible> = command(
    5,
    ErrorCodec::never(),
    Run::Update(|visits, (count,), _| {
        visits.count -= count;
        Ok(visits.count)
    }),
);

impl Commands for Visits {
    type Client = ();

    fn each<V: Visitor<Self>>(visitor: &mut V) {
        visitor.command(&COUNT);
        visitor.command(&COUNT_ASYNC);
        visitor.command(&VISIT);
        visitor.command(&VISIT_ASYNC);
        visitor.command(&FORGET);
        visitor.command(&TAKE_BACK);
    }
}

static PAGES: Definition<Visits> = Definition { spec: spec("pages"), route: |page| page.len() as u64 };

fn host() -> Arc<Host<Visits>> {
    let origin = Origin { node: NodeId::new("node").unwrap(), states: States::default(), port: Box::new(()) };
    let host = Host::new(
        &PAGES,
        Setting {
            origin: Arc::new(origin),
            clock: Arc::new(Hands::default()),
            runtime: tokio::runtime::Handle::current(),
            drained: Arc::new(|_, _| ()),
            secret: 1,
            session: 1,
            reply_bytes_max: 100,
            rules: Rules::ALL,
        },
    );
    for slot in (0..SLOTS).map(Slot::new) {
        host.open(slot, EPOCH, Lease::forever());
    }
    host
}

async fn call<A, T, E>(
    host: &Arc<Host<Visits>>,
    command: &'static Command<Visits, A, T, E>,
    page: &str,
    args: A,
) -> Outcome<T, E>
where
    A: Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
{
    let page = page.to_owned();
    let caller = NodeId::new("caller").unwrap();
    let attempt = Attempt {
        slot: host.slot_of(&page),
        epoch: EPOCH,
        seen: None,
        key: Some(page),
        ask: ask(1),
        keeps_receipt: false,
        attempt: 1,
        only_asks: false,
        caller: &caller,
        begun: Instant::now(),
        deadline: Instant::now() + Duration::from_secs(5),
        descent: None,
        bytes: 0,
    };
    end(host.call(command, attempt, args, &mut |_, _| ())).await
}

fn stored(host: &Host<Visits>, page: &str) -> usize {
    host.len(host.slot_of(&page.to_owned()))
}

#[tokio::test]
async fn a_read_of_an_absent_instance_sees_a_fresh_one_and_stores_nothing() {
    let host = host();
    assert_eq!(call(&host, &COUNT, "home", ()).await, Outcome::Done(100));
    assert_eq!(call(&host, &COUNT_ASYNC, "home", ()).await, Outcome::Done(100));
    assert_eq!(stored(&host, "home"), 0);
}

#[tokio::test]
async fn an_update_makes_it_and_a_destroy_lets_the_next_start_fresh() {
    let host = host();
    assert_eq!(call(&host, &VISIT, "home", (false,)).await, Outcome::Rejected(()));
    assert_eq!(stored(&host, "home"), 0, "an update that failed made nothing");
    assert_eq!(call(&host, &VISIT, "home", (true,)).await, Outcome::Done(101));
    assert_eq!(call(&host, &VISIT_ASYNC, "home", ()).await, Outcome::Done(102));
    assert_eq!(call(&host, &COUNT, "home", ()).await, Outcome::Done(102));
    assert_eq!(stored(&host, "home"), 1);
    assert_eq!(call(&host, &FORGET, "home", ()).await, Outcome::Done(102));
    assert_eq!(stored(&host, "home"), 0);
    assert_eq!(call(&host, &VISIT_ASYNC, "home", ()).await, Outcome::Done(101));
}

#[tokio::test]
async fn an_instance_that_is_as_good_as_fresh_again_is_not_kept() {
    let host = host();
    for page in ["home", "about"] {
        assert_eq!(call(&host, &VISIT, page, (true,)).await, Outcome::Done(101));
        assert_eq!(call(&host, &VISIT_ASYNC, page, ()).await, Outcome::Done(102));
        assert_eq!(call(&host, &TAKE_BACK, page, (1,)).await, Outcome::Done(101));
        assert_eq!(stored(&host, page), 1);
        assert_eq!(call(&host, &TAKE_BACK, page, (1,)).await, Outcome::Done(100));
        assert_eq!(stored(&host, page), 0);
        assert_eq!(call(&host, &COUNT, page, ()).await, Outcome::Done(100));
        assert_eq!(call(&host, &VISIT, page, (true,)).await, Outcome::Done(101));
    }
    let untouched = self::host();
    assert_eq!(call(&untouched, &TAKE_BACK, "home", (0,)).await, Outcome::Done(100));
    assert_eq!(stored(&untouched, "home"), 0, "one that was never made is not made by that");
}

#[tokio::test]
async fn a_destroy_of_an_absent_instance_sees_a_fresh_one() {
    let host = host();
    assert_eq!(call(&host, &FORGET, "home", ()).await, Outcome::Done(100));
    assert_eq!(stored(&host, "home"), 0);
}

#[tokio::test]
async fn a_panic_while_it_comes_into_being_costs_one_command() {
    let host = host();
    assert_eq!(call(&host, &COUNT, "cursed", ()).await, Outcome::Panicked);
    assert_eq!(call(&host, &VISIT, "cursed", (true,)).await, Outcome::Panicked);
    assert_eq!(call(&host, &FORGET, "cursed", ()).await, Outcome::Panicked);
    assert_eq!(call(&host, &COUNT, "blessed", ()).await, Outcome::Done(100));
    assert_eq!(stored(&host, "cursed"), 0);
}
