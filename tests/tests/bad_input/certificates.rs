//! Certificates, good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};
use registry_runtime::Identity;

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Current,
    Expired,
    NotYet,
}

/// A certificate authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// A node's identity under this authority.
    pub(crate) fn identity(&self, node: &str, life: Life) -> Identity {
        let (certificate, key) = self.certificate(node, life);
        Identity::pem(self.issuer.pem().as_bytes(), certificate.as_bytes(), key.as_bytes())
    }

    /// A certificate of this authority beside the root of another.
    pub(crate) fn identity_under(&self, other: &Self, node: &str) -> Identity {
        let (certificate, key) = self.certificate(node, Life::Current);
        Identity::pem(other.issuer.pem().as_bytes(), certificate.as_bytes(), key.as_bytes())
    }

    fn certificate(&self, node: &str, life: Life) -> (String, String) {
        let mut params = CertificateParams::new([node.to_owned()]).unwrap();
        params.distinguished_name = called(node);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (params.not_before, params.not_after) = match life {
            Life::Current => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
            Life::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Life::NotYet => (date_time_ymd(2119, 1, 1), date_time_ymd(2120, 1, 1)),
        };
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
