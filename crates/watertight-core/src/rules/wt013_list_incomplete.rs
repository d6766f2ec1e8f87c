//! A kind of the cluster could not be listed.
//!
//! ## What it finds
//! Kinds of which the header of a snapshot, or of a cluster that is read live, says that they were
//! forbidden, that the API server failed, or that its answer ended early. A kind that the cluster
//! does not serve is none of them.
//!
//! ## Why it matters
//! What was not read is not known to be absent. Without pods, selectors match nothing; without
//! policies, everything looks open. The rest is judged, the run counts as incomplete and ends with
//! exit code 2, and the finding says what its answers leave out.
//!
//! ## Example
//! ```json
//! {"apiVersion": "watertight.dev/v1", "kind": "Snapshot", "metadata": {"name": "prod"},
//!  "kinds": [{"group": "", "version": "v1", "resource": "pods", "kind": "Pod",
//!             "state": "forbidden", "message": "pods is forbidden: User \"ci\" cannot list"}]}
//! ```
//!
//! ## Instead
//! Give the reader a role that may `get`, `list` and `watch` the kind, and read the cluster again.
//!
//! ## Semantics
//! - section 2: how input is read

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static LIST_INCOMPLETE: Rule = Rule {
    id: "WT013",
    name: "list-incomplete",
    severity: Severity::Error,
    summary: "a kind of the cluster could not be listed",
    source: include_str!("wt013_list_incomplete.rs"),
    check: Check::Reading,
};

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::manifest::Options;
    use crate::rules::testing::show;
    use crate::source::Sources;
    use crate::world::{Assume, read};

    fn findings(kinds: &str) -> String {
        let text = format!(
            r#"{{"apiVersion":"watertight.dev/v1","kind":"Snapshot","metadata":{{"name":"prod"}},"kinds":[{kinds}]}}"#
        );
        let mut sources = Sources::new();
        sources.add("cluster.json", text.into()).unwrap();
        let (_, loaded) = read(&sources, &Options::default(), &Assume::default(), None);
        assert!(loaded.findings.iter().all(|finding| finding.incomplete));
        assert!(loaded.other_kinds.is_empty(), "{:?}", loaded.other_kinds);
        let shown = loaded
            .findings
            .iter()
            .map(|finding| show(&sources, finding));
        shown.collect()
    }

    #[test]
    fn what_was_not_read_is_said_with_its_consequence() {
        let kinds = [
            r#"{"group":"","version":"v1","resource":"pods","kind":"Pod","state":"forbidden","message":"no"}"#,
            r#"{"group":"apps","version":"v1","resource":"daemonsets","kind":"DaemonSet","state":"failed"}"#,
            r#"{"group":"networking.k8s.io","version":"v1","resource":"networkpolicies","kind":"NetworkPolicy","state":"partial","count":3}"#,
            r#"{"group":"","version":"v1","resource":"services","kind":"Service","state":"partial","count":3,"message":"no","namespaces":["shop","pay"]}"#,
        ];
        expect![[r#"
            error[WT013] pods could not be listed (403, forbidden): selectors are judged against the pods that were read, if any
              at cluster.json:1:89: `{"group":"","version":"v1","resource":"pods","kind":"Pod","state":"forbidden","message":"no"}` 
              note: the API server said: no
              fix: allow `get`, `list` and `watch` of `pods` in the core group
            error[WT013] daemonsets.apps could not be listed (the API server did not answer): the network engine, and whether it runs on all nodes, is not known
              at cluster.json:1:183: `{"group":"apps","version":"v1","resource":"daemonsets","kind":"DaemonSet","state":"failed"}` 
              fix: read the cluster again
            error[WT013] networkpolicies.networking.k8s.io could not be listed to the end (the answer ended early): connections that these policies deny are taken for allowed
              at cluster.json:1:275: `{"group":"networking.k8s.io","version":"v1","resource":"networkpolicies","kind":"NetworkPolicy","state":"partial","count":3}` 
              fix: read the cluster again
            error[WT013] services could be listed in namespaces shop, pay only: Services and what they lead to are not known
              at cluster.json:1:400: `{"group":"","version":"v1","resource":"services","kind":"Service","state":"partial","count":3,"message":"no","namespaces":["shop","pay"]}` 
              note: the API server said: no
              fix: allow `get`, `list` and `watch` of `services` in the core group
        "#]].assert_eq(&findings(&kinds.join(",")));
    }

    #[test]
    fn what_the_cluster_does_not_have_is_no_finding() {
        let kinds = [
            r#"{"group":"","version":"v1","resource":"pods","kind":"Pod","state":"complete","count":0}"#,
            r#"{"group":"cilium.io","version":"v2","resource":"ciliumnetworkpolicies","kind":"CiliumNetworkPolicy","state":"not-served"}"#,
        ];
        assert_eq!(findings(&kinds.join(",")), "");
    }

    /// A state that a newer version writes must not pass for complete.
    #[test]
    fn an_unknown_state_counts_as_failed() {
        let kinds =
            r#"{"group":"","version":"v1","resource":"nodes","kind":"Node","state":"sideways"}"#;
        assert!(findings(kinds).contains("nodes could not be listed"));
    }
}
