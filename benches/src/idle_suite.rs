//! What connections hold that do nothing: most devices are silent most of the time.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::clock::sleep;
use crate::contender::{Running, start_headwater, start_mosquitto};
use crate::frames;
use crate::options::Options;
use crate::stopped::Stopped;

/// Each takes a file descriptor here and one of the contender: `ulimit -n` has to allow that.
const CONNECTIONS: usize = 5_000;
/// Until the contender has put away what it worked with.
const SETTLE: Duration = Duration::from_secs(1);
/// The longest answer that is waited for: CONNACK, SUBACK.
const ANSWER_BYTES_MAX: usize = 64;

pub(crate) fn run(options: &Options) -> Result<(), Stopped> {
    println!("{CONNECTIONS} connections, resident memory\n");
    println!("| contender | | MiB | bytes per connection |\n|---|---|---|---|");
    measure(&start_mosquitto()?)?;
    if options.headwater.is_file() {
        measure(&start_headwater(&options.headwater, None)?)?;
    }
    println!();
    Ok(())
}

fn measure(contender: &Running) -> Result<(), Stopped> {
    sleep(SETTLE);
    let before_kib = contender.rss_kib()?;
    print(contender, "none connected", before_kib, None);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, contender.port()))?;
        ask(&mut stream, &frames::connect(&format!("idle-{number}")), 0x20)?;
        connections.push(stream);
    }
    report(contender, "connected", before_kib)?;
    for (number, stream) in connections.iter_mut().enumerate() {
        ask(stream, &frames::subscribe(&format!("device/{number}/command"), 1), 0x90)?;
    }
    report(contender, "and subscribed to one topic", before_kib)?;
    for (number, stream) in connections.iter_mut().enumerate() {
        stream.write_all(&frames::publish(&format!("device/{number}/state"), &[b'x'; 64], 0))?;
    }
    report(contender, "and published once", before_kib)
}

/// Sends a packet and takes its answer.
fn ask(stream: &mut TcpStream, packet: &[u8], answer: u8) -> Result<(), Stopped> {
    stream.write_all(packet)?;
    let mut bytes = [0; ANSWER_BYTES_MAX];
    let read = stream.read(&mut bytes)?;
    let is_answer = read > 0 && bytes.first() == Some(&answer);
    if is_answer { Ok(()) } else { Err(Stopped::Refused { what: "an idle connection" }) }
}

fn report(contender: &Running, state: &str, before_kib: u64) -> Result<(), Stopped> {
    sleep(SETTLE);
    let now_kib = contender.rss_kib()?;
    print(contender, state, now_kib, Some(now_kib.saturating_sub(before_kib) * 1024 / CONNECTIONS as u64));
    Ok(())
}

fn print(contender: &Running, state: &str, kib: u64, each_bytes: Option<u64>) {
    let each = each_bytes.map_or_else(String::new, |bytes| bytes.to_string());
    println!("| {} | {state} | {:.1} | {each} |", contender.name(), kib as f64 / 1024.0);
}
