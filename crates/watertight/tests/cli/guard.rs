//! `baseline --guard`: what an API server would do with the admission policies, and what Kyverno makes.
//!
//! The CEL is run by an interpreter that knows CEL and nothing of Kubernetes; the two functions that an API server
//! adds (`cidr` and `containsIP`) are made here.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read what was printed fails"
)]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, ExecutionError, FunctionContext, Program, Value as Cel};
use ipnet::IpNet;
use serde_json::{Value, json};
use watertight_core::document::{Kind, Node, units};
use watertight_core::source::Sources;

use crate::baseline::example;
use crate::harness::Project;

/// The objects of a stream of YAML.
fn objects(text: &str) -> Vec<Value> {
    let mut sources = Sources::new();
    let file = sources.add_text("objects.yaml", text.to_owned()).unwrap();
    let (units, errors) = units(file, "objects.yaml", text);
    assert!(errors.is_empty(), "{errors:?}");
    let documents = units.iter().flat_map(|unit| unit.read(text));
    let documents = documents.map(|document| document.unwrap());
    let values = documents.filter_map(|document| document.root().map(value));
    values.filter(|value| !value.is_null()).collect()
}

fn value(node: Node<'_, '_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(node.bool().unwrap()),
        Kind::Number => Value::from(node.integer().unwrap()),
        Kind::String => Value::from(node.string().unwrap()),
        Kind::Sequence => node.items().map(value).collect(),
        Kind::Mapping => Value::Object(
            node.entries()
                .map(|(key, item)| (key.string().unwrap().into_owned(), value(item)))
                .collect(),
        ),
    }
}

/// A request to an API server.
struct Asked<'a> {
    operation: &'a str,
    object: Value,
    old: Value,
    namespace: Value,
}

fn create(object: &Value) -> Asked<'static> {
    Asked {
        operation: "CREATE",
        object: object.clone(),
        old: Value::Null,
        namespace: json!({"metadata": {"name": object["metadata"]["namespace"]}}),
    }
}

fn update(old: &Value, object: &Value) -> Asked<'static> {
    Asked {
        operation: "UPDATE",
        old: old.clone(),
        ..create(object)
    }
}

fn delete(old: &Value) -> Asked<'static> {
    Asked {
        operation: "DELETE",
        object: Value::Null,
        old: old.clone(),
        ..create(old)
    }
}

fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap()).collect()
}

/// Whether an expression is true; an error is none of both, as for an API server.
fn is_true(expression: &Value, context: &Context<'_, '_>) -> Result<bool, String> {
    let expression = expression.as_str().unwrap();
    let program =
        Program::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    match program.execute(context) {
        Ok(Cel::Bool(is)) => Ok(is),
        other => Err(format!("{expression}: {other:?}")),
    }
}

fn cidr(context: &FunctionContext<'_, '_>, text: Arc<String>) -> Result<Cel, ExecutionError> {
    match text.parse::<IpNet>() {
        Ok(_) => Ok(Cel::String(text)),
        Err(error) => Err(context.error(error)),
    }
}

fn contains_ip(
    context: &FunctionContext<'_, '_>,
    This(net): This<Arc<String>>,
    ip: Arc<String>,
) -> Result<Cel, ExecutionError> {
    let net: IpNet = net.parse().map_err(|error| context.error(error))?;
    let ip: IpAddr = ip.parse().map_err(|error| context.error(error))?;
    Ok(Cel::Bool(net.contains(&ip)))
}

