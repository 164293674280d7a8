package dev.fusor.linalg;

import dev.fusor.device.cuda.CudaFormats;
import dev.fusor.linalg.PermutedInterpolationCuda.Item;
import dev.fusor.simulator.RequiresCuda;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Elements;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.CudaTensors;
import dev.fusor.testing.Tensors;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static dev.fusor.linalg.UnitSimilarityTest.shuffled;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/** The kernels against the definition, bit for bit. */
@RequiresCuda
class PermutedInterpolationCudaTest extends CudaTensors {
    private static final double T = 0.3;

    /** A shape, and which of its axes are permuted. */
    private record Move(Shape shape, List<Integer> axes) {
        static Move of(Shape shape, Integer... axes) {
            return new Move(shape, List.of(axes));
        }

        int[][] orders() {
            int[][] orders = new int[shape.rank()][];
            axes.forEach(axis -> orders[axis] = shuffled((int) shape.extent(axis)));
            return orders;
        }

        /** Where an element comes from: each of its coordinates goes through its order. */
        long source(int[][] orders, long element) {
            long source = 0;
            long stride = 1;
            long rest = element;
            for (int axis = shape.rank() - 1; axis >= 0; axis--) {
                int entry = (int) (rest % shape.extent(axis));
                source += stride * (orders[axis] == null ? entry : orders[axis][entry]);
                stride *= shape.extent(axis);
                rest /= shape.extent(axis);
            }
            return source;
        }
    }

    private static final List<Move> MOVES = List.of(Move.of(Shape.of()), Move.of(Shape.of(1), 0),
            Move.of(Shape.of(7), 0),
            Move.of(Shape.of(5, 0, 3), 0, 2), Move.of(Shape.of(3, 17)), Move.of(Shape.of(3, 17), 0),
            Move.of(Shape.of(3, 17), 1), Move.of(Shape.of(300, 1), 0, 1), Move.of(Shape.of(1, 1)),
            Move.of(Shape.of(257, 24), 0, 1), Move.of(Shape.of(40, 300), 1), Move.of(Shape.of(9, 4096), 0),
            Move.of(Shape.of(5, 16, 3, 4), 0, 1), Move.of(Shape.of(5, 16, 3, 4), 1, 3),
            Move.of(Shape.of(5, 16, 3, 4), 0, 2));

    /** Some whose lines exceed shared memory: cut in pieces, left whole, and gathered. */
    private static final List<Move> LONG = List.of(Move.of(Shape.of(2, 65_536), 0), Move.of(Shape.of(3, 65_537), 0),
            Move.of(Shape.of(2, 61_500), 0, 1), Move.of(Shape.of(2, 40_000, 2), 1));

    private static Tensor shaped(Tensor flat, Shape shape) {
        return Tensor.of(flat.data(), flat.dtype(), shape);
    }

    private void moves(DType type, List<Move> moves, int shift) {
        List<Item> items = new ArrayList<>();
        List<Tensor> hosts = new ArrayList<>();
        for (Move move : moves) {
            Tensor host = Tensors.anyBits(type, move.shape.elements(), 1);
            hosts.add(host);
            items.add(Item.move(PermutedView.of(shaped(there(host, shift), move.shape), move.orders()),
                    there(type, host.elements(), shift)));
        }
        try (PermutedInterpolationCuda launch = PermutedInterpolationCuda.prepare(stream, items)) {
            launch.run();
        }
        int size = (int) type.byteSize(1);
        for (int i = 0; i < moves.size(); i++) {
            Move move = moves.get(i);
            byte[] from = Tensors.bytes(hosts.get(i));
            byte[] wanted = new byte[from.length];
            int[][] orders = move.orders();
            for (int element = 0; element < from.length / size; element++) {
                System.arraycopy(from, (int) move.source(orders, element) * size, wanted, element * size, size);
            }
            assertThat(Tensors.bytes(back(items.get(i).out()))).as("%s, %s, shift %d, seed %d", type, move, shift,
                    Tensors.SEED).isEqualTo(wanted);
        }
    }

