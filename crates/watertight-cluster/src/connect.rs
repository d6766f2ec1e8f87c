//! From flags and environment to a client, as `kubectl` finds its cluster.
//!
//! `--kubeconfig`, or the files of `KUBECONFIG`, or `~/.kube/config`; without any of them the service
//! account of the pod. Flags win over all of them. Whatever is missing is an [`Error`] that says what to
//! do next.

mod error;
mod files;
mod pod;
mod proxy;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, ExecAuthCluster, Kubeconfig};

pub use self::error::Error;
pub(crate) use self::error::{explain_transport, is_about_certificates};
use self::files::{find_context, named, read};
pub use self::pod::Pod;
pub use self::proxy::Proxies;

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
    /// What this is given as a pod with a service account, if it is one.
    pub pod: Option<Pod>,
    /// The proxies that are asked for by name.
    pub proxies: Proxies,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        Self {
            kubeconfig: std::env::var_os("KUBECONFIG"),
            home: std::env::var_os(home).map(PathBuf::from),
            pod: Pod::of_process(),
            proxies: Proxies::of_process(),
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
    /// The address of the proxy on the way, if there is one; without who logs in there.
    pub proxy: Option<String>,
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
    let proxy = config.proxy_url.as_ref().map(proxy::shown);
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Answers are waited for, and asked for again, where it is known what for.
    config.default_retry = false;
    let client = Client::try_from(config).map_err(|error| Error::of_client(error, exec))?;
    Ok(Connection {
        client,
        context: context.unwrap_or_else(|| server.clone()),
        server,
        proxy,
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
    let chosen = if is_empty && nothing_named && flags.cluster.is_none() {
        match &environment.pod {
            Some(pod) => pod.chosen()?,
            None => return Err(Error::NoKubeconfig(looked_at)),
        }
    } else {
        select(flags, &kubeconfig)?
    };
    used(flags, environment, chosen)
}

/// One cluster and one user, as files name them.
struct Chosen {
    /// What to call the cluster in errors.
    name: String,
    cluster: Cluster,
    user: AuthInfo,
    context: Option<String>,
    namespace: Option<String>,
}

/// The cluster and the user that flags and the context name.
fn select(flags: &Flags, kubeconfig: &Kubeconfig) -> Result<Chosen, Error> {
    let context = find_context(flags, kubeconfig)?;
    let cluster_name = flags.cluster.as_deref();
    let cluster_name = cluster_name.or(context.as_ref().map(|(_, of)| of.cluster.as_str()));
    let cluster = match cluster_name {
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
    let user = match user_name {
        // What a context names need not be there, what somebody names must.
        Some(name) if flags.user.is_some() => named("user", name, users)?.cloned(),
        Some(name) => users
            .into_iter()
            .find(|(of, _)| *of == name)
            .and_then(|(_, of)| of.cloned()),
        None => None,
    }
    .unwrap_or_default();
    let (name, namespace) = match &context {
        Some((name, of)) => (Some((*name).to_owned()), of.namespace.clone()),
        None => (None, None),
    };
    Ok(Chosen {
        name: cluster_name.unwrap_or_default().to_owned(),
        cluster,
        user,
        context: name,
        namespace: namespace.filter(|name| !name.is_empty()),
    })
}

/// What was chosen as flags change it.
fn used(flags: &Flags, environment: &Environment, chosen: Chosen) -> Result<Found, Error> {
    let Chosen {
        name,
        mut cluster,
        mut user,
        context,
        namespace,
    } = chosen;
    override_cluster(flags, &mut cluster);
    override_user(flags, &mut user);
    let Some(server) = cluster.server.take().filter(|server| !server.is_empty()) else {
        return Err(Error::NoServer(name));
    };
    let server = with_scheme(server, &cluster, &user);
    let url: http::Uri = server
        .parse()
        .ok()
        .filter(|url: &http::Uri| url.host().is_some())
        .ok_or_else(|| Error::Server(server.clone()))?;
    cluster.server = Some(server);
    let mut config = Config::new(url);
    config.proxy_url = proxy::of(
        &config.cluster_url,
        cluster.proxy_url.as_deref(),
        &environment.proxies,
    )?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    if !config.accept_invalid_certs {
        authority(&cluster, &mut config)?;
    }
    if let Some(exec) = user.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = ExecAuthCluster::try_from(&cluster).ok();
    }
    config.tls_server_name = cluster.tls_server_name;
    let exec = user.exec.as_ref().map(|exec| Exec {
        command: exec.command.clone().unwrap_or_default(),
        hint: exec.install_hint.clone(),
    });
    config.auth_info = user;
    Ok(Found {
        config,
        context,
        namespace,
        exec,
    })
}

/// The address of a server, as kubectl completes it: without a scheme, it is one that speaks plain HTTP,
/// unless something is said about certificates.
fn with_scheme(server: String, cluster: &Cluster, user: &AuthInfo) -> String {
    if server.contains("://") {
        return server;
    }
    let has_certificates = cluster.insecure_skip_tls_verify == Some(true)
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || user.client_certificate.is_some()
        || user.client_certificate_data.is_some();
    let scheme = if has_certificates { "https" } else { "http" };
    format!("{scheme}://{server}")
}

/// Whom to trust: the certificate authority of the cluster, or else those of the system.
fn authority(cluster: &Cluster, config: &mut Config) -> Result<(), Error> {
    let file = cluster.certificate_authority.as_deref();
    let file = file.filter(|file| !file.is_empty() && cluster.certificate_authority_data.is_none());
    let what = match file {
        Some(file) => format!("the certificate authority `{file}`"),
        None => "the certificate authority in the kubeconfig".to_owned(),
    };
    let unusable = |why: String| {
        Error::Credentials(format!(
            "{what} cannot be used: {why}; name the right one with --certificate-authority"
        ))
    };
    let read = ExecAuthCluster::try_from(cluster);
    let read = read.map_err(|error| unusable(error::deepest(&error)))?;
    let Some(text) = read.certificate_authority_data else {
        return Ok(());
    };
    let parts = pem::parse_many(text).map_err(|error| unusable(error.to_string()))?;
    let certificates = parts.into_iter().filter(|part| part.tag() == "CERTIFICATE");
    let certificates: Vec<_> = certificates.map(pem::Pem::into_contents).collect();
    if certificates.is_empty() {
        return Err(unusable("there is no PEM certificate in it".into()));
    }
    config.root_cert = Some(certificates);
    // Whoever follows a cluster for days meets new ones.
    config.root_cert_file = file.map(PathBuf::from);
    Ok(())
}

fn override_cluster(flags: &Flags, cluster: &mut Cluster) {
    if flags.server.is_some() {
        cluster.server.clone_from(&flags.server);
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
            impersonate_uid: user.impersonate_uid.take(),
            impersonate_groups: user.impersonate_groups.take(),
            impersonate_user_extra: user.impersonate_user_extra.take(),
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
