//! Words of which only some are valid, and names that travel.

use syn::Ident;
use syn::ext::IdentExt;

/// The longest wire name, in bytes; the runtime refuses longer ones.
const NAME_BYTES_MAX: usize = 128;

/// The word's value among the valid ones, or a message with the nearest and all of them.
pub(super) fn one_of<T: Copy>(word: &Ident, what: &str, valid: &[(&str, T)]) -> Result<T, String> {
    valid.iter().find(|(name, _)| word == name).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = valid.iter().map(|(name, _)| *name).collect();
        unknown(word, what, &names)
    })
}

/// Says that the word is unknown, which valid one is nearest, and which are valid.
pub(super) fn unknown(word: &Ident, what: &str, valid: &[&str]) -> String {
    let written = word.unraw().to_string();
    let nearest = valid
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written, name), *name))
        .min()
        // A third of the letters may be wrong; beyond that a guess would confuse.
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default();
    let list: Vec<String> = valid.iter().map(|name| format!("`{name}`")).collect();
    let (noun, list) = match list.as_slice() {
        [only] => ("the valid one is", only.clone()),
        _ => ("valid are", list.join(", ")),
    };
    format!("unknown {what} `{written}`{nearest}\n{noun} {list}")
}

/// Why a wire name cannot travel, if it cannot.
pub(super) fn fault_of_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a wire name has at least one character".into());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!(
            "a wire name has at most {NAME_BYTES_MAX} bytes, this one has {}: choose a shorter one",
            name.len()
        ));
    }
    if name.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        return Some("a wire name has no spaces and no control characters: write `_` or `-` instead".into());
    }
    None
}