/// Why an API server with these policies refuses a request: the messages, or the errors.
fn refused(policies: &[Value], asked: &Asked<'_>) -> Vec<String> {
    let mut why = Vec::new();
    let subject = if asked.object.is_null() {
        &asked.old
    } else {
        &asked.object
    };
    let resource = match subject["kind"].as_str() {
        Some("Namespace") => ("", "namespaces"),
        Some("NetworkPolicy") => ("networking.k8s.io", "networkpolicies"),
        other => panic!("{other:?}"),
    };
    // Both ends of a change of a Namespace are in that namespace.
    let namespace = match resource.1 {
        "namespaces" => &subject["metadata"]["name"],
        _ => &subject["metadata"]["namespace"],
    };
    for policy in policies
        .iter()
        .filter(|policy| policy["kind"] == "ValidatingAdmissionPolicy")
    {
        let spec = &policy["spec"];
        assert_eq!(spec["failurePolicy"], "Fail");
        let is_about = |rule: &Value| {
            texts(&rule["apiGroups"]).contains(&resource.0)
                && texts(&rule["apiVersions"]).contains(&"v1")
                && texts(&rule["operations"]).contains(&asked.operation)
                && texts(&rule["resources"]).contains(&resource.1)
        };
        let rules = spec["matchConstraints"]["resourceRules"]
            .as_array()
            .unwrap();
        if !rules.iter().any(is_about) {
            continue;
        }
        let mut context = Context::default();
        context.add_function("cidr", cidr).unwrap();
        context.add_function("containsIP", contains_ip).unwrap();
        let request = json!({"operation": asked.operation, "namespace": namespace});
        context.add_variable("request", request).unwrap();
        context
            .add_variable("object", asked.object.clone())
            .unwrap();
        context
            .add_variable("oldObject", asked.old.clone())
            .unwrap();
        context
            .add_variable("namespaceObject", asked.namespace.clone())
            .unwrap();
        let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
        let conditions = list("matchConditions");
        let mut conditions = conditions
            .iter()
            .map(|condition| is_true(&condition["expression"], &context));
        match conditions.find(|met| *met != Ok(true)) {
            None => {}
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                why.push(error);
                continue;
            }
        }
        let mut variables = HashMap::new();
        for variable in list("variables") {
            let expression = variable["expression"].as_str().unwrap();
            let program = Program::compile(expression).unwrap();
            let name = variable["name"].as_str().unwrap().to_owned();
            variables.insert(name, program.execute(&context).unwrap());
        }
        context
            .add_variable("variables", Cel::from(variables))
            .unwrap();
        for validation in list("validations") {
            match is_true(&validation["expression"], &context) {
                Ok(true) => {}
                Ok(false) => why.push(validation["message"].as_str().unwrap().to_owned()),
                Err(error) => why.push(error),
            }
        }
    }
    why
}

fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn policy(namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// The admission policies of the shop, and everything else that its baseline has.
fn of_the_shop() -> (Vec<Value>, Vec<Value>) {
    let project = Project::new(&[]);
    let ran = project.run(&[
        "baseline",
        &example("shop"),
        "--guard",
        "vap",
        "--out",
        "out",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut others = Vec::new();
    for entry in std::fs::read_dir(project.path().join("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "guard.yaml" {
            others.extend(objects(&std::fs::read_to_string(path).unwrap()));
        }
    }
    (objects(&project.read("out/guard.yaml")), others)
}

#[test]
fn an_api_server_lets_the_baseline_itself_in() {
    let (guard, baseline) = of_the_shop();
    assert!(baseline.len() >= 30, "{}", baseline.len());
    for object in &baseline {
        assert_eq!(refused(&guard, &create(object)), [""; 0], "{object}");
    }
}

#[test]
fn new_namespaces_refuse_the_host_network() {
    let (guard, _) = of_the_shop();
    let told = |asked: Asked<'_>| refused(&guard, &asked).len();
    let none = json!({});
    for (name, labels, refusals) in [
        ("new", json!({ENFORCE: "baseline"}), 0),
        ("new", json!({ENFORCE: "restricted"}), 0),
        ("new", json!({ENFORCE: "privileged"}), 1),
        ("new", json!({"team": "a"}), 1),
        ("new", none.clone(), 1),
        ("kube-new", none.clone(), 0),
        ("gke-managed-cim", none.clone(), 0),
        ("kyverno", none.clone(), 0),
        ("openshift", none.clone(), 0),
        ("kyverno2", none.clone(), 1),
        // Its proxies are on the host network: the plan leaves it as it is.
        ("platform", none.clone(), 0),
    ] {
        let made = namespace(name, labels);
        assert_eq!(told(create(&made)), refusals, "{made}");
    }
    let unnamed = json!({"kind": "Namespace", "metadata": {"generateName": "review-"}});
    assert_eq!(told(create(&unnamed)), 1);
    let tight = namespace("new", json!({ENFORCE: "restricted"}));
    let open = namespace("new", json!({"team": "a"}));
    assert_eq!(told(update(&tight, &open)), 1);
    assert_eq!(told(update(&open, &tight)), 0);
    assert_eq!(
        told(update(
            &tight,
            &namespace("new", json!({ENFORCE: "baseline"}))
        )),
        0
    );
    // What never had the label may be changed as before.
    assert_eq!(
        told(update(&open, &namespace("new", json!({"team": "b"})))),
        0
    );
    assert_eq!(told(delete(&tight)), 0);
}

#[test]
fn no_policy_opens_everything_or_a_metadata_service() {
    let (guard, _) = of_the_shop();
    let told = |asked: Asked<'_>| refused(&guard, &asked);
    let egress = "an egress rule without `to` allows every destination, metadata services too";
    let ingress = "an ingress rule without `from` allows everybody; name who connects";
    let metadata = "leave the addresses of metadata services out of the block, with `except`";
    let to = |peer: Value| json!({"podSelector": {}, "egress": [{"to": [peer]}]});
    let all = [
        "100.100.100.0/24",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.192/32",
    ];
    let block =
        |cidr: &str, except: &[&str]| to(json!({"ipBlock": {"cidr": cidr, "except": except}}));
    let none: &[&str] = &[];
    for (spec, expected) in [
        (
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
            none,
        ),
        (json!({"podSelector": {}, "egress": [{}]}), &[egress]),
        (
            json!({"podSelector": {}, "egress": [{"to": []}]}),
            &[egress],
        ),
        (
            json!({"podSelector": {}, "egress": [{"ports": [{"port": 80}]}]}),
            &[egress],
        ),
        (json!({"podSelector": {}, "ingress": [{}]}), &[ingress]),
        (
            json!({"podSelector": {}, "ingress": [{"from": []}], "egress": [{}]}),
            &[egress, ingress],
        ),
        (
            json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}),
            none,
        ),
        (to(json!({"namespaceSelector": {}})), none),
        (to(json!({"ipBlock": {"cidr": "0.0.0.0/0"}})), &[metadata]),
        (to(json!({"ipBlock": {"cidr": "::/0"}})), &[metadata]),
        (
            to(json!({"ipBlock": {"cidr": "169.254.169.254/32"}})),
            &[metadata],
        ),
        (to(json!({"ipBlock": {"cidr": "10.0.0.0/8"}})), none),
        (block("0.0.0.0/0", &["169.254.169.254/32"]), &[metadata]),
        (block("0.0.0.0/0", &all), none),
        (block("fd00::/8", &["fd00::/9"]), none),
        (block("fd00::/8", &["fd00:ec2::254/128"]), &[metadata]),
        // What cannot be read is refused: `failurePolicy: Fail`.
        (
            to(json!({"ipBlock": {"cidr": "nonsense"}})),
            &["invalid IP address"],
        ),
    ] {
        let asked = create(&policy("shop", "some", spec));
        let found = told(asked);
        let is_expected = |(found, expected): (&String, &&str)| found.contains(*expected);
        assert_eq!(found.len(), expected.len(), "{found:?} {expected:?}");
        assert!(
            found.iter().zip(expected).all(is_expected),
            "{found:?} {expected:?}"
        );
    }
    let open = json!({"podSelector": {}, "egress": [{}]});
    assert_eq!(
        told(create(&policy("kube-system", "some", open.clone()))),
        [""; 0]
    );
    // What is there already may get a label, but no other open rule.
    let before = policy("shop", "some", open.clone());
    let mut labelled = before.clone();
    labelled["metadata"]["labels"] = json!({"team": "a"});
    assert_eq!(told(update(&before, &labelled)), [""; 0]);
    let closed = policy(
        "shop",
        "some",
        json!({"podSelector": {}, "policyTypes": ["Egress"]}),
    );
    assert_eq!(told(update(&closed, &before)), [egress]);
    assert_eq!(told(update(&before, &closed)), [""; 0]);
}

#[test]
fn a_default_deny_goes_with_its_namespace_only() {
    let (guard, _) = of_the_shop();
    let deny = |namespace| policy(namespace, "default-deny", json!({"podSelector": {}}));
    let found = refused(&guard, &delete(&deny("shop")));
    assert_eq!(found, ["without its default deny a namespace is open"]);
    assert_eq!(refused(&guard, &delete(&deny("kube-system"))), [""; 0]);
    let other = policy("shop", "allow-dns", json!({"podSelector": {}}));
    assert_eq!(refused(&guard, &delete(&other)), [""; 0]);
    let mut going = delete(&deny("shop"));
    going.namespace["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(refused(&guard, &going), [""; 0]);
}

/// What is asked for by name may be made, and nothing else.
#[test]
fn what_was_asked_for_may_be_made() {
    let project = Project::new(&[]);
    let ran = project.run(&[
        "baseline",
        &example("shop"),
        "--guard",
        "vap",
        "--allow",
        "shop/checkout -> ip:169.254.169.254:80",
        "--out",
        "out",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let guard = objects(&project.read("out/guard.yaml"));
    let open = json!({"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}]});
    for object in objects(&project.read("out/shop.yaml")) {
        assert_eq!(refused(&guard, &create(&object)), [""; 0], "{object}");
    }
    let asked = |namespace, name| refused(&guard, &create(&policy(namespace, name, open.clone())));
    assert_eq!(asked("shop", "checkout"), [""; 0]);
    assert_eq!(asked("shop", "cart").len(), 1);
    assert_eq!(asked("payments", "checkout").len(), 1);
}

/// A namespace that Kyverno has given its first policies is closed, with names that resolve. Kyverno puts its own
/// `app.kubernetes.io/managed-by` on what it makes and tells by it what to put back.
#[test]
fn a_namespace_of_kyverno_is_closed_and_resolves_names() {
    let project = Project::new(&[]);
    let shop = example("shop");
    let ran = project.run(&["baseline", &shop, "--guard", "kyverno", "--out", "out"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let policy = &objects(&project.read("out/guard.yaml"))[0];
    let mut made = vec![
        namespace("new", json!({ENFORCE: "restricted"})),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "new", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }),
    ];
    for rule in policy["spec"]["rules"].as_array().unwrap() {
        let generate = &rule["generate"];
        assert_eq!(generate["namespace"], "{{request.object.metadata.name}}");
        assert!(generate["data"]["metadata"].is_null(), "{generate}");
        made.push(json!({
            "apiVersion": generate["apiVersion"],
            "kind": generate["kind"],
            "metadata": {"name": generate["name"], "namespace": "new"},
            "spec": generate["data"]["spec"],
        }));
    }
    assert_eq!(made.len(), 4);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": made});
    let project = Project::new(&[("new.json", &list.to_string())]);
    let ran = project.run(&["check", &shop, "-f", "new.json", "-n", "new"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let row = ran.stdout.lines().find(|line| line.starts_with("new "));
    let row: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!(
        row[1..],
        [
            "2", "unknown", "both", "1/1", "alive", "1/1", "closed", "1/1"
        ]
    );
}
