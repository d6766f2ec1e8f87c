//! What claims differ in: whose policies, by which address, and where the ends stand.

/// Which policies are meant to stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Those of the server.
    Ingress,
    /// Those of the client.
    Egress,
}

impl Direction {
    /// `ingress` or `egress`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// By which kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// The address of the pod.
    Pod,
    /// The address of a Service.
    ClusterIp,
    /// A port of a node.
    NodePort,
    /// A node itself.
    Node,
    /// A name server of the pod.
    Resolver,
    /// The API server.
    ApiServer,
    /// A metadata service of the cloud.
    Metadata,
    /// A target that the user named.
    Internet,
}

impl Path {
    /// As the report spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pod => "pod-ip",
            Self::ClusterIp => "cluster-ip",
            Self::NodePort => "node-port",
            Self::Node => "node",
            Self::Resolver => "dns",
            Self::ApiServer => "api-server",
            Self::Metadata => "metadata",
            Self::Internet => "internet",
        }
    }
}

/// Where the two ends stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On one node.
    Same,
    /// On two.
    Other,
    /// The claim is about the pod on this node.
    Node(String),
    /// The destination stands nowhere in the cluster.
    Outside,
}

impl Place {
    /// As the report spells it.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Same => "same-node".into(),
            Self::Other => "other-node".into(),
            Self::Node(name) => format!("node:{name}"),
            Self::Outside => "outside".into(),
        }
    }
}
