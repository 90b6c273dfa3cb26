//! Sends whole slots to peers: one at a time to each, so that fillings take neither the memory nor the channel from the records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::records::News;
use crate::codec::Raw;
use crate::engine::Report;
use crate::exec::{AnyHost, Filling};
use crate::id::{Epoch, LinkId, Position, Slot};
use crate::telemetry;
use crate::transport::{Channel, Link};
use crate::wire::record::{RecordFrame, RecordWord};

/// A slot that a peer is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) registry: &'static str,
    pub(super) slot: Slot,
    /// The opening for which it is sent.
    pub(super) epoch: Epoch,
    pub(super) to: Whom,
}

/// What the peer is for the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// A backup that has not stored this node's opening, or has missed records of it.
    Backup,
    /// The opener, who takes over what has this stamp.
    Opener((Epoch, Position)),
}

impl Job {
    /// What there is one job of at a time.
    fn place(&self) -> Place {
        (self.is_for_backup(), self.registry, self.slot)
    }

    fn is_for_backup(&self) -> bool {
        self.to == Whom::Backup
    }
}

/// Whether it is for a backup, the registry, and the slot.
type Place = (bool, &'static str, Slot);

/// The slots that wait to be sent, by connection.
pub(super) struct Fillers {
    runtime: Handle,
    /// Told of backups that cannot be filled.
    news: mpsc::UnboundedSender<News>,
    queues: Arc<Mutex<BTreeMap<LinkId, Queue>>>,
}

/// What one connection has to carry; there is a task for it as long as there is a queue. Bounded by the slots that exist, whatever a peer
/// asks for: a slot waits for the latest opening alone.
struct Queue<H = Arc<dyn AnyHost>> {
    waiting: BTreeMap<Place, Waiting<H>>,
    /// Openers come first, for nobody serves the slot meanwhile; otherwise who has waited for longest.
    turns: BTreeMap<(bool, u64), Place>,
    arrivals: u64,
    under_way: Option<Job>,
}

struct Waiting<H = Arc<dyn AnyHost>> {
    job: Job,
    host: H,
}

impl<H> Default for Queue<H> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), turns: BTreeMap::new(), arrivals: 0, under_way: None }
    }
}

impl Fillers {
    pub(super) fn new(runtime: Handle, news: mpsc::UnboundedSender<News>) -> Self {
        Self { runtime, news, queues: Arc::default() }
    }

    /// Whether the slot is on its way there or waits for it.
    pub(super) fn has(&self, link: &Link, job: &Job) -> bool {
        lock(&self.queues).get(&link.id()).is_some_and(|queue| queue.has(job))
    }

    /// Sends the slot there, once.
    pub(super) fn add(&self, link: &Link, host: &Arc<dyn AnyHost>, job: Job) {
        let mut queues = lock(&self.queues);
        let begins = !queues.contains_key(&link.id());
        let queue = queues.entry(link.id()).or_default();
        if !queue.has(&job) {
            queue.add(job, host);
        }
        drop(queues);
        if begins {
            self.runtime.spawn(work(Arc::clone(&self.queues), link.clone(), self.news.clone()));
        }
    }
}

impl<H: Clone> Queue<H> {
    /// Lets a job wait, in the place of one for an earlier opening.
    fn add(&mut self, job: Job, host: &H) {
        match self.waiting.get_mut(&job.place()) {
            Some(waiting) if waiting.job.epoch > job.epoch => {}
            Some(waiting) => waiting.job = job,
            None => {
                self.arrivals = self.arrivals.saturating_add(1);
                self.turns.insert((job.is_for_backup(), self.arrivals), job.place());
                self.waiting.insert(job.place(), Waiting { job, host: host.clone() });
            }
        }
    }

    /// Takes the job whose turn it is.
    fn next(&mut self) -> Option<Waiting<H>> {
        let (_, place) = self.turns.pop_first()?;
        self.waiting.remove(&place)
    }

    /// Whether the job waits or is under way.
    fn has(&self, job: &Job) -> bool {
        let waits = self.waiting.get(&job.place()).is_some_and(|waiting| waiting.job == *job);
        waits || self.under_way.as_ref() == Some(job)
    }
}

