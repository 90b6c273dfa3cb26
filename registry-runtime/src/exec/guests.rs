//! Actions that run as tasks: no slot knows of them, so they are stopped from here when the node stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use super::control::Control;

/// A registry's actions on one node that wait or run as tasks.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    controls: Slab<Arc<Control>>,
    is_closed: bool,
}

/// One action's stay; dropping it ends that.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    number: usize,
}

impl Guests {
    /// Takes in an action, which is stopped if the node has stopped already.
    pub(super) fn enter(self: &Arc<Self>, control: &Arc<Control>) -> Guest {
        let mut list = self.lock();
        if list.is_closed {
            control.stop_closed();
        }
        Guest { guests: Arc::clone(self), number: list.controls.insert(Arc::clone(control)) }
    }

    /// Stops those that are here and those to come.
    pub(super) fn close(&self) {
        let mut list = self.lock();
        list.is_closed = true;
        list.controls.iter().for_each(|(_, control)| control.stop_closed());
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing in here can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.guests.lock().controls.try_remove(self.number));
    }
}
