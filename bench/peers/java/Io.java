import com.sun.nio.file.ExtendedOpenOption;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/** Sockets and files: the blocking calls, which is what virtual threads are for. */
final class Io {
    private static final int MESSAGE = 64;
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 16384;
    private static final int READERS = 64;
    private static final int PAGES_AT_A_TIME = 500;

    private Io() {}

    /** echo: a thread per connection. stall: a request whose first byte is 1 wants a millisecond of computing. */
    static Bench.Outcome echo(boolean stall) throws IOException {
        try (ServerSocket listener = new ServerSocket(0, 4096, InetAddress.getLoopbackAddress())) {
            Thread.startVirtualThread(() -> {
                warmUp(listener.getLocalPort());
                System.out.println("{\"port\": " + listener.getLocalPort() + "}");
                System.out.flush();
            });
            for (;;) {
                Socket connection = listener.accept();
                Thread.startVirtualThread(() -> answer(connection, stall));
            }
        }
    }

    /** Ask this server itself until the compiler has seen all of it. */
    private static void warmUp(int port) {
        byte[] message = new byte[MESSAGE];
        try (Socket connection = new Socket(InetAddress.getLoopbackAddress(), port)) {
            connection.setTcpNoDelay(true);
            for (long until = System.nanoTime() + Bench.WARM_UP_NS; System.nanoTime() < until;) {
                connection.getOutputStream().write(message);
                if (connection.getInputStream().readNBytes(message, 0, MESSAGE) != MESSAGE) {
                    throw new IOException("the connection broke");
                }
            }
        } catch (IOException error) {
            Bench.die(error);
        }
    }

    private static void answer(Socket connection, boolean stall) {
        byte[] buffer = new byte[1024];
        try (connection) {
            connection.setTcpNoDelay(true);
            InputStream input = connection.getInputStream();
            OutputStream output = connection.getOutputStream();
            for (;;) {
                int size = stall ? input.readNBytes(buffer, 0, MESSAGE) : input.read(buffer);
                if (size <= 0) {
                    return;
                }
                if (stall && buffer[0] == 1) {
                    for (long end = System.nanoTime() + 1_000_000; System.nanoTime() < end;) {
                        Thread.onSpinWait();
                    }
                }
                output.write(buffer, 0, size);
            }
        } catch (IOException gone) {
            return; // the other side went away
        }
    }

    /**
     * 64 threads read blocks of 4 KiB picked at random from a file of 64 MiB; one operation is one read. The file is in the
     * page cache, or, with --mode direct, it is read around it.
     */
    static Bench.Outcome fileRead(long ops) throws IOException, InterruptedException {
        long each = ops / READERS + 1;
        AtomicLong right = new AtomicLong();
        Thread[] readers = new Thread[READERS];
        try (FileChannel file = makeBlocks()) {
            long began = System.nanoTime();
            for (int i = 0; i < READERS; i++) {
                long seed = i + 1;
                readers[i] = Bench.spawn(() -> right.addAndGet(readBlocks(file, seed, each)));
            }
            for (Thread reader : readers) {
                reader.join();
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            return new Bench.Outcome(each * READERS, right.get() == each * READERS, seconds, "");
        }
    }

    private static long readBlocks(FileChannel file, long seed, long count) throws IOException {
        ByteBuffer block = ByteBuffer.allocateDirect(2 * BLOCK).alignedSlice(BLOCK).slice(0, BLOCK);
        block.order(ByteOrder.LITTLE_ENDIAN);
        long state = seed * 0x9e3779b97f4a7c15L;
        long right = 0;
        for (long i = 0; i < count; i++) {
            state = Bench.random(state);
            long wanted = Long.remainderUnsigned(state, BLOCKS);
            block.clear();
            if (file.read(block, wanted * BLOCK) == BLOCK && block.getLong(0) == wanted) {
                right++;
            }
        }
        return right;
    }

    /** A file, without a name, whose every block begins with its number. */
    private static FileChannel makeBlocks() throws IOException {
        String folder = System.getenv().getOrDefault("TMPDIR", "/var/tmp"); // on a disk, which /tmp need not be
        Path path = Files.createTempFile(Path.of(folder), "bench-file-read-", "");
        ByteBuffer content = ByteBuffer.allocate(BLOCKS * BLOCK).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < BLOCKS; i++) {
            content.putLong(i * BLOCK, i);
        }
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
            file.write(content);
            file.force(true);
        }
        Set<OpenOption> how = Bench.mode.equals("direct")
                ? Set.of(StandardOpenOption.READ, ExtendedOpenOption.DIRECT)
                : Set.of(StandardOpenOption.READ);
        FileChannel file = FileChannel.open(path, how);
        Files.delete(path);
        return file;
    }

    /** 500 threads fetch pages, each of which comes 50 ms after it was asked for; one operation is one page. */
    static Bench.Outcome crawl(long ops) throws InterruptedException {
        System.setProperty("http.keepAlive", String.valueOf(!Bench.mode.equals("new")));
        // Another name of the same address, so that the connections of the warm-up are not used again.
        for (long until = System.nanoTime() + 2 * Bench.WARM_UP_NS; System.nanoTime() < until;) {
            crawl(ops, "127.1");
        }
        return crawl(ops, "127.0.0.1");
    }

    private static Bench.Outcome crawl(long ops, String host) throws InterruptedException {
        AtomicLong next = new AtomicLong();
        AtomicLong right = new AtomicLong();
        Thread[] fetchers = new Thread[PAGES_AT_A_TIME];
        long began = System.nanoTime();
        for (int i = 0; i < PAGES_AT_A_TIME; i++) {
            fetchers[i] = Bench.spawn(() -> {
                for (long page = next.getAndIncrement(); page < ops; page = next.getAndIncrement()) {
                    if (fetch(host, page)) {
                        right.incrementAndGet();
                    }
                }
            });
        }
        for (Thread fetcher : fetchers) {
            fetcher.join();
        }
        double seconds = (System.nanoTime() - began) / 1e9;
        return new Bench.Outcome(ops, right.get() == ops, seconds, String.format(", \"wall_ms\": %.3f", seconds * 1e3));
    }

    private static boolean fetch(String host, long page) throws IOException {
        URI address = URI.create("http://" + host + ":" + Bench.port + "/" + page);
        HttpURLConnection connection = (HttpURLConnection) address.toURL().openConnection();
        try (InputStream body = connection.getInputStream()) {
            String text = new String(body.readAllBytes(), StandardCharsets.US_ASCII);
            return connection.getResponseCode() == 200 && text.equals("page " + page + "\n");
        }
    }
}
