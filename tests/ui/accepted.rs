//! What the macros accept, as one program: to link one for each rule takes longer than to compile them. Those that speak of their crate as a
//! whole are programs of their own, in `<macro>/program`.

#![allow(dead_code, reason = "calls are compiled here, and made elsewhere")]
#![allow(clippy::all, reason = "a file shows what is accepted, not what is pretty")]

#[path = "commands/pass/block_elsewhere.rs"]
mod block_elsewhere;
#[path = "resource/pass/composite_key.rs"]
mod composite_key;
#[path = "commands/pass/conditions_and_attributes.rs"]
mod conditions_and_attributes;
#[path = "commands/pass/context_in_any_position.rs"]
mod context_in_any_position;
#[path = "registry/pass/contract_example.rs"]
mod contract_example;
#[path = "registry/pass/every_strategy.rs"]
mod every_strategy;
#[path = "registry/pass/function_body.rs"]
mod function_body;
#[path = "resource/pass/keys_of_many_types.rs"]
mod keys_of_many_types;
#[path = "commands/pass/names_that_are_taken.rs"]
mod names_that_are_taken;
#[path = "resource/pass/on_demand.rs"]
mod on_demand;
#[path = "commands/pass/plain_rust.rs"]
mod plain_rust;
#[path = "registry/pass/raw_names.rs"]
mod raw_names;
#[path = "commands/pass/results_under_any_name.rs"]
mod results_under_any_name;
#[path = "commands/pass/self_written_out.rs"]
mod self_written_out;
#[path = "registry/pass/several_registries.rs"]
mod several_registries;
#[path = "commands/pass/sixteen_parameters.rs"]
mod sixteen_parameters;
#[path = "commands/pass/written_by_a_macro.rs"]
mod written_by_a_macro;

fn main() {
    block_elsewhere::main();
    conditions_and_attributes::main();
    context_in_any_position::main();
    names_that_are_taken::main();
    plain_rust::main();
    results_under_any_name::main();
    self_written_out::main();
    sixteen_parameters::main();
    written_by_a_macro::main();
    contract_example::main();
    every_strategy::main();
    function_body::main();
    raw_names::main();
    several_registries::main();
    composite_key::main();
    keys_of_many_types::main();
    on_demand::main();
}
