//! What nodes tell of their provider and of their network, without what else they tell.

use serde_json::{Map, Value, json};
use watertight_core::engine::detect::NODE_FLAGS;

use super::Renamer;

/// Schemes of the ids that providers give nodes.
const PROVIDERS: &[&str] = &[
    "aws",
    "azure",
    "digitalocean",
    "gce",
    "hcloud",
    "ibm",
    "k3s",
    "kind",
    "linode",
    "oci",
    "openstack",
    "rke2",
    "vsphere",
];

/// What the flags about the network are set to.
const SETTINGS: &[&str] = &[
    "calico",
    "canal",
    "cilium",
    "false",
    "flannel",
    "host-gw",
    "ipsec",
    "multus",
    "none",
    "true",
    "vxlan",
    "wireguard",
    "wireguard-native",
];

/// The id that a provider gave a node: its scheme stays.
pub(super) fn provider(id: &str, names: &mut Renamer) -> String {
    match id.split_once("://") {
        Some((scheme, rest)) if PROVIDERS.contains(&scheme) => {
            format!("{scheme}://{}", names.text(rest))
        }
        _ => names.text(id),
    }
}

/// Of annotations, that findings are suppressed stays, what names a backend of an engine, and what
/// nodes say about the network when they say how they were started.
pub(super) fn told(annotations: &mut Map<String, Value>) {
    annotations.retain(|key, value| {
        if key.starts_with("ignore.watertight.dev/") {
            *value = "redacted".into();
            return true;
        }
        if key.ends_with(".io/node-args") {
            *value = arguments(value.as_str().unwrap_or_default()).into();
            return true;
        }
        key == "flannel.alpha.coreos.com/backend-type"
    });
}

/// The arguments of k3s or RKE2: which of its commands it is, and the flags about the network.
fn arguments(text: &str) -> String {
    // Texts that are no list are cut into words, as detection cuts them.
    let words = serde_json::from_str::<Vec<String>>(text);
    let words = words.unwrap_or_else(|_| text.split_whitespace().map(Into::into).collect());
    let mut kept: Vec<String> = Vec::new();
    let mut words = words.iter().peekable();
    if let Some(command) = words.next_if(|word| !word.starts_with('-')) {
        kept.extend(
            ["server", "agent"]
                .iter()
                .find(|known| *known == command)
                .map(|of| (*of).into()),
        );
    }
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), None),
        };
        if !NODE_FLAGS.contains(&flag) {
            continue;
        }
        let behind = || {
            words
                .next_if(|next| !next.starts_with('-'))
                .map(String::as_str)
        };
        let value = value.or_else(behind);
        let is_harmless = |value: &str| value.split(',').all(|part| SETTINGS.contains(&part));
        match value.filter(|value| is_harmless(value)) {
            Some(value) => kept.push(format!("{flag}={value}")),
            None => kept.push(flag.to_owned()),
        }
    }
    json!(kept).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_about_the_network_stay_and_others_go() {
        for (said, kept) in [
            (
                r#"["server","--token","hush","--disable-network-policy","--flannel-backend","none"]"#,
                r#"["server","--disable-network-policy","--flannel-backend=none"]"#,
            ),
            (
                r#"["server","--disable-network-policy=true","--cni","multus,canal","--node-name=ledger"]"#,
                r#"["server","--disable-network-policy=true","--cni=multus,canal"]"#,
            ),
            (r#"["agent","--cni=ledger-cni"]"#, r#"["agent","--cni"]"#),
            (r#"["ledger","--cni","none"]"#, r#"["--cni=none"]"#),
            (
                "server --disable-network-policy x",
                r#"["server","--disable-network-policy"]"#,
            ),
            ("", "[]"),
        ] {
            assert_eq!(arguments(said), kept, "{said}");
        }
    }

    #[test]
    fn providers_stay_and_machines_go() {
        let mut names = Renamer::default();
        for (id, kept) in [
            ("aws:///eu-west-1a/i-0abc", "aws:///x1-x2-x3/x4-x5"),
            ("kind://docker/ledger/n1", "kind://docker/x6/x7"),
            ("ledger://n1", "x6://x7"),
            ("", ""),
        ] {
            assert_eq!(provider(id, &mut names), kept);
        }
    }
}
