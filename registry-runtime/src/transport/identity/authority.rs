//! The certificate authority that a shared secret stands for.

use std::num::NonZeroU32;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SerialNumber,
};
use ring::pbkdf2;
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Credentials, IdentityError};
use crate::id::NodeId;
use crate::transport::seeds::Seeds;

/// How often the secret is hashed.
///
/// Any stranger who dials gets a certificate to test guesses against, so a guess must cost: these rounds take about
/// 45 ms of a core, once per process. A graphics card still tries some ten thousand a second, which is why the
/// secret should be long. Changing the number changes the authority, and with it who trusts whom.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();

/// Keeps this use of the secret apart from any other that hashes it in the same way.
const SALT: &[u8] = b"registry/1 shared secret authority";

/// The bytes before the 32 of the seed in an Ed25519 key (RFC 8410, section 7): PKCS#8 version 0, the algorithm, an octet
/// string within an octet string.
const ED25519_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// An authority that can be derived again from its secret, bit for bit.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    roots: Arc<RootCertStore>,
}

impl Authority {
    /// Derives the authority. Names, numbers and dates are fixed, and Ed25519 signatures do not vary.
    pub(super) fn derive(secret: &[u8]) -> Result<Self, IdentityError> {
        if secret.is_empty() {
            return Err(IdentityError::EmptySecret);
        }
        let mut seed = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, SALT, secret, &mut seed);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "registry shared secret");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.serial_number = Some(SerialNumber::from(1));
        let issuer = CertifiedIssuer::self_signed(params, key_pair(&seed)?).map_err(unusable)?;
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).map_err(unusable)?;
        Ok(Self { issuer, roots: Arc::new(roots) })
    }

    /// Issues a certificate for one start of a node. It does not expire: whoever has the secret could issue the next
    /// one anyway.
    pub(super) fn issue(&self, node: &NodeId, seeds: &mut Seeds) -> Result<Credentials, IdentityError> {
        let key = key_pair(&seeds.bytes())?;
        let mut params = CertificateParams::new([node.as_str().to_owned()]).map_err(unusable)?;
        params.distinguished_name.push(DnType::CommonName, node.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A fixed length keeps the sizes of handshake packets the same from run to run; the top bit keeps it positive.
        let [first, rest @ ..] = seeds.bytes::<16>();
        let serial: Vec<u8> = std::iter::once(first & 0x3f | 0x40).chain(rest).collect();
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).map_err(unusable)?;
        Ok(Credentials {
            roots: self.roots.clone(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

fn key_pair(seed: &[u8; 32]) -> Result<KeyPair, IdentityError> {
    let der = [&ED25519_PREFIX[..], seed].concat();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519).map_err(unusable)
}

fn unusable(error: impl ToString) -> IdentityError {
    IdentityError::Unusable { detail: error.to_string() }
}
