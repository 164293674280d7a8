package dev.fusor.recipe;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The value that a recipe gives a parameter at one level: entries, of which the first that applies to a tensor counts.
 *
 * @param entries a plain value is one entry without a filter
 */
record Setting(Place place, List<Entry> entries) {
    /**
     * @param filter a part of the names it applies to; empty applies to all
     * @param points one number, or several that are spread evenly over the layers
     */
    record Entry(Optional<String> filter, List<Double> points) {
        boolean appliesTo(String tensor) {
            return filter.isEmpty() || tensor.contains(filter.get());
        }

        double at(double t) {
            double position = t * (points.size() - 1);
            int left = (int) position;
            if (left >= points.size() - 1) {
                return points.getLast();
            }
            double fraction = position - left;
            return (1 - fraction) * points.get(left) + fraction * points.get(left + 1);
        }
    }

    /** The value for a tensor at {@code t} from 0 (first layer) to 1 (last); nothing if no entry applies. */
    OptionalDouble at(String tensor, double t) {
        return entries.stream().filter(entry -> entry.appliesTo(tensor)).mapToDouble(entry -> entry.at(t)).findFirst();
    }

    boolean isGradient() {
        return entries.stream().anyMatch(entry -> entry.points().size() > 1);
    }
}
