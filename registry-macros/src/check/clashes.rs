//! Two commands of one wire name, of which a caller could get the wrong one.

use crate::model::Declared;
use crate::model::commands::{Clash, Method};
use crate::report::Report;

/// Reports two commands of one wire name. Where each has conditions, only the compiler knows whether both are there.
pub(super) fn clashes(methods: &[Method], report: &mut Report) -> Vec<Clash> {
    let mut conditional = Vec::new();
    for (place, method) in methods.iter().enumerate() {
        let Some(wire_name) = wire_name(method) else { continue };
        for first in methods.iter().take(place).filter(|first| self::wire_name(first) == Some(wire_name)) {
            let mistakes = mistakes(wire_name, first, method);
            if first.conditions.is_empty() || method.conditions.is_empty() {
                mistakes.into_iter().for_each(|mistake| report.push(mistake));
            } else {
                let conditions = first.conditions.iter().chain(&method.conditions).cloned().collect();
                conditional.push(Clash { conditions, mistakes });
            }
        }
    }
    conditional
}

fn wire_name(method: &Method) -> Option<&str> {
    match &method.declared {
        Declared::Sound(command) => Some(&command.wire_name),
        Declared::Stub(_) => None,
    }
}

fn mistakes(wire_name: &str, first: &Method, second: &Method) -> [syn::Error; 2] {
    let message = format!(
        "two commands are called \"{wire_name}\" on the wire: rename one, or write `#[command(name = \"..\")]`"
    );
    [
        syn::Error::new_spanned(&second.name, message),
        syn::Error::new_spanned(&first.name, format!("\"{wire_name}\" is the wire name of this command first")),
    ]
}
