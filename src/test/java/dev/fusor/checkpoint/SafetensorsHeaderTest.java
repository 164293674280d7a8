package dev.fusor.checkpoint;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static dev.fusor.checkpoint.RawFile.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class SafetensorsHeaderTest {
    @TempDir
    Path folder;

    private Path file() {
        return folder.resolve("model.safetensors");
    }

    private void refused(String header, int dataBytes, String... fragments) {
        refused(RawFile.write(file(), header, dataBytes), fragments);
    }

    private static void refused(Path file, String... fragments) {
        assertThatExceptionOfType(CheckpointException.class).isThrownBy(() -> Checkpoint.open(file))
                .satisfies(e -> assertThat(e.getMessage()).startsWith(file + ": ").contains(fragments)
                        .doesNotContain("\n", "(from"));
    }

    private Map<String, TensorEntry> accepted(String header, int dataBytes) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(RawFile.write(file(), header, dataBytes))) {
            return checkpoint.tensors();
        }
    }

    @Test
    void readsNamesTypesShapesAndPlaces() throws IOException {
        String header = "{" + entry("b", "F32", "[2,1]", 0, 8) + "," + entry("a", "BF16", "[]", 8, 10) + "}";
        long start = 8 + header.length();
        assertThat(accepted(header, 10)).containsExactly(
                Map.entry("a", new TensorEntry("a", DType.BF16, Shape.of(), file(), start + 8, 2)),
                Map.entry("b", new TensorEntry("b", DType.F32, Shape.of(2, 1), file(), start, 8)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{}   ", "{ }\n", "{\"__metadata__\":{}}"})
    void acceptsAFileWithoutTensors(String header) throws IOException {
        assertThat(accepted(header, 0)).isEmpty();
    }

    @Test
    void acceptsTrailingSpaces() throws IOException {
        assertThat(accepted("{" + entry("a", "U8", "[3]", 0, 3) + "}      ", 3)).containsOnlyKeys("a");
    }

    @Test
    void acceptsEmptyTensorsAnywhereAtASeam() throws IOException {
        String header = "{" + entry("a", "F32", "[0,9223372036854775807]", 0, 0) + "," + entry("b", "U8", "[4]", 0, 4)
                + "," + entry("c", "F64", "[3,0]", 4, 4) + "}";
        assertThat(accepted(header, 4)).containsOnlyKeys("a", "b", "c");
    }

    @Test
    void refusesAnEmptyTensorInsideAnother() {
        refused("{" + entry("a", "U8", "[4]", 0, 4) + "," + entry("e", "U8", "[0]", 2, 2) + "}", 4,
                "tensor 'e' overlaps tensor 'a'");
    }

    @Test
    void tellsWhatIsNotAligned() throws IOException {
        String header = "{" + entry("a", "U8", "[1]", 0, 1) + "," + entry("b", "F32", "[1]", 1, 5) + "}";
        header += " ".repeat(8 - header.length() % 8);
        Map<String, TensorEntry> tensors = accepted(header, 5);
        assertThat(tensors.get("a").aligned()).isTrue();
        assertThat(tensors.get("b").aligned()).isFalse();
    }

    @Test
    void readsPackedTypesWhoseElementsFillWholeBytes() throws IOException {
        String header = "{" + entry("a", "F4", "[3,2]", 0, 3) + "," + entry("b", "F6_E2M3", "[4]", 3, 6) + "}";
        assertThat(accepted(header, 6).get("b").byteSize()).isEqualTo(3);
        refused("{" + entry("a", "F4", "[3]", 0, 2) + "}", 2, "tensor 'a' of an impossible size",
                "do not fill whole bytes");
    }

    @Test
    void namesTheKnownTypesWhereOneIsUnknown() {
        refused("{" + entry("a", "bf16", "[1]", 0, 2) + "}", 2, "unknown dtype 'bf16' of tensor 'a'", "BOOL, F4",
                "U64");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "[-1] | has -1 where shape of 'a' needs plain whole numbers",
        "[-0] | has -0 where",
        "[1.0] | has 1.0 where",
        "[1e0] | has 1e0 where",
        "[9223372036854775808] | has 9223372036854775808 where",
        "[18446744073709551616] | has 18446744073709551616 where",
        "[\"1\"] | has the string '1' where",
        "[null] | has null where",
        "[true] | has true where",
        "[[1]] | has an array where",
        "1 | has 1 where shape of 'a' needs an array",
        "[01] | not valid JSON",
        "[+1] | not valid JSON",
        "[1,] | not valid JSON",
        "[4294967296,4294967296] | more than 2^63 - 1 elements",
        "[9223372036854775807] | exceed 2^63 bytes",
        "[2] | gives tensor 'a' 4 bytes, but F32 [2] takes 8"})
    void refusesAShapeThatIsNotOne(String shape, String fragment) {
        refused("{" + entry("a", "F32", shape, 0, 4) + "}", 4, fragment);
    }

    @Test
    void refusesMoreThan64Axes() throws IOException {
        String axes = "1,".repeat(63) + "1";
        assertThat(accepted("{" + entry("a", "U8", "[" + axes + "]", 0, 1) + "}", 1)).hasSize(1);
        refused("{" + entry("a", "U8", "[" + axes + ",1]", 0, 1) + "}", 1,
                "has more than 64 numbers in shape of tensor 'a'");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "[1,0] | has data_offsets [1, 0] of tensor 'a', wanted [begin, end] with begin <= end",
        "[0] | has data_offsets [0] of tensor 'a'",
        "[0,1,1] | has more than 2 numbers in data_offsets of tensor 'a'",
        "[] | has data_offsets []",
        "[0,2] | puts the end of tensor 'a' at byte 2 of the data, which has only 1 bytes; the file is cut short",
        "[9223372036854775807,9223372036854775807] | puts the end of tensor 'a' at byte 9223372036854775807",
        "[0,0] | gives tensor 'a' 0 bytes, but U8 [1] takes 1"})
    void refusesOffsetsThatAreNotInTheFile(String offsets, String fragment) {
        refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":" + offsets + "}}", 1, fragment);
    }

    @Test
    void refusesHolesOverlapsAndTrailingBytes() {
        String a = entry("a", "U8", "[4]", 0, 4);
        refused("{" + a + "," + entry("b", "U8", "[4]", 3, 7) + "}", 7, "tensor 'b' overlaps tensor 'a'");
        refused("{" + a + "," + entry("b", "U8", "[4]", 0, 4) + "}", 4, "tensor 'b' overlaps tensor 'a'");
        refused("{" + a + "," + entry("b", "U8", "[4]", 5, 9) + "}", 9, "1 bytes before tensor 'b'",
                "belong to no tensor");
        refused("{" + entry("b", "U8", "[4]", 5, 9) + "}", 9, "5 bytes before tensor 'b'");
        refused("{" + a + "}", 6, "2 bytes after the last tensor");
        refused("{}", 1, "1 bytes after the last tensor");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "{\"dtype\":\"U8\",\"shape\":[1]} | lacks data_offsets of tensor 'a'",
        "{\"dtype\":\"U8\",\"data_offsets\":[0,1]} | lacks shape of tensor 'a'",
        "{\"shape\":[1],\"data_offsets\":[0,1]} | lacks dtype of tensor 'a'",
        "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1} | unknown field 'x' of tensor 'a'",
        "{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]} | Duplicate field 'dtype'",
        "{\"dtype\":8} | has 8 where dtype of 'a' needs a string",
        "[] | has an array where the entry of 'a' needs an object",
        "null | has null where the entry of 'a' needs an object"})
    void refusesAnEntryThatIsNotOne(String entry, String fragment) {
        refused("{\"a\":" + entry + "}", 1, fragment);
    }

    @Test
    void refusesANameTwiceHoweverItIsWritten() {
        String a = entry("a", "U8", "[0]", 0, 0);
        refused("{" + a + "," + a + "}", 0, "Duplicate field 'a'");
        refused("{" + a + "," + entry("\\u0061", "U8", "[0]", 0, 0) + "}", 0, "Duplicate field 'a'");
        refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "Duplicate field '__metadata__'");
        refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "Duplicate field 'k'");
    }

    @Test
    void refusesNamesThatCannotBeShown() {
        refused("{" + entry("", "U8", "[0]", 0, 0) + "}", 0, "has a tensor '' whose name is empty");
        refused("{" + entry("a\\u001b[2J", "U8", "[0]", 0, 0) + "}", 0, "has a tensor 'a\\u001b[2J' whose name holds a"
                + " control character");
        refused("{" + entry("a\\ud800", "U8", "[0]", 0, 0) + "}", 0, "not valid Unicode", "'a\\ud800'");
        refused("{" + entry("x".repeat(4097), "U8", "[0]", 0, 0) + "}", 0, "not valid JSON", "4097");
    }

    @Test
    void readsNamesOutsideAsciiAndOutsideTheBasicPlane() throws IOException {
        assertThat(accepted("{" + entry("ä.\\ud83d\\ude00", "U8", "[0]", 0, 0) + "}", 0)).containsOnlyKeys("ä.😀");
    }

    @Test
    void refusesBytesThatAreNotUtf8() {
        List<byte[]> wrong = List.of(new byte[]{(byte) 0xff}, new byte[]{(byte) 0xc0, (byte) 0x80},
                new byte[]{(byte) 0xed, (byte) 0xa0, (byte) 0x80}, new byte[]{(byte) 0xc3});
        byte[] before = "{\"".getBytes(StandardCharsets.US_ASCII);
        byte[] after = "\":{}}".getBytes(StandardCharsets.US_ASCII);
        for (byte[] middle : wrong) {
            byte[] header = Arrays.copyOf(before, before.length + middle.length + after.length);
            System.arraycopy(middle, 0, header, before.length, middle.length);
            System.arraycopy(after, 0, header, before.length + middle.length, after.length);
            refused(RawFile.write(file(), RawFile.bytes(header, 0)), "not valid UTF-8");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{", "{\"a\"", "{\"a\":", "{\"a\":{", "{}{}", "{} x", "{},", "{'a':1}", "{a:1}", "{/**/}",
        "{}\0\0", "{\"a\":NaN}", "{\"a\nb\":1}"})
    void refusesWhatIsNotStrictJson(String header) {
        refused(header, 0, "the header ");
    }

    @Test
    void refusesMetadataThatIsNotStrings() {
        refused("{\"__metadata__\":{\"k\":1}}", 0, "has 1 where __metadata__ of 'k' needs a string");
        refused("{\"__metadata__\":null}", 0, "has null where __metadata__ needs an object");
    }

    @Test
    void refusesAHeaderThatDoesNotStartWithABrace() {
        refused(" {}", 0, "has no '{' where its header should start");
        refused("[]", 0, "has no '{'");
        refused("", 0, "zeros where the header should be");
    }

    @Test
    void refusesAHeaderLongerThanTheFileOrTheLimit() {
        byte[] two = RawFile.bytes("{}".getBytes(StandardCharsets.US_ASCII), 0);
        two[0] = 3;
        refused(RawFile.write(file(), two), "claims a header of 3 bytes, but only 2 follow");
        two[7] = 0x10;
        refused(RawFile.write(file(), two),
                "claims a header of 1152921504606846979 bytes, above the limit of 100000000");
        two[7] = (byte) 0xff;
        refused(RawFile.write(file(), two), "claims a header of 18374686479671623683 bytes");
        refused(RawFile.write(file(), new byte[0]), "the file is empty");
        refused(RawFile.write(file(), new byte[]{1, 2, 3}), "has only 3 bytes");
    }
}
