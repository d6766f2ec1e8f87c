//! The readings that the API text leaves open, each with a name and a closed list of values.
//!
//! A switch is set by the engine and may be overridden by the user. The default of every switch is
//! the reference reading: the one that most engines share and that the conformance tests support.
//!
//! INVARIANT: `name=value` as printed by [`Switches::describe`] is accepted by [`Switches::set`]
//! and leads back to the same value.

use std::fmt;

use crate::facts::word_enum;
use crate::suggest::nearest;

word_enum! {
    /// Traffic between a pod and the node it runs on (K-73, K-74).
    pub enum NodeLocal {
        /// Never policed, in neither direction.
        ExemptBoth => "exempt-both",
        /// Node to pod is never policed; pod to node is.
        ExemptIngress => "exempt-ingress",
        /// Policed like any other.
        None => "none",
    }
}

word_enum! {
    /// How a host-network pod is seen, as subject and as peer (K-71, K-72).
    pub enum HostNetwork {
        /// As its node's address: no selector matches it.
        NodeIp => "node-ip",
        /// As a pod with its labels.
        PodLabels => "pod-labels",
    }
}

word_enum! {
    /// Whether an `ipBlock` matches the address of a pod (K-65).
    pub enum IpBlockPods {
        /// It does, as in the conformance tests.
        Match => "match",
        /// It never does (L-44).
        Never => "never",
    }
}

word_enum! {
    /// Which destination policy sees when a pod dials a Service (K-79).
    pub enum ServiceDnat {
        /// The backend's address and target port.
        Post => "post",
        /// The Service's address and port.
        Pre => "pre",
    }
}

word_enum! {
    /// A pod that reaches itself through a Service (K-76).
    pub enum HairpinService {
        /// Never policed.
        Exempt => "exempt",
        /// Needs its own egress and ingress to match itself.
        Policed => "policed",
    }
}

word_enum! {
    /// ICMP to and from isolated pods (K-61).
    pub enum Icmp {
        /// Admitted by rules without `ports`, and by no other.
        AllPortsRules => "all-ports-rules",
        /// Never policed.
        Exempt => "exempt",
        /// Admitted by no rule.
        Drop => "drop",
    }
}

word_enum! {
    /// What a port range means (K-50).
    pub enum EndPort {
        /// Every port up to `endPort`.
        Supported => "supported",
        /// `endPort` is ignored, only `port` is admitted.
        FirstOnly => "first-only",
    }
}

word_enum! {
    /// Rules in a section that `policyTypes` leaves out (K-10).
    pub enum PolicyTypesGate {
        /// They are inert.
        Strict => "strict",
        /// They isolate and allow all the same (L-79).
        Sections => "sections",
    }
}

word_enum! {
    /// Connections that were open before a policy changed (K-78).
    pub enum Established {
        /// Not evaluated: verdicts are about new connections.
        NewOnly => "new-only",
        /// They stay open.
        Survive => "survive",
        /// They are judged again.
        ReEvaluate => "re-evaluate",
    }
}

word_enum! {
    /// The source address that policy sees on traffic through NodePort and LoadBalancer Services
    /// (K-82).
    pub enum Snat {
        /// The client's.
        Preserve => "preserve",
        /// A node's.
        NodeIp => "node-ip",
    }
}

word_enum! {
    /// Whether policies act at all (D-11), and on which endpoints (L-22).
    pub enum EnforcementSwitch {
        /// They do, on the endpoints that they select.
        Default => "default",
        /// Every policy is inert.
        None => "none",
        /// They do, and every endpoint is isolated in both directions, selected or not.
        Always => "always",
        /// Nothing is enforced, denials included.
        Never => "never",
    }
}

word_enum! {
    /// Which pods the Baseline tier decides about (A-17).
    pub enum BaselineScope {
        /// Those that no NetworkPolicy isolates in the direction in question.
        PerDirection => "per-direction",
        /// Those that no NetworkPolicy selects at all.
        PerPod => "per-pod",
    }
}

word_enum! {
    /// Policies of one tier with the same priority (A-12).
    pub enum Tie {
        /// Either may be asked first: where the outcomes differ, the verdict is uncertain.
        Error => "error",
        /// The one whose name comes first in the alphabet.
        ByName => "by-name",
    }
}

