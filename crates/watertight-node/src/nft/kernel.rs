//! Tables in the kernel: written, read back, taken over.
//!
//! INVARIANT: for packets a change happens at one moment, or not at all.

use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use super::delta::{self, Change};
use super::elements::{self, Data, Entry, Shape, key_length};
use super::encode::{self, LIST_ELEMENT};
use super::expressions::{COMMENT, cut, lower, refusal};
use super::held::{
    CONCATENATED, Described, Held, HeldChain, HeldRule, INTERVAL, MAP, VERDICT_TYPE, fill, shape,
    type_number,
};
use super::phases::{phases, undo};
use super::table::{ChainType, Contents, Element, Hook, KeyType, Rule, Set, Table};
use crate::netlink::{Attributes, Error, Message, Reply, Socket, nfgenmsg};

/// The family of tables for IPv4 and IPv6.
const INET: u8 = 1;

const SUBSYSTEM: u16 = (libc::NFNL_SUBSYS_NFTABLES as u16) << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const DELETE_CHAIN: u16 = SUBSYSTEM | 5;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;
const GET_SET: u16 = SUBSYSTEM | 10;
const DELETE_SET: u16 = SUBSYSTEM | 11;
const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;
const GET_GENERATION: u16 = SUBSYSTEM | 16;

const CREATE: u16 = libc::NLM_F_CREATE as u16;
const EXCLUSIVE: u16 = libc::NLM_F_EXCL as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;

/// The table's name, in messages of every kind; and that of the chain or set itself.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const ACCEPT: u32 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_LENGTH: u16 = 7;
const SET_DESCRIPTION: u16 = 9;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const SET_COUNT: u16 = 20;
const DESCRIPTION_FIELDS: u16 = 2;
const FIELD_LENGTH: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;
const GENERATION: u16 = 1;

/// What `nft` keeps beside rules and sets, each with its kind and its length in front.
const COMMENT_DATA: u8 = 0;
const KEY_ORDER_DATA: u8 = 0;
const ORDER_OF_MACHINE: u32 = 1;

/// Bytes of elements in one message; the length of a list has 16 bits.
const CHUNK: usize = 60_000;

/// How often a table is read and changed again because somebody changed rules in between.
const ATTEMPTS: usize = 32;

/// How often the elements of a set are listed until they are all there, and how long a growing table is given
/// in between.
const READINGS: usize = 200;
const PAUSE: Duration = Duration::from_millis(2);

/// What came of changes that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Why what no rule names any more is still there, if it is. Packets do not notice.
    pub leftover: Option<Error>,
}

/// Makes changes to a table: for packets all at one moment. With an error none is made.
pub fn apply(socket: &mut Socket, table: &str, changes: &[Change]) -> Result<Applied, Error> {
    apply_after(socket, table, changes, None)
}

/// The same; refused ([`Error::is_outdated`]) if anybody changed rules of this network namespace after a
/// generation.
pub fn apply_after(
    socket: &mut Socket,
    table: &str,
    changes: &[Change],
    generation: Option<u32>,
) -> Result<Applied, Error> {
    let [before, now, after] = phases(changes);
    let mut generation = generation;
    if !before.is_empty() {
        commit(socket, table, &before, generation)?;
        generation = generation.map(following);
    }
    if let Err(error) = commit(socket, table, &now, generation) {
        let undo = undo(&before);
        // What was made in vain leads nowhere; if even this fails, the first failure tells more.
        _ = commit(socket, table, &undo.iter().collect::<Vec<_>>(), None);
        return Err(error);
    }
    let is_switched = !before.is_empty() || !now.is_empty();
    // Where nothing comes before it, it is all that was asked for.
    let generation = generation.filter(|_| !is_switched);
    match commit(socket, table, &after, generation) {
        Err(error) if is_switched => Ok(Applied {
            leftover: Some(error),
        }),
        done => done.map(|()| Applied::default()),
    }
}

