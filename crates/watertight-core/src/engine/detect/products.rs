//! What is special about single products: engines under another name, without a DaemonSet, or off
//! for a reason that is no plain value.

use super::ask::{config_maps_were_read, settings_were_read};
use super::candidates::{Candidate, switches};
use super::{Cause, Found, Proof, Provider, State, nodes};
use crate::engine::{Engine, Version};
use crate::world::World;
use crate::world::inventory::{Config, Controller, ControllerKind, KindState, Said};

/// The engine as a product names it.
pub(super) fn product(
    world: &World,
    provider: Option<Provider>,
    engine: Engine,
    controller: Option<&Controller>,
) -> Engine {
    let selects = |key: &str| {
        let selector = controller.map_or(&[][..], |controller| &controller.node_selector);
        selector.iter().any(|(found, _)| **found == *key)
    };
    match (engine, provider) {
        (Engine::Flannel, _)
            if controller.is_some_and(|of| of.container("kube-network-policies").is_some()) =>
        {
            Engine::KubeNetworkPolicies
        }
        (Engine::Calico, _) if selects("projectcalico.org/ds-ready") => Engine::GkeCalico,
        (Engine::Calico, Some(Provider::Aks)) => Engine::AksCalico,
        (Engine::Calico, Some(Provider::MicroK8s)) => Engine::MicroK8s,
        (Engine::Cilium, _) if is_azure(world, controller) => Engine::AzureCniCilium,
        (engine, _) => engine,
    }
}

fn is_azure(world: &World, controller: Option<&Controller>) -> bool {
    let key = "kubernetes.azure.com/ebpf-dataplane";
    let mut all = world.nodes.iter();
    let labelled = all.any(|node| nodes::label(world, node, key) == Some("cilium"));
    let mut images = controller.into_iter().flat_map(|of| &of.containers);
    labelled
        || images.any(|of| {
            of.image
                .text
                .starts_with("mcr.microsoft.com/containernetworking/")
        })
}

/// The release of engines that are counted by the cluster's, or by an object of their own.
pub(super) fn release(
    world: &World,
    engine: Engine,
    version: Option<Version>,
    seen: Proof,
) -> (Option<Version>, Proof) {
    let of_config = |kind: &str, path: &str| {
        let mut all = world.inventory.configs.iter();
        let said = all.find_map(|config| {
            let said = (*config.kind == *kind)
                .then(|| config.value(path))
                .flatten()?;
            Some((config.title(), said.clone()))
        });
        let (object, said) = said?;
        Some((
            said.text.parse::<Version>().ok()?,
            proof(object, path, &said),
        ))
    };
    let own = match engine {
        Engine::GkeDpv2 | Engine::K3s | Engine::MicroK8s => kubelet(world),
        Engine::OpenShiftSdn | Engine::OvnKubernetes if version.is_none() => {
            of_config("ClusterVersion", "status.desired.version")
        }
        Engine::Calico | Engine::Canal | Engine::AksCalico | Engine::GkeCalico
            if version.is_none() =>
        {
            of_config("ClusterInformation", "spec.calicoVersion")
        }
        Engine::Antrea if version.is_none() => of_config("AntreaAgentInfo", "version"),
        _ => None,
    };
    match own {
        Some((found, proof)) => (Some(found), proof),
        None if engine == Engine::MicroK8s => (None, seen),
        None => (version, seen),
    }
}

/// The oldest kubelet, in clusters where its release is the engine's.
fn kubelet(world: &World) -> Option<(Version, Proof)> {
    let all = world.inventory.nodes.iter().filter_map(|(name, node)| {
        let said = node.kubelet.as_ref()?;
        let version: Version = said.text.parse().ok()?;
        let field = "status.nodeInfo.kubeletVersion";
        Some((version, proof(format!("Node {name}"), field, said)))
    });
    all.min_by_key(|(version, _)| *version)
}

fn proof(object: String, field: &str, said: &Said) -> Proof {
    Proof {
        object,
        field: field.to_owned(),
        value: said.text.to_string(),
        span: Some(said.span),
    }
}

