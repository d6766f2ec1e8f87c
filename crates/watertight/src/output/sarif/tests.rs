//! What code scanning needs, key by key.

use expect_test::expect;
use serde_json::Value;
use watertight_core::diag::Severity;
use watertight_core::source::Span;

use super::{MAX_RELATED, log, uri};
use crate::output::testing::{POLICIES, Sample, finding};
use crate::output::{Format, Rendering};

fn parsed(sample: &Sample) -> Value {
    serde_json::from_str(&sample.print(Format::Sarif)).unwrap()
}

#[test]
fn a_result_tells_what_where_why_and_what_to_do() {
    let log = parsed(&Sample::shop());
    let result = serde_json::to_string_pretty(&log["runs"][0]["results"][0]).unwrap();
    expect![[r#"
        {
          "level": "error",
          "locations": [
            {
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "k8s/policies.yaml",
                  "uriBaseId": "%SRCROOT%"
                },
                "region": {
                  "endColumn": 33,
                  "endLine": 20,
                  "startColumn": 19,
                  "startLine": 20
                }
              }
            }
          ],
          "message": {
            "text": "1 workload of `shop` can reach the metadata service 169.254.169.254\n\nevidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp ALLOWED: NetworkPolicy shop/web-egress egress rule 2 allows it ([k8s/policies.yaml:20](3))\n\nhelp: narrow the block"
          },
          "partialFingerprints": {
            "watertight/v1": "3682e342bb64da99"
          },
          "relatedLocations": [
            {
              "id": 1,
              "message": {
                "text": "this exception holds for its own peer only"
              },
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "k8s/policies.yaml",
                  "uriBaseId": "%SRCROOT%"
                },
                "region": {
                  "endColumn": 35,
                  "endLine": 17,
                  "startColumn": 17,
                  "startLine": 17
                }
              }
            },
            {
              "id": 2,
              "message": {
                "text": "for example this workload"
              },
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "k8s/workloads.yaml",
                  "uriBaseId": "%SRCROOT%"
                },
                "region": {
                  "endColumn": 1,
                  "endLine": 5,
                  "startColumn": 3,
                  "startLine": 4
                }
              }
            },
            {
              "id": 3,
              "message": {
                "text": "decides shop/Deployment/web -> ip:169.254.169.254:80/tcp"
              },
              "physicalLocation": {
                "artifactLocation": {
                  "uri": "k8s/policies.yaml",
                  "uriBaseId": "%SRCROOT%"
                },
                "region": {
                  "endColumn": 33,
                  "endLine": 20,
                  "startColumn": 19,
                  "startLine": 20
                }
              }
            }
          ],
          "ruleId": "WT201",
          "ruleIndex": 0
        }"#]].assert_eq(&result);
}

#[test]
fn required_keys_levels_and_indices_hold() {
    let log = parsed(&Sample::shop());
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let driver = &run["tool"]["driver"];
    assert_eq!(
        (&driver["name"], &driver["semanticVersion"]),
        (&"watertight".into(), &"1.2.3".into())
    );
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<_> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["WT201", "WT301", "WT401", "WT405"],
        "only rules that found something"
    );
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{text}");
        }
        assert!(rule["help"]["markdown"].is_string());
        assert_eq!(rule["properties"]["precision"], "high");
        assert!(rule["properties"]["tags"].as_array().unwrap().len() <= 10);
        let severity: f64 = rule["properties"]["security-severity"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((0.1..=10.0).contains(&severity));
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 5, "suppressed ones too");
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert_eq!(
            result["partialFingerprints"]["watertight/v1"]
                .as_str()
                .unwrap()
                .len(),
            16
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert!(
            place["artifactLocation"]["uri"]
                .as_str()
                .unwrap()
                .starts_with("k8s/")
        );
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
    }
    let suppressed: Vec<_> = results
        .iter()
        .filter(|result| result.get("suppressions").is_some())
        .collect();
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        suppressed[0]["suppressions"][0]["justification"],
        "kept for the migration"
    );
}

#[test]
fn rules_of_reading_claim_no_security_severity() {
    let sample = Sample::read(&[("broken.yaml", "a: [")]);
    let log = parsed(&sample);
    let run = &log["runs"][0];
    assert!(
        run["tool"]["driver"]["rules"][0]["properties"]
            .get("security-severity")
            .is_none()
    );
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let told = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(told.as_str().unwrap().contains("could not be read"));
}

