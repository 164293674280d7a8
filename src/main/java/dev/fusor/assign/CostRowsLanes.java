package dev.fusor.assign;

import dev.fusor.simd.Specialised;
import dev.fusor.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Template: the loops over rows of costs. Comparisons and blends instead of min, which orders zeros by their signs. */
final class CostRowsLanes implements CostRows.Loops {
    private static final CostRows.Form FORM = Specialised.constants(MethodHandles.lookup(), CostRows.Form.class);
    private static final DType TYPE = FORM.type();
    private static final boolean NEGATED = FORM.negated();
    private static final int BYTES = TYPE.bits() / 8;

    private static final VectorSpecies<Double> DOUBLE = DoubleVector.SPECIES_PREFERRED;
    private static final VectorShape HALF = VectorShape.forBitSize(DOUBLE.vectorBitSize() / 2);
    private static final VectorSpecies<Float> FLOAT = VectorSpecies.of(float.class, HALF);
    private static final VectorSpecies<Integer> INT = VectorSpecies.of(int.class, HALF);
    private static final VectorSpecies<Long> LONG = LongVector.SPECIES_PREFERRED;
    private static final int LANES = DOUBLE.length();
    private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    CostRowsLanes() {}

    @Override
    public double survey(MemorySegment data, long at, int from, int to, double expected, double[] least) {
        DoubleVector largest = DoubleVector.zero(DOUBLE);
        VectorMask<Double> fit = DOUBLE.maskAll(true);
        for (int j = from; j < to; j += LANES) {
            DoubleVector cost = costs(data, at + (long) j * BYTES);
            DoubleVector known = DoubleVector.fromArray(DOUBLE, least, j);
            DoubleVector reduced = cost.sub(expected);
            known.blend(reduced, reduced.lt(known)).intoArray(least, j);
            DoubleVector magnitude = cost.abs();
            VectorMask<Double> finite = magnitude.lt(INFINITY);
            fit = fit.and(finite.or(cost.eq(INFINITY)));
            largest = largest.blend(magnitude, finite.and(largest.lt(magnitude)));
        }
        return fit.allTrue() ? largest.reduceLanes(VectorOperators.MAX) : Double.NaN;
    }

    @Override
    public void leastOfGroups(MemorySegment data, long at, int to, double[] dual, double[] least) {
        for (int j = 0; j < to; j += LANES) {
            DoubleVector reduced = costs(data, at + (long) j * BYTES).sub(DoubleVector.fromArray(DOUBLE, dual, j));
            DoubleVector known = DoubleVector.fromArray(DOUBLE, least, j % CostRows.GROUPS);
            known.blend(reduced, reduced.lt(known)).intoArray(least, j % CostRows.GROUPS);
        }
    }

    @Override
    public void leastTwo(MemorySegment data, long at, int to, double[] dual, double[] two, double[] lanes) {
        DoubleVector least = DoubleVector.broadcast(DOUBLE, INFINITY);
        DoubleVector second = least;
        for (int j = 0; j < to; j += LANES) {
            DoubleVector reduced = costs(data, at + (long) j * BYTES).sub(DoubleVector.fromArray(DOUBLE, dual, j));
            VectorMask<Double> lower = reduced.lt(least);
            DoubleVector other = reduced.blend(least, lower);
            least = least.blend(reduced, lower);
            second = second.blend(other, other.lt(second));
        }
        least.intoArray(lanes, 0);
        second.intoArray(lanes, LANES);
        for (int l = 0; l < 2 * LANES; l++) {
            CostRows.lower(two, lanes[l]);
        }
    }

    @Override
    public int collect(MemorySegment data, long at, int to, double[] dual, double limit, int most, int[] found) {
        int count = 0;
        for (int j = 0; j < to && count <= most; j += LANES) {
            DoubleVector reduced = costs(data, at + (long) j * BYTES).sub(DoubleVector.fromArray(DOUBLE, dual, j));
            long hits = reduced.compare(VectorOperators.LE, limit).and(reduced.lt(INFINITY)).toLong();
            while (hits != 0) {
                found[count++] = j + Long.numberOfTrailingZeros(hits);
                hits &= hits - 1;
            }
        }
        return count;
    }

    @Override
    public void relax(MemorySegment data, long at, int to, double[] dual, double distance, int row, Frontier frontier) {
        double[] distances = frontier.distance;
        double[] predecessors = frontier.predecessor;
        DoubleVector from = DoubleVector.broadcast(DOUBLE, row);
        for (int block = 0; block < to; block += Frontier.BLOCK) {
            if (frontier.left[block / Frontier.BLOCK] == 0) {
                continue;
            }
            DoubleVector least = DoubleVector.broadcast(DOUBLE, INFINITY);
            for (int j = block; j < block + Frontier.BLOCK; j += LANES) {
                DoubleVector offered = costs(data, at + (long) j * BYTES)
                        .sub(DoubleVector.fromArray(DOUBLE, dual, j)).sub(distance);
                DoubleVector known = DoubleVector.fromArray(DOUBLE, distances, j);
                DoubleVector predecessor = DoubleVector.fromArray(DOUBLE, predecessors, j);
                VectorMask<Double> nearer = offered.lt(known);
                VectorMask<Double> lower = offered.eq(known).and(from.lt(predecessor));
                predecessor.blend(from, nearer.or(lower)).intoArray(predecessors, j);
                known = known.blend(offered, nearer);
                known.intoArray(distances, j);
                least = least.blend(known, known.lt(least));
            }
            frontier.least[block / Frontier.BLOCK] = least.reduceLanes(VectorOperators.MIN);
        }
    }

    private static DoubleVector costs(MemorySegment data, long at) {
        DoubleVector elements;
        if (TYPE == DType.F32) {
            elements = (DoubleVector) FloatVector.fromMemorySegment(FLOAT, data, at, ORDER)
                    .convertShape(VectorOperators.F2D, DOUBLE, 0);
        } else if (TYPE == DType.F64) {
            elements = DoubleVector.fromMemorySegment(DOUBLE, data, at, ORDER);
        } else if (TYPE == DType.I32) {
            elements = (DoubleVector) IntVector.fromMemorySegment(INT, data, at, ORDER)
                    .convertShape(VectorOperators.I2D, DOUBLE, 0);
        } else {
            elements = (DoubleVector) LongVector.fromMemorySegment(LONG, data, at, ORDER)
                    .convertShape(VectorOperators.L2D, DOUBLE, 0);
        }
        return NEGATED ? elements.neg() : elements;
    }
}
