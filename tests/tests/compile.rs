//! What the macros accept and what they refuse, one file for each rule.
//!
//! The files lie in `ui/<macro>/{pass,fail}`; beside each refused one stands what the compiler says. After a change,
//! `TRYBUILD=overwrite cargo test -p registry-tests --test compile` writes it anew: read the difference.

#[test]
fn the_macros_accept_and_refuse_what_the_rules_say() {
    let cases = trybuild::TestCases::new();
    for name in ["resource", "commands", "registry"] {
        cases.pass(format!("tests/ui/{name}/pass/*.rs"));
        cases.compile_fail(format!("tests/ui/{name}/fail/*.rs"));
    }
}
