//! How well a node knows the cluster that it calls.

use std::time::Duration;

use crate::time::Moment;

/// For how many lengths of a lease a node that has met its first members does not take what it has not heard of for something that is not
/// there: all members are met within a few heartbeats, of which a lease is several.
const ACQUAINTING_LEASES: u32 = 2;

/// Since when a node knows members.
#[derive(Debug, Default)]
pub(super) struct Acquaintance {
    since: Option<Moment>,
    now: Acquainted,
}

/// How well a node knows the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Acquainted {
    /// It has met nobody, and somebody is to be met.
    #[default]
    NotAtAll,
    /// It has met members lately, and may not have heard of all of them, nor of what they host.
    Lately,
    /// What it has not heard of is not there.
    Well,
}

impl Acquaintance {
    /// How it was at the last look.
    pub(super) fn get(&self) -> Acquainted {
        self.now
    }

    /// Looks again. Whether it is another than before.
    pub(super) fn look(&mut self, now: Moment, has_joined: bool, lease: Duration) -> bool {
        self.since = has_joined.then(|| self.since.unwrap_or(now));
        let acquainted = match self.since {
            None => Acquainted::NotAtAll,
            Some(since) if now.since(since) < lease * ACQUAINTING_LEASES => Acquainted::Lately,
            Some(_) => Acquainted::Well,
        };
        std::mem::replace(&mut self.now, acquainted) != acquainted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_were_met_lately_may_not_be_all_and_who_has_lost_all_begins_anew() {
        let lease = Duration::from_secs(1);
        let mut acquaintance = Acquaintance::default();
        let mut look = |millis, has_joined| {
            let changed = acquaintance.look(Moment::from_origin(Duration::from_millis(millis)), has_joined, lease);
            (acquaintance.get(), changed)
        };
        assert_eq!(look(0, false), (Acquainted::NotAtAll, false));
        assert_eq!(look(5_000, true), (Acquainted::Lately, true));
        assert_eq!(look(6_999, true), (Acquainted::Lately, false));
        assert_eq!(look(7_000, true), (Acquainted::Well, true));
        assert_eq!(look(8_000, false), (Acquainted::NotAtAll, true));
        assert_eq!(look(20_000, true), (Acquainted::Lately, true));
    }
}
