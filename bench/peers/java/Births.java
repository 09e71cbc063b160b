import java.util.concurrent.atomic.AtomicLong;

/** Yields and births. */
final class Births {
    private static final int BATCH = 100_000;
    private static final int FAN_OUT = 10;

    private Births() {}

    /** Two threads yield in turn; one operation is one yield. */
    static Bench.Outcome yield(long ops) throws InterruptedException {
        long[] done = new long[2];
        Thread[] threads = new Thread[2];
        for (int i = 0; i < 2; i++) {
            int me = i;
            threads[i] = Bench.spawn(() -> {
                long mine = 0;
                for (long n = 0; n < ops / 2; n++) {
                    Thread.yield();
                    mine++;
                }
                done[me] = mine;
            });
        }
        threads[0].join();
        threads[1].join();
        return new Bench.Outcome(ops / 2 * 2, done[0] + done[1] == ops / 2 * 2);
    }

    /** One operation starts a thread that does nothing and joins it. */
    static Bench.Outcome spawnJoin(long ops) throws InterruptedException {
        long[] counted = new long[1];
        Runnable body = () -> counted[0]++;
        for (long i = 0; i < ops; i++) {
            Thread.startVirtualThread(body).join();
        }
        return new Bench.Outcome(ops, counted[0] == ops);
    }

    /** Start up to 100,000 threads, then join all; one operation is one thread. */
    static Bench.Outcome spawnBatch(long ops) throws InterruptedException {
        Thread[] children = new Thread[BATCH];
        byte[] ran = new byte[BATCH];
        long counted = 0;
        for (long left = ops; left > 0;) {
            int size = (int) Math.min(left, BATCH);
            for (int i = 0; i < size; i++) {
                int me = i;
                children[i] = Thread.startVirtualThread(() -> ran[me] = 1);
            }
            for (int i = 0; i < size; i++) {
                children[i].join();
                counted += ran[i];
                ran[i] = 0;
            }
            left -= size;
        }
        return new Bench.Outcome(ops, counted == ops);
    }

    /** One call of fib: one of its two calls is a thread of its own. */
    private static final class Fib implements Runnable {
        private final int n;
        private long value;

        Fib(int n) {
            this.n = n;
        }

        @Override
        public void run() {
            if (n < 2) {
                value = n;
                return;
            }
            Fib first = new Fib(n - 1);
            Fib second = new Fib(n - 2);
            Thread child = Thread.startVirtualThread(first);
            second.run();
            try {
                child.join();
            } catch (InterruptedException error) {
                Bench.die(error);
            }
            value = first.value + second.value;
        }
    }

    /** fib(n) by recursion; one operation is one call. n is the largest one that takes at most ops calls. */
    static Bench.Outcome spawnFib(long ops) {
        int n = 0;
        long calls = 1;
        long nextCalls = 1;
        long expected = 0;
        long next = 1;
        while (nextCalls <= ops) {
            n++;
            long sum = expected + next;
            expected = next;
            next = sum;
            long callsAfter = calls + nextCalls + 1;
            calls = nextCalls;
            nextCalls = callsAfter;
        }
        Fib root = new Fib(n);
        root.run();
        return new Bench.Outcome(calls, root.value == expected);
    }

    /** A node of skynet. */
    private static final class Node implements Runnable {
        private final long first;
        private final long leaves;
        private long sum;

        Node(long first, long leaves) {
            this.first = first;
            this.leaves = leaves;
        }

        @Override
        public void run() {
            if (leaves == 1) {
                sum = first;
                return;
            }
            Node[] nodes = new Node[FAN_OUT];
            Thread[] threads = new Thread[FAN_OUT];
            for (int i = 0; i < FAN_OUT; i++) {
                nodes[i] = new Node(first + i * (leaves / FAN_OUT), leaves / FAN_OUT);
                threads[i] = Thread.startVirtualThread(nodes[i]);
            }
            try {
                for (int i = 0; i < FAN_OUT; i++) {
                    threads[i].join();
                    sum += nodes[i].sum;
                }
            } catch (InterruptedException error) {
                Bench.die(error);
            }
        }
    }

    /**
     * A tree of threads with ten children each, whose leaves give their numbers and whose others the sum; one operation is
     * one thread. The leaves are the largest power of ten that stays within ops.
     */
    static Bench.Outcome skynet(long ops) {
        long leaves = 1;
        long nodes = 1;
        while (nodes + leaves * FAN_OUT <= ops) {
            leaves *= FAN_OUT;
            nodes += leaves;
        }
        Node root = new Node(0, leaves);
        root.run();
        return new Bench.Outcome(nodes, root.sum == leaves * (leaves - 1) / 2);
    }

    /** A plain thread starts virtual ones, with at most 16,384 that have not run yet; one operation is one. */
    static Bench.Outcome foreignSpawn(long ops) {
        AtomicLong ended = new AtomicLong();
        Runnable body = ended::incrementAndGet;
        for (long i = 0; i < ops; i++) {
            Thread.startVirtualThread(body);
            if (i % 1024 == 0) {
                waitUntilEnded(ended, i - 16384);
            }
        }
        waitUntilEnded(ended, ops);
        return new Bench.Outcome(ops, ended.get() == ops);
    }

    private static void waitUntilEnded(AtomicLong ended, long least) {
        while (ended.get() < least) {
            Thread.yield();
        }
    }
}
