package dev.fusor.simd;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.FloatFormat;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loads elements as vectors of binary32 and stores them rounded, in element order, with the bits of
 * {@link dev.fusor.tensor.Elements}.
 *
 * <p>The type must be a constant of the calling template (see {@link Specialised}), so that the choice is made by the
 * compiler and not in the loop.
 */
public final class Lanes {
    /** Vectors of the widest shape the processor prefers. */
    public static final VectorSpecies<Float> FLOAT = FloatVector.SPECIES_PREFERRED;
    /** Integer vectors of as many lanes. */
    public static final VectorSpecies<Integer> INT = IntVector.SPECIES_PREFERRED;
    /** Lanes of a vector. */
    public static final int LENGTH = FLOAT.length();

    /** Short vectors of as many lanes; of more where a vector of two floats is the widest, see {@link #supports}. */
    public static final VectorSpecies<Short> SHORT = VectorSpecies.of(short.class,
            VectorShape.forBitSize(Math.max(64, FLOAT.vectorBitSize() / 2)));
    private static final VectorSpecies<Byte> BYTE = VectorSpecies.of(byte.class,
            VectorShape.forBitSize(Math.max(64, FLOAT.vectorBitSize() / 4)));
    /** How many bytes {@link #nonZero} reads: no vector is shorter. */
    public static final int BYTES_READ = BYTE.length();

    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    private Lanes() {}

    /**
     * {@return whether vectors of this type can be loaded and stored here}
     *
     * @param type the element type
     */
    public static boolean supports(DType type) {
        return switch (type) {
            case F32 -> true;
            case BF16, F16 -> SHORT.length() == LENGTH;
            case F8_E4M3, F8_E5M2 -> BYTE.length() == LENGTH;
            default -> false;
        };
    }

    /**
     * {@return the vector of {@link #LENGTH} elements that starts at a byte}
     *
     * @param type a constant of the caller
     * @param data the elements
     * @param offset the byte where the first starts
     */
    public static FloatVector load(DType type, MemorySegment data, long offset) {
        return type == DType.F32
                ? FloatVector.fromMemorySegment(FLOAT, data, offset, ORDER)
                : widened(type, codes(type, data, offset));
    }

    private static FloatVector widened(DType type, IntVector codes) {
        return type == DType.BF16
                ? codes.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats()
                : decode(format(type), codes);
    }

    /**
     * Stores a vector, rounded to the type.
     *
     * @param type a constant of the caller
     * @param values the numbers
     * @param data receives {@link #LENGTH} elements
     * @param offset the byte where the first starts
     */
    public static void store(DType type, FloatVector values, MemorySegment data, long offset) {
        VectorMask<Integer> nan = values.compare(VectorOperators.NE, values).cast(INT);
        IntVector bits = values.reinterpretAsInts();
        if (type == DType.F32) {
            bits.blend(0x7FC00000, nan).intoMemorySegment(data, offset, ORDER);
        } else if (type == DType.BF16) {
            IntVector odd = bits.lanewise(VectorOperators.LSHR, 16).and(1);
            IntVector rounded = bits.add(0x7FFF).add(odd).lanewise(VectorOperators.LSHR, 16).blend(0x7FC0, nan);
            storeCodes(type, rounded, data, offset);
        } else {
            FloatFormat format = format(type);
            storeCodes(type, encode(format, bits).blend(format.nan(), nan), data, offset);
        }
    }

    /**
     * {@return the bits of {@link #LENGTH} elements, zero-extended}
     *
     * @param type a constant of the caller, at most 32 bits wide
     * @param data the elements
     * @param offset the byte where the first starts
     */
    public static IntVector codes(DType type, MemorySegment data, long offset) {
        return type == DType.F32
                ? IntVector.fromMemorySegment(INT, data, offset, ORDER)
                : type == DType.BF16 || type == DType.F16 ? shorts(data, offset) : bytes(data, offset);
    }

    private static IntVector shorts(MemorySegment data, long offset) {
        return (IntVector) ShortVector.fromMemorySegment(SHORT, data, offset, ORDER)
                .convertShape(VectorOperators.ZERO_EXTEND_S2I, INT, 0);
    }

    private static IntVector bytes(MemorySegment data, long offset) {
        return (IntVector) ByteVector.fromMemorySegment(BYTE, data, offset, ORDER)
                .convertShape(VectorOperators.ZERO_EXTEND_B2I, INT, 0);
    }

    /**
     * {@return which of {@link #LENGTH} bytes are not 0}
     *
     * @param data the bytes, of which {@link #BYTES_READ} are touched
     * @param offset where the first is
     */
    public static VectorMask<Float> nonZero(MemorySegment data, long offset) {
        return bytes(data, offset).compare(VectorOperators.NE, 0).cast(FLOAT);
    }

    /** As {@link FloatFormat#of}, by comparisons that fold: a switch over an enum looks its cases up in an array. */
    private static FloatFormat format(DType type) {
        return type == DType.F16 ? FloatFormat.F16 : type == DType.F8_E5M2 ? FloatFormat.F8_E5M2 : FloatFormat.F8_E4M3;
    }

    private static void storeCodes(DType type, IntVector codes, MemorySegment data, long offset) {
        if (type == DType.BF16 || type == DType.F16) {
            ((ShortVector) codes.convertShape(VectorOperators.I2S, SHORT, 0)).intoMemorySegment(data, offset, ORDER);
        } else {
            ((ByteVector) codes.convertShape(VectorOperators.I2B, BYTE, 0)).intoMemorySegment(data, offset, ORDER);
        }
    }

    private static FloatVector decode(FloatFormat format, IntVector codes) {
        IntVector magnitude = codes.and(format.magnitudeMask());
        IntVector shifted = magnitude.lanewise(VectorOperators.LSHL, format.shift());
        IntVector finite = shifted.reinterpretAsFloats().mul(format.scale()).reinterpretAsInts();
        IntVector value = finite.blend(shifted.or(0x7F800000),
                magnitude.compare(VectorOperators.GE, format.special()));
        int toSign = 31 - Integer.numberOfTrailingZeros(format.signBit());
        return codes.lanewise(VectorOperators.LSHL, toSign).and(0x80000000).or(value).reinterpretAsFloats();
    }

    private static IntVector encode(FloatFormat format, IntVector bits) {
        IntVector magnitude = bits.and(0x7FFFFFFF);
        int half = (1 << format.shift() - 1) - 1;
        IntVector odd = magnitude.lanewise(VectorOperators.LSHR, format.shift()).and(1);
        IntVector normal = magnitude.add(half).add(odd).lanewise(VectorOperators.LSHR, format.shift())
                .sub(format.rebias());
        float magic = format.subnormalMagic();
        IntVector subnormal = magnitude.reinterpretAsFloats().add(magic).reinterpretAsInts()
                .sub(Float.floatToRawIntBits(magic));
        IntVector code = normal.blend(subnormal, magnitude.compare(VectorOperators.LT, format.smallestNormalBits()))
                .min(format.overflow());
        int toSign = 31 - Integer.numberOfTrailingZeros(format.signBit());
        return bits.lanewise(VectorOperators.LSHR, toSign).and(format.signBit()).or(code);
    }
}
