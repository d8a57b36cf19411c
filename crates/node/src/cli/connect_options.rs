//! The options by which a command finds the node that it speaks to.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::api_client::ApiClient;
use super::node_options::environment;
use crate::config::{Argument, Config, Sources, load};
use crate::data_dir::{read_addresses, read_token};
use crate::run::{Addresses, reachable};

/// Where the node is, and how to be let in.
#[derive(Debug, Clone, Args)]
pub(super) struct ConnectOptions {
    /// The node's API [default: as the data directory or the configuration says]
    #[arg(long, value_name = "URL", env = "HEADWATER_URL")]
    url: Option<String>,
    /// The token of the API [default: the file admin-token of the data directory]
    #[arg(long, env = "HEADWATER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The node's data directory [default: `data_dir` of the configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file of the node
    #[arg(long, value_name = "FILE", env = "HEADWATER_CONFIG")]
    config: Option<PathBuf>,
}

impl ConnectOptions {
    /// A client of the node's API.
    pub(super) fn api(&self) -> Result<ApiClient, Failure> {
        let config = self.load()?;
        let address = addresses(&config).map_or(config.listeners.web.address, |addresses| addresses.web);
        let url = self.url.clone().unwrap_or_else(|| format!("http://{}", reachable(address)));
        let token = self.token.clone().or_else(|| read_token(&config.data_dir));
        let token = token.ok_or_else(|| {
            let file = config.data_dir.join("admin-token");
            let why = "start the node first, name its folder with --data-dir, or give --token or HEADWATER_TOKEN";
            Failure::NoToken(format!("no token: {} cannot be read; {why}", file.display()))
        })?;
        Ok(ApiClient::new(&url, token))
    }

    /// The address of the node's MQTT listener.
    pub(super) fn mqtt(&self) -> Result<SocketAddr, Failure> {
        let config = self.load()?;
        Ok(reachable(addresses(&config).map_or(config.listeners.mqtt.address, |addresses| addresses.mqtt)))
    }

    fn load(&self) -> Result<Config, Failure> {
        let data_dir = self.data_dir.iter().map(|path| Argument {
            key: "data_dir".to_owned(),
            value: path.to_string_lossy().into_owned(),
            written: "--data-dir".to_owned(),
        });
        let sources = Sources { file: self.config.clone(), environment: environment(), arguments: data_dir.collect() };
        load(&sources).map(|loaded| loaded.config).map_err(Failure::Config)
    }
}

/// Where the node with this data directory listens, if it runs.
fn addresses(config: &Config) -> Option<Addresses> {
    serde_json::from_str(&read_addresses(&config.data_dir)?).ok()
}