/// The generation that one transaction makes of another.
fn following(generation: u32) -> u32 {
    // The kernel passes zero over.
    generation.wrapping_add(1).max(1)
}

/// One transaction.
fn commit(
    socket: &mut Socket,
    table: &str,
    changes: &[&Change],
    generation: Option<u32>,
) -> Result<(), Error> {
    let mut messages = Vec::new();
    // Which change a message belongs to.
    let mut of_change = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        write(&mut messages, table, change).map_err(|reason| {
            Error::invalid(format!("{} in table `{table}`", described(change)), reason)
        })?;
        of_change.resize(messages.len(), index);
    }
    socket.batch(&messages, generation).map_err(|error| {
        let change = error
            .at()
            .and_then(|at| of_change.get(at))
            .and_then(|at| changes.get(*at));
        let tried = match change {
            Some(change) => format!("{} in table `{table}`", described(change)),
            None => format!("change table `{table}`"),
        };
        error.trying(tried)
    })
}

/// Makes the kernel hold a table, whatever it held under this name; what is right already stays.
pub fn replace(socket: &mut Socket, table: &Table) -> Result<Applied, Error> {
    for _ in 0..ATTEMPTS {
        let before = generation(socket)?;
        let (changes, generation) = match read(socket, &table.name)? {
            None => (delta::creation(table), before),
            Some(held) => (delta::adoption(&held, table), held.generation),
        };
        let done = apply_after(socket, &table.name, &changes, Some(generation));
        match done {
            Err(error) if error.is_outdated() => {}
            done => return done,
        }
    }
    Err(Error::new(
        format!(
            "change table `{}`: others change rules all the time",
            table.name
        ),
        Errno::ERESTART,
    ))
}

/// Takes a table away; nothing happens if there is none.
pub fn delete(socket: &mut Socket, name: &str) -> Result<(), Error> {
    let message = message(DELETE_TABLE, 0).string(TABLE, name);
    match socket.batch(&[message], None) {
        Err(error) if error.errno() == Errno::ENOENT => Ok(()),
        done => done.map_err(|error| error.trying(format!("delete table `{name}`"))),
    }
}

/// What the kernel holds of a table; none if it has no such table.
pub fn read(socket: &mut Socket, name: &str) -> Result<Option<Held>, Error> {
    let tried = |error: Error| error.trying(format!("read table `{name}`"));
    for _ in 0..ATTEMPTS {
        let generation = generation(socket).map_err(tried)?;
        let held = match read_once(socket, name, generation) {
            // Something went away between one question and the next.
            Err(error) if error.errno() == Errno::ENOENT => None,
            held => held.map_err(tried)?,
        };
        if self::generation(socket).map_err(tried)? == generation {
            return Ok(held);
        }
    }
    Err(Error::new(
        format!("read table `{name}`: rules change all the time"),
        Errno::EINTR,
    ))
}

/// How many transactions the network namespace has seen.
pub fn generation(socket: &mut Socket) -> Result<u32, Error> {
    let replies = socket.ask(&message(GET_GENERATION, 0))?;
    let number = replies
        .first()
        .and_then(|reply| reply.attributes(4).be32(GENERATION));
    number.ok_or_else(|| Error::new("learn the generation of the rules", Errno::EPROTO))
}

