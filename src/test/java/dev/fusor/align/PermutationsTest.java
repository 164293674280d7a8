package dev.fusor.align;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class PermutationsTest {
    private static final PermutationGroup THREE = new PermutationGroup("three", 3);
    private static final PermutationGroup ONE = new PermutationGroup("one", 1);

    private static Permutations three(int... units) {
        return new Permutations(Map.of(THREE, units));
    }

    @Test
    void theIdentityLeavesEveryUnitWhereItIs() {
        Permutations identity = Permutations.identity(List.of(THREE, ONE));

        assertThat(identity.groups()).containsExactly(THREE, ONE);
        assertThat(identity.of(THREE)).containsExactly(0, 1, 2);
        assertThat(identity.of(ONE)).containsExactly(0);
        assertThat(identity.inverse()).isEqualTo(identity);
    }

    @Test
    void theInverseNamesThePlaceOfEachUnit() {
        assertThat(three(2, 0, 1).inverse()).isEqualTo(three(1, 2, 0)).isNotEqualTo(three(2, 0, 1));
    }

    @Test
    void permutationsAreCopied() {
        int[] units = {1, 0, 2};
        Permutations permutations = three(units);
        units[0] = 7;
        permutations.of(THREE)[0] = 8;

        assertThat(permutations.of(THREE)).containsExactly(1, 0, 2);
    }

    @Test
    void everyUnitIsThereOnce() {
        assertThatIllegalArgumentException().isThrownBy(() -> three(0, 1))
                .withMessage("group 'three' has 3 units, got a permutation of 2");
        assertThatIllegalArgumentException().isThrownBy(() -> three(0, 2, 0))
                .withMessage("a permutation of group 'three' holds each of 0 to 2 once, got 0 at place 2 again");
        assertThatIllegalArgumentException().isThrownBy(() -> three(0, 1, 3))
                .withMessage("a permutation of group 'three' holds each of 0 to 2 once, got 3 at place 2");
        assertThatIllegalArgumentException().isThrownBy(() -> three(-1, 1, 2));
        assertThatIllegalArgumentException().isThrownBy(() -> three(0, 1, 2).of(ONE))
                .withMessage("no permutation for PermutationGroup[name=one, units=1]");
    }
}
