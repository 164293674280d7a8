package dev.fusor.recipe;

import java.util.List;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class WordsTest {
    @Test
    void distanceCountsTypingMistakes() {
        assertThat(Words.distance("", "abc")).isEqualTo(3);
        assertThat(Words.distance("density", "desnity")).isEqualTo(1);
        assertThat(Words.distance("kitten", "sitting")).isEqualTo(3);
    }

    @Test
    void suggestsOnlyWhatIsNear() {
        assertThat(Words.nearest("wieght", List.of("density", "weight"))).hasValue("weight");
        assertThat(Words.nearest("t", List.of("weight"))).isEmpty();
        assertThat(Words.nearest("x".repeat(100_000), List.of("weight"))).isEmpty();
        assertThat(Words.nearest("x", List.of())).isEmpty();
    }

    @Test
    void quotesStayShortAndOnOneLine() {
        assertThat(Words.quote("a\nb")).isEqualTo("'a\\u000ab'");
        assertThat(Words.quote("x".repeat(1000))).hasSize(105);
        assertThat(Words.quoteSome(List.of("a", "b", "c", "d"))).isEqualTo("'a', 'b', 'c', ...");
    }
}
