//! EKS: two switches, the Auto Mode, and Calico in the place of the agent.

use super::cluster::{C, Cluster};
use super::table::{Case, TWO, calico, labelled, proxy};

const AGENT_ON: C = C(
    "aws-eks-nodeagent",
    "602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon/aws-network-policy-agent:v1.2.7-eksbuild.1",
    &["--enable-ipv6=false", "--enable-network-policy=true"],
    &[],
);

const AGENT_OFF: C = C(
    "aws-eks-nodeagent",
    "x/aws-network-policy-agent:v1.2.7-eksbuild.1",
    &["--enable-network-policy=false"],
    &[],
);

const VPC: C = C("aws-node", "x/amazon-k8s-cni:v1.20.4-eksbuild.1", &[], &[]);

const VPC_STRICT: C = C(
    "aws-node",
    "x/amazon-k8s-cni:v1.20.4-eksbuild.1",
    &[],
    &[("NETWORK_POLICY_ENFORCING_MODE", "strict")],
);

const ON: &[(&str, &str)] = &[("enable-network-policy-controller", "true")];

fn aws(agent: &[C], data: &[(&str, &str)]) -> Cluster {
    Cluster::of(TWO)
        .set("kube-system/aws-node", agent, TWO)
        .config("amazon-vpc-cni", data)
}

const AUTO: &str = "eks.amazonaws.com/compute-type: auto";

fn auto(classes: &[&str]) -> Cluster {
    let base = Cluster::default().node("n1", AUTO, "").header(&[
        "apps/daemonsets=complete",
        "configmaps=complete",
        "eks.amazonaws.com/nodeclasses=complete",
    ]);
    classes.iter().fold(base, |all, spec| {
        all.object(&format!("{{apiVersion: eks.amazonaws.com/v1, kind: NodeClass, metadata: {{name: default}}, spec: {{{spec}}}}}"))
    })
}

