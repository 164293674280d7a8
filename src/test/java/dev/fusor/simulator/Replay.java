package dev.fusor.simulator;

import dev.fusor.simulator.NativeBuild.Variant;
import dev.fusor.simulator.Simulator.ThreadOrder;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/** Launches recorded by the simulated driver and run again under a sanitizer, in a process of their own. */
final class Replay {
    private static final long MOST_THREADS = 1 << 16;
    private static final int LENGTH = 5000;
    private static final int STATE_BYTES = 4096;
    private static final long ONE = Double.doubleToRawLongBits(1);

    private Replay() {}

    /** {@return the recordings of the launches that were made meanwhile} */
    static List<Path> record(Path folder, Runnable launches) throws IOException {
        Path recordings = Files.createTempDirectory(folder, "recordings");
        Simulator.record(recordings, MOST_THREADS);
        try {
            launches.run();
        } finally {
            Simulator.record(null, 0);
        }
        try (var files = Files.list(recordings)) {
            return files.sorted().toList();
        }
    }

    /** {@return what the sanitizer and the simulator say of a recording; empty if nothing} */
    static String of(Path recording, Path module, Variant variant, ThreadOrder order)
            throws IOException, InterruptedException {
        return run(variant, recording.toString(), module.toString(), order.name().toLowerCase());
    }

    /** {@return what ThreadSanitizer and the simulator say of a recording without the barrier in this line of the PTX} */
    static String withoutBarrier(int line, Path recording, Path module) throws IOException, InterruptedException {
        return run(Variant.THREAD_SANITIZER, "--without-barrier", "" + line, recording.toString(), module.toString());
    }

