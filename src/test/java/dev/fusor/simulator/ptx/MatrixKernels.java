package dev.fusor.simulator.ptx;

import java.math.BigInteger;
import java.util.List;
import java.util.SplittableRandom;

/** Matrices held by a warp: what lane l holds of them is drawn in the manual. Numbers are small, so that every sum is exact in any order. */
final class MatrixKernels {
    private static final String[] FRAGMENTS = {"a0", "a1", "a2", "a3", "b0", "b1", "c0", "c1", "c2", "c3"};

    private final int[][] a = new int[16][16];
    private final int[][] b = new int[16][8];
    private final int[][] c = new int[16][8];

    MatrixKernels(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int row = 0; row < 16; row++) {
            for (int k = 0; k < 16; k++) {
                a[row][k] = random.nextInt(-8, 9);
            }
            for (int column = 0; column < 8; column++) {
                b[row][column] = random.nextInt(-8, 9);
                c[row][column] = random.nextInt(-8, 9);
            }
        }
    }

    private static long bits(int value, String type) {
        return Exact.round(Exact.whole(BigInteger.valueOf(value)), BinaryFormat.of(type), "rn");
    }

    private static long pair(int lower, int upper, String type) {
        return bits(upper, type) << 16 | bits(lower, type);
    }

    /** Lines that give each lane its fragments, by a table in constant memory of 16 words for each lane. */
    private String fragments(LaneKernel kernel, String name, String type, boolean halfSums) {
        StringBuilder table = new StringBuilder(".const .align 16 .b32 " + name + "[512] = {");
        for (int lane = 0; lane < 32; lane++) {
            int group = lane / 4;
            int k = 2 * (lane % 4);
            long[] words = new long[16];
            for (int i = 0; i < 4; i++) {
                int row = group + 8 * (i % 2);
                int column = k + 8 * (i / 2);
                words[i] = pair(a[row][column], a[row][column + 1], type);
            }
            for (int i = 0; i < 2; i++) {
                words[4 + i] = pair(b[k + 8 * i][group], b[k + 8 * i + 1][group], type);
                if (halfSums) {
                    words[6 + i] = pair(c[group + 8 * i][k], c[group + 8 * i][k + 1], type);
                } else {
                    words[6 + 2 * i] = bits(c[group + 8 * i][k], "f32");
                    words[7 + 2 * i] = bits(c[group + 8 * i][k + 1], "f32");
                }
            }
            for (long word : words) {
                table.append(table.toString().endsWith("{") ? "" : ", ").append(word);
            }
        }
        kernel.declare(table.append("};").toString());
        StringBuilder lines = new StringBuilder(
                ".reg .b32 a<4>, b<2>, c<4>, d<4>, l; .reg .b64 at;\nmov.u32 l, %laneid;\nmov.u64 at, " + name
                        + ";\nmad.wide.u32 at, l, 64, at;\n");
        for (int i = 0; i < FRAGMENTS.length; i++) {
            lines.append("ld.const.b32 %s, [at+%d];\n".formatted(FRAGMENTS[i], 4 * i));
        }
        return lines.toString();
    }

    private int sum(int row, int column, int depth) {
        int sum = c[row][column];
        for (int k = 0; k < depth; k++) {
            sum += a[row][k] * b[k][column];
        }
        return sum;
    }

    LaneKernel products() {
        LaneKernel kernel = new LaneKernel("products");
        for (String type : new String[]{"f16", "bf16"}) {
            String fragments = fragments(kernel, "floats_" + type, type, false);
            for (int depth : new int[]{8, 16}) {
                String operands = depth == 8 ? "{a0, a1}, {b0}" : "{a0, a1, a2, a3}, {b0, b1}";
                String line = fragments
                        + "mma.sync.aligned.m16n8k%d.row.col.f32.%s.%s.f32 {d0, d1, d2, d3}, %s, {c0, c1, c2, c3};\n"
                                .formatted(depth, type, type, operands);
                for (int i = 0; i < 4; i++) {
                    int element = i;
                    kernel.gives(line + "mov.b32 d, d%d;".formatted(i),
                            t -> bits(sum(t % 32 / 4 + 8 * (element / 2), 2 * (t % 4) + element % 2, depth), "f32"));
                }
            }
        }
        String fragments = fragments(kernel, "halves", "f16", true);
        for (int depth : new int[]{8, 16}) {
            String operands = depth == 8 ? "{a0, a1}, {b0}" : "{a0, a1, a2, a3}, {b0, b1}";
            String line = fragments
                    + "mma.sync.aligned.m16n8k%d.row.col.f16.f16.f16.f16 {d0, d1}, %s, {c0, c1};\n".formatted(depth,
                            operands);
            for (int i = 0; i < 2; i++) {
                int rows = 8 * i;
                kernel.gives(line + "mov.b32 d, d%d;".formatted(i),
                        t -> pair(sum(t % 32 / 4 + rows, 2 * (t % 4), depth),
                                sum(t % 32 / 4 + rows, 2 * (t % 4) + 1, depth), "f16"));
            }
        }
        return kernel;
    }

    /** Element (row, column) of matrix m in shared memory is 256 m + 16 row + column; rows of a matrix are 16 bytes. */
    static LaneKernel loads() {
        LaneKernel kernel = new LaneKernel("matrix_loads");
        for (int count : new int[]{1, 2, 4}) {
            for (boolean transposed : new boolean[]{false, true}) {
                for (String space : new String[]{".shared", ".shared::cta", ""}) {
                    for (int m = 0; m < count; m++) {
                        step(kernel, count, transposed, space, m);
                    }
                }
            }
        }
        return kernel;
    }

    private static final String FILL = """
            .reg .b32 l, r<4>, n, row;
            .reg .b16 h;
            .reg .b64 g;
            mov.u32 l, %laneid;
            mad.lo.u32 row, l, 16, s;
            """;

    private static long element(int matrix, int row, int column) {
        return 256 * matrix + 16 * row + column;
    }

    private static void step(LaneKernel kernel, int count, boolean transposed, String space, int matrix) {
        String registers = List.of("{r0}", "{r0, r1}", "", "{r0, r1, r2, r3}").get(count - 1);
        String form = "sync.aligned.m8n8.x%d%s%s.b16".formatted(count, transposed ? ".trans" : "", space);
        String address = space.isEmpty() ? "[g]" : "[row]";
        StringBuilder fill = new StringBuilder(FILL)
                .append("shr.u32 n, l, 3; and.b32 t, l, 7; shl.b32 n, n, 8; mad.lo.u32 n, t, 16, n;\n");
        for (int column = 0; column < 8; column++) {
            fill.append(
                    "add.u32 t, n, %d; cvt.u16.u32 h, t; st.shared.b16 [row+%d], h;\n".formatted(column, 2 * column));
        }
        String rows = "cvt.u64.u32 g, row; cvta.shared.u64 g, g; bar.sync 0;\n";
        kernel.gives(
                fill + rows
                        + "ldmatrix.%s %s, %s; mov.b32 d, r%d; bar.sync 0;".formatted(form, registers, address, matrix),
                t -> {
                    int outer = t % 32 / 4;
                    int inner = 2 * (t % 4);
                    return transposed
                            ? element(matrix, inner + 1, outer) << 16 | element(matrix, inner, outer)
                            : element(matrix, outer, inner + 1) << 16 | element(matrix, outer, inner);
                });
        // Stored as they were loaded, with a matrix of zeros between, each comes back: a word of the row of this lane is looked at.
        kernel.gives(
                fill + rows
                        + "ldmatrix.%s %s, %s; bar.sync 0; st.shared.v4.b32 [row], {0, 0, 0, 0}; bar.sync 0;\n"
                                .formatted(form, registers,
                                        address)
                        + "stmatrix.%s %s, %s; bar.sync 0; ld.shared.b32 d, [row+4]; bar.sync 0;".formatted(form,
                                address, registers),
                t -> t % 32 / 8 < count ? element(t % 32 / 8, t % 8, 3) << 16 | element(t % 32 / 8, t % 8, 2) : 0);
    }
}
