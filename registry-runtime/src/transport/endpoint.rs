//! The one QUIC endpoint of a node: it dials and it is dialled, on one socket.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{AsyncUdpSocket, ClientConfig, Connecting, EndpointConfig, Runtime, ServerConfig, VarInt};
use ring::{hkdf, hmac};
use tokio::sync::watch;

use super::bounds;
use super::end::HandshakeError;
use super::seeds::{ConnectionIds, FirstIds, Seeds};
use super::socket::{Deaf, Fault, Socket};
use super::tls::Tls;

/// A node's QUIC endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    quinn: quinn::Endpoint,
    client: ClientConfig,
    fault: Fault,
    /// Ends when the operating system's socket is closed.
    open: Option<watch::Receiver<()>>,
}

impl Endpoint {
    /// Puts an endpoint on a socket; must be called within a tokio runtime, which then drives it.
    pub(super) fn new(socket: Socket, tls: Tls, seeds: &mut Seeds, runtime: Arc<dyn Runtime>) -> io::Result<Self> {
        let transport = bounds::transport(socket.local_addr()?.ip());
        let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &seeds.bytes::<64>());
        let mut config = EndpointConfig::new(Arc::new(reset_key));
        let ids = seeds.generator();
        config.cid_generator(move || Box::new(ConnectionIds::new(ids.clone()))).rng_seed(Some(seeds.bytes()));
        config.max_udp_payload_size(bounds::MTU_MAX).map_err(io::Error::other)?;

        let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&seeds.bytes::<64>());
        let mut server = ServerConfig::new(Arc::new(tls.server), Arc::new(token_key));
        server.transport_config(transport.clone());
        bounds::incoming(&mut server);

        let first_ids = FirstIds::new(seeds.generator());
        let mut client = ClientConfig::new(Arc::new(tls.client));
        client.transport_config(transport).initial_dst_cid_provider(Arc::new(move || first_ids.draw()));

        let (fault, open) = (socket.fault(), socket.open());
        let quinn = quinn::Endpoint::new_with_abstract_socket(config, Some(server), Arc::new(socket), runtime)?;
        Ok(Self { quinn, client, fault, open })
    }

    /// Where the endpoint listens.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.quinn.local_addr()
    }

    /// Begins to dial. The name is a formality: who answers is read from its certificate.
    pub(super) fn connect(&self, address: SocketAddr) -> Result<Connecting, HandshakeError> {
        let connecting = self.quinn.connect_with(self.client.clone(), address, "registry");
        connecting.map_err(|error| HandshakeError::Address(error.to_string()))
    }

    /// Why the endpoint has ended, when it was not closed.
    pub(super) fn fault(&self) -> Arc<str> {
        let fault = self.fault.get().unwrap_or("the runtime that drove it has ended");
        Arc::from(fault)
    }

    /// The next stranger; `None` once the endpoint is closed or has failed.
    pub(super) async fn accept(&self) -> Option<quinn::Incoming> {
        self.quinn.accept().await
    }

    /// Closes every connection and takes no more.
    pub(super) fn close(&self, code: VarInt) {
        self.quinn.close(code, b"");
    }

    /// Waits until every peer has been told.
    pub(super) async fn wait_idle(&self) {
        self.quinn.wait_idle().await;
    }

    /// Lets go of the socket. Closed connections stay for three of their timeouts, which after a cut are many seconds, and each holds it.
    pub(super) async fn let_go(&self) {
        let Ok(address) = self.quinn.local_addr() else { return };
        // The endpoint keeps the socket that it had before, for packets that are late, so two take its place.
        for _ in 0..2 {
            let _ = self.quinn.rebind_abstract(Arc::new(Deaf(address)));
        }
        if let Some(mut open) = self.open.clone() {
            while open.changed().await.is_ok() {}
        }
    }
}