word_enum! {
    /// What becomes of traffic from a pod to its own node that the pod's egress policy lets
    /// through (C-72).
    pub enum EndpointToHost {
        /// It goes on to the policies about the node, as everywhere but on Calico.
        Return => "Return",
        /// It is let in, whatever policies about the node say.
        Accept => "Accept",
        /// It is dropped.
        Drop => "Drop",
    }
}

word_enum! {
    /// Traffic from a node to the pods on it, on Cilium (L-72).
    pub enum AllowLocalhost {
        /// Always allowed.
        Auto => "auto",
        /// Policed like any other.
        Policy => "policy",
    }
}

word_enum! {
    /// Which AdminNetworkPolicy is read (A-33).
    pub enum AnpApi {
        /// The one of current servers.
        Current => "current",
        /// That of release 0.1.1, with `sameLabels` and `notSameLabels`.
        Old => "v0.1.1",
    }
}

word_enum! {
    /// VXLAN and IPIP packets that a pod sends (C-73).
    pub enum PodTunnels {
        /// Judged like any other traffic.
        Policed => "policed",
        /// Dropped before any policy.
        Drop => "drop",
    }
}

impl EnforcementSwitch {
    /// Whether every policy is inert.
    #[must_use]
    pub fn is_off(self) -> bool {
        matches!(self, Self::None | Self::Never)
    }
}

/// One reading for every point that the API leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Switches {
    /// Traffic between a pod and its own node.
    pub node_local: NodeLocal,
    /// Host-network pods as subjects and peers.
    pub host_network: HostNetwork,
    /// Whether `ipBlock` matches pods.
    pub ipblock_pods: IpBlockPods,
    /// Whether `ipBlock` matches node addresses, and with them host-network pods (K-70, L-45).
    pub ipblock_nodes: bool,
    /// Which destination policy sees behind a Service.
    pub service_dnat: ServiceDnat,
    /// A pod that reaches itself through a Service.
    pub hairpin_service: HairpinService,
    /// ICMP to and from isolated pods.
    pub icmp: Icmp,
    /// Port ranges.
    pub endport: EndPort,
    /// Sections that `policyTypes` leaves out.
    pub policy_types_gate: PolicyTypesGate,
    /// Connections older than a policy change.
    pub established: Established,
    /// Sources of traffic from outside.
    pub snat: Snat,
    /// Whether policies act at all.
    pub enforcement: EnforcementSwitch,
    /// Whether sloppy CIDR spellings are errors, as since Kubernetes 1.36, or warnings (V-20).
    pub strict_cidr: bool,
    /// Which pods the Baseline tier decides about.
    pub baseline_scope: BaselineScope,
    /// Policies of one tier with the same priority.
    pub tie: Tie,
    /// Traffic from a pod to its own node behind the pod's policies.
    pub endpoint_to_host: EndpointToHost,
    /// Traffic from a node to the pods on it.
    pub allow_localhost: AllowLocalhost,
    /// Which AdminNetworkPolicy is read.
    pub anp_api: AnpApi,
    /// Whether EgressNetworkPolicy of OpenShift SDN acts (O-13).
    pub legacy_sdn: bool,
    /// Whether CIDRs of Cilium match nodes (L-47).
    pub cidr_match_nodes: bool,
    /// Tunnel packets that a pod sends.
    pub pod_tunnels: PodTunnels,
}

impl Switches {
    /// The reference reading of everything.
    pub const REFERENCE: Self = Self {
        node_local: NodeLocal::ExemptBoth,
        host_network: HostNetwork::NodeIp,
        ipblock_pods: IpBlockPods::Match,
        ipblock_nodes: true,
        service_dnat: ServiceDnat::Post,
        hairpin_service: HairpinService::Exempt,
        icmp: Icmp::AllPortsRules,
        endport: EndPort::Supported,
        policy_types_gate: PolicyTypesGate::Strict,
        established: Established::NewOnly,
        snat: Snat::Preserve,
        enforcement: EnforcementSwitch::Default,
        strict_cidr: true,
        baseline_scope: BaselineScope::PerDirection,
        tie: Tie::Error,
        endpoint_to_host: EndpointToHost::Return,
        allow_localhost: AllowLocalhost::Auto,
        anp_api: AnpApi::Current,
        legacy_sdn: false,
        cidr_match_nodes: false,
        pod_tunnels: PodTunnels::Policed,
    };

