package dev.fusor.align;

/**
 * Curves through the space of weights from a first model to a last one, bent by others between them (Garipov et al. 2018,
 * <a href="https://arxiv.org/abs/1802.10026">arXiv:1802.10026</a>). A point of a curve is a weighted sum of its models.
 */
public enum Curve {
    /** Straight from one model to the next, for the same share of the way each; of two models, the line between them. */
    POLYGON {
        @Override
        double weight(int model, int models, double t) {
            return Math.max(0, 1 - Math.abs(t * (models - 1) - model));
        }
    },

    /** The Bezier curve of the models, quadratic with three: it starts and ends at models, and is drawn to those between. */
    BEZIER {
        @Override
        double weight(int model, int models, double t) {
            double weight = 1;
            for (int i = 1; i <= model; i++) {
                weight = weight * (models - i) / i;
            }
            return weight * Math.pow(t, model) * Math.pow(1 - t, models - 1 - model);
        }
    };

    abstract double weight(int model, int models, double t);

    /**
     * {@return the weight of each model at a point of the curve} The weights are 0 or more and their sum is 1, up to rounding. At
     * 0 and 1 one of them is 1 and all others are 0; so it is where a polygon goes through a model.
     *
     * @param models how many, 2 or more
     * @param t from 0, the first model, to 1, the last
     * @throws IllegalArgumentException if there are fewer models, or t is outside
     */
    public double[] weights(int models, double t) {
        if (models < 2 || !(t >= 0 && t <= 1)) {
            throw new IllegalArgumentException(
                    "a curve has 2 or more models and points from 0 to 1, got %d and %s".formatted(models, t));
        }
        double[] weights = new double[models];
        for (int model = 0; model < models; model++) {
            weights[model] = weight(model, models, t);
        }
        return weights;
    }
}