/// How an engine is set up, in words.
pub(super) fn modes(world: &World, engine: Engine, controller: Option<&Controller>) -> Vec<String> {
    let mut modes = Vec::new();
    let variable = |name: &str| {
        let mut all = controller?.containers.iter();
        all.find_map(|container| container.variable(name))
    };
    let config = |kind: &str, path: &str| {
        let mut all = world.inventory.configs.iter();
        all.find_map(|config| {
            (*config.kind == *kind)
                .then(|| config.value(path))
                .flatten()
        })
    };
    let key = |name: &str, key: &str| {
        let mut all = world.inventory.configs.iter();
        all.find_map(|config| (*config.name == *name).then(|| config.value(key)).flatten())
    };
    match engine {
        Engine::Calico | Engine::GkeCalico | Engine::AksCalico | Engine::MicroK8s => {
            let none =
                variable("CALICO_NETWORKING_BACKEND").is_some_and(|said| &*said.text == "none");
            let foreign =
                config("Installation", "spec.cni.type").filter(|said| &*said.text != "Calico");
            match foreign {
                Some(said) => modes.push(format!("policy only, beside {}", said.text)),
                None if none => modes.push("policy only".to_owned()),
                None => {}
            }
            let ebpf = config("FelixConfiguration", "spec.bpfEnabled");
            let ebpf = ebpf.or_else(|| variable("FELIX_BPFENABLED"));
            let plane = config("Installation", "spec.calicoNetwork.linuxDataplane");
            if ebpf.is_some_and(|said| &*said.text == "true") {
                modes.push("eBPF".to_owned());
            } else if let Some(plane) = plane.filter(|said| &*said.text != "Iptables") {
                modes.push(plane.text.to_string());
            }
        }
        Engine::Cilium => {
            let chained = key("cilium-config", "cni-chaining-mode");
            if let Some(mode) = chained.filter(|said| !["none", ""].contains(&&*said.text)) {
                modes.push(format!(
                    "chained behind {}: only pods wired through the chain are policed",
                    mode.text
                ));
            }
            if key("cilium-config", "enable-policy").is_some_and(|said| &*said.text == "always") {
                modes.push("every endpoint is isolated (enable-policy: always)".to_owned());
            }
            if key("cilium-config", "enable-host-firewall")
                .is_some_and(|said| &*said.text == "true")
            {
                modes.push("host firewall".to_owned());
            }
        }
        Engine::KubeRouter => {
            let mut all = controller.into_iter().flat_map(|of| &of.containers);
            let flag = all.find_map(|of| of.flag("--use-nftables-for-netpol"));
            if flag.is_some_and(|said| matches!(&*said.text, "true" | "")) {
                modes.push("nftables, which is experimental".to_owned());
            }
        }
        Engine::Antrea => {
            let mode = key("antrea-config", "trafficEncapMode");
            if mode.is_some_and(|said| &*said.text == "networkPolicyOnly") {
                modes.push("policy only".to_owned());
            }
        }
        Engine::KubeNetworkPolicies
            if controller.is_some_and(|of| of.container("kube-flannel").is_some()) =>
        {
            modes.push("inside the pods of flannel".to_owned());
        }
        _ => {}
    }
    modes
}

/// Causes that are no plain value of a switch.
pub(super) fn special(
    world: &World,
    engine: Engine,
    controller: Option<&Controller>,
) -> Vec<Cause> {
    let found = match engine {
        Engine::AwsVpcCni => [no_policy_endpoints(world), controller.and_then(v4_egress)],
        Engine::Calico => [foreign_interfaces(world, controller), None],
        _ => [None, None],
    };
    found.into_iter().flatten().collect()
}

/// In clusters of IPv6, pods get a second interface for IPv4 that the agent does not know.
fn v4_egress(controller: &Controller) -> Option<Cause> {
    let agent = controller.container("aws-eks-nodeagent")?;
    let is_v6 = agent
        .flag("--enable-ipv6")
        .is_some_and(|said| matches!(&*said.text, "true" | ""));
    let mut containers = controller.containers.iter();
    let said = containers.find_map(|of| of.variable("ENABLE_V4_EGRESS"))?;
    (is_v6 && &*said.text == "true").then(|| Cause {
        id: "aws-v4-egress",
        state: State::Partial,
        text: "pods of this IPv6 cluster reach IPv4 addresses through an interface that policies do not hold",
        advice: "set ENABLE_V4_EGRESS to \"false\" on aws-node, unless pods need IPv4 addresses outside of the cluster",
        source: "aws/amazon-vpc-cni-k8s README.md",
        proof: vec![proof(controller.title(), "env ENABLE_V4_EGRESS", said)],
    })
}

