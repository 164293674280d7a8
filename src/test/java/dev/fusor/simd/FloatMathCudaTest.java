package dev.fusor.simd;

import dev.fusor.device.cuda.CudaLaunch;
import dev.fusor.device.cuda.TestKernels;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;

/** The functions of float_math.cuh against {@link FloatMath}, bit for bit. */
@RequiresCuda
class FloatMathCudaTest extends CudaTensors {
    private static final int OF_EACH_EXPONENT = 1 << 10;

    /** All signs and exponents with random mantissas and with the extreme ones, what is next to the bounds, and differences. */
    private static float[] sweep() {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        float[] x = new float[1 << 20];
        for (int i = 0; i < x.length; i++) {
            int exponent = i / OF_EACH_EXPONENT % 512 << 23;
            int mantissa = switch (i % OF_EACH_EXPONENT) {
                case 0 -> 0;
                case 1 -> 1;
                case 2 -> (1 << 23) - 1;
                default -> random.nextInt(1 << 23);
            };
            x[i] = i < x.length / 2 ? Float.intBitsToFloat(exponent | mantissa) : -104f * random.nextFloat();
        }
        float[] edges = FloatMathTest.EDGES;
        System.arraycopy(edges, 0, x, x.length - edges.length, edges.length);
        return x;
    }

    @Test
    void expAndLogHaveTheBitsOfTheProcessors() {
        float[] x = sweep();
        Tensor numbers = Tensors.zeros(DType.F32, x.length);
        numbers.data().copyFrom(MemorySegment.ofArray(x));
        Tensor in = there(numbers, 0);
        Tensor exponentials = there(DType.F32, x.length, 0);
        Tensor ofDifferences = there(DType.F32, x.length, 0);
        Tensor logarithms = there(DType.F32, x.length, 0);
        try (CudaLaunch launch = device.kernelOf(TestKernels.ptx("float_math"), "float_math_f32")
                .prepare(8, 8, 8, 8, 8)) {
            launch.grid(64).block(256, 0).set(0, in.data()).set(1, (long) x.length).set(2, exponentials.data())
                    .set(3, ofDifferences.data()).set(4, logarithms.data()).on(stream);
        }
        assertThat(bits(back(exponentials))).as("exp, seed %d", Tensors.SEED).isEqualTo(bits(x, FloatMath::exp));
        assertThat(bits(back(ofDifferences))).as("exp of differences, seed %d", Tensors.SEED)
                .isEqualTo(bits(x, FloatMath::exp));
        assertThat(bits(back(logarithms))).as("log, seed %d", Tensors.SEED).isEqualTo(bits(x, FloatMath::log));
    }

    private static int[] bits(Tensor numbers) {
        return bits(numbers.data().toArray(JAVA_FLOAT), x -> x);
    }

    private static int[] bits(float[] x, UnaryOperator<Float> function) {
        return IntStream.range(0, x.length).map(i -> Float.floatToIntBits(function.apply(x[i]))).toArray();
    }
}
