//! Carries the records and fillings of slots between the hosts of this node and those of its peers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::fillers::{Fillers, Job, Whom};
use super::line::{standing_word, with_frame};
use super::salvages::Salvages;
use crate::codec::Raw;
use crate::engine::{Report, Stored, may_be_of};
use crate::exec::{AnyHost, Filled, Filling, Remainder, Standing};
use crate::id::{Epoch, NodeId, Process, Slot};
use crate::spec::OnPartition;
use crate::telemetry::{self, Asked, Refusals};
use crate::transport::{Channel, Link};
use crate::wire::record::{RecordFrame, RecordWord};

/// What has become of a slot's content, for the engine.
#[derive(Debug)]
pub(super) struct News {
    /// The registry.
    pub(super) registry: &'static str,
    /// What has happened.
    pub(super) report: Report,
}

/// Takes what comes on the channels of records.
pub(super) struct Records {
    me: Process,
    hosts: BTreeMap<&'static str, Arc<dyn AnyHost>>,
    fillers: Fillers,
    salvages: Salvages,
    refusals: Arc<Refusals>,
    news: mpsc::UnboundedSender<News>,
}

impl Records {
    pub(super) fn new(
        me: Process,
        hosts: &[Arc<dyn AnyHost>],
        runtime: Handle,
        refusals: Arc<Refusals>,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let hosts = hosts.iter().map(|host| (host.spec().name, Arc::clone(host))).collect();
        let salvages = Salvages::new(runtime.clone());
        Self { me, hosts, fillers: Fillers::new(runtime, news.clone()), salvages, refusals, news }
    }

    /// Takes in what other sides of partitions have written, and offers what this node has.
    pub(super) fn salvages(&self) -> &Salvages {
        &self.salvages
    }

    /// Fills a backup of this node's, which goes on meanwhile, unless that is on its way.
    pub(super) fn fill(&self, backup: &Link, host: &Arc<dyn AnyHost>, slot: Slot, epoch: Epoch) {
        self.fillers.add(backup, host, to_backup(host, slot, epoch));
    }

