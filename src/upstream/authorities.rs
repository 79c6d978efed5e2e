//! Which certificate authorities are trusted: `upstream.ca` and `upstream.ca_file`.

use std::{fs, io, path::Path};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{Authorities, Settings, Setup};

pub(super) fn trusted(settings: &Settings) -> Result<RootCertStore, Setup> {
    let mut roots = RootCertStore::empty();
    let mut problems = Vec::new();
    match settings.ca {
        Authorities::Bundled => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Authorities::System => {
            let found = rustls_native_certs::load_native_certs();
            // Some systems have certificates that nobody can read any more, which is no reason to trust none of them.
            roots.add_parsable_certificates(found.certs);
            problems = found.errors;
        }
    }
    if let Some(path) = &settings.ca_file {
        let own = read(path).map_err(|cause| Setup::CaFile {
            path: path.clone(),
            cause: cause.to_string(),
        })?;
        for certificate in own {
            roots.add(certificate)?;
        }
    }
    match roots.is_empty() {
        false => Ok(roots),
        true => {
            let problems: Vec<_> = problems.iter().map(|error| format!(" ({error})")).collect();
            Err(Setup::NoAuthorities(problems.concat()))
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(io::Error::other)?;
    if certificates.is_empty() {
        return Err(io::Error::other("it holds no certificate in PEM form"));
    }
    Ok(certificates)
}