    /** Each result goes where the first tensor was, or elsewhere. */
    private void interpolates(DType type, List<Move> moves, int shift, boolean inPlace) {
        List<Item> items = new ArrayList<>();
        List<Tensor> firsts = new ArrayList<>();
        List<Tensor> seconds = new ArrayList<>();
        for (Move move : moves) {
            firsts.add(Tensors.anyBits(type, move.shape.elements(), 1));
            seconds.add(Tensors.anyBits(type, move.shape.elements(), 2));
            Tensor first = there(firsts.getLast(), shift);
            items.add(new Item(first, PermutedView.of(shaped(there(seconds.getLast(), shift), move.shape),
                    move.orders()), T, inPlace ? first : there(type, first.elements(), 0)));
        }
        try (PermutedInterpolationCuda launch = PermutedInterpolationCuda.prepare(stream, items)) {
            launch.run();
        }
        for (int i = 0; i < moves.size(); i++) {
            Move move = moves.get(i);
            int[][] orders = move.orders();
            Tensor wanted = Tensors.zeros(type, move.shape.elements());
            for (long element = 0; element < wanted.elements(); element++) {
                float a = (float) Elements.get(firsts.get(i), element);
                float b = (float) Elements.get(seconds.get(i), move.source(orders, element));
                Elements.set(wanted, element, Math.fma((float) T, b, (float) (1 - T) * a));
            }
            assertThat(Tensors.bytes(back(items.get(i).out()))).as("%s, %s, shift %d, seed %d", type, move, shift,
                    Tensors.SEED).isEqualTo(Tensors.bytes(wanted));
        }
    }

    @ParameterizedTest
    @EnumSource(value = DType.class, mode = EnumSource.Mode.EXCLUDE, names = {"F4", "F6_E2M3", "F6_E3M2"})
    void everyElementComesFromWhereItsEntriesStood(DType type) {
        for (int shift : new int[]{0, 1, 3}) {
            moves(type, MOVES, shift);
        }
    }

    @Test
    void everyElementIsInterpolatedOnceAndRoundedOnce() {
        for (DType type : CudaFormats.ALL) {
            interpolates(type, MOVES, 0, false);
            interpolates(type, MOVES, 0, true);
            interpolates(type, MOVES, 3, false);
        }
    }

    @Test
    void linesMayExceedSharedMemory() {
        moves(DType.F8_E5M2, LONG, 0);
        moves(DType.BF16, LONG, 1);
        interpolates(DType.BF16, LONG, 0, true);
    }

    @Test
    void whatDoesNotFitIsNamed() {
        Tensor three = there(DType.F32, 3, 0);
        Tensor four = there(DType.F32, 4, 0);
        Tensor wide = there(DType.F64, 3, 0);
        PermutedView view = PermutedView.of(three);
        refused(List.of(), "a launch of moves takes at least 1 item, got none");
        String one = "a launch of moves takes tensors of one type, and of equal length in each item, all interpolated or none; got %s, %s and %s where %s was wanted";
        refused(List.of(Item.move(view, four)), one.formatted("null", "F32 [3]", "F32 [4]", "F32"));
        refused(List.of(Item.move(view, three), Item.move(PermutedView.of(wide), wide)),
                one.formatted("null", "F64 [3]", "F64 [3]", "F32"));
        refused(List.of(Item.move(view, three), new Item(three, view, T, three)),
                one.formatted("F32 [3]", "F32 [3]", "F32 [3]", "F32"));
        refused(List.of(new Item(four, view, T, three)), one.formatted("F32 [4]", "F32 [3]", "F32 [3]", "F32"));
        refused(List.of(new Item(wide, PermutedView.of(wide), T, wide)),
                "on a device elements of one of [F32, F16, BF16, F8_E4M3, F8_E5M2] are interpolated, and elements of whole bytes moved, got F64 [3]");
        refused(List.of(Item.move(view, Tensors.zeros(DType.F32, 3))),
                "wanted device memory, got host memory of 12 bytes: copy it to the device first, by CudaStream.upload");
    }

    private void refused(List<Item> items, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> PermutedInterpolationCuda.prepare(stream, items))
                .withMessage(message);
    }
}
