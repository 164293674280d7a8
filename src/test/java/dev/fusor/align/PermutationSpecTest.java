package dev.fusor.align;

import dev.fusor.tensor.Shape;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

class PermutationSpecTest {
    private static final PermutationGroup HEADS = new PermutationGroup("heads", 2);
    private static final PermutationGroup HIDDEN = new PermutationGroup("hidden", 12);
    private static final Map<String, Shape> QKV = Map.of("qkv", Shape.of(12, 12));

    private static Occurrence qkv(int axis, long start, PermutationGroup group, long block) {
        return new Occurrence("qkv", axis, start, group, block);
    }

    private static PermutationSpec spec(Occurrence... occurrences) {
        List<PermutationGroup> groups = List.of(occurrences).stream().map(Occurrence::group).distinct().toList();
        return new PermutationSpec(groups, QKV, List.of(occurrences));
    }

    @Test
    void groupsAndOccurrencesKeepTheirOrder() {
        Occurrence keys = qkv(0, 8, HEADS, 1);
        Occurrence queries = qkv(0, 0, HEADS, 4);
        Occurrence columns = qkv(1, 0, HIDDEN, 1);
        PermutationSpec spec = spec(keys, columns, queries);

        assertThat(spec.groups()).containsExactly(HEADS, HIDDEN);
        assertThat(spec.of(HEADS)).containsExactly(keys, queries);
        assertThat(spec.in("qkv")).containsExactly(keys, columns, queries);
        assertThat(spec.group("hidden")).isEqualTo(HIDDEN);
    }

    @Test
    void tensorsWithoutOccurrencesStay() {
        PermutationSpec spec = new PermutationSpec(List.of(), QKV, List.of());

        assertThat(spec.in("qkv")).isEmpty();
        assertThat(spec.tensors()).isEqualTo(QKV);
    }

    @Test
    void partsMayTouchAndMayNotOverlap() {
        assertThat(spec(qkv(0, 0, HEADS, 4), qkv(0, 8, HEADS, 2)).of(HEADS)).hasSize(2);
        assertThatIllegalArgumentException().isThrownBy(() -> spec(qkv(0, 7, HEADS, 2), qkv(0, 0, HEADS, 4)))
                .withMessage(
                        "tensor 'qkv', axis 0: group 'heads' ends at entry 8 and group 'heads' starts at 7; parts of an axis may not overlap");
    }

    @Test
    void blocksFitTheirAxis() {
        assertThat(spec(qkv(0, 0, HEADS, 6)).of(HEADS).getFirst().end()).isEqualTo(12);
        assertThatIllegalArgumentException().isThrownBy(() -> spec(qkv(1, 1, HEADS, 6)))
                .withMessage("group 'heads' takes entries 1 to 13 of axis 1 of tensor 'qkv', whose shape is [12, 12]");
        assertThatIllegalArgumentException().isThrownBy(() -> spec(qkv(2, 0, HEADS, 6)))
                .withMessageContaining("axis 2 of tensor 'qkv', whose shape is [12, 12]");
    }

    @Test
    void blocksEndBelowTwoToThe63() {
        assertThat(qkv(0, 1, HEADS, Long.MAX_VALUE / 2).end()).isEqualTo(Long.MAX_VALUE);
        assertThatIllegalArgumentException().isThrownBy(() -> qkv(0, 2, HEADS, Long.MAX_VALUE / 2))
                .withMessageContaining("ends below 2^63");
        assertThatIllegalArgumentException().isThrownBy(() -> qkv(0, 0, HEADS, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> qkv(-1, 0, HEADS, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> qkv(0, -1, HEADS, 1));
    }

    @Test
    void everythingNamedIsThereOnce() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PermutationSpec(List.of(HEADS, new PermutationGroup("heads", 3)), QKV, List.of()))
                .withMessage("two permutation groups have the name 'heads'");
        assertThatIllegalArgumentException().isThrownBy(() -> new PermutationSpec(List.of(HEADS), QKV, List.of()))
                .withMessage("permutation group 'heads' occurs in no tensor");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PermutationSpec(List.of(), QKV, List.of(qkv(0, 0, HEADS, 1))))
                .withMessageContaining("not among the spec's groups");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PermutationSpec(List.of(HEADS), Map.of(), List.of(qkv(0, 0, HEADS, 1))))
                .withMessageContaining("'qkv', which is not among the spec's tensors");
        assertThatIllegalArgumentException().isThrownBy(() -> spec().in("other"));
        assertThatIllegalArgumentException().isThrownBy(() -> spec().of(HEADS));
        assertThatIllegalArgumentException().isThrownBy(() -> spec().group("heads"));
    }

    @Test
    void aGroupHasANameAndUnits() {
        assertThatIllegalArgumentException().isThrownBy(() -> new PermutationGroup("", 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new PermutationGroup("mlp", 0))
                .withMessage("permutation group 'mlp' has 1 or more units, got 0");
    }
}
