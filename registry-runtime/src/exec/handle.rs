//! The way in for callers in this process.

use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

use super::Attempt;
use super::begin::{Begun, agreed};
use super::contain::discard;
use super::control::Control;
use super::host::Host;
use super::outcome::Outcome;
use super::reply::Typed;
use super::work::{Spare, Work};
use crate::resource::{Command, Resource};

/// How a command for a caller in this process started.
#[derive(Debug)]
pub(crate) enum Started<T, E> {
    /// It has ended.
    Ready(Outcome<T, E>),
    /// It waits or runs as a task.
    Later(Handle<T, E>),
}

impl<R: Resource> Host<R> {
    /// Runs a command for a caller in this process: to its end if that needs no waiting, as a task otherwise. `spare` sees
    /// key and arguments before they are used up in a way after which the caller may have to try elsewhere.
    #[inline]
    pub(crate) fn call<A, T, E>(
        self: &Arc<Self>,
        command: &'static Command<R, A, T, E>,
        attempt: Attempt<'_, R>,
        args: A,
        spare: Spare<'_, R, A>,
    ) -> Started<T, E>
    where
        A: Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        let reply = Typed::new(self.setting.reply_bytes_max, &command.error);
        let mut work = Work::new(command, args, reply, Some(spare));
        let deadline = attempt.deadline;
        let job = match self.begin(&mut work, attempt) {
            Begun::Ready(outcome) => return Started::Ready(work.reply.tell(outcome)),
            Begun::Pledged(pledge, outcome) => {
                let (teller, told) = oneshot::channel();
                let reply = work.reply;
                // A caller that is gone wants to hear nothing; the record goes its way.
                pledge.then(move |decided| {
                    if let Err(unheard) = teller.send(reply.tell(agreed(outcome, decided))) {
                        discard(unheard);
                    }
                });
                let ends = Some(Box::pin(sleep_until(deadline)));
                return Started::Later(Handle { told, control: None, ends });
            }
            Begun::Later(job) => job,
        };
        let control = Arc::clone(job.control());
        let task = job.with(work.into_task(|reply| reply));
        let (teller, told) = oneshot::channel();
        self.setting.spawn(Box::pin(async move {
            let (outcome, work) = task.drive().await;
            // A caller that is gone has cancelled and wants to hear nothing.
            if let Err(unheard) = teller.send(work.reply.tell(outcome)) {
                discard(unheard);
            }
        }));
        Started::Later(Handle { told, control: Some(control), ends: None })
    }
}

/// The end of a command that waits or runs as a task. Dropping it cancels the command: one that waits is never started, one
/// that runs is dropped where it awaits and leaves the instance as it was.
#[must_use = "dropping it cancels the command"]
pub(crate) struct Handle<T, E> {
    told: oneshot::Receiver<Outcome<T, E>>,
    /// How to stop it, unless its record is under way.
    control: Option<Arc<Control>>,
    /// When the call is over, for a command whose record is under way. All others see to that themselves.
    ends: Option<Pin<Box<Sleep>>>,
}

impl<T, E> Handle<T, E> {
    /// Cancels the command without waiting for its end. `true` is a promise: it is never started.
    #[cfg(test)]
    pub(crate) fn cancel(self) -> bool {
        self.control.as_ref().is_some_and(|control| control.stop_cancelled())
    }

    /// Cancels the command from elsewhere.
    #[cfg(test)]
    pub(crate) fn canceller(&self) -> super::Cancel {
        super::Cancel::new(self.control.as_ref().expect("its record is not under way"))
    }
}

impl<T, E> Future for Handle<T, E> {
    type Output = Outcome<T, E>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let told = Pin::new(&mut self.told).poll(task);
        if told.is_pending()
            && let Some(ends) = &mut self.ends
        {
            ready!(ends.as_mut().poll(task));
            return Poll::Ready(Outcome::DeadlineExceeded { started: true });
        }
        Poll::Ready(ready!(told).unwrap_or_else(|_| {
            // The runtime dropped the task, which it can do only where the task awaits: nothing was committed.
            match &self.control {
                Some(control) if !control.is_started() => Outcome::Moved { started: false },
                _ => Outcome::Lost,
            }
        }))
    }
}

impl<T, E> Drop for Handle<T, E> {
    fn drop(&mut self) {
        self.control.iter().for_each(|control| _ = control.stop_cancelled());
    }
}

impl<T, E> Debug for Handle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("control", &self.control).finish_non_exhaustive()
    }
}
