//! A network namespace of this machine, made and removed by `ip` of iproute2.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::{io, thread};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip` keeps what stands for a namespace.
const FOLDER: &str = "/run/netns";

/// A network namespace in which the loopback device is up, and with it every address that begins with 127.
pub(super) struct Namespace {
    link: File,
}

impl Namespace {
    /// Makes one. Whoever tells the janitor its name beforehand need not remove it.
    pub(super) fn create(name: &str) -> io::Result<Self> {
        ip(&["netns", "add", name])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        Ok(Self { link: File::open(Path::new(FOLDER).join(name))? })
    }

    /// Does something inside, on a thread that ends with it: sockets and processes that it makes stay in the namespace.
    pub(super) fn inside<T: Send>(&self, job: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let work = || {
            move_into_link_name_space(self.link.as_fd(), Some(LinkNameSpaceType::Network))?;
            job()
        };
        thread::scope(|scope| {
            scope.spawn(work).join().unwrap_or_else(|_| Err(io::Error::other("a thread in a namespace panicked")))
        })
    }
}

/// Removes a namespace; what still lives in it keeps it until it ends.
pub(super) fn remove(name: &str) -> io::Result<()> {
    ip(&["netns", "del", name])
}

fn ip(words: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`ip {}`: {}", words.join(" "), why.trim())))
}
