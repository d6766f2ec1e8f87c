//! TLS: an authority of a test's own, which signs the certificates of the server and of its clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Who signs.
    pub authority: Arc<Authority>,
    /// The name or address in the certificate of the server.
    pub name: String,
    /// Whether that certificate was valid until the last century.
    pub expired: bool,
    /// Whether clients need a certificate of the same authority.
    pub clients: bool,
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one, which nobody trusts yet.
    pub fn new() -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Self(issuer))
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a client.
    pub fn client(&self, user: &str) -> io::Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let signed = params.signed_by(&key, &self.0).map_err(io::Error::other)?;
        Ok(Identity {
            certificate: signed.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Tls {
    /// A server with this name in its certificate; everybody may talk to it.
    #[must_use]
    pub fn new(authority: &Arc<Authority>, name: &str) -> Self {
        Self {
            authority: Arc::clone(authority),
            name: name.to_owned(),
            expired: false,
            clients: false,
        }
    }

    fn config(&self) -> io::Result<ServerConfig> {
        let mut params =
            CertificateParams::new(vec![self.name.clone()]).map_err(io::Error::other)?;
        if self.expired {
            params.not_before = rcgen::date_time_ymd(1999, 1, 1);
            params.not_after = rcgen::date_time_ymd(1999, 12, 31);
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = &self.authority.0;
        let signed = params.signed_by(&key, issuer).map_err(io::Error::other)?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = if self.clients {
            let mut roots = RootCertStore::empty();
            roots.add(issuer.der().clone()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let config = builder.with_single_cert(vec![signed.der().clone()], key);
        config.map_err(io::Error::other)
    }

    /// Accepts connections with TLS; those that fail are dropped.
    pub(crate) fn listen(&self, listener: TcpListener) -> io::Result<TlsListener> {
        let acceptor = TlsAcceptor::from(Arc::new(self.config()?));
        let address = listener.local_addr()?;
        let (send, accepted) = channel(16);
        let task = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let (acceptor, send) = (acceptor.clone(), send.clone());
                // Side by side: a client that is slow to greet keeps no other waiting.
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = send.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(TlsListener {
            accepted,
            address,
            task,
        })
    }
}

/// Connections that have said hello.
#[derive(Debug)]
pub(crate) struct TlsListener {
    accepted: Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
