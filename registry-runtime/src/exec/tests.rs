//! What the host promises, sentence by sentence.

mod bytes;
mod ending;
mod figures;
mod gate;
mod lanes;
mod limits;
mod mixture;
mod on_demand;
mod tally;
mod world;
