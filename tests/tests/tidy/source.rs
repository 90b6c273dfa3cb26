//! Rust files as tokens: what they mention, and where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Every path in it, imports taken apart.
    pub(crate) paths: Vec<CodePath>,
    /// The module: `["engine", "opening"]` for `engine/opening.rs`, nothing for `lib.rs`.
    module: Vec<String>,
    tokens: TokenStream,
    test_modules: BTreeSet<String>,
}

/// A path such as `std::time::Instant`; a single word is one too.
#[derive(Debug)]
pub(crate) struct CodePath {
    /// Its words.
    pub(crate) words: Vec<String>,
    /// The line of its first word.
    pub(crate) line: usize,
    /// Whether it is compiled for tests only.
    pub(crate) test: bool,
    /// How many modules deep in the crate it stands.
    depth: usize,
}

impl CodePath {
    /// Whether the other path's words occur in this one side by side.
    pub(crate) fn contains(&self, other: &str) -> bool {
        let other: Vec<&str> = other.split("::").collect();
        self.words.windows(other.len()).any(|words| words == other)
    }
}

/// A mention of a room of the same crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The room.
    pub(crate) target: String,
    /// The line.
    pub(crate) line: usize,
    /// Whether it is compiled for tests only.
    pub(crate) test: bool,
}

/// All Rust files under a folder, build products and the cases of `tests/ui` aside.
pub(crate) fn sources(folder: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "{}: no Rust files", folder.display());
    let mut sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let path = file.strip_prefix(folder).unwrap_or(file);
            let source = Source::new(path, &text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            Source { path: file.clone(), ..source }
        })
        .collect();
    let test_modules: BTreeSet<String> = sources.iter().flat_map(|source| source.test_modules.clone()).collect();
    for source in &mut sources {
        if (1..=source.module.len()).any(|depth| test_modules.contains(&source.module[..depth].join("::"))) {
            source.paths.iter_mut().for_each(|path| path.test = true);
        }
    }
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["target", "wip", "pass", "program", "fail"].contains(&name) {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

impl Source {
    fn new(path: &Path, text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
        let mut module: Vec<String> =
            path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|name| name == "lib" || name == "main") {
            module.pop();
        }
        let mut reader = Reader { paths: Vec::new(), test_modules: BTreeSet::new() };
        let place = Place { module: module.clone(), test: false, prefix: Vec::new() };
        reader.read(tokens.clone(), &place);
        let Reader { paths, test_modules } = reader;
        Ok(Self { path: path.into(), paths, module, tokens, test_modules })
    }

    /// The top-level module that the file belongs to.
    pub(crate) fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    /// The rooms of its own crate that the file mentions, by `crate::` or by enough `super::`.
    pub(crate) fn room_mentions(&self) -> Vec<Mention> {
        let mention = |path: &CodePath| {
            let up = path.words.iter().take_while(|word| *word == "super").count();
            let target = match path.words.first()?.as_str() {
                "crate" => path.words.get(1)?,
                "super" if up == path.depth => path.words.get(up)?,
                _ => return None,
            };
            Some(Mention { target: target.clone(), line: path.line, test: path.test })
        };
        self.paths.iter().filter_map(mention).collect()
    }

    /// Constants of these names without a doc comment, and their lines.
    pub(crate) fn undocumented_constants(&self, named: impl Fn(&str) -> bool) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        each_level(self.tokens.clone(), &mut |tokens| {
            for (index, pair) in tokens.windows(2).enumerate() {
                let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else { continue };
                if keyword == "const" && named(&name.to_string()) && !documented(&tokens[..index]) {
                    found.push((name.to_string(), name.span().start().line));
                }
            }
        });
        found
    }

    /// The lines of attributes of that name.
    pub(crate) fn attribute_lines(&self, name: &str) -> Vec<usize> {
        let mut lines = Vec::new();
        each_level(self.tokens.clone(), &mut |tokens| {
            for pair in tokens.windows(2) {
                if let [TokenTree::Punct(hash), TokenTree::Group(group)] = pair
                    && hash.as_char() == '#'
                    && group.delimiter() == Delimiter::Bracket
                    && is_word(group.stream().into_iter().next().as_ref(), name)
                {
                    lines.push(group.span_open().start().line);
                }
            }
        });
        lines
    }

    /// The lines of `select!` invocations that do not begin with `biased;`.
    pub(crate) fn select_lines_without_bias(&self) -> Vec<usize> {
        let mut lines = Vec::new();
        each_level(self.tokens.clone(), &mut |tokens| {
            for three in tokens.windows(3) {
                if let [TokenTree::Ident(name), TokenTree::Punct(bang), TokenTree::Group(group)] = three
                    && name == "select"
                    && bang.as_char() == '!'
                    && !is_word(group.stream().into_iter().next().as_ref(), "biased")
                {
                    lines.push(name.span().start().line);
                }
            }
        });
        lines
    }
}

