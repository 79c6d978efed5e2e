//! The files that settings name, looked into once so that a fault shows at the start and not at the first request.

use std::{fs, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::SecretString;

use super::parse::{Misfit, Parsed, secret};

/// The key in a file, without the newline that editors and `echo` leave at the end.
pub(super) fn api_key(path: &Path) -> Parsed<SecretString> {
    let bytes = fs::read(path).map_err(|error| Misfit::hint(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Misfit::hint("it has a character that cannot be sent"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Misfit::hint("the file is empty")),
        key => secret(key),
    }
}

/// Whether the file holds certificates that can be trusted, and nothing broken between them.
pub(super) fn certificates(path: &Path) -> Parsed<()> {
    let unreadable = |error| match error {
        rustls::pki_types::pem::Error::Io(error) => Misfit::hint(error.to_string()),
        _ => Misfit::hint("the file is not PEM"),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        roots
            .add(certificate)
            .map_err(|_| Misfit::hint("one of its certificates is malformed"))?;
    }
    match roots.is_empty() {
        true => Err(Misfit::hint("the file has no certificate")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn file(content: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), content).expect("to write it");
        file
    }

    #[test]
    fn a_trailing_newline_is_not_part_of_the_key() {
        for content in ["sk-1", "sk-1\n", "sk-1\r\n", "sk-1\n\n"] {
            let key = api_key(file(content).path()).expect("a key");
            assert_eq!(key.expose_secret(), "sk-1");
        }
        for content in [&b""[..], b"\n", b" sk-1", b"sk-1\nsk-2\n", b"\xff\xfe"] {
            assert!(api_key(file(content).path()).is_err(), "{content:?}");
        }
        assert!(api_key(Path::new("no/such/file")).is_err());
    }

    #[test]
    fn a_ca_file_holds_certificates() {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        assert_eq!(certificates(file(made.cert.pem()).path()), Ok(()));
        let key = made.signing_key.serialize_pem();
        let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let unended = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for content in ["", "hello", &key, torn, unended] {
            assert!(certificates(file(content).path()).is_err(), "{content}");
        }
        assert!(certificates(Path::new("no/such/file")).is_err());
    }
}
