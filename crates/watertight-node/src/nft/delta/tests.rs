//! Changes made to a model of the kernel that refuses what the kernel refuses.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::nft;
use crate::nft::phases::{phases, undo};

#[path = "../../../tests/packets/tables.rs"]
mod tables;

/// Makes changes to a table as the kernel would.
fn make(table: &mut Table, changes: &[Change]) -> Result<(), String> {
    for change in changes {
        step(table, change).map_err(|reason| format!("{reason}: {change:?}"))?;
    }
    Ok(())
}

fn step(table: &mut Table, change: &Change) -> Result<(), &'static str> {
    match change {
        Change::AddTable => {}
        Change::FlushChain(name) => table
            .chains
            .get_mut(name)
            .ok_or("no such chain")?
            .rules
            .clear(),
        Change::DeleteChain(name, _) => {
            let chain = table.chains.remove(name).ok_or("no such chain")?;
            let is_named = led_to(table).any(|to| to == &**name);
            if is_named || !chain.rules.is_empty() {
                return Err("busy chain");
            }
        }
        Change::AddChain(name, hook) => {
            let chain = Chain {
                hook: *hook,
                rules: Vec::new(),
            };
            if table.chains.insert(name.clone(), chain).is_some() {
                return Err("chain exists");
            }
        }
        Change::DeleteSet(name) => {
            table.sets.remove(name).ok_or("no such set")?;
            if rules(table).flat_map(named_sets).any(|set| set == &**name) {
                return Err("busy set");
            }
        }
        Change::AddSet(name, set) => {
            if !is_empty(set) || table.sets.insert(name.clone(), set.clone()).is_some() {
                return Err("set exists");
            }
        }
        Change::AddElements(name, set) => {
            let held = table.sets.get_mut(name).ok_or("no such set")?;
            change_elements(held, set, true)?;
            if led_to(table).any(|to| !table.chains.contains_key(to)) {
                return Err("no chain for an element");
            }
        }
        Change::RemoveElements(name, set) => {
            change_elements(table.sets.get_mut(name).ok_or("no such set")?, set, false)?;
        }
        Change::AddRules(name, rules) => {
            table
                .chains
                .get_mut(name)
                .ok_or("no such chain")?
                .rules
                .extend(rules.iter().cloned());
            if self::rules(table)
                .flat_map(named_sets)
                .any(|set| !table.sets.contains_key(set))
            {
                return Err("no set for a rule");
            }
            if led_to(table).any(|to| !table.chains.contains_key(to)) {
                return Err("no chain for a rule");
            }
        }
    }
    Ok(())
}

fn rules(table: &Table) -> impl Iterator<Item = &Rule> {
    table.chains.values().flat_map(|chain| &chain.rules)
}

/// The chains that rules and elements lead to.
fn led_to(table: &Table) -> impl Iterator<Item = &str> {
    let of_rules = rules(table)
        .flat_map(|rule| &rule.statements)
        .filter_map(|statement| match statement {
            Statement::Verdict(verdict) => Some(verdict),
            _ => None,
        });
    let of_maps = table.sets.values().flat_map(|set| match &set.contents {
        Contents::Verdicts(verdicts) => verdicts.values().collect(),
        _ => Vec::new(),
    });
    of_rules.chain(of_maps).filter_map(|verdict| match verdict {
        Verdict::Jump(to) | Verdict::Goto(to) => Some(&**to),
        _ => None,
    })
}