/// Policies without PolicyEndpoints: the controller does not work, whatever the switches say.
fn no_policy_endpoints(world: &World) -> Option<Cause> {
    let state = world
        .inventory
        .state("networking.k8s.aws", "policyendpoints")?;
    let none = state.state == KindState::Complete && world.inventory.policy_endpoints == 0;
    let policies = world.policy_ids().count();
    (none && policies > 0).then(|| Cause {
        id: "aws-no-policy-endpoints",
        state: State::NotEnforced,
        text: "there are NetworkPolicies and not one PolicyEndpoint: the controller does not work",
        advice: "look at the switch of the controller, and at the log of the control plane",
        source: "aws/aws-network-policy-agent api/v1alpha1",
        proof: vec![Proof {
            object: "PolicyEndpoints".to_owned(),
            field: "count".to_owned(),
            value: format!("0, for {policies} NetworkPolicies"),
            span: Some(state.span),
        }],
    })
}

/// Calico beside another plug-in polices only interfaces whose names begin as it was told.
fn foreign_interfaces(world: &World, controller: Option<&Controller>) -> Option<Cause> {
    let sets = || world.inventory.controllers_of(ControllerKind::DaemonSet);
    let is_there = |name: &str| sets().any(|set| *set.name == *name);
    if !is_there("aws-node") {
        return None;
    }
    let mut containers = controller.into_iter().flat_map(|of| &of.containers);
    let variable = containers.find_map(|of| of.variable("FELIX_INTERFACEPREFIX"));
    let mut configs = world.inventory.configs.iter();
    let felix: Option<&Config> =
        configs.find(|config| &*config.kind == "FelixConfiguration" && &*config.name == "default");
    let configured = felix.and_then(|config| config.value("spec.interfacePrefix"));
    let said = configured.or(variable);
    if said.is_some_and(|said| said.text.split(',').any(|prefix| prefix.trim() == "eni")) {
        return None;
    }
    let known = said.is_some()
        || felix.is_some()
        || settings_were_read(&world.inventory, "FelixConfiguration");
    let (value, span) = match (said, known) {
        (Some(said), _) => (said.text.to_string(), Some(said.span)),
        (None, true) => (
            "absent, so cali".to_owned(),
            felix.map(|config| config.span),
        ),
        (None, false) => ("not read".to_owned(), None),
    };
    Some(Cause {
        id: "calico-interface-prefix",
        state: if known {
            State::NotEnforced
        } else {
            State::Unknown
        },
        text: "the Amazon VPC CNI calls the interfaces of pods eni..., and Calico polices only those that begin with its prefix",
        advice: "set interfacePrefix: eni in FelixConfiguration default",
        source: "projectcalico/calico manifests/calico-policy-only.yaml",
        proof: vec![Proof {
            object: "FelixConfiguration default".to_owned(),
            field: "spec.interfacePrefix".to_owned(),
            value,
            span,
        }],
    })
}