/// Sends one slot after another until none is left, or the connection ends.
async fn work(queues: Arc<Mutex<BTreeMap<LinkId, Queue>>>, link: Link, news: mpsc::UnboundedSender<News>) {
    while let Some(Waiting { job, host }) = next(&queues, &link) {
        match send(&link, &host, job).await {
            Ok(()) => {}
            // Who opens asks again, and others.
            Err(Unsent::Unfit) if job.to != Whom::Backup => {}
            Err(Unsent::Unfit) => {
                let report = Report::Unfillable(job.slot, job.epoch, link.process().clone());
                // A driver that has stopped wants to know nothing.
                let _ = news.send(News { registry: job.registry, report });
            }
            Err(Unsent::Cut) => {
                lock(&queues).remove(&link.id());
                return;
            }
        }
    }
}

/// Why a slot was not sent whole.
enum Unsent {
    /// The connection has ended.
    Cut,
    /// Something in it has no encoding that could be read.
    Unfit,
}

/// Takes the next job; without one the queue is over.
fn next(queues: &Mutex<BTreeMap<LinkId, Queue>>, link: &Link) -> Option<Waiting> {
    let mut queues = lock(queues);
    let queue = queues.get_mut(&link.id())?;
    let next = queue.next();
    queue.under_way = next.as_ref().map(|next| next.job);
    if next.is_none() {
        queues.remove(&link.id());
    }
    next
}

/// Sends the content of one slot, if there still is any to be sent.
async fn send(link: &Link, host: &Arc<dyn AnyHost>, job: Job) -> Result<(), Unsent> {
    let Job { registry, slot, epoch, to } = job;
    let peer = link.process();
    let content = match to {
        // Its beginning goes out with it, under the slot's lock, so that no record comes between.
        Whom::Backup => host.content_for(slot, epoch, peer, link.id()),
        Whom::Opener(stamp) => host.content(slot, epoch, stamp),
    };
    let Some(mut content) = content else { return Ok(()) };
    telemetry::fills(host.node(), registry, slot, epoch, &peer.node);
    let Filling { epoch, number, stamp } = content.filling();
    let mut frame = Vec::new();
    if to != Whom::Backup {
        write(&mut frame, registry, slot, epoch, RecordWord::Fill { number, stamp });
        link.send_patiently(Channel::Records, &frame).await.map_err(|_| Unsent::Cut)?;
    }
    while let Some(portion) = content.next() {
        let portion = match portion {
            Ok(portion) => portion,
            Err(fault) => {
                telemetry::unfillable(host.node(), registry, slot, &fault);
                return Err(Unsent::Unfit);
            }
        };
        let body = Raw(&portion.body);
        let word = RecordWord::Part { number, stamp, part: portion.part, last: portion.last, body };
        write(&mut frame, registry, slot, epoch, word);
        link.send_patiently(Channel::Records, &frame).await.map_err(|_| Unsent::Cut)?;
        if to == Whom::Backup && !host.carries(slot, epoch, peer) {
            // Nobody takes the rest any more, and another opening may wait for this connection.
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Puts a frame in the place of the last one. What a frame consists of has an encoding.
fn write(frame: &mut Vec<u8>, registry: &str, slot: Slot, epoch: Epoch, word: RecordWord<'_>) {
    frame.clear();
    let _ = RecordFrame { registry, slot, epoch, word }.write(frame);
}

fn lock(queues: &Mutex<BTreeMap<LinkId, Queue>>) -> MutexGuard<'_, BTreeMap<LinkId, Queue>> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openers_come_first_and_otherwise_who_has_waited_for_longest() {
        let mut queue = Queue::default();
        let epoch = Epoch::new;
        let backup = |registry, slot, of| Job { registry, slot: Slot::new(slot), epoch: epoch(of), to: Whom::Backup };
        let opener = |slot, of| Job { to: Whom::Opener((epoch(1), Position::new(9))), ..backup("r", slot, of) };
        let jobs =
            [backup("z", 1, 5), backup("a", 2, 5), opener(3, 6), backup("z", 1, 7), backup("a", 2, 4), opener(1, 6)];
        jobs.iter().for_each(|job| queue.add(*job, &()));
        assert!(queue.has(&backup("z", 1, 7)) && !queue.has(&backup("z", 1, 5)), "the latest opening");
        let order: Vec<_> = std::iter::from_fn(|| queue.next()).map(|next| next.job).collect();
        assert_eq!(order, [opener(3, 6), opener(1, 6), backup("z", 1, 7), backup("a", 2, 5)]);
        assert!(queue.waiting.is_empty() && queue.turns.is_empty());
    }
}
