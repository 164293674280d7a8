package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Mending;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/** How often elements are used, and that the last use is by the cut that is returned. */
class SelectionUseTest {
    private static final CpuDevice DEVICE = CpuDevice.open(2);
    private static final int LENGTH = 1 << 23;
    private static final int PARTS_BEGIN = 3_000_001;

    /** The sample looks at runs of 128, 128 of them from four million elements on. */
    private static final int STRETCH = LENGTH / 128;

    @ParameterizedTest
    @CsvSource({
        "few values,                  EXACT_K,  2.1", // the cut is between two of them
        "few values,                  ALL_TIES, 2.1",
        "continuous,                  EXACT_K,  1.02", // those between the cut and the middle of the bracket again
        "continuous,                  ALL_TIES, 1.02",
        "continuous with NaN,         EXACT_K,  2.1",
        "a crowd near the cut,        EXACT_K,  2.1", // too many to list at first
        "few values last,             EXACT_K,  1.5",
        "another key elsewhere,       EXACT_K,  2.6",
        "other values elsewhere,      EXACT_K,  3.1",
        "larger ones elsewhere,       ALL_TIES, 3.6"
    })
    void theLastUseIsByTheCutThatIsReturned(String kind, Ties ties, double mostReads) {
        Tensor x = filled(switch (kind) {
            case "few values" -> i -> (i * 2_654_435_761L >>> 8) % 7;
            case "continuous" -> SelectionUseTest::spread;
            case "continuous with NaN" -> i -> i % 9 < 4 ? Double.NaN : spread(i);
            case "other values elsewhere" -> i -> spread(i) * (sampled(i) ? 1 : 0.5);
            case "a crowd near the cut" -> i -> sampled(i) ? spread(i) : 0.55 * (1 << 24) + spread(i) / 20;
            case "few values last" -> i -> i < LENGTH / 2 ? 2 + i % 2 * 4 : 3;
            case "another key elsewhere" -> i -> sampled(i) ? 3 : 1 + i % 2 * 4;
            default -> i -> sampled(i) ? 3 : 4 + i % 2;
        });
        long k = 3 * LENGTH / 7;
        List<Part> parts = List.of(part(x, 0, PARTS_BEGIN), part(x, PARTS_BEGIN, LENGTH));
        int[] key = new int[LENGTH];
        long[] lastTie = new long[LENGTH];
        boolean[] used = new boolean[LENGTH];
        Selected selected = MagnitudeSelection.on(DEVICE).select(parts,
                List.of(new Wanted(0, k), new Wanted(0, 0), new Wanted(0, LENGTH)), ties,
                new Mending() {
                    @Override
                    public void run(int part, long from, int count, List<MagnitudeCut> cuts, KeyWatch watch) {
                        assertThat(cuts.subList(1, 3)).containsExactly(MagnitudeCut.NONE, MagnitudeCut.ALL);
                        for (int place = 0; place < count; place++) {
                            use(part, from, place, cuts);
                            int own = MagnitudeCut.keyOf((float) Elements.get(x, first(part, from) + place));
                            if (watch != null) {
                                boolean near = own >= watch.least(0) && own - watch.least(0) < watch.span(0);
                                if (near && watch.lists()) {
                                    watch.places(0)[watch.near(0)] = place;
                                    watch.keys(0)[watch.near(0)] = own;
                                }
                                watch.add(0, cuts.getFirst().leastKey(from) <= own ? 1 : 0, near ? 1 : 0);
                            }
                        }
                    }

                    @Override
                    public void mend(int part, long from, int[] places, List<MagnitudeCut> cuts) {
                        for (int place : places) {
                            use(part, from, place, cuts);
                        }
                    }

                    private void use(int part, long from, int place, List<MagnitudeCut> cuts) {
                        int i = first(part, from) + place;
                        key[i] = cuts.getFirst().key();
                        lastTie[i] = cuts.getFirst().lastTie();
                        used[i] = true;
                    }

                    private int first(int part, long from) {
                        return (int) from + (part == 0 ? 0 : PARTS_BEGIN);
                    }
                });
        long kept = 0;
        for (int i = 0; i < LENGTH; i++) {
            int part = i < PARTS_BEGIN ? 0 : 1;
            long index = i - part * PARTS_BEGIN;
            float value = (float) Elements.get(x, i);
            boolean keeps = selected.cuts().getFirst().get(part).keeps(value, index);
            if (!used[i] || new MagnitudeCut(key[i], lastTie[i]).keeps(value, index) != keeps) {
                throw new AssertionError(kind + ": element " + i + " was never used, or last by another cut");
            }
            kept += keeps ? 1 : 0;
        }
        assertThat(kept).as(kind).isGreaterThanOrEqualTo(k);
        if (ties == Ties.EXACT_K) {
            assertThat(kept).as(kind).isEqualTo(k);
        }
        assertThat(selected.bytesRead() / (double) DType.F32.byteSize(LENGTH)).as(kind).isBetween(1.0, mostReads);
    }

    /** Integers up to 2^24, which float32 holds. */
    private static double spread(int i) {
        return i * 2_654_435_761L >>> 8 & 0xFFFFFF;
    }

    private static boolean sampled(int i) {
        return i - MagnitudeSample.start(i / STRETCH, STRETCH) >>> 7 == 0;
    }

    private static Part part(Tensor x, int from, int to) {
        return new Part(null, List.of(x.slice(from, to - from)));
    }

    private static Tensor filled(IntToDoubleFunction value) {
        Tensor x = Tensors.zeros(DType.F32, LENGTH);
        for (int i = 0; i < LENGTH; i++) {
            Elements.set(x, i, value.applyAsDouble(i));
        }
        return x;
    }
}
