package dev.fusor.simd;

import dev.fusor.testing.Tensors;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

class FloatMathTest {
    /** Over all floats the worst were 0.8913 and 0.8484 units in the last place: docs/adr/014. */
    private static final double EXP_ULPS = 0.892;
    private static final double LOG_ULPS = 0.849;

    private static final int BINADE = 1 << 23;
    private static final int SIGN = 0x80000000;

    static final float[] EDGES = {0f, -0f, 1f, -1f, Float.MIN_VALUE, -Float.MIN_VALUE, Float.MIN_NORMAL,
        Float.MAX_VALUE, -Float.MAX_VALUE, Float.NaN, Float.intBitsToFloat(0xFFC12345), Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY, 88.72283f, 88.72284f, 89f, 90f, -87.33654f, -87.33655f, -103.97207f, -103.97208f,
        -104f, -105f, -1e30f, 0.6666666f, 0.6666667f, 1.3333333f, 1.3333334f};

    /** Every float of a binade: exponents of both signs, from nearly 1 to overflow and to subnormal numbers. */
    @ParameterizedTest
    @ValueSource(floats = {0.0625f, -0.5f, -1f, 64f, -64f})
    void expOfEveryFloatOfABinadeIsWithinAnUlp(float first) {
        int from = Float.floatToRawIntBits(first);
        assertThat(IntStream.range(from, from + BINADE).parallel()
                .mapToDouble(bits -> ulps(Float.intBitsToFloat(bits), FloatMath::exp, StrictMath::exp)).max()
                .getAsDouble()).isLessThanOrEqualTo(EXP_ULPS);
    }

    @ParameterizedTest
    @ValueSource(floats = {0.5f, 1f, 2f, 0x1p-127f, 0x1p127f})
    void logOfEveryFloatOfABinadeIsWithinAnUlp(float first) {
        int from = Float.floatToRawIntBits(first);
        assertThat(IntStream.range(from, Math.min(from + BINADE, 0x7F800000)).parallel()
                .mapToDouble(bits -> ulps(Float.intBitsToFloat(bits), FloatMath::log, StrictMath::log)).max()
                .getAsDouble()).isLessThanOrEqualTo(LOG_ULPS);
    }

    @Test
    void samplesOfAllFloatsAreWithinAnUlp() {
        int step = 977;
        int offset = new SplittableRandom(Tensors.SEED).nextInt(step);
        int count = 0x7F800000 / step;
        assertThat(IntStream.range(0, count).parallel().mapToDouble(i -> {
            float x = Float.intBitsToFloat(offset + i * step);
            double exp = Math.max(ulps(x, FloatMath::exp, StrictMath::exp), ulps(-x, FloatMath::exp, StrictMath::exp));
            return Math.max(exp / EXP_ULPS, ulps(x, FloatMath::log, StrictMath::log) / LOG_ULPS);
        }).max().getAsDouble()).as("share of the bound, seed %d", Tensors.SEED).isLessThanOrEqualTo(1);
    }

    @Test
    void edgesAreAsStated() {
        assertThat(FloatMath.exp(0f)).isEqualTo(1f);
        assertThat(FloatMath.exp(-0f)).isEqualTo(1f);
        assertThat(FloatMath.exp(88.7228f)).isFinite();
        assertThat(FloatMath.exp(88.7229f)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(FloatMath.exp(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(FloatMath.exp(-87.3366f)).isLessThan(Float.MIN_NORMAL).isPositive();
        assertThat(FloatMath.exp(-103.972f)).isEqualTo(Float.MIN_VALUE);
        assertThat(Float.floatToRawIntBits(FloatMath.exp(-103.973f))).isZero();
        assertThat(Float.floatToRawIntBits(FloatMath.exp(Float.NEGATIVE_INFINITY))).isZero();
        assertThat(FloatMath.exp(Float.NaN)).isNaN();
        assertThat(Float.floatToRawIntBits(FloatMath.log(1f))).isZero();
        assertThat(FloatMath.log(0f)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(FloatMath.log(-0f)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(FloatMath.log(-Float.MIN_VALUE)).isNaN();
        assertThat(FloatMath.log(Float.NEGATIVE_INFINITY)).isNaN();
        assertThat(FloatMath.log(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(FloatMath.log(Float.NaN)).isNaN();
    }

    @Test
    void vectorsGiveTheSameBits() {
        assumeTrue(Specialised.available(), "no vectors here");
        Vectors.compare();
    }

    /** In units in the last place of the exact result; no distance at all where both are infinite or NaN. */
    private static double ulps(float x, FloatFunction function, DoubleUnaryOperator exact) {
        float got = function.of(x);
        double wanted = exact.applyAsDouble(x);
        float nearest = (float) wanted;
        if (!Float.isFinite(nearest)) {
            return Float.compare(got, nearest) == 0 ? 0 : Double.POSITIVE_INFINITY;
        }
        double distance = Math.abs(got - wanted) / Math.ulp(nearest);
        return distance >= 0 ? distance : Double.POSITIVE_INFINITY;
    }

    private interface FloatFunction {
        float of(float x);
    }

    /** Apart, because it cannot be loaded without the Vector API. */
    private static final class Vectors {
        private static void compare() {
            int length = Lanes.LENGTH;
            float[] x = new float[1 << 20];
            SplittableRandom random = new SplittableRandom(Tensors.SEED);
            for (int i = 0; i < x.length; i++) {
                int any = random.nextInt();
                x[i] = i < EDGES.length
                        ? EDGES[i]
                        : i % 2 == 0
                                ? Float.intBitsToFloat(any)
                                : Float.intBitsToFloat(any & SIGN) + (random.nextFloat() * 193f - 104f);
            }
            float[] exp = new float[x.length];
            float[] log = new float[x.length];
            float[] notAbove = new float[x.length];
            float[] bounded = new float[x.length];
            float[] normal = new float[x.length];
            for (int i = 0; i < x.length; i += length) {
                FloatVector v = FloatVector.fromArray(Lanes.FLOAT, x, i);
                LanesMath.exp(v).intoArray(exp, i);
                LanesMath.expNotAbove(v).intoArray(notAbove, i);
                LanesMath.expBounded(v).intoArray(bounded, i);
                LanesMath.expNormal(v).intoArray(normal, i);
                LanesMath.log(v).intoArray(log, i);
            }
            for (int i = 0; i < x.length; i++) {
                int wanted = Float.floatToIntBits(FloatMath.exp(x[i]));
                assertThat(Float.floatToIntBits(exp[i])).as("exp of %a, seed %d", x[i], Tensors.SEED)
                        .isEqualTo(wanted);
                if (!(x[i] > 89)) {
                    assertThat(Float.floatToIntBits(notAbove[i])).as("exp of %a", x[i]).isEqualTo(wanted);
                    if (x[i] >= FloatMath.EXP_NORMAL && x[i] <= 88) {
                        assertThat(Float.floatToIntBits(normal[i])).as("exp of %a", x[i]).isEqualTo(wanted);
                    }
                    if (!(x[i] < -104)) {
                        assertThat(Float.floatToIntBits(bounded[i])).as("exp of %a", x[i]).isEqualTo(wanted);
                    }
                }
                assertThat(Float.floatToIntBits(log[i])).as("log of %a, seed %d", x[i], Tensors.SEED)
                        .isEqualTo(Float.floatToIntBits(FloatMath.log(x[i])));
            }
        }
    }
}
