//! The files of `server.tls_*`, which only make sense together.

use super::Reader;
use crate::{
    config::{
        keys::{self, Key},
        parse,
    },
    server::{TlsFault, TlsFile, TlsFiles},
};

/// Where TLS is spoken, and only after all of its files were read.
pub(super) fn files(reader: &mut Reader<'_>) -> Option<Option<TlsFiles>> {
    let certificate = reader.optional(&keys::SERVER_TLS_CERT, parse::path);
    let key = reader.optional(&keys::SERVER_TLS_KEY, parse::path);
    let client_ca = reader.optional(&keys::SERVER_TLS_CLIENT_CA, parse::path);
    let (certificate, key, client_ca) = (certificate?, key?, client_ca?);
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return alone(reader);
    };
    let files = TlsFiles {
        certificate,
        key,
        client_ca,
    };
    match files.read() {
        Ok(_) => Some(Some(files)),
        Err(faults) => {
            for TlsFault { file, cause } in faults {
                let key = key_of(file);
                reader.fault(key, format!("{}; {cause}", key.expected));
            }
            None
        }
    }
}

/// One of two is a slip, and so is to ask clients for certificates without TLS.
fn alone(reader: &mut Reader<'_>) -> Option<Option<TlsFiles>> {
    let mut is_faulty = false;
    for (key, lacks) in [
        (&keys::SERVER_TLS_CERT, "server.tls_key is not set"),
        (&keys::SERVER_TLS_KEY, "server.tls_cert is not set"),
        (&keys::SERVER_TLS_CLIENT_CA, "not both of these are set"),
    ] {
        if reader.is_set(key) {
            reader.fault(key, format!("{}; {lacks}", key.expected));
            is_faulty = true;
        }
    }
    (!is_faulty).then_some(None)
}

fn key_of(file: TlsFile) -> &'static Key {
    match file {
        TlsFile::Certificate => &keys::SERVER_TLS_CERT,
        TlsFile::Key => &keys::SERVER_TLS_KEY,
        TlsFile::ClientCa => &keys::SERVER_TLS_CLIENT_CA,
    }
}
