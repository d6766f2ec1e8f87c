//! A small report in every format.

use expect_test::{Expect, expect};
use watertight_core::report::verify::{
    VerifyAttempt, VerifyClaim, VerifyCounts, VerifyNewPod, VerifyPod, VerifyReport, VerifyTiming,
    verify_schema,
};
use watertight_core::report::{API_VERSION, Tool};

use super::render;
use crate::args::VerifyFormat;

fn pod(name: &str, part: &str, node: &str) -> VerifyPod {
    VerifyPod {
        name: name.into(),
        pod: format!("{name}-abc-1"),
        part: part.into(),
        node: Some(node.into()),
        addresses: vec!["10.244.0.5".into()],
    }
}

fn claim(path: &str, place: &str, protocol: &str, verdict: &str, reason: &str) -> VerifyClaim {
    let attempt = VerifyAttempt {
        phase: "denied".into(),
        at: 210,
        end: "treatment".into(),
        outcome: "open".into(),
        by: Some("heron".into()),
        detail: None,
    };
    VerifyClaim {
        direction: "egress".into(),
        path: path.into(),
        place: place.into(),
        family: 4,
        protocol: protocol.into(),
        from: 1,
        to: "heron".into(),
        target: format!("{protocol}:10.244.0.5:8081"),
        expected: "denied".into(),
        verdict: verdict.into(),
        reason: reason.into(),
        stopped_after: (verdict == "enforced").then_some(210),
        counts: true,
        attempts: vec![attempt],
    }
}

fn report() -> VerifyReport {
    VerifyReport {
        api_version: API_VERSION.into(),
        kind: "VerifyReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: "0.1.0".into(),
        },
        cluster: "kind-kind".into(),
        namespace: "watertight-verify-abc".into(),
        image: Some("watertight:0.1.0".into()),
        verdict: "not-enforced".into(),
        counts: VerifyCounts {
            enforced: 3,
            not_enforced: 1,
            exempt: 1,
            ..VerifyCounts::default()
        },
        pods: vec![
            pod("heron", "open-server", "a"),
            pod("tundra", "closed-client", "b"),
        ],
        claims: vec![
            claim(
                "pod-ip",
                "other-node",
                "tcp",
                "enforced",
                "3 attempts stopped",
            ),
            claim(
                "pod-ip",
                "other-node",
                "udp",
                "enforced",
                "3 attempts stopped",
            ),
            claim("pod-ip", "node:a", "tcp", "enforced", "3 attempts stopped"),
            claim(
                "pod-ip",
                "node:b",
                "tcp",
                "not-enforced",
                "it still works 20.0 s after a policy denies it",
            ),
            claim(
                "node",
                "same-node",
                "tcp",
                "exempt",
                "it stays open: its own node",
            ),
        ],
        timings: vec![VerifyTiming {
            change: "enforce".into(),
            direction: "egress".into(),
            not_before: Some(50.0),
            after: Some(61.5),
            uncertainty: 4.0,
            attempts: 320,
            contradictions: 0,
        }],
        new_pods: vec![
            VerifyNewPod {
                direction: "egress".into(),
                verdict: "open".into(),
                reason: "some of its attempts arrived, although the policies were there before it"
                    .into(),
                open_for: Some(410.0),
                first_attempt: Some(1.2),
                attempts: 600,
            },
            VerifyNewPod {
                direction: "ingress".into(),
                verdict: "closed".into(),
                reason: "none of the attempts to reach it arrived".into(),
                open_for: None,
                first_attempt: None,
                attempts: 290,
            },
        ],
        connections: Vec::new(),
        notes: vec!["one node takes pods: nothing is said about connections between nodes".into()],
        left_behind: vec!["cannot delete Namespace `x`: \u{1b}forbidden".into()],
    }
}

