//! Resources that come into being at their first command.

use std::sync::atomic::{AtomicU64, Ordering};

use registry_runtime::testing::Cluster;
use registry_runtime::{CommandError, Resource, commands, registry};
use serde::{Deserialize, Serialize};

registry! {
    pads {
        resource Pad;
        sharding consistent_hashing(slots = 16);
    }
}

/// The births of the pads of this process, so that an instance can be told from one that looks like it.
static BIRTHS: AtomicU64 = AtomicU64::new(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Resource)]
#[resource(on_demand)]
struct Pad {
    #[key]
    id: u64,
    birth: u64,
    lines: u64,
}

impl From<u64> for Pad {
    fn from(id: u64) -> Self {
        Self { id, birth: BIRTHS.fetch_add(1, Ordering::SeqCst), lines: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Full;

#[commands]
impl Pad {
    fn birth(&self) -> u64 {
        self.birth
    }

    fn lines(&self) -> u64 {
        self.lines
    }

    fn write(&mut self) -> u64 {
        self.lines += 1;
        self.birth
    }

    async fn fill(&mut self) -> Result<u64, Full> {
        self.lines += 1_000;
        Err(Full)
    }

    fn tear(&mut self) {
        panic!("pad {} is torn", self.id)
    }

    fn bin(self) -> u64 {
        self.lines
    }

    fn keep(self) -> Result<(), Full> {
        Err(Full)
    }
}

#[tokio::test]
async fn an_instance_comes_with_its_first_change() {
    let cluster = Cluster::builder().nodes(2).host(pads::registry()).start().await.unwrap();
    let pads = pads::client(cluster.node(0));
    // Enough keys for both nodes.
    for id in 0..16 {
        assert_eq!(pads.lines(id).await, Ok(0), "a read sees what a first command would");
        let (one, two) = (pads.birth(id).await.unwrap(), pads.birth(id).await.unwrap());
        assert_ne!(one, two, "a read stores nothing");

        assert_eq!(pads.fill(id).await, Err(CommandError::Rejected(Full)));
        assert_eq!(pads.tear(id).await, Err(CommandError::Panicked));
        assert_eq!(pads.lines(id).await, Ok(0));
        assert_ne!(pads.birth(id).await, pads.birth(id).await, "a command that fails stores nothing");

        let birth = pads.write(id).await.unwrap();
        assert_eq!(pads.write(id).await, Ok(birth));
        assert_eq!(pads.birth(id).await, Ok(birth));
        assert_eq!(pads.keep(id).await, Err(CommandError::Rejected(Full)));
        assert_eq!(pads.lines(id).await, Ok(2));

        assert_eq!(pads.bin(id).await, Ok(2));
        assert_eq!(pads.lines(id).await, Ok(0), "after a destroy it starts fresh");
        assert_eq!(pads.bin(id).await, Ok(0), "also a destroy finds one");
        assert_ne!(pads.write(id).await, Ok(birth));
        assert_eq!(pads.lines(id).await, Ok(1));
    }
}
