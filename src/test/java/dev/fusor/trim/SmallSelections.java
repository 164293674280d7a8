package dev.fusor.trim;

import dev.fusor.device.cuda.CudaStream;

/** Selections that gather few keys, for tests of what uses them. */
public final class SmallSelections {
    private SmallSelections() {}

    /** {@return one that gathers no more than it does without a sample: 65536} */
    public static MagnitudeSelectionCuda on(CudaStream stream) {
        return new MagnitudeSelectionCuda(stream, 0, 1 << 18);
    }

    /** {@return whether an element is in its sample} */
    public static boolean isSampled(int element, int length) {
        int stretch = length / MagnitudeSample.runs(length, 1 << 16);
        return element - MagnitudeSample.start(element / stretch, stretch) >>> 7 == 0;
    }
}
