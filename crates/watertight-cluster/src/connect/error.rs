//! Why there is no cluster to ask, and what to do about it.

use std::error::Error as StdError;
use std::path::PathBuf;

use super::{Connection, Exec};

/// Why there is no cluster to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// There is no kubeconfig in any of these places.
    NoKubeconfig(Vec<PathBuf>),
    /// A kubeconfig cannot be read or used.
    Kubeconfig(String),
    /// The service account of this pod cannot be used.
    InCluster(String),
    /// No context is chosen; these are there.
    NoContext(Vec<String>),
    /// A context, cluster or user is not in the kubeconfig.
    Unknown {
        /// What it is.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// A name that is close.
        near: Option<String>,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The cluster has no address.
    NoServer(String),
    /// The address of the cluster is none.
    Server(String),
    /// The proxy that is named here is none that could be used.
    Proxy(&'static str),
    /// The command that gives credentials.
    Exec(String),
    /// Anything else about credentials and certificates.
    Credentials(String),
}

/// More names are not listed.
const MOST_NAMES: usize = 8;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKubeconfig(paths) => {
                write!(f, "no cluster to connect to: no kubeconfig names one")?;
                let paths: Vec<_> = paths
                    .iter()
                    .map(|of| format!("`{}`", of.display()))
                    .collect();
                if !paths.is_empty() {
                    write!(f, " (looked at {})", paths.join(", "))?;
                }
                write!(f, "; name one with --kubeconfig, or set KUBECONFIG")
            }
            Self::Kubeconfig(message) | Self::Credentials(message) | Self::Exec(message) => {
                f.write_str(message)
            }
            Self::InCluster(message) => write!(
                f,
                "the service account of this pod cannot be used: {message}; name a kubeconfig with \
                 --kubeconfig"
            ),
            Self::NoContext(known) => {
                write!(
                    f,
                    "the kubeconfig has no current context; choose one with --context"
                )?;
                list(f, known)
            }
            Self::Unknown {
                what,
                name,
                near,
                known,
            } => {
                write!(f, "the kubeconfig has no {what} `{name}`")?;
                match near {
                    Some(near) => write!(f, " (did you mean `{near}`?)"),
                    None => list(f, known),
                }
            }
            Self::NoServer(name) => write!(
                f,
                "cluster `{name}` of the kubeconfig has no server; name one with --server"
            ),
            Self::Server(server) => write!(
                f,
                "`{server}` is no address of an API server; write it as https://HOST:PORT"
            ),
            // There may be a password in it.
            Self::Proxy(from) => write!(
                f,
                "{from} is no address of a proxy that can be used; write it as http://HOST:PORT, \
                 https://HOST:PORT or socks5://HOST:PORT"
            ),
        }
    }
}

