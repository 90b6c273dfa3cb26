//! Credentials from a user's own PKI.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use super::{Credentials, IdentityError, PemPart};
use crate::id::NodeId;
use crate::transport::certificate;

/// Reads and checks the three parts.
pub(super) fn credentials(
    authority: &[u8],
    certificate: &[u8],
    key: &[u8],
    node: &NodeId,
) -> Result<Credentials, IdentityError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(authority, PemPart::Authority)? {
        roots.add(root).map_err(|error| bad(PemPart::Authority, &error))?;
    }
    let chain = certificates(certificate, PemPart::Certificate)?;
    let key = match PrivateKeyDer::from_pem_slice(key) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => return Err(IdentityError::Missing { part: PemPart::Key }),
        Err(error) => return Err(bad(PemPart::Key, &error)),
    };
    match CertifiedKey::from_der(chain.clone(), key.clone_key(), &rustls::crypto::ring::default_provider()) {
        Ok(_) => {}
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => return Err(IdentityError::KeyMismatch),
        Err(error @ rustls::Error::InvalidCertificate(_)) => return Err(bad(PemPart::Certificate, &error)),
        Err(error) => return Err(bad(PemPart::Key, &error)),
    }
    let missing = IdentityError::Missing { part: PemPart::Certificate };
    let names = certificate::names(chain.first().ok_or(missing)?).map_err(|error| bad(PemPart::Certificate, &error))?;
    if !names.iter().any(|name| node == name.as_str()) {
        return Err(IdentityError::NameMismatch { names, node: node.clone() });
    }
    Ok(Credentials { roots: Arc::new(roots), chain, key })
}

fn certificates(from: &[u8], part: PemPart) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(from).collect();
    let found = found.map_err(|error| bad(part, &error))?;
    if found.is_empty() { Err(IdentityError::Missing { part }) } else { Ok(found) }
}

fn bad(part: PemPart, error: &impl ToString) -> IdentityError {
    IdentityError::BadPem { part, detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519};

    use super::*;

    struct Pki {
        ca: String,
        cert: String,
        key: String,
    }

    fn key() -> KeyPair {
        KeyPair::generate_for(&PKCS_ED25519).unwrap()
    }

    fn pki(names: &[&str], common: Option<&str>) -> Pki {
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(root, key()).unwrap();
        let mut params = CertificateParams::new(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = Default::default();
        common.inspect(|name| params.distinguished_name.push(DnType::CommonName, *name));
        let key = key();
        let cert = params.signed_by(&key, &ca).unwrap();
        Pki { ca: ca.pem(), cert: cert.pem(), key: key.serialize_pem() }
    }

    fn check(pki: &Pki, node: &str, expected: Result<usize, IdentityError>) {
        let node = NodeId::new(node).unwrap();
        let got = credentials(pki.ca.as_bytes(), pki.cert.as_bytes(), pki.key.as_bytes(), &node);
        assert_eq!(got.map(|credentials| credentials.chain.len()), expected);
    }

    #[test]
    fn the_name_is_a_dns_name_or_else_the_common_name() {
        check(&pki(&["node-a"], None), "node-a", Ok(1));
        check(&pki(&["other.example", "node-a"], Some("x")), "node-a", Ok(1));
        check(&pki(&[], Some("node-a")), "node-a", Ok(1));
        let mismatch = |names: &[&str], node: &str| {
            let names = names.iter().map(|name| name.to_string()).collect();
            Err(IdentityError::NameMismatch { names, node: NodeId::new(node).unwrap() })
        };
        check(&pki(&["node-a"], Some("node-b")), "node-b", mismatch(&["node-a"], "node-b"));
        check(&pki(&["node-a"], None), "Node-A", mismatch(&["node-a"], "Node-A"));
    }

    #[test]
    fn each_wrong_part_is_named() {
        let good = || pki(&["n"], None);
        let other = good();
        check(&Pki { key: other.key, ..good() }, "n", Err(IdentityError::KeyMismatch));
        check(&Pki { ca: String::new(), ..good() }, "n", Err(IdentityError::Missing { part: PemPart::Authority }));
        check(&Pki { cert: "x".into(), ..good() }, "n", Err(IdentityError::Missing { part: PemPart::Certificate }));
        check(&Pki { key: good().cert, ..good() }, "n", Err(IdentityError::Missing { part: PemPart::Key }));
        let broken = |pem: &str| pem.replacen("-----\nM", "-----\n?", 1);
        for (pki, part) in [
            (Pki { ca: broken(&good().ca), ..good() }, PemPart::Authority),
            (Pki { cert: broken(&good().cert), ..good() }, PemPart::Certificate),
            (Pki { key: broken(&good().key), ..good() }, PemPart::Key),
        ] {
            let node = NodeId::new("n").unwrap();
            let got = credentials(pki.ca.as_bytes(), pki.cert.as_bytes(), pki.key.as_bytes(), &node).err();
            assert!(matches!(got, Some(IdentityError::BadPem { part: found, .. }) if found == part), "{got:?}");
        }
    }
}
