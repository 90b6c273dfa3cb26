//! Tests of code that uses registries: clusters in one process, and contexts without a cluster. Needs the feature
//! `testing`.

mod cluster;
mod context;

pub use cluster::{Cluster, ClusterBuilder};
pub use context::{TestContext, context};
