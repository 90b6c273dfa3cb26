//! What the pages for people tell them to type.

use std::fs;
use std::path::{Path, PathBuf};

/// The commands in a page's fenced blocks: lines that begin with `cargo` or with the gate's path.
pub(crate) fn commands(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut commands = Vec::new();
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced && (line.starts_with("cargo ") || line.starts_with(".ci/")) {
            commands.push(line.split(" #").next().unwrap_or(line).trim_end());
        }
    }
    commands
}

/// What the page's commands name and the workspace has not.
pub(crate) fn unknown_targets(page: &str, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for command in commands(page) {
        let mut words = command.split_whitespace().take_while(|word| *word != "--");
        let first = words.next().unwrap_or_default();
        if first != "cargo" && !root.join(first).exists() {
            faults.push(format!("`{command}`: there is no `{first}`"));
        }
        let words: Vec<&str> = words.collect();
        let named = |flags: &[&str]| {
            let pair = words.windows(2).find(|pair| flags.contains(&pair[0]));
            pair.map(|pair| pair[1])
        };
        let package = named(&["-p", "--package"]).map(|name| (name, package(root, name)));
        let Some((name, folder)) = package else { continue };
        let Some(folder) = folder else {
            faults.push(format!("`{command}`: there is no package `{name}`"));
            continue;
        };
        for (flag, place) in
            [("--bin", "src/bin"), ("--bench", "benches"), ("--test", "tests"), ("--example", "examples")]
        {
            let Some(target) = named(&[flag]) else { continue };
            let place = folder.join(place);
            if !place.join(format!("{target}.rs")).exists() && !place.join(target).join("main.rs").exists() {
                faults.push(format!("`{command}`: package `{name}` has no `{flag} {target}`"));
            }
        }
    }
    faults
}

/// The first value of that key in a manifest.
pub(crate) fn value(manifest: &str, key: &str) -> Option<String> {
    let line = manifest.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
    Some(line.trim().trim_matches('"').into())
}

/// The folder of a workspace member.
fn package(root: &Path, name: &str) -> Option<PathBuf> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace's manifest");
    let members = manifest.split_once("members = [")?.1.split_once(']')?.0;
    let folders = members.split('"').skip(1).step_by(2).map(|member| root.join(member));
    folders.into_iter().find(|folder| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a member's manifest");
        value(&manifest, "name").as_deref() == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_blocks_only() {
        let page = "cargo no\n```sh\ncargo test --workspace  # all of them\necho\n.ci/run\n```\ncargo no";
        assert_eq!(commands(page), ["cargo test --workspace", ".ci/run"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = crate::root();
        let page = |command: &str| format!("```\n{command}\n```");
        for fine in ["cargo test --workspace", "cargo test -p registry-tests --test tidy -- --bin x", ".ci/run"] {
            assert!(unknown_targets(&page(fine), &root).is_empty(), "{fine}");
        }
        for wrong in ["cargo run -p nobody", "cargo run -p registry-examples --bin nobody", ".ci/nobody"] {
            assert_eq!(unknown_targets(&page(wrong), &root).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_value_is_read() {
        assert_eq!(value("[package]\nrust-version = \"1.88\"\n", "rust-version").as_deref(), Some("1.88"));
    }
}
