//! What becomes of packets on their ways: weather and cuts, by a seeded die.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The largest payload that UDP over IPv4 carries at all.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// What a link does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Of a thousand packets so many are lost.
    pub loss: u32,
    /// Of a thousand packets so many arrive twice.
    pub duplication: u32,
    /// Of a thousand packets so many may overtake or be overtaken; the others keep their order.
    pub reordering: u32,
    /// How long a packet takes, from and to, in milliseconds; at least 1.
    pub delay_ms: (u64, u64),
    /// The largest payload that passes; larger ones vanish without a word.
    pub mtu: usize,
}

impl Weather {
    /// Half a data centre: a millisecond or two, nothing is lost, Ethernet frames.
    pub const FAIR: Self = Self { loss: 0, duplication: 0, reordering: 0, delay_ms: (1, 2), mtu: 1472 };
}

/// A directed link: from one host to another, by their numbers.
pub type Way = (u16, u16);

/// The weather and the cuts over all links, whatever carries their packets.
#[derive(Debug)]
pub struct Sky {
    rng: ChaCha8Rng,
    climate: Weather,
    weather: BTreeMap<Way, Weather>,
    /// How many faults cut each way at present.
    cuts: BTreeMap<Way, u32>,
    /// When the last packet that keeps its order arrives.
    order: BTreeMap<Way, u64>,
}

/// What a packet meets on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// The way is cut.
    Cut,
    /// The packet is too large for it.
    TooLarge,
    /// It gets lost.
    Lost,
    /// It arrives at that time, and perhaps once more.
    Arrives(u64, Option<u64>),
}

impl Sky {
    /// Fair weather everywhere.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, climate: Weather::FAIR, weather: BTreeMap::new(), cuts: BTreeMap::new(), order: BTreeMap::new() }
    }

    /// What all links do that have no weather of their own.
    pub fn set_climate(&mut self, climate: Weather) {
        self.climate = climate;
    }

    /// What one link does from now on.
    pub fn set_weather(&mut self, way: Way, weather: Weather) {
        self.weather.insert(way, weather);
    }

    /// The link does what all do.
    pub fn clear_weather(&mut self, way: Way) {
        self.weather.remove(&way);
    }

    /// What a link does at present.
    pub fn weather(&self, way: Way) -> Weather {
        self.weather.get(&way).copied().unwrap_or(self.climate)
    }

    /// Cuts these ways; a way that several faults cut is open when all of them have mended it.
    pub fn cut(&mut self, ways: &BTreeSet<Way>) {
        for way in ways {
            *self.cuts.entry(*way).or_default() += 1;
        }
    }

    /// Mends what [`cut`](Self::cut) has cut.
    pub fn mend(&mut self, ways: &BTreeSet<Way>) {
        for way in ways {
            match self.cuts.get_mut(way) {
                Some(count) if *count > 1 => *count -= 1,
                _ => _ = self.cuts.remove(way),
            }
        }
    }

    /// Mends every way and clears the weather. What the paths carried they carry on: one that suddenly carries smaller packets
    /// would be one more fault.
    pub fn heal(&mut self) {
        self.cuts.clear();
        self.weather.clear();
        self.climate = Weather { mtu: self.climate.mtu.max(Weather::FAIR.mtu), ..Weather::FAIR };
    }

    /// What becomes of a packet of so many bytes that sets out now.
    pub fn meets(&mut self, way: Way, bytes: usize, now_ms: u64) -> Met {
        let weather = self.weather(way);
        // One roll for each packet, whatever becomes of it: a cut then changes what passes and not the luck of the rest.
        let lost = self.rng.random_range(0..1000) < weather.loss;
        let again = self.rng.random_range(0..1000) < weather.duplication;
        if self.cuts.contains_key(&way) {
            return Met::Cut;
        }
        if bytes > weather.mtu.min(DATAGRAM_BYTES_MAX) {
            return Met::TooLarge;
        }
        if lost {
            return Met::Lost;
        }
        let due = self.due(way, &weather, now_ms);
        Met::Arrives(due, again.then(|| self.due(way, &weather, now_ms)))
    }

    fn due(&mut self, way: Way, weather: &Weather, now_ms: u64) -> u64 {
        let (least, most) = weather.delay_ms;
        let mut due = now_ms + self.rng.random_range(least..=most).max(1);
        if self.rng.random_range(0..1000) >= weather.reordering {
            let last = self.order.entry(way).or_default();
            due = due.max(*last);
            *last = due;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    const WAY: Way = (1, 2);

    fn sky(weather: Weather) -> Sky {
        let mut sky = Sky::new(ChaCha8Rng::seed_from_u64(7));
        sky.set_weather(WAY, weather);
        sky
    }

    /// How many of a thousand packets meet what is asked for.
    fn count(weather: Weather, wanted: fn(&Met) -> bool) -> usize {
        let mut sky = sky(weather);
        (0..1000).map(|now_ms| sky.meets(WAY, 1200, now_ms)).filter(wanted).count()
    }

    #[test]
    fn packets_meet_the_weather_of_their_way() {
        let fair = Weather::FAIR;
        assert_eq!(count(fair, |met| matches!(met, Met::Arrives(_, None))), 1000);
        assert_eq!(count(Weather { mtu: 1199, ..fair }, |met| *met == Met::TooLarge), 1000);
        assert_eq!(count(Weather { loss: 1000, ..fair }, |met| *met == Met::Lost), 1000);
        let lost = count(Weather { loss: 200, ..fair }, |met| *met == Met::Lost);
        assert!((150..250).contains(&lost), "{lost}");
        let doubled = count(Weather { duplication: 500, ..fair }, |met| matches!(met, Met::Arrives(_, Some(_))));
        assert!((430..570).contains(&doubled), "{doubled}");
    }

    #[test]
    fn order_is_kept_unless_the_weather_disturbs_it() {
        let overtaken = |reordering| {
            let mut sky = sky(Weather { reordering, delay_ms: (1, 50), ..Weather::FAIR });
            let due: Vec<u64> = (0..200)
                .filter_map(|now_ms| match sky.meets(WAY, 100, now_ms) {
                    Met::Arrives(due, _) => Some(due),
                    _ => None,
                })
                .collect();
            due.windows(2).filter(|pair| pair[0] > pair[1]).count()
        };
        assert_eq!(overtaken(0), 0);
        assert!(overtaken(1000) > 20);
    }

    #[test]
    fn a_way_is_open_when_all_faults_have_mended_it() {
        let mut sky = sky(Weather::FAIR);
        let ways = BTreeSet::from([WAY]);
        sky.cut(&ways);
        sky.cut(&ways);
        sky.mend(&ways);
        assert_eq!(sky.meets(WAY, 100, 0), Met::Cut);
        assert!(matches!(sky.meets((2, 1), 100, 0), Met::Arrives(..)), "the way back is another one");
        sky.mend(&ways);
        assert!(matches!(sky.meets(WAY, 100, 0), Met::Arrives(..)));
    }
}