fn read_once(socket: &mut Socket, name: &str, generation: u32) -> Result<Option<Held>, Error> {
    match socket.ask(&message(GET_TABLE, 0).string(TABLE, name)) {
        Ok(_) => {}
        Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
        Err(error) => return Err(error),
    }
    let of_table = |kind: u16| message(kind, 0).string(TABLE, name);
    let is_ours = |reply: &Reply| reply.attributes(4).string(TABLE) == Some(name);
    let mut held = Held {
        name: name.into(),
        generation,
        ..Held::default()
    };
    for reply in socket
        .dump(&of_table(GET_CHAIN))?
        .iter()
        .filter(|reply| is_ours(reply))
    {
        let attributes = reply.attributes(4);
        let name = attributes.string(CHAIN_NAME).unwrap_or_default();
        held.chains.insert(name.into(), read_chain(&attributes));
    }
    for reply in socket
        .dump(&of_table(GET_RULE))?
        .iter()
        .filter(|reply| is_ours(reply))
    {
        let attributes = reply.attributes(4);
        if let Some(chain) = attributes
            .string(RULE_CHAIN)
            .and_then(|name| held.chains.get_mut(name))
        {
            chain.rules.push(read_rule(&attributes));
        }
    }
    let sets = socket.dump(&of_table(GET_SET))?;
    for reply in sets.iter().filter(|reply| is_ours(reply)) {
        let attributes = reply.attributes(4);
        let set = attributes.string(SET_NAME).unwrap_or_default();
        let filled = match shape(&describe(&attributes)) {
            Some(shape) => {
                let count = attributes.be32(SET_COUNT);
                let entries = read_elements(socket, name, set, shape.ranges, count)?;
                fill(shape, entries)
            }
            None => None,
        };
        held.sets.insert(set.into(), filled);
    }
    Ok(Some(held))
}

fn read_chain(attributes: &Attributes<'_>) -> HeldChain {
    if attributes.get(CHAIN_HOOK).is_none() {
        return HeldChain::default();
    }
    let hook = attributes.inside(CHAIN_HOOK);
    let kind = match attributes.string(CHAIN_TYPE) {
        Some("filter") => Some(ChainType::Filter),
        Some("nat") => Some(ChainType::Nat),
        _ => None,
    };
    let number = hook.be32(HOOK_NUMBER).unwrap_or_default();
    let priority = hook.be32(HOOK_PRIORITY).unwrap_or_default().cast_signed();
    HeldChain {
        is_foreign: kind.is_none() || attributes.be32(CHAIN_POLICY) != Some(ACCEPT),
        hook: kind.map(|kind| Hook {
            kind,
            number,
            priority,
        }),
        rules: Vec::new(),
    }
}

fn read_rule(attributes: &Attributes<'_>) -> HeldRule {
    let mut rule = HeldRule::default();
    for (_, entry) in attributes.inside(RULE_EXPRESSIONS) {
        let (expression, counted) = encode::read_expression(entry);
        rule.expressions.push(expression);
        rule.counted = rule.counted.or(counted);
    }
    rule.comment = attributes
        .get(RULE_USERDATA)
        .and_then(read_comment)
        .unwrap_or_default();
    rule
}

fn read_comment(mut userdata: &[u8]) -> Option<Box<str>> {
    loop {
        let (head, rest) = userdata.split_first_chunk::<2>()?;
        let [kind, length] = *head;
        let (value, behind) = rest.split_at_checked(usize::from(length))?;
        if kind == COMMENT_DATA {
            let text = value.split(|byte| *byte == 0).next()?;
            return std::str::from_utf8(text).ok().map(Into::into);
        }
        userdata = behind;
    }
}

fn describe(attributes: &Attributes<'_>) -> Described {
    Described {
        flags: attributes.be32(SET_FLAGS).unwrap_or_default(),
        key_type: attributes.be32(SET_KEY_TYPE).unwrap_or_default(),
        key_length: attributes.be32(SET_KEY_LENGTH).unwrap_or_default(),
        data_type: attributes.be32(SET_DATA_TYPE),
    }
}

