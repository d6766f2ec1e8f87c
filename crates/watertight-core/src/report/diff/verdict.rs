//! "Is this safe?" in one word and one sentence.

use super::{DiffCause, DiffCounts, DiffVerdict};
use crate::rules::count;

/// What the answer rests on.
pub(super) struct Facts<'f> {
    pub complete: bool,
    pub counts: &'f DiffCounts,
    /// Objects that say something else about ICMP.
    pub icmp: &'f [String],
    /// Whether some object differs.
    pub differs: bool,
    /// Whether recorded flows were given.
    pub flows: bool,
    pub causes: &'f [DiffCause],
}

pub(super) fn verdict(facts: &Facts<'_>) -> DiffVerdict {
    let counts = facts.counts;
    let (word, mut sentence) = if !facts.complete {
        let what = described(counts).unwrap_or_else(|| "no change is known".into());
        let sentence = format!("unknown: something could not be read; of the rest, {what}");
        ("unknown", sentence)
    } else if facts.causes.is_empty() && !facts.differs {
        ("same", "the same: no object differs".to_owned())
    } else if facts.causes.is_empty() && !facts.icmp.is_empty() {
        let sentence = "uncertain: no connection over TCP, UDP or SCTP changes";
        ("uncertain", sentence.to_owned())
    } else if facts.causes.is_empty() {
        let objects = match counts.objects {
            0 => "objects differ".to_owned(),
            1 => "1 object differs".to_owned(),
            more => format!("{more} objects differ"),
        };
        ("safe", format!("safe: no connection changes ({objects})"))
    } else if let Some(worst) = worst(counts) {
        let what = described(counts).map_or(String::new(), |what| format!("; {what}"));
        ("unsafe", format!("not safe: {worst}{what}"))
    } else {
        let what = described(counts).unwrap_or_default();
        match kind(counts) {
            "narrows" if facts.flows => {
                let sentence = format!("narrows: {what}; no recorded flow is cut");
                ("narrows", sentence)
            }
            "narrows" => {
                let hint = "give --flows to see whether anything that is in use is cut";
                ("narrows", format!("narrows: {what}; {hint}"))
            }
            word => (word, format!("{word}: {what}")),
        }
    };
    if let [first, more @ ..] = facts.icmp {
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        sentence.push_str(&format!(
            "; what {first}{more} says about ICMP changes and is not compared: explain 'FROM -> TO:icmp'"
        ));
    }
    DiffVerdict {
        word: word.into(),
        sentence,
    }
}

fn kind(counts: &DiffCounts) -> &'static str {
    match (counts.gained, counts.lost, counts.mixed) {
        (0, 0, 0) => "uncertain",
        (_, 0, 0) => "widens",
        (0, _, 0) => "narrows",
        _ => "mixed",
    }
}

/// What nobody should miss.
fn worst(counts: &DiffCounts) -> Option<String> {
    let mut found = Vec::new();
    if counts.observed_cut > 0 {
        let flows = count(counts.observed_cut, "observed connection");
        found.push(format!("{flows} would be cut"));
    }
    if counts.gained_metadata > 0 {
        let pods = count(counts.gained_metadata, "workload");
        let gain = verb(counts.gained_metadata);
        found.push(format!("{pods} {gain} a cloud's metadata service"));
    }
    if counts.gained_internet > 0 && counts.gained_metadata == 0 {
        let pods = count(counts.gained_internet, "workload");
        let open = if counts.gained_internet == 1 {
            "opens"
        } else {
            "open"
        };
        found.push(format!("{pods} {open} to most of the internet"));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

fn verb(number: usize) -> &'static str {
    if number == 1 { "gains" } else { "gain" }
}

/// What changes, in numbers.
fn described(counts: &DiffCounts) -> Option<String> {
    let mut found = Vec::new();
    let mut say = |number: usize, one: &str, many: &str| {
        if number > 0 {
            let verb = if number == 1 { one } else { many };
            found.push(format!("{} {verb}", count(number, "pair")));
        }
    };
    let outside = match counts.gained_external {
        0 => String::new(),
        all if all == counts.gained => " with the outside".into(),
        some => format!(" ({some} of them with the outside)"),
    };
    let gain = |verb: &str| format!("{verb} connections{outside}");
    say(counts.gained, &gain("gains"), &gain("gain"));
    say(counts.lost, "loses connections", "lose connections");
    say(
        counts.mixed,
        "gains some and loses others",
        "gain some and lose others",
    );
    say(counts.uncertain, "is uncertain", "are uncertain");
    (!found.is_empty()).then(|| found.join(", "))
}
