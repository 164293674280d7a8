package dev.fusor.tensor;

import dev.fusor.testing.Tensors;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class ElementsTest {
    private static final int LENGTH = 3000;

    /** The bytes of an element, lowest first, as IEEE 754 and the OCP specification have them. */
    @ParameterizedTest
    @CsvSource({"F64, -1.5, 000000000000f8bf", "F32, -1.5, 0000c0bf", "BF16, -1.5, c0bf", "F16, -1.5, 00be",
        "F8_E4M3, -1.5, bc", "F8_E5M2, -1.5, be", "F64, NaN, 000000000000f87f", "F32, NaN, 0000c07f",
        "BF16, NaN, c07f", "F16, NaN, 007e", "F8_E4M3, NaN, 7f", "F8_E5M2, NaN, 7e", "F32, -0.0, 00000080",
        "F16, -0.0, 0080", "F8_E4M3, -0.0, 80", "F32, Infinity, 0000807f", "F8_E5M2, -Infinity, fc",
        "F8_E4M3, -Infinity, ff", "F32, 1e300, 0000807f", "F32, 1e-45, 01000000"})
    void numbersLieInMemoryLittleEndian(DType type, double value, String bytes) {
        Tensor one = Tensors.misaligned(type, 3);
        Elements.set(one, 1, value);
        assertThat(hex(one, 1)).isEqualTo(bytes);
        Elements.store(new double[]{value}, one, 2, 1);
        assertThat(hex(one, 2)).isEqualTo(bytes);
        if (type != DType.F64 && (float) value == value) {
            Elements.store(new float[]{(float) value}, one, 0, 1);
            assertThat(hex(one, 0)).isEqualTo(bytes);
        }
    }

    private static String hex(Tensor tensor, int index) {
        StringBuilder text = new StringBuilder();
        for (byte b : tensor.slice(index, 1).data().toArray(ValueLayout.JAVA_BYTE)) {
            text.append("%02x".formatted(b));
        }
        return text.toString();
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void rangesAreReadAsTheirElementsAreAtAnyAlignment(DType type) {
        Tensor tensor = Tensors.misaligned(type, LENGTH);
        tensor.data().copyFrom(Tensors.anyBits(type, LENGTH, 1).data());
        ByteBuffer bytes = tensor.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[LENGTH];
        double[] doubles = new double[LENGTH];
        Elements.load(tensor, 7, floats, LENGTH - 7);
        Elements.load(tensor, 7, doubles, LENGTH - 7);
        for (int i = 7; i < LENGTH; i++) {
            double wanted = switch (type) {
                case F64 -> bytes.getDouble(8 * i);
                case F32 -> bytes.getFloat(4 * i);
                case BF16 -> Float.intBitsToFloat(bytes.getShort(2 * i) << 16);
                case F16 -> Float.float16ToFloat(bytes.getShort(2 * i));
                default -> FloatFormat.of(type).toFloat(bytes.get(i));
            };
            String place = "%s element %d, seed %d".formatted(type, i, Tensors.SEED);
            assertThat(Elements.get(tensor, i)).as(place).isEqualTo(Double.valueOf(wanted));
            assertThat(doubles[i - 7]).as(place).isEqualTo(Double.valueOf(wanted));
            assertThat(floats[i - 7]).as(place).isEqualTo(Float.valueOf((float) wanted));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void rangesAreWrittenAsTheirElementsAreAtAnyAlignment(DType type) {
        float[] floats = new float[LENGTH];
        double[] doubles = new double[LENGTH];
        Elements.load(Tensors.anyBits(DType.F32, LENGTH, 2), 0, floats, LENGTH);
        Elements.load(Tensors.random(DType.F64, LENGTH, 3, null, 1), 0, doubles, LENGTH);
        Tensor ofFloats = Tensors.misaligned(type, LENGTH);
        Tensor ofDoubles = Tensors.misaligned(type, LENGTH);
        Elements.store(floats, ofFloats, 5, LENGTH - 5);
        Elements.store(doubles, ofDoubles, 5, LENGTH - 5);
        Tensor wantedOfFloats = Tensors.zeros(type, LENGTH);
        Tensor wantedOfDoubles = Tensors.zeros(type, LENGTH);
        for (int i = 5; i < LENGTH; i++) {
            write(wantedOfFloats, i, floats[i - 5]);
            write(wantedOfDoubles, i, doubles[i - 5]);
        }
        assertThat(ofFloats.data().mismatch(wantedOfFloats.data()))
                .as("first byte that differs, %s, seed %d", type, Tensors.SEED).isEqualTo(-1);
        assertThat(ofDoubles.data().mismatch(wantedOfDoubles.data()))
                .as("first byte that differs, %s, seed %d", type, Tensors.SEED).isEqualTo(-1);
    }

    private static void write(Tensor tensor, int i, double value) {
        ByteBuffer bytes = tensor.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        switch (tensor.dtype()) {
            case F64 -> bytes.putLong(8 * i, Double.doubleToLongBits(value));
            case F32 -> bytes.putInt(4 * i, Float.floatToIntBits((float) value));
            case BF16, F16 -> bytes.putShort(2 * i, (short) FloatFormat.of(tensor.dtype()).fromDouble(value));
            default -> bytes.put(i, (byte) FloatFormat.of(tensor.dtype()).fromDouble(value));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
    void whatIsNotFiniteIsCounted(DType type) {
        Tensor tensor = Tensors.misaligned(type, LENGTH);
        tensor.data().copyFrom(Tensors.anyBits(type, LENGTH, 4).data());
        long[][] ranges = {{0, LENGTH}, {17, 900}, {LENGTH, 0}};
        for (int i = 100; i < 200; i++) {
            Elements.set(tensor, i, i % 3 == 0 ? Double.NaN : i % 3 == 1 ? Double.NEGATIVE_INFINITY : 1);
        }
        for (long[] range : ranges) {
            long wanted = 0;
            for (long i = range[0]; i < range[0] + range[1]; i++) {
                wanted += Double.isFinite(Elements.get(tensor, i)) ? 0 : 1;
            }
            assertThat(Elements.countNonFinite(tensor, range[0], range[1])).as("%s, seed %d", type, Tensors.SEED)
                    .isEqualTo(wanted);
        }
    }

    @Test
    void typesThatAreOnlyCarriedThroughAreRefused() {
        Tensor tensor = Tensors.zeros(DType.I32, 4);
        String message = "I32 is carried through unchanged, not computed with: wanted F64, F32, F16, BF16, F8_E4M3 or F8_E5M2";
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.get(tensor, 0)).withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.set(tensor, 0, 1)).withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.load(tensor, 0, new float[4], 4))
                .withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.load(tensor, 0, new double[4], 4))
                .withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.store(new float[4], tensor, 0, 4))
                .withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.store(new double[4], tensor, 0, 4))
                .withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> Elements.countNonFinite(tensor, 0, 4))
                .withMessage(message);
    }
}
