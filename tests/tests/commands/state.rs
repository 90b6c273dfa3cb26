//! What commands ask their `Context`.

use std::sync::Arc;

use registry_runtime::testing::{self, Cluster};
use registry_runtime::{CommandError, Context, Resource, commands, registry};
use serde::{Deserialize, Serialize};

registry! {
    desks {
        resource Desk;
        sharding consistent_hashing(slots = 16);
    }
}

/// Handed to every node of a test.
struct Motto(&'static str);

/// Handed to nobody.
struct Absent;

#[derive(Clone, Debug, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Desk {
    #[key]
    id: u64,
}

impl From<u64> for Desk {
    fn from(id: u64) -> Self {
        Self { id }
    }
}

/// Everything a command knows about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    key: String,
    node: String,
    caller: String,
    epoch: u64,
    attempt: u32,
    motto: String,
}

#[commands]
impl Desk {
    fn know(&self, cx: &Context) -> Known {
        Known {
            key: cx.key().to_owned(),
            node: cx.node().to_string(),
            caller: cx.caller().to_string(),
            epoch: cx.epoch().get(),
            attempt: cx.attempt(),
            motto: cx.state::<Arc<Motto>>().0.to_owned(),
        }
    }

    fn has_absent(&self, cx: &Context) -> bool {
        cx.try_state::<Absent>().is_some()
    }

    fn use_absent(&self, cx: &Context) -> bool {
        std::ptr::eq(cx.state::<Absent>(), &Absent)
    }
}

#[tokio::test]
async fn a_command_knows_itself_and_its_node() {
    let cluster = Cluster::builder()
        .nodes(2)
        .host(desks::registry())
        .state(Arc::new(Motto("festina lente")))
        .start()
        .await
        .unwrap();
    let desks = desks::client(cluster.node(0));
    let mut owners = std::collections::BTreeSet::new();
    for id in 0..16 {
        let known = desks.know(id).await.unwrap();
        let route = desks.registry().explain(id);
        assert_eq!(known.key, id.to_string());
        assert_eq!(known.node, route.owner.unwrap().to_string());
        assert_eq!(known.caller, cluster.node(0).id().as_str());
        assert_eq!(known.epoch, route.epoch.get());
        assert!(route.why.ends_with("(degraded: 2 of 3 replicas)"), "{}", route.why);
        assert_eq!(known.attempt, 1);
        assert_eq!(known.motto, "festina lente");
        assert_eq!(desks.has_absent(id).await, Ok(false));
        assert_eq!(desks.use_absent(id).await, Err(CommandError::Panicked));
        owners.insert(known.node);
    }
    assert_eq!(owners.len(), 2, "asked at one node only");
}

#[test]
fn a_context_for_unit_tests() {
    let cx = testing::context().key("7").state(Arc::new(Motto("carpe diem")));
    let known = Desk::from(7).know(&cx);
    assert_eq!((known.key.as_str(), known.motto.as_str()), ("7", "carpe diem"));
    assert!(!Desk::from(7).has_absent(&cx));
}

#[tokio::test]
async fn a_client_made_from_a_context_for_unit_tests_has_no_cluster() {
    let cx = testing::context();
    assert!(matches!(desks::client(&cx).know(7).await, Err(CommandError::Unavailable { .. })));
    let owned: Context = cx.into();
    assert!(matches!(desks::client(owned).know(7).await, Err(CommandError::Unavailable { .. })));
}

#[test]
fn missing_state_is_named() {
    let cx = testing::context();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Desk::from(7).use_absent(&cx))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("Absent"), "{text}");
}
