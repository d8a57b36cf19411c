//! Moving averages of what grows: how much came in a minute, over the last 1, 5 and 15 minutes, weighed exponentially as
//! the load of a Unix machine is.

use std::time::Duration;

use super::figures::Figures;

/// The averages of every series.
#[derive(Debug, Default)]
pub(super) struct Loads {
    /// In the order of [`SERIES`].
    averages: [[f64; WINDOWS.len()]; SERIES.len()],
}

/// The spans that are averaged over: name and minutes.
const WINDOWS: [(&str, f64); 3] = [("1min", 1.0), ("5min", 5.0), ("15min", 15.0)];

type Count = fn(&Figures) -> u64;

/// What is averaged: the name below `load`, and the count that it is made of.
const SERIES: [(&str, Count); 9] = [
    ("messages/received", |figures| figures.packets_received),
    ("messages/sent", |figures| figures.packets_sent),
    ("publish/received", |figures| figures.publishes_received),
    ("publish/sent", |figures| figures.publishes_sent),
    ("publish/dropped", |figures| figures.publishes_dropped),
    ("bytes/received", |figures| figures.bytes_received),
    ("bytes/sent", |figures| figures.bytes_sent),
    ("sockets", |figures| figures.sockets),
    ("connections", |figures| figures.connects),
];

impl Loads {
    /// Takes in what was counted in a span between two figures.
    pub(super) fn add(&mut self, span: Duration, before: &Figures, after: &Figures) {
        let minutes = span.as_secs_f64() / 60.0;
        if minutes <= 0.0 {
            return;
        }
        for (averages, (_, count)) in self.averages.iter_mut().zip(SERIES) {
            let per_minute = count(after).saturating_sub(count(before)) as f64 / minutes;
            for (average, (_, window)) in averages.iter_mut().zip(WINDOWS) {
                let kept = (-minutes / window).exp();
                *average = per_minute + kept * (*average - per_minute);
            }
        }
    }

    /// Every average as a text, by its name below `$SYS/broker`.
    pub(super) fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.averages.iter().zip(SERIES).flat_map(|(averages, (name, _))| {
            let texts = averages.iter().zip(WINDOWS);
            texts.map(move |(average, (window, _))| (format!("load/{name}/{window}"), format!("{average:.2}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sockets: u64) -> Figures {
        Figures { sockets, ..Figures::default() }
    }

    fn sockets(loads: &Loads) -> Vec<String> {
        loads.texts().filter(|(name, _)| name.starts_with("load/sockets/")).map(|(_, text)| text).collect()
    }

    #[test]
    fn averages_fade_as_mosquittos_do() {
        let mut loads = Loads::default();
        // As mosquitto 2.0.11 told them after one connection in two seconds, and its 1 minute average ever after.
        loads.add(Duration::from_secs(2), &figures(0), &figures(1));
        assert_eq!(sockets(&loads), ["0.98", "0.20", "0.07"]);
        loads.add(Duration::from_secs(2), &figures(1), &figures(1));
        assert_eq!(sockets(&loads), ["0.95", "0.20", "0.07"]);
        for _ in 0..600 {
            loads.add(Duration::from_secs(10), &figures(1), &figures(1));
        }
        assert_eq!(sockets(&loads), ["0.00", "0.00", "0.00"]);
    }

    #[test]
    fn a_steady_stream_is_its_own_average() {
        let mut loads = Loads::default();
        for _ in 0..600 {
            loads.add(Duration::from_secs(10), &figures(0), &figures(5));
        }
        assert_eq!(sockets(&loads), ["30.00", "30.00", "29.96"]);
    }
}
