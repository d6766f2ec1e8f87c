//! From flags and environment to a client, as `kubectl` finds its cluster.
//!
//! `--kubeconfig`, or the files of `KUBECONFIG`, or `~/.kube/config`; without any of them the service
//! account of the pod. Flags win over what the files say. Whatever is missing is an [`Error`] that says
//! what to do next.

mod error;
mod files;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, Kubeconfig, NamedCluster, NamedContext};

pub use self::error::{Error, explain_transport};
use self::files::{find_context, named, read};

/// How long to wait for one answer if nobody says.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Establishing a connection takes no longer in any cluster that answers at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The flags of `kubectl` that say which cluster, and as whom.
#[derive(Clone, Default)]
pub struct Flags {
    /// `--kubeconfig`
    pub kubeconfig: Option<PathBuf>,
    /// `--context`
    pub context: Option<String>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--user`
    pub user: Option<String>,
    /// `--server`
    pub server: Option<String>,
    /// `--token`
    pub token: Option<String>,
    /// `--as`
    pub impersonate: Option<String>,
    /// `--as-group`
    pub impersonate_groups: Vec<String>,
    /// `--as-uid`
    pub impersonate_uid: Option<String>,
    /// `--request-timeout`; none is [`DEFAULT_TIMEOUT`].
    pub request_timeout: Option<Duration>,
    /// `--insecure-skip-tls-verify`
    pub insecure_skip_tls_verify: bool,
    /// `--certificate-authority`
    pub certificate_authority: Option<PathBuf>,
    /// `--client-certificate`
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`
    pub client_key: Option<PathBuf>,
    /// `--tls-server-name`
    pub tls_server_name: Option<String>,
}

