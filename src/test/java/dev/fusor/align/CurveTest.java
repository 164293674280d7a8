package dev.fusor.align;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

class CurveTest {
    @ParameterizedTest
    @EnumSource
    void endsAreModelsAndSumsAreOne(Curve curve) {
        for (int models = 2; models < 9; models++) {
            double[] first = new double[models];
            double[] last = new double[models];
            first[0] = 1;
            last[models - 1] = 1;
            assertThat(curve.weights(models, 0)).containsExactly(first);
            assertThat(curve.weights(models, 1)).containsExactly(last);
            for (int i = 0; i <= 24; i++) {
                double[] weights = curve.weights(models, i / 24.0);
                assertThat(Arrays.stream(weights).sum()).isCloseTo(1, within(1e-15 * models));
                assertThat(Arrays.stream(weights).filter(weight -> weight >= 0)).hasSize(models);
            }
        }
    }

    @Test
    void aPolygonGoesThroughItsModelsAndMixesTwo() {
        assertThat(Curve.POLYGON.weights(3, 0.5)).containsExactly(0, 1, 0);
        assertThat(Curve.POLYGON.weights(3, 0.125)).containsExactly(0.75, 0.25, 0);
        assertThat(Curve.POLYGON.weights(5, 0.8125)).containsExactly(0, 0, 0, 0.75, 0.25);
        assertThat(Curve.POLYGON.weights(2, 0.25)).containsExactly(0.75, 0.25);
    }

    @Test
    void aBezierCurveHasBinomialWeights() {
        assertThat(Curve.BEZIER.weights(3, 0.25)).containsExactly(0.5625, 0.375, 0.0625);
        assertThat(Curve.BEZIER.weights(4, 0.5)).containsExactly(0.125, 0.375, 0.375, 0.125);
        assertThat(Curve.BEZIER.weights(2, 0.75)).containsExactly(0.25, 0.75);
    }

    @ParameterizedTest
    @EnumSource
    void whatIsNoPointOfACurveIsRefused(Curve curve) {
        for (double t : new double[]{-0.1, 1.1, Double.NaN}) {
            assertThatIllegalArgumentException().isThrownBy(() -> curve.weights(2, t));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> curve.weights(1, 0));
    }
}
