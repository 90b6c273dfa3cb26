//! What the macros refuse, one file for each rule, and that each file of what they accept is compiled.
//!
//! The files lie in `<macro>/{pass,program,fail}`. Those that `pass` are the modules of `accepted.rs`, which is a program like those of
//! `program`: all of them are targets of this package, built and linted with everything else. Beside each refused file stands what the
//! compiler says. After a change, `TRYBUILD=overwrite cargo test -p registry-ui-tests` writes it anew: read the difference.

#![allow(clippy::unwrap_used, reason = "a test stops where something is wrong")]

/// Nothing but refused files, so that what they depend on is only checked, not built.
#[test]
fn the_macros_refuse_what_the_rules_say() {
    let cases = trybuild::TestCases::new();
    for name in ["resource", "commands", "registry"] {
        cases.compile_fail(format!("{name}/fail/*.rs"));
    }
}

/// A rule whose file nobody compiles is none.
#[test]
fn every_accepted_file_is_a_module() {
    let modules = include_str!("accepted.rs");
    for name in ["resource", "commands", "registry"] {
        let files = std::fs::read_dir(format!("{name}/pass")).unwrap();
        for file in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
            assert!(modules.contains(&format!("\"{name}/pass/{file}\"")), "{name}/pass/{file}");
        }
    }
}
