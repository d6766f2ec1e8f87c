//! What an input must use for a bug to matter, as far as that can be told.
//!
//! INVARIANT: in doubt a bug is listed. A row of [`NEEDS`] takes a bug out only for inputs that
//! cannot meet it.

use std::net::IpAddr;

use crate::engine::{Bug, Engine};
use crate::manifest::{Direction, PeerKind, PortRef};
use crate::rules::{Context, engines};
use crate::sets::IpBlock;
use crate::world::inventory::Inventory;

/// A condition on the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A named port.
    NamedPort,
    /// A block with exceptions.
    Except,
    /// A block.
    Block,
    /// A block of a whole family.
    WholeFamily,
    /// A policy that isolates for egress.
    Egress,
    /// An address or block of IPv6.
    Ipv6,
    /// An object of the engine's own API group.
    OwnKind,
    /// The eBPF dataplane of Calico.
    Ebpf,
    /// Its nftables dataplane.
    Nftables,
}

/// Bugs that need something; all others can matter for any policy.
const NEEDS: &[(&str, Need)] = &[
    ("CVE-2023-27594", Need::Ipv6),
    ("CVE-2023-30851", Need::OwnKind),
    ("CVE-2023-41333", Need::OwnKind),
    ("CVE-2024-28248", Need::OwnKind),
    ("CVE-2024-42488", Need::OwnKind),
    ("CVE-2024-47825", Need::OwnKind),
    ("CVE-2024-52529", Need::OwnKind),
    ("CVE-2025-30162", Need::Egress),
    ("CVE-2025-30163", Need::OwnKind),
    ("CVE-2025-64715", Need::OwnKind),
    ("CVE-2026-25804", Need::OwnKind),
    ("CVE-2026-26963", Need::OwnKind),
    ("amazon-network-policy-controller-0be0c0e", Need::Except),
    ("amazon-network-policy-controller-8eca555", Need::Egress),
    ("antrea-574", Need::Egress),
    ("aws-network-policy-agent-92", Need::Except),
    ("aws-network-policy-agent-9fdad23", Need::Block),
    ("azure-npm-1739", Need::WholeFamily),
    ("azure-npm-2841", Need::Except),
    ("calico-11565", Need::Ebpf),
    ("calico-11986", Need::OwnKind),
    ("calico-13390", Need::Ebpf),
    ("calico-13442", Need::Nftables),
    ("calico-2582", Need::OwnKind),
    ("calico-3.21-do-not-track", Need::OwnKind),
    ("calico-5104", Need::Block),
    ("calico-5768", Need::Ebpf),
    ("calico-7148", Need::OwnKind),
    ("calico-9392", Need::OwnKind),
    ("kube-ovn-5089", Need::Egress),
    ("kube-ovn-6419", Need::Except),
    ("kube-ovn-6461", Need::Egress),
    ("kube-ovn-6536", Need::NamedPort),
    ("kube-router-609", Need::Egress),
    ("kube-router-ada3179c", Need::Ipv6),
    ("kube-router-f0d7f1e1", Need::NamedPort),
    ("ovn-kubernetes-845", Need::Except),
];

/// Bugs that are features the engine lacked: WT602 tells them, at the lines that need the feature.
const MISSING_FEATURES: &[&str] = &["cilium-28684"];

/// API groups of the engines that have policy kinds of their own.
const OWN_GROUPS: &[(Engine, &[&str])] = &[
    (Engine::Cilium, &["cilium.io/"]),
    // The second is part of `crd.projectcalico.org/` as well.
    (Engine::Calico, &["projectcalico.org/"]),
    (Engine::Antrea, &["antrea.io/"]),
];

/// What an input uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    found: Vec<Need>,
}

impl Uses {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let mut uses = Self::default();
        for policy in context.world.policy_ids() {
            let spec = &context.world[policy].spec;
            for direction in Direction::BOTH {
                if context.policy_ref(policy, direction).is_none() {
                    continue;
                }
                if direction == Direction::Egress {
                    uses.add(Need::Egress);
                }
                for rule in &spec.section(direction).rules {
                    for port in &rule.ports {
                        if matches!(port.port, Some(PortRef::Name(_))) {
                            uses.add(Need::NamedPort);
                        }
                    }
                    for peer in &rule.peers {
                        if let PeerKind::IpBlock(block) = &peer.kind {
                            uses.block(block);
                        }
                    }
                }
            }
        }
        if may_have_ipv6(context) {
            uses.add(Need::Ipv6);
        }
        if has_own_kinds(context) {
            uses.add(Need::OwnKind);
        }
        let dataplane = dataplane(&context.world.inventory);
        for need in [Need::Ebpf, Need::Nftables] {
            if dataplane.is_none_or(|known| known == Some(need)) {
                uses.add(need);
            }
        }
        uses
    }

    fn add(&mut self, need: Need) {
        if !self.found.contains(&need) {
            self.found.push(need);
        }
    }

    fn block(&mut self, block: &IpBlock) {
        self.add(Need::Block);
        if !block.except.is_empty() {
            self.add(Need::Except);
        }
        if block.is_whole_family() {
            self.add(Need::WholeFamily);
        }
        if !block.is_v4() {
            self.add(Need::Ipv6);
        }
    }

    /// Whether a bug can matter for this input.
    pub(super) fn concern(&self, bug: &Bug) -> bool {
        if MISSING_FEATURES.contains(&bug.id) {
            return false;
        }
        let need = NEEDS.iter().find(|(id, _)| *id == bug.id);
        need.is_none_or(|(_, need)| self.found.contains(need))
    }
}

