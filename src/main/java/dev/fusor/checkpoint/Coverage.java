package dev.fusor.checkpoint;

import java.util.Map;
import java.util.TreeMap;

/** Which bytes of a range have been written, in any order, by any thread, some perhaps twice. */
final class Coverage {
    private final long byteSize;
    private final TreeMap<Long, Long> endByStart = new TreeMap<>();

    Coverage(long byteSize) {
        this.byteSize = byteSize;
    }

    synchronized void add(long from, long to) {
        if (from == to) {
            return;
        }
        long start = from;
        long end = to;
        Map.Entry<Long, Long> touching = endByStart.floorEntry(end);
        while (touching != null && touching.getValue() >= start) {
            endByStart.remove(touching.getKey());
            start = Math.min(start, touching.getKey());
            end = Math.max(end, touching.getValue());
            touching = endByStart.floorEntry(end);
        }
        endByStart.put(start, end);
    }

    /** {@return the first byte that was not written, or -1 if all were} */
    synchronized long firstMissing() {
        Long end = endByStart.get(0L);
        long written = end == null ? 0 : end;
        return written == byteSize ? -1 : written;
    }
}
