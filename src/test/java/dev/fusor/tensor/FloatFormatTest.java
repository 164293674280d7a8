package dev.fusor.tensor;

import dev.fusor.testing.Tensors;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class FloatFormatTest {
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void everyCodeHasTheValueItsFormatDefines(DType type) {
        Definition definition = Definition.of(type);
        for (int code = 0; code < 1 << type.bits(); code++) {
            float value = FloatFormat.of(type).toFloat(code);
            assertThat(value).as("%s code %x", type, code).isEqualTo(Float.valueOf((float) definition.value(code)));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void everyCodeSurvivesTheWayToFloat32AndBack(DType type) {
        FloatFormat format = FloatFormat.of(type);
        for (int code = 0; code < 1 << type.bits(); code++) {
            float value = format.toFloat(code);
            assertThat(format.fromFloat(value)).as("%s code %x", type, code)
                    .isEqualTo(Float.isNaN(value) ? format.nan() : code);
        }
    }

    /** Around every midpoint between neighbours, where rounding decides, and at random. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void narrowingFindsTheNearestAndAmongTwoTheEven(DType type) {
        Definition definition = Definition.of(type);
        FloatFormat format = FloatFormat.of(type);
        List<Double> values = new ArrayList<>();
        for (int code = 0; code < definition.firstSpecial; code++) {
            double low = definition.value(code);
            double middle = (low + definition.unbounded(code + 1)) / 2;
            values.addAll(List.of(low, middle, Math.nextUp(middle), Math.nextDown(middle)));
            values.addAll(List.of((double) Math.nextUp((float) middle), (double) Math.nextDown((float) middle)));
        }
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int i = 0; i < 20_000; i++) {
            values.add((double) Float.intBitsToFloat(random.nextInt() & 0x7FFFFFFF));
            values.add(Double.longBitsToDouble(random.nextLong() & Long.MAX_VALUE));
            values.add(random.nextDouble() * definition.unbounded(random.nextInt(definition.firstSpecial + 1)));
        }
        values.addAll(List.of(0.0, Double.MIN_VALUE, (double) Float.MIN_VALUE, (double) Float.MIN_NORMAL,
                (double) Float.MAX_VALUE, Math.nextUp((double) Float.MAX_VALUE), Double.MAX_VALUE,
                Double.POSITIVE_INFINITY));
        for (double value : values) {
            if (Double.isNaN(value)) {
                continue;
            }
            int wanted = definition.nearest(value);
            assertThat(format.fromDouble(value)).as("%s of %s, seed %d", type, value, Tensors.SEED).isEqualTo(wanted);
            assertThat(format.fromDouble(-value)).as("%s of -%s", type, value)
                    .isEqualTo(wanted | format.signBit());
            if ((float) value == value) {
                assertThat(format.fromFloat((float) value)).as("%s of %s", type, value).isEqualTo(wanted);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16", "F8_E4M3", "F8_E5M2"})
    void everyNaNBecomesTheOneQuietNaN(DType type) {
        FloatFormat format = FloatFormat.of(type);
        for (int nan : new int[]{0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F812345}) {
            assertThat(format.fromFloat(Float.intBitsToFloat(nan))).as("%s of NaN %x", type, nan)
                    .isEqualTo(format.nan());
        }
        for (long nan : new long[]{0x7FF8000000000000L, -1L, 0x7FF0000000000001L, 0xFFF0000000000001L}) {
            assertThat(format.fromDouble(Double.longBitsToDouble(nan))).as("%s of NaN %x", type, nan)
                    .isEqualTo(format.nan());
        }
        assertThat(format.toFloat(format.nan())).isNaN();
    }

    @Test
    void binary16IsWidenedAndNarrowedAsTheJdkDoesIt() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int i = 0; i < 100_000; i++) {
            float value = Float.intBitsToFloat(random.nextInt());
            if (!Float.isNaN(value)) {
                assertThat((short) FloatFormat.F16.fromFloat(value)).as("%s, seed %d", value, Tensors.SEED)
                        .isEqualTo(Float.floatToFloat16(value));
            }
        }
    }

    @Test
    void otherTypesHaveNoNarrowFormat() {
        assertThatIllegalArgumentException().isThrownBy(() -> FloatFormat.of(DType.F32))
                .withMessage("F32 is no floating-point format narrower than F32");
    }

    @Test
    void overflowGoesWhereTheFormatSends() {
        assertThat(FloatFormat.F8_E4M3.fromFloat(464)).isEqualTo(0x7E); // a tie with 480, which is not there: 448 is even
        assertThat(FloatFormat.F8_E4M3.fromFloat(Math.nextUp(464f))).isEqualTo(0x7F);
        assertThat(FloatFormat.F8_E4M3.fromFloat(Float.POSITIVE_INFINITY)).isEqualTo(0x7F);
        assertThat(FloatFormat.F8_E5M2.fromFloat(61440)).isEqualTo(0x7C);
        assertThat(FloatFormat.F16.fromFloat(65520)).isEqualTo(0x7C00);
        assertThat(FloatFormat.F16.fromFloat(Math.nextDown(65520f))).isEqualTo(0x7BFF);
        assertThat(FloatFormat.F8_E4M3.fromFloat(-465)).isEqualTo(0xFF);
        assertThat(FloatFormat.F8_E4M3.fromDouble(Math.nextUp(464.0))).isEqualTo(0x7F);
        assertThat(FloatFormat.F8_E5M2.fromFloat(Math.nextDown(61440f))).isEqualTo(0x7B);
        assertThat(FloatFormat.F8_E5M2.fromDouble(Math.nextDown(61440.0))).isEqualTo(0x7B);
        assertThat(FloatFormat.F16.fromDouble(Math.nextDown(65520.0))).isEqualTo(0x7BFF);
        assertThat(FloatFormat.F16.fromFloat(-65520)).isEqualTo(0xFC00);
        float highestTie = Float.intBitsToFloat(0x7F7F8000);
        assertThat(FloatFormat.BF16.fromFloat(highestTie)).isEqualTo(0x7F80);
        assertThat(FloatFormat.BF16.fromFloat(Math.nextDown(highestTie))).isEqualTo(0x7F7F);
        assertThat(FloatFormat.BF16.fromDouble(Math.nextDown((double) highestTie))).isEqualTo(0x7F7F);
        assertThat(FloatFormat.BF16.fromFloat(Float.MAX_VALUE)).isEqualTo(0x7F80);
        assertThat(FloatFormat.BF16.fromDouble(Double.MAX_VALUE)).isEqualTo(0x7F80);
    }

    @Test
    void aDoubleIsRoundedOnceAndNotTwice() {
        // Just above a midpoint of BF16 by less than float32 can hold: by way of float32 it would tie, to the even 0x3F80.
        assertThat(FloatFormat.BF16.fromDouble(1 + 0x1p-8 + 0x1p-40)).isEqualTo(0x3F81);
        assertThat(FloatFormat.BF16.fromDouble(1 + 3 * 0x1p-8 - 0x1p-40)).isEqualTo(0x3F81);
    }

    /** A format as its specification writes it. */
    private record Definition(int mantissaBits, int bias, int firstSpecial, boolean hasInfinity, int bits) {
        static Definition of(DType type) {
            return switch (type) {
                case BF16 -> new Definition(7, 127, 0x7F80, true, 16);
                case F16 -> new Definition(10, 15, 0x7C00, true, 16);
                case F8_E5M2 -> new Definition(2, 15, 0x7C, true, 8);
                case F8_E4M3 -> new Definition(3, 7, 0x7F, false, 8);
                default -> throw new AssertionError(type);
            };
        }

        double value(int code) {
            int sign = 1 << bits - 1;
            int magnitude = code & sign - 1;
            double value = magnitude < firstSpecial
                    ? unbounded(magnitude)
                    : hasInfinity && magnitude == firstSpecial ? Double.POSITIVE_INFINITY : Double.NaN;
            return (code & sign) == 0 ? value : -value;
        }

        /** The value as if no code were special. */
        double unbounded(int magnitude) {
            int exponent = magnitude >> mantissaBits;
            int mantissa = magnitude & (1 << mantissaBits) - 1;
            return exponent == 0
                    ? Math.scalb((double) mantissa, 1 - bias - mantissaBits)
                    : Math.scalb((double) (mantissa + (1 << mantissaBits)), exponent - bias - mantissaBits);
        }

        /** By exact comparison of the distances; the first special code stands for all that is too large. */
        int nearest(double value) {
            if (value >= unbounded(firstSpecial)) {
                return firstSpecial;
            }
            int low = 0;
            int high = firstSpecial;
            while (high - low > 1) {
                int middle = (low + high) / 2;
                if (unbounded(middle) <= value) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            BigDecimal exact = new BigDecimal(value);
            int order = exact.subtract(new BigDecimal(unbounded(low)))
                    .compareTo(new BigDecimal(unbounded(high)).subtract(exact));
            return order < 0 || order == 0 && low % 2 == 0 ? low : high;
        }
    }
}