/// The elements of a set. While a hash table grows, which it does behind the back of who filled it, a listing
/// of several datagrams shows some elements twice and others not at all; so it is read until it is whole.
fn read_elements(
    socket: &mut Socket,
    table: &str,
    set: &str,
    ranges: bool,
    count: Option<u32>,
) -> Result<Vec<Entry>, Error> {
    let question = message(GET_ELEMENTS, 0)
        .string(TABLE, table)
        .string(ELEMENTS_SET, set);
    let mut before: Option<Vec<Entry>> = None;
    for _ in 0..READINGS {
        let replies = socket.dump(&question)?;
        let entries = replies
            .iter()
            .flat_map(|reply| reply.attributes(4).inside(ELEMENTS));
        let mut entries: Vec<Entry> = entries
            .filter_map(|(_, entry)| elements::read_entry(entry))
            .collect();
        entries.sort_by(|one, other| (&one.key, other.is_end).cmp(&(&other.key, one.is_end)));
        entries.dedup();
        let is_whole = match count {
            // Ranges are kept in order, and counted otherwise.
            _ if ranges => true,
            Some(count) => usize::try_from(count).is_ok_and(|count| entries.len() == count),
            // An old kernel does not say how many there are: two readings have to agree.
            None => replies.len() <= 1 || before.as_ref() == Some(&entries),
        };
        if is_whole {
            return Ok(entries);
        }
        before = Some(entries);
        std::thread::sleep(PAUSE);
    }
    Err(Error::new(
        format!("read the elements of set `{set}`: they differ every time"),
        Errno::EINTR,
    ))
}

fn message(kind: u16, flags: u16) -> Message {
    Message::new(kind, flags).bytes(&nfgenmsg(INET, 0))
}

fn described(change: &Change) -> String {
    match change {
        Change::AddTable => "add the table".into(),
        Change::FlushChain(name) => format!("empty chain `{name}`"),
        Change::RemoveElements(name, _) => format!("remove elements from set `{name}`"),
        Change::DeleteSet(name) => format!("delete set `{name}`"),
        Change::DeleteChain(name, _) => format!("delete chain `{name}`"),
        Change::AddChain(name, _) => format!("add chain `{name}`"),
        Change::AddSet(name, _) => format!("add set `{name}`"),
        Change::AddElements(name, _) => format!("add elements to set `{name}`"),
        Change::AddRules(name, _) => format!("add rules to chain `{name}`"),
    }
}

/// Writes the messages of a change; what is wrong with it if it cannot be asked for.
fn write(messages: &mut Vec<Message>, table: &str, change: &Change) -> Result<(), &'static str> {
    let of = |kind, flags| message(kind, flags).string(TABLE, table);
    match change {
        Change::AddTable => messages.push(of(NEW_TABLE, CREATE)),
        Change::FlushChain(name) => messages.push(of(DELETE_RULE, 0).string(RULE_CHAIN, name)),
        Change::DeleteSet(name) => messages.push(of(DELETE_SET, 0).string(SET_NAME, name)),
        Change::DeleteChain(name, _) => messages.push(of(DELETE_CHAIN, 0).string(CHAIN_NAME, name)),
        Change::AddChain(name, hook) => {
            let chain = of(NEW_CHAIN, CREATE | EXCLUSIVE).string(CHAIN_NAME, name);
            messages.push(match hook {
                Some(hook) => write_hook(chain, hook),
                None => chain,
            });
        }
        Change::AddSet(name, set) => {
            let id = u32::try_from(messages.len()).unwrap_or_default();
            messages.push(
                write_set(of(NEW_SET, CREATE | EXCLUSIVE).string(SET_NAME, name), set)
                    .be32(SET_ID, id),
            );
        }
        Change::AddElements(name, set) => {
            write_elements(
                messages,
                &of(NEW_ELEMENTS, CREATE | EXCLUSIVE).string(ELEMENTS_SET, name),
                set,
            );
        }
        Change::RemoveElements(name, set) => {
            write_elements(
                messages,
                &of(DELETE_ELEMENTS, 0).string(ELEMENTS_SET, name),
                set,
            );
        }
        Change::AddRules(name, rules) => {
            for rule in rules {
                if let Some(reason) = refusal(rule) {
                    return Err(reason);
                }
                let start = of(NEW_RULE, CREATE | APPEND).string(RULE_CHAIN, name);
                write_rule(messages, &start, rule);
            }
        }
    }
    Ok(())
}