fn list(f: &mut std::fmt::Formatter<'_>, names: &[String]) -> std::fmt::Result {
    for (index, name) in names.iter().take(MOST_NAMES).enumerate() {
        let before = if index == 0 { "; it has" } else { "," };
        write!(f, "{before} `{name}`")?;
    }
    match names.len().saturating_sub(MOST_NAMES) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

impl StdError for Error {}

impl Error {
    /// Why no client could be made.
    pub(super) fn of_client(error: kube::Error, exec: Option<Exec>) -> Self {
        use kube::client::AuthError;
        let from_command = exec.is_some();
        let exec = exec.unwrap_or_default();
        let command = &exec.command;
        let error = match error {
            kube::Error::Auth(error) => error,
            kube::Error::RustlsTls(_) | kube::Error::InferKubeconfig(_) => {
                let (text, why) = (error.to_string(), deepest(&error));
                if text.contains("root certificate") || text.contains("root CA") {
                    return Self::Credentials(format!(
                        "the certificate authority of the cluster cannot be used: {why}; name the right \
                         one with --certificate-authority"
                    ));
                }
                if text.contains("server name") {
                    return Self::Credentials(format!(
                        "the name that the certificate of the server has to have is none: {why}; name the \
                         right one with --tls-server-name"
                    ));
                }
                return Self::Credentials(match from_command {
                    true => format!(
                        "the client certificate that `{command}` gives cannot be used: {why}; run it by \
                         hand to see"
                    ),
                    false => format!(
                        "the client certificate or its key cannot be used: {why}; name both of them \
                         with --client-certificate and --client-key"
                    ),
                });
            }
            error => {
                return Self::Credentials(format!("the credentials cannot be used: {error}"));
            }
        };
        let hint = match exec.hint.as_deref().map(str::trim) {
            Some(hint) if !hint.is_empty() => {
                let hint = hint.split_whitespace().collect::<Vec<_>>().join(" ");
                format!("; the kubeconfig says: {hint}")
            }
            _ => String::new(),
        };
        match error {
            AuthError::AuthExecStart(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Self::Exec(format!(
                    "`{command}`, which gives the credentials of this user, is not installed or not \
                     in PATH{hint}"
                ))
            }
            AuthError::AuthExecStart(error) => Self::Exec(format!(
                "`{command}`, which gives the credentials of this user, cannot be run: {error}{hint}"
            )),
            // What it printed may be a credential.
            AuthError::AuthExecRun { out, .. } => Self::Exec(format!(
                "`{command}`, which gives the credentials of this user, failed ({}); log in again, or \
                 run it by hand to see why",
                out.status
            )),
            AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => Self::Exec(format!(
                "`{command}` answered with something that is no ExecCredential; run it by hand to see"
            )),
            error => Self::Credentials(format!("the credentials cannot be used: {error}")),
        }
    }
}

/// What an error says where it began.
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Whether asking again will come to the same: nobody changes certificates in between.
pub(crate) fn is_about_certificates(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("peer certificate") || text.contains("received fatal alert") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Why no answer came from a server, in one sentence with what to do.
pub(crate) fn explain_transport(
    connection: &Connection,
    error: &(dyn StdError + 'static),
) -> String {
    let Connection { server, proxy, .. } = connection;
    let mut kind = None;
    let mut cause = Some(error);
    let mut texts = String::new();
    while let Some(error) = cause {
        texts.push_str(&error.to_string());
        texts.push('\n');
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            kind = Some(error.kind());
        }
        cause = error.source();
    }
    let last = texts.lines().last().unwrap_or_default();
    let has = |text: &str| texts.contains(text);
    // The proxy is what is connected to.
    let reached = match proxy {
        Some(proxy) => format!("the proxy {proxy}"),
        None => server.clone(),
    };
    if has("proxy authorization required") {
        return format!(
            "{reached} wants to know who asks; name it as http://USER:PASSWORD@HOST:PORT in proxy-url of \
             the kubeconfig or in HTTPS_PROXY"
        );
    }
    if has("tunnel error") && has("unsuccessful") {
        return format!(
            "{reached} makes no connection to {server}; does it know the name, and may it go there? \
             NO_PROXY names servers that need no proxy"
        );
    }
    if kind == Some(std::io::ErrorKind::ConnectionRefused) || has("Connection refused") {
        return match proxy {
            Some(_) => format!(
                "{reached} refuses connections; is proxy-url of the kubeconfig, or HTTPS_PROXY, right?"
            ),
            None => format!(
                "{server} refuses connections; is the cluster running, and is it the right context?"
            ),
        };
    }
    if has("received fatal alert") {
        let alert = last.rsplit(' ').next().unwrap_or_default();
        return match alert {
            "CertificateRequired" => format!(
                "{server} wants a client certificate; name one with --client-certificate and \
                 --client-key, or choose another user with --context or --user"
            ),
            "BadCertificate" | "UnknownCA" | "UnknownCa" | "CertificateUnknown"
            | "CertificateExpired" | "CertificateRevoked" | "AccessDenied" | "DecryptError" => {
                format!(
                    "{server} does not accept the client certificate ({alert}); log in again, or name \
                 another one with --client-certificate and --client-key"
                )
            }
            _ => format!("{server} ends the TLS connection ({alert}); is it the right address?"),
        };
    }
    if has("UnknownIssuer") || has("unknown certificate authority") || has("BadSignature") {
        return format!(
            "the certificate of {server} is signed by nobody who is trusted here; name its authority \
             with --certificate-authority"
        );
    }
    if has("NotValidForName") || has("not valid for name") {
        return format!(
            "the certificate of {server} is for another name ({last}); name it with --tls-server-name"
        );
    }
    if has("certificate expired") || has("peer certificate: Expired") {
        return format!(
            "the certificate of {server} has expired; it has to be renewed, or is the clock of this \
             machine wrong?"
        );
    }
    if has("certificate") || has("tls") || has("TLS") || has("InvalidContentType") {
        return format!(
            "no TLS with {server}: {last}; is it an https address, and does the kubeconfig have its \
             certificate authority?"
        );
    }
    if has("dns error") || has("failed to lookup address") {
        return format!(
            "the name of {reached} cannot be resolved; does this machine need a VPN for it?"
        );
    }
    if kind == Some(std::io::ErrorKind::TimedOut) || has("timed out") || has("deadline") {
        return format!(
            "{reached} does not answer; does this machine need a VPN or a proxy for it?"
        );
    }
    format!("no answer from {server}: {last}; is it the address of an API server?")
}
