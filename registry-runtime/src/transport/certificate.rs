//! What is read from a certificate once it has been verified: the names it bears and how long it is good.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The names in a certificate: its DNS names, or its common name when it has none.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Unreadable> {
    let certificate = parse(certificate)?;
    let alternatives = certificate.subject_alternative_name().map_err(|_| Unreadable)?;
    let dns: Vec<String> = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if !dns.is_empty() {
        return Ok(dns);
    }
    let common = certificate.subject().iter_common_name();
    Ok(common.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect())
}

/// How long a certificate is still good at a time.
pub(super) fn good_for(certificate: &CertificateDer<'_>, now: SystemTime) -> Result<Duration, Unreadable> {
    let end = parse(certificate)?.validity().not_after.timestamp();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(end).unwrap_or(0));
    Ok(end.duration_since(now).unwrap_or(Duration::ZERO))
}

/// A certificate that rustls let pass and that still cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a certificate that cannot be read")]
pub(super) struct Unreadable;

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unreadable> {
    X509Certificate::from_der(certificate).map(|(_, certificate)| certificate).map_err(|_| Unreadable)
}
