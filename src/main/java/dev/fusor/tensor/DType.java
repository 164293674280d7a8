package dev.fusor.tensor;

import java.util.Locale;

/**
 * The element types of safetensors, under the names that format gives them.
 *
 * <p>Fusor computes with {@link #F64}, {@link #F32}, {@link #F16}, {@link #BF16}, {@link #F8_E4M3} and {@link #F8_E5M2};
 * every other type is carried through byte for byte. All are little-endian.
 */
public enum DType {
    /** One byte per truth value. */
    BOOL(8),
    /** 4-bit float, two elements per byte. */
    F4(4),
    /** 6-bit float with 2 exponent and 3 mantissa bits, four elements in three bytes. */
    F6_E2M3(6),
    /** 6-bit float with 3 exponent and 2 mantissa bits, four elements in three bytes. */
    F6_E3M2(6),
    /** Unsigned byte. */
    U8(8),
    /** Signed byte. */
    I8(8),
    /** 8-bit float of the OCP specification: 5 exponent bits, 2 mantissa bits, with infinities. */
    F8_E5M2(8),
    /** 8-bit float of the OCP specification: 4 exponent bits, 3 mantissa bits, no infinity, one NaN code per sign. */
    F8_E4M3(8),
    /** 8-bit power of two without a sign, the scale of the OCP microscaling formats. */
    F8_E8M0(8),
    /** 8-bit float with 4 exponent and 3 mantissa bits, neither infinity nor negative zero. */
    F8_E4M3FNUZ(8),
    /** 8-bit float with 5 exponent and 2 mantissa bits, neither infinity nor negative zero. */
    F8_E5M2FNUZ(8),
    /** Signed 16-bit integer. */
    I16(16),
    /** Unsigned 16-bit integer. */
    U16(16),
    /** IEEE 754 binary16. */
    F16(16),
    /** The upper half of an IEEE 754 binary32. */
    BF16(16),
    /** Signed 32-bit integer. */
    I32(32),
    /** Unsigned 32-bit integer. */
    U32(32),
    /** IEEE 754 binary32. */
    F32(32),
    /** Two binary32: real and imaginary part. */
    C64(64),
    /** IEEE 754 binary64. */
    F64(64),
    /** Signed 64-bit integer. */
    I64(64),
    /** Unsigned 64-bit integer. */
    U64(64);

    private final int bits;

    DType(int bits) {
        this.bits = bits;
    }

    /**
     * {@return the size of one element in bits} Below 8 for the packed types.
     */
    public int bits() {
        return bits;
    }

    /**
     * {@return true if Fusor computes with this type} The others are only copied.
     */
    public boolean isArithmetic() {
        return switch (this) {
            case F64, F32, F16, BF16, F8_E4M3, F8_E5M2 -> true;
            default -> false;
        };
    }

    /**
     * {@return the bytes that {@code elements} densely packed elements take}
     *
     * @param elements how many, 0 or more
     * @throws IllegalArgumentException if they do not fill whole bytes, or if the size exceeds a signed 64-bit number
     */
    public long byteSize(long elements) {
        if (elements < 0) {
            throw new IllegalArgumentException("the number of elements is 0 or more, got " + elements);
        }
        if (bits >= 8) {
            long bytes = bits / 8;
            if (elements > Long.MAX_VALUE / bytes) {
                throw new IllegalArgumentException("%d elements of %s exceed 2^63 bytes".formatted(elements, this));
            }
            return elements * bytes;
        }
        if (elements > Long.MAX_VALUE / bits || elements * bits % 8 != 0) {
            throw new IllegalArgumentException(
                    "%d elements of %s at %d bits each do not fill whole bytes".formatted(elements, this, bits));
        }
        return elements * bits / 8;
    }

    /**
     * {@return the type of a name as safetensors ({@code BF16}) or PyTorch ({@code bfloat16}, {@code torch.bfloat16})
     * writes it}
     *
     * @param name the name, in any case
     * @throws IllegalArgumentException if no type has that name
     */
    public static DType parse(String name) {
        String key = name.toLowerCase(Locale.ROOT);
        key = key.startsWith("torch.") ? key.substring("torch.".length()) : key;
        return switch (key) {
            case "float64", "double" -> F64;
            case "float32", "float" -> F32;
            case "float16", "half" -> F16;
            case "bfloat16" -> BF16;
            case "float8_e4m3fn" -> F8_E4M3;
            case "float8_e5m2" -> F8_E5M2;
            case "int64" -> I64;
            case "int32" -> I32;
            case "int16" -> I16;
            case "int8" -> I8;
            case "uint8" -> U8;
            case "bool" -> BOOL;
            default -> {
                for (DType type : values()) {
                    if (type.name().toLowerCase(Locale.ROOT).equals(key)) {
                        yield type;
                    }
                }
                throw new IllegalArgumentException(
                        "unknown dtype '%s': wanted one of float32, float16, bfloat16, float64, float8_e4m3fn, float8_e5m2, or a safetensors name such as BF16"
                                .formatted(name));
            }
        };
    }
}
