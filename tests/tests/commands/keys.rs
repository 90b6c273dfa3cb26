//! Keys: composite, borrowed, textual; co-location and singletons.

use std::collections::BTreeSet;

use registry_runtime::testing::{self, Cluster};
use registry_runtime::{CommandError, Context, IntoKey, Resource, commands, registry};
use registry_testkit::eventually;
use serde::{Deserialize, Serialize};

use crate::PATIENCE;

registry! {
    seats {
        resource Seat;
        sharding by_attribute(hall);
    }

    /// The same resource once more; its instances are separate.
    all_seats {
        resource Seat;
        sharding singleton;
        name "seats.all";
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
struct Seat {
    #[key]
    hall: String,
    guest: Option<String>,
    #[key]
    number: SeatNumber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct SeatNumber(u32);

impl IntoKey<SeatNumber> for u32 {
    fn into_key(self) -> SeatNumber {
        SeatNumber(self)
    }
}

#[commands]
impl Seat {
    fn install(key: SeatKey) -> Self {
        Self { hall: key.hall, number: key.number, guest: None }
    }

    fn guest(&self) -> Option<String> {
        self.guest.clone()
    }

    fn shown(&self, cx: &Context) -> String {
        cx.key().to_owned()
    }

    fn take(&mut self, guest: String) -> Option<String> {
        self.guest.replace(guest)
    }
}

async fn two_nodes() -> Cluster {
    Cluster::builder().nodes(2).host(seats::registry()).host(all_seats::registry()).start().await.unwrap()
}

#[tokio::test]
async fn a_composite_key_is_named_in_many_ways() {
    let cluster = two_nodes().await;
    let seats = seats::client(cluster.node(0));
    let number = SeatNumber(7);
    let installed = seats.install(("eu", number)).await.unwrap();
    assert_eq!(installed, Seat { hall: "eu".to_owned(), number, guest: None });

    assert_eq!(seats.take(("eu", number), "Ada".to_owned()).await, Ok(None));
    let key = SeatKey { hall: "eu".to_owned(), number };
    assert_eq!(seats.guest(&key).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(key).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(("eu".to_owned(), number)).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(&("eu".to_owned(), number)).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(SeatKey::from(("eu".to_owned(), number))).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(("eu", 7u32)).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(seats.guest(("us", number)).await, Err(CommandError::NotFound));
}

#[tokio::test]
async fn keys_that_share_the_attribute_live_together() {
    let cluster = two_nodes().await;
    let seats = seats::client(cluster.node(1));
    let mut owners = BTreeSet::new();
    for hall in 0..32 {
        let hall = format!("hall {hall}");
        let route = |number| seats.registry().explain((hall.as_str(), SeatNumber(number)));
        let first = eventually(PATIENCE, async || {
            let route = route(0);
            if route.owner.is_some() { Ok(route) } else { Err(route) }
        })
        .await;
        for number in 1..50 {
            assert_eq!((route(number).slot, route(number).owner), (first.slot, first.owner.clone()), "{hall} {number}");
        }
        owners.extend(first.owner);
    }
    assert_eq!(owners.len(), 2, "the halls are spread");
}

#[tokio::test]
async fn a_singleton_has_one_slot_and_registries_are_separate() {
    let cluster = two_nodes().await;
    let (seats, all) = (seats::client(cluster.node(0)), all_seats::client(cluster.node(0)));
    assert_eq!(all_seats::Registry::NAME, "seats.all");
    assert_eq!(seats::Registry::NAME, "seats");
    let key = |number| ("eu", SeatNumber(number));
    eventually(PATIENCE, async || all.registry().owner(key(0)).ok_or("nobody")).await;
    let routes: BTreeSet<_> = (0..100)
        .map(|number| {
            let route = all.registry().explain(key(number));
            (route.slot, route.owner, route.epoch)
        })
        .collect();
    assert_eq!(routes.len(), 1, "{routes:?}");

    all.install(key(1)).await.unwrap();
    all.take(key(1), "Bo".to_owned()).await.unwrap();
    assert_eq!(seats.guest(key(1)).await, Err(CommandError::NotFound));
    seats.install(key(1)).await.unwrap();
    assert_eq!(seats.guest(key(1)).await, Ok(None));
    assert_eq!(all.guest(key(1)).await.unwrap().as_deref(), Some("Bo"));
}

registry! {
    tags {
        resource Tag;
        sharding consistent_hashing(slots = 8);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Tag {
    #[key]
    name: String,
    uses: u32,
}

impl From<String> for Tag {
    fn from(name: String) -> Self {
        Self { name, uses: 0 }
    }
}

#[commands]
impl Tag {
    fn shown(&self, cx: &Context) -> String {
        cx.key().to_owned()
    }

    fn note(&mut self) -> u32 {
        self.uses += 1;
        self.uses
    }
}

#[tokio::test]
async fn a_textual_key_is_named_by_text() {
    let cluster = Cluster::builder().nodes(1).host(tags::registry()).start().await.unwrap();
    let tags = tags::client(cluster.node(0));
    assert_eq!(tags.note("a").await, Ok(1));
    assert_eq!(tags.note("a".to_owned()).await, Ok(2));
    let borrowed = "a".to_owned();
    assert_eq!(tags.note(&borrowed).await, Ok(3), "{borrowed}");
    assert_eq!(tags.note("").await, Ok(1));
}

#[tokio::test]
async fn a_key_reads_on_a_node_as_it_does_in_a_unit_test() {
    let cluster = Cluster::builder().nodes(1).host(tags::registry()).host(seats::registry()).start().await.unwrap();
    let tags = tags::client(cluster.node(0));
    let tag = Tag::from("it's \"a\"".to_owned());
    assert_eq!(tags.shown(&tag.name).await.unwrap(), tag.shown(&testing::context().key(&tag.name)));
    assert_eq!(tags.shown("eu").await.unwrap(), "eu");

    let seats = seats::client(cluster.node(0));
    let key = SeatKey { hall: "eu".to_owned(), number: SeatNumber(7) };
    let seat = seats.install(&key).await.unwrap();
    let shown = seats.shown(&key).await.unwrap();
    assert_eq!(shown, seat.shown(&testing::context().key(format!("{key:?}"))));
    assert!(shown.contains("eu") && shown.contains('7'), "{shown}");
}
