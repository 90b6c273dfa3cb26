//! The transport over real sockets on loopback.

mod lanes;
mod pairs;
mod strangers;
mod support;
mod violations;
