//! What a process holds of one slot and sends of it: the store and the record stream that openings are for, in small.
//!
//! A record is a number, and content is all of them in order, so that its length is its position.

use std::collections::BTreeMap;

use crate::engine::set::Set;
use crate::engine::store::{Adopt, Begin, Fetch};
use crate::id::{Epoch, Position, Process};
use crate::rules::{Rule, Rules};

/// Of which opening's stream content is, and how many records it has.
type Stamp = (Epoch, Position);

/// What stores say to one another about one slot.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// An owner's next record.
    Record { epoch: Epoch, position: usize, value: u64 },
    /// All up to this position is held.
    Holds { epoch: Epoch, position: usize },
    /// Of what the opening took over the last records are missing.
    Trails { epoch: Epoch, position: usize },
    /// What came before is missing.
    Lacks { epoch: Epoch },
    /// An owner's whole content.
    Fill { epoch: Epoch, log: Vec<u64> },
    /// An opener wants this content.
    Fetch { epoch: Epoch, base: Stamp },
    /// Here it is.
    Content { epoch: Epoch, base: Stamp, log: Vec<u64> },
}

/// A frame and whom it is for.
pub(crate) type Mail = Vec<(Process, Frame)>;

/// What a frame has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// A record was taken.
    Taken,
    /// Whole content was taken from an owner.
    Filled,
    /// The last records were taken of what an opening takes over.
    CaughtUp,
    /// What an opening asked for is here.
    Fetched(Epoch),
    /// A member holds what the opening took over, and did not before.
    Stored(Epoch),
}

#[derive(Debug)]
pub(crate) struct Store {
    rules: Rules,
    fence: Epoch,
    epoch: Epoch,
    pub(crate) log: Vec<u64>,
    /// The opening that is followed, and what it takes over.
    followed: Option<(Epoch, Stamp)>,
    fetching: Option<(Epoch, Stamp)>,
    stream: Option<Stream>,
}

/// What an owner sends.
#[derive(Debug)]
struct Stream {
    epoch: Epoch,
    set: Set,
    base: Stamp,
    is_open: bool,
    /// An opening of the owner's own is under way: nothing is proposed or acknowledged.
    is_paused: bool,
    /// Up to which position members hold it.
    held: BTreeMap<Process, usize>,
    acknowledged: usize,
    /// What was written meanwhile.
    kept_back: Vec<u64>,
}

