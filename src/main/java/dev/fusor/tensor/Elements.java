package dev.fusor.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Reads and writes ranges of elements as Java numbers, at any alignment, with plain loops.
 *
 * <p>Widening is exact; narrowing rounds once, to nearest, ties to even. Every NaN that is written becomes the one quiet
 * positive NaN of the type: payloads differ between processors, results must not.
 */
public final class Elements {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);

    private Elements() {}

    /**
     * {@return one element}
     *
     * @param tensor of an arithmetic type
     * @param index the flat index
     */
    public static double get(Tensor tensor, long index) {
        MemorySegment data = tensor.data();
        return switch (tensor.dtype()) {
            case F64 -> data.get(DOUBLE, 8 * index);
            case F32 -> data.get(FLOAT, 4 * index);
            case BF16, F16 -> FloatFormat.of(tensor.dtype()).toFloat(data.get(SHORT, 2 * index));
            case F8_E4M3, F8_E5M2 -> FloatFormat.of(tensor.dtype()).toFloat(data.get(ValueLayout.JAVA_BYTE, index));
            default -> throw noNumbers(tensor.dtype());
        };
    }

    /**
     * Rounds one number into a tensor.
     *
     * @param tensor of an arithmetic type
     * @param index the flat index
     * @param value any number
     */
    public static void set(Tensor tensor, long index, double value) {
        MemorySegment data = tensor.data();
        DType type = tensor.dtype();
        switch (type) {
            case F64 -> data.set(DOUBLE, 8 * index, canonical(value));
            case F32 -> data.set(FLOAT, 4 * index, canonical((float) value));
            case BF16, F16 -> data.set(SHORT, 2 * index, (short) FloatFormat.of(type).fromDouble(value));
            case F8_E4M3, F8_E5M2 -> data
                    .set(ValueLayout.JAVA_BYTE, index, (byte) FloatFormat.of(type).fromDouble(value));
            default -> throw noNumbers(type);
        }
    }

    /**
     * Widens elements to binary32; F64 is rounded to it.
     *
     * @param source of an arithmetic type
     * @param from the first flat index
     * @param values receives {@code count} numbers from index 0
     * @param count how many
     */
    public static void load(Tensor source, long from, float[] values, int count) {
        MemorySegment data = source.data();
        switch (source.dtype()) {
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = (float) data.get(DOUBLE, 8 * (from + i));
                }
            }
            case F32 -> MemorySegment.copy(data, FLOAT, 4 * from, values, 0, count);
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = Float.intBitsToFloat(data.get(SHORT, 2 * (from + i)) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    values[i] = FloatFormat.F16.toFloat(data.get(SHORT, 2 * (from + i)));
                }
            }
            case F8_E4M3, F8_E5M2 -> {
                FloatFormat format = FloatFormat.of(source.dtype());
                for (int i = 0; i < count; i++) {
                    values[i] = format.toFloat(data.get(ValueLayout.JAVA_BYTE, from + i));
                }
            }
            default -> throw noNumbers(source.dtype());
        }
    }

    /**
     * Widens scattered elements to binary32; F64 is rounded to it.
     *
     * @param source of an arithmetic type
     * @param base added to each offset
     * @param offsets the flat index of each element, less {@code base}
     * @param count how many
     * @param values receives them
     * @param at the index of the first of these
     */
    public static void gather(Tensor source, long base, long[] offsets, int count, float[] values, int at) {
        MemorySegment data = source.data();
        switch (source.dtype()) {
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    values[at + i] = data.get(FLOAT, 4 * (base + offsets[i]));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    values[at + i] = Float.intBitsToFloat(data.get(SHORT, 2 * (base + offsets[i])) << 16);
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    values[at + i] = (float) get(source, base + offsets[i]);
                }
            }
        }
    }

    /**
     * Widens elements to binary64.
     *
     * @param source of an arithmetic type
     * @param from the first flat index
     * @param values receives {@code count} numbers from index 0
     * @param count how many
     */
    public static void load(Tensor source, long from, double[] values, int count) {
        if (source.dtype() == DType.F64) {
            MemorySegment.copy(source.data(), DOUBLE, 8 * from, values, 0, count);
            return;
        }
        for (int i = 0; i < count; i++) {
            values[i] = get(source, from + i);
        }
    }

    /**
     * Rounds numbers into a tensor.
     *
     * @param values the numbers, from index 0
     * @param target of an arithmetic type
     * @param at the first flat index
     * @param count how many
     */
    public static void store(float[] values, Tensor target, long at, int count) {
        MemorySegment data = target.data();
        switch (target.dtype()) {
            case F64 -> {
                for (int i = 0; i < count; i++) {
                    data.set(DOUBLE, 8 * (at + i), canonical((double) values[i]));
                }
            }
            case F32 -> {
                for (int i = 0; i < count; i++) {
                    data.set(FLOAT, 4 * (at + i), canonical(values[i]));
                }
            }
            case BF16, F16 -> {
                FloatFormat format = FloatFormat.of(target.dtype());
                for (int i = 0; i < count; i++) {
                    data.set(SHORT, 2 * (at + i), (short) format.fromFloat(values[i]));
                }
            }
            case F8_E4M3, F8_E5M2 -> {
                FloatFormat format = FloatFormat.of(target.dtype());
                for (int i = 0; i < count; i++) {
                    data.set(ValueLayout.JAVA_BYTE, at + i, (byte) format.fromFloat(values[i]));
                }
            }
            default -> throw noNumbers(target.dtype());
        }
    }

    /**
     * Rounds numbers into a tensor.
     *
     * @param values the numbers, from index 0
     * @param target of an arithmetic type
     * @param at the first flat index
     * @param count how many
     */
    public static void store(double[] values, Tensor target, long at, int count) {
        for (int i = 0; i < count; i++) {
            set(target, at + i, values[i]);
        }
    }

    /**
     * {@return how many elements are NaN or infinite}
     *
     * @param tensor of an arithmetic type
     * @param from the first flat index
     * @param count how many to look at
     */
    public static long countNonFinite(Tensor tensor, long from, long count) {
        MemorySegment data = tensor.data();
        long found = 0;
        switch (tensor.dtype()) {
            case F64 -> {
                for (long i = from; i < from + count; i++) {
                    found += Double.isFinite(data.get(DOUBLE, 8 * i)) ? 0 : 1;
                }
            }
            case F32 -> {
                for (long i = from; i < from + count; i++) {
                    found += (data.get(INT, 4 * i) & 0x7FFFFFFF) >= 0x7F800000 ? 1 : 0;
                }
            }
            case BF16, F16 -> {
                FloatFormat format = FloatFormat.of(tensor.dtype());
                for (long i = from; i < from + count; i++) {
                    found += (data.get(SHORT, 2 * i) & format.magnitudeMask()) >= format.special() ? 1 : 0;
                }
            }
            case F8_E4M3, F8_E5M2 -> {
                FloatFormat format = FloatFormat.of(tensor.dtype());
                for (long i = from; i < from + count; i++) {
                    found += (data.get(ValueLayout.JAVA_BYTE, i) & format.magnitudeMask()) >= format.special() ? 1 : 0;
                }
            }
            default -> throw noNumbers(tensor.dtype());
        }
        return found;
    }

    private static float canonical(float value) {
        return value != value ? Float.NaN : value;
    }

    private static double canonical(double value) {
        return value != value ? Double.NaN : value;
    }

    private static IllegalArgumentException noNumbers(DType type) {
        return new IllegalArgumentException(
                type + " is carried through unchanged, not computed with: wanted F64, F32, F16, BF16, F8_E4M3 or F8_E5M2");
    }
}
