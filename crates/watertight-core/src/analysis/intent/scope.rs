//! What a statement is about: nothing that it names may go unlooked at, and it is about somebody.

use super::check::Outcome;
use super::whom::{Ends, Resolver};
use super::{Claim, Exactly, Whom};

/// Why nothing was judged.
pub(super) fn no_pair(claim: &Claim) -> Outcome {
    let why = match claim {
        Claim::Only(..) => "there is nobody but those who are let in",
        _ => {
            "there is no pair to judge: both ends are the same pod, or outside, or pods without an \
             address (K-33)"
        }
    };
    Outcome::Vacuous(why.to_owned())
}

/// Maps know no Services, however they are spelled: a ClusterIP is one, too.
pub(super) fn no_service(
    whom: &Whom,
    ends: &Ends,
    resolver: &mut Resolver<'_>,
) -> Result<(), Outcome> {
    if ends.services.is_empty() {
        return Ok(());
    }
    for part in &whom.parts {
        if let Ok(Ends { services, .. }) = resolver.part(part)
            && let [(_, service), ..] = services.as_slice()
        {
            let text = &part.text;
            let message = format!("`{text}` is Service `{service}`; name its pods here");
            return Err(Outcome::Refused(message));
        }
    }
    Ok(())
}

/// What an `exactly` does not look at is refused: it would hold whatever is said of it.
pub(super) fn in_scope(
    exactly: &Exactly,
    (subject, among, peers): &(Ends, Ends, Vec<Ends>),
    resolver: &mut Resolver<'_>,
) -> Result<(), Outcome> {
    let refused = |message| Err(Outcome::Refused(message));
    no_service(&exactly.subject, subject, resolver)?;
    for part in &exactly.subject.parts {
        let is_outside = |ends: Ends| ends.has_addresses() || !ends.names.is_empty();
        if resolver.part(part).is_ok_and(is_outside) {
            return refused(format!(
                "`exactly` is about pods and nodes, and not about whom `{}` means outside; write an \
                 `only`, or an `exactly` about pods with `among`",
                part.text
            ));
        }
    }
    if let Some(whom) = &exactly.among {
        no_service(whom, among, resolver)?;
    }
    for (item, ends) in exactly.allowed.iter().zip(peers) {
        no_service(&item.peers, ends, resolver)?;
        if item.ipv6 && (ends.has_addresses() || !ends.names.is_empty()) {
            let message = "`ipv6` is about pods and nodes; addresses are of one family anyway";
            return refused(message.to_owned());
        }
        let Some(whom) = exactly.among.as_ref().filter(|_| !among.is_empty()) else {
            continue;
        };
        for part in &item.peers.parts {
            let is_beyond = |ends: Ends| !ends.is_empty() && !among.touches(&ends);
            if resolver.part(part).is_ok_and(is_beyond) {
                let among = whom.parts.iter().map(|part| &*part.text);
                let among: Vec<&str> = among.take(3).collect();
                return refused(format!(
                    "`{}` is allowed, but not looked at: only those who are `among: {}` count",
                    part.text,
                    among.join(", ")
                ));
            }
        }
    }
    Ok(())
}
