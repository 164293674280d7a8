package dev.fusor.ensemble;

import dev.fusor.ensemble.LogitEnsemble.Batch;
import dev.fusor.tensor.Elements;
import java.util.Arrays;

/** What part each model has in a row. */
final class Shares {
    private final Batch batch;
    private final double[] weights;
    private final float[] shares;
    private final int[] members;
    private int count;
    private double sum;

    Shares(Batch batch) {
        this.batch = batch;
        int models = batch.models().size();
        this.weights = new double[models];
        this.shares = new float[models];
        this.members = new int[models];
    }

    /** Turns to a row; {@return whether its weights make sense} */
    boolean turnTo(long row) {
        sum = 0;
        boolean sound = true;
        for (int e = 0; e < weights.length; e++) {
            weights[e] = batch.models().get(e).weight();
            if (batch.gates() != null) {
                weights[e] *= Elements.get(batch.gates(), row * weights.length + e);
            }
            sound &= weights[e] >= 0;
            sum += weights[e];
        }
        count = 0;
        Arrays.fill(shares, 0f);
        if (!sound || !(sum > 0) || sum == Double.POSITIVE_INFINITY) {
            return false;
        }
        for (int e = 0; e < weights.length; e++) {
            shares[e] = (float) (weights[e] / sum);
            if (shares[e] > 0) {
                members[count++] = e;
            }
        }
        return true;
    }

    /** {@return the sum of the weights of all models} */
    double sum() {
        return sum;
    }

    /** {@return how many models take part} */
    int members() {
        return count;
    }

    /** {@return the number of a model that takes part, in order} */
    int member(int i) {
        return members[i];
    }

    /** {@return the share of a model, 0 if it is left out} */
    float of(int model) {
        return shares[model];
    }
}
