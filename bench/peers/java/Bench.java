import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;

/**
 * The Java side of the benchmarks: virtual threads. One program, the workload is its first argument; command line and
 * output are those of bench/bench.h.
 */
final class Bench {
    /** What one repetition gave. seconds 0: main measures the whole run; metrics: more of the JSON object. */
    record Outcome(long ops, boolean checked, double seconds, String metrics) {
        Outcome(long ops, boolean checked) {
            this(ops, checked, 0, "");
        }
    }

    /** A workload runs ops operations. */
    interface Workload {
        Outcome run(long ops) throws Exception;
    }

    static final long WARM_UP_NS = 1_000_000_000; // until the compiler has seen it
    static int workers = 1;
    static String mode = "";
    static int port;

    private static final Map<String, Workload> WORKLOADS = Map.ofEntries(
            Map.entry("yield", Births::yield),
            Map.entry("spawn_join", Births::spawnJoin),
            Map.entry("spawn_batch", Births::spawnBatch),
            Map.entry("fork_fib", Births::spawnFib),
            Map.entry("spawn_fib", Births::spawnFib),
            Map.entry("skynet", Births::skynet),
            Map.entry("foreign_spawn", Births::foreignSpawn),
            Map.entry("pingpong", Channels::pingpong),
            Map.entry("ring", Channels::ring),
            Map.entry("chan_mpmc", Channels::mpmc),
            Map.entry("mutex", Channels::mutex),
            Map.entry("timers", Waiting::timers),
            Map.entry("idle_memory", Waiting::idleMemory),
            Map.entry("wake", Waiting::wake),
            Map.entry("file_read", Io::fileRead),
            Map.entry("crawl", Io::crawl),
            Map.entry("echo", ops -> Io.echo(false)),
            Map.entry("stall_echo", ops -> Io.echo(true)));

    /** These warm up by themselves, or have no use for it. */
    private static final Set<String> COLD = Set.of("timers", "idle_memory", "wake", "crawl");

    /** A plain thread does that. */
    private static final Set<String> OUTSIDE = Set.of("foreign_spawn");

    private Bench() {}

    /** Starts a virtual thread; a body that throws ends the program. */
    static Thread spawn(Body body) {
        return Thread.startVirtualThread(() -> {
            try {
                body.run();
            } catch (Exception error) {
                die(error);
            }
        });
    }

    interface Body {
        void run() throws Exception;
    }

    static void die(Exception error) {
        error.printStackTrace();
        Runtime.getRuntime().halt(1);
    }

    /** xorshift64 */
    static long random(long state) {
        state ^= state << 13;
        state ^= state >>> 7;
        return state ^ state << 17;
    }

    /** Percentiles of some latencies, as the JSON members that bench/results.py knows. Sorts them. */
    static String percentiles(long[] latenciesNs) {
        Arrays.sort(latenciesNs);
        return String.format(", \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f",
                at(latenciesNs, 0.5), at(latenciesNs, 0.99), at(latenciesNs, 0.999), at(latenciesNs, 1));
    }

    private static double at(long[] sorted, double part) {
        return sorted[(int) (part * (sorted.length - 1))] / 1e3;
    }

    /** The sum of these fields of /proc/self/status, in bytes. */
    static long memory(String... fields) throws IOException {
        long total = 0;
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            for (String field : fields) {
                if (line.startsWith(field)) {
                    total += Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
        }
        return total;
    }

    private static void repetition(String name, Workload workload, long ops) throws Exception {
        boolean checked = true;
        if (!COLD.contains(name)) {
            long until = System.nanoTime() + WARM_UP_NS;
            do {
                checked &= workload.run(ops / 10 + 2).checked();
            } while (System.nanoTime() < until);
        }
        long began = System.nanoTime();
        Outcome outcome = workload.run(ops);
        double seconds = outcome.seconds() != 0 ? outcome.seconds() : (System.nanoTime() - began) / 1e9;
        checked &= outcome.checked();
        System.out.printf("{\"ops\": %d, \"seconds\": %.9f, \"checked\": %b, \"rss_bytes\": %d%s}%n", outcome.ops(), seconds,
                checked, memory("VmHWM:"), outcome.metrics());
        System.out.flush();
        Runtime.getRuntime().halt(checked ? 0 : 1);
    }

    public static void main(String[] arguments) throws Exception {
        long ops = 0;
        boolean quick = false;
        if (arguments.length > 0 && arguments[0].equals("version")) {
            System.out.println("Java " + Runtime.version());
            return;
        }
        Workload workload = arguments.length > 0 ? WORKLOADS.get(arguments[0]) : null;
        if (workload == null) {
            System.err.println("usage: WORKLOAD [--workers N] [--repetition-id I] [--quick] [--ops N] [--mode M] [--port P]");
            System.exit(2);
        }
        for (int i = 1; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> quick = true;
                case "--workers" -> workers = Integer.parseInt(arguments[++i]);
                case "--ops" -> ops = Long.parseLong(arguments[++i]);
                case "--mode" -> mode = arguments[++i];
                case "--port" -> port = Integer.parseInt(arguments[++i]);
                default -> i++;
            }
        }
        long count = ops != 0 ? ops : quick ? 100_000 : 1_000_000;
        // Read when the first virtual thread is made.
        System.setProperty("jdk.virtualThreadScheduler.parallelism", String.valueOf(workers));
        if (OUTSIDE.contains(arguments[0])) {
            repetition(arguments[0], workload, count);
        }
        spawn(() -> repetition(arguments[0], workload, count)).join();
    }
}
