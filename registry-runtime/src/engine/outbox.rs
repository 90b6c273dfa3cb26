//! Collects what is said about single slots into few messages.

use std::collections::BTreeMap;

use super::output::Output;
use super::set::Set;
use crate::id::{NodeId, Process, RegistryName, Slot, Start};
use crate::message::{BATCH_BYTES, Batch, Body, Message, SETS_MAX, WORDS_MAX, Word};

/// The words of one input, by receiver and registry.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    letters: BTreeMap<(Process, RegistryName), Letter>,
    /// What goes behind them.
    last: Vec<Output>,
}

#[derive(Debug)]
struct Letter {
    slots: u32,
    words: Vec<(Slot, Word<Set>)>,
}

impl Outbox {
    /// Says something about one slot of a registry that has `slots` of them.
    pub(crate) fn say(&mut self, to: &Process, registry: &RegistryName, slots: u32, slot: Slot, word: Word<Set>) {
        let letter = self.letters.entry((to.clone(), registry.clone()));
        letter.or_insert_with(|| Letter { slots, words: Vec::new() }).words.push((slot, word));
    }

    /// Lets a message go behind all that is said with this input.
    pub(crate) fn say_last(&mut self, message: Output) {
        self.last.push(message);
    }

    /// Makes messages of all that was said.
    pub(crate) fn empty(&mut self, from: Start, mut send: impl FnMut(Output)) {
        for ((to, registry), letter) in std::mem::take(&mut self.letters) {
            let mut draft = Draft::default();
            let mut post = |draft: Draft| {
                let Draft { sets, words, .. } = draft;
                let batch = Batch { registry: registry.clone(), slots: letter.slots, sets, words };
                send(Output::Send { to: to.node.clone(), message: message(from, to.start, Body::Batch(batch)) });
            };
            for (slot, word) in letter.words {
                if draft.is_full() {
                    post(std::mem::take(&mut draft));
                }
                draft.add(slot, word);
            }
            post(draft);
        }
        std::mem::take(&mut self.last).into_iter().for_each(send);
    }
}

/// A message from one life to another.
pub(crate) fn message(from: Start, to: Start, body: Body) -> Message {
    Message { from, to, body }
}

/// A message to a process.
pub(crate) fn send(from: Start, to: &Process, body: Body) -> Output {
    Output::Send { to: to.node.clone(), message: message(from, to.start, body) }
}

/// A batch that is being written.
#[derive(Default)]
struct Draft {
    index: BTreeMap<Set, u16>,
    sets: Vec<Vec<Process>>,
    words: Vec<(Slot, Word<u16>)>,
    bytes: usize,
}

/// About what a word takes with its epochs, in bytes.
const WORD_BYTES: usize = 32;

/// What a process takes beside its node's name: a length and a start, in bytes.
const PROCESS_BYTES: usize = 8;

/// The most sets that one word can name: the active one, the noted ones, and its own.
const SETS_PER_WORD: usize = crate::message::NOTED_MAX + 2;

impl Draft {
    fn is_full(&self) -> bool {
        self.words.len() >= WORDS_MAX || self.sets.len() + SETS_PER_WORD > SETS_MAX || self.bytes >= BATCH_BYTES
    }

    fn add(&mut self, slot: Slot, word: Word<Set>) {
        self.bytes += WORD_BYTES;
        if let Some(word) = word.try_map(|set| self.index_of(set)) {
            self.words.push((slot, word));
        }
    }

    fn index_of(&mut self, set: Set) -> Option<u16> {
        if let Some(index) = self.index.get(&set) {
            return Some(*index);
        }
        let index = u16::try_from(self.sets.len()).ok()?;
        let name_bytes = |process: &Process| NodeId::as_str(&process.node).len() + PROCESS_BYTES;
        self.bytes += set.members().iter().map(name_bytes).sum::<usize>();
        self.sets.push(set.members().to_vec());
        self.index.insert(set, index);
        Some(index)
    }
}
