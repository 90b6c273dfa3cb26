//! The bare lanes of this workspace.

use std::io;
use std::net::SocketAddr;

use registry_runtime::bench::{self, Echo};

use super::{Caller, Message, Serving};
use crate::place::Place;

pub(super) fn serve() -> io::Result<Serving> {
    let echo = Echo::start::<Message>("server")?;
    Ok(Serving { address: echo.local_addr(), done: Box::pin(echo.serve()) })
}

pub(super) async fn connect(place: Place, address: SocketAddr) -> io::Result<bench::Caller> {
    let connecting = async move { Echo::start::<Message>("client")?.dial(address).await };
    place.io()?.spawn(connecting).await.map_err(io::Error::other)?
}

impl Caller for bench::Caller {
    async fn call(&self, message: Message) -> io::Result<Message> {
        bench::Caller::call(self, message.id, &message).await
    }
}
