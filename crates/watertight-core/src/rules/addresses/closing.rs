//! A policy that closes the metadata addresses and nothing else, for namespaces without egress
//! isolation.
//!
//! INVARIANT: only for namespaces in which no pod is isolated for egress; beside other policies it
//! would open more than it closes (K-15).

use super::Metadata;
use crate::eval::Family;
use crate::facts::metadata::Cloud;
use crate::rules::{Context, proposal};
use crate::world::NamespaceId;

/// The manifest.
pub(in crate::rules) fn policy(
    context: &Context<'_>,
    metadata: &Metadata,
    namespace: NamespaceId,
) -> String {
    let mut lines = Vec::new();
    if context.clouds.contains(&Cloud::Gcp) {
        lines.push("# GKE with Cloud DNS resolves names at 169.254.169.254: allow port 53 to it.");
    }
    let name = format!(
        "  name: {}",
        proposal::free_name(context, namespace, "no-metadata")
    );
    let namespace = &*context.world[namespace].name;
    let of = if is_plain(namespace) {
        format!("  namespace: {namespace}")
    } else {
        format!("  namespace: \"{namespace}\"")
    };
    lines.extend([
        "apiVersion: networking.k8s.io/v1",
        "kind: NetworkPolicy",
        "metadata:",
        &name,
        &of,
        "spec:",
        "  podSelector: {}",
        "  policyTypes: [Egress]",
        "  egress:",
        "  - to:",
    ]);
    let mut text = lines.join("\n");
    for (whole, family) in [("0.0.0.0/0", Family::V4), ("::/0", Family::V6)] {
        text.push_str("\n    - ipBlock:\n        cidr: \"");
        text.push_str(whole);
        text.push('"');
        let nets = metadata.networks(|target| Family::of(target.address) == family);
        if !nets.is_empty() {
            text.push_str("\n        except:");
        }
        for net in nets {
            text.push_str(&format!("\n        - \"{net}\""));
        }
    }
    text.push('\n');
    text
}

/// Whether YAML reads a name as a string without quotes.
fn is_plain(name: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && !words.contains(&name)
}
