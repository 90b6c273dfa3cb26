//! Sends whole slots to peers: one at a time to each, so that fillings take neither the memory nor the channel from the records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::codec::Raw;
use crate::exec::{AnyHost, Content, Filling};
use crate::id::{Epoch, Position, Process, Slot};
use crate::telemetry;
use crate::transport::{Channel, Link, LinkId};
use crate::wire::record::{RecordFrame, RecordWord};

/// A slot that a peer is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// To a backup that has not stored this node's opening, or has missed records of it.
    Backup { registry: &'static str, slot: Slot, epoch: Epoch },
    /// To the opener with this epoch, which takes it over.
    Opener { registry: &'static str, slot: Slot, epoch: Epoch, stamp: (Epoch, Position) },
}

/// The slots that wait to be sent, by connection.
pub(super) struct Fillers {
    runtime: Handle,
    queues: Arc<Mutex<BTreeMap<LinkId, Queue>>>,
}

/// What one connection has to carry; there is a task for it as long as there is a queue. Bounded by the slots that exist, for a slot is in
/// it once for each opening, and older openings' jobs end at once.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Job, Arc<dyn AnyHost>>,
    under_way: Option<Job>,
}

impl Fillers {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, queues: Arc::default() }
    }

    /// Whether the slot is on its way there or waits for it.
    pub(super) fn has(&self, link: &Link, job: &Job) -> bool {
        lock(&self.queues)
            .get(&link.id())
            .is_some_and(|queue| queue.waiting.contains_key(job) || queue.under_way.as_ref() == Some(job))
    }

    /// Sends the slot there, once.
    pub(super) fn add(&self, link: &Link, host: &Arc<dyn AnyHost>, job: Job) {
        if !self.has(link, &job) {
            self.add_anew(link, host, job);
        }
    }

    /// Sends the slot there as it is from now on, whatever is on its way.
    pub(super) fn add_anew(&self, link: &Link, host: &Arc<dyn AnyHost>, job: Job) {
        let mut queues = lock(&self.queues);
        let begins = !queues.contains_key(&link.id());
        let queue = queues.entry(link.id()).or_default();
        queue.waiting.insert(job, Arc::clone(host));
        drop(queues);
        if begins {
            self.runtime.spawn(work(Arc::clone(&self.queues), link.clone()));
        }
    }
}

/// Sends one slot after another until none is left, or the connection ends.
async fn work(queues: Arc<Mutex<BTreeMap<LinkId, Queue>>>, link: Link) {
    while let Some((job, host)) = next(&queues, &link) {
        let sent = match &job {
            Job::Backup { slot, epoch, .. } => {
                let backup = Process { node: link.peer().node.clone(), start: link.peer().start };
                send(&link, &host, *slot, host.content_for(*slot, *epoch, &backup), true).await
            }
            Job::Opener { slot, epoch, stamp, .. } => {
                send(&link, &host, *slot, host.content(*slot, *epoch, *stamp), false).await
            }
        };
        if sent.is_none() {
            lock(&queues).remove(&link.id());
            return;
        }
    }
}

/// Takes the next job; without one the queue is over.
fn next(queues: &Mutex<BTreeMap<LinkId, Queue>>, link: &Link) -> Option<(Job, Arc<dyn AnyHost>)> {
    let mut queues = lock(queues);
    let queue = queues.get_mut(&link.id())?;
    let next = queue.waiting.pop_first();
    queue.under_way = next.as_ref().map(|(job, _)| job.clone());
    if next.is_none() {
        queues.remove(&link.id());
    }
    next
}

/// Sends the content of one slot, if there still is any to be sent; `begun` says that its beginning has been. `None` when the connection
/// has ended.
async fn send(
    link: &Link,
    host: &Arc<dyn AnyHost>,
    slot: Slot,
    content: Option<Box<dyn Content>>,
    begun: bool,
) -> Option<()> {
    let Some(mut content) = content else { return Some(()) };
    let registry = host.spec().name;
    let Filling { epoch, number, stamp } = content.filling();
    let mut frame = Vec::new();
    if !begun {
        write(&mut frame, registry, slot, epoch, RecordWord::Fill { number, stamp });
        link.send_patiently(Channel::Records, &frame).await.ok()?;
    }
    while let Some(portion) = content.next() {
        let portion = match portion {
            Ok(portion) => portion,
            Err(fault) => {
                telemetry::unfillable(host.node(), registry, slot, &fault);
                return Some(());
            }
        };
        let body = Raw(&portion.body);
        let word = RecordWord::Part { number, stamp, part: portion.part, last: portion.last, body };
        write(&mut frame, registry, slot, epoch, word);
        link.send_patiently(Channel::Records, &frame).await.ok()?;
        tokio::task::yield_now().await;
    }
    Some(())
}

/// Puts a frame in the place of the last one. What a frame consists of has an encoding.
fn write(frame: &mut Vec<u8>, registry: &str, slot: Slot, epoch: Epoch, word: RecordWord<'_>) {
    frame.clear();
    let _ = RecordFrame { registry, slot, epoch, word }.write(frame);
}

fn lock(queues: &Mutex<BTreeMap<LinkId, Queue>>) -> MutexGuard<'_, BTreeMap<LinkId, Queue>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}
