package dev.fusor.ensemble;

import dev.fusor.device.cuda.CudaKernel;
import dev.fusor.ensemble.HeldRows.Limits;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.testing.CudaTensors;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/** How rows are shared out, on whichever device there is. */
@RequiresCuda
class HeldRowsTest extends CudaTensors {
    private static final int ROW_BYTES = 160;

    private CudaKernel kernel() {
        return stream.device().kernel("ensemble/held_rows_bf16", "hold_logits");
    }

    private HeldRows of(int chunks, int chunkBytes) {
        return HeldRows.of(kernel(), stream.device().info().multiprocessors(), chunks, chunkBytes, ROW_BYTES,
                Limits.NONE);
    }

    /** Blocks that wait for each other have to be resident, and each of them has chunks: an empty one would be counted all the same. */
    @Test
    void allBlocksOfARowAreResidentAndHaveChunks() {
        int shares = 0;
        for (int chunks : new int[]{1, 2, 3, 8, 9, 15, 31, 126, 257, 1024}) {
            for (int chunkBytes = 4096; chunkBytes <= 131_072; chunkBytes += 4096) {
                HeldRows rows = of(chunks, chunkBytes);
                if (rows == null) {
                    continue;
                }
                String what = "%d chunks of %d bytes: %s".formatted(chunks, chunkBytes, rows);
                int each = (chunks + rows.parts() - 1) / rows.parts();
                assertThat((rows.parts() - 1) * each).as(what).isLessThan(chunks);
                assertThat(rows.sharedBytes()).as(what).isEqualTo(each * chunkBytes + ROW_BYTES);
                assertThat(rows.threads() % 32).as(what).isZero();
                assertThat(rows.threads()).as(what).isBetween(32, Math.min(256, 32 * each));
                assertThat(rows.together()).as(what).isPositive();
                assertThat(rows.together() * rows.parts()).as(what).isLessThanOrEqualTo(
                        kernel().residentBlocks(rows.threads(), rows.sharedBytes()));
                shares++;
            }
        }
        assertThat(shares).isPositive();
    }

    @Test
    void shortRowsAreHeldByABlockEachAndWhatFitsNowhereIsNot() {
        assertThat(of(1, 4096)).isNotNull().extracting(HeldRows::parts).isEqualTo(1);
        assertThat(of(126, 1 << 18)).isNull();
    }
}
