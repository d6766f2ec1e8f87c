//! `watertight lab`: what it says without privileges, and a real run where there are some.

#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::path::Path;
use std::process::Command;

use crate::harness::{OPEN, Project, Ran, TIGHT, finish};

/// Runs in the repository.
fn ran(arguments: &[&str]) -> Ran {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command
        .args(arguments)
        .current_dir(root)
        .env_remove("WATERTIGHT_CONFIG")
        .env_remove("WATERTIGHT_ENGINE")
        .env_remove("WATERTIGHT_COLOR")
        .env("COLUMNS", "140");
    finish(&mut command, None)
}

/// Whether packets cannot be sent on this machine; says so. Where they must be, that is a failure.
fn skipped(ran: &Ran) -> bool {
    let reasons = ["error: the lab needs", "error: without root the lab needs"];
    let reason = ran
        .stderr
        .lines()
        .find(|line| reasons.iter().any(|reason| line.starts_with(reason)));
    let Some(reason) = reason else {
        return false;
    };
    println!("skipped: {reason}");
    let is_required = std::env::var("WATERTIGHT_REQUIRE_PACKETS").is_ok_and(|value| value == "1");
    assert!(!is_required, "{reason}");
    true
}

#[test]
fn rulesets_are_printed_without_privileges() {
    let found = ran(&["lab", "run", "examples/shop", "--nft"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert!(
        found
            .stdout
            .starts_with("# node worker-1\ntable inet watertight {\n")
    );
    assert!(
        found
            .stdout
            .contains("\n# node worker-2\ntable inet watertight {\n")
    );
    assert!(
        found
            .stdout
            // Its node ports are addresses of the node.
            .contains("\n# node worker-1\ntable inet watertight-services {\n")
    );
    let again = ran(&["lab", "run", "examples/shop", "--nft"]);
    assert_eq!(
        again.stdout, found.stdout,
        "the same input has the same output"
    );
}

#[test]
fn more_nodes_have_more_rulesets() {
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let found = project.run(&["lab", "run", "--nft", "--nodes", "3"]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert_eq!(found.stdout.matches("# node ").count(), 3);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_built() {
    let project = Project::new(&[("a.yaml", TIGHT)]);
    let cases: &[(&[&str], &str)] = &[
        (&["lab", "run", "nothing.yaml"], "nothing.yaml"),
        (
            &["lab", "run", "--port", "http"],
            "`http` is no port; write a number and a protocol, as 5432/tcp",
        ),
        (
            &["lab", "run", "--port", "80/icmp"],
            "`icmp` is no protocol with ports",
        ),
        (
            &["lab", "run", "--outside", "10.0.0.0/8"],
            "`10.0.0.0/8` is no address",
        ),
        (&["lab", "run", "--nodes", "0"], "0 is not in 1..=200"),
        (&["lab", "run", "--nft", "--keep"], "cannot be used with"),
        (
            &["lab", "run", "-o", "json", "-o", "text"],
            "two formats cannot share standard output",
        ),
        (
            &["lab", "run", "-o", "json=x", "-o", "html=./x"],
            "`./x` is given to two outputs",
        ),
        (&["lab", "run", "-o", "json=no/x"], "cannot write `no/x`"),
        (
            &["lab", "run", "--pcap", "no/x"],
            "cannot write `no/x.node-1`",
        ),
        (&["lab", "run", "--name", "a"], "--keep"),
        (
            &["lab", "run", "--keep", "--name", "a/b"],
            "`a/b` cannot be the name of a lab",
        ),
        (
            &["lab", "probe"],
            "watertight lab probe [OPTIONS] 'FROM -> TO:PORT/PROTOCOL'",
        ),
        (&["lab", "up", "-"], "cannot be read from standard input"),
        (
            &["lab", "up", "--name", "a/b"],
            "`a/b` cannot be the name of a lab",
        ),
        (
            &["lab", "probe", "a -> b", "--name", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
        (
            &["lab", "shell", "a", "--name", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
        (
            &["lab", "down", "no-such-lab"],
            "no lab is called `no-such-lab`",
        ),
    ];
    for (arguments, expected) in cases {
        let found = project.run(arguments);
        assert_eq!(found.code, 2, "{arguments:?}: {}", found.stdout);
        assert!(
            found.stderr.contains(expected),
            "{arguments:?}: {}",
            found.stderr
        );
        assert_eq!(found.stdout, "", "{arguments:?}");
    }
}

#[test]
fn the_schema_is_that_of_the_report() {
    let found = ran(&["schema", "lab"]);
    assert_eq!(found.code, 0);
    let schema: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(schema["title"], "LabReport");
}

#[test]
fn packets_and_prediction_agree_on_the_example() {
    let project = Project::new(&[]);
    let path = |name: &str| project.path().join(name).display().to_string();
    let (json, html) = (path("lab.json"), path("lab.html"));
    let found = ran(&[
        "lab",
        "run",
        "examples/shop",
        "-o",
        "text",
        "-o",
        &format!("json={json}"),
        "-o",
        &format!("html={html}"),
        "--pcap",
        &path("lab.pcap"),
    ]);
    if skipped(&found) {
        return;
    }
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    assert!(
        found
            .stdout
            .contains("\npackets and prediction differ: nowhere\n"),
        "{}",
        found.stdout
    );
    let report: serde_json::Value = serde_json::from_str(&project.read("lab.json")).unwrap();
    let counts = &report["counts"];
    assert!(counts["allowed"].as_u64() > Some(1000), "{counts}");
    assert!(counts["denied"].as_u64() > Some(1000), "{counts}");
    assert_eq!(counts["differ"], 0, "{counts}");
    assert_eq!(counts["controls"], counts["denied"], "{counts}");
    assert!(project.read("lab.html").ends_with("</html>\n"));
    for node in ["worker-1", "worker-2"] {
        let packets = std::fs::metadata(path(&format!("lab.pcap.{node}"))).unwrap();
        assert!(packets.len() > 10_000, "{node}: {}", packets.len());
    }
}

#[test]
fn a_tie_is_not_judged_and_says_so() {
    let found = ran(&["lab", "run", "examples/cluster-policies", "--no-icmp"]);
    if skipped(&found) {
        return;
    }
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    for told in [" . ~ ~ ", "~ something not judged", "says otherwise (A-12,"] {
        assert!(found.stdout.contains(told), "{told}: {}", found.stdout);
    }
}

#[test]
fn a_lab_stays_up_is_asked_and_goes_down() {
    let name = format!("cli-test-{}", std::process::id());
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let up = project.run(&["lab", "up", "--name", &name]);
    if skipped(&up) {
        return;
    }
    assert_eq!(up.code, 0, "{}", up.stderr);
    assert!(
        up.stdout
            .starts_with(&format!("lab `{name}` is up: 3 pods on 2 nodes")),
        "{}",
        up.stdout
    );
    let run = |arguments: &[&str]| {
        let mut all = vec!["lab"];
        all.extend_from_slice(arguments);
        all.extend(["--name", &name]);
        project.run(&all)
    };
    // The policy of the example closes `a`, and nothing is said of `b`.
    let denied = run(&["probe", "open/b -> tight/a:80"]);
    let shell = run(&["shell", "open/b"]);
    let open = run(&["probe", "ip:198.51.100.7", "open/b", "80/tcp"]);
    let many = run(&["probe", "open/b -> tight/a:80-99"]);
    let inside = project.run(&[
        "lab",
        "shell",
        "--name",
        &name,
        "tight/a",
        "--",
        "sh",
        "-c",
        "cat /proc/net/dev; exit 3",
    ]);
    project.write("a.yaml", OPEN);
    let changed = run(&["probe", "open/b -> tight/a:80"]);
    let down = project.run(&["lab", "down", &name]);

    assert_eq!(denied.code, 0, "{}", denied.stderr);
    assert!(
        denied.stdout.contains("\n  seen       dropped on node "),
        "{}",
        denied.stdout
    );
    assert!(
        denied
            .stdout
            .contains("isolated by tight/default-deny, and no rule allows it"),
        "{}",
        denied.stdout
    );
    assert!(denied.stdout.contains("(a.yaml:"), "{}", denied.stdout);
    assert!(
        denied.stdout.contains("\n  result     as predicted\n"),
        "{}",
        denied.stdout
    );
    assert_eq!(open.code, 0, "{}", open.stderr);
    assert!(
        open.stdout
            .contains("\n  seen       open: open/b answered at "),
        "{}",
        open.stdout
    );
    assert!(
        many.stdout
            .contains("open/b -> tight/a:99/tcp: dropped, as predicted\n"),
        "{}",
        many.stdout
    );
    // Its standard input is at its end.
    assert_eq!(shell.code, 0, "{}", shell.stderr);
    assert_eq!(inside.code, 3, "{}", inside.stderr);
    assert!(inside.stdout.contains("eth0:"), "{}", inside.stdout);
    assert_eq!(changed.code, 2);
    assert!(
        changed
            .stderr
            .contains("the manifests have changed since the lab"),
        "{}",
        changed.stderr
    );
    assert_eq!(
        down.stdout,
        format!("lab `{name}` is down\n"),
        "{}",
        down.stderr
    );
}

/// Pods, a Service of every sort, a workload without replicas, and a policy.
const SORTS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: c, ports: [{containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: none, namespace: shop}
spec: {replicas: 0, selector: {matchLabels: {app: none}}, template: {metadata: {labels: {app: none}}, spec: {containers: [{name: c, image: c}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, image: c}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec: {template: {spec: {containers: [{name: c, image: c}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: done, namespace: shop}
spec: {containers: [{name: c, image: c}]}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {type: LoadBalancer, selector: {app: nobody}, ports: [{port: 443}]}
---
apiVersion: v1
kind: Service
metadata: {name: head, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: shop}
spec: {type: ExternalName, externalName: a.example.org}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}
";

#[test]
fn a_run_says_what_is_not_in_the_lab_and_what_was_made_up() {
    let project = Project::new(&[("a.yaml", SORTS)]);
    let run = |more: &[&str]| {
        let mut all = vec![
            "lab",
            "run",
            "--outside",
            "203.0.113.9=partner",
            "--no-usual-outside",
        ];
        all.extend_from_slice(more);
        project.run(&all)
    };
    let found = run(&["-o", "text", "-o", "json=lab.json", "-o", "html=lab.html"]);
    if skipped(&found) {
        return;
    }
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    for told in [
        "\npackets and prediction differ: nowhere\n",
        "ip:203.0.113.9 (partner)",
        "shop/done has finished",
        "the load balancer of Service shop/empty has no address in the input",
        "2 ports of Services have no node port in the input",
        "Service shop/empty has nothing behind it",
        "Service shop/head is headless",
        "Service shop/alias is an alias of a name outside of the cluster",
        "  M-2: no cluster DNS in the input",
        "  M-7: ",
        "even none (shop/none",
        "it is IPv4 and IPv6",
    ] {
        assert!(found.stdout.contains(told), "{told}: {}", found.stdout);
    }
    let report: serde_json::Value = serde_json::from_str(&project.read("lab.json")).unwrap();
    let mut left = report["leftOut"].as_array().unwrap().iter();
    assert!(left.any(|left| left["name"] == "Service shop/head"));
    assert_eq!(report["outside"][0]["name"], "partner");
    // From outside, and from pods.
    for kind in ["outside", "pod"] {
        let mut pairs = report["pairs"].as_array().unwrap().iter();
        let is_dialled = pairs.any(|pair| {
            let is_from =
                report["parties"][pair["from"].as_u64().unwrap() as usize]["kind"] == kind;
            let mut ports = pair["allowed"].as_array().into_iter().flatten();
            is_from && ports.any(|port| port == "30000/tcp")
        });
        assert!(is_dialled, "nobody of kind {kind} dials the node port");
    }
    let page = project.read("lab.html");
    assert!(page.contains("<li>Service shop/head is headless"), "{page}");
    assert!(page.contains("<li>M-7: "), "{page}");
    assert!(page.contains("ip:203.0.113.9 (partner)"), "{page}");

    // Engines that judge before they translate.
    let before = run(&["--switch", "service_dnat=pre"]);
    let told = "Service shop/web is judged by";
    assert!(before.stdout.contains(told), "{}", before.stdout);
}

#[test]
fn a_run_that_puts_nothing_to_the_test_says_so() {
    let broken =
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x\nspec: [";
    let project = Project::new(&[("pods/a.yaml", OPEN), ("broken.yaml", broken)]);
    let open = project.run(&["lab", "run", "pods"]);
    if skipped(&open) {
        return;
    }
    assert_eq!(open.code, 0, "{}", open.stderr);
    assert!(
        open.stdout
            .contains("\npackets and prediction differ: nowhere, BUT "),
        "{}",
        open.stdout
    );
    let unread = project.run(&["lab", "run", ".", "-o", "text", "-o", "junit=lab.xml"]);
    assert_eq!(unread.code, 2, "{}", unread.stderr);
    assert!(
        unread.stdout.contains("NOT EVERYTHING COULD BE READ"),
        "{}",
        unread.stdout
    );
    assert!(
        unread.stdout.contains("\n  broken.yaml:4:"),
        "{}",
        unread.stdout
    );
    let junit = project.read("lab.xml");
    assert!(junit.contains("<error message=\"broken.yaml:4:"), "{junit}");
}

#[test]
fn a_probe_says_why_there_is_nothing_to_try_and_what_a_service_lacks() {
    let name = format!("cli-probe-{}", std::process::id());
    let project = Project::new(&[("a.yaml", SORTS)]);
    let up = project.run(&[
        "lab",
        "up",
        "--name",
        &name,
        "--outside",
        "203.0.113.9=partner",
    ]);
    if skipped(&up) {
        return;
    }
    let probe = |text: &str| project.run(&["lab", "probe", "--name", &name, text]);
    let nothing: Vec<_> = [
        (
            "shop/web -> ip:8.8.8.8:53",
            "nobody in the lab has the address 8.8.8.8; `lab up --outside 8.8.8.8`",
        ),
        ("shop/web -> shop/web:80", "are the same pod"),
        ("shop/agent -> node:n1:80", "share the network of node n1"),
        (
            "shop/web -> shop/done:80",
            "`shop/done` is not in the lab: it has finished",
        ),
        (
            "shop/web -> shop/svc/head:5432",
            "`shop/svc/head` is not in the lab: it is headless",
        ),
        ("shop/svc/web -> shop/db:80", "a Service connects to nobody"),
        (
            "shop/web -> fqdn:a.example.org:80",
            "nobody in the lab has the name of `fqdn:a.example.org`",
        ),
        (
            "world -> shop/svc/web:80",
            "a cluster address leads nowhere from outside",
        ),
    ]
    .into_iter()
    .map(|(text, told)| (text, told, probe(text)))
    .collect();
    let lacking = probe("shop/db -> shop/svc/web:81");
    let service = probe("shop/db -> shop/svc/web");
    let by_address = probe("shop/db -> cidr:10.96.0.0/12");
    let literal = probe("shop/db -> ip:203.0.113.9:443");
    let one_family = probe("shop/db -> cidr:203.0.113.0/24:443");
    let pods = project.run(&[
        "lab",
        "probe",
        "--name",
        &name,
        "shop/db",
        "cidr:10.244.0.0/16",
        "8080",
    ]);
    let shell = |party: &str, command: &[&str]| {
        let mut all = vec!["lab", "shell", "--name", &name, party, "--"];
        all.extend_from_slice(command);
        project.run(&all)
    };
    let mine = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let files = shell("shop/web", &["cat", "/etc/resolv.conf", "/etc/hosts"]);
    let agent = shell("agent", &["cat", "/etc/hosts"]);
    let nobody = shell("shop/wbe", &["true"]);
    let after = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let down = project.run(&["lab", "down", &name]);

    assert_eq!(up.code, 0, "{}", up.stderr);
    assert!(
        up.stdout
            .contains("\nnot in the lab: Service shop/head is headless"),
        "{}",
        up.stdout
    );
    assert!(
        up.stdout.contains(&format!(
            "lab probe --name {name} 'shop/db -> shop/web:8080'"
        )),
        "{}",
        up.stdout
    );
    for (text, told, found) in nothing {
        assert_eq!(found.code, 2, "{text}: {}", found.stdout);
        assert!(found.stderr.contains(told), "{text}: {}", found.stderr);
    }
    assert_eq!(lacking.code, 0, "{}", lacking.stderr);
    let told = "predicted  DENIED: the Service has no port 81/tcp, only 80/tcp\n";
    assert!(lacking.stdout.contains(told), "{}", lacking.stdout);
    // What is dialled, not what is behind it.
    for found in [&service, &by_address] {
        assert!(
            found.stdout.contains("shop/db -> shop/svc/web:80/tcp\n"),
            "{}{}",
            found.stdout,
            found.stderr
        );
    }
    for found in [&literal, &one_family] {
        assert!(
            found
                .stdout
                .starts_with("shop/db -> ip:203.0.113.9:443/tcp (partner)\n"),
            "{}",
            found.stdout
        );
        assert!(
            found.stdout.contains("open: the world outside answered"),
            "{}",
            found.stdout
        );
    }
    assert!(
        pods.stdout.contains("shop/db -> shop/web:8080/tcp\n"),
        "{}",
        pods.stdout
    );
    assert!(!pods.stdout.contains("IPv6"), "{}", pods.stdout);
    assert_eq!(files.code, 0, "{}", files.stderr);
    assert!(
        files.stdout.contains("\nsearch shop.svc.cluster.local "),
        "{}{}",
        files.stdout,
        files.stderr
    );
    assert!(files.stdout.contains(" web\n"), "{}", files.stdout);
    assert!(
        agent.stdout.contains(" n1\n"),
        "{}{}",
        agent.stdout,
        agent.stderr
    );
    assert_eq!(mine, after, "the machine's own are as they were");
    assert!(
        nobody.stderr.contains("(did you mean `shop/web`?)"),
        "{}",
        nobody.stderr
    );
    assert_eq!(down.code, 0, "{}", down.stderr);
}