/// Engines that run inside something else.
pub(super) fn without_daemon_set<'w>(
    world: &'w World,
    provider: Option<Provider>,
    found: &mut Vec<Candidate<'w>>,
) {
    let sets_known = world
        .inventory
        .controllers_of(ControllerKind::DaemonSet)
        .next()
        .is_some()
        || world
            .inventory
            .state("apps", "daemonsets")
            .is_some_and(|kind| kind.state == KindState::Complete);
    let push =
        |found: &mut Vec<Candidate<'w>>, engine, runs_as: &str, seen: Proof, state, causes| {
            let (version, seen) = release(world, engine, None, seen);
            found.push(Candidate {
                found: Found {
                    engine,
                    source: "",
                    runs_as: runs_as.to_owned(),
                    version,
                    seen,
                    modes: Vec::new(),
                    state,
                    causes,
                    pods: None,
                },
                controller: None,
                coverage: None,
                windows: false,
                fails_open: false,
            });
        };
    if let Some((seen, (state, causes))) = auto_mode(world, found) {
        push(
            found,
            Engine::AwsVpcCni,
            "EKS Auto Mode",
            seen,
            state,
            causes,
        );
    }
    if provider == Some(Provider::K3s)
        && let Some(seen) = k3s_seen(world)
    {
        let (state, causes) = k3s(world, &seen);
        push(found, Engine::K3s, "the k3s process", seen, state, causes);
    }
    let labelled = |key: &str| {
        let node = world
            .nodes
            .iter()
            .find(|node| nodes::label(world, node, key).is_some())?;
        Some(Proof {
            object: format!("Node {}", node.name),
            field: format!("label {key}"),
            value: nodes::label(world, node, key)
                .unwrap_or_default()
                .to_owned(),
            span: node.span,
        })
    };
    let nothing = found.is_empty() && sets_known;
    if nothing && let Some(seen) = labelled("minikube.k8s.io/name") {
        let cause = Cause {
            id: "minikube-bridge",
            state: State::NotEnforced,
            text: "minikube runs no network plug-in of its own here, and its bridge knows nothing of policies",
            advice: "start it with --cni=calico, --cni=cilium or --cni=kindnet",
            source: "kubernetes/minikube pkg/minikube/cni/cni.go",
            proof: vec![seen.clone()],
        };
        push(
            found,
            Engine::MinikubeBridge,
            "the bridge of minikube",
            seen,
            State::NotEnforced,
            vec![cause],
        );
    } else if nothing && let Some(seen) = labelled("microk8s.io/cluster") {
        let cause = Cause {
            id: "microk8s-without-calico",
            state: State::NotEnforced,
            text: "MicroK8s runs without Calico: with the add-on ha-cluster off it uses flannel, which enforces nothing",
            advice: "enable the add-on ha-cluster, or install Calico",
            source: "canonical/microk8s upgrade-scripts/000-switch-to-calico",
            proof: vec![seen.clone()],
        };
        push(
            found,
            Engine::MicroK8s,
            "MicroK8s",
            seen,
            State::NotEnforced,
            vec![cause],
        );
    }
}