impl std::fmt::Debug for Flags {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// What the environment says about clusters.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `KUBECONFIG`
    pub kubeconfig: Option<OsString>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// Whether this is a pod with a service account.
    pub in_cluster: bool,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::var_os(home).map(PathBuf::from),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && std::path::Path::new(token).exists(),
        }
    }
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Connection {
    /// Asks.
    pub client: Client,
    /// The name of the context; of the server if there is no context.
    pub context: String,
    /// The address of the API server.
    pub server: String,
    /// The namespace of the context, if it names one.
    pub namespace: Option<String>,
    /// How long to wait for one answer.
    pub timeout: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("context", &self.context)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Finds the cluster and makes a client; nothing is asked yet.
///
/// # Errors
/// When there is no such cluster, or no way to say who asks.
pub fn connect(flags: &Flags, environment: &Environment) -> Result<Connection, Error> {
    let Found {
        mut config,
        context,
        namespace,
        exec,
    } = find(flags, environment)?;
    let server = config.cluster_url.to_string();
    let server = server.trim_end_matches('/').to_owned();
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Answers are waited for, and asked for again, where it is known what for.
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|error| Error::of_client(error, exec))?;
    Ok(Connection {
        client,
        context: context.unwrap_or_else(|| server.clone()),
        server,
        namespace,
        timeout: flags.request_timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// What flags, files and environment come to.
struct Found {
    config: Config,
    context: Option<String>,
    namespace: Option<String>,
    exec: Option<Exec>,
}

/// The command that gives credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exec {
    command: String,
    hint: Option<String>,
}

fn find(flags: &Flags, environment: &Environment) -> Result<Found, Error> {
    let (kubeconfig, looked_at) = read(flags, environment)?;
    let nothing_named = flags.context.is_none() && flags.server.is_none();
    let is_empty = kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty();
    if is_empty && nothing_named && flags.cluster.is_none() {
        if !environment.in_cluster {
            return Err(Error::NoKubeconfig(looked_at));
        }
        let mut config =
            Config::incluster().map_err(|error| Error::InCluster(error.to_string()))?;
        let namespace = Some(config.default_namespace.clone());
        impersonate(flags, &mut config.auth_info);
        return Ok(Found {
            config,
            context: Some("in-cluster".into()),
            namespace,
            exec: None,
        });
    }
    select(flags, kubeconfig)
}

/// Makes one context of one cluster and one user out of everything, so that what is found is what is
/// used.
fn select(flags: &Flags, kubeconfig: Kubeconfig) -> Result<Found, Error> {
    let context = find_context(flags, &kubeconfig)?;
    let cluster_name = flags.cluster.as_deref();
    let cluster_name = cluster_name.or(context.as_ref().map(|(_, of)| of.cluster.as_str()));
    let mut cluster = match cluster_name {
        Some(name) => {
            let clusters = kubeconfig.clusters.iter();
            let clusters = clusters.map(|of| (of.name.as_str(), of.cluster.as_ref()));
            named("cluster", name, clusters)?.cloned()
        }
        None => None,
    }
    .unwrap_or_default();
    let user_name = flags.user.as_deref();
    let user_name = user_name.or(context.as_ref().and_then(|(_, of)| of.user.as_deref()));
    let users = kubeconfig.auth_infos.iter();
    let users = users.map(|of| (of.name.as_str(), of.auth_info.as_ref()));
    let mut user = match user_name {
        // What a context names need not be there, what somebody names must.
        Some(name) if flags.user.is_some() => named("user", name, users)?.cloned(),
        Some(name) => users
            .into_iter()
            .find(|(of, _)| *of == name)
            .and_then(|(_, of)| of.cloned()),
        None => None,
    }
    .unwrap_or_default();
    override_cluster(flags, &mut cluster);
    override_user(flags, &mut user);
    if cluster.server.as_deref().is_none_or(str::is_empty) {
        return Err(Error::NoServer(cluster_name.unwrap_or_default().into()));
    }
    let exec = user.exec.as_ref().map(|exec| Exec {
        command: exec.command.clone().unwrap_or_default(),
        hint: exec.install_hint.clone(),
    });
    let (name, namespace) = match &context {
        Some((name, of)) => (Some((*name).to_owned()), of.namespace.clone()),
        None => (None, None),
    };
    let config = one(cluster, user)
        .map_err(|error| Error::Kubeconfig(format!("the kubeconfig cannot be used: {error}")))?;
    Ok(Found {
        config,
        context: name,
        namespace: namespace.filter(|name| !name.is_empty()),
        exec,
    })
}

/// The configuration of one cluster and one user.
fn one(cluster: Cluster, user: AuthInfo) -> Result<Config, kube::config::KubeconfigError> {
    const NAME: &str = "chosen";
    let kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster {
            name: NAME.into(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![kube::config::NamedAuthInfo {
            name: NAME.into(),
            auth_info: Some(user),
            ..Default::default()
        }],
        contexts: vec![NamedContext {
            name: NAME.into(),
            context: Some(kube::config::Context {
                cluster: NAME.into(),
                user: Some(NAME.into()),
                ..Default::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(NAME.into()),
        ..Kubeconfig::default()
    };
    Config::try_from(kubeconfig)
}

fn override_cluster(flags: &Flags, cluster: &mut Cluster) {
    if let Some(server) = &flags.server {
        // As kubectl has it: without a scheme, it is a server that speaks plain HTTP.
        let with_scheme = server.contains("://");
        cluster.server = Some(if with_scheme {
            server.clone()
        } else {
            format!("http://{server}")
        });
    }
    if let Some(path) = &flags.certificate_authority {
        cluster.certificate_authority = Some(path.display().to_string());
        cluster.certificate_authority_data = None;
    }
    if flags.insecure_skip_tls_verify {
        cluster.insecure_skip_tls_verify = Some(true);
    }
    if let Some(name) = &flags.tls_server_name {
        cluster.tls_server_name = Some(name.clone());
    }
}

fn override_user(flags: &Flags, user: &mut AuthInfo) {
    if let Some(token) = &flags.token {
        *user = AuthInfo {
            token: Some(token.as_str().into()),
            impersonate: user.impersonate.take(),
            impersonate_groups: user.impersonate_groups.take(),
            ..AuthInfo::default()
        };
    }
    if let Some(path) = &flags.client_certificate {
        user.client_certificate = Some(path.display().to_string());
        user.client_certificate_data = None;
    }
    if let Some(path) = &flags.client_key {
        user.client_key = Some(path.display().to_string());
        user.client_key_data = None;
    }
    impersonate(flags, user);
}

fn impersonate(flags: &Flags, user: &mut AuthInfo) {
    if flags.impersonate.is_some() {
        user.impersonate.clone_from(&flags.impersonate);
    }
    if flags.impersonate_uid.is_some() {
        user.impersonate_uid.clone_from(&flags.impersonate_uid);
    }
    if !flags.impersonate_groups.is_empty() {
        user.impersonate_groups = Some(flags.impersonate_groups.clone());
    }
}