    /// Sets one switch by name, as in `node_local=exempt-ingress`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
        let Some(row) = ROWS.iter().find(|row| row.name == name) else {
            return Err(SwitchError::UnknownName {
                given: name.to_owned(),
                nearest: nearest(name, ROWS.iter().map(|row| row.name)),
            });
        };
        if (row.set)(self, value) {
            Ok(())
        } else {
            Err(SwitchError::UnknownValue {
                name: row.name,
                given: value.to_owned(),
                valid: row.values,
            })
        }
    }

    /// The name of every switch that can be set, in a fixed order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }

    /// The values of a switch, the default not always first; `None` if there is no such switch.
    pub fn values(name: &str) -> Option<&'static [&'static str]> {
        ROWS.iter()
            .find(|row| row.name == name)
            .map(|row| row.values)
    }

    /// One line on what a switch decides; `None` if there is no such switch.
    pub fn summary(name: &str) -> Option<&'static str> {
        ROWS.iter()
            .find(|row| row.name == name)
            .map(|row| row.summary)
    }

    /// Every switch with its value, in the order of [`Self::names`].
    pub fn describe(&self) -> Vec<(&'static str, &'static str)> {
        ROWS.iter().map(|row| (row.name, (row.get)(self))).collect()
    }

    /// The switches that differ from `other`, with the values they have here.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, &'static str)> {
        ROWS.iter()
            .map(|row| (row.name, (row.get)(self), (row.get)(other)))
            .filter(|(_, here, there)| here != there)
            .map(|(name, here, _)| (name, here))
            .collect()
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self::REFERENCE
    }
}

/// A text that sets no switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchError {
    /// There is no switch of that name.
    UnknownName {
        /// What was given.
        given: String,
        /// The switches that were probably meant, likeliest first.
        nearest: Vec<&'static str>,
    },
    /// The switch has no such value.
    UnknownValue {
        /// The switch.
        name: &'static str,
        /// What was given.
        given: String,
        /// The values it has.
        valid: &'static [&'static str],
    },
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { given, nearest } => {
                write!(f, "unknown switch `{given}`")?;
                if let Some(name) = nearest.first() {
                    write!(f, ", did you mean `{name}`")?;
                }
                f.write_str("; switches are ")?;
                for (index, name) in Switches::names().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    f.write_str(name)?;
                }
                Ok(())
            }
            Self::UnknownValue { name, given, valid } => {
                write!(
                    f,
                    "switch `{name}` has no value `{given}`; it takes {}",
                    valid.join(", ")
                )
            }
        }
    }
}

impl std::error::Error for SwitchError {}

struct Row {
    name: &'static str,
    summary: &'static str,
    values: &'static [&'static str],
    get: fn(&Switches) -> &'static str,
    set: fn(&mut Switches, &str) -> bool,
}

macro_rules! row {
    ($field:ident: bool, $summary:literal) => {
        Row {
            name: stringify!($field),
            summary: $summary,
            values: &["true", "false"],
            get: |switches| if switches.$field { "true" } else { "false" },
            set: |switches, value| value.parse().map(|value| switches.$field = value).is_ok(),
        }
    };
    ($field:ident: $words:ident, $summary:literal) => {
        Row {
            name: stringify!($field),
            summary: $summary,
            values: $words::WORDS,
            get: |switches| switches.$field.word(),
            set: |switches, value| {
                $words::from_word(value)
                    .map(|value| switches.$field = value)
                    .is_some()
            },
        }
    };
}

