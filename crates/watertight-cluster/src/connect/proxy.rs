//! The proxy on the way to a server: as kubectl finds it, so by the rules of Go's `net/http`.
//!
//! `proxy-url` of the kubeconfig, or else `HTTPS_PROXY` (`HTTP_PROXY` for plain HTTP), unless `NO_PROXY`
//! names the server; addresses of this machine need none.

use std::net::IpAddr;

use http::Uri;

use super::Error;

/// The proxies of an environment.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`
    pub https: Option<String>,
    /// `HTTP_PROXY`
    pub http: Option<String>,
    /// `NO_PROXY`
    pub none: Option<String>,
}

impl std::fmt::Debug for Proxies {
    /// Without addresses: there may be a password in them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies")
            .field("none", &self.none)
            .finish_non_exhaustive()
    }
}

impl Proxies {
    pub(super) fn of_process() -> Self {
        let of = |name: &str| {
            let lower = name.to_ascii_lowercase();
            let found = std::env::var(name).ok().filter(|value| !value.is_empty());
            found.or_else(|| std::env::var(lower).ok())
        };
        Self {
            https: of("HTTPS_PROXY"),
            http: of("HTTP_PROXY"),
            none: of("NO_PROXY"),
        }
    }
}

/// The proxy on the way to a server.
pub(super) fn of(
    server: &Uri,
    of_kubeconfig: Option<&str>,
    proxies: &Proxies,
) -> Result<Option<Uri>, Error> {
    let of_kubeconfig = of_kubeconfig.filter(|url| !url.is_empty());
    let chosen = match (of_kubeconfig, server.scheme_str()) {
        (Some(url), _) => Some(url),
        _ if goes_straight(server, proxies.none.as_deref().unwrap_or_default()) => None,
        (None, Some("https")) => proxies.https.as_deref(),
        (None, _) => proxies.http.as_deref(),
    };
    let Some(url) = chosen.map(str::trim).filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let url = match url.split_once("://") {
        None => format!("http://{url}"),
        // Names are resolved by the proxy in both cases.
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => url.to_owned(),
    };
    let parsed = url.parse::<Uri>().ok();
    let parsed = parsed.filter(|url| {
        let is_known = matches!(url.scheme_str(), Some("http" | "https" | "socks5"));
        is_known && url.host().is_some()
    });
    let from = match of_kubeconfig {
        Some(_) => "proxy-url of the kubeconfig",
        None if server.scheme_str() == Some("https") => "HTTPS_PROXY",
        None => "HTTP_PROXY",
    };
    parsed.map(Some).ok_or(Error::Proxy(from))
}

/// A proxy without who logs in.
pub(super) fn shown(proxy: &Uri) -> String {
    let scheme = proxy.scheme_str().unwrap_or("http");
    let host = proxy.host().unwrap_or_default();
    match proxy.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether a server is on this machine, or one that `NO_PROXY` names.
fn goes_straight(server: &Uri, none: &str) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let default = if server.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let port = server.port_u16().unwrap_or(default);
    let entries = none
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let mut entries = entries.map(str::to_ascii_lowercase);
    entries.any(|entry| names(&entry, &host, address, port))
}

/// Whether an entry of `NO_PROXY` names a host: `*`, an address or a block, a domain with all below it,
/// `.domain` or `*.domain` without itself, each of the names with a port if it has one.
fn names(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(block) = entry.parse::<ipnet::IpNet>() {
        return address.is_some_and(|address| block.contains(&address));
    }
    if let Ok(named) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address == Some(named);
    }
    let (name, of_port) = match entry.rsplit_once(':') {
        Some((name, number)) => (name, number.parse::<u16>().ok()),
        None => (entry, None),
    };
    if of_port.is_some_and(|of_port| of_port != port) {
        return false;
    }
    if let Ok(named) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return address == Some(named);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => {
            let above = host.strip_suffix(name);
            !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, proxies: &Proxies) -> Option<String> {
        let found = of(&server.parse().unwrap(), None, proxies).unwrap();
        found.as_ref().map(shown)
    }

    #[test]
    fn servers_that_no_proxy_names_are_reached_straight() {
        let none = "localhost, 10.0.0.0/8,192.0.2.7,.corp.example,*.lab.example,dev.example,p.example:8443,,";
        let proxies = Proxies {
            https: Some("http://me:hush@proxy.example:3128".into()),
            none: Some(none.into()),
            ..Proxies::default()
        };
        for straight in [
            "https://10.1.2.3:6443",
            "https://192.0.2.7",
            "https://api.corp.example:6443",
            "https://a.lab.example",
            "https://dev.example",
            "https://API.dev.example:6443",
            "https://p.example:8443",
            "https://127.0.0.1:6443",
            "https://[::1]:6443",
            "https://localhost",
            // There is none for plain HTTP.
            "http://other.example",
        ] {
            assert_eq!(proxy(straight, &proxies), None, "{straight}");
        }
        for through in [
            "https://11.1.2.3:6443",
            "https://corp.example",
            "https://notdev.example",
            "https://p.example:6443",
        ] {
            let expected = "http://proxy.example:3128";
            assert_eq!(
                proxy(through, &proxies).as_deref(),
                Some(expected),
                "{through}"
            );
        }
        let nobody = Proxies {
            none: Some("*".into()),
            ..proxies.clone()
        };
        assert_eq!(proxy("https://other.example", &nobody), None);
        assert!(!format!("{proxies:?}").contains("hush"));
    }

    #[test]
    fn the_kubeconfig_wins_and_what_cannot_be_used_is_named() {
        let proxies = Proxies {
            https: Some("proxy.example:3128".into()),
            none: Some("*".into()),
            ..Proxies::default()
        };
        let server: Uri = "https://127.0.0.1:6443".parse().unwrap();
        let named = |url| of(&server, Some(url), &proxies);
        for (url, expected) in [
            ("socks5://localhost:1080", "socks5://localhost:1080"),
            ("socks5h://localhost:1080", "socks5://localhost:1080"),
            ("https://p.example", "https://p.example"),
            ("p.example:1", "http://p.example:1"),
        ] {
            assert_eq!(
                named(url).unwrap().as_ref().map(shown).as_deref(),
                Some(expected)
            );
        }
        assert_eq!(named("").unwrap(), None);
        for wrong in ["ftp://p.example", "http://", "http://a b"] {
            assert_eq!(
                named(wrong).unwrap_err(),
                Error::Proxy("proxy-url of the kubeconfig")
            );
        }
        let broken = Proxies {
            https: Some("gopher://x".into()),
            ..Proxies::default()
        };
        let other: Uri = "https://other.example".parse().unwrap();
        assert_eq!(
            of(&other, None, &broken).unwrap_err(),
            Error::Proxy("HTTPS_PROXY")
        );
    }
}