fn write_hook(chain: Message, hook: &Hook) -> Message {
    let kind = match hook.kind {
        ChainType::Filter => "filter",
        ChainType::Nat => "nat",
    };
    chain
        .nested(CHAIN_HOOK, |inner| {
            inner
                .be32(HOOK_NUMBER, hook.number)
                .be32(HOOK_PRIORITY, hook.priority.cast_unsigned())
        })
        .be32(CHAIN_POLICY, ACCEPT)
        .string(CHAIN_TYPE, kind)
}

fn write_set(message: Message, set: &Set) -> Message {
    let is_pairs = shape_of(set) == Shape::Pairs;
    let data = match &set.contents {
        Contents::Members(_) => None,
        Contents::Verdicts(_) => Some((VERDICT_TYPE, 16)),
        Contents::Values(to, _) => Some((type_number(to), number(key_length(to)))),
    };
    let flags = if set.ranges { INTERVAL } else { 0 }
        | if data.is_some() { MAP } else { 0 }
        | if is_pairs { CONCATENATED } else { 0 };
    let message = message
        .be32(SET_FLAGS, flags)
        .be32(SET_KEY_TYPE, type_number(&set.key))
        .be32(SET_KEY_LENGTH, number(key_length(&set.key)));
    let message = match data {
        Some((kind, length)) => message
            .be32(SET_DATA_TYPE, kind)
            .be32(SET_DATA_LENGTH, length),
        None => message,
    };
    let message = match is_pairs {
        true => message.nested(SET_DESCRIPTION, |inner| {
            inner.nested(DESCRIPTION_FIELDS, |fields| {
                set.key.iter().fold(fields, |fields, field| {
                    fields.nested(LIST_ELEMENT, |inner| {
                        inner.be32(FIELD_LENGTH, number(field.size()))
                    })
                })
            })
        }),
        false => message,
    };
    match set.key.as_slice() {
        // `nft` takes numbers for ones in network order unless it is told.
        [KeyType::Number] => {
            let [a, b, c, d] = ORDER_OF_MACHINE.to_ne_bytes();
            message.attr(SET_USERDATA, &[KEY_ORDER_DATA, 4, a, b, c, d])
        }
        _ => message,
    }
}

fn shape_of(set: &Set) -> Shape {
    match (set.ranges, set.key.len()) {
        (false, _) => Shape::Keys,
        (true, 1) => Shape::Ends,
        (true, _) => Shape::Pairs,
    }
}

fn write_elements(messages: &mut Vec<Message>, start: &Message, set: &Set) {
    let (shape, length) = (shape_of(set), key_length(&set.key));
    let mut put = |elements: &mut dyn Iterator<Item = (&Element, Data<'_>)>| {
        let mut elements = elements.peekable();
        while elements.peek().is_some() {
            messages.push(start.clone().nested(ELEMENTS, |mut list| {
                while list.len() < CHUNK
                    && let Some((element, data)) = elements.next()
                {
                    list = elements::element(list, shape, length, element, data);
                }
                list
            }));
        }
    };
    match &set.contents {
        Contents::Members(members) => {
            put(&mut members.iter().map(|element| (element, Data::Nothing)))
        }
        Contents::Verdicts(verdicts) => {
            put(&mut verdicts
                .iter()
                .map(|(element, verdict)| (element, Data::Verdict(verdict))));
        }
        Contents::Values(to, values) => {
            let length = key_length(to);
            put(&mut values
                .iter()
                .map(|(element, value)| (element, Data::Value(value, length))));
        }
    }
}

fn write_rule(messages: &mut Vec<Message>, start: &Message, rule: &Rule) {
    let comment = cut(&rule.comment, COMMENT);
    let mut userdata = vec![
        COMMENT_DATA,
        u8::try_from(comment.len() + 1).unwrap_or_default(),
    ];
    userdata.extend(comment.as_bytes());
    userdata.push(0);
    for expressions in lower(rule) {
        let message = start.clone().nested(RULE_EXPRESSIONS, |list| {
            expressions.iter().fold(list, encode::expression)
        });
        messages.push(match comment.is_empty() {
            true => message,
            false => message.attr(RULE_USERDATA, &userdata),
        });
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or_default()
}
