//! The tables of ARCHITECTURE.md.

use std::collections::BTreeMap;

use crate::source::Mention;

/// The layer table of `registry-runtime`.
#[derive(Debug)]
pub(crate) struct RuntimeMap {
    rows: Vec<Row>,
    outside: Vec<String>,
}

#[derive(Debug)]
struct Row {
    layer: u32,
    room: String,
    must_not: Vec<String>,
    outside: bool,
}

impl RuntimeMap {
    /// Reads the table with the columns layer, room, lives there, must not know.
    pub(crate) fn read(page: &str) -> Self {
        let rows = table(page, &["layer", "room", "lives there", "must not know"]);
        let rows = rows
            .iter()
            .flat_map(|cells| {
                let layer = cells[0].parse().unwrap_or_else(|_| panic!("`{}` is no layer", cells[0]));
                let row = move |room| Row {
                    layer,
                    room,
                    must_not: words(&cells[3]),
                    outside: cells[3].contains("the outside"),
                };
                words(&cells[1]).into_iter().map(row)
            })
            .collect();
        let begin = page.find("**The outside**").expect("ARCHITECTURE.md says what the outside is");
        let sentence = page[begin..].split(".\n").next().unwrap_or_default();
        let outside = words(sentence);
        assert!(outside.contains(&"tokio".to_owned()), "the outside is listed in `code` words");
        Self { rows, outside }
    }

    /// The rooms in alphabetical order.
    pub(crate) fn rooms(&self) -> Vec<String> {
        let mut rooms: Vec<String> = self.rows.iter().map(|row| row.room.clone()).collect();
        rooms.sort();
        rooms
    }

    /// Why a room may not mention another; `None` when it may.
    pub(crate) fn refuses(&self, room: &str, mention: &Mention) -> Option<String> {
        let Mention { target, line, test } = mention;
        let at = |name: &str| self.rows.iter().position(|row| row.room == name);
        let Some(from) = at(room) else { return Some(format!("room `{room}` is not on the map")) };
        // The door knows everybody, and may call its own items by the crate's name.
        if room == "lib" {
            return None;
        }
        let Some(to) = at(target) else {
            return Some(format!(
                "line {line}: `{target}` is no room on the map: name the room, not the door's re-export"
            ));
        };
        let (own, other) = (&self.rows[from], &self.rows[to]);
        let lower = other.layer < own.layer || (own.layer == 0 && other.layer == 0 && to < from);
        if to == from || (lower && (*test || !own.must_not.contains(target))) {
            None
        } else {
            Some(format!(
                "line {line}: `{room}` (layer {}) must not know `{target}` (layer {})",
                own.layer, other.layer
            ))
        }
    }

    /// What a room must not mention, its own crate's rooms aside.
    pub(crate) fn forbidden_words(&self, room: &str) -> Vec<String> {
        let rooms = self.rooms();
        let Some(row) = self.rows.iter().find(|row| row.room == room) else { return Vec::new() };
        let mut forbidden: Vec<String> = row.must_not.iter().filter(|word| !rooms.contains(word)).cloned().collect();
        if row.outside {
            forbidden.extend(self.outside.iter().cloned());
        }
        forbidden
    }
}

/// The table of `registry-macros`.
#[derive(Debug)]
pub(crate) struct MacroMap(BTreeMap<String, Vec<String>>);

impl MacroMap {
    /// Reads the table with the columns room, lives there, may import.
    pub(crate) fn read(page: &str) -> Self {
        let rows = table(page, &["room", "lives there", "may import"]);
        Self(
            rows.iter()
                .flat_map(|cells| words(&cells[0]).into_iter().map(move |room| (room, words(&cells[2]))))
                .collect(),
        )
    }

    /// The rooms in alphabetical order.
    pub(crate) fn rooms(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Why a room may not mention another; `None` when it may.
    pub(crate) fn refuses(&self, room: &str, mention: &Mention) -> Option<String> {
        let Mention { target, line, .. } = mention;
        let Some(may_import) = self.0.get(room) else { return Some(format!("room `{room}` is not on the map")) };
        let fine = room == target || may_import.contains(target);
        (!fine).then(|| format!("line {line}: `{room}` must not import `{target}`"))
    }
}

/// The rows of the table that has exactly these columns.
fn table(page: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = page.lines().skip_while(|line| !line.starts_with('|') || cells(line) != columns);
    assert!(lines.next().is_some(), "ARCHITECTURE.md has a table with the columns {columns:?}");
    let rows: Vec<_> = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    for row in &rows {
        assert_eq!(row.len(), columns.len(), "a row of another width: {row:?}");
    }
    rows
}

/// What stands between backticks.
fn words(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
**The outside** is `tokio` and `rand::rng`.

| layer | room | lives there | must not know |
|---|---|---|---|
| 0 | `id` | words | the outside |
| 0 | `message` | words | the outside |
| 1 | `engine`, `policy` | deciders | the outside |
| 4 | `exec` | lanes | `engine`, `quinn` |

| room | lives there | may import |
|---|---|---|
| `model` | m | – |
| `expand` | e | `model` |
";

    #[test]
    fn layers_are_kept() {
        let map = RuntimeMap::read(PAGE);
        let may = |room: &str, target: &str, test| {
            map.refuses(room, &Mention { target: target.into(), line: 1, test }).is_none()
        };
        for (room, target) in [("message", "id"), ("engine", "id"), ("engine", "engine"), ("exec", "policy")] {
            assert!(may(room, target, false), "{room} may know {target}");
        }
        for (room, target) in [
            ("id", "message"),
            ("id", "engine"),
            ("engine", "policy"),
            ("exec", "engine"),
            ("exec", "NodeId"),
            ("attic", "id"),
        ] {
            assert!(!may(room, target, false), "{room} must not know {target}");
        }
        assert!(may("exec", "engine", true), "a test may use what the last column forbids");
        assert!(!may("engine", "exec", true), "a test keeps to the layers");
    }

    #[test]
    fn the_last_column_names_words_from_outside() {
        let map = RuntimeMap::read(PAGE);
        assert_eq!(map.forbidden_words("exec"), ["quinn"]);
        assert_eq!(map.forbidden_words("policy"), ["tokio", "rand::rng"]);
    }

    #[test]
    fn macro_rooms_know_what_their_row_says() {
        let map = MacroMap::read(PAGE);
        let may = |room: &str, target: &str| {
            map.refuses(room, &Mention { target: target.into(), line: 1, test: false }).is_none()
        };
        assert!(may("expand", "model") && may("model", "model"));
        assert!(!may("model", "expand"));
    }
}
