//! House rules as a test: the map in ARCHITECTURE.md, the commands in README.md, and a few habits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod documents;
mod map;
mod source;

use std::path::{Path, PathBuf};

use map::{MacroMap, RuntimeMap};
use source::{Mention, Source, sources};

/// The packages whose code the habits are checked in.
const PACKAGES: [&str; 4] = ["registry-macros", "registry-runtime", "examples", "tests"];

#[test]
fn imports_point_to_lower_layers() {
    let map = RuntimeMap::read(&architecture());
    check_rooms("registry-runtime", |room, mention| map.refuses(room, mention));
}

#[test]
fn macro_rooms_import_as_the_map_says() {
    let map = MacroMap::read(&architecture());
    check_rooms("registry-macros", |room, mention| map.refuses(room, mention));
}

#[test]
fn no_room_knows_what_it_must_not() {
    let map = RuntimeMap::read(&architecture());
    let mut faults = Vec::new();
    for source in sources(&root().join("registry-runtime/src")) {
        let forbidden = map.forbidden_words(source.room());
        for path in source.paths.iter().filter(|path| !path.test) {
            if let Some(word) = forbidden.iter().find(|word| path.contains(word)) {
                faults.push(format!(
                    "{}:{}: `{}` must not know `{word}`",
                    source.path.display(),
                    path.line,
                    source.room()
                ));
            }
        }
    }
    report(&faults);
}

#[test]
fn the_map_shows_the_rooms_that_exist() {
    let (runtime, macros) = (RuntimeMap::read(&architecture()), MacroMap::read(&architecture()));
    for (package, shown) in [("registry-runtime", runtime.rooms()), ("registry-macros", macros.rooms())] {
        let mut found: Vec<String> =
            sources(&root().join(package).join("src")).iter().map(|source| source.room().to_owned()).collect();
        found.sort();
        found.dedup();
        assert_eq!(shown, found, "left: the rooms in ARCHITECTURE.md, right: those in {package}/src");
    }
}

#[test]
fn documented_commands_name_what_exists() {
    let faults: Vec<String> = ["README.md", "CONTRIBUTING.md"]
        .iter()
        .flat_map(|name| {
            documents::unknown_targets(&read(name), &root()).into_iter().map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    report(&faults);
}

#[test]
fn the_readme_has_the_two_commands() {
    let page = read("README.md");
    let commands = documents::commands(&page);
    let tests: Vec<&str> = commands.iter().copied().filter(|command| command.starts_with("cargo test")).collect();
    assert_eq!(tests, ["cargo test --workspace"], "the gate runs the README's one test command");
    assert!(
        commands.iter().any(|command| command.starts_with("cargo run --release -p registry-examples --bin orders"))
    );
}

#[test]
fn the_readme_names_the_rust_version() {
    let manifest = read("Cargo.toml");
    let version = documents::value(&manifest, "rust-version").expect("the workspace names its rust-version");
    let sentence = format!("Rust {version} or newer");
    assert!(read("README.md").contains(&sentence), "README.md must say `{sentence}`");
    for package in PACKAGES.into_iter().chain(["tests/kit", "tests/ui"]) {
        let manifest = read(&format!("{package}/Cargo.toml"));
        assert!(manifest.contains("rust-version.workspace = true"), "{package} must take the workspace's rust-version");
        // The files of `tests/ui` are those of anybody's crate.
        let has_lints = manifest.contains("[lints]\nworkspace = true");
        assert!(has_lints || package == "tests/ui", "{package} must take the workspace's lints");
    }
}

#[test]
fn limits_give_their_reason() {
    let faults: Vec<String> = all_sources()
        .iter()
        .flat_map(|source| {
            let limits = source.undocumented_constants(|name| {
                ["_MAX", "_LIMIT", "_BOUND", "_CAPACITY"].iter().any(|end| name.ends_with(end))
            });
            limits
                .into_iter()
                .map(|(name, line)| format!("{}:{line}: `{name}` has no doc comment", source.path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    report(&faults);
}

#[test]
fn no_test_is_ignored() {
    let faults: Vec<String> = all_sources()
        .iter()
        .flat_map(|source| {
            source
                .attribute_lines("ignore")
                .into_iter()
                .map(move |line| format!("{}:{line}: run it or delete it", source.path.display()))
        })
        .collect();
    report(&faults);
}

#[test]
fn every_select_is_biased() {
    let faults: Vec<String> = all_sources()
        .iter()
        .flat_map(|source| {
            let unbiased = source.select_lines_without_bias().into_iter();
            unbiased.map(move |line| {
                format!("{}:{line}: begin with `biased;`, a seed must repeat the run", source.path.display())
            })
        })
        .collect();
    report(&faults);
}

/// Every mention of a room in the package must be allowed by the map.
fn check_rooms(package: &str, refuses: impl Fn(&str, &Mention) -> Option<String>) {
    let mut faults = Vec::new();
    for source in sources(&root().join(package).join("src")) {
        let refused = source.room_mentions().into_iter().filter_map(|mention| refuses(source.room(), &mention));
        faults.extend(refused.map(|fault| format!("{}: {fault}", source.path.display())));
    }
    report(&faults);
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn all_sources() -> Vec<Source> {
    PACKAGES.iter().flat_map(|package| sources(&root().join(package))).collect()
}

fn architecture() -> String {
    read("ARCHITECTURE.md")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").into()
}
