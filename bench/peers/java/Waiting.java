import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;

/** Threads that wait: for a time, for good, for each other. */
final class Waiting {
    private Waiting() {}

    private static long spread(long i) {
        return 1 + i % 1000 * 7919 % 1000;
    }

    /**
     * Each of ops threads sleeps once, for 1 to 1000 ms, all together; one operation is one sleep. over_ms is the time
     * beyond the longest sleep, which no scheduler can save; the percentiles say how late the sleepers came back.
     */
    static Bench.Outcome timers(long ops) throws InterruptedException {
        for (long until = System.nanoTime() + Bench.WARM_UP_NS; System.nanoTime() < until;) {
            sleepAll((int) (ops / 10 + 2), 20);
        }
        long began = System.nanoTime();
        long[] late = sleepAll((int) ops, 1000);
        double seconds = (System.nanoTime() - began) / 1e9;
        long longest = 0;
        boolean checked = true;
        for (int i = 0; i < late.length; i++) {
            longest = Math.max(longest, spread(i));
            checked &= late[i] >= 0;
        }
        String over = String.format(", \"over_ms\": %.3f", seconds * 1e3 - longest);
        return new Bench.Outcome(ops, checked, seconds, over + Bench.percentiles(late));
    }

    /** By how much each was late. */
    private static long[] sleepAll(int count, long most) throws InterruptedException {
        long[] late = new long[count];
        CountDownLatch awake = new CountDownLatch(count);
        for (int i = 0; i < count; i++) {
            int me = i;
            Bench.spawn(() -> {
                long ms = Math.min(spread(me), most);
                long before = System.nanoTime();
                Thread.sleep(ms);
                late[me] = System.nanoTime() - before - ms * 1_000_000;
                awake.countDown();
            });
        }
        awake.await();
        return late;
    }

    private static byte[] garbage;

    /**
     * How much memory does a thread hold that waits? One operation is one thread. The part of the heap where new objects are
     * made has been written to before, so that it does not count as theirs.
     */
    static Bench.Outcome idleMemory(long ops) throws InterruptedException, IOException {
        CountDownLatch gate = new CountDownLatch(1);
        AtomicLong parked = new AtomicLong();
        CountDownLatch woken = new CountDownLatch((int) ops);
        for (int i = 0; i < 1024; i++) {
            garbage = new byte[1 << 20];
        }
        System.gc();
        long before = Bench.memory("VmRSS:", "VmPTE:");
        long began = System.nanoTime();
        for (long i = 0; i < ops; i++) {
            Bench.spawn(() -> {
                parked.incrementAndGet();
                gate.await();
                woken.countDown();
            });
        }
        while (parked.get() < ops) {
            Thread.yield();
        }
        double seconds = (System.nanoTime() - began) / 1e9;
        System.gc();
        double each = (double) (Bench.memory("VmRSS:", "VmPTE:") - before) / ops;
        gate.countDown();
        woken.await();
        return new Bench.Outcome(ops, true, seconds, String.format(", \"bytes_per_coroutine\": %.0f", each));
    }

    /**
     * A thread that keeps its carrier busy wakes another at set times, 150 to 250 µs apart, so that the other carrier has
     * gone to sleep; the latency is from then until the other one runs. One operation is one wake, its time the mean.
     */
    static Bench.Outcome wake(long ops) throws InterruptedException {
        if (Bench.workers < 2) {
            throw new IllegalArgumentException("wake needs 2 workers");
        }
        wakes(Math.min(ops, 5000)); // until the compiler has seen it
        long[] latencies = wakes(ops);
        long sum = 0;
        for (long latency : latencies) {
            sum += latency;
        }
        return new Bench.Outcome(ops, latencies.length == ops, sum / 1e9, Bench.percentiles(latencies));
    }

    private static long[] wakes(long count) throws InterruptedException {
        long[] due = new long[(int) count];
        long[] latencies = new long[(int) count];
        Semaphore wakes = new Semaphore(0);
        long when = System.nanoTime() + 20_000_000; // until the sleeper sleeps
        for (int i = 0; i < count; i++) {
            when += 150_000 + Math.floorMod(Bench.random(i + 1), 100_000);
            due[i] = when;
        }
        Thread sleeper = Bench.spawn(() -> {
            for (int i = 0; i < count; i++) {
                wakes.acquire();
                latencies[i] = System.nanoTime() - due[i];
            }
        });
        for (long next : due) {
            while (System.nanoTime() < next) {
                Thread.onSpinWait();
            }
            wakes.release();
        }
        sleeper.join();
        return latencies;
    }
}
