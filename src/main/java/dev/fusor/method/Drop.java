package dev.fusor.method;

import dev.fusor.drop.DropFactors;
import dev.fusor.drop.MaskedDrop;
import dev.fusor.drop.RankedDrop;
import dev.fusor.drop.ScaledDrop;
import dev.fusor.tensor.Tensor;
import dev.fusor.tensor.TensorSource;
import dev.fusor.trim.MagnitudeSelection.Ties;
import dev.fusor.trim.RowRanks;
import dev.fusor.trim.RowSelection;
import java.util.function.LongConsumer;

/** What a merge drops of a model's task vector, and what it multiplies the rest by. */
@FunctionalInterface
public interface Drop {
    /** Nothing is dropped. */
    Drop NOTHING = new Always(null);

    /**
     * {@return the factors of a range, or null for none} The range's tensors are asked for afterwards: what looks at rows asks
     * for others.
     *
     * @param base the base model
     * @param x the model
     * @param from the flat index of the range's first element
     * @param count how many elements it has
     */
    DropFactors factors(TensorSource base, TensorSource x, long from, long count);

    /** {@return elements of the rows that are looked at as a whole; 1 where none are} */
    default int row() {
        return 1;
    }

    /**
     * The same for every range.
     *
     * @param factors the factors, or null for none
     */
    record Always(DropFactors factors) implements Drop {
        @Override
        public DropFactors factors(TensorSource base, TensorSource x, long from, long count) {
            return factors;
        }
    }

    /**
     * Another drop, all of whose factors are multiplied by one number.
     *
     * @param drop what is dropped
     * @param scale multiplies the rest
     */
    record Scaled(Drop drop, float scale) implements Drop {
        @Override
        public DropFactors factors(TensorSource base, TensorSource x, long from, long count) {
            return new ScaledDrop(drop.factors(base, x, from, count), scale);
        }

        @Override
        public int row() {
            return drop.row();
        }
    }

    /**
     * What {@link RowSelection} does not keep of each row.
     *
     * @param row elements of a row
     * @param atLeast how many of the largest magnitudes of a row stay
     * @param tooLarge how many of those go
     * @param ties what becomes of equals at either cut
     * @param looked is told how many elements were looked at
     */
    record Trimmed(int row, long atLeast, long tooLarge, Ties ties, LongConsumer looked) implements Drop {
        @Override
        public DropFactors factors(TensorSource base, TensorSource x, long from, long count) {
            Rows rows = Rows.around(from, count, row);
            looked.accept(rows.length);
            return new MaskedDrop(rows.start,
                    RowSelection.kept(rows.of(base), rows.of(x), row, atLeast, tooLarge, ties),
                    Math.toIntExact(rows.length));
        }
    }

    /**
     * What {@link RankedDrop} drops of each row.
     *
     * @param key the tensor's, from {@link dev.fusor.drop.Philox#key}
     * @param model the model's number, from 0
     * @param window what is kept of a rank
     */
    record Ranked(long key, int model, RankedDrop.Window window) implements Drop {
        @Override
        public DropFactors factors(TensorSource base, TensorSource x, long from, long count) {
            Rows rows = Rows.around(from, count, row());
            return new RankedDrop(key, model, window, rows.start, RowRanks.of(rows.of(base), rows.of(x), row()));
        }

        @Override
        public int row() {
            return window.row();
        }
    }

    /**
     * Whole rows.
     *
     * @param start the flat index of their first element
     * @param length how many elements they have
     */
    record Rows(long start, long length) {
        static Rows around(long from, long count, int row) {
            long start = from / row * row;
            return new Rows(start, (from + count + row - 1) / row * row - start);
        }

        Tensor of(TensorSource source) {
            return source.slice(start, length);
        }
    }
}
