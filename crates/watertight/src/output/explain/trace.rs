//! The steps of one connection: tier by tier and policy by policy, with the line that decides.

use std::io::{self, Write};

use watertight_core::analysis::explain::kind_words;
use watertight_core::report::explain::{PolicyTrace, Row, Trace};
use watertight_core::rules::count;

use super::super::one_line;
use super::{Mood, Rendering, place};

/// Policies that miss beyond this number are counted, unless all is asked for.
const MOST_POLICIES: usize = 4;

/// One line of a trace; an empty cell repeats the one above.
struct Line {
    direction: &'static str,
    party: String,
    word: &'static str,
    mood: Option<Mood>,
    text: String,
    place: Option<String>,
}

impl Line {
    fn more(text: String, place: Option<String>) -> Self {
        Self {
            direction: "",
            party: String::new(),
            word: "",
            mood: None,
            text,
            place,
        }
    }
}

impl Rendering<'_> {
    pub(super) fn row(&self, row: &Row, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        if let (Some(port), Some(behind)) = (row.service_ports.first(), row.ports.first()) {
            let many = row.ports.len() > 1;
            let told = if many {
                "each port of the Service leads to the one behind it".to_owned()
            } else {
                format!("the Service's {port} leads to {behind}")
            };
            let party = one_line(&row.ingress.party);
            writeln!(out, "{indent}{told} of {party} (K-79)")?;
        }
        if let Some(exempt) = &row.exempt {
            let why = one_line(&exempt.text);
            let asked = if row.verdict == "deny" {
                "there is no such connection"
            } else {
                "no policy is asked"
            };
            writeln!(out, "{indent}{asked}: {why} ({})", exempt.id)?;
        } else if let Some(blocked) = row
            .blocked
            .as_ref()
            .filter(|_| row.egress.verdict == "none" && row.ingress.verdict == "none")
        {
            let why = one_line(&blocked.text);
            writeln!(out, "{indent}the engine drops it: {why} ({})", blocked.id)?;
        } else {
            let mut lines = Vec::new();
            self.side("egress", &row.egress, &mut lines);
            self.side("ingress", &row.ingress, &mut lines);
            self.lines(&lines, indent, out)?;
        }
        Ok(())
    }

    fn side(&self, direction: &'static str, trace: &Trace, lines: &mut Vec<Line>) {
        let first = lines.len();
        if let Some(node) = &trace.as_node {
            let text = format!("judged as {}, by policies about nodes", one_line(node));
            lines.push(Line::more(text, None));
        }
        match trace.verdict.as_str() {
            "allow" | "deny" | "open" if trace.tiers.iter().any(|tier| tier.named) => {
                self.walk(trace, lines);
            }
            "deny" if trace.policies.is_empty() => lines.push(Line {
                word: "denied",
                mood: Some(Mood::Bad),
                ..Line::more(one_line(&trace.because), None)
            }),
            "allow" => self.allowed(trace, lines),
            "deny" => self.denied(trace, lines),
            _ => {
                let (word, mood) = if trace.verdict == "open" {
                    ("allowed", Some(Mood::Good))
                } else {
                    ("-", None)
                };
                lines.push(Line {
                    word,
                    mood,
                    ..Line::more(one_line(&trace.because), None)
                });
            }
        }
        if let Some(line) = lines.get_mut(first) {
            line.direction = direction;
            line.party = one_line(&trace.party);
        }
    }

    /// Tier by tier, in the order in which they are asked.
    fn walk(&self, trace: &Trace, lines: &mut Vec<Line>) {
        for tier in &trace.tiers {
            let of_tier = trace
                .policies
                .iter()
                .filter(|policy| policy.tier == tier.name);
            let policies: Vec<&PolicyTrace> = of_tier.collect();
            let deciding = policies.iter().find(|policy| match tier.outcome.as_str() {
                "allows" | "denies" | "passes" => policy.outcome == tier.outcome,
                _ => false,
            });
            let (word, mood) = match tier.outcome.as_str() {
                "allows" => ("allowed", Some(Mood::Good)),
                "denies" | "isolates" => ("denied", Some(Mood::Bad)),
                "passes" => ("passed", None),
                "skipped" if !tier.by_engine || self.verbose => ("skipped", None),
                _ if self.verbose => ("not asked", None),
                _ => continue,
            };
            let name = one_line(&tier.name);
            let first = lines.len();
            match (deciding, tier.outcome.as_str()) {
                (Some(policy), _) if policy.kind == ENGINE => {
                    lines.push(Line::more(named(policy), None));
                }
                (Some(policy), _) => {
                    let text = format!("{} ({})", named_rule(policy), tier.id);
                    lines.push(Line::more(text, rule_place(policy)));
                }
                (None, "isolates") => self.isolated(trace, policies.clone(), lines),
                (None, "skipped") => {
                    let text = match policies.as_slice() {
                        [one] => format!("no rule of {} matches ({})", named(one), tier.id),
                        more => {
                            let policies = count(more.len(), "policy");
                            format!("no rule of {policies} matches ({})", tier.id)
                        }
                    };
                    let place = match policies.as_slice() {
                        [one] => one.location.as_ref().map(place),
                        _ => None,
                    };
                    lines.push(Line::more(text, place));
                }
                (None, _) => lines.push(Line::more("another tier has decided".into(), None)),
            }
            if let Some(line) = lines.get_mut(first) {
                line.word = word;
                line.mood = mood;
                let id = match tier.outcome.as_str() {
                    "isolates" => format!(" ({})", tier.id),
                    _ => String::new(),
                };
                line.text = format!("tier {name}: {}{id}", line.text);
            }
            if self.verbose && tier.outcome != "isolates" {
                for policy in policies
                    .iter()
                    .filter(|policy| policy.outcome == "no-match")
                {
                    let text = format!("  {}: no rule matches", named(policy));
                    lines.push(Line::more(text, policy.location.as_ref().map(place)));
                }
            }
        }
        if trace.verdict == "open" {
            lines.push(Line {
                word: "allowed",
                mood: Some(Mood::Good),
                ..Line::more(one_line(&trace.because), None)
            });
        }
        if trace.verdict == "deny" {
            nearly(trace, lines);
        }
    }

    fn allowed(&self, trace: &Trace, lines: &mut Vec<Line>) {
        let first = lines.len();
        let mut others = 0;
        for policy in &trace.policies {
            match policy.outcome.as_str() {
                "allows" => lines.push(Line {
                    word: "allowed",
                    mood: Some(Mood::Good),
                    ..Line::more(named_rule(policy), rule_place(policy))
                }),
                "passes" => lines.push(Line {
                    word: "passed",
                    ..Line::more(named_rule(policy), rule_place(policy))
                }),
                _ if self.verbose => lines.push(Line {
                    word: if policy.outcome == "no-match" {
                        "no match"
                    } else {
                        "not asked"
                    },
                    ..Line::more(named(policy), policy.location.as_ref().map(place))
                }),
                _ => others += 1,
            }
        }
        // The one that allows comes first: it is the answer.
        if let Some((_, own)) = lines.split_at_mut_checked(first) {
            own.sort_by_key(|line| line.word != "allowed");
        }
        if others > 0 {
            let policies = count(others, "more policy");
            let verb = if others == 1 { "selects" } else { "select" };
            let id = trace.tiers.first().map_or("K-15", |tier| tier.id.as_str());
            lines.push(Line::more(
                format!("{policies} {verb} it; one rule that matches is enough ({id})"),
                None,
            ));
        }
    }

    fn denied(&self, trace: &Trace, lines: &mut Vec<Line>) {
        if let Some(policy) = trace
            .policies
            .iter()
            .find(|policy| policy.outcome == "denies")
        {
            lines.push(Line {
                word: "denied",
                mood: Some(Mood::Bad),
                ..Line::more(named_rule(policy), rule_place(policy))
            });
            return;
        }
        self.isolated(trace, trace.policies.iter().collect(), lines);
        nearly(trace, lines);
    }

    /// The policies of a tier that denies because no rule of it matches.
    fn isolated(&self, trace: &Trace, mut policies: Vec<&PolicyTrace>, lines: &mut Vec<Line>) {
        // The one that nearly allows it tells most; one without rules only isolates.
        policies.sort_by_key(|policy| {
            let nearest = policy.misses.first().map(|miss| miss.distance);
            nearest.unwrap_or(usize::MAX)
        });
        let shown = if self.verbose {
            policies.len()
        } else {
            MOST_POLICIES
        };
        let first = lines.len();
        let distance = |policy: &PolicyTrace| policy.misses.first().map(|miss| miss.distance);
        let nearest = policies.iter().find_map(|policy| distance(policy));
        let isolating = policies.iter().position(|policy| policy.isolates);
        if isolating.is_none_or(|at| at >= shown) {
            lines.push(Line::more(one_line(&trace.because), None));
        }
        for (number, policy) in policies.iter().take(shown).enumerate() {
            let says = isolating == Some(number);
            let rules = match (policy.rules, says) {
                _ if policy.kind == ENGINE => String::new(),
                (0, true) => " isolates it and has no rules".to_owned(),
                (0, false) => " has no rules".to_owned(),
                (1, true) => " isolates it; its rule does not match".to_owned(),
                (more, true) => format!(" isolates it; 0 of {more} rules match"),
                (1, false) => ": its rule does not match".to_owned(),
                (more, false) => format!(": 0 of {more} rules match"),
            };
            let text = format!("{}{rules}", named(policy));
            lines.push(Line::more(text, policy.location.as_ref().map(place)));
            // What is much further away than the nearest rule was not meant for this.
            let near = distance(policy) <= nearest.map(|nearest| nearest + 1);
            let told = match (self.verbose, near) {
                (true, _) => policy.misses.len(),
                (false, true) => 1,
                (false, false) => 0,
            };
            for (at, miss) in policy.misses.iter().take(told).enumerate() {
                let lead = if (number, at) == (0, 0) {
                    "closest: "
                } else {
                    ""
                };
                lines.push(Line::more(
                    format!("  {lead}rule {} {}", miss.rule, one_line(&miss.text)),
                    Some(place(&miss.location)),
                ));
            }
        }
        if let Some(line) = lines.get_mut(first) {
            line.word = "denied";
            line.mood = Some(Mood::Bad);
        }
        if policies.len() > shown {
            let hidden = count(policies.len() - shown, "more policy");
            lines.push(Line::more(
                format!("{hidden} isolate it, none with a nearer rule (-v shows all)"),
                None,
            ));
        }
    }

    fn lines(&self, lines: &[Line], indent: &str, out: &mut dyn Write) -> io::Result<()> {
        let width = |of: fn(&Line) -> &str| {
            let widths = lines.iter().map(|line| of(line).chars().count());
            widths.max().unwrap_or_default()
        };
        let party = width(|line| &line.party);
        let word = width(|line| line.word);
        let before = indent.len() + 9 + party + 3 + word + 3;
        let texts: Vec<_> = lines.iter().map(|line| line.text.clone()).collect();
        let places: Vec<_> = lines.iter().map(|line| line.place.clone()).collect();
        let room = room(self.width, before, &texts, &places);
        for line in lines {
            let gap = word.saturating_sub(line.word.len());
            let shown = match line.mood {
                Some(mood) => self.styled(mood, line.word),
                None => line.word.to_owned(),
            };
            let text = format!(
                "{indent}{:<7}  {:<party$}   {shown}{:gap$}   {}",
                line.direction, line.party, "", line.text
            );
            match &line.place {
                Some(place) => {
                    let gap = room.saturating_sub(line.text.chars().count());
                    let place = self.styled(Mood::Place, place);
                    writeln!(out, "{text}{:gap$}   {place}", "")?;
                }
                None => writeln!(out, "{}", text.trim_end())?,
            }
        }
        Ok(())
    }
}

