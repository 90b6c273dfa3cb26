//! Who a node is and whom it trusts: certificates, given or derived from a shared secret.

mod authority;
mod pem;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::authority::Authority;
use super::seeds::Seeds;
use crate::id::NodeId;

/// How a node proves who it is, and whom it trusts in turn. There is no plaintext mode.
///
/// Cheap to clone; clones share what has been derived. `Debug` shows no secret.
#[derive(Clone)]
pub struct Identity(Arc<Source>);

enum Source {
    Secret { secret: Vec<u8>, authority: OnceLock<Result<Box<Authority>, IdentityError>> },
    Pem { authority: Vec<u8>, certificate: Vec<u8>, key: Vec<u8> },
}

impl Identity {
    /// Nodes that share the secret trust one another: each derives the same certificate authority from it, and has that
    /// issue a certificate for its own node id at every start.
    ///
    /// Anyone who can reach a node sees a certificate that was issued under the secret and may try guesses against it, so take
    /// a long random one: 32 characters out of a password generator, not a word. Deriving is made slow on purpose (some
    /// tens of milliseconds), once for all clones. Whoever has the secret can pose as any node. An empty secret is
    /// refused when the node starts.
    pub fn shared_secret(secret: impl AsRef<[u8]>) -> Self {
        Self(Arc::new(Source::Secret { secret: secret.as_ref().to_vec(), authority: OnceLock::new() }))
    }

    /// Your own PKI, as PEM: the authorities to trust (one or more certificates), the node's certificate with its
    /// intermediates (the node's own first), and its private key.
    ///
    /// The certificate's name must be the node's id: one of its DNS names, or its common name when it has no DNS names. It
    /// serves for both directions, so when it limits its use it needs `serverAuth` and `clientAuth`. What is wrong with
    /// the bytes is said when the node starts.
    ///
    /// They are read once: a connection ends when the certificate of its peer does, so start a node anew with a new one before that.
    pub fn pem(ca: impl AsRef<[u8]>, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self(Arc::new(Source::Pem {
            authority: ca.as_ref().to_vec(),
            certificate: cert.as_ref().to_vec(),
            key: key.as_ref().to_vec(),
        }))
    }

    /// Does the slow part of deriving beside the runtime's threads, which have others to serve meanwhile.
    pub(crate) async fn prepare(&self) {
        let Source::Secret { authority, .. } = &*self.0 else { return };
        if authority.get().is_none() {
            let identity = self.clone();
            // If the runtime is shutting down, nothing is derived, and whoever needs it does it then.
            let _ = tokio::task::spawn_blocking(move || identity.derive()).await;
        }
    }

    /// Does the slow part of deriving here and now, if it was not done before: for a node whose runtime has no other threads.
    pub(crate) fn derive(&self) {
        if let Source::Secret { secret, authority } = &*self.0 {
            authority.get_or_init(|| Authority::derive(secret).map(Box::new));
        }
    }

    /// What the node shows and trusts. Takes up to a tenth of a second for the first time with a shared secret.
    pub(super) fn credentials(&self, node: &NodeId, seeds: &mut Seeds) -> Result<Credentials, IdentityError> {
        match &*self.0 {
            Source::Secret { secret, authority } => authority
                .get_or_init(|| Authority::derive(secret).map(Box::new))
                .as_ref()
                .map_err(Clone::clone)?
                .issue(node, seeds),
            Source::Pem { authority, certificate, key } => pem::credentials(authority, certificate, key, node),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Source::Secret { .. } => "Identity::shared_secret(..)",
            Source::Pem { .. } => "Identity::pem(..)",
        })
    }
}

/// What a node shows to others and judges them by.
pub(super) struct Credentials {
    /// The authorities that others must have their certificates from.
    pub(super) roots: Arc<RootCertStore>,
    /// The node's own certificate, and those between it and its authority.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The key of the node's own certificate.
    pub(super) key: PrivateKeyDer<'static>,
}

/// Why an identity cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The shared secret is empty.
    #[error("the shared secret is empty")]
    EmptySecret,
    /// A part of the PEM does not parse.
    #[error("{part} does not parse: {detail}")]
    BadPem {
        /// Which part.
        part: PemPart,
        /// What is wrong with it.
        detail: String,
    },
    /// A part of the PEM is missing.
    #[error("no {part} in the PEM")]
    Missing {
        /// Which part.
        part: PemPart,
    },
    /// The private key is not that of the certificate.
    #[error("the private key is not that of the certificate")]
    KeyMismatch,
    /// The certificate bears another name than the node.
    #[error("the certificate is for {names:?}, the node is `{node}`")]
    NameMismatch {
        /// The names in the certificate.
        names: Vec<String>,
        /// The node's id.
        node: NodeId,
    },
    /// The cryptography refused.
    #[error("the certificates cannot be used: {detail}")]
    Unusable {
        /// Why.
        detail: String,
    },
}

/// A part of an identity that is given as PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemPart {
    /// The authorities to trust.
    Authority,
    /// The node's certificate.
    Certificate,
    /// The node's private key.
    Key,
}

impl fmt::Display for PemPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "certificate authority",
            Self::Certificate => "certificate",
            Self::Key => "private key",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::certificate;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn names(credentials: &Credentials) -> Vec<String> {
        certificate::names(&credentials.chain[0]).unwrap()
    }

    #[test]
    fn one_secret_gives_one_authority_and_each_node_its_name() {
        let [one, other] = ["a long secret", "another secret"].map(Identity::shared_secret);
        let mut seeds = Seeds::repeatable(1);
        let a = one.credentials(&node("node-a"), &mut seeds).unwrap();
        let b = one.clone().credentials(&node("node_B"), &mut seeds).unwrap();
        let c = other.credentials(&node("node-a"), &mut seeds).unwrap();
        assert_eq!(names(&a), ["node-a"]);
        assert_eq!(names(&b), ["node_B"]);
        assert_eq!(a.roots.roots, b.roots.roots);
        assert_ne!(a.roots.roots, c.roots.roots);
        assert_ne!(a.key, b.key);
    }

    #[test]
    fn the_authority_of_a_secret_is_pinned() {
        // Nodes of different releases must come to the same authority, or a rolling upgrade cuts the cluster in two.
        let identity = Identity::shared_secret("golden");
        let credentials = identity.credentials(&node("n"), &mut Seeds::repeatable(1)).unwrap();
        let anchor = &credentials.roots.roots[0];
        let hash = xxhash_rust::xxh3::xxh3_64(&anchor.subject_public_key_info);
        assert_eq!(format!("{hash:016x}"), "081694ee2978990f");
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let refused = Identity::shared_secret("").credentials(&node("n"), &mut Seeds::repeatable(1)).err();
        assert_eq!(refused, Some(IdentityError::EmptySecret));
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", Identity::shared_secret("hunter2")), "Identity::shared_secret(..)");
        assert_eq!(format!("{:?}", Identity::pem("a", "b", "hunter2")), "Identity::pem(..)");
    }
}