/// What must come out.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case =
        |name, cluster: Cluster, expected| cases.push((name, cluster.policy(), expected));
    // Amazon
    case(
        "aws: both switches on",
        aws(&[VPC, AGENT_ON], ON),
        "enforced-with-window | aws-vpc-cni@1.2.7 enforced-with-window | aws-standard-mode | n1=enforced-with-window n2=enforced-with-window",
    );
    case(
        "aws: strict mode",
        aws(&[VPC_STRICT, AGENT_ON], ON),
        "enforced | aws-vpc-cni@1.2.7 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "aws: agent off",
        aws(&[VPC, AGENT_OFF], ON),
        "not-enforced | aws-vpc-cni@1.2.7 not-enforced | aws-agent-off, aws-standard-mode | n1=not-enforced n2=not-enforced",
    );
    case(
        "aws: controller off",
        aws(
            &[VPC, AGENT_ON],
            &[("enable-network-policy-controller", "false")],
        ),
        "not-enforced | aws-vpc-cni@1.2.7 not-enforced | aws-controller-off, aws-standard-mode | n1=not-enforced n2=not-enforced",
    );
    case(
        "aws: no agent container",
        aws(&[VPC], ON),
        "not-enforced | aws-vpc-cni@1.20.4 not-enforced | aws-no-agent, aws-agent-off, aws-standard-mode | n1=not-enforced n2=not-enforced",
    );
    case(
        "aws: ConfigMap forbidden",
        Cluster::of(TWO)
            .set("kube-system/aws-node", &[VPC_STRICT, AGENT_ON], TWO)
            .header(&["configmaps=forbidden"]),
        "unknown | aws-vpc-cni@1.2.7 unknown | aws-controller-off | n1=unknown n2=unknown",
    );
    case(
        "aws: no ConfigMap at all",
        Cluster::of(TWO)
            .set("kube-system/aws-node", &[VPC_STRICT, AGENT_ON], TWO)
            .header(&["configmaps=complete"]),
        "not-enforced | aws-vpc-cni@1.2.7 not-enforced | aws-controller-off | n1=not-enforced n2=not-enforced",
    );
    case(
        "aws: policies and no PolicyEndpoint",
        aws(&[VPC_STRICT, AGENT_ON], ON).header(&["networking.k8s.aws/policyendpoints=complete"]),
        "not-enforced | aws-vpc-cni@1.2.7 not-enforced | aws-no-policy-endpoints | n1=not-enforced n2=not-enforced",
    );
    case("aws: Calico beside it, both on", aws(&[VPC_STRICT, AGENT_ON], ON).set("calico-system/calico-node", &calico("quay.io/calico/node:v3.31.2"), TWO).object("{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {name: default}, spec: {interfacePrefix: eni}}"), "conflict | aws-vpc-cni@1.2.7 enforced; calico@3.31.2 enforced | two-engines | n1=conflict n2=conflict");
    case("aws: Calico for policies", aws(&[VPC, AGENT_OFF], &[]).set("calico-system/calico-node", &calico("quay.io/calico/node:v3.31.2"), TWO).object("{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {name: default}, spec: {interfacePrefix: eni}}"), "enforced | calico@3.31.2 enforced; aws-vpc-cni@1.2.7 not-enforced | aws-agent-off, aws-controller-off, aws-standard-mode | n1=enforced n2=enforced");
    case("aws: Calico looks for other interfaces", aws(&[VPC, AGENT_OFF], &[]).set("calico-system/calico-node", &calico("quay.io/calico/node:v3.31.2"), TWO).object("{apiVersion: projectcalico.org/v3, kind: FelixConfiguration, metadata: {name: default}, spec: {}}"), "not-enforced | aws-vpc-cni@1.2.7 not-enforced; calico@3.31.2 not-enforced | aws-agent-off, aws-controller-off, aws-standard-mode, calico-interface-prefix | n1=not-enforced n2=not-enforced");
    case(
        "aws: IPv6, with a way out over IPv4",
        aws(
            &[
                C(
                    "aws-node",
                    "x/amazon-k8s-cni:v1.20.4-eksbuild.1",
                    &[],
                    &[
                        ("NETWORK_POLICY_ENFORCING_MODE", "strict"),
                        ("ENABLE_V4_EGRESS", "true"),
                    ],
                ),
                C(
                    "aws-eks-nodeagent",
                    "x/aws-network-policy-agent:v1.2.7-eksbuild.1",
                    &["--enable-ipv6=true", "--enable-network-policy=true"],
                    &[],
                ),
            ],
            ON,
        ),
        "partial | aws-vpc-cni@1.2.7 partial | aws-v4-egress | n1=partial n2=partial",
    );
    case(
        "aws: IPv4, where that variable says nothing",
        aws(
            &[
                C(
                    "aws-node",
                    "x/amazon-k8s-cni:v1.20.4-eksbuild.1",
                    &[],
                    &[
                        ("NETWORK_POLICY_ENFORCING_MODE", "strict"),
                        ("ENABLE_V4_EGRESS", "true"),
                    ],
                ),
                AGENT_ON,
            ],
            ON,
        ),
        "enforced | aws-vpc-cni@1.2.7 enforced |  | n1=enforced n2=enforced",
    );
    case(
        "aws: Fargate and an old kernel",
        Cluster::default()
            .node("fargate-1", "eks.amazonaws.com/compute-type: fargate", "")
            .node("n1", "", "status: {nodeInfo: {kernelVersion: 5.4.0-1}}")
            .node("n2", "", "status: {nodeInfo: {kernelVersion: 6.1.0}}")
            .set("kube-system/aws-node", &[VPC_STRICT, AGENT_ON], TWO)
            .config("amazon-vpc-cni", ON),
        "partial | aws-vpc-cni@1.2.7 enforced |  | fargate-1=not-enforced n1=not-enforced n2=enforced",
    );
    case(
        "eks auto: both set",
        auto(&["networkPolicy: DefaultAllow"]).config("amazon-vpc-cni", ON),
        "enforced | aws-vpc-cni enforced |  | n1=enforced",
    );
    case(
        "eks auto: no ConfigMap",
        auto(&["networkPolicy: DefaultAllow"]),
        "not-enforced | aws-vpc-cni not-enforced | eks-auto-config-map | n1=not-enforced",
    );
    case(
        "eks auto: NodeClass without it",
        auto(&["role: r"]).config("amazon-vpc-cni", ON),
        "not-enforced | aws-vpc-cni not-enforced | eks-auto-node-class | n1=not-enforced",
    );
    case(
        "eks auto: nothing could be read",
        Cluster::default().node("n1", AUTO, ""),
        "unknown | aws-vpc-cni unknown | eks-auto-config-map, eks-auto-node-class | n1=unknown",
    );
    case(
        "eks: no engine",
        proxy(labelled("eks.amazonaws.com/nodegroup: a")),
        "unknown |  | eks-no-engine | n1=unknown n2=unknown",
    );
    cases
}

/// What was not read is not said to be off.
#[test]
fn auto_mode_says_what_was_not_read() {
    let (_, found) = Cluster::default().node("n1", AUTO, "").detect();
    let causes = found.engines.iter().flat_map(|engine| &engine.causes);
    let texts: Vec<_> = causes.map(|cause| cause.text).collect();
    assert_eq!(texts.len(), 2);
    assert!(
        texts.iter().all(|text| text.contains("not read")),
        "{texts:?}"
    );
}
