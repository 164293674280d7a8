package dev.fusor.tensor;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class ShapeTest {
    @Test
    void theElementsAreTheProductOfTheExtents() {
        assertThat(Shape.of(4096, 128).elements()).isEqualTo(524_288);
        assertThat(Shape.of(2, 3, 5, 7).elements()).isEqualTo(210);
        assertThat(Shape.of(1L << 31, 1L << 31).elements()).isEqualTo(1L << 62);
        assertThat(Shape.of(Long.MAX_VALUE, 1).elements()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aScalarHasOneElementAndAnEmptyAxisNone() {
        assertThat(Shape.of().elements()).isEqualTo(1);
        assertThat(Shape.of().rank()).isZero();
        assertThat(Shape.of(3, 0, Long.MAX_VALUE).elements()).isZero();
        assertThat(Shape.of(Long.MAX_VALUE, Long.MAX_VALUE, 0).elements()).isZero();
    }

    @Test
    void extentsAreCountedFromTheOutermost() {
        Shape shape = Shape.of(4, 5, 6);
        assertThat(shape.rank()).isEqualTo(3);
        assertThat(shape.extent(0)).isEqualTo(4);
        assertThat(shape.extent(2)).isEqualTo(6);
        assertThat(shape).hasToString("[4, 5, 6]");
        assertThat(Shape.of()).hasToString("[]");
    }

    @Test
    void shapesAreEqualWhenTheirExtentsAre() {
        assertThat(Shape.of(4, 5)).isEqualTo(Shape.of(4, 5)).hasSameHashCodeAs(Shape.of(4, 5))
                .isNotEqualTo(Shape.of(5, 4)).isNotEqualTo(Shape.of(4, 5, 1)).isNotEqualTo(Shape.of(20));
    }

    @Test
    void nobodyCanChangeAShape() {
        long[] extents = {4, 5};
        Shape shape = Shape.of(extents);
        extents[0] = 9;
        shape.toArray()[1] = 9;
        assertThat(shape.toArray()).containsExactly(4, 5);
    }

    @Test
    void shapesThatCannotBeAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(2, -1))
                .withMessage("an extent of a shape is 0 or more, got [2, -1]");
        assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(0, Long.MIN_VALUE))
                .withMessage("an extent of a shape is 0 or more, got [0, -9223372036854775808]");
        assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(1L << 32, 1L << 31))
                .withMessage("the shape [4294967296, 2147483648] has more than 2^63 - 1 elements");
        assertThatIllegalArgumentException().isThrownBy(() -> Shape.of(1L << 40, 1L << 40, 3))
                .withMessageEndingWith("has more than 2^63 - 1 elements");
    }
}
