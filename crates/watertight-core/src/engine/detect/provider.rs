//! Who runs the cluster: hints of nodes, Services and API groups.

use super::Proof;
use crate::facts::word_enum;
use crate::world::{ClusterNode, World};

word_enum! {
    /// A kind of cluster.
    pub enum Provider {
        /// Amazon EKS.
        Eks => "eks",
        /// Google Kubernetes Engine.
        Gke => "gke",
        /// Azure Kubernetes Service.
        Aks => "aks",
        /// OpenShift.
        OpenShift => "openshift",
        /// RKE2.
        Rke2 => "rke2",
        /// k3s.
        K3s => "k3s",
        /// kind.
        Kind => "kind",
        /// minikube.
        Minikube => "minikube",
        /// MicroK8s.
        MicroK8s => "microk8s",
        /// Oracle Kubernetes Engine.
        Oke => "oke",
        /// DigitalOcean Kubernetes.
        Doks => "doks",
        /// Linode (Akamai) Kubernetes Engine.
        Lke => "lke",
        /// Tanzu Kubernetes Grid.
        Tkg => "tkg",
        /// Docker Enterprise.
        DockerEnterprise => "docker-enterprise",
    }
}

/// What tells a provider.
enum Hint {
    Label(&'static str),
    LabelPrefix(&'static str),
    ProviderId(&'static str),
    Kubelet(&'static str),
    Annotation(&'static str),
    Service(&'static str),
    ConfigMap(&'static str),
    Config(&'static str),
    Group(&'static str),
    Server(&'static str),
}

/// The first that holds names the provider: distributions stand before clouds they may run in.
/// Read in tigera/operator pkg/common/discovery, cilium/cilium-cli, and the projects' own code.
static HINTS: &[(Provider, Hint)] = &[
    (Provider::K3s, Hint::Annotation("k3s.io/node-args")),
    (Provider::K3s, Hint::Kubelet("+k3s")),
    (Provider::K3s, Hint::ProviderId("k3s://")),
    (Provider::Rke2, Hint::Annotation("rke2.io/node-args")),
    (Provider::Rke2, Hint::Kubelet("+rke2")),
    (Provider::Rke2, Hint::Service("rke2-coredns-rke2-coredns")),
    (Provider::Rke2, Hint::ConfigMap("rke2")),
    (Provider::Minikube, Hint::Label("minikube.k8s.io/name")),
    (Provider::MicroK8s, Hint::Label("microk8s.io/cluster")),
    (Provider::Kind, Hint::ProviderId("kind://")),
    (Provider::OpenShift, Hint::Config("ClusterVersion")),
    (Provider::OpenShift, Hint::Group("config.openshift.io")),
    (Provider::Gke, Hint::LabelPrefix("cloud.google.com/gke-")),
    (Provider::Aks, Hint::LabelPrefix("kubernetes.azure.com/")),
    (Provider::Aks, Hint::Server(".azmk8s.io")),
    (Provider::Eks, Hint::LabelPrefix("eks.amazonaws.com/")),
    (Provider::Eks, Hint::ConfigMap("aws-auth")),
    (
        Provider::Eks,
        Hint::ConfigMap("eks-certificates-controller"),
    ),
    (Provider::Eks, Hint::Service("kube-dns")),
    (Provider::Eks, Hint::Server(".eks.amazonaws.com")),
    (Provider::Oke, Hint::LabelPrefix("oke.oraclecloud.com/")),
    (Provider::Oke, Hint::LabelPrefix("oci.oraclecloud.com/")),
    (Provider::Doks, Hint::LabelPrefix("doks.digitalocean.com/")),
    (Provider::Lke, Hint::LabelPrefix("lke.linode.com/")),
    (Provider::Tkg, Hint::Group("core.tanzu.vmware.com")),
    (
        Provider::DockerEnterprise,
        Hint::LabelPrefix("com.docker.ucp"),
    ),
    (Provider::Gke, Hint::Server("container.googleapis.com")),
];

/// The provider, and what tells it.
pub(super) fn find(world: &World) -> Option<(Provider, Proof)> {
    let mut found = HINTS.iter();
    found.find_map(|(provider, hint)| Some((*provider, holds(world, hint)?)))
}

fn holds(world: &World, hint: &Hint) -> Option<Proof> {
    let inventory = &world.inventory;
    let proof = |object: String, field: &str, value: &str, span| Proof {
        object,
        field: field.to_owned(),
        value: value.to_owned(),
        span,
    };
    let label = |node: &ClusterNode, prefix: &str, whole: bool| {
        let labels = node.labels.iter();
        let texts =
            labels.map(|(key, value)| (world.symbols.text(*key), world.symbols.text(*value)));
        let mut fitting = texts.filter(|(key, _)| match whole {
            true => *key == prefix,
            false => key.starts_with(prefix),
        });
        let (key, value) = fitting.next()?;
        let field = format!("label {key}");
        Some(proof(
            format!("Node {}", node.name),
            &field,
            value,
            node.span,
        ))
    };
    match hint {
        Hint::Label(key) => world.nodes.iter().find_map(|node| label(node, key, true)),
        Hint::LabelPrefix(key) => world.nodes.iter().find_map(|node| label(node, key, false)),
        Hint::ProviderId(prefix) => inventory.nodes.iter().find_map(|(name, node)| {
            let id = node.provider_id.as_ref()?;
            let object = format!("Node {name}");
            id.text
                .starts_with(prefix)
                .then(|| proof(object, "spec.providerID", &id.text, Some(id.span)))
        }),
        Hint::Kubelet(part) => inventory.nodes.iter().find_map(|(name, node)| {
            let version = node.kubelet.as_ref()?;
            let field = "status.nodeInfo.kubeletVersion";
            let object = format!("Node {name}");
            version
                .text
                .contains(part)
                .then(|| proof(object, field, &version.text, Some(version.span)))
        }),
        Hint::Annotation(key) => inventory.nodes.iter().find_map(|(name, node)| {
            let said = node.annotation(key)?;
            let field = format!("annotation {key}");
            Some(proof(
                format!("Node {name}"),
                &field,
                &said.text,
                Some(said.span),
            ))
        }),
        Hint::Service(name) => {
            let span = inventory.services.get(*name)?;
            let object = format!("Service kube-system/{name}");
            Some(proof(object, "metadata.name", name, Some(*span)))
        }
        Hint::ConfigMap(name) => {
            let found = inventory.config("ConfigMap", Some("kube-system"), name)?;
            Some(proof(
                found.title(),
                "metadata.name",
                name,
                Some(found.span),
            ))
        }
        Hint::Config(kind) => {
            let found = inventory
                .configs
                .iter()
                .find(|config| *config.kind == **kind)?;
            Some(proof(found.title(), "kind", kind, Some(found.span)))
        }
        Hint::Group(group) => {
            let snapshot = inventory.snapshot.as_ref()?;
            let groups = snapshot.api_groups.as_ref()?;
            let found = groups.iter().any(|found| **found == **group);
            found.then(|| {
                proof(
                    "the API server".into(),
                    "API group",
                    group,
                    Some(snapshot.span),
                )
            })
        }
        Hint::Server(part) => {
            let snapshot = inventory.snapshot.as_ref()?;
            let server = snapshot.server.as_ref()?;
            server.contains(part).then(|| {
                proof(
                    "the API server".into(),
                    "address",
                    server,
                    Some(snapshot.span),
                )
            })
        }
    }
}