    private static String run(Variant variant, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(NativeBuild.replay(variant).toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("TSAN_OPTIONS", "halt_on_error=1"); // one race is enough
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        return status == 0 && said.isEmpty() ? "" : "exit status " + status + "\n" + said;
    }

    /** {@return the text of a kernel's module} {@code shipped} stands for the architecture of those that are shipped. */
    static byte[] ptx(String kernel, String architecture) {
        return switch (kernel) {
            case "products" -> Cuda.shipped("reduce/reduction_bf16");
            case "task_vector_products" -> Cuda.shipped("reduce/task_vector_products_bf16");
            case "fold_f64" -> Cuda.shipped("reduce/fold");
            case "scan_keys", "count_keys", "place_tie" -> Cuda.shipped("trim/key_scan_bf16");
            case "gathered_histogram", "gathered_choice", "last_tiles" -> Cuda.shipped("trim/gathered_keys");
            case "rank_sample" -> Cuda.shipped("trim/sampled_ranks");
            case "interpolate_bf16" -> Cuda.shipped("linalg/permuted_interpolation");
            case "select_rows" -> Cuda.shipped("trim/row_selection_bf16");
            case "drop_by_rank" -> Cuda.shipped("drop/ranked_drop_bf16");
            case "pack_units", "multiply_units" -> Cuda.shipped("linalg/unit_similarity");
            case "bid", "solve", "transpose" -> Cuda.shipped("assign/linear_assignment_f64");
            case "measure", "combine", "rank" -> Cuda.shipped("ensemble/logit_ensemble_f32");
            case "differentiate", "differentiate_label" -> Cuda.shipped("ensemble/ensemble_gradient_f32");
            case "combine_few" -> Cuda.shipped("ensemble/few_classes_f32");
            case "hold_logits" -> Cuda.shipped("ensemble/held_rows_f32");
            default -> Cuda.ptx(kernel, architecture);
        };
    }

    /** {@return what a kernel is called in its module} */
    static String entry(String kernel) {
        return switch (kernel) {
            case "histogram", "block_sum", "meeting" -> kernel + "_f32";
            case "weighted_sum" -> "weighted_sum_bf16";
            case "rank" -> "combine";
            default -> kernel;
        };
    }

    /** {@return where the lines of a kernel are} */
    static String source(String kernel) {
        return switch (kernel) {
            case "products" -> "cuda-kernels/reduce/reduction_bf16.cu:";
            case "task_vector_products" -> "cuda-kernels/reduce/task_vector_products_bf16.cu:";
            case "fold_f64" -> "cuda-kernels/reduce/fold.cu:";
            case "scan_keys", "count_keys", "place_tie" -> "cuda-kernels/trim/key_scan_bf16.cu:";
            case "gathered_histogram", "gathered_choice", "last_tiles" -> "cuda-kernels/trim/gathered_keys.cu:";
            case "rank_sample" -> "cuda-kernels/trim/sampled_ranks.cu:";
            case "interpolate_bf16" -> "cuda-kernels/linalg/permuted_interpolation.cu:";
            case "select_rows" -> "cuda-kernels/trim/row_selection_bf16.cu:";
            case "drop_by_rank" -> "cuda-kernels/drop/ranked_drop_bf16.cu:";
            case "pack_units", "multiply_units" -> "cuda-kernels/linalg/unit_similarity.cu:";
            case "bid", "solve", "transpose" -> "linear_assignment";
            case "measure", "combine", "rank" -> "cuda-kernels/ensemble/logit_ensemble_f32.cu:";
            case "differentiate", "differentiate_label" -> "cuda-kernels/ensemble/ensemble_gradient_f32.cu:";
            case "combine_few" -> "cuda-kernels/ensemble/few_classes_f32.cu:";
            case "hold_logits" -> "cuda-kernels/ensemble/held_rows_f32.cu:";
            case "meeting" -> "meeting.cu";
            default -> "native/simulator/kernels/" + kernel + ".cu:";
        };
    }

    /** Launches a kernel over a few blocks of random values. */
    static void launch(Cuda cuda, String kernel, byte[] ptx) {
        MemorySegment function = cuda.function(cuda.module(ptx), entry(kernel));
        Random random = new Random(1);
        MemorySegment values = cuda.arena().allocate(JAVA_FLOAT, LENGTH);
        for (int i = 0; i < LENGTH; i++) {
            values.setAtIndex(JAVA_FLOAT, i, (float) random.nextGaussian());
        }
        long in = cuda.copyOf(values);
        switch (kernel) {
            case "weighted_sum" -> {
                long models = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, in + 16));
                long weights = cuda.copyOf(cuda.arena().allocateFrom(JAVA_FLOAT, 0.5f, -2));
                cuda.run(function, 3, 96, 0, models, weights, 2,
                        cuda.allocate(2L * LENGTH),
                        LENGTH - 3L);
            }
            case "histogram" -> {
                long bins = cuda.allocate(4 * 2048);
                cuda.zero(bins, 4 * 2048);
                cuda.run(function, 2, 96, 0, in, (long) LENGTH, bins);
            }
            case "block_sum" -> {
                long arrived = cuda.allocate(4);
                cuda.zero(arrived, 4);
                cuda.run(function, 3, 256, 0, in, (long) LENGTH, cuda.allocate(24),
                        arrived,
                        cuda.allocate(8));
            }
            case "products", "task_vector_products" -> {
                // From, partial result, count and item; more tiles than blocks.
                long tiles = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, 0, 8192, 0, 1, 5000 | 1L << 32, 8192, 2, 900));
                if (kernel.equals("products")) {
                    long tensors = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, in, in + 16, in));
                    cuda.run(function, 2, 256, 0, tiles, 3L, tensors, cuda.allocate(8 * 9), 3L);
                } else {
                    // The gradient, the base and two models of each item.
                    long tensors = cuda.copyOf(
                            cuda.arena().allocateFrom(JAVA_LONG, in, in + 16, in + 2, in, in, 0, in + 16, in));
                    cuda.run(function, 2, 256, 0, tiles, 3L, tensors, cuda.allocate(8 * 6), 3L, 2);
                }
            }
            case "fold_f64" -> {
                long starts = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, 1100, 1133));
                cuda.run(function, 1, 256, 0, starts, 2L, 1, in, 1133L, cuda.allocate(8 * 40), 40L,
                        cuda.allocate(8 * 2));
            }
            case "scan_keys", "count_keys" -> {
                // Three tiles on one block, all of whose keys lie in the bracket: more than there is room for.
                long count = 70_000;
                long zeros = cuda.allocate(2 * count);
                cuda.zero(zeros, 2 * count);
                long items = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, count, 0, 0, 0, 3, 0));
                long addresses = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, zeros));
                long searches = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, kernel.equals("scan_keys") ? 1 : 2047));
                long totals = cuda.allocate(16);
                cuda.zero(totals, 16);
                if (kernel.equals("scan_keys")) {
                    long ofTile = cuda.allocate(4 * 3);
                    cuda.zero(ofTile, 4 * 3);
                    cuda.run(function, 1, 256, 0, items, addresses, searches, 3L, 1, 1, totals,
                            ofTile, 3L, cuda.allocate(4 * 50_000), cuda.allocate(4 * 50_000), 50_000L);
                } else {
                    long bins = cuda.allocate(8 * 2048);
                    cuda.zero(bins, 8 * 2048);
                    cuda.run(function, 1, 256, 0, items, addresses, searches, 3L, 1, 1, totals,
                            bins);
                }
            }
            case "place_tie" -> {
                // The 700th of 1000 zeros, four for each thread, then one.
                long zeros = cuda.allocate(2 * 1000);
                cuda.zero(zeros, 2 * 1000);
                cuda.run(function, 1, 256, 0, zeros, 0L, 1000, 0, 700L, cuda.allocate(8));
            }
            case "gathered_histogram", "gathered_choice", "last_tiles" -> {
                // The 700th of keys by two blocks; the bin, or the tile, that has it where each has one.
                MemorySegment ones = cuda.arena().allocate(JAVA_INT, 4096);
                for (int i = 0; i < 4096; i++) {
                    ones.setAtIndex(JAVA_INT, i, kernel.equals("last_tiles") || i % 2 == 0 ? 1 : 0);
                }
                long brackets = cuda.copyOf(
                        cuda.arena().allocateFrom(JAVA_LONG, 700, 0, 0, (long) Integer.MAX_VALUE - 1 << 32, 1));
                long totals = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, LENGTH));
                long counts = cuda.copyOf(ones);
                if (kernel.equals("gathered_histogram")) {
                    cuda.run(function, 2, 256, 0, brackets, totals, in, (long) LENGTH, counts);
                } else if (kernel.equals("gathered_choice")) {
                    cuda.run(function, 1, 256, 0, brackets, totals, counts);
                } else {
                    cuda.run(function, 1, 256, 0, brackets, totals, counts, 4096L);
                }
            }
            case "rank_sample" -> {
                // The middle of 40 runs, of which the last is not whole, of keys that hardly differ in their upper bits.
                MemorySegment keys = cuda.arena().allocate(JAVA_INT, 40 * 128);
                for (int i = 0; i < 40 * 128; i++) {
                    keys.setAtIndex(JAVA_INT, i, i < 40 * 128 - 5 ? (1 << 20) + random.nextInt(1 << 19) : -1);
                }
                long searches = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, Double.doubleToRawLongBits(0.5), 0));
                long places = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, ONE, 128, ONE, 0, 0, 0,
                        Double.doubleToRawLongBits(-1), 0, Double.doubleToRawLongBits(-1), 128));
                cuda.run(function, 1, 1024, 0, searches, places, cuda.copyOf(keys), 40,
                        cuda.allocate(64));
            }
            case "pack_units" -> {
                // A chunk of 16 columns of 40 rows, and of 40 columns, in eight groups on one block.
                long chunk = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, 16));
                long axes = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, 1, 16, 0, 16, 1, 0, 16, 40, 0, 1, 1, 0));
                long operands = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, 16, axes, 2, in, 1, axes + 48, 2));
                cuda.run(function, 1, 256, 0, chunk, 1, operands, 40, 40,
                        cuda.allocate(4 * 128 * 256), cuda.allocate(4 * 128 * 256));
            }
            case "interpolate_bf16" -> {
                // Two tiles of two lines of 300 elements, both orders reversed, staged and then gathered, on one block.
                MemorySegment orders = cuda.arena().allocate(JAVA_INT, 304);
                for (int i = 0; i < 300; i++) {
                    orders.setAtIndex(JAVA_INT, i, 299 - i);
                }
                for (int i = 0; i < 4; i++) {
                    orders.setAtIndex(JAVA_INT, 300 + i, 3 - i);
                }
                long order = cuda.copyOf(orders);
                long axis = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 4, 300, order + 1200));
                long second = 1L << 32;
                long tiles = cuda.copyOf(
                        cuda.arena().allocateFrom(JAVA_LONG, 0, 2, 2, 2, 0, 2 | second, 2, 2 | second));
                long half = 0x3F000000L;
                long weights = half | half << 32;
                long toLine = (1L << 32) / 300 + 1;
                long out = cuda.allocate(2 * 1200);
                long items = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, in + 4096, out, order, axis,
                        1 | 1L << 32, 300, toLine, weights, in, in + 4096, out, order, axis, 1, 300, toLine, weights));
                cuda.run(function, 1, 256, 2 * 1200 + 16, tiles, 4L, items);
            }
            case "multiply_units" -> {
                // Two steps of 8 columns.
                long chunk = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, 0, 16));
                long sums = cuda.allocate(4 * 40 * 40);
                cuda.zero(sums, 4 * 40 * 40);
                cuda.run(function, 1, 256, 0, chunk, 0, in, in, 40, 40, sums, 0L);
            }
            case "select_rows" -> {
                // Three rows of three warps on one block, which differ in nothing from the base: ties are counted over warps.
                long kept = cuda.allocate(40);
                cuda.zero(kept, 40);
                cuda.run(function, 1, 96, 400, in, in, 3L, 100, 1, 30L, 5L, 0, kept);
            }
            case "drop_by_rank" -> {
                // Three rows of three warps on one block, all of whose keys are 0: equals are counted over warps.
                MemorySegment chances = cuda.arena().allocate(8 * 100);
                cuda.run(function, 1, 96, 96 * 32 + 800, in, in, 3L, 100, 7L, 1L, 0,
                        cuda.copyOf(chances), cuda.allocate(4 * 300), 0L, 0L);
            }
            case "combine_few" -> {
                // 40 rows of 10 classes, eight threads each, by two blocks of 64: the best three of the most confident model.
                long models = cuda
                        .copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, 0, 10, ONE, ONE, 0x3F800000L, in + 64,
                                0, 11, ONE, ONE, 0x3F800000L));
                long state = cuda.allocate(40 * 3 * 48);
                long top = cuda.allocate(4 * 3 * 40);
                long job = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, models, 0, 0, 0, 0, 0, 0, top, 0, 0, 0, 0,
                        0, 0, 0, state, state + 40 * 3 * 16, 0, 0, 0, 2L << 32, 10 | 4L << 32, 1L << 32, 3L << 32, 8,
                        0, 0xFF800000L << 32));
                cuda.run(function, 2, 64, 64 * 8 + 8 * 3 * 3 * 4, job, 0L, 40L, 0b1011);
            }
            case "measure", "combine", "rank", "differentiate", "differentiate_label" -> {
                // Three rows of two parts of two chunks for two blocks: blocks take turns, and end rows that others began. The best
                // class, or the best 40, of the mean of the logits, or the gradient of its entropy; all chunks have the same record to be
                // ranked by. Or the gradient of the cross-entropy of a mean of probabilities, by one warp for a row.
                boolean ranks = kernel.equals("rank");
                boolean byLabel = kernel.equals("differentiate_label");
                int warps = ranks ? 1 : 2;
                long models = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, 0, 400, ONE, ONE, 0x3F800000L, in, 0,
                        300, ONE, ONE, 0x3F800000L));
                long state = cuda.allocate(STATE_BYTES);
                cuda.zero(state, STATE_BYTES);
                long best = cuda.allocate(4 * 3);
                long top = ranks ? cuda.allocate(4 * 3 * 40) : 0;
                long derivatives = cuda.allocate(4 * 3 * 2);
                long job = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, models, 0, state + 3072, 0, 0, 0, best, top,
                        0, 0, 0, 0, 0, derivatives, 0, state, state + 1024, state + 2048, 0, 0, 2L << 32,
                        byLabel ? 4096 | 1L << 32 : 4096, 2L << 32, ranks ? 40L << 32 : 0, 32, 1L << 32,
                        byLabel ? 1 : 0));
                if (byLabel) {
                    cuda.run(function, 2, 32, 0, job, 0L, 3L);
                } else if (kernel.equals("measure") || kernel.equals("differentiate")) {
                    cuda.run(function, 2, 32 * warps, 4096 * warps, job, 0L, 3L);
                } else {
                    cuda.run(function, 2, 32 * warps, 4096 * warps + (ranks ? 4 * 84 : 0), job,
                            0L, 3L, ranks ? 2 : 0);
                }
            }
            case "hold_logits" -> {
                // Three rows of two parts of three chunks, the last of them of two, for two warps of two blocks: the probabilities of the most
                // confident model, and its best class.
                long models = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, in, 0, 1, ONE, ONE, 0x3F800000L, in, 0,
                        3, ONE, ONE, 0x3F800000L));
                long state = cuda.allocate(STATE_BYTES);
                cuda.zero(state, STATE_BYTES);
                long job = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, models, 0, 0, 0, 0,
                        cuda.allocate(4 * 3 * 4700), cuda.allocate(4 * 3), 0, 0, 0, 0, 0, 0, 0, 0, state, state + 1024,
                        state + 2048, 0, 0, 2L << 32, 4700 | 4L << 32, 2L << 32, 0, 32, 1 | 1L << 32,
                        0xFF800000L << 32));
                cuda.runCooperative(function, 2, 64, 3 * 2 * 4096 + 3 * 32, job, 0L, 3L, 1);
            }
            case "meeting" -> {
                // Five rows, two blocks of four for each.
                long arrived = cuda.allocate(4 * 5);
                cuda.zero(arrived, 4 * 5);
                cuda.runCooperative(function, 4, 64, 0, in, 5, 2, cuda.allocate(4 * 20),
                        cuda.allocate(4 * 20), arrived, cuda.allocate(4 * 5));
            }
            case "bid", "solve" -> {
                // Two problems of two warps each: distances in a plane, so that rows bid through all phases, and so many ties that rows are
                // left for paths. Or the first of them, which three blocks bid for.
                boolean together = kernel.equals("bid");
                int problems = together ? 1 : 2;
                int n = 40;
                double[] points = random.doubles(4 * n).toArray();
                DoubleStream distances = IntStream.range(0, n * n).mapToDouble(k -> Math.hypot(
                        points[2 * (k / n)] - points[2 * (n + k % n)],
                        points[2 * (k / n) + 1] - points[2 * (n + k % n) + 1]));
                DoubleStream ties = random.doubles(n * n, 0, 10).map(Math::floor);
                long costs = cuda.copyOf(cuda.arena().allocateFrom(JAVA_DOUBLE,
                        DoubleStream.concat(distances, ties).limit(problems * n * n).toArray()));
                long[] doubles = LongStream.generate(() -> cuda.allocate(8L * problems * n)).limit(5).toArray();
                long[] ints = LongStream.generate(() -> cuda.allocate(4L * problems * n)).limit(5).toArray();
                long table = together ? cuda.allocate(STATE_BYTES) : 0;
                if (together) {
                    cuda.zero(table, STATE_BYTES);
                }
                long job = cuda.copyOf(cuda.arena().allocateFrom(JAVA_LONG, costs, doubles[0], doubles[1], ints[0],
                        ints[1], ints[2], doubles[2], 0, doubles[3], ints[3], ints[4], 0, 0, 0, 0, 0, doubles[4],
                        problems, Double.doubleToRawLongBits(10), n, n, n, n, 0, 1, table, cuda.allocate(4 * 3 * n),
                        cuda.allocate(4 * 3 * n), cuda.copyOf(cuda.arena().allocate(8 * n))));
                if (together) {
                    cuda.runCooperative(function, 3, 64, 8 * n, job);
                } else {
                    cuda.run(function, problems, 64, 20 * n, job);
                }
            }
            case "transpose" -> cuda.run(function, 1, 256, 0, in, cuda.allocate(8 * 40 * 50), 40,
                    50, 1L);
            default -> throw new IllegalArgumentException(kernel);
        }
    }
}
