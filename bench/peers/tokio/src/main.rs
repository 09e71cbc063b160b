//! The Tokio side of the benchmarks: one program, the workload is its first argument. Command line and output are those
//! of bench/bench.h.

mod channels;
mod crawl;
mod echo;
mod file_read;
#[cfg(feature = "hyper0")]
#[path = "http_hyper0.rs"]
mod http;
#[cfg(feature = "hyper1")]
#[path = "http_hyper1.rs"]
mod http;
mod idle;
mod mutex;
mod spawn;
mod timers;

use std::time::{Duration, Instant};

/// What one repetition gave.
pub struct Outcome {
    pub ops: u64,     // really done
    pub seconds: f64, // 0: main measures the whole run
    pub checked: bool,
    pub metrics: String, // more of the JSON object
}

impl Outcome {
    pub fn new(ops: u64, checked: bool) -> Outcome {
        Outcome { ops, seconds: 0.0, checked, metrics: String::new() }
    }
}

pub struct Options {
    pub workers: usize,
    pub ops: u64,
    pub mode: String, // a form of the workload
    pub port: u16,    // of the server that a client asks
}

pub fn die(what: &str, why: impl std::fmt::Display) -> ! {
    eprintln!("{what}: {why}");
    std::process::exit(1);
}

/// Percentiles of some latencies, as the JSON members that bench/results.py knows.
pub fn percentiles(mut latencies: Vec<Duration>) -> String {
    latencies.sort_unstable();
    let at = |part: f64| latencies[(part * (latencies.len() - 1) as f64) as usize].as_secs_f64() * 1e6;
    format!(
        ", \"p50_us\": {:.2}, \"p99_us\": {:.2}, \"p999_us\": {:.2}, \"max_us\": {:.2}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

/// xorshift64
pub fn random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

fn peak_rss() -> i64 {
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage.ru_maxrss * 1024
    }
}

fn parse(arguments: &[String]) -> Options {
    let mut options = Options { workers: 1, ops: 0, mode: String::new(), port: 0 };
    let mut quick = false;
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        if name == "--quick" {
            quick = true;
            continue;
        }
        let value = rest.next().unwrap_or_else(|| die(name, "no value"));
        let number = || value.parse::<u64>().unwrap_or_else(|error| die(name, error));
        match name.as_str() {
            "--workers" => options.workers = number() as usize,
            "--ops" => options.ops = number(),
            "--port" => options.port = number() as u16,
            "--mode" => options.mode = value.clone(),
            "--repetition-id" => {}
            _ => die("usage", "WORKLOAD [--workers N] [--repetition-id I] [--quick] [--ops N] [--mode M] [--port P]"),
        }
    }
    if options.ops == 0 {
        options.ops = if quick { 100_000 } else { 1_000_000 };
    }
    options
}

async fn run(name: &str, options: &Options, ops: u64) -> Outcome {
    match name {
        "yield" => spawn::yield_now(ops).await,
        "spawn_join" => spawn::spawn_join(ops).await,
        "spawn_batch" => spawn::spawn_batch(ops).await,
        "fork_fib" | "spawn_fib" => spawn::spawn_fib(ops).await,
        "skynet" => spawn::skynet(ops).await,
        "foreign_spawn" => spawn::foreign_spawn(ops).await,
        "pingpong" => channels::pingpong(ops).await,
        "ring" => channels::ring(ops).await,
        "chan_mpmc" => channels::mpmc(ops).await,
        "mutex" => mutex::mutex(ops).await,
        "timers" => timers::timers(ops).await,
        "timers_cancel" => timers::cancel(ops).await,
        "wake" => timers::wake(ops, options).await,
        "idle_memory" => idle::memory(ops).await,
        "file_read" => file_read::file_read(ops, options.mode == "direct").await,
        "crawl" => crawl::crawl(ops, options).await,
        "echo" => echo::serve(false).await,
        "stall_echo" => echo::serve(true).await,
        "http" => http::serve().await,
        _ => die("unknown workload", name),
    }
}

/// These do their own warm-up, or have no use for one.
const COLD: [&str; 4] = ["timers", "wake", "idle_memory", "crawl"];

async fn repetition(name: String, options: Options) {
    let mut warm = true;
    if !COLD.contains(&name.as_str()) {
        warm = run(&name, &options, options.ops / 10 + 2).await.checked;
    }
    let began = Instant::now();
    let mut outcome = run(&name, &options, options.ops).await;
    if outcome.seconds == 0.0 {
        outcome.seconds = began.elapsed().as_secs_f64();
    }
    let checked = warm && outcome.checked;
    println!(
        "{{\"ops\": {}, \"seconds\": {:.9}, \"checked\": {}, \"rss_bytes\": {}{}}}",
        outcome.ops,
        outcome.seconds,
        checked,
        peak_rss(),
        outcome.metrics
    );
    std::process::exit(if checked { 0 } else { 1 });
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() < 2 {
        die("usage", "WORKLOAD [OPTIONS]");
    }
    let name = arguments[1].clone();
    if name == "version" {
        println!("{}", env!("TOKIO_VERSION"));
        return;
    }
    let options = parse(&arguments[2..]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.workers)
        .enable_all()
        .build()
        .unwrap_or_else(|error| die("runtime", error));
    // In a task, for what block_on runs is on no worker.
    runtime.block_on(async {
        let _ = tokio::spawn(repetition(name, options)).await;
    });
}
