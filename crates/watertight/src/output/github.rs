//! `-o github`: workflow commands, which GitHub Actions shows at the lines of a pull request.
//!
//! INVARIANT: every command is one line; what comes from manifests cannot end it or start another.

use std::io::{self, Write};

use watertight_core::report::{Finding, Location};
use watertight_core::source::without_revision;

use super::{Rendering, because, connection, harmless, verdict};

/// Annotations of more lines would be shown at their last line, far from the cause.
const MAX_LINES: u32 = 4;

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in rendering.findings() {
        let command = match finding.severity.as_str() {
            "note" => "notice",
            severity => severity,
        };
        let mut properties = finding.locations.first().map_or(String::new(), at);
        properties.push_str(&format!(
            "title={}",
            property(&format!("{} {}", finding.rule, finding.name))
        ));
        writeln!(out, "::{command} {properties}::{}", data(&message(finding)))?;
    }
    Ok(())
}

/// What is wrong, the first proof and the way out.
fn message(finding: &Finding) -> String {
    let mut message = finding.message.clone();
    if let Some(evidence) = finding.evidence.first() {
        message.push_str(&format!(
            "\nevidence: {}  {}  {}",
            connection(evidence),
            verdict(evidence),
            because(evidence)
        ));
    }
    if let Some(fix) = &finding.fix {
        message.push_str("\nhelp: ");
        message.push_str(&fix.message);
    }
    message
}

fn at(location: &Location) -> String {
    let Location { line, column, .. } = location;
    // A span that ends before the first character of a line does not reach that line.
    let last = match location.end_column {
        1 => location.end_line.saturating_sub(1),
        _ => location.end_line,
    };
    let end = if (*line..line.saturating_add(MAX_LINES)).contains(&last) {
        last
    } else {
        *line
    };
    let file = property(without_revision(&location.path));
    // Columns are allowed within one line only.
    let column = if end == *line {
        format!("col={column},")
    } else {
        String::new()
    };
    format!("file={file},line={line},endLine={end},{column}")
}

/// Escapes the text of a command.
fn data(text: &str) -> String {
    harmless(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use watertight_core::source::Span;

    use super::super::Format;
    use super::super::testing::{POLICIES, Sample, finding};
    use super::*;

    #[test]
    fn a_finding_is_one_command() {
        expect![[r#"
            ::error file=k8s/policies.yaml,line=20,endLine=20,col=19,title=WT201 metadata-open::1 workload of `shop` can reach the metadata service 169.254.169.254%0Aevidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp  ALLOWED  NetworkPolicy shop/web-egress egress rule 2 allows it (k8s/policies.yaml:20)%0Ahelp: narrow the block
            ::warning file=k8s/policies.yaml,line=18,endLine=20,title=WT405 split-peer::this rule is not limited to one protocol%0Ahelp: say which protocol is meant
            ::notice file=k8s/policies.yaml,line=4,endLine=4,col=9,title=WT401 policy-selects-nothing::2 of 3 rules do nothing
            ::error title=WT301 dns-broken::no pod of `shop` can resolve names%0Aevidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp  DENIED  NetworkPolicy shop/web-egress isolates shop/Deployment/web for egress and none of its rules matches%0Ahelp: add a policy that lets every pod of `shop` resolve names
        "#]].assert_eq(&Sample::shop().print(Format::Github));
    }

    #[test]
    fn an_annotation_stays_near_the_first_line() {
        let mut sample = Sample::read(&[("a,b.yaml", POLICIES)]);
        let (file, source) = sample.sources.iter().next().unwrap();
        let text = source.text();
        let line = |number: usize| text.lines().take(number).map(|line| line.len() + 1).sum();
        let spans = [
            Span::new(file, 0, text.len()),
            Span::new(file, 0, line(1)),
            Span::new(file, 0, line(3) + 2),
        ];
        sample.checked.findings = spans
            .map(|span| finding("WT006", "twice").at(span, ""))
            .into();
        expect![[r#"
            ::error file=a%2Cb.yaml,line=1,endLine=1,col=1,title=WT006 duplicate-object::twice
            ::error file=a%2Cb.yaml,line=1,endLine=1,col=1,title=WT006 duplicate-object::twice
            ::error file=a%2Cb.yaml,line=1,endLine=4,title=WT006 duplicate-object::twice
        "#]]
        .assert_eq(&sample.print(Format::Github));
    }

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(data("50% a\r\nb: c, d"), "50%25 a%0D%0Ab: c, d");
        assert_eq!(property("a:b,c%3A\n"), "a%3Ab%2Cc%253A%0A");
    }
}
