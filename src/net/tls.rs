//! The server's side of TLS: certificates from PEM files, or one of its own making for `dev`.
//!
//! TLS 1.2 and 1.3 by rustls on ring. Sessions are resumed by tickets that the client keeps (RFC 5077, RFC 8446
//! §4.6.1), so the server remembers nothing for each connection; the ticket key lives in the process and changes every
//! six hours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Connection, Services, stopping};
use crate::policy::abuse::Deed;

/// A TLS client that says nothing holds a descriptor and a place, so it gets no longer than this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No TLS: STARTTLS is not offered.
    Off,
    /// A certificate for localhost, made at each start. For `dev` alone: no client can verify it.
    SelfSigned,
    /// PEM files.
    Files {
        /// The certificate, followed by its intermediates.
        certificate: PathBuf,
        /// Its private key, unencrypted: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {what}", file.display())]
    Malformed {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Both files are good, but not together.
    #[error("{}: not the private key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The self-signed certificate can't be made.
    #[error("can't make a self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// rustls refuses; not the fault of a file.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// What accepts TLS connections, and the certificate that they are shown.
pub struct Tls {
    /// Accepts connections with whatever the certificate is at that moment.
    pub acceptor: TlsAcceptor,
    source: Source,
    certificate: Arc<Certificate>,
}

impl Tls {
    /// With the certificate from `source`; `None` for [`Source::Off`]. Blocks on the files.
    pub fn new(source: Source) -> Result<Option<Self>, Error> {
        if source == Source::Off {
            return Ok(None);
        }
        let provider = ring::default_provider();
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(certify(&source, &provider)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new()?;
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), source, certificate }))
    }

    /// Takes the certificate from its source anew, after a renewal; new connections are shown it. After an error the
    /// old one stays. Blocks on the files.
    pub fn reload(&self) -> Result<(), Error> {
        let renewed = Arc::new(certify(&self.source, &ring::default_provider())?);
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }
}

/// The handshake of a connection that was in the clear, within [`HANDSHAKE_TIMEOUT`] and while the server does not stop.
/// After STARTTLS and its kind, the caller has dropped whatever it had read before (RFC 3207 §4.2).
pub(super) async fn upgrade(connection: Connection, services: &Services) -> io::Result<Connection> {
    let Some(acceptor) = &services.tls else {
        return Err(io::Error::other("TLS was offered without a certificate"));
    };
    let mut shutdown = services.shutdown.clone();
    let (peer, asked_to_leave) = (connection.peer.counts_as(), connection.place.asked_to_leave());
    tokio::select! {
        done = timeout(HANDSHAKE_TIMEOUT, connection.start_tls(acceptor)) => done
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake takes too long")))
            .inspect_err(|_| services.guard.watch(peer).note(Deed::Error, 1)),
        () = asked_to_leave => Err(io::Error::other("its place is needed")),
        () = stopping(&mut shutdown) => Err(io::Error::other("the server stops")),
    }
}

/// The certificate of the moment. The lock is held to copy a pointer.
#[derive(Debug)]
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Chain and key, and the proof that they belong together.
fn certify(source: &Source, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let (chain, key) = match source {
        Source::Off | Source::SelfSigned => self_signed()?,
        Source::Files { certificate, key } => load(certificate, key)?,
    };
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match (source, error) {
        (
            Source::Files { certificate, key },
            rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch),
        ) => Error::Mismatch { certificate: certificate.clone(), key: key.clone() },
        (Source::Files { certificate, .. }, error @ rustls::Error::InvalidCertificate(_)) => {
            Error::Malformed { file: certificate.clone(), what: error.to_string() }
        }
        (Source::Files { key, .. }, rustls::Error::General(what)) => Error::Malformed { file: key.clone(), what },
        (_, error) => Error::Setup(error),
    })
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn self_signed() -> Result<Identity, Error> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let mut params = CertificateParams::new(names)?;
    // What a person reads who is asked whether to trust it.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.distinguished_name.push(DnType::OrganizationName, "Postbell, for development only");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn load(certificate: &Path, key: &Path) -> Result<Identity, Error> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(certificate, &error, "CERTIFICATE"))?;
    if chain.is_empty() {
        return Err(malformed(certificate, &pem::Error::NoItemsFound, "CERTIFICATE"));
    }
    let bytes = read(key)?;
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        if contains(&bytes, b"ENCRYPTED") {
            let what = "the private key is encrypted; a server can't ask for its passphrase".to_owned();
            return Error::Malformed { file: key.to_owned(), what };
        }
        malformed(key, &error, "PRIVATE KEY")
    })?;
    Ok((chain, private))
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| Error::Unreadable { file: file.to_owned(), error })
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

fn malformed(file: &Path, error: &pem::Error, wanted: &str) -> Error {
    let what = match error {
        pem::Error::NoItemsFound => format!("there is no \"-----BEGIN {wanted}-----\" in it"),
        other => format!("not PEM: {other}"),
    };
    Error::Malformed { file: file.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pair {
        folder: tempfile::TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            Self::write(folder.path());
            Self { folder }
        }

        fn write(folder: &Path) {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
            std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        }

        fn source(&self) -> Source {
            let file = |name| self.folder.path().join(name);
            Source::Files { certificate: file("cert.pem"), key: file("key.pem") }
        }

        fn with(self, file: &str, contents: &str) -> Self {
            std::fs::write(self.folder.path().join(file), contents).unwrap();
            self
        }

        fn complaint(&self) -> String {
            match Tls::new(self.source()) {
                Ok(_) => String::new(),
                Err(error) => error.to_string().replace(&format!("{}/", self.folder.path().display()), ""),
            }
        }
    }

    #[test]
    fn a_pair_of_files_is_taken_and_so_is_none_and_our_own() {
        assert_eq!(Pair::new().complaint(), "");
        assert!(Tls::new(Source::Off).unwrap().is_none());
        assert!(Tls::new(Source::SelfSigned).unwrap().is_some());
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_bad_one_is_not() {
        let pair = Pair::new();
        let tls = Tls::new(pair.source()).unwrap().unwrap();
        let shown = || tls.certificate.0.read().unwrap().cert[0].clone();
        let first = shown();
        let pair = pair.with("cert.pem", "");
        assert!(tls.reload().is_err());
        assert_eq!(shown(), first);
        Pair::write(pair.folder.path());
        tls.reload().unwrap();
        assert_ne!(shown(), first);
    }

    #[test]
    fn a_complaint_names_the_file_and_what_is_wrong_with_it() {
        let other = KeyPair::generate().unwrap().serialize_pem();
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (file, contents, complaint) in [
            ("cert.pem", "", "cert.pem: there is no \"-----BEGIN CERTIFICATE-----\" in it"),
            ("key.pem", "", "key.pem: there is no \"-----BEGIN PRIVATE KEY-----\" in it"),
            ("key.pem", &*other, "key.pem: not the private key of the certificate in cert.pem"),
            ("key.pem", locked, "key.pem: the private key is encrypted; a server can't ask for its passphrase"),
            ("cert.pem", no_certificate, "cert.pem: invalid peer certificate: BadEncoding"),
        ] {
            assert_eq!(Pair::new().with(file, contents).complaint(), complaint);
        }
        let pair = Pair::new();
        std::fs::remove_file(pair.folder.path().join("key.pem")).unwrap();
        assert_eq!(pair.complaint(), "key.pem: No such file or directory (os error 2)");
    }
}