fn rendered(format: VerifyFormat) -> String {
    let mut out = Vec::new();
    render(&report(), format, false, 100, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(format: VerifyFormat, expected: Expect) {
    expected.assert_eq(&rendered(format));
}

#[test]
fn text_tells_the_verdict_and_every_reason() {
    check(
        VerifyFormat::Text,
        expect![[r#"
            kind-kind: policies are NOT enforced as they are written
            3 of 4 claims enforced, 1 not enforced, 1 left open by the API

            node a  egress enforced (1 of 1)
            node b  egress NOT enforced (1 of 3)

            POLICY  BY      WHERE       PROTOCOL  CLAIMS  VERDICT
            egress  pod-ip  other-node  tcp udp   2       enforced (seen within 210 ms)
            egress  pod-ip  1 node      tcp       1       enforced (seen within 210 ms)
            egress  pod-ip  1 node      tcp       1       not-enforced
            egress  node    same-node   tcp       1       exempt

            not-enforced  egress: tundra on b -> heron on a, tcp:10.244.0.5:8081 pod-ip
                it still works 20.0 s after a policy denies it

            exempt  egress: tundra on b -> heron on a, tcp:10.244.0.5:8081 node
                it stays open: its own node

            egress deny in force after 61.5 ms (still as before at 50 ms), give or take 4 ms, 320 attempts
            a new pod under policies, egress: open for 410 ms; some of its attempts arrived, although the policies were there before it
            a new pod under policies, ingress: closed; none of the attempts to reach it arrived

            note: one node takes pods: nothing is said about connections between nodes
            left behind: cannot delete Namespace `x`: ␛forbidden
        "#]],
    );
}

#[test]
fn junit_fails_what_is_not_enforced_and_skips_what_is_left_open() {
    check(
        VerifyFormat::Junit,
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="watertight verify" tests="7" skipped="1" failures="1" errors="0">
            <testsuite name="egress pod-ip" tests="4" skipped="0" errors="0" failures="1">
                <testcase name="tundra on b -&gt; heron on a, tcp:10.244.0.5:8081 pod-ip" classname="egress pod-ip"/>
                <testcase name="tundra on b -&gt; heron on a, udp:10.244.0.5:8081 pod-ip" classname="egress pod-ip"/>
                <testcase name="tundra on b -&gt; heron on a, tcp:10.244.0.5:8081 pod-ip" classname="egress pod-ip"/>
                <testcase name="tundra on b -&gt; heron on a, tcp:10.244.0.5:8081 pod-ip" classname="egress pod-ip">
                    <failure message="not-enforced: it still works 20.0 s after a policy denies it" type="not-enforced">denied 210 ms treatment: open by heron
        </failure>
                </testcase>
            </testsuite>
            <testsuite name="egress node" tests="1" skipped="1" errors="0" failures="0">
                <testcase name="tundra on b -&gt; heron on a, tcp:10.244.0.5:8081 node" classname="egress node">
                    <skipped message="exempt: it stays open: its own node"/>
                </testcase>
            </testsuite>
            <testsuite name="new pod" tests="2" skipped="0" errors="0" failures="0">
                <testcase name="a new pod under policies, egress" classname="new pod"/>
                <testcase name="a new pod under policies, ingress" classname="new pod"/>
            </testsuite>
        </testsuites>
    "#]],
    );
}

#[test]
fn junit_fails_a_new_pod_that_is_never_closed() {
    let mut report = report();
    report.new_pods[0].verdict = "never-closed".into();
    let mut out = Vec::new();
    render(&report, VerifyFormat::Junit, false, 100, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("failures=\"2\""), "{text}");
    assert!(text.contains("type=\"never-closed\""), "{text}");
}

#[test]
fn json_fits_the_schema() {
    let json: serde_json::Value = serde_json::from_str(&rendered(VerifyFormat::Json)).unwrap();
    let schema = serde_json::to_value(verify_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json));
    assert_eq!(json["claims"][0]["attempts"][0]["by"], "heron");
}
