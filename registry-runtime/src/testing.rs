//! Clusters in one process, for tests of code that uses registries. Needs the feature `testing`.

mod cluster;

pub use cluster::{Cluster, ClusterBuilder};
