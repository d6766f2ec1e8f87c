//! The part for the whole cluster, in a language that can deny: nobody reaches a metadata service,
//! whatever the policies of a namespace say.

use ipnet::IpNet;

use super::set::managed;
use super::yaml::{Lines, block};
use super::{Language, Manifest};
use crate::facts::metadata::{Cloud, block_list};
use crate::manifest::Direction;

/// The object, if the language has one.
pub(super) fn manifest(language: Language) -> Option<Manifest> {
    let nets = block_list(Cloud::ALL);
    let mut out = Lines::default();
    out.comment(
        0,
        "Nobody reads the credentials of a machine: the metadata services of every cloud, for every \
         pod, whatever the policies of its namespace allow. Made by `watertight baseline`.",
    );
    match language {
        Language::NetworkPolicy => return None,
        Language::ClusterNetworkPolicy => admin(&mut out, &nets),
        Language::Calico => calico(&mut out, &nets),
        Language::Cilium => cilium(&mut out, &nets),
    }
    Some(Manifest {
        name: "cluster".to_owned(),
        text: out.text,
    })
}

fn head(out: &mut Lines, api_version: &str, kind: &str, name: &str) {
    out.line(0, &format!("apiVersion: {api_version}"));
    out.line(0, &format!("kind: {kind}"));
    out.line(0, "metadata:");
    out.line(1, &format!("name: {name}"));
    out.line(1, "labels:");
    out.line(2, &managed());
    out.line(0, "spec:");
}

fn admin(out: &mut Lines, nets: &[IpNet]) {
    head(
        out,
        "policy.networking.k8s.io/v1alpha2",
        "ClusterNetworkPolicy",
        "baseline-no-metadata",
    );
    out.line(1, "tier: Admin");
    out.line(1, "priority: 0");
    out.line(1, "subject:");
    out.line(2, "namespaces: {}");
    out.line(1, &format!("{}:", Direction::Egress.word()));
    out.line(1, "- name: metadata");
    out.line(2, "action: Deny");
    out.line(2, "to:");
    out.line(2, "- networks:");
    for net in nets {
        out.line(3, &format!("- {}", block(*net)));
    }
}

fn calico(out: &mut Lines, nets: &[IpNet]) {
    out.comment(
        0,
        "A tier of its own, asked before the tier `default` in which NetworkPolicies live.",
    );
    out.line(0, "apiVersion: projectcalico.org/v3");
    out.line(0, "kind: Tier");
    out.line(0, "metadata:");
    out.line(1, "name: baseline");
    out.line(1, "labels:");
    out.line(2, &managed());
    out.line(0, "spec:");
    out.line(1, "order: 10");
    out.document();
    head(
        out,
        "projectcalico.org/v3",
        "GlobalNetworkPolicy",
        "baseline.no-metadata",
    );
    out.line(1, "tier: baseline");
    out.line(1, "order: 0");
    out.line(1, "namespaceSelector: all()");
    out.line(1, "types:");
    out.line(1, "- Egress");
    out.line(1, "egress:");
    // C-44: a rule is about one family.
    for v4 in [true, false] {
        out.line(1, "- action: Deny");
        out.line(2, "destination:");
        out.line(3, "nets:");
        for net in nets.iter().filter(|net| matches!(net, IpNet::V4(_)) == v4) {
            out.line(3, &format!("- {}", block(*net)));
        }
    }
    out.comment(1, "Everything else is for the tiers behind this one.");
    out.line(1, "- action: Pass");
}

fn cilium(out: &mut Lines, nets: &[IpNet]) {
    head(
        out,
        "cilium.io/v2",
        "CiliumClusterwideNetworkPolicy",
        "baseline-no-metadata",
    );
    out.line(1, "endpointSelector: {}");
    out.comment(
        1,
        "It only denies: it must not isolate pods that no policy allows anything.",
    );
    out.line(1, "enableDefaultDeny:");
    out.line(2, "ingress: false");
    out.line(2, "egress: false");
    out.line(1, "egressDeny:");
    out.line(1, "- toCIDR:");
    for net in nets {
        out.line(2, &format!("- {}", block(*net)));
    }
}
