//! The options by which a node, or whoever looks at its configuration, is told what the configuration is.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{Argument, Loaded, Sources, load};

/// Where the configuration comes from.
#[derive(Debug, Clone, Args)]
pub(super) struct NodeOptions {
    /// The configuration file [default: /etc/headwater/headwater.toml if it exists]
    #[arg(long, value_name = "FILE", env = "HEADWATER_CONFIG")]
    config: Option<PathBuf>,
    /// The data directory; the same as --set data_dir=DIR
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Set a key of the configuration, as in --set log.level=debug; may be given more than once
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_set)]
    sets: Vec<(String, String)>,
}

impl NodeOptions {
    /// Reads the configuration.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        let sets = self.sets.iter();
        let mut arguments: Vec<Argument> = sets
            .map(|(key, value)| Argument { key: key.clone(), value: value.clone(), written: format!("--set {key}") })
            .collect();
        if let Some(data_dir) = &self.data_dir {
            let value = data_dir.to_string_lossy().into_owned();
            arguments.push(Argument { key: "data_dir".to_owned(), value, written: "--data-dir".to_owned() });
        }
        let sources = Sources { file: self.config.clone(), environment: environment(), arguments };
        load(&sources).map_err(Failure::Config)
    }
}

/// The environment of this process. What is no UTF-8 cannot be meant for us.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("write KEY=VALUE, as in log.level=debug".to_owned()),
    }
}
