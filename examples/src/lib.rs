//! Stories told with the distributed command registry.
//!
//! Each binary of this package is one story, and each ends by checking what it told:
//!
//! - `quickstart`: one process, three nodes, and the five kinds of command. Begin here.
//! - `failover`: both failover strategies seen at work.
//! - `orders`: the main job. Three processes, real purchases, and totals that must agree. Its parts live in [`orders`].

pub mod orders;
