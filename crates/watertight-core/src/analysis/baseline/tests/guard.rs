//! What keeps namespaces covered.

use super::*;

fn guard(yaml: &str, guard: Guard) -> String {
    let case = Case::new(yaml);
    let request = Request {
        namespaces: vec![case.world.namespace("a").unwrap()],
        guard: Some(guard),
        ..Request::default()
    };
    let ruleset = lower(&case.world, &case.profile);
    let eval = Evaluator::new(&case.world, &ruleset, case.profile.switches);
    let plan = plan(&eval, &case.hints, &request);
    plan.guard.unwrap().text
}

/// Kyverno gets the same DNS rule for namespaces that do not exist yet, and leaves those of the
/// cluster itself alone.
#[test]
fn kyverno_knows_the_dns_and_the_cluster() {
    let text = guard(
        &format!("{}{DNS}", pod("web", "app: web", 1)),
        Guard::Kyverno,
    );
    let (_, dns) = text.split_once("  - name: allow-dns\n").unwrap();
    expect![[r#"
            match:
              any:
              - resources:
                  kinds:
                  - Namespace
                  operations:
                  - CREATE
            exclude:
              any:
              - resources:
                  names:
                  - calico-apiserver
                  - calico-system
                  - gmp-system
                  - kyverno
                  - openshift
                  - tigera-operator
                  - "gke-managed-*"
                  - "kube-*"
                  - "openshift-*"
            generate:
              synchronize: true
              apiVersion: networking.k8s.io/v1
              kind: NetworkPolicy
              name: allow-dns
              namespace: "{{request.object.metadata.name}}"
              data:
                spec:
                  podSelector: {}
                  policyTypes:
                  - Egress
                  egress:
                  - to:
                    - namespaceSelector:
                        matchLabels:
                          kubernetes.io/metadata.name: kube-system
                      podSelector:
                        matchLabels:
                          k8s-app: kube-dns
                    ports:
                    - protocol: TCP
                      port: 53
                    - protocol: UDP
                      port: 53
    "#]]
    .assert_eq(&super::without_indent(dns, "    "));
    let mut sources = Sources::new();
    sources.add("g.yaml", text.into()).unwrap();
    let loaded = crate::manifest::load(&sources, &Options::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    assert_eq!(loaded.other_kinds["ClusterPolicy"], 1);
}

/// Requests about namespaces of the cluster itself, and changes of namespaces that never had the label,
/// go through.
#[test]
fn admission_policies_leave_alone_what_the_plan_does() {
    let yaml = format!("{}{DNS}", pod("web", "app: web", 1));
    let text = guard(&yaml, Guard::Vap);
    expect![[r##"
        # What an API server can refuse by itself. CEL sees one object at a time: it can tell that a
        # namespace admits host-network pods, that a policy opens what a baseline closes, and that somebody
        # deletes the default deny, but not that a namespace has no policies, nor what policies of other
        # languages do. Needs Kubernetes 1.31, whose CEL knows blocks of addresses. Made by `watertight
        # baseline`.
        # A new namespace must not admit pods on the host network, about which no policy is, and one that
        # does not must stay so. Others may be changed as before.
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata:
          name: baseline-namespaces
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          failurePolicy: Fail
          matchConstraints:
            resourceRules:
            - apiGroups: [""]
              apiVersions: [v1]
              operations: [CREATE, UPDATE]
              resources: [namespaces]
          matchConditions:
          - name: not-of-the-cluster
            expression: >-
              !has(object.metadata.name) || !(object.metadata.name in ['calico-apiserver',
              'calico-system', 'gmp-system', 'kyverno', 'openshift', 'tigera-operator'] ||
              ['gke-managed-', 'kube-', 'openshift-'].exists(prefix,
              object.metadata.name.startsWith(prefix)))
          variables:
          - name: refuses
            expression: >-
              has(object.metadata.labels) && 'pod-security.kubernetes.io/enforce' in
              object.metadata.labels && object.metadata.labels['pod-security.kubernetes.io/enforce'] in
              ['baseline', 'restricted']
          - name: refused
            expression: >-
              request.operation == 'UPDATE' && has(oldObject.metadata.labels) &&
              'pod-security.kubernetes.io/enforce' in oldObject.metadata.labels &&
              oldObject.metadata.labels['pod-security.kubernetes.io/enforce'] in ['baseline',
              'restricted']
          validations:
          - expression: >-
              variables.refuses || (request.operation == 'UPDATE' && !variables.refused)
            message: "keep the label pod-security.kubernetes.io/enforce at baseline or restricted"
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata:
          name: baseline-namespaces
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          policyName: baseline-namespaces
          validationActions: [Deny]
        ---
        # No NetworkPolicy opens everything, or a metadata service.
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata:
          name: baseline-policies
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          failurePolicy: Fail
          matchConstraints:
            resourceRules:
            - apiGroups: ["networking.k8s.io"]
              apiVersions: [v1]
              operations: [CREATE, UPDATE]
              resources: [networkpolicies]
          matchConditions:
          - name: not-of-the-cluster
            expression: >-
              !(request.namespace in ['calico-apiserver', 'calico-system', 'gmp-system', 'kyverno',
              'openshift', 'tigera-operator'] || ['gke-managed-', 'kube-', 'openshift-'].exists(prefix,
              request.namespace.startsWith(prefix)))
          - name: changes-rules
            expression: >-
              request.operation != 'UPDATE' || object.spec != oldObject.spec
          variables:
          - name: metadata
            expression: >-
              ['100.100.100.200', '168.63.129.16', '169.254.0.23', '169.254.42.42', '169.254.169.252',
              '169.254.169.254', '169.254.170.2', '169.254.170.23', '192.0.0.192', 'fd00:42::42',
              'fd00:c1::a9fe:a9fe', 'fd00:ec2::23', 'fd00:ec2::254', 'fd00:a9fe:a9fe::1',
              'fd20:ce::254']
          validations:
          - expression: >-
              !has(object.spec.egress) || object.spec.egress.all(rule, has(rule.to) && rule.to.size() >
              0)
            message: "an egress rule without `to` allows every destination, metadata services too"
          - expression: >-
              !has(object.spec.ingress) || object.spec.ingress.all(rule, has(rule.from) &&
              rule.from.size() > 0)
            message: "an ingress rule without `from` allows everybody; name who connects"
          - expression: >-
              !has(object.spec.egress) || object.spec.egress.all(rule, !has(rule.to) ||
              rule.to.all(peer, !has(peer.ipBlock) || variables.metadata.all(ip,
              !cidr(peer.ipBlock.cidr).containsIP(ip) || (has(peer.ipBlock.except) &&
              peer.ipBlock.except.exists(net, cidr(net).containsIP(ip))))))
            message: "leave the addresses of metadata services out of the block, with `except`"
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata:
          name: baseline-policies
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          policyName: baseline-policies
          validationActions: [Deny]
        ---
        # Nobody deletes the default deny of a namespace that stays.
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata:
          name: baseline-default-deny
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          failurePolicy: Fail
          matchConstraints:
            resourceRules:
            - apiGroups: ["networking.k8s.io"]
              apiVersions: [v1]
              operations: [DELETE]
              resources: [networkpolicies]
          matchConditions:
          - name: not-of-the-cluster
            expression: >-
              !(request.namespace in ['calico-apiserver', 'calico-system', 'gmp-system', 'kyverno',
              'openshift', 'tigera-operator'] || ['gke-managed-', 'kube-', 'openshift-'].exists(prefix,
              request.namespace.startsWith(prefix)))
          validations:
          - expression: >-
              oldObject.metadata.name != 'default-deny' ||
              (has(namespaceObject.metadata.deletionTimestamp))
            message: "without its default deny a namespace is open"
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata:
          name: baseline-default-deny
          labels:
            app.kubernetes.io/managed-by: watertight
        spec:
          policyName: baseline-default-deny
          validationActions: [Deny]
    "##]].assert_eq(&text);
    let mut sources = Sources::new();
    sources.add("g.yaml", text.into()).unwrap();
    let loaded = crate::manifest::load(&sources, &Options::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    assert_eq!(loaded.other_kinds["ValidatingAdmissionPolicy"], 3);
    assert_eq!(loaded.other_kinds["ValidatingAdmissionPolicyBinding"], 3);
    // A namespace whose workloads need the host network, and a policy that opens what was asked for.
    let host = yaml.replace(
        "spec: {containers: [{name: c,",
        "spec: {hostNetwork: true, containers: [{name: c,",
    ) + &pod("app", "app: app", 2).replace(
        "{name: app, namespace: a,",
        "{name: app, namespace: a, annotations: {baseline.watertight.dev/allow-to: \
             \"ip:169.254.169.254:80\"},",
    );
    let text = guard(&host, Guard::Vap);
    let conditions: Vec<&str> = text
        .split("  - name: ")
        .filter(|part| part.starts_with("not-left-alone") || part.starts_with("not-asked-for"))
        .map(|part| part.split("  va").next().unwrap())
        .collect();
    expect![[r#"
        not-left-alone
            expression: >-
              !has(object.metadata.name) || !(object.metadata.name in ['a'])
        not-asked-for
            expression: >-
              !has(object.metadata.name) || !(request.namespace + '/' + object.metadata.name in
              ['a/app'])
    "#]]
    .assert_eq(&conditions.concat());
}
