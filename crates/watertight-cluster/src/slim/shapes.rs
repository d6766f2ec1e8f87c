//! What is kept of the kinds of which there may be many.
//!
//! The fields are those that `manifest` decodes in core, and behind [`Shape::hints`] those that tell what
//! pods need. Of what runs network engines, images, arguments and counts are kept as well: they tell
//! which engine it is and whether it runs everywhere.

use super::Keep::{All, Each, Entries, Fields, Object, With};
use super::{Keep, without_credentials, without_secrets};

/// What is kept of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// For verdicts and for the engine.
    pub(crate) plain: &'static Keep,
    /// The same, and what tells what pods need.
    pub(crate) hints: &'static Keep,
}

impl Shape {
    const fn both(keep: &'static Keep) -> Self {
        Self {
            plain: keep,
            hints: keep,
        }
    }
}

/// Annotations that are read on any object.
fn is_ours(key: &str) -> bool {
    key.starts_with("ignore.watertight.dev/") || key.starts_with("baseline.watertight.dev/")
}

/// Annotations that are not a copy of the object.
fn is_no_copy(key: &str) -> bool {
    !key.starts_with("kubectl.kubernetes.io/")
}

const OWNERS: Keep = Each(&Fields(&[
    ("kind", All),
    ("name", All),
    ("controller", All),
]));

const META: Keep = Fields(&[
    ("name", All),
    ("namespace", All),
    ("labels", All),
    ("annotations", Entries(is_ours)),
    ("ownerReferences", OWNERS),
    ("deletionTimestamp", All),
]);

/// The same with all annotations.
const META_TOLD: Keep = Fields(&[
    ("name", All),
    ("labels", All),
    ("annotations", Entries(is_no_copy)),
    ("deletionTimestamp", All),
]);

const PORTS: Keep = Each(&Fields(&[
    ("name", All),
    ("containerPort", All),
    ("protocol", All),
]));

const CONTAINERS: Keep = Each(&Fields(&[("ports", PORTS)]));

const PROBE: Keep = Fields(&[
    ("httpGet", Fields(&[("port", All)])),
    ("tcpSocket", Fields(&[("port", All)])),
    ("grpc", Fields(&[("port", All)])),
]);

const ENV: Keep = Each(&With(without_credentials));
const ENV_FROM: Keep = Each(&Fields(&[("configMapRef", Fields(&[("name", All)]))]));

const CONTAINERS_TOLD: Keep = Each(&Fields(&[
    ("ports", PORTS),
    ("env", ENV),
    ("envFrom", ENV_FROM),
    ("command", With(without_secrets)),
    ("args", With(without_secrets)),
    ("livenessProbe", PROBE),
    ("readinessProbe", PROBE),
    ("startupProbe", PROBE),
]));

/// Of what may run a network engine.
const CONTAINERS_OF_ENGINE: Keep = Each(&Fields(&[
    ("name", All),
    ("image", All),
    ("ports", PORTS),
    ("env", ENV),
    ("envFrom", ENV_FROM),
    ("command", With(without_secrets)),
    ("args", With(without_secrets)),
    ("livenessProbe", PROBE),
    ("readinessProbe", PROBE),
    ("startupProbe", PROBE),
]));

const POD: Keep = Fields(&[
    ("hostNetwork", All),
    ("nodeName", All),
    ("serviceAccountName", All),
    ("containers", CONTAINERS),
    ("initContainers", CONTAINERS),
    ("ephemeralContainers", CONTAINERS),
]);

const POD_TOLD: Keep = Fields(&[
    ("automountServiceAccountToken", All),
    ("hostNetwork", All),
    ("nodeName", All),
    ("serviceAccountName", All),
    ("containers", CONTAINERS_TOLD),
    ("initContainers", CONTAINERS_TOLD),
    ("ephemeralContainers", CONTAINERS),
]);

const POD_OF_ENGINE: Keep = Fields(&[
    ("automountServiceAccountToken", All),
    ("hostNetwork", All),
    ("nodeName", All),
    ("nodeSelector", All),
    ("affinity", All),
    ("tolerations", All),
    ("serviceAccountName", All),
    ("containers", CONTAINERS_OF_ENGINE),
    ("initContainers", CONTAINERS_OF_ENGINE),
    ("ephemeralContainers", CONTAINERS),
]);

