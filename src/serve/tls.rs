//! Certificates and keys from PEM files to what rustls serves with, and from a renewed file to the
//! next handshake.
//!
//! Every fault names its file and says what belongs there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::settings::CertificateFiles;
use super::validity::not_after;
use crate::fault::{Fault, Severity};

/// The certificate in use, and its key. Handshakes take the one of the moment; connections that
/// stand go on with theirs.
#[derive(Debug)]
pub struct Certificate {
    files: CertificateFiles,
    key: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A fault of the certificate's or the key's file.
    pub fn read(files: &CertificateFiles) -> Result<Certificate, Fault> {
        let key = certified_key(files)?;
        Ok(Certificate { files: files.clone(), key: ArcSwap::from_pointee(key) })
    }

    /// Reads the files again. A pair that cannot be used is refused, and the one in use stays; the
    /// faults tell why.
    pub fn reload(&self) -> Vec<Fault> {
        let new = match certified_key(&self.files) {
            Ok(new) => new,
            Err(fault) => {
                let problem = format!("{}; the one in use stays", fault.problem);
                return vec![Fault { problem, ..fault }];
            }
        };
        if new.cert != self.key.load().cert {
            self.key.store(Arc::new(new));
            tracing::info!(file = %self.files.certificate.display(), "certificate renewed");
        }
        self.warnings()
    }

    /// What is wrong with a certificate that is used all the same.
    pub fn warnings(&self) -> Vec<Fault> {
        let key = self.key.load();
        let end = key.cert.first().and_then(|certificate| not_after(certificate));
        let expired = end.filter(|end| *end < Timestamp::now()).map(|end| {
            Fault::of_file(
                Severity::Warning,
                &self.files.certificate,
                format!("this certificate expired at {end}: clients will refuse it"),
                "renew it; the new one is taken in as soon as its file is there",
            )
        });
        expired.into_iter().collect()
    }

    /// A TLS server with this certificate that speaks these application protocols, the preferred
    /// one first.
    pub(super) fn server_config(
        self: &Arc<Certificate>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Result<Arc<ServerConfig>, Fault> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .map_err(|error| fault(&self.files.certificate, error.to_string(), ""))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

/// Reads a certificate and its key as the server does, for `beiand check`.
pub fn check_certificate(files: &CertificateFiles) -> Vec<Fault> {
    match Certificate::read(files) {
        Ok(certificate) => certificate.warnings(),
        Err(fault) => vec![fault],
    }
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
                "let the user that the server runs as read it: it is read again when it changes"
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
        let folder = Folder::new();
        let files = folder.with(&certificate, &key);
        let read = Arc::new(Certificate::read(&files).unwrap());
        let config = read.server_config(rustls::ALL_VERSIONS, &[b"dot"]).unwrap();
        assert_eq!(config.alpn_protocols, [b"dot"]);
        assert!(read.warnings().is_empty());
    }

    #[test]
    fn an_expired_certificate_is_taken_with_a_warning() {
        let mut params = rcgen::CertificateParams::new(["ns1.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 3, 4);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = Folder::new();
        let faults = check_certificate(&folder.with(&certificate.pem(), &key.serialize_pem()));
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        assert_eq!(fault.severity, Severity::Warning);
        assert!(fault.problem.contains("expired at 2020-03-04T00:00:00Z"), "{fault}");
    }

    #[test]
    fn a_renewed_pair_is_taken_in_and_a_bad_one_leaves_the_old() {
        let folder = Folder::new();
        let (old, old_key) = pair();
        let read = Certificate::read(&folder.with(&old, &old_key)).unwrap();
        let serving = |read: &Certificate| read.key.load().cert[0].clone();
        let first = serving(&read);

        let (new, new_key) = pair();
        folder.with(&new, &old_key);
        let faults = read.reload();
        assert!(faults[0].problem.ends_with("the one in use stays"), "{faults:?}");
        assert_eq!(serving(&read), first);

        folder.with(&new, &new_key);
        assert!(read.reload().is_empty());
        assert_ne!(serving(&read), first);
    }

    #[test]
    fn another_key_is_refused_with_both_files_named() {
        let folder = Folder::new();
        let files = folder.with(&pair().0, &pair().1);
        let fault = Certificate::read(&files).unwrap_err();
        assert_eq!(fault.file, files.key);
        assert!(fault.problem.contains("does not belong to the certificate in"));
        assert!(fault.problem.contains("cert.pem"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = Folder::new();
        let mut files = folder.with("", "");
        files.certificate = folder.0.path().join("absent.pem");
        let fault = Certificate::read(&files).unwrap_err();
        assert!(fault.to_string().contains("absent.pem: error: cannot be read:"), "{fault}");
    }

    #[test]
    fn a_key_in_the_place_of_the_certificate_is_refused() {
        let folder = Folder::new();
        let (_, key) = pair();
        let fault = Certificate::read(&folder.with(&key, &key)).unwrap_err();
        assert_eq!(fault.problem, "no certificate in this file");
    }

    #[test]
    fn a_certificate_in_the_place_of_the_key_is_refused() {
        let folder = Folder::new();
        let (certificate, _) = pair();
        let files = folder.with(&certificate, &certificate);
        let fault = Certificate::read(&files).unwrap_err();
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
        let fault = Certificate::read(&folder.with(half, &key)).unwrap_err();
        assert!(fault.problem.contains("ends before its \"END CERTIFICATE\""), "{fault}");
    }
}
