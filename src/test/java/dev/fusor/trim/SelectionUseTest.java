package dev.fusor.trim;

import dev.fusor.device.CpuDevice;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import dev.fusor.trim.MagnitudeSelection.Part;
import dev.fusor.trim.MagnitudeSelection.Selected;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.MagnitudeSelection.Wanted;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
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
        "few values,                  EXACT_K,  1.2", // where ties end is a guess
        "few values,                  ALL_TIES, 1",
        "continuous,                  EXACT_K,  1", // nothing is likely: all is used in the end
        "few values last,             EXACT_K,  2",
        "another key elsewhere,       EXACT_K,  2",
        "larger ones elsewhere,       ALL_TIES, 2"
    })
    void theLastUseIsByTheCutThatIsReturned(String kind, Ties ties, double most) {
        Tensor x = filled(switch (kind) {
            case "few values" -> i -> (i * 2_654_435_761L >>> 8) % 7;
            case "continuous" -> i -> i * 2_654_435_761L >>> 8 & 0xFFFFFF;
            case "few values last" -> i -> i < LENGTH / 2 ? 2 + i % 2 * 4 : 3;
            case "another key elsewhere" -> i -> sampled(i) ? 3 : 1 + i % 2 * 4;
            default -> i -> sampled(i) ? 3 : 4 + i % 2;
        });
        long k = 3 * LENGTH / 7;
        List<Part> parts = List.of(part(x, 0, PARTS_BEGIN), part(x, PARTS_BEGIN, LENGTH));
        int[] key = new int[LENGTH];
        long[] lastTie = new long[LENGTH];
        AtomicIntegerArray uses = new AtomicIntegerArray(LENGTH);
        Selected selected = MagnitudeSelection.on(DEVICE).select(parts,
                List.of(new Wanted(0, k), new Wanted(0, 0), new Wanted(0, LENGTH)), ties,
                (part, from, count, cuts, larger, equal) -> {
                    assertThat(cuts.get(1)).isEqualTo(MagnitudeCut.NONE);
                    assertThat(cuts.get(2)).isEqualTo(MagnitudeCut.ALL);
                    MagnitudeCut cut = cuts.getFirst();
                    int first = (int) from + (part == 0 ? 0 : PARTS_BEGIN);
                    for (int i = first; i < first + count; i++) {
                        key[i] = cut.key();
                        lastTie[i] = cut.lastTie();
                        uses.incrementAndGet(i);
                        int own = MagnitudeCut.keyOf((float) Elements.get(x, i));
                        if (larger != null) {
                            larger[0] += own > cut.key() ? 1 : 0;
                            equal[0] += own == cut.key() ? 1 : 0;
                        }
                    }
                });
        long kept = 0;
        long total = 0;
        for (int i = 0; i < LENGTH; i++) {
            int part = i < PARTS_BEGIN ? 0 : 1;
            long index = i - part * PARTS_BEGIN;
            float value = (float) Elements.get(x, i);
            boolean keeps = selected.cuts().getFirst().get(part).keeps(value, index);
            if (new MagnitudeCut(key[i], lastTie[i]).keeps(value, index) != keeps) {
                throw new AssertionError(kind + ": element " + i + " was last used by another cut");
            }
            kept += keeps ? 1 : 0;
            total += uses.get(i);
        }
        assertThat(kept).as(kind).isGreaterThanOrEqualTo(k);
        if (ties == Ties.EXACT_K) {
            assertThat(kept).as(kind).isEqualTo(k);
        }
        assertThat(total / (double) LENGTH).as(kind).isBetween(1.0, most);
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