const POD_STATUS: Keep = Fields(&[("phase", All), ("podIP", All), ("podIPs", All)]);

const CONDITIONS: Keep = Each(&Fields(&[("type", All), ("status", All), ("reason", All)]));

const POD_STATUS_TOLD: Keep = Fields(&[
    ("phase", All),
    ("podIP", All),
    ("podIPs", All),
    ("conditions", CONDITIONS),
]);

/// Pods.
pub(crate) const PODS: Shape = Shape {
    plain: &Fields(&[("metadata", META), ("spec", POD), ("status", POD_STATUS)]),
    hints: &Fields(&[
        ("metadata", META),
        ("spec", POD_TOLD),
        ("status", POD_STATUS),
    ]),
};

/// Pods of DaemonSets: of each node one, and of network engines among them.
pub(crate) const DAEMON_PODS: Shape = Shape {
    plain: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[
                ("hostNetwork", All),
                ("nodeName", All),
                ("serviceAccountName", All),
                ("containers", IMAGES),
                ("initContainers", CONTAINERS),
                ("ephemeralContainers", CONTAINERS),
            ]),
        ),
        ("status", POD_STATUS_TOLD),
    ]),
    hints: &Fields(&[
        ("metadata", META),
        ("spec", POD_OF_ENGINE),
        ("status", POD_STATUS_TOLD),
    ]),
};

const IMAGES: Keep = Each(&Fields(&[("name", All), ("image", All), ("ports", PORTS)]));

const TEMPLATE_META: Keep = Fields(&[("labels", All), ("annotations", Entries(is_ours))]);

const TEMPLATE: Keep = Object(&[("metadata", TEMPLATE_META), ("spec", POD)]);

const TEMPLATE_TOLD: Keep = Object(&[("metadata", TEMPLATE_META), ("spec", POD_TOLD)]);

const TEMPLATE_OF_ENGINE: Keep = Object(&[("metadata", TEMPLATE_META), ("spec", POD_OF_ENGINE)]);

/// ReplicaSets, StatefulSets, Jobs and ReplicationControllers.
pub(crate) const WORKLOADS: Shape = Shape {
    plain: &Fields(&[
        ("metadata", META),
        ("spec", Fields(&[("replicas", All), ("template", TEMPLATE)])),
    ]),
    hints: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[("replicas", All), ("template", TEMPLATE_TOLD)]),
        ),
    ]),
};

const COUNTS: Keep = Fields(&[
    ("availableReplicas", All),
    ("currentNumberScheduled", All),
    ("desiredNumberScheduled", All),
    ("numberAvailable", All),
    ("numberMisscheduled", All),
    ("numberReady", All),
    ("numberUnavailable", All),
    ("readyReplicas", All),
    ("replicas", All),
    ("updatedNumberScheduled", All),
]);

/// DaemonSets: network engines are among them.
pub(crate) const DAEMON_SETS: Shape = Shape::both(&Fields(&[
    ("metadata", META),
    (
        "spec",
        Fields(&[
            ("template", TEMPLATE_OF_ENGINE),
            ("updateStrategy", Fields(&[("type", All)])),
        ]),
    ),
    ("status", COUNTS),
]));

const POD_OF_CONTROLLER: Keep = Fields(&[
    ("hostNetwork", All),
    ("nodeName", All),
    ("serviceAccountName", All),
    (
        "containers",
        Each(&Fields(&[
            ("name", All),
            ("image", All),
            ("ports", PORTS),
            ("command", With(without_secrets)),
            ("args", With(without_secrets)),
        ])),
    ),
    ("initContainers", CONTAINERS),
]);

/// Deployments: controllers of network engines are among them.
pub(crate) const DEPLOYMENTS: Shape = Shape {
    plain: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[
                ("replicas", All),
                (
                    "template",
                    Object(&[("metadata", TEMPLATE_META), ("spec", POD_OF_CONTROLLER)]),
                ),
            ]),
        ),
        ("status", COUNTS),
    ]),
    hints: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[("replicas", All), ("template", TEMPLATE_OF_ENGINE)]),
        ),
        ("status", COUNTS),
    ]),
};

