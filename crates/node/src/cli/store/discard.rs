//! `headwater store discard`: throws away what the tables do not know and a start therefore keeps.

use std::io::Write as _;

use clap::Args;
use message::DestinationId;
use store::table::Tables;

use super::super::Failure;
use super::super::node_options::NodeOptions;
use super::Stopped;
use super::names::Names;

#[derive(Debug, Args)]
pub(in crate::cli) struct Discard {
    #[command(flatten)]
    node: NodeOptions,
    /// The number under which the log of the node, or `headwater store inspect`, names it
    number: u64,
}

impl Discard {
    pub(super) fn run(self) -> Result<(), Failure> {
        let stopped = Stopped::hold(&self.node)?;
        let (tables, _) = Tables::open(&stopped.tables()).map_err(Failure::not_done)?;
        let names = Names::read(&tables).map_err(Failure::not_done)?;
        let id = DestinationId::new(self.number);
        if let Some(name) = names.known(id) {
            return Err(Failure::not_done(format!(
                "{id} is {name}, which the tables know: remove it on the running node"
            )));
        }
        tables.removals().mark(id).wait().map_err(Failure::not_done)?;
        writeln!(std::io::stdout(), "destination {id}: the next start of the node deletes what it has")?;
        Ok(())
    }
}
