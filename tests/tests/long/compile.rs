//! What the macros accept and what they refuse, one file for each rule.
//!
//! The files lie in `ui/<macro>/{pass,program,fail}`; those that `pass` are the modules of `ui/accepted.rs`, and beside each refused one
//! stands what the compiler says. After a change, `TRYBUILD=overwrite cargo test -p registry-tests --test long compile` writes it anew: read the
//! difference.

#[test]
fn the_macros_accept_and_refuse_what_the_rules_say() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/accepted.rs");
    cases.pass("tests/ui/registry/program/*.rs");
    for name in ["resource", "commands", "registry"] {
        cases.compile_fail(format!("tests/ui/{name}/fail/*.rs"));
    }
}

/// A rule whose file nobody compiles is none.
#[test]
fn every_accepted_file_is_a_module() {
    let modules = include_str!("../ui/accepted.rs");
    for name in ["resource", "commands", "registry"] {
        let files = std::fs::read_dir(format!("tests/ui/{name}/pass")).unwrap();
        for file in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
            assert!(modules.contains(&format!("\"{name}/pass/{file}\"")), "{name}/pass/{file}");
        }
    }
}
