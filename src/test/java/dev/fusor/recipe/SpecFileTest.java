package dev.fusor.recipe;

import dev.fusor.align.Occurrence;
import dev.fusor.align.PermutationGroup;
import dev.fusor.align.PermutationSpec;
import dev.fusor.align.SpecException;
import dev.fusor.align.SpecTemplate;
import dev.fusor.align.SpecTemplate.Part;
import dev.fusor.align.SpecTemplate.Range;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SequencedMap;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

class SpecFileTest {
    private static final String MLP = """
            ranges: {i: [1, 3]}
            groups:
              h.<i>: 4
              h.0: 3
            tensors:
              0.weight: [h.0, ~]
              0.bias: [h.0]
              <i>.weight: [h.<i>, h.<i-1>]
              <i>.bias: [h.<i>]
              3.weight: [~, h.2]
              steps: ~
            """;

    private static SequencedMap<String, Shape> mlp() {
        SequencedMap<String, Shape> shapes = new LinkedHashMap<>();
        shapes.put("0.weight", Shape.of(3, 7));
        shapes.put("0.bias", Shape.of(3));
        shapes.put("1.weight", Shape.of(4, 3));
        shapes.put("1.bias", Shape.of(4));
        shapes.put("2.weight", Shape.of(4, 4));
        shapes.put("2.bias", Shape.of(4));
        shapes.put("3.weight", Shape.of(5, 4));
        shapes.put("steps", Shape.of());
        return shapes;
    }

    private static PermutationSpec resolve(String yaml, Map<String, Shape> tensors) throws RecipeException {
        return SpecFile.parse(yaml, "s.yml").resolve(tensors, Map.of());
    }

    @Test
    void indicesStandForAllTheirNames() throws RecipeException {
        PermutationSpec spec = resolve(MLP, mlp());
        PermutationGroup h0 = new PermutationGroup("h.0", 3);
        PermutationGroup h1 = new PermutationGroup("h.1", 4);
        PermutationGroup h2 = new PermutationGroup("h.2", 4);

        assertThat(spec.groups()).containsExactly(h1, h2, h0);
        assertThat(spec.of(h0)).containsExactly(new Occurrence("0.weight", 0, 0, h0, 1),
                new Occurrence("0.bias", 0, 0, h0, 1), new Occurrence("1.weight", 1, 0, h0, 1));
        assertThat(spec.in("2.weight")).containsExactly(new Occurrence("2.weight", 0, 0, h2, 1),
                new Occurrence("2.weight", 1, 0, h1, 1));
        assertThat(spec.in("steps")).isEmpty();
    }

    @Test
    void severalIndicesMakeEveryPair() throws RecipeException {
        PermutationSpec spec = resolve("""
                ranges:
                  layer: [0, 2]
                  expert: [0, 3]
                groups: {l<layer>.e<expert>: 5}
                tensors: {l<layer>.e<expert>.up: [l<layer>.e<expert>]}
                """, Map.of("l0.e0.up", Shape.of(5), "l0.e1.up", Shape.of(5), "l0.e2.up", Shape.of(5), "l1.e0.up",
                Shape.of(5), "l1.e1.up", Shape.of(5), "l1.e2.up", Shape.of(5)));

        assertThat(spec.groups()).extracting(PermutationGroup::name).containsExactly("l0.e0", "l0.e1", "l0.e2",
                "l1.e0", "l1.e1", "l1.e2");
    }

    @Test
    void partsHaveLengthsOrShareWhatIsLeft() throws RecipeException {
        PermutationSpec spec = resolve("""
                groups: {heads: 2}
                tensors:
                  qkv: [[{heads: 16}, heads, heads, {~: 3}]]
                  even: [[heads, ~]]
                """, Map.of("qkv", Shape.of(16 + 4 + 4 + 3), "even", Shape.of(12)));
        PermutationGroup heads = new PermutationGroup("heads", 2);

        assertThat(spec.of(heads)).containsExactly(new Occurrence("qkv", 0, 0, heads, 8),
                new Occurrence("qkv", 0, 16, heads, 2), new Occurrence("qkv", 0, 20, heads, 2),
                new Occurrence("even", 0, 0, heads, 3));
    }

