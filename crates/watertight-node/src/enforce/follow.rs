//! A node's rules as pods come, change and go.

use ipnet::IpNet;
use watertight_core::eval::Evaluator;
use watertight_core::world::{EndpointId, NodeId};

use super::{Enforcer, Error, Report};
use crate::netlink::Socket;
use crate::nft::compile::incremental::Compiler;
use crate::nft::compile::{Compiled, Options};
use crate::nft::delta::Change;

/// Makes the table of a node and keeps the kernel equal to it.
#[derive(Debug)]
pub struct Follower {
    compiler: Compiler,
    enforcer: Enforcer,
    /// Whether the kernel did not take what was made last: then changes of that lead nowhere.
    is_behind: bool,
}

impl Follower {
    /// Puts the rules of a node into force in the network namespace of a socket; see [`Enforcer::start`].
    pub fn start(
        socket: Socket,
        eval: &Evaluator<'_>,
        node: NodeId,
        ranges: &[IpNet],
        options: Options,
    ) -> Result<(Self, Report), Error> {
        let compiler = Compiler::new(eval, node, ranges, options);
        let table = compiler.compiled().table.clone();
        let (enforcer, report) = Enforcer::start(socket, table, ranges)?;
        let follower = Self {
            compiler,
            enforcer,
            is_behind: false,
        };
        Ok((follower, report))
    }

    /// What is to be in force, and what goes with it.
    #[must_use]
    pub fn compiled(&self) -> &Compiled {
        self.compiler.compiled()
    }

    /// What is in force, and how it is kept so.
    pub fn enforcer(&mut self) -> &mut Enforcer {
        &mut self.enforcer
    }

    /// One endpoint came, changed or went, and nothing else.
    pub fn pod(&mut self, eval: &Evaluator<'_>, id: EndpointId) -> Result<Report, Error> {
        let followed = self.compiler.follow(eval, id);
        self.put(&followed.changes)
    }

    /// Anything may have changed: policies, namespaces, nodes.
    pub fn replace(&mut self, eval: &Evaluator<'_>) -> Result<Report, Error> {
        let changes = self.compiler.replace(eval);
        self.put(&changes)
    }

    fn put(&mut self, changes: &[Change]) -> Result<Report, Error> {
        let new = &self.compiler.compiled().table;
        let done = match self.is_behind {
            true => self.enforcer.update(new.clone()),
            false => self.enforcer.change(changes, new),
        };
        self.is_behind = matches!(done, Err(Error::Refused { .. } | Error::Doubtful { .. }));
        done
    }
}