/// CronJobs.
pub(crate) const CRON_JOBS: Shape = Shape {
    plain: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[(
                "jobTemplate",
                Fields(&[("spec", Fields(&[("template", TEMPLATE)]))]),
            )]),
        ),
    ]),
    hints: &Fields(&[
        ("metadata", META),
        (
            "spec",
            Fields(&[(
                "jobTemplate",
                Fields(&[("spec", Fields(&[("template", TEMPLATE_TOLD)]))]),
            )]),
        ),
    ]),
};

/// Namespaces.
pub(crate) const NAMESPACES: Shape = Shape::both(&Fields(&[("metadata", META_TOLD)]));

/// Nodes.
pub(crate) const NODES: Shape = Shape::both(&Fields(&[
    ("metadata", META_TOLD),
    (
        "spec",
        Fields(&[
            ("podCIDR", All),
            ("podCIDRs", All),
            ("providerID", All),
            ("taints", All),
            ("unschedulable", All),
        ]),
    ),
    (
        "status",
        Fields(&[
            ("addresses", All),
            ("conditions", CONDITIONS),
            (
                "nodeInfo",
                Fields(&[
                    ("architecture", All),
                    ("containerRuntimeVersion", All),
                    ("kernelVersion", All),
                    ("kubeProxyVersion", All),
                    ("kubeletVersion", All),
                    ("operatingSystem", All),
                    ("osImage", All),
                ]),
            ),
        ]),
    ),
]));

/// Services.
pub(crate) const SERVICES: Shape = Shape::both(&Fields(&[
    ("metadata", META),
    (
        "spec",
        Fields(&[
            ("allocateLoadBalancerNodePorts", All),
            ("clusterIP", All),
            ("clusterIPs", All),
            ("externalIPs", All),
            ("externalName", All),
            ("externalTrafficPolicy", All),
            ("loadBalancerSourceRanges", All),
            ("ports", All),
            ("selector", All),
            ("type", All),
        ]),
    ),
    (
        "status",
        Fields(&[(
            "loadBalancer",
            Fields(&[("ingress", Each(&Fields(&[("ip", All), ("ipMode", All)])))]),
        )]),
    ),
]));

/// EndpointSlices.
pub(crate) const ENDPOINT_SLICES: Shape = Shape::both(&Fields(&[
    (
        "metadata",
        Fields(&[("name", All), ("namespace", All), ("labels", All)]),
    ),
    ("endpoints", Each(&Fields(&[("addresses", All)]))),
    ("ports", All),
]));

/// Endpoints.
pub(crate) const ENDPOINTS: Shape = Shape::both(&Fields(&[
    (
        "metadata",
        Fields(&[("name", All), ("namespace", All), ("labels", All)]),
    ),
    (
        "subsets",
        Each(&Fields(&[
            ("addresses", Each(&Fields(&[("ip", All)]))),
            ("ports", All),
        ])),
    ),
]));

/// ServiceAccounts.
pub(crate) const SERVICE_ACCOUNTS: Shape = Shape::both(&Fields(&[
    ("metadata", META),
    ("automountServiceAccountToken", All),
]));

/// CustomResourceDefinitions, of which servers give the metadata alone.
pub(crate) const DEFINITIONS: Shape = Shape::both(&Fields(&[(
    "metadata",
    Fields(&[("name", All), ("annotations", Entries(is_about_policies))]),
)]));

/// Annotations that tell which release of an API a definition is of.
fn is_about_policies(key: &str) -> bool {
    key.starts_with("policy.networking.k8s.io/") || key.starts_with("gateway.networking.k8s.io/")
}

/// ConfigMaps of network engines.
pub(crate) const CONFIG_MAPS: Shape = Shape::both(&Fields(&[("metadata", META), ("data", All)]));

/// Bindings of roles: who may do something, not what.
pub(crate) const BINDINGS: Shape = Shape::both(&Fields(&[("metadata", META), ("subjects", All)]));

/// Ingresses and routes.
pub(crate) const ROUTES: Shape = Shape::both(&Fields(&[
    ("metadata", META),
    (
        "spec",
        Fields(&[("defaultBackend", All), ("parentRefs", All), ("rules", All)]),
    ),
]));

/// What the controller of an engine makes of policies, one for each.
pub(crate) const POLICY_ENDPOINTS: Shape = Shape::both(&Fields(&[
    ("metadata", META),
    ("spec", Fields(&[("policyRef", All), ("podIsolation", All)])),
]));