impl Store {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            fence: Epoch::ZERO,
            epoch: Epoch::ZERO,
            log: Vec::new(),
            followed: None,
            fetching: None,
            stream: None,
        }
    }

    pub(crate) fn accepted(&self) -> Stamp {
        (self.epoch, position(self.log.len()))
    }

    pub(crate) fn fence(&mut self, epoch: Epoch, own: bool) -> Stamp {
        self.raise_fence(epoch);
        match &mut self.stream {
            Some(stream) if own => stream.is_paused = true,
            _ => self.stream = None,
        }
        self.accepted()
    }

    pub(crate) fn fetch(&mut self, fetch: &Fetch) -> Frame {
        self.fetching = Some((fetch.epoch, fetch.base));
        Frame::Fetch { epoch: fetch.epoch, base: fetch.base }
    }

    pub(crate) fn begin(&mut self, begin: &Begin) -> Mail {
        let Begin { epoch, set, base, .. } = begin.clone();
        assert!(
            self.rules != Rules::ALL.without(Rule::OpensWithWhatThereIs) || self.accepted() == base,
            "begins with {:?}: {begin:?}",
            self.accepted()
        );
        self.raise_fence(epoch);
        self.epoch = epoch;
        let former = self.stream.take();
        let (acknowledged, kept_back) =
            former.map_or((self.log.len(), Vec::new()), |former| (former.acknowledged, former.kept_back));
        let stream = Stream {
            epoch,
            set,
            base: (base.0, position(self.log.len())),
            is_open: false,
            is_paused: false,
            held: BTreeMap::new(),
            acknowledged,
            kept_back: Vec::new(),
        };
        self.stream = Some(stream);
        kept_back.into_iter().flat_map(|value| self.write(value)).collect()
    }

    pub(crate) fn adopt(&mut self, adopt: &Adopt) -> Mail {
        let Adopt { epoch, base, .. } = *adopt;
        if self.refuses(epoch) {
            return Mail::new();
        }
        self.raise_fence(epoch);
        self.stream = None;
        self.followed = Some((epoch, base));
        self.join();
        let answer = match self.trails(epoch) {
            _ if self.epoch == epoch => self.holds(),
            true => Frame::Trails { epoch, position: self.log.len() },
            false => Frame::Lacks { epoch },
        };
        vec![(adopt.owner.clone(), answer)]
    }

    /// Counts the content as that of the opening that is followed, if it is what that takes over.
    fn join(&mut self) {
        if let Some((epoch, base)) =
            self.followed.filter(|(epoch, base)| *epoch >= self.fence && *base == self.accepted())
        {
            debug_assert!(base.0 <= epoch);
            self.epoch = epoch;
        }
    }

    /// Whether only the last records of what the opening takes over are missing.
    fn trails(&self, epoch: Epoch) -> bool {
        let base =
            self.followed.filter(|(followed, _)| *followed == epoch && epoch >= self.fence).map(|(_, base)| base);
        base.is_some_and(|base| base.0 == self.epoch && self.accepted() < base)
    }

    /// Serves the new epoch. Returns what the opening took over: where that was, and what.
    pub(crate) fn open(&mut self, epoch: Epoch) -> (Epoch, &[u64]) {
        let stream = self.stream.as_mut().filter(|stream| stream.epoch == epoch).expect("was begun before");
        stream.is_open = true;
        let taken_over = usize::try_from(stream.base.1.get()).unwrap();
        stream.acknowledged = stream.acknowledged.max(taken_over);
        (stream.base.0, &self.log[..taken_over])
    }

    /// Ends the stream and drops what was never acknowledged.
    pub(crate) fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.log.truncate(stream.acknowledged);
        }
    }

    pub(crate) fn forget(&mut self) {
        assert!(self.stream.as_ref().is_none_or(|stream| !stream.is_open), "gives up what it serves");
        *self = Self { fence: self.fence, ..Self::new(self.rules) };
    }

    /// An owner's command has taken effect.
    pub(crate) fn write(&mut self, value: u64) -> Mail {
        let Some(stream) = &mut self.stream else { return Mail::new() };
        if stream.is_paused {
            stream.kept_back.push(value);
            return Mail::new();
        }
        self.log.push(value);
        self.send_last()
    }

    /// Sends the last record to all who are not known to hold it, though they hold what came before.
    pub(crate) fn send_last(&self) -> Mail {
        let (Some(stream), Some(value)) = (&self.stream, self.log.last()) else { return Mail::new() };
        let record = Frame::Record { epoch: stream.epoch, position: self.log.len(), value: *value };
        let lagging = stream.held.iter().filter(|(_, position)| **position < self.log.len() && !stream.is_paused);
        lagging.map(|(member, _)| (member.clone(), record.clone())).collect()
    }

    /// What is acknowledged now and was not before, as all that is.
    pub(crate) fn acknowledge(&mut self) -> Option<(Epoch, &[u64])> {
        let stream = self.stream.as_mut().filter(|stream| stream.is_open && !stream.is_paused)?;
        let all = self.log.len();
        let mine = |member: &Process| if member == stream.set.owner() { all } else { 0 };
        let held = |member| stream.held.get(member).copied().unwrap_or_else(|| mine(member));
        let mut positions: Vec<_> = stream.set.members().iter().map(held).collect();
        positions.sort_unstable_by(|left, right| right.cmp(left));
        let enough = if self.rules.keeps(Rule::MajorityHolds) { positions[stream.set.len() / 2] } else { all };
        let news = enough.min(all) > stream.acknowledged;
        stream.acknowledged = stream.acknowledged.max(enough.min(all));
        news.then_some((stream.epoch, &self.log[..stream.acknowledged]))
    }

    pub(crate) fn hear(&mut self, from: &Process, frame: Frame) -> (Heard, Mail) {
        let answer = |frame| vec![(from.clone(), frame)];
        match frame {
            Frame::Record { epoch, .. } | Frame::Fill { epoch, .. } if self.refuses(epoch) => {}
            Frame::Record { epoch, position, value } if self.trails(epoch) && position == self.log.len() + 1 => {
                self.log.push(value);
                self.join();
                let caught_up = (Heard::CaughtUp, answer(self.holds()));
                return if self.epoch == epoch { caught_up } else { (Heard::Taken, Mail::new()) };
            }
            Frame::Record { epoch, position, value } if epoch == self.epoch => {
                let next = self.log.len() + 1;
                if position > next {
                    let lacks = Frame::Lacks { epoch };
                    let all_the_same = Frame::Holds { epoch, position };
                    return (Heard::Nothing, answer(if self.rules.keeps(Rule::NoGaps) { lacks } else { all_the_same }));
                }
                if position == next {
                    self.log.push(value);
                }
                return (if position == next { Heard::Taken } else { Heard::Nothing }, answer(self.holds()));
            }
            Frame::Fill { epoch, log } => {
                let news = (epoch, position(log.len())) > self.accepted();
                if news {
                    (self.epoch, self.log) = (epoch, log);
                }
                if self.epoch == epoch {
                    return (if news { Heard::Filled } else { Heard::Nothing }, answer(self.holds()));
                }
            }
            Frame::Fetch { epoch, base } if base == self.accepted() => {
                return (Heard::Nothing, answer(Frame::Content { epoch, base, log: self.log.clone() }));
            }
            Frame::Content { epoch, base, log } if self.fetching == Some((epoch, base)) && !self.refuses(epoch) => {
                self.fetching = None;
                self.stream = None;
                (self.epoch, self.log) = (base.0, log);
                return (Heard::Fetched(epoch), Mail::new());
            }
            Frame::Holds { epoch, position } => {
                if let Some(stream) = self.stream.as_mut().filter(|stream| stream.epoch == epoch) {
                    let before = stream.held.get(from).copied();
                    stream.held.insert(from.clone(), before.unwrap_or(0).max(position));
                    if before.is_none() {
                        return (Heard::Stored(epoch), self.send_last());
                    }
                }
            }
            Frame::Trails { epoch, position } if self.may_send_after(epoch, position) => {
                let record = |(at, value): (usize, &u64)| Frame::Record { epoch, position: at + 1, value: *value };
                let missing = self.log.iter().enumerate().skip(position).map(record);
                return (Heard::Nothing, missing.map(|record| (from.clone(), record)).collect());
            }
            Frame::Lacks { epoch } | Frame::Trails { epoch, .. } if self.streams(epoch) => {
                return (Heard::Nothing, answer(Frame::Fill { epoch, log: self.log.clone() }));
            }
            _ => {}
        }
        (Heard::Nothing, Mail::new())
    }

    /// Whether it is the owner of that opening.
    fn streams(&self, epoch: Epoch) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.epoch == epoch)
    }

    /// Whether the records after that one are kept: those that were never acknowledged are.
    fn may_send_after(&self, epoch: Epoch, position: usize) -> bool {
        self.streams(epoch) && self.stream.as_ref().is_some_and(|stream| position >= stream.acknowledged)
    }

    fn holds(&self) -> Frame {
        Frame::Holds { epoch: self.epoch, position: self.log.len() }
    }

    fn refuses(&self, epoch: Epoch) -> bool {
        epoch < self.fence
    }

    fn raise_fence(&mut self, epoch: Epoch) {
        if self.rules.keeps(Rule::Fenced) {
            self.fence = self.fence.max(epoch);
        }
    }
}

fn position(length: usize) -> Position {
    Position::new(u64::try_from(length).unwrap())
}
