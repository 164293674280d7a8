package dev.fusor.cli;

import dev.fusor.merge.Progress;
import java.io.PrintWriter;
import java.util.Locale;

/** Progress on standard error: one line redrawn on a terminal, a plain line every tenth elsewhere. */
final class ProgressLine implements Progress {
    private static final int WIDTH = 30;
    private static final long REDRAW_NANOS = 100_000_000L;

    private final PrintWriter err;
    private final long total;
    private final boolean terminal;
    private final long start = System.nanoTime();
    private long done;
    private long shown;
    private long lastShown = start;

    ProgressLine(PrintWriter err, long total, boolean terminal) {
        this.err = err;
        this.total = Math.max(1, total);
        this.terminal = terminal;
    }

    @Override
    public synchronized void advanced(long bytes) {
        done += bytes;
        long now = System.nanoTime();
        boolean due = terminal
                ? now - lastShown >= REDRAW_NANOS || done >= total
                : done * 10 / total > shown * 10 / total;
        if (due) {
            shown = done;
            lastShown = now;
            draw((now - start) / 1e9);
        }
    }

    private void draw(double seconds) {
        double rate = done / Math.max(seconds, 1e-9);
        String numbers = String.format(Locale.ROOT, "%3d %%  %s of %s  %s  %.0f s left", done * 100 / total,
                Sizes.words(done), Sizes.words(total), Sizes.rate(rate), (total - done) / rate);
        if (terminal) {
            int filled = (int) (done * WIDTH / total);
            err.print("\r[" + "=".repeat(filled) + " ".repeat(WIDTH - filled) + "] " + numbers + "  ");
            if (done >= total) {
                err.println();
            }
        } else {
            err.println(numbers);
        }
        err.flush();
    }
}
