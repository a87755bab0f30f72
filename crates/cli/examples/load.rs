//! A closed-loop load on any etcd endpoint: how many operations a second, how long each takes, and
//! what the servers spend on one.
//!
//! ```text
//! load --endpoints URL,URL --operation put|get|stale --clients 64 --seconds 5 [--pids PID,PID]
//! ```
//!
//! Each client sends its next request when the last is answered; a connection serves eight clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use quorate_etcdapi::etcdserverpb as pb;
use quorate_etcdapi::etcdserverpb::kv_client::KvClient;
use tonic::transport::{Channel, Endpoint};

#[derive(Parser)]
struct Options {
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    #[arg(long, value_enum, default_value_t = Operation::Put)]
    operation: Operation,
    #[arg(long, default_value_t = 64)]
    clients: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
    /// Servers on this machine whose processor time is counted.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    Put,
    Get,
    /// A serializable read.
    Stale,
}

const CLIENTS_PER_CONNECTION: usize = 8;

const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let options = Arc::new(Options::parse());
    let is_measuring = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    let mut channel = None;
    for client in 0..options.clients {
        let connection = client / CLIENTS_PER_CONNECTION;
        if client % CLIENTS_PER_CONNECTION == 0 {
            channel =
                Some(connect(&options.endpoints[connection % options.endpoints.len()]).await?);
        }
        let kv = KvClient::new(channel.clone().context("the first client connects")?);
        let (options, measuring, over) = (options.clone(), is_measuring.clone(), is_over.clone());
        clients.push(tokio::spawn(run(kv, client as u64, options, measuring, over)));
    }
    tokio::time::sleep(WARM_UP).await;
    let (cpu, start) = (cpu_seconds(&options.pids)?, Instant::now());
    is_measuring.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    is_measuring.store(false, Ordering::Relaxed);
    let (cpu, elapsed) = (cpu_seconds(&options.pids)? - cpu, start.elapsed());
    is_over.store(true, Ordering::Relaxed);
    let (mut times, mut errors) = (Vec::new(), 0);
    for client in clients {
        let (client_times, client_errors) = client.await?;
        times.extend(client_times);
        errors += client_errors;
    }
    report(&mut times, errors, elapsed, cpu);
    Ok(())
}

async fn connect(endpoint: &str) -> anyhow::Result<Channel> {
    let url =
        if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let endpoint = Endpoint::from_shared(url)?.tcp_nodelay(true);
    endpoint.connect().await.context("the endpoint does not answer")
}

async fn run(
    mut kv: KvClient<Channel>,
    client: u64,
    options: Arc<Options>,
    is_measuring: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
) -> (Vec<Duration>, u64) {
    let value = vec![b'x'; options.value_bytes];
    let (mut times, mut errors) = (Vec::new(), 0);
    let mut number = client.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while !is_over.load(Ordering::Relaxed) {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("key{:012}", (number >> 33) % options.keys);
        let start = Instant::now();
        let is_ok = match options.operation {
            Operation::Put => kv.put(put(key, value.clone())).await.is_ok(),
            Operation::Get => kv.range(range(key, Freshness::Linearizable)).await.is_ok(),
            Operation::Stale => kv.range(range(key, Freshness::Stale)).await.is_ok(),
        };
        if is_measuring.load(Ordering::Relaxed) {
            if is_ok { times.push(start.elapsed()) } else { errors += 1 }
        }
    }
    (times, errors)
}

fn put(key: String, value: Vec<u8>) -> pb::PutRequest {
    pb::PutRequest { key: key.into(), value: value.into(), ..pb::PutRequest::default() }
}

#[derive(PartialEq)]
enum Freshness {
    Linearizable,
    Stale,
}

fn range(key: String, freshness: Freshness) -> pb::RangeRequest {
    let serializable = freshness == Freshness::Stale;
    pb::RangeRequest { key: key.into(), serializable, ..pb::RangeRequest::default() }
}

/// Processor time used so far, user and system.
fn cpu_seconds(pids: &[u32]) -> anyhow::Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let mut ticks = 0.0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, fields) = stat.rsplit_once(')').context("the system tells a process's times")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        ticks += fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    }
    Ok(ticks / TICKS_PER_SECOND)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
#[expect(clippy::print_stdout, reason = "the result")]
fn report(times: &mut [Duration], errors: u64, elapsed: Duration, cpu: f64) {
    times.sort_unstable();
    let count = times.len().max(1);
    let at = |per_mille: usize| {
        let place = (count * per_mille / 1000).min(count - 1);
        times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    println!(
        "{:.0} op/s  p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  errors {errors}  \
         server {:.1} us/op",
        times.len() as f64 / elapsed.as_secs_f64(),
        at(500),
        at(990),
        at(999),
        cpu * 1e6 / count as f64,
    );
}
