//! The transport over real sockets on loopback.

mod lanes;
mod pairs;
mod replies;
mod stalls;
mod strangers;
mod support;
mod violations;