/// Whether the tokens before an item end with attributes of which one is a doc comment.
fn documented(before: &[TokenTree]) -> bool {
    let mut rest = before;
    // The visibility stands between attributes and keyword.
    while let [front @ .., last] = rest {
        match last {
            TokenTree::Ident(word) if *word == "pub" => rest = front,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => rest = front,
            _ => break,
        }
    }
    while let [front @ .., TokenTree::Punct(hash), TokenTree::Group(attribute)] = rest {
        if hash.as_char() != '#' {
            return false;
        }
        if is_word(attribute.stream().into_iter().next().as_ref(), "doc") {
            return true;
        }
        rest = front;
    }
    false
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

/// Shows the tokens of every level, outer ones first.
fn each_level(stream: TokenStream, look: &mut impl FnMut(&[TokenTree])) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    look(&tokens);
    for token in tokens {
        if let TokenTree::Group(group) = token {
            each_level(group.stream(), look);
        }
    }
}

struct Reader {
    paths: Vec<CodePath>,
    test_modules: BTreeSet<String>,
}

#[derive(Clone)]
struct Place {
    module: Vec<String>,
    test: bool,
    /// In the braces of an import: the path before them.
    prefix: Vec<String>,
}

impl Reader {
    fn read(&mut self, stream: TokenStream, place: &Place) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut rest = tokens.as_slice();
        // Set by `#[cfg(test)]` until the end of the item that it stands before.
        let mut test_item = false;
        while let [first, after @ ..] = rest {
            let here = Place { test: place.test || test_item, ..place.clone() };
            rest = match (first, after) {
                (TokenTree::Punct(hash), [TokenTree::Group(attribute), after @ ..]) if hash.as_char() == '#' => {
                    test_item |= is_cfg_test(attribute);
                    self.read(attribute.stream(), &here);
                    after
                }
                (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Group(body), after @ ..])
                    if word == "mod" && body.delimiter() == Delimiter::Brace =>
                {
                    let module = here.module.iter().cloned().chain([name.to_string()]).collect();
                    self.read(body.stream(), &Place { module, ..here });
                    test_item = false;
                    after
                }
                (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Punct(end), after @ ..])
                    if word == "mod" && end.as_char() == ';' =>
                {
                    if here.test {
                        let module: Vec<String> = here.module.iter().cloned().chain([name.to_string()]).collect();
                        self.test_modules.insert(module.join("::"));
                    }
                    test_item = false;
                    after
                }
                // Quoted code belongs to whoever it is generated for.
                (TokenTree::Ident(word), [TokenTree::Punct(bang), TokenTree::Group(_), after @ ..])
                    if bang.as_char() == '!'
                        && ["quote", "quote_spanned", "parse_quote"].iter().any(|name| word == name) =>
                {
                    after
                }
                // The new name in `use a as b` is no path.
                (TokenTree::Ident(word), [_, after @ ..]) if word == "as" && !here.prefix.is_empty() => after,
                (TokenTree::Ident(_), _) => self.read_path(rest, &here),
                (TokenTree::Group(group), _) => {
                    self.read(group.stream(), &Place { prefix: Vec::new(), ..here });
                    if group.delimiter() == Delimiter::Brace {
                        test_item = false;
                    }
                    after
                }
                (TokenTree::Punct(end), _) if end.as_char() == ';' => {
                    test_item = false;
                    after
                }
                _ => after,
            };
        }
    }

    /// Reads a path from its first word on and gives what follows it.
    fn read_path<'a>(&mut self, tokens: &'a [TokenTree], place: &Place) -> &'a [TokenTree] {
        let [first, after @ ..] = tokens else { return tokens };
        let mut rest = after;
        let line = first.span().start().line;
        let mut words = place.prefix.clone();
        words.push(first.to_string());
        loop {
            match rest {
                [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(word), after @ ..]
                    if colons(one, two) =>
                {
                    words.push(word.to_string());
                    rest = after;
                }
                [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Group(group), after @ ..]
                    if colons(one, two) =>
                {
                    self.read(group.stream(), &Place { prefix: words.clone(), ..place.clone() });
                    rest = after;
                    break;
                }
                _ => break,
            }
        }
        self.paths.push(CodePath { words, line, test: place.test, depth: place.module.len() });
        rest
    }
}

