import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.locks.ReentrantLock;

/** Queues and the lock of java.util.concurrent. */
final class Channels {
    private static final Long END = -1L;

    private Channels() {}

    /** Two threads, two queues that hand over without keeping; one operation is one hop. */
    static Bench.Outcome pingpong(long ops) throws InterruptedException {
        SynchronousQueue<Long> ping = new SynchronousQueue<>();
        SynchronousQueue<Long> pong = new SynchronousQueue<>();
        long rounds = ops / 2;
        Thread other = Bench.spawn(() -> {
            for (long value = ping.take(); value != END; value = ping.take()) {
                pong.put(value + 1);
            }
        });
        long sum = 0;
        for (long i = 0; i < rounds; i++) {
            ping.put(i);
            sum += pong.take();
        }
        ping.put(END);
        other.join();
        return new Bench.Outcome(rounds * 2, sum == rounds * (rounds + 1) / 2);
    }

    /** 503 threads pass a token on until it has made ops hops; one operation is one hop. */
    static Bench.Outcome ring(long ops) throws InterruptedException {
        int size = 503;
        SynchronousQueue<Integer> last = new SynchronousQueue<>();
        java.util.List<SynchronousQueue<Long>> places = new java.util.ArrayList<>();
        for (int i = 0; i < size; i++) {
            places.add(new SynchronousQueue<>());
        }
        for (int i = 0; i < size; i++) {
            int me = i;
            Bench.spawn(() -> {
                SynchronousQueue<Long> here = places.get(me);
                SynchronousQueue<Long> next = places.get((me + 1) % size);
                for (long hopsLeft = here.take(); hopsLeft != END; hopsLeft = here.take()) {
                    if (hopsLeft == 0) {
                        last.put(me);
                    } else {
                        next.put(hopsLeft - 1);
                    }
                }
            });
        }
        places.get(0).put(ops);
        int end = last.take();
        for (SynchronousQueue<Long> place : places) {
            place.put(END);
        }
        return new Bench.Outcome(ops, end == ops % size);
    }

    /** 4 producers, 4 consumers, one queue with room for 128; one operation is one item. */
    static Bench.Outcome mpmc(long ops) throws InterruptedException {
        int sides = 4;
        long end = ops - ops % sides;
        ArrayBlockingQueue<Long> queue = new ArrayBlockingQueue<>(128);
        Thread[] producers = new Thread[sides];
        Thread[] consumers = new Thread[sides];
        long[] sums = new long[sides];
        for (int i = 0; i < sides; i++) {
            int me = i;
            producers[i] = Bench.spawn(() -> {
                for (long item = me; item < end; item += sides) {
                    queue.put(item);
                }
            });
            consumers[i] = Bench.spawn(() -> {
                long sum = 0;
                for (long item = queue.take(); item != END; item = queue.take()) {
                    sum += item;
                }
                sums[me] = sum;
            });
        }
        for (Thread producer : producers) {
            producer.join();
        }
        long sum = 0;
        for (int i = 0; i < sides; i++) {
            queue.put(END);
        }
        for (int i = 0; i < sides; i++) {
            consumers[i].join();
            sum += sums[i];
        }
        return new Bench.Outcome(end, sum == end * (end - 1) / 2);
    }

    /** 64 threads count under one lock; one operation locks and unlocks. */
    static Bench.Outcome mutex(long ops) throws InterruptedException {
        int contenders = 64;
        long each = ops / contenders + 1;
        long[] counter = new long[1];
        ReentrantLock lock = new ReentrantLock();
        Thread[] children = new Thread[contenders];
        for (int i = 0; i < contenders; i++) {
            children[i] = Bench.spawn(() -> {
                for (long n = 0; n < each; n++) {
                    lock.lock();
                    try {
                        counter[0]++;
                    } finally {
                        lock.unlock();
                    }
                }
            });
        }
        for (Thread child : children) {
            child.join();
        }
        return new Bench.Outcome(each * contenders, counter[0] == each * contenders);
    }
}
