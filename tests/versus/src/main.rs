//! How fast small commands travel between two processes of one machine, beside tarpc.
//!
//! `registry-versus` runs every match and prints a table; `registry-versus --rounds 5 --seconds 2` takes longer over it, and
//! `--places`, `--loads` and `--who` pick some, such as `--places multi --loads 64x512 --who tarpc,kept`.
//! `registry-versus codec` times the codec alone, and `registry-versus idle <seconds>` three nodes that have nothing to do.
//! The other commands are what it starts as processes:
//! `registry-versus serve <contestant> <runtime> <number> [<address to join>]` and
//! `registry-versus node <name> [<address to join>]`, and
//! `registry-versus load <contestant> <runtime> <address> <outstanding> <bytes> <seconds>`.

mod codec;
mod contestant;
mod idle;
mod load;
mod matches;
mod place;

use std::io::{self, Write};
use std::net::SocketAddr;

use contestant::Contestant;
use place::Place;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", contestant, place, number, join @ ..] => {
            let join = join.first().map(|join| join.parse().map_err(io::Error::other)).transpose()?;
            serve(contestant.parse()?, place.parse()?, number.parse().map_err(io::Error::other)?, join)
        }
        ["load", contestant, place, address, outstanding, bytes, seconds] => {
            let load = load::Load {
                address: address.parse().map_err(io::Error::other)?,
                outstanding: outstanding.parse().map_err(io::Error::other)?,
                bytes: bytes.parse().map_err(io::Error::other)?,
                seconds: seconds.parse().map_err(io::Error::other)?,
            };
            let result = load::run(contestant.parse()?, place.parse()?, load)?;
            println!("{result}");
            Ok(())
        }
        ["codec"] => {
            codec::run();
            Ok(())
        }
        ["idle", seconds] => idle::run(seconds.parse().map_err(io::Error::other)?),
        ["node", name] => idle::node(name, None),
        ["node", name, join] => idle::node(name, Some(join.parse().map_err(io::Error::other)?)),
        options => matches::run(options),
    }
}

/// Serves one contestant until the process is killed; the first line says where.
fn serve(contestant: Contestant, place: Place, number: usize, join: Option<SocketAddr>) -> io::Result<()> {
    place.run(async move {
        let serving = contestant.serve(number, join).await?;
        println!("{}", serving.address);
        io::stdout().flush()?;
        serving.done.await;
        Ok(())
    })
}