/// Whether pods have IPv6 addresses, or none that is known.
fn may_have_ipv6(context: &Context<'_>) -> bool {
    let endpoints = &context.world.endpoints;
    let mut known = endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.ips)
        .peekable();
    known.peek().is_none() || known.any(IpAddr::is_ipv6)
}

/// The dataplane of Calico as its settings choose it: none of the two is iptables or VPP. Nothing is known
/// where no setting was read.
fn dataplane(inventory: &Inventory) -> Option<Option<Need>> {
    let of_kind = |kind: &'static str| inventory.configs.iter().filter(move |of| &*of.kind == kind);
    let says = |path: &str, word: &str| {
        let mut found = of_kind("FelixConfiguration").filter_map(|of| of.value(path));
        found.any(|said| said.text.eq_ignore_ascii_case(word))
    };
    let installed = of_kind("Installation")
        .filter_map(|of| of.value("spec.calicoNetwork.linuxDataplane"))
        .map(|said| &*said.text);
    let installed: Vec<&str> = installed.collect();
    let variables = inventory.controllers.iter().flat_map(|of| &of.containers);
    let mut variables = variables.filter_map(|of| of.variable("FELIX_BPFENABLED"));
    let is_ebpf = installed.contains(&"BPF")
        || says("spec.bpfEnabled", "true")
        || variables.any(|said| &*said.text == "true");
    if is_ebpf {
        return Some(Some(Need::Ebpf));
    }
    if installed.contains(&"Nftables") || says("spec.nftablesMode", "Enabled") {
        return Some(Some(Need::Nftables));
    }
    let mut felix = of_kind("FelixConfiguration");
    let was_read = felix.any(|of| &*of.name == "default") || !installed.is_empty();
    was_read.then_some(None)
}

/// Whether the input has objects of the engine's own API groups. They are not evaluated, so their
/// text is all there is to look at.
fn has_own_kinds(context: &Context<'_>) -> bool {
    let groups: Vec<_> = OWN_GROUPS
        .iter()
        .filter(|(engine, _)| engines::runs(context.profile, *engine))
        .flat_map(|(_, groups)| *groups)
        .map(|group| memchr::memmem::Finder::new(*group))
        .collect();
    context.sources.iter().any(|(_, file)| {
        let text = file.text().as_bytes();
        groups.iter().any(|group| group.find(text).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Options;
    use crate::source::Sources;
    use crate::world::{Assume, read};

    #[test]
    fn every_row_names_a_bug_of_the_catalog() {
        let ids = NEEDS.iter().map(|(id, _)| id).chain(MISSING_FEATURES);
        for id in ids {
            let known = Engine::ALL
                .iter()
                .any(|engine| engine.facts().bugs.iter().any(|bug| bug.id == *id));
            assert!(known, "{id}");
        }
        assert!(NEEDS.is_sorted_by_key(|(id, _)| *id), "each once, in order");
    }

    /// A bug of one dataplane is none of a cluster that is known to run another.
    #[test]
    fn settings_tell_the_dataplane_of_calico() {
        let of = |text: &str| {
            let mut sources = Sources::new();
            sources.add("t.yaml", text.into()).unwrap();
            let (world, _) = read(&sources, &Options::default(), &Assume::default(), None);
            dataplane(&world.inventory)
        };
        let felix = |spec: &str| {
            of(&format!(
                "{{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {{name: default}}, spec: {{{spec}}}}}"
            ))
        };
        let installed = |dataplane: &str| {
            of(&format!(
                "{{apiVersion: operator.tigera.io/v1, kind: Installation, metadata: {{name: default}}, spec: {{calicoNetwork: {{linuxDataplane: {dataplane}}}}}}}"
            ))
        };
        assert_eq!(
            of("{apiVersion: v1, kind: Namespace, metadata: {name: a}}"),
            None
        );
        assert_eq!(felix(""), Some(None));
        assert_eq!(felix("bpfEnabled: true"), Some(Some(Need::Ebpf)));
        assert_eq!(felix("nftablesMode: Enabled"), Some(Some(Need::Nftables)));
        assert_eq!(installed("Iptables"), Some(None));
        assert_eq!(installed("BPF"), Some(Some(Need::Ebpf)));
        assert_eq!(installed("Nftables"), Some(Some(Need::Nftables)));
        let variable = of(
            "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: calico-node, namespace: kube-system}, \
             spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: \
             [{name: calico-node, image: calico/node, env: [{name: FELIX_BPFENABLED, value: \"true\"}]}]}}}}",
        );
        assert_eq!(variable, Some(Some(Need::Ebpf)));
    }
}