    /// Takes one frame, in the order in which the peer sent them.
    pub(super) fn receive(&self, from: &Link, bytes: &[u8]) {
        let frame = match RecordFrame::read(bytes) {
            Ok(frame) => frame,
            Err(fault) => return self.refuse(&from.peer().node, "", &fault.to_string()),
        };
        let RecordFrame { registry, slot, epoch, word } = frame;
        // A registry that only the other side hosts has no slots with this node in their sets.
        let Some(host) = self.hosts.get(registry) else { return };
        let answer = |word: RecordWord<'_>| {
            // What is lost with the connection is asked for on the next one.
            with_frame(registry, slot, epoch, word, |frame| _ = from.send(Channel::Records, frame));
        };
        let is_owners = matches!(word, RecordWord::Record { .. } | RecordWord::Acknowledged { .. } | RecordWord::Ask);
        // Epochs are known to all members; each has the tag of the opener that drew it, who speaks for it.
        if is_owners && !may_be_of(epoch, from.process(), registry, slot) {
            return self.refuse(&from.peer().node, registry, "a record of somebody else's opening");
        }
        match word {
            RecordWord::Record { position, body: Raw(body) } => match host.take(slot, epoch, position, body) {
                Ok(Standing::Reaches(position)) => answer(RecordWord::Reaches { position }),
                // Of what comes before the opening's end nothing is said until all of it is here.
                Ok(Standing::Filling | Standing::Trails(_)) => {}
                Ok(Standing::Lacks) => answer(RecordWord::Lacks),
                Err(fault) => {
                    self.refuse(&from.peer().node, registry, &fault);
                    answer(RecordWord::Unreadable);
                }
            },
            RecordWord::Reaches { position } => {
                let process = from.process();
                let heard = host.hear(slot, epoch, process, position);
                if heard.fill {
                    self.fillers.add(from, host, to_backup(host, slot, epoch));
                }
                if heard.stored {
                    self.tell(host, Report::Stored(Stored { slot, epoch, by: process.clone() }));
                }
            }
            RecordWord::Trails { position } => {
                if host.hear_trails(slot, epoch, from.process(), position).fill {
                    self.fillers.add(from, host, to_backup(host, slot, epoch));
                }
            }
            RecordWord::Lacks => {
                let job = to_backup(host, slot, epoch);
                if !self.fillers.has(from, &job) && host.hear_lack(slot, epoch, from.process()) {
                    self.fillers.add(from, host, job);
                }
            }
            RecordWord::Unreadable => {
                self.tell(host, Report::Unreadable(slot, epoch, from.process().clone()));
            }
            RecordWord::Ask => {
                if let Some(word) = host.reaches(slot, epoch).and_then(standing_word) {
                    answer(word);
                }
            }
            RecordWord::Acknowledged { position } => host.hear_acknowledged(slot, epoch, position),
            RecordWord::Fill { number, stamp } => {
                let sender = from.process();
                // An owner fills its backups, and who has promised an opening fills its opener.
                let own = may_be_of(epoch, &self.me, registry, slot);
                match own || may_be_of(epoch, sender, registry, slot) {
                    true => host.begin_filling(slot, sender, Filling { epoch, number, stamp }, own),
                    false => self.refuse(&sender.node, registry, "a filling for somebody else's opening"),
                }
            }
            RecordWord::Part { number, stamp, part, last, body: Raw(body) } => {
                let filled = host.fill(slot, from.process(), Filling { epoch, number, stamp }, part, last, body);
                if let Ok(Filled::Whole(_)) = filled {
                    telemetry::is_filled(&self.me.node, registry, slot, epoch, &from.peer().node);
                }
                match filled {
                    Ok(Filled::Whole((of, position))) if of == epoch => {
                        answer(RecordWord::Reaches { position });
                        if host.spec().on_partition == OnPartition::ServeAll {
                            answer(RecordWord::Filled { number });
                        }
                    }
                    Ok(Filled::Whole(_)) => self.tell(host, Report::Fetched(slot, epoch)),
                    Ok(Filled::More | Filled::Refused) => {}
                    Err(fault) => {
                        self.refuse(&from.peer().node, registry, &fault);
                        answer(RecordWord::Unreadable);
                    }
                }
            }
            RecordWord::Pull { stamp } => match may_be_of(epoch, from.process(), registry, slot) {
                true => {
                    let job = Job { registry: host.spec().name, slot, epoch, to: Whom::Opener(stamp) };
                    self.fillers.add(from, host, job);
                }
                false => self.refuse(&from.peer().node, registry, "it asks for somebody else's opening"),
            },
            RecordWord::Remains { stamp, lineage } => {
                if let Err(fault) = self.salvages.offered(from, host, slot, stamp, lineage) {
                    self.refuse(&from.peer().node, registry, &fault);
                }
            }
            RecordWord::Salvage { stamp, since, from: first } => {
                Salvages::asked(from, host, slot, stamp, since, first);
            }
            RecordWord::Remainder { stamp, from: first, next, last, body: Raw(body) } => {
                let remainder = Remainder { next, last, body: body.to_vec() };
                self.salvages.came(from, host, slot, stamp, first, remainder);
            }
            RecordWord::Salvaged { stamp } => host.let_go_of(slot, stamp),
            RecordWord::Filled { number } => host.hear_filled(slot, epoch, from.process(), number),
        }
    }

    fn tell(&self, host: &Arc<dyn AnyHost>, report: Report) {
        // A driver that has stopped wants to know nothing.
        let _ = self.news.send(News { registry: host.spec().name, report });
    }

    fn refuse(&self, peer: &NodeId, registry: &str, fault: &str) {
        self.refusals.unreadable_record(Asked { peer, registry, command: "" }, &fault);
    }
}

fn to_backup(host: &Arc<dyn AnyHost>, slot: Slot, epoch: Epoch) -> Job {
    Job { registry: host.spec().name, slot, epoch, to: Whom::Backup }
}
