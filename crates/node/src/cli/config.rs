//! `headwater config`: what the configuration says, without starting a node.

use clap::Subcommand;

use super::Failure;
use super::node_options::NodeOptions;
use crate::config::{config_schema, example_file, show_json, show_text};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Find everything that is wrong with the configuration.
    Check {
        #[command(flatten)]
        node: NodeOptions,
    },
    /// Show each key with its value and where that comes from.
    Show {
        #[command(flatten)]
        node: NodeOptions,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a configuration file with every key, its meaning and its default.
    Example,
    /// Write the JSON Schema of configuration files.
    Schema,
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check { node } => {
                node.load()?;
                println!("the configuration is good");
            }
            Self::Show { node, json: false } => print!("{}", show_text(&node.load()?)),
            Self::Show { node, json: true } => println!("{:#}", show_json(&node.load()?)),
            Self::Example => print!("{}", example_file()),
            Self::Schema => println!("{:#}", config_schema()),
        }
        Ok(())
    }
}