/// The column that places are put in: behind the longest text that leaves room for its place.
pub(super) fn room(
    width: usize,
    before: usize,
    texts: &[String],
    places: &[Option<String>],
) -> usize {
    let place = places.iter().flatten().map(|place| place.chars().count());
    let most = width.saturating_sub(before + 3 + place.max().unwrap_or_default());
    let fitting = texts
        .iter()
        .zip(places)
        .filter(|(_, place)| place.is_some())
        .map(|(text, _)| text.chars().count());
    fitting.filter(|length| *length <= most).max().unwrap_or(0)
}

/// The kind of what an engine does by itself.
const ENGINE: &str = "engine";

/// Policies that would allow it if they applied.
fn nearly(trace: &Trace, lines: &mut Vec<Line>) {
    for nearly in &trace.nearly {
        lines.push(Line::more(
            format!(
                "NetworkPolicy {} rule {} would allow it, but {}",
                one_line(&nearly.name),
                nearly.rule,
                one_line(&nearly.text)
            ),
            Some(place(&nearly.location)),
        ));
    }
}

fn named(policy: &PolicyTrace) -> String {
    if policy.kind == ENGINE {
        return one_line(&policy.name);
    }
    let kind = kind_words(&policy.group, &policy.kind);
    format!("{kind} {}", one_line(&policy.name))
}

/// `NetworkPolicy shop/db rule 2: app=web of namespace shop on 5432/tcp`
fn named_rule(policy: &PolicyTrace) -> String {
    match (policy.rule, &policy.admits) {
        (Some(_), _) if policy.kind == ENGINE => named(policy),
        (Some(rule), admits) => {
            let list = policy
                .list
                .as_deref()
                .map_or(String::new(), |list| format!(" {list}"));
            let admits = admits
                .as_deref()
                .map_or(String::new(), |admits| format!(": {}", one_line(admits)));
            format!("{}{list} rule {rule}{admits}", named(policy))
        }
        (None, _) => named(policy),
    }
}

fn rule_place(policy: &PolicyTrace) -> Option<String> {
    let at = policy.rule_location.as_ref().or(policy.location.as_ref())?;
    Some(place(at))
}
