package dev.fusor.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class NaturalOrderTest {
    @Test
    void comparesNumbersByValue() {
        List<String> names = List.of("", "a", "a.00", "a.0.x", "a.1", "a.01", "a.2.w", "a.10.b", "a.10.w",
                "a.99999999999999999999", "a.100000000000000000000", "a.b", "ab", "b");
        List<String> shuffled = new ArrayList<>(names.reversed());
        shuffled.sort(NaturalOrder.INSTANCE);
        assertThat(shuffled).containsExactly("", "a", "a.00", "a.0.x", "a.01", "a.1", "a.2.w", "a.10.b", "a.10.w",
                "a.99999999999999999999", "a.100000000000000000000", "a.b", "ab", "b");
    }

    @Test
    void isATotalOrder() {
        Random random = new Random(20261120);
        List<String> names = IntStream.range(0, 60)
                .mapToObj(i -> random.ints(random.nextInt(6), 0, 4).mapToObj(c -> "01.a".substring(c, c + 1))
                        .collect(Collectors.joining()))
                .distinct().toList();
        for (String a : names) {
            for (String b : names) {
                int ab = Integer.signum(NaturalOrder.INSTANCE.compare(a, b));
                assertThat(ab).isEqualTo(-Integer.signum(NaturalOrder.INSTANCE.compare(b, a)));
                assertThat(ab == 0).isEqualTo(a.equals(b));
                for (String c : names) {
                    if (ab < 0 && NaturalOrder.INSTANCE.compare(b, c) < 0) {
                        assertThat(NaturalOrder.INSTANCE.compare(a, c)).as("%s < %s < %s", a, b, c).isNegative();
                    }
                }
            }
        }
    }
}
