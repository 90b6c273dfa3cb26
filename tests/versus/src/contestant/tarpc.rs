//! tarpc over plain TCP with bincode.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tarpc::client;
use tarpc::context::{self, Context};
use tarpc::serde_transport::tcp;
use tarpc::server::{BaseChannel, Channel, Config};
use tarpc::tokio_serde::formats::Bincode;

use super::{Caller, Message, Serving};

#[tarpc::service]
pub trait Echo {
    async fn echo(message: Message) -> Message;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(self, _: Context, message: Message) -> Message {
        message
    }
}

pub(super) async fn serve() -> io::Result<Serving> {
    let mut listener = tcp::listen("127.0.0.1:0", Bincode::default).await?;
    let address = listener.local_addr();
    let done = Box::pin(async move {
        while let Some(Ok(transport)) = listener.next().await {
            let channel = BaseChannel::new(Config { pending_response_buffer: 1024 }, transport);
            tokio::spawn(channel.execute(Server.serve()).for_each(|response| async {
                tokio::spawn(response);
            }));
        }
    });
    Ok(Serving { address, done })
}

pub(super) async fn connect(address: SocketAddr) -> io::Result<EchoClient> {
    let transport = tcp::connect(address, Bincode::default).await?;
    let mut config = client::Config::default();
    config.pending_request_buffer = 1024;
    Ok(EchoClient::new(config, transport).spawn())
}

impl Caller for EchoClient {
    async fn call(&self, message: Message) -> io::Result<Message> {
        let mut context = context::current();
        context.deadline = Instant::now() + Duration::from_secs(5);
        self.echo(context, message).await.map_err(io::Error::other)
    }
}
