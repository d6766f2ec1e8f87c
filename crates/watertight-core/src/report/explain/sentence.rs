//! The sentence that ends every answer.

use super::words::{self, row_names};
use crate::analysis::explain::{self, Outcome};
use crate::rules::count;

/// `shop/web can connect to shop/db on 5432/tcp: a rule on each side allows it`
pub(super) fn one_row(from: &str, to: &str, row: &explain::Row, why: &str) -> String {
    let verb = match row.outcome() {
        Outcome::Allowed => "can connect",
        Outcome::Denied => "cannot connect",
        Outcome::Uncertain => "may or may not connect",
    };
    let ports = words::ports_in_sentence(row);
    let colon = if why.starts_with("if ") { "," } else { ":" };
    format!("{from} {verb} to {to} on {ports}{colon} {why}")
}

/// `of 5 pairs, 1 is allowed and 4 are denied`
pub(super) fn many_cases(cases: &[explain::Case]) -> String {
    let number = |wanted| -> usize {
        let all = |case: &&explain::Case| case.rows.iter().all(|row| row.outcome() == wanted);
        cases.iter().filter(all).map(|case| case.pairs).sum()
    };
    let total: usize = cases.iter().map(|case| case.pairs).sum();
    let mut counted = vec![
        (number(Outcome::Allowed), "allowed"),
        (number(Outcome::Denied), "denied"),
        (number(Outcome::Uncertain), "uncertain"),
    ];
    let told: usize = counted.iter().map(|(number, _)| number).sum();
    counted.push((total.saturating_sub(told), "allowed in part"));
    let told: Vec<_> = counted
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| {
            let verb = if *number == 1 { "is" } else { "are" };
            format!("{number} {verb} {word}")
        })
        .collect();
    format!("of {}, {}", count(total, "pair"), and(&told))
}

/// `shop/web can connect to shop/db on 5432/tcp, and cannot on all other ports`
pub(super) fn one_case(from: &str, to: &str, case: &explain::Case) -> String {
    let names = row_names(&case.rows);
    let of = |wanted| -> Vec<String> {
        let rows = case.rows.iter().zip(&names);
        let rows = rows.filter(|(row, _)| row.outcome() == wanted);
        rows.map(|(_, name)| name.clone()).collect()
    };
    let outcomes = [
        (of(Outcome::Allowed), "can connect", "can"),
        (of(Outcome::Denied), "cannot connect", "but not"),
        (
            of(Outcome::Uncertain),
            "may or may not connect",
            "and perhaps",
        ),
    ];
    let told = outcomes.iter().filter(|(names, _, _)| !names.is_empty());
    let by_address = case.rows.iter().any(|row| !row.addresses.is_empty());
    let sources = by_address && matches!(case.from.first(), Some(explain::Unit::Addresses(_)));
    let mut parts = Vec::new();
    for (number, (names, verb, short)) in told.enumerate() {
        let names = and(names);
        // Nobody says "not all" and means "not any".
        let others = match *short {
            "but not" => names.replace("all ", "any "),
            _ => names.clone(),
        };
        parts.push(match (number, by_address) {
            (_, true) if sources => format!("{names} {verb} to {to}"),
            (0, true) => format!("{from} {verb} to {names}"),
            (_, true) => format!("{short} to {others}"),
            (0, false) => format!("{from} {verb} to {to} on {names}"),
            (_, false) => format!("{short} on {others}"),
        });
    }
    parts.join(if sources { "; " } else { ", " })
}

fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
