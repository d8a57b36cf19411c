//! What must hold between the values of a configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use message::QueueName;

use super::{Config, ConfigProblem, Origin};

type Origins = BTreeMap<Vec<String>, Origin>;

/// Every rule that the configuration breaks.
pub(super) fn check(config: &Config, origins: &Origins) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let mut refuse = |key: &str, what: String, hint: String| {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        // What is wrong with a table is told where it begins.
        let set = origins.iter().find(|(set, _)| set.starts_with(&path)).map(|(_, origin)| origin);
        let origin = set.cloned().unwrap_or(Origin::Default);
        problems.push(ConfigProblem::new(origin, key, what, hint));
    };
    let listeners = &config.listeners;
    for (name, address, allowed, who) in [
        ("mqtt", listeners.mqtt.address, listeners.mqtt.allow_anonymous_remote, "publish and subscribe"),
        ("mqtt_ws", listeners.mqtt_ws.address, listeners.mqtt_ws.allow_anonymous_remote, "publish and subscribe"),
        (
            "endpoints",
            listeners.endpoints.address,
            listeners.endpoints.allow_anonymous_remote,
            "call the flows' endpoints",
        ),
    ] {
        if is_remote(address) && !allowed {
            refuse(
                &format!("listeners.{name}.address"),
                format!("{address} is off loopback and nobody would be asked who they are"),
                format!(
                    "listen on 127.0.0.1, or say that anyone who reaches it may {who}: \
                     listeners.{name}.allow_anonymous_remote = true"
                ),
            );
        }
    }
    let addresses = [
        ("listeners.mqtt.address", listeners.mqtt.address),
        ("listeners.mqtt_ws.address", listeners.mqtt_ws.address),
        ("listeners.web.address", listeners.web.address),
        ("listeners.endpoints.address", listeners.endpoints.address),
    ];
    for (place, (key, address)) in addresses.iter().enumerate() {
        let before = addresses.iter().take(place).find(|(_, other)| other == address && address.port() != 0);
        if let Some((other, _)) = before {
            refuse(
                key,
                format!("{address} is the address of `{other}` too"),
                "give each listener a port of its own".to_owned(),
            );
        }
    }
    for origin in listeners.mqtt_ws.allowed_origins.iter().filter(|origin| !is_origin(origin)) {
        refuse(
            "listeners.mqtt_ws.allowed_origins",
            format!("`{origin}` is no origin of a web page"),
            "write it as browsers do, scheme and host without a path, as in https://dashboard.example".to_owned(),
        );
    }
    for (key, what) in destination_problems(config) {
        refuse(&key, what, String::new());
    }
    if config.data_dir.as_os_str().is_empty() {
        refuse("data_dir", "the path is empty".to_owned(), "name a folder, as in data".to_owned());
    }
    if config.node.name.is_empty() || config.node.name.len() > 64 || config.node.name.chars().any(char::is_control) {
        refuse("node.name", "this is no name".to_owned(), "write 1 to 64 printable characters".to_owned());
    }
    if crate::telemetry::levels(&config.log.level).is_none() {
        refuse(
            "log.level",
            format!("`{}` is no level", config.log.level),
            "write error, warn, info, debug or trace, or per part as in info,node::mqtt=debug".to_owned(),
        );
    }
    problems
}

/// Queues and streams that cannot be so, by key, and why.
fn destination_problems(config: &Config) -> Vec<(String, String)> {
    let queues = config.queues.iter().map(|(name, settings)| (format!("queues.{name}"), settings.check(name).err()));
    let streams = config.streams.iter().map(|(name, settings)| (format!("streams.{name}"), settings.check().err()));
    let alone = queues.chain(streams).filter_map(|(key, error)| Some((key, error?.to_string())));
    alone.chain(circles(config)).collect()
}

/// Queues whose dead letters would come back to them, by way of others that the configuration names.
fn circles(config: &Config) -> impl Iterator<Item = (String, String)> {
    let letters = |name: &QueueName| config.queues.get(name).and_then(|settings| settings.dead_letter_of(name).ok()?);
    let comes_back = move |name: &&QueueName| {
        let mut next = letters(name);
        for _ in 0..config.queues.len() {
            let Some(letters_of) = next else { return false };
            if letters_of == **name {
                return true;
            }
            next = letters(&letters_of);
        }
        false
    };
    config.queues.keys().filter(comes_back).map(|name| {
        let hint = "let the last dead letter queue have an empty `dead_letter`";
        (format!("queues.{name}.dead_letter"), format!("dead letters of `{name}` would come back to it: {hint}"))
    })
}

/// Whether a browser could write this into the field `Origin`; a page without one of its own says `null`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return text == "null" };
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !host.is_empty() && !host.contains(['/', '*', ' ', '@', '?', '#'])
}

/// Whether others than this machine reach the address.
pub(crate) fn is_remote(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}
