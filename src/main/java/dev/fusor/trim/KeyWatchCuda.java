package dev.fusor.trim;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Where kernels write what they see of the magnitude keys of models while they use likely cuts; all of it is device memory, and holds
 * zeros at first.
 *
 * @param near for each model, which keys are near its cut
 * @param totals two longs for each search: how many keys lie above those near the cut, and how many are near
 * @param insideOfTile for each search and tile an int: how many keys near the cut it has, if these are not listed; tiles have
 * {@value KeyScansCuda#TILE} elements
 * @param tiles how many there are
 * @param keys for each search room for a list of the keys near its cut, if there are several
 * @param places the indices of their elements
 * @param capacity of the list of each search; what is beyond it is counted all the same
 */
public record KeyWatchCuda(List<Near> near, MemorySegment totals, MemorySegment insideOfTile, long tiles,
        MemorySegment keys, MemorySegment places, long capacity) {
    /**
     * Keys near a cut.
     *
     * @param low from here
     * @param high to here; these are listed if they are several
     * @param search the number of the search, by which its counts and its list are found
     */
    public record Near(int low, int high, int search) {
        /** Where nothing is searched for. */
        static final Near NONE = new Near(Integer.MAX_VALUE, Integer.MAX_VALUE, 0);

        /** {@return whether elements are listed} */
        public boolean lists() {
            return low < high;
        }
    }
}