static ROWS: &[Row] = &[
    row!(node_local: NodeLocal, "traffic between a pod and the node it runs on"),
    row!(host_network: HostNetwork, "how host-network pods are matched"),
    row!(ipblock_pods: IpBlockPods, "whether ipBlock matches pod addresses"),
    row!(ipblock_nodes: bool, "whether ipBlock matches node addresses"),
    row!(service_dnat: ServiceDnat, "whether policy sees a Service or its backend"),
    row!(hairpin_service: HairpinService, "a pod that reaches itself through a Service"),
    row!(icmp: Icmp, "which rules admit ICMP to isolated pods"),
    row!(endport: EndPort, "whether endPort is honoured"),
    row!(policy_types_gate: PolicyTypesGate, "whether rules act that policyTypes leaves out"),
    row!(established: Established, "connections that are older than a policy change"),
    row!(snat: Snat, "the source address of NodePort and LoadBalancer traffic"),
    row!(enforcement: EnforcementSwitch, "whether policies act at all"),
    row!(strict_cidr: bool, "whether a CIDR with host bits is an error, as since Kubernetes 1.36"),
    row!(baseline_scope: BaselineScope, "which pods the Baseline tier decides about"),
    row!(tie: Tie, "policies of one tier with the same priority"),
    row!(endpoint_to_host: EndpointToHost, "a pod's traffic to its own node behind its policies"),
    row!(allow_localhost: AllowLocalhost, "traffic from a node to its pods, on Cilium"),
    row!(anp_api: AnpApi, "which AdminNetworkPolicy is read"),
    row!(legacy_sdn: bool, "whether EgressNetworkPolicy acts"),
    row!(cidr_match_nodes: bool, "whether CIDRs of Cilium match nodes"),
    row!(pod_tunnels: PodTunnels, "VXLAN and IPIP packets that a pod sends"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_reference_reading_is_the_default() {
        let described: Vec<String> = Switches::default()
            .describe()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        expect_test::expect![[r#"
            node_local=exempt-both
            host_network=node-ip
            ipblock_pods=match
            ipblock_nodes=true
            service_dnat=post
            hairpin_service=exempt
            icmp=all-ports-rules
            endport=supported
            policy_types_gate=strict
            established=new-only
            snat=preserve
            enforcement=default
            strict_cidr=true
            baseline_scope=per-direction
            tie=error
            endpoint_to_host=Return
            allow_localhost=auto
            anp_api=current
            legacy_sdn=false
            cidr_match_nodes=false
            pod_tunnels=policed
        "#]]
        .assert_eq(&(described.join("\n") + "\n"));
    }

    #[test]
    fn every_name_and_value_round_trips_and_touches_nothing_else() {
        for name in Switches::names() {
            let values = Switches::values(name).unwrap();
            assert!(values.len() >= 2, "{name}");
            assert!(!Switches::summary(name).unwrap().is_empty());
            let mut seen = BTreeSet::new();
            for &value in values {
                let mut switches = Switches::default();
                switches.set(name, value).unwrap();
                let described = switches.describe();
                assert!(described.contains(&(name, value)), "{name}={value}");
                let changed = switches.differences(&Switches::default());
                assert!(
                    changed.is_empty() || changed == [(name, value)],
                    "{changed:?}"
                );
                assert!(seen.insert(value), "{name} has {value} twice");
                let mut again = Switches::default();
                for (name, value) in described {
                    again.set(name, value).unwrap();
                }
                assert_eq!(again, switches);
            }
        }
    }

    #[test]
    fn unknown_names_and_values_list_the_valid_ones() {
        let mut switches = Switches::default();
        let name = switches.set("node_locl", "none").unwrap_err();
        expect_test::expect![[r#"
            unknown switch `node_locl`, did you mean `node_local`; switches are node_local, host_network, ipblock_pods, ipblock_nodes, service_dnat, hairpin_service, icmp, endport, policy_types_gate, established, snat, enforcement, strict_cidr, baseline_scope, tie, endpoint_to_host, allow_localhost, anp_api, legacy_sdn, cidr_match_nodes, pod_tunnels
        "#]]
        .assert_eq(&format!("{name}\n"));
        let value = switches.set("node_local", "exempt").unwrap_err();
        expect_test::expect![[r#"
            switch `node_local` has no value `exempt`; it takes exempt-both, exempt-ingress, none
        "#]]
        .assert_eq(&format!("{value}\n"));
        let flag = switches.set("strict_cidr", "yes").unwrap_err();
        assert_eq!(
            flag.to_string(),
            "switch `strict_cidr` has no value `yes`; it takes true, false"
        );
        assert_eq!(switches, Switches::default());
    }
}
