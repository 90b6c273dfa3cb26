//! Tests of code that uses registries: clusters in one process, and contexts without a cluster. Needs the feature
//! `testing`, and dependencies that are compiled with optimisation: see [debug builds](crate#debug-builds).

mod cluster;
mod context;
mod seats;
mod settled;

pub use cluster::{Cluster, ClusterBuilder};
pub use context::{TestContext, context};
pub use settled::unsettled;

pub use crate::node::Machine;
pub use crate::rules::{Rule, Rules};