    private static Arguments row(String from, String to, String message) {
        return Arguments.of(from, to, "s.yml:" + message);
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                row("ranges", "range", "1:1: unknown key 'range', did you mean 'ranges'?"),
                row("[1, 3]", "[1]", "1:13: ranges.i: wanted two numbers, [first, end), got 1"),
                row("{i: [1, 3]}", "{j: [1, 3]}",
                        "3:3: 'h.<i>' has the index <i>, which has no range; there are ranges of j"),
                row("[1, 3]", "[1, 9999999]", "3:3: 'h.<i>' stands for more than 1048576 names; narrow the ranges"),
                row("h.0: 3", "h.0: 0", "4:3: group 'h.0': wanted 1 or more units, got 0"),
                row("h.0: 3", "h.0: three", "4:8: groups.h.0: wanted a whole number from 0, got 'three'"),
                row("h.0: 3", "h.1: 4", "4:3: the group 'h.1' is given twice"),
                row("h.0: 3", "h.0: 3\n  h.7: 3", "5:3: the group 'h.7' occurs in no tensor; remove it"),
                row("h.0: 3", "h.0: 2",
                        "6:3: tensor '0.weight', axis 0 of [3, 7]: the 2 units of group 'h.0' cannot share out 3 entries evenly"),
                row("0.weight: [h.0, ~]", "0.weight: [h.0]",
                        "6:3: tensor '0.weight' has the shape [3, 7]: wanted 2 axes, got 1"),
                row("0.weight: [h.0, ~]", "0.weight: [g.0, ~]",
                        "6:3: tensor '0.weight': there is no group 'g.0'; groups are h.<i>, h.0"),
                row("0.weight: [h.0, ~]", "0.weight: [h.<i>, ~]",
                        "6:3: tensor '0.weight' has a group 'h.<i>', whose index <i> it lacks"),
                row("0.weight: [h.0, ~]", "0.weight: [h.0, [{~: 4}, {~: 4}]]",
                        "6:3: tensor '0.weight', axis 1 of [3, 7]: the parts take 8 entries, wanted 7"),
                row("0.weight: [h.0, ~]", "0.weight: [h.0, [~, ~]]",
                        "6:3: tensor '0.weight', axis 1 of [3, 7]: 2 parts cannot share out 7 entries evenly; give their lengths"),
                row("0.weight: [h.0, ~]", "0.weight: [h.0, {h.0: 1, h.1: 2}]",
                        "6:19: tensors.0.weight[1]: wanted one group with its length, such as {heads: 128}, got 2"),
                row("0.bias: [h.0]", "0.bias: ~",
                        "7:3: tensor '0.bias' is permuted by no group, wanted 'h.0' as axis 0 of '0.weight' is"),
                row("<i-1>", "<i-2>", "8:3: tensor '1.weight': there is no group 'h.-1'; groups are h.<i>, h.0"),
                row("3.weight", "2.weight", "10:3: the tensor '2.weight' is given twice"),
                row("3.weight", "4.weight", "10:3: the checkpoint has no tensor '4.weight'"),
                row("steps: ~", "h.0: ~", "11:3: tensors: 'h.0' is a group already; give the group another name"),
                row("  steps: ~\n", "",
                        " the checkpoint's tensor 'steps' is not in the spec; write 'steps: ~' if it stays as it is"),
                row("  3.weight: [~, h.2]\n  steps: ~\n", "",
                        " the checkpoint's tensor '3.weight' and 1 more are not in the spec; write '3.weight: ~' if it stays as it is"));
    }

    @ParameterizedTest
    @MethodSource("mistakes")
    void everyMistakeHasItsLineAndItsTensor(String from, String to, String message) {
        assertThat(MLP).contains(from);
        RecipeException problem = catchThrowableOfType(RecipeException.class,
                () -> resolve(MLP.replaceFirst(Pattern.quote(from),
                        Matcher.quoteReplacement(to)), mlp()));

        assertThat(problem).hasMessage(message);
    }

    @Test
    void aGroupMayNotShareOutNothing() {
        RecipeException problem = catchThrowableOfType(RecipeException.class,
                () -> resolve("groups: {h: 1}\ntensors: {x: [h]}", Map.of("x", Shape.of(0))));

        assertThat(problem).hasMessage(
                "s.yml:2:11: tensor 'x', axis 0 of [0]: the 1 units of group 'h' cannot share out 0 entries evenly");
    }

    @Test
    void theExamplesOfTheDocumentAreSpecs() throws IOException {
        List<String> examples = Pattern.compile("(?s)```yaml\n(.*?)```")
                .matcher(Files.readString(Path.of("docs/permutation-specs.md"))).results()
                .map((MatchResult block) -> block.group(1)).toList();

        assertThat(examples).hasSize(4).allSatisfy(text -> assertThat(SpecFile.parse(text, "example")).isNotNull());
    }

    @Test
    void aDocumentedBlockIsTheLengthDividedByTheUnits() throws RecipeException {
        PermutationSpec spec = resolve("groups: {c: 16}\ntensors: {conv: [c, ~, ~, ~], fc: [~, c]}",
                Map.of("conv", Shape.of(16, 3, 5, 5), "fc", Shape.of(10, 400)));
        PermutationGroup channels = new PermutationGroup("c", 16);

        assertThat(spec.of(channels)).containsExactly(new Occurrence("conv", 0, 0, channels, 1),
                new Occurrence("fc", 1, 0, channels, 25));
    }

    @Test
    void whatIsWrittenReadsBack() throws RecipeException, SpecException {
        SequencedMap<String, Integer> groups = new LinkedHashMap<>(Map.of("null", 2));
        SequencedMap<String, List<List<Part>>> tensors = new LinkedHashMap<>();
        tensors.put("it's <i>: a name", List.of(List.of(Part.of("null")), List.of(Part.FIXED)));
        tensors.put("# 0", List.of());
        tensors.put("layer.<i>.qkv", List.of(List.of(Part.of("null"), Part.FIXED,
                new Part(Optional.of("null"), OptionalLong.of(6)), new Part(Optional.empty(), OptionalLong.of(1)))));
        SpecTemplate template = new SpecTemplate(new LinkedHashMap<>(Map.of("i", new Range(3, 5))), groups, tensors);
        Map<String, Shape> shapes = Map.of("it's 3: a name", Shape.of(2, 1), "it's 4: a name", Shape.of(4, 0), "# 0",
                Shape.of(), "layer.3.qkv", Shape.of(11), "layer.4.qkv", Shape.of(15));
        PermutationSpec wanted = template.resolve(shapes);
        PermutationSpec got = resolve(SpecFile.write(template), shapes);
        PermutationGroup group = new PermutationGroup("null", 2);

        assertThat(got.groups()).containsExactly(group).isEqualTo(wanted.groups());
        assertThat(got.of(group)).hasSize(6).isEqualTo(wanted.of(group));
        assertThat(SpecFile.write(template)).startsWith("ranges:\n  i: [3, 5]\ngroups:\n  'null': 2\ntensors:\n");
    }

    @Test
    void aSpecWithoutGroupsReadsBack() throws RecipeException, SpecException {
        SpecTemplate template = new SpecTemplate(new LinkedHashMap<>(), new LinkedHashMap<>(), new LinkedHashMap<>());

        assertThat(resolve(SpecFile.write(template), Map.of()).groups()).isEmpty();
    }

    @Test
    void aSpecOfAKnownNetworkIsClosed() {
        Map<String, Shape> shapes = Map.of("h.0.attn.c_attn.weight", Shape.of(4, 12), "h.0.mlp.c_fc.weight",
                Shape.of(4, 8));
        RecipeException problem = catchThrowableOfType(RecipeException.class, () -> SpecFile.parse("""
                groups: {stream: 4}
                tensors:
                  h.0.attn.c_attn.weight: [stream, ~]
                  h.0.mlp.c_fc.weight: ~
                """, "s.yml").resolve(shapes, Map.of("n_head", 2L)));

        assertThat(problem).hasMessage(
                "s.yml: tensor 'h.0.mlp.c_fc.weight', axis 0, is permuted by no group, wanted 'stream' as axis 0 of 'h.0.attn.c_attn.weight' is: in a GPT-2-like decoder, 'stream' permutes both or neither");
    }
}
