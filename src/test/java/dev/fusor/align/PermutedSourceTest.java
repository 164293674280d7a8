package dev.fusor.align;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.testing.Tensors;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class PermutedSourceTest {
    private static final PermutationGroup FIVE = new PermutationGroup("five", 5);
    private static final PermutationGroup TWO = new PermutationGroup("two", 2);

    /** Axis 1 has a fixed head, units of two, one fixed entry and units of one; axes 0 and 3 have what their lengths allow. */
    private static final Shape SHAPE = Shape.of(5, 1 + 10 + 1 + 5, 3, 4);
    private static final List<Occurrence> OCCURRENCES = List.of(new Occurrence("t", 1, 12, FIVE, 1),
            new Occurrence("t", 0, 0, FIVE, 1), new Occurrence("t", 1, 1, FIVE, 2),
            new Occurrence("t", 3, 0, TWO, 2));

    static Permutations random(List<PermutationGroup> groups, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Map<PermutationGroup, int[]> permutations = new LinkedHashMap<>();
        for (PermutationGroup group : groups) {
            List<Integer> units = new ArrayList<>(IntStream.range(0, group.units()).boxed().toList());
            Collections.shuffle(units, new Random(random.nextLong()));
            permutations.put(group, units.stream().mapToInt(Integer::intValue).toArray());
        }
        return new Permutations(permutations);
    }

    /** Where an entry of an axis comes from: by the definition, one entry at a time. */
    private static long source(List<Occurrence> occurrences, Permutations permutations, int axis, long entry) {
        for (Occurrence occurrence : occurrences) {
            if (occurrence.axis() == axis && entry >= occurrence.start() && entry < occurrence.end()) {
                long unit = (entry - occurrence.start()) / occurrence.block();
                return occurrence.start()
                        + permutations.of(occurrence.group())[(int) unit] * occurrence.block()
                        + (entry - occurrence.start()) % occurrence.block();
            }
        }
        return entry;
    }

    private static long source(Shape shape, List<Occurrence> occurrences, Permutations permutations, long element) {
        long rest = element;
        long source = 0;
        long stride = 1;
        for (int axis = shape.rank() - 1; axis >= 0; axis--) {
            source += stride * source(occurrences, permutations, axis, rest % shape.extent(axis));
            rest /= shape.extent(axis);
            stride *= shape.extent(axis);
        }
        return source;
    }

    private static byte[] element(byte[] bytes, long element, int size) {
        return Arrays.copyOfRange(bytes, (int) element * size, (int) (element + 1) * size);
    }

    private static Tensor anyBits(DType type, Shape shape) {
        Tensor bits = Tensors.anyBits(type, shape.elements(), 1);
        Tensor misaligned = Tensors.misaligned(type, shape.elements());
        misaligned.data().copyFrom(bits.data());
        return Tensor.of(misaligned.data(), type, shape);
    }

    private static void compare(DType type, Shape shape, List<Occurrence> occurrences) {
        Permutations permutations = random(List.of(FIVE, TWO), Tensors.SEED);
        Tensor in = anyBits(type, shape);
        byte[] before = Tensors.bytes(in);
        byte[] whole = Tensors.bytes(PermutedSource.of(in, occurrences, permutations).slice(0, shape.elements()));
        int size = type.bits() / 8;
        for (long element = 0; element < shape.elements(); element++) {
            assertThat(element(whole, element, size)).as("element %d of %s %s, seed %d", element, type, shape,
                    Tensors.SEED).isEqualTo(element(before, source(shape, occurrences, permutations, element), size));
        }
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, mode = EnumSource.Mode.EXCLUDE, names = {"F4", "F6_E2M3", "F6_E3M2"})
    void everyElementComesFromWhereItsUnitStood(DType type) {
        compare(type, SHAPE, OCCURRENCES);
        compare(type, SHAPE, OCCURRENCES.subList(0, 3));
        compare(type, SHAPE, OCCURRENCES.subList(1, 2));
        compare(type, Shape.of(5), OCCURRENCES.subList(1, 2));
        compare(type, Shape.of(3, 30), List.of(new Occurrence("t", 1, 0, FIVE, 6)));
        compare(type, Shape.of(3, 34), List.of(new Occurrence("t", 1, 4, FIVE, 6)));
        compare(type, Shape.of(20, 3), List.of(new Occurrence("t", 0, 0, TWO, 4), new Occurrence("t", 0, 8, FIVE, 2)));
        compare(type, Shape.of(5, 0), OCCURRENCES.subList(1, 2));
    }

    /** Around vectors of any width, and lines too long to be read as a whole. */
    @ParameterizedTest
    @EnumSource(value = DType.class, names = {"F8_E5M2", "BF16", "I32", "F64"})
    void singleEntriesMoveInLinesOfAnyLength(DType type) {
        for (int length : new int[]{2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 300, 65_536, 65_537}) {
            PermutationGroup group = new PermutationGroup("entries", length);
            Permutations permutations = random(List.of(group), Tensors.SEED);
            int[] order = permutations.of(group);
            Shape shape = Shape.of(3, length);
            Tensor in = anyBits(type, shape);
            byte[] before = Tensors.bytes(in);
            TensorSource permuted = PermutedSource.of(in, List.of(new Occurrence("t", 1, 0, group, 1)), permutations);
            int size = type.bits() / 8;
            SplittableRandom random = new SplittableRandom(Tensors.SEED);
            for (int i = 0; i < 6; i++) {
                int from = i == 0 ? 0 : random.nextInt(3 * length);
                int count = i == 0 ? 3 * length : random.nextInt(3 * length - from + 1);
                byte[] wanted = new byte[count * size];
                for (int k = 0; k < count; k++) {
                    int line = (from + k) / length;
                    int source = line * length + order[(from + k) % length];
                    System.arraycopy(before, source * size, wanted, k * size, size);
                }
                assertThat(Tensors.bytes(permuted.slice(from, count))).as("%d from %d of %s %s, seed %d", count, from,
                        type, shape, Tensors.SEED).isEqualTo(wanted);
            }
        }
    }

    @Test
    void anyRangeIsThatOfTheWhole() {
        Permutations permutations = random(List.of(FIVE, TWO), Tensors.SEED);
        for (List<Occurrence> occurrences : List.of(OCCURRENCES, OCCURRENCES.subList(0, 3))) {
            TensorSource permuted = PermutedSource.of(anyBits(DType.F16, SHAPE), occurrences, permutations);
            byte[] whole = Tensors.bytes(permuted.slice(0, SHAPE.elements()));
            SplittableRandom random = new SplittableRandom(Tensors.SEED);
            for (int i = 0; i < 500; i++) {
                int from = random.nextInt((int) SHAPE.elements() + 1);
                int count = random.nextInt((int) SHAPE.elements() - from + 1);
                assertThat(Tensors.bytes(permuted.slice(from, count))).as("%d from %d, seed %d", count, from,
                        Tensors.SEED).isEqualTo(Arrays.copyOfRange(whole, 2 * from, 2 * (from + count)));
            }
        }
    }

    @Test
    void theInversePutsEverythingBack() {
        Permutations permutations = random(List.of(FIVE, TWO), Tensors.SEED);
        Tensor in = anyBits(DType.BF16, SHAPE);
        Tensor there = Tensor.of(PermutedSource.of(in, OCCURRENCES, permutations).slice(0, SHAPE.elements()).data(),
                DType.BF16, SHAPE);
        Tensor back = PermutedSource.of(there, OCCURRENCES, permutations.inverse()).slice(0, SHAPE.elements());

        assertThat(Tensors.bytes(there)).isNotEqualTo(Tensors.bytes(in));
        assertThat(Tensors.bytes(back)).isEqualTo(Tensors.bytes(in));
    }

    @Test
    void aTensorWithoutUnitsIsItself() {
        Tensor packed = Tensors.anyBits(DType.F4, 8, 2);

        assertThat(PermutedSource.of(packed, List.of(), Permutations.identity(List.of()))).isSameAs(packed);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor five = Tensors.zeros(DType.F32, 5);
        Occurrence rows = OCCURRENCES.get(1);
        Permutations identity = Permutations.identity(List.of(FIVE, TWO));

        assertThatIllegalArgumentException().isThrownBy(() -> PermutedSource.of(five, OCCURRENCES, identity))
                .withMessageContaining("does not fit F32 [5]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PermutedSource.of(Tensors.zeros(DType.F32, 4), List.of(rows), identity));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PermutedSource.of(five, List.of(rows), Permutations.identity(List.of(TWO))))
                .withMessageContaining("no permutation for");
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> PermutedSource.of(Tensors.zeros(DType.F4, 2), List.of(new Occurrence("t", 0, 0, TWO, 1)),
                                identity))
                .withMessage("tensor 't' F4 [2]: units of elements smaller than a byte cannot move");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PermutedSource.of(Tensor.allocate(Arena.ofAuto(), DType.F32, 1L << 31, 0),
                        List.of(new Occurrence("t", 0, 0, TWO, 1L << 30)), identity))
                .withMessage("axis 0 of F32 [2147483648, 0] has more than 2^31 - 1 entries, and cannot be permuted");
        PermutedSource permuted = (PermutedSource) PermutedSource.of(five, List.of(rows), identity);
        assertThatIllegalArgumentException().isThrownBy(() -> permuted.copy(0, Tensors.zeros(DType.F16, 5)))
                .withMessage("wanted a tensor of F32, got F16 [5]");
        assertThatExceptionOfType(IndexOutOfBoundsException.class)
                .isThrownBy(() -> permuted.copy(1, Tensors.zeros(DType.F32, 5)));
    }
}
