//! Flags that name a live cluster or a snapshot of one: those of `kubectl`, as a plugin must have them.

#[cfg(feature = "live")]
use std::path::PathBuf;
#[cfg(feature = "live")]
use std::time::Duration;

use clap::Args;

/// Which cluster, and as whom. Without the feature `live` there are none of these.
#[cfg(feature = "live")]
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Live cluster")]
pub(crate) struct LiveArgs {
    /// Read the cluster of the current context; -f then lays manifests on top of it
    #[arg(long, conflicts_with = "snapshot")]
    pub(crate) live: bool,
    /// Read a cluster from this file, as `watertight snapshot save` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// The context of the kubeconfig to use; implies --live, as all flags below do but -A and
    /// --request-timeout
    #[arg(long, value_name = "NAME", conflicts_with = "snapshot")]
    pub(crate) context: Option<String>,
    /// The kubeconfig file [default: KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// All namespaces, as without -n; names no cluster by itself
    #[arg(short = 'A', long, hide_short_help = true)]
    pub(crate) all_namespaces: bool,
    /// The cluster of the kubeconfig to use
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) cluster: Option<String>,
    /// The user of the kubeconfig to use
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) user: Option<String>,
    /// The address of the API server
    #[arg(
        short = 's',
        long,
        value_name = "URL",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) server: Option<String>,
    /// A bearer token; a kubeconfig keeps it out of the list of processes
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) token: Option<String>,
    /// Ask as this user
    #[arg(
        long = "as",
        value_name = "USER",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) impersonate: Option<String>,
    /// Ask as a member of this group; may be repeated
    #[arg(
        long = "as-group",
        value_name = "GROUP",
        requires = "impersonate",
        hide_short_help = true
    )]
    pub(crate) impersonate_groups: Vec<String>,
    /// Ask as the user with this uid
    #[arg(
        long = "as-uid",
        value_name = "UID",
        requires = "impersonate",
        hide_short_help = true
    )]
    pub(crate) impersonate_uid: Option<String>,
    /// How long to wait for one answer, as 30s or 2m; 0 waits forever; names no cluster by itself
    /// [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration, hide_short_help = true)]
    pub(crate) request_timeout: Option<Duration>,
    /// Do not check the certificate of the API server
    #[arg(long, conflicts_with = "snapshot", hide_short_help = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// The certificate authority of the API server
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// The certificate to ask with
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The key of that certificate
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) client_key: Option<PathBuf>,
    /// The name that the certificate of the API server has to have
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "snapshot",
        hide_short_help = true
    )]
    pub(crate) tls_server_name: Option<String>,
}

/// Without the feature `live` there are no such flags.
#[cfg(not(feature = "live"))]
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LiveArgs {}

#[cfg(feature = "live")]
impl std::fmt::Debug for LiveArgs {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveArgs")
            .field("live", &self.live)
            .field("snapshot", &self.snapshot)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "live")]
impl LiveArgs {
    /// Whether a live cluster is asked for: every flag that names one does.
    pub(crate) fn is_live(&self) -> bool {
        self.live
            || self.insecure_skip_tls_verify
            || [
                &self.kubeconfig,
                &self.certificate_authority,
                &self.client_certificate,
                &self.client_key,
            ]
            .into_iter()
            .any(Option::is_some)
            || [
                &self.context,
                &self.cluster,
                &self.user,
                &self.server,
                &self.token,
                &self.impersonate,
                &self.tls_server_name,
            ]
            .into_iter()
            .any(Option::is_some)
    }

    /// The snapshot that is read in place of a cluster.
    pub(crate) fn snapshot(&self) -> Option<&std::path::Path> {
        self.snapshot.as_deref()
    }

    /// The same flags for another context.
    pub(crate) fn flags(&self, context: Option<&str>) -> watertight_cluster::Flags {
        let context = context.filter(|context| !context.is_empty());
        watertight_cluster::Flags {
            kubeconfig: self.kubeconfig.clone(),
            context: context.map(Into::into).or_else(|| self.context.clone()),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            token: self.token.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_groups: self.impersonate_groups.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            request_timeout: self.request_timeout,
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            tls_server_name: self.tls_server_name.clone(),
        }
    }
}

#[cfg(not(feature = "live"))]
impl LiveArgs {
    /// Never: this build has no live clusters.
    pub(crate) fn is_live(&self) -> bool {
        false
    }

    /// None: this build has no snapshots.
    pub(crate) fn snapshot(&self) -> Option<&std::path::Path> {
        None
    }
}

/// Times as kubectl has them: `30`, `30s`, `2m`, `1h`; 0 is forever.
#[cfg(feature = "live")]
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    /// Nobody waits longer.
    const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number: f64 = digits
        .parse()
        .map_err(|_| "write a number with s, m or h".to_owned())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err("write a number with s, m or h".into()),
    };
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    Ok(if time.is_zero() {
        FOREVER
    } else {
        time.min(FOREVER)
    })
}

#[cfg(all(test, feature = "live"))]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn times_are_those_of_kubectl() {
        let seconds = |text| duration(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("30"), Ok(30.0));
        assert_eq!(seconds("1.5s"), Ok(1.5));
        assert_eq!(seconds("2m"), Ok(120.0));
        assert_eq!(seconds("500ms"), Ok(0.5));
        assert!(seconds("0").unwrap() > 600_000.0);
        for wrong in ["", "s", "-1s", "3 days", "1d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_that_names_a_cluster_means_it() {
        let args = LiveArgs {
            context: Some("prod".into()),
            ..LiveArgs::default()
        };
        assert!(args.is_live());
        assert!(!LiveArgs::default().is_live());
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            live: LiveArgs,
        }
        let parsed = |line: &str| Only::try_parse_from(line.split(' '));
        for flag in [
            "--kubeconfig=a",
            "--cluster=a",
            "--user=a",
            "--server=a",
            "--token=a",
            "--as=a",
            "--insecure-skip-tls-verify",
            "--certificate-authority=a",
            "--client-certificate=a",
            "--client-key=a",
            "--tls-server-name=a",
        ] {
            let alone = parsed(&format!("watertight {flag}")).unwrap();
            assert!(alone.live.is_live(), "{flag}");
            let both = parsed(&format!("watertight {flag} --snapshot=a"));
            assert!(both.is_err(), "{flag}");
        }
        for flag in ["-A", "--request-timeout=1s", "--snapshot=a"] {
            assert!(
                !parsed(&format!("watertight {flag}"))
                    .unwrap()
                    .live
                    .is_live()
            );
        }
        assert_eq!(args.flags(Some("dev")).context.as_deref(), Some("dev"));
        assert_eq!(args.flags(Some("")).context.as_deref(), Some("prod"));
    }
}
