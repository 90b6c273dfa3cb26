//! What the macros refuse, one file for each rule, and that each file of what they accept is compiled.
//!
//! The files lie in `<macro>/{pass,program,fail}`. Those that `pass` are the modules of `accepted.rs`, which is a program like those of
//! `program`: all of them are targets of this package, built and linted with everything else. Beside each refused file stands what the
//! compiler says. After a change, `TRYBUILD=overwrite cargo test -p registry-ui-tests` writes it anew: read the difference.

/// Nothing but refused files, so that what they depend on is only checked, not built.
#[test]
fn the_macros_refuse_what_the_rules_say() {
    let cases = trybuild::TestCases::new();
    for name in ["resource", "commands", "registry"] {
        cases.compile_fail(format!("{name}/fail/*.rs"));
    }
}

/// A rule whose file nobody compiles and runs is none.
#[test]
fn every_accepted_file_is_built_and_run() {
    let (modules, targets) = (include_str!("accepted.rs"), include_str!("Cargo.toml"));
    let files = |folder: &str| {
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    for name in ["resource", "commands", "registry"] {
        for file in files(&format!("{name}/pass")) {
            assert!(modules.contains(&format!("\"{name}/pass/{file}\"")), "{name}/pass/{file} is no module");
            let call = format!("{}::main();", file.trim_end_matches(".rs"));
            assert!(modules.contains(&call), "{name}/pass/{file} is not run");
        }
    }
    for file in files("registry/program") {
        assert!(
            targets.contains(&format!("path = \"registry/program/{file}\"")),
            "registry/program/{file} is no target"
        );
    }
}