#[test]
fn every_result_has_a_place() {
    let mut sample = Sample::read(&[]);
    sample.checked.findings = vec![finding("WT601", "nothing is enforced")];
    let place = |sample: &Sample| {
        let log = parsed(sample);
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        (
            place["artifactLocation"]["uri"]
                .as_str()
                .unwrap()
                .to_owned(),
            place["region"].clone(),
        )
    };
    let line = serde_json::json!({"startLine": 1});
    assert_eq!(place(&sample), (".".into(), line.clone()));
    let mut sample = Sample::read(&[("a.yaml", ""), ("b.yaml", POLICIES)]);
    sample.checked.findings = vec![finding("WT601", "nothing is enforced")];
    assert_eq!(place(&sample), ("a.yaml".into(), line.clone()));
    let at = sample.span("b.yaml", "web-egress");
    sample
        .checked
        .findings
        .push(finding("WT401", "x").at(at, ""));
    assert_eq!(place(&sample), ("b.yaml".into(), line));
}

#[test]
fn an_empty_span_has_no_end() {
    let mut sample = Sample::read(&[("a.yaml", POLICIES)]);
    let at = sample.span("a.yaml", "kind").at_start();
    sample.checked.findings = vec![finding("WT401", "x").at(at, "")];
    let log = parsed(&sample);
    let region = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        *region,
        serde_json::json!({"startLine": 2, "startColumn": 1})
    );
}

#[test]
fn too_many_results_are_cut_by_severity_and_told() {
    let mut sample = Sample::read(&[("a.yaml", POLICIES)]);
    let at = sample.span("a.yaml", "web-egress");
    let made = [
        Severity::Note,
        Severity::Error,
        Severity::Warning,
        Severity::Error,
    ];
    sample.checked.findings = made
        .map(|severity| finding("WT401", "x").at(at, "").severity(severity))
        .into();
    let report = sample.report();
    let rendering = Rendering {
        report: &report,
        findings: std::cell::OnceCell::new(),
        checked: &sample.checked,
        sources: &sample.sources,
        color: false,
        width: 80,
        show_suppressed: false,
        quiet: false,
    };
    let log = serde_json::to_value(log(&rendering, 3)).unwrap();
    let run = &log["runs"][0];
    let levels: Vec<_> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["level"])
        .collect();
    assert_eq!(levels, ["error", "error", "warning"]);
    let told = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(told["level"], "warning");
    assert!(
        told["message"]["text"]
            .as_str()
            .unwrap()
            .starts_with("1 results")
    );
}

#[test]
fn related_places_are_limited_and_numbered() {
    let mut sample = Sample::read(&[("a.yaml", POLICIES)]);
    let (file, _) = sample.sources.iter().next().unwrap();
    let mut found = finding("WT401", "x");
    for at in 0..150 {
        found = found.at(Span::new(file, at, at + 1), "one");
    }
    sample.checked.findings = vec![found];
    let log = parsed(&sample);
    let related = log["runs"][0]["results"][0]["relatedLocations"]
        .as_array()
        .unwrap();
    assert_eq!(related.len(), MAX_RELATED);
    assert_eq!(
        (&related[0]["id"], &related[99]["id"]),
        (&1.into(), &100.into())
    );
}

#[test]
fn messages_hold_no_links_of_strangers() {
    let mut sample = Sample::read(&[("a.yaml", POLICIES)]);
    let at = sample.span("a.yaml", "web-egress");
    sample.checked.findings = vec![finding("WT401", "see [here](https://evil.test)").at(at, "")];
    let log = parsed(&sample);
    let text = &log["runs"][0]["results"][0]["message"]["text"];
    assert_eq!(text, "see [here] (https://evil.test)");
}

#[test]
fn paths_become_uris() {
    let relative = |path| uri(path).0;
    assert_eq!(relative("k8s/a b.yaml"), "k8s/a%20b.yaml");
    assert_eq!(relative("./k8s/a.yaml"), "k8s/a.yaml");
    assert_eq!(relative("../x/é#1?.yaml"), "../x/%C3%A9%231%3F.yaml");
    assert_eq!(relative("a:b/100%.yaml"), "a%3Ab/100%25.yaml");
    assert_eq!(relative("<stdin>"), "%3Cstdin%3E");
    #[cfg(unix)]
    assert_eq!(uri("/srv/a.yaml"), ("file:///srv/a.yaml".into(), true));
}