/// EKS Auto Mode runs its agent outside of the cluster: two objects switch it on.
fn auto_mode(world: &World, found: &[Candidate<'_>]) -> Option<(Proof, (State, Vec<Cause>))> {
    let key = "eks.amazonaws.com/compute-type";
    let node = world
        .nodes
        .iter()
        .find(|node| nodes::label(world, node, key) == Some("auto"))?;
    if found.iter().any(|of| of.found.engine == Engine::AwsVpcCni) {
        return None;
    }
    let seen = Proof {
        object: format!("Node {}", node.name),
        field: format!("label {key}"),
        value: "auto".to_owned(),
        span: node.span,
    };
    let inventory = &world.inventory;
    let map = inventory.config("ConfigMap", Some("kube-system"), "amazon-vpc-cni");
    let switch = map.and_then(|map| map.value("enable-network-policy-controller"));
    let mut causes = Vec::new();
    let known = map.is_some() || config_maps_were_read(inventory);
    if switch.is_none_or(|said| &*said.text != "true") {
        let value = match (known, switch) {
            (_, Some(said)) => said.text.to_string(),
            (true, None) => "absent".to_owned(),
            (false, None) => "not read".to_owned(),
        };
        causes.push(Cause {
            id: "eks-auto-config-map",
            state: if known { State::NotEnforced } else { State::Unknown },
            text: match known {
                true => "on EKS Auto Mode policies are accepted and ignored until the ConfigMap kube-system/amazon-vpc-cni asks for them",
                false => "EKS Auto Mode ignores policies unless the ConfigMap kube-system/amazon-vpc-cni asks for them, and it was not read",
            },
            advice: match known {
                true => "create ConfigMap kube-system/amazon-vpc-cni with enable-network-policy-controller: \"true\"",
                false => "read ConfigMaps of kube-system; enable-network-policy-controller must be \"true\"",
            },
            source: "awsdocs/amazon-eks-user-guide latest/ug/automode/auto-net-pol.adoc",
            proof: vec![Proof {
                object: "ConfigMap kube-system/amazon-vpc-cni".to_owned(),
                field: "data.enable-network-policy-controller".to_owned(),
                value,
                span: switch.map(|said| said.span),
            }],
        });
    }
    let classes: Vec<_> = inventory
        .configs
        .iter()
        .filter(|config| &*config.kind == "NodeClass")
        .collect();
    let off = classes
        .iter()
        .find(|class| class.value("spec.networkPolicy").is_none());
    let known = !classes.is_empty() || settings_were_read(inventory, "NodeClass");
    if off.is_some() || classes.is_empty() {
        causes.push(Cause {
            id: "eks-auto-node-class",
            state: if known {
                State::NotEnforced
            } else {
                State::Unknown
            },
            text: match known {
                true => "nodes of a NodeClass without spec.networkPolicy do not act on policies",
                false => "nodes act on policies only if their NodeClass has spec.networkPolicy, and NodeClasses were not read",
            },
            advice: match known {
                true => "set spec.networkPolicy: DefaultAllow in every NodeClass",
                false => "read nodeclasses of eks.amazonaws.com; each must have spec.networkPolicy",
            },
            source: "awsdocs/amazon-eks-user-guide latest/ug/automode/auto-net-pol.adoc",
            proof: vec![Proof {
                object: off.map_or("NodeClass".to_owned(), |class| class.title()),
                field: "spec.networkPolicy".to_owned(),
                value: if known { "absent" } else { "not read" }.to_owned(),
                span: off.map(|class| class.span),
            }],
        });
    }
    causes.sort_by_key(|cause| cause.state);
    let state = causes.first().map_or(State::Enforced, |cause| cause.state);
    Some((seen, (state, causes)))
}

fn k3s_seen(world: &World) -> Option<Proof> {
    world.inventory.nodes.iter().find_map(|(name, node)| {
        let said = node
            .kubelet
            .as_ref()
            .filter(|said| said.text.contains("+k3s"))?;
        Some(proof(
            format!("Node {name}"),
            "status.nodeInfo.kubeletVersion",
            said,
        ))
    })
}

/// The controller inside k3s: a flag of the servers turns it off for all nodes.
fn k3s(world: &World, seen: &Proof) -> (State, Vec<Cause>) {
    let key = "k3s.io/node-args";
    let servers = world.inventory.nodes.iter().filter_map(|(name, node)| {
        let said = node.annotation(key)?;
        let is_server = said.text.split(' ').next() == Some("server");
        is_server.then_some((name, said))
    });
    let servers: Vec<_> = servers.collect();
    let off = servers.iter().find(|(_, said)| {
        let mut words = said.text.split(' ');
        words.any(|word| {
            matches!(
                word,
                "--disable-network-policy" | "--disable-network-policy=true"
            )
        })
    });
    let (mut state, mut causes) = switches(world, Engine::K3s, None, None, seen);
    // Flags of kube-router are not those of k3s.
    causes.retain(|cause| !cause.id.starts_with("kube-router"));
    if let Some((name, said)) = off {
        causes.insert(0, Cause {
            id: "k3s-disabled",
            state: State::NotEnforced,
            text: "k3s runs with --disable-network-policy, which turns its policy controller off",
            advice: "remove --disable-network-policy from the servers and restart k3s, or install another engine",
            source: "k3s-io/docs docs/networking/networking-services.md",
            proof: vec![proof(format!("Node {name}"), &format!("annotation {key}"), said)],
        });
        state = State::NotEnforced;
    } else if servers.is_empty() {
        causes.insert(0, Cause {
            id: "k3s-servers-unknown",
            state: State::Unknown,
            text: "no server of k3s shows its arguments, and --disable-network-policy there would turn policies off",
            advice: "look at the arguments of `k3s server`",
            source: "k3s-io/docs docs/networking/networking-services.md",
            proof: vec![Proof {
                object: "Nodes with the control plane".to_owned(),
                field: format!("annotation {key}"),
                value: "not read".to_owned(),
                span: None,
            }],
        });
        state = State::Unknown;
    } else {
        causes.push(Cause {
            id: "k3s-window",
            state: State::EnforcedWithWindow,
            text: "a new pod is open until its chain is written; and a node without ipset enforces nothing, which only its log tells",
            advice: "look for \"Skipping network policy controller start\" in the log of each node",
            source: "k3s-io/k3s pkg/agent/netpol/netpol.go",
            proof: vec![seen.clone()],
        });
        state = State::EnforcedWithWindow.worse(state);
    }
    (state, causes)
}
