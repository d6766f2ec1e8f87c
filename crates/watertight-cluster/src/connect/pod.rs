//! The service account of a pod: what every container is given to talk to its cluster.

use std::path::PathBuf;

use kube::config::{AuthInfo, Cluster};

use super::{Chosen, Error};

/// What a pod is given.
#[derive(Clone, Debug)]
pub struct Pod {
    /// `KUBERNETES_SERVICE_HOST`
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`
    pub port: String,
    /// The directory with `token`, `ca.crt` and `namespace`.
    pub directory: PathBuf,
}

/// Where containers find it.
const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Pod {
    /// What this process is given, if it is in a pod with a service account.
    pub(super) fn of_process() -> Option<Self> {
        let directory = PathBuf::from(DIRECTORY);
        let is_mounted = directory.join("token").exists();
        Some(Self {
            host: std::env::var("KUBERNETES_SERVICE_HOST").ok()?,
            port: std::env::var("KUBERNETES_SERVICE_PORT").ok()?,
            directory,
        })
        .filter(|_| is_mounted)
    }

    /// Its cluster, and it as a user.
    pub(super) fn chosen(&self) -> Result<Chosen, Error> {
        let file = |name: &str| self.directory.join(name);
        let token = file("token");
        if let Err(error) = std::fs::read(&token) {
            let shown = token.display();
            return Err(Error::InCluster(format!("cannot read `{shown}`: {error}")));
        }
        let host = match self.host.parse() {
            Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        let namespace = std::fs::read_to_string(file("namespace")).unwrap_or_default();
        let path = |path: PathBuf| Some(path.display().to_string());
        Ok(Chosen {
            name: "in-cluster".into(),
            cluster: Cluster {
                server: Some(format!("https://{host}:{}", self.port)),
                certificate_authority: path(file("ca.crt")),
                ..Cluster::default()
            },
            user: AuthInfo {
                token_file: path(token),
                ..AuthInfo::default()
            },
            context: Some("in-cluster".into()),
            namespace: Some(namespace.trim().to_owned()).filter(|name| !name.is_empty()),
        })
    }
}
