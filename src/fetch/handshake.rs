//! What a TLS handshake failed for: most of it is the config's to mend, and no further attempt does better.

use std::{error::Error, io};

use rustls::{AlertDescription, InvalidMessage};

/// Why there is no TLS between us and whoever answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// The other side's certificate is not to be trusted for its address.
    Untrusted,
    /// The other side does not take us: our certificate is missing, or none that it trusts.
    Refused,
    /// The other side does not speak TLS.
    Plain,
}

/// What the TLS stack says, if that is it. It stands wrapped in errors of I/O, whose `source` would pass over it.
pub(super) fn failed(error: &(dyn Error + 'static)) -> Option<Handshake> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return of_tls(tls);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<Handshake> {
    match error {
        rustls::Error::InvalidCertificate(_) => Some(Handshake::Untrusted),
        rustls::Error::AlertReceived(alert) if refuses(*alert) => Some(Handshake::Refused),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some(Handshake::Plain),
        _ => None,
    }
}

/// TLS 1.2 has no word for a certificate that is missing: a handshake that fails is what servers call it.
fn refuses(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::HandshakeFailure
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tls_stack_says_is_found_within_errors_of_io() {
        let wrapped = |error: rustls::Error| failed(&io::Error::other(io::Error::other(error)));
        for alert in [
            AlertDescription::HandshakeFailure,
            AlertDescription::BadCertificate,
            AlertDescription::UnknownCA,
            AlertDescription::CertificateRequired,
        ] {
            assert_eq!(wrapped(rustls::Error::AlertReceived(alert)), Some(Handshake::Refused), "{alert:?}");
        }
        assert_eq!(wrapped(rustls::Error::AlertReceived(AlertDescription::InternalError)), None);
        assert_eq!(wrapped(InvalidMessage::InvalidContentType.into()), Some(Handshake::Plain));
        assert_eq!(wrapped(rustls::CertificateError::Expired.into()), Some(Handshake::Untrusted));
        assert_eq!(failed(&io::Error::other("reset")), None);
    }
}