fn change_elements(held: &mut Set, with: &Set, comes: bool) -> Result<(), &'static str> {
    fn change<T: Clone + PartialEq>(
        held: &mut BTreeMap<Element, T>,
        with: &BTreeMap<Element, T>,
        comes: bool,
    ) -> Result<(), &'static str> {
        for (element, to) in with {
            match comes {
                true if held.insert(*element, to.clone()).is_some() => {
                    return Err("element exists");
                }
                false if held.remove(element).as_ref() != Some(to) => {
                    return Err("no such element");
                }
                _ => {}
            }
        }
        let mut last: Option<Element> = None;
        for element in held.keys() {
            if last.is_some_and(|last| last.last >= element.first) {
                return Err("elements overlap");
            }
            last = Some(*element);
        }
        Ok(())
    }
    if !is_same_kind(held, with) {
        return Err("another kind of set");
    }
    match (&mut held.contents, &with.contents) {
        (Contents::Members(held), Contents::Members(with)) => {
            let map = |list: &[Element]| {
                list.iter()
                    .map(|element| (*element, ()))
                    .collect::<BTreeMap<_, _>>()
            };
            let mut all = map(held);
            change(&mut all, &map(with), comes)?;
            *held = all.into_keys().collect();
            Ok(())
        }
        (Contents::Verdicts(held), Contents::Verdicts(with)) => change(held, with, comes),
        (Contents::Values(_, held), Contents::Values(_, with)) => change(held, with, comes),
        _ => Err("another kind of set"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changes_make_one_table_another(old in tables::table(), new in tables::table()) {
        let mut table = Table { name: new.name.clone(), ..Table::default() };
        prop_assert_eq!(make(&mut table, &creation(&old)), Ok(()));
        prop_assert_eq!(&table, &old);
        prop_assert_eq!(make(&mut table, &changes(&old, &new)), Ok(()));
        prop_assert_eq!(&table, &new);
        prop_assert_eq!(changes(&new, &new), []);
        let mut table = old.clone();
        made::make(&mut table, &changes(&old, &new));
        prop_assert_eq!(&table, &new);
    }

    /// Packets meet the old rules, then the new ones, and nothing in between.
    #[test]
    fn only_the_middle_phase_changes_what_packets_meet(old in tables::table(), new in tables::table()) {
        let changes = changes(&old, &new);
        let phases = phases(&changes).map(|phase| phase.into_iter().cloned().collect::<Vec<_>>());
        let mut table = old.clone();
        let mut met = vec![reachable(&old)];
        for phase in &phases {
            prop_assert_eq!(make(&mut table, phase), Ok(()));
            met.push(reachable(&table));
        }
        prop_assert_eq!(&table, &new);
        prop_assert_eq!(&met[0], &met[1]);
        prop_assert_eq!(&met[2], &met[3]);

        // Taken back, the first one leaves no trace.
        let mut table = old.clone();
        prop_assert_eq!(make(&mut table, &phases[0]), Ok(()));
        let undone = undo(&phases[0].iter().collect::<Vec<_>>());
        prop_assert_eq!(make(&mut table, &undone), Ok(()));
        prop_assert_eq!(&table, &old);
    }

    #[test]
    fn what_the_kernel_holds_is_taken_over(old in tables::table(), new in tables::table()) {
        // The same changes come from a table and from what is read of it.
        prop_assert_eq!(adoption(&held(&old), &new), changes(&old, &new));
        prop_assert_eq!(adoption(&held(&new), &new), []);
    }
}

/// The part of a table that packets can come to.
fn reachable(table: &Table) -> Table {
    let mut part = Table {
        name: table.name.clone(),
        ..Table::default()
    };
    for (name, chain) in &table.chains {
        // A base chain without rules does nothing.
        if chain.hook.is_some() && !chain.rules.is_empty() {
            part.chains.insert(name.clone(), chain.clone());
        }
    }
    loop {
        let size = part.chains.len() + part.sets.len();
        for name in rules(&part)
            .flat_map(named_sets)
            .map(str::to_owned)
            .collect::<Vec<_>>()
        {
            part.sets
                .insert((&*name).into(), table.sets[&*name].clone());
        }
        for name in led_to(&part).map(str::to_owned).collect::<Vec<_>>() {
            part.chains
                .insert((&*name).into(), table.chains[&*name].clone());
        }
        if part.chains.len() + part.sets.len() == size {
            return part;
        }
    }
}

/// What the kernel would be found to hold.
fn held(table: &Table) -> Held {
    let chains = table.chains.iter().map(|(name, chain)| {
        let rules = chain.rules.iter().flat_map(|rule| {
            let comment = rule.comment.clone();
            lower(rule).into_iter().map(move |expressions| HeldRule {
                expressions,
                comment: comment.clone(),
                counted: Some((3, 180)),
            })
        });
        let rules = rules.collect();
        (
            name.clone(),
            nft::HeldChain {
                hook: chain.hook,
                is_foreign: false,
                rules,
            },
        )
    });
    Held {
        name: table.name.clone(),
        generation: 9,
        sets: table
            .sets
            .iter()
            .map(|(name, set)| (name.clone(), Some(set.clone())))
            .collect(),
        chains: chains.collect(),
    }
}

#[test]
fn every_kind_of_rule_and_set_is_taken_over_unchanged() {
    let table = tables::everything();
    let mut held = held(&table);
    for chain in held.chains.values_mut() {
        for rule in &mut chain.rules {
            rule.comment = cut(&rule.comment, COMMENT).into();
        }
    }
    assert_eq!(adoption(&held, &table), []);
}

#[test]
fn what_others_put_into_the_table_is_taken_out() {
    let mut table = tables::everything();
    table.sets.remove("six");
    table.chains.get_mut("filter").unwrap().rules.clear();
    let mut held = held(&table);
    held.sets.insert("six".into(), None);
    held.chains.get_mut("c").unwrap().rules.push(HeldRule {
        expressions: vec![Expression::Foreign("fib".into())],
        ..HeldRule::default()
    });
    held.chains.get_mut("filter").unwrap().is_foreign = true;
    let hook = table.chains["filter"].hook;
    assert_eq!(
        adoption(&held, &table),
        [
            Change::FlushChain("c".into()),
            Change::DeleteSet("six".into()),
            Change::DeleteChain("filter".into(), hook),
            Change::AddChain("filter".into(), hook),
        ]
    );
}

#[test]
fn one_more_member_is_one_element_and_no_rule() {
    let old = tables::everything();
    let mut new = old.clone();
    let added = Element::one(Bytes::EMPTY.v4(0x0a00_0002));
    let Contents::Members(members) = &mut new.sets.get_mut("four").unwrap().contents else {
        panic!("a set")
    };
    members.push(added);
    let expected = Set {
        key: vec![nft::KeyType::V4],
        ranges: false,
        contents: Contents::Members(vec![added]),
    };
    assert_eq!(
        changes(&old, &new),
        [Change::AddElements("four".into(), expected)]
    );
}

#[test]
fn a_base_chain_stays_when_its_rules_change() {
    let old = tables::everything();
    let mut new = old.clone();
    new.chains.get_mut("redirect").unwrap().rules.pop();
    let rules = new.chains["redirect"].rules.clone();
    assert_eq!(
        changes(&old, &new),
        [
            Change::FlushChain("redirect".into()),
            Change::AddRules("redirect".into(), rules)
        ]
    );
}

/// A new chain is filled before anything leads to it, and an old one emptied when nothing does any more: a
/// packet may look an element up after the rules that led to the map were replaced.
#[test]
fn what_is_new_comes_first_and_what_is_old_goes_last() {
    let old = tables::everything();
    let mut new = old.clone();
    let rules = vec![Rule {
        statements: vec![Statement::Verdict(Verdict::Drop)],
        ..Rule::default()
    }];
    new.chains.insert(
        "d".into(),
        Chain {
            hook: None,
            rules: rules.clone(),
        },
    );
    let Contents::Verdicts(verdicts) = &mut new.sets.get_mut("dispatch").unwrap().contents else {
        panic!("a map")
    };
    let key = Element::one(Bytes::EMPTY.v4(0x0a00_0001));
    verdicts.insert(key, Verdict::Goto("d".into()));
    let map = |verdict| Set {
        key: vec![nft::KeyType::V4],
        ranges: false,
        contents: Contents::Verdicts([(key, verdict)].into()),
    };
    let there = changes(&old, &new);
    let [before, now, after] = phases(&there);
    assert_eq!(
        before,
        [
            &Change::AddChain("d".into(), None),
            &Change::AddRules("d".into(), rules)
        ]
    );
    let removed = Change::RemoveElements("dispatch".into(), map(Verdict::Jump("c".into())));
    let added = Change::AddElements("dispatch".into(), map(Verdict::Goto("d".into())));
    assert_eq!(now, [&removed, &added]);
    assert!(after.is_empty());

    let back = changes(&new, &old);
    let [before, now, after] = phases(&back);
    assert!(before.is_empty());
    assert_eq!(now.len(), 2);
    assert_eq!(
        after,
        [
            &Change::FlushChain("d".into()),
            &Change::DeleteChain("d".into(), None)
        ]
    );
}
