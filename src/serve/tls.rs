//! Certificates and keys from PEM files to what rustls serves with.
//!
//! Every fault names its file and says what belongs there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::settings::CertificateFiles;
use crate::fault::{Fault, Severity};

/// A TLS server (1.2 and 1.3) with this certificate that speaks one application protocol.
///
/// # Errors
/// A fault of the certificate's or the key's file.
pub(super) fn server_config(files: &CertificateFiles, alpn: &[u8]) -> Result<ServerConfig, Fault> {
    let key = certified_key(files)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(&files.certificate, error.to_string(), ""))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}

/// Reads a certificate and its key as the server does, for `beiand check`.
pub fn check_certificate(files: &CertificateFiles) -> Result<(), Fault> {
    certified_key(files).map(drop)
}

fn certified_key(files: &CertificateFiles) -> Result<CertifiedKey, Fault> {
    const WANTS_CHAIN: &str =
        "write the server's certificate and then its intermediates as PEM (BEGIN CERTIFICATE)";
    const WANTS_KEY: &str = "write one unencrypted PEM key (BEGIN PRIVATE KEY)";

    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(&files.certificate, describe(&error), WANTS_CHAIN))?;
    if chain.is_empty() {
        return Err(fault(&files.certificate, "no certificate in this file", WANTS_CHAIN));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => fault(&files.key, "no private key in this file", WANTS_KEY),
        other => fault(&files.key, describe(&other), WANTS_KEY),
    })?;
    let provider = ring::default_provider();
    let signing_key = provider.key_provider.load_private_key(key).map_err(|error| {
        fault(
            &files.key,
            format!("this private key cannot be used: {error}"),
            "use an RSA (2048 bits or more), ECDSA P-256 or P-384, or Ed25519 key",
        )
    })?;
    let certified = CertifiedKey::new(chain, signing_key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(fault(
            &files.key,
            format!(
                "this key does not belong to the certificate in {}",
                files.certificate.display()
            ),
            "give the key that the certificate was requested with; the server's own certificate \
             comes first in its file",
        )),
        Err(rustls::Error::InconsistentKeys(_)) => Ok(certified),
        Err(error) => Err(fault(
            &files.certificate,
            format!("the first certificate cannot be read: {error}"),
            WANTS_CHAIN,
        )),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(file).map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; paths are relative to the config file",
            std::io::ErrorKind::PermissionDenied => {
                "let the user that starts the server read it; it is read before privileges are dropped"
            }
            _ => "",
        };
        fault(file, format!("cannot be read: {error}"), remedy)
    })
}

fn describe(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => format!(
            "the PEM text ends before its \"END {}\" line",
            String::from_utf8_lossy(end_marker).trim()
        ),
        pem::Error::Base64Decode(problem) => format!("the PEM text is not Base64: {problem}"),
        other => format!("not readable as PEM: {other}"),
    }
}

fn fault(file: &Path, problem: impl Into<String>, remedy: &str) -> Fault {
    Fault::of_file(Severity::Error, file, problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().unwrap())
        }

        fn with(&self, certificate: &str, key: &str) -> CertificateFiles {
            let files = CertificateFiles {
                certificate: self.0.path().join("cert.pem"),
                key: self.0.path().join("key.pem"),
            };
            fs::write(&files.certificate, certificate).unwrap();
            fs::write(&files.key, key).unwrap();
            files
        }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["ns1.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_is_taken() {
        let (certificate, key) = pair();
        let config = server_config(&Folder::new().with(&certificate, &key), b"dot").unwrap();
        assert_eq!(config.alpn_protocols, [b"dot"]);
    }

    #[test]
    fn another_key_is_refused_with_both_files_named() {
        let folder = Folder::new();
        let files = folder.with(&pair().0, &pair().1);
        let fault = server_config(&files, b"dot").unwrap_err();
        assert_eq!(fault.file, files.key);
        assert!(fault.problem.contains("does not belong to the certificate in"));
        assert!(fault.problem.contains("cert.pem"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = Folder::new();
        let mut files = folder.with("", "");
        files.certificate = folder.0.path().join("absent.pem");
        let fault = server_config(&files, b"dot").unwrap_err();
        assert!(fault.to_string().contains("absent.pem: error: cannot be read:"), "{fault}");
    }

    #[test]
    fn a_key_in_the_place_of_the_certificate_is_refused() {
        let folder = Folder::new();
        let (_, key) = pair();
        let fault = server_config(&folder.with(&key, &key), b"dot").unwrap_err();
        assert_eq!(fault.problem, "no certificate in this file");
    }

    #[test]
    fn a_certificate_in_the_place_of_the_key_is_refused() {
        let folder = Folder::new();
        let (certificate, _) = pair();
        let files = folder.with(&certificate, &certificate);
        let fault = server_config(&files, b"dot").unwrap_err();
        assert_eq!(
            (fault.file, fault.problem.as_str()),
            (files.key, "no private key in this file")
        );
    }

    #[test]
    fn a_certificate_cut_short_is_refused() {
        let folder = Folder::new();
        let (certificate, key) = pair();
        let half = &certificate[..certificate.len() / 2];
        let fault = server_config(&folder.with(half, &key), b"dot").unwrap_err();
        assert!(fault.problem.contains("ends before its \"END CERTIFICATE\""), "{fault}");
    }
}
