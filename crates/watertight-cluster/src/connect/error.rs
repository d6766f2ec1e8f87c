//! Why there is no cluster to ask, and what to do about it.

use std::error::Error as StdError;
use std::path::PathBuf;

use super::Exec;

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
                write!(f, "no cluster to connect to: there is no kubeconfig")?;
                for (index, path) in paths.iter().enumerate() {
                    let before = if index == 0 { " at" } else { "," };
                    write!(f, "{before} `{}`", path.display())?;
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
        let exec = exec.unwrap_or_default();
        let command = &exec.command;
        let kube::Error::Auth(error) = error else {
            return Self::Credentials(format!("the credentials cannot be used: {error}"));
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

/// Why no answer came from a server, in one sentence with what to do.
#[must_use]
pub fn explain_transport(server: &str, error: &(dyn StdError + 'static)) -> String {
    let mut last = error.to_string();
    let mut kind = None;
    let mut cause = Some(error);
    let mut texts = String::new();
    while let Some(error) = cause {
        last = error.to_string();
        texts.push_str(&last);
        texts.push('\n');
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            kind = Some(error.kind());
        }
        cause = error.source();
    }
    let has = |text: &str| texts.contains(text);
    if kind == Some(std::io::ErrorKind::ConnectionRefused) || has("Connection refused") {
        return format!(
            "{server} refuses connections; is the cluster running, and is it the right context?"
        );
    }
    if has("UnknownIssuer") || has("unknown certificate authority") || has("self-signed") {
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
    if has("certificate") || has("tls") || has("TLS") || has("InvalidContentType") {
        return format!(
            "no TLS with {server}: {last}; is it an https address, and does the kubeconfig have its \
             certificate authority?"
        );
    }
    if has("dns error") || has("failed to lookup address") {
        return format!(
            "the name of {server} cannot be resolved; does this machine need a VPN for it?"
        );
    }
    if kind == Some(std::io::ErrorKind::TimedOut) || has("timed out") || has("deadline") {
        return format!(
            "{server} does not answer; does this machine need a VPN or a proxy for it? \
             --request-timeout waits longer"
        );
    }
    format!("no answer from {server}: {last}")
}