fn colons(one: &proc_macro2::Punct, two: &proc_macro2::Punct) -> bool {
    one.as_char() == ':' && one.spacing() == Spacing::Joint && two.as_char() == ':'
}

fn is_cfg_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(Path::new(path), text).unwrap()
    }

    fn mentioned(path: &str, text: &str) -> Vec<(String, bool)> {
        source(path, text).room_mentions().into_iter().map(|mention| (mention.target, mention.test)).collect()
    }

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, bool)]) {
        let expected: Vec<(String, bool)> = expected.iter().map(|(room, test)| ((*room).into(), *test)).collect();
        assert_eq!(mentioned(path, text), expected, "{path}: {text}");
    }

    #[test]
    fn rooms_are_found_wherever_they_are_mentioned() {
        check("a.rs", "use crate::id::NodeId;", &[("id", false)]);
        check(
            "a.rs",
            "use crate::{id::{NodeId, Slot as S}, time};",
            // The words of the inner braces, then what stands before them.
            &[("id", false), ("id", false), ("id", false), ("time", false)],
        );
        check("a/b.rs", "fn f() { g(crate::wire::X, vec![crate::node::Y]) }", &[("wire", false), ("node", false)]);
        check("a.rs", "// crate::wire\nconst T: &str = \"crate::wire\"; pub(crate) fn f() {}", &[]);
        check(
            "a.rs",
            "#[cfg(test)] mod t { use crate::wire::X; use super::id; } use crate::time;",
            &[("wire", true), ("time", false)],
        );
        check("a.rs", "use super::id::X;", &[("id", false)]);
        check("a/b.rs", "use super::c::X; use super::super::id::X;", &[("id", false)]);
        check("a.rs", "fn f() { quote!(crate::wire::X) }", &[]);
    }

    #[test]
    fn words_from_outside_are_found() {
        let text = "use std::{collections::{BTreeMap, HashMap}, time}; fn f() { time::Instant::now(); }";
        let source = source("a.rs", text);
        let knows = |word: &str| source.paths.iter().any(|path| path.contains(word));
        assert!(knows("HashMap") && knows("Instant::now") && knows("std::collections"));
        assert!(!knows("HashSet") && !knows("std::time::Instant"));
    }

    #[test]
    fn habits_are_seen() {
        let text = "/// Why.\n#[allow(x)]\npub(crate) const A_MAX: u8 = 1;\nconst B_MAX: u8 = 2;\n#[test]\n#[ignore = \"slow\"]\nfn f() {\n\
                    tokio::select! { biased; _ = a => {} }\nselect! { _ = a => {} }\n}";
        let source = source("a.rs", text);
        assert_eq!(source.undocumented_constants(|name| name.ends_with("_MAX")), [("B_MAX".into(), 4)]);
        assert_eq!(source.attribute_lines("ignore"), [6]);
        assert_eq!(source.select_lines_without_bias(), [9]);
    }

    #[test]
    fn a_file_belongs_to_its_top_module() {
        for (path, room) in [("lib.rs", "lib"), ("engine.rs", "engine"), ("engine/opening/rows.rs", "engine")] {
            assert_eq!(source(path, "").room(), room);
        }
    }
}
