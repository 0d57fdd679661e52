//! Certificates that are renewed while the server runs, and those that cannot be used.

use std::fs;
use std::os::unix::fs::symlink;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::clients::{Tls, ask_framed, block_on, encrypted, pair, quic, tls, trusting};
use crate::common::{Server, Site, eventually, query, replace, rewrite};

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A connection of a client that trusts this certificate, if the server shows it.
fn connect(server: &Server, transport: &str, certificate: &str) -> Option<Tls> {
    let alpn = if transport == "tls" { "dot" } else { "h2" };
    tls(server.address(transport), &trusting(&[certificate], &[alpn])).ok()
}

#[track_caller]
fn shows(server: &Server, certificate: &str) {
    eventually("the certificate is in use", || connect(server, "tls", certificate).is_some());
    assert!(connect(server, "https", certificate).is_some());
}

#[test]
fn a_renewed_certificate_is_taken_in_however_its_files_are_written() {
    let server = encrypted(Site::new()).start();
    let (cert, key) = (server.site.path("cert.pem"), server.site.path("key.pem"));
    let first = fs::read_to_string(&cert).unwrap();
    let mut standing = connect(&server, "tls", &first).unwrap();

    let (certificate, private) = pair();
    replace(&cert, &certificate);
    replace(&key, &private);
    shows(&server, &certificate);
    block_on(async {
        let connection = quic(server.address("quic"), &server, "doq").await;
        let shown = connection.peer_identity().unwrap();
        let shown = shown.downcast::<Vec<CertificateDer<'static>>>().unwrap();
        assert_eq!(shown[0], der(&certificate));
    });

    let (certificate, private) = pair();
    rewrite(&cert, &certificate);
    rewrite(&key, &private);
    shows(&server, &certificate);

    assert!(connect(&server, "tls", &first).is_none(), "the first is no longer shown");
    ask_framed(&mut standing, &[query(1, "test.example", 1)]).expect("what stood goes on");
}

/// As Kubernetes mounts a secret: each file leads through `..data`, which is swapped.
#[test]
fn a_swapped_link_renews_certificate_and_key_at_once() {
    let site = encrypted(Site::new());
    let store = |name: &str, (certificate, key): &(String, String)| {
        fs::create_dir(site.path(name)).unwrap();
        fs::write(site.path(&format!("{name}/cert.pem")), certificate).unwrap();
        fs::write(site.path(&format!("{name}/key.pem")), key).unwrap();
    };
    let (old, new) = (pair(), pair());
    store("..one", &old);
    store("..two", &new);
    symlink("..one", site.path("..data")).unwrap();
    for file in ["cert.pem", "key.pem"] {
        fs::remove_file(site.path(file)).unwrap();
        symlink(format!("..data/{file}"), site.path(file)).unwrap();
    }
    let server = site.start();
    shows(&server, &old.0);
    let mark = server.log_mark();
    symlink("..two", server.site.path("..data_tmp")).unwrap();
    fs::rename(server.site.path("..data_tmp"), server.site.path("..data")).unwrap();
    shows(&server, &new.0);
    server.logged(mark, |event| crate::common::message(event) == "certificate renewed");
    assert!(!server.log_text().contains("does not belong"), "{}", server.log_text());
}

#[test]
fn a_pair_that_cannot_be_used_is_refused_with_its_file_and_the_old_one_stays() {
    let server = encrypted(Site::new()).start();
    let (cert, key) = (server.site.path("cert.pem"), server.site.path("key.pem"));
    let first = fs::read_to_string(&cert).unwrap();
    let (other, other_key) = pair();
    for (text, file, problem) in [
        (other.as_str(), "key.pem", "does not belong to the certificate in"),
        ("nonsense", "cert.pem", "no certificate in this file"),
        (&first[..200], "cert.pem", "ends before its"),
    ] {
        let mark = server.log_mark();
        replace(&cert, text);
        let said = |event: &serde_json::Value| {
            let event = event.to_string();
            event.contains(problem)
                && event.contains(file)
                && event.contains("the one in use stays")
        };
        server.logged(mark, said);
        assert!(connect(&server, "tls", &first).is_some());
        // Looked at again when asked to, and said again.
        let ran = server.reload(&[]);
        assert!(format!("{ran}").contains(problem), "{ran}");
        let mark = server.log_mark();
        server.signal(libc::SIGHUP);
        server.logged(mark, said);
    }
    fs::remove_file(&cert).unwrap();
    let ran = server.reload(&[]);
    assert!(format!("{ran}").contains("cannot be read"), "{ran}");
    assert!(connect(&server, "tls", &first).is_some());
    replace(&key, &other_key);
    replace(&cert, &other);
    shows(&server, &other);
}

#[test]
fn an_expired_certificate_is_used_with_a_warning() {
    let site = encrypted(Site::new());
    let mut params = rcgen::CertificateParams::new([crate::clients::HOST.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 3, 4);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(site.path("cert.pem"), &certificate).unwrap();
    fs::write(site.path("key.pem"), key.serialize_pem()).unwrap();
    let check = site.beiand(&["check"]);
    assert!(check.stdout.contains("warning: this certificate expired at 2020-03-04"), "{check}");
    let server = site.start();
    assert!(server.log_text().contains("this certificate expired at 2020-03-04"));
    // It is shown, and a client refuses it.
    let error = tls(server.address("tls"), &trusting(&[&certificate], &["dot"])).unwrap_err();
    assert!(error.to_string().contains("certificate expired"), "{error}");
}
