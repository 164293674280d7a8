package dev.fusor.checkpoint;

import dev.fusor.checkpoint.CheckpointWriter.Spec;
import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import dev.fusor.tensor.Tensor;
import dev.fusor.testing.Tensors;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class ArrayFilesTest {
    /** What numpy.save of NumPy 1.24 puts before the data. */
    private static final String OF_NUMPY = "\u0093NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
            + " ".repeat(58) + "\n";

    @TempDir
    private Path folder;

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] npy(String dictionary, int dataBytes) {
        byte[] text = latin(dictionary);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(latin("\u0093NUMPY\1\0"));
        out.write(text.length & 0xFF);
        out.write(text.length >> 8);
        out.writeBytes(text);
        out.writeBytes(new byte[dataBytes]);
        return out.toByteArray();
    }

    private Path file(String name, byte[] bytes) throws IOException {
        return Files.write(folder.resolve(name), bytes);
    }

    private static byte[] readAll(ArrayReader reader, int piece) throws IOException {
        try (reader; Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(reader.dtype().byteSize(reader.shape().elements()));
            for (long at = 0; at < all.byteSize(); at += piece) {
                reader.read(all.asSlice(at, Math.min(piece, all.byteSize() - at)));
            }
            return all.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        }
    }

    @Test
    void aHeaderIsAsNumPyWritesIt() throws IOException {
        assertThat(new NpyHeader(DType.F32, Shape.of(2, 3)).bytes()).isEqualTo(latin(OF_NUMPY));
        NpyHeader read = NpyHeader.read("x", new ByteArrayInputStream(latin(OF_NUMPY)));
        assertThat(read).isEqualTo(new NpyHeader(DType.F32, Shape.of(2, 3)));
    }

    @Test
    void whatIsWrittenIsReadAgain() throws IOException {
        for (DType type : new DType[]{DType.BOOL, DType.U8, DType.I8, DType.I16, DType.U16, DType.F16, DType.I32,
            DType.U32, DType.F32, DType.I64, DType.U64, DType.F64, DType.C64}) {
            for (long[] extents : new long[][]{{}, {0}, {1}, {7}, {3, 0}, {5, 3}, {2, 3, 4}}) {
                Tensor tensor = Tensor.of(Tensors.anyBits(type, Shape.of(extents).elements(), 5).data(), type,
                        Shape.of(extents));
                Spec spec = new Spec("x", type, tensor.shape());
                for (String name : List.of("a.npy", "a.safetensors")) {
                    Path file = folder.resolve(name);
                    try (ArrayWriter writer = ArrayWriter.create(file, List.of(spec), true)) {
                        writer.write("x", tensor.data());
                        writer.commit();
                    }
                    ArrayReader reader = ArrayReader.open(file.toString());
                    assertThat(reader.dtype()).isEqualTo(type);
                    assertThat(reader.shape()).isEqualTo(tensor.shape());
                    assertThat(readAll(reader, 5)).as("%s %s, seed %d", type, tensor.shape(), Tensors.SEED)
                            .isEqualTo(Tensors.bytes(tensor));
                }
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                try (ArrayWriter writer = ArrayWriter.stream(out, spec)) {
                    writer.write("x", tensor.data());
                    writer.commit();
                }
                assertThat(out.toByteArray()).isEqualTo(Files.readAllBytes(folder.resolve("a.npy")));
                assertThat(readAll(ArrayReader.stream("in", new ByteArrayInputStream(out.toByteArray())), 1000))
                        .isEqualTo(Tensors.bytes(tensor));
            }
        }
    }

    @Test
    void arraysOfOneFileMayBeWrittenInTurns() throws IOException {
        Tensor a = Tensors.random(DType.F32, 100, 1, null, 1);
        Tensor b = Tensors.random(DType.F16, 100, 2, null, 1);
        Path file = folder.resolve("two.safetensors");
        List<Spec> specs = List.of(new Spec("a", DType.F32, Shape.of(100)), new Spec("b", DType.F16, Shape.of(100)));
        try (ArrayWriter writer = ArrayWriter.create(file, specs, false)) {
            for (int i = 0; i < 100; i += 20) {
                writer.write("b", b.slice(i, 20).data());
                writer.write("a", a.slice(i, 20).data());
            }
            writer.commit();
        }
        assertThat(readAll(ArrayReader.open(file + ":a"), 64)).isEqualTo(Tensors.bytes(a));
        assertThat(readAll(ArrayReader.open(file + ":b"), 64)).isEqualTo(Tensors.bytes(b));
        assertThatThrownBy(() -> ArrayReader.open(file.toString()))
                .hasMessage("%s: there are 2 arrays: a, b; name one as %s:NAME", file, file);
        assertThatThrownBy(() -> ArrayReader.open(file + ":c")).hasMessageContaining("no array 'c', found a, b");
    }

    @Test
    void archivesAreReadCompressedOrNot() throws IOException {
        byte[] array = npy("{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}", 24);
        for (int method : new int[]{ZipEntry.STORED, ZipEntry.DEFLATED}) {
            Path file = folder.resolve("a.npz");
            try (OutputStream out = Files.newOutputStream(file); ZipOutputStream zip = new ZipOutputStream(out)) {
                for (String name : List.of("x.npy", "y.npy", "note.txt")) {
                    ZipEntry entry = new ZipEntry(name);
                    entry.setMethod(method);
                    CRC32 sum = new CRC32();
                    sum.update(array);
                    entry.setCrc(sum.getValue());
                    entry.setSize(array.length);
                    zip.putNextEntry(entry);
                    zip.write(array);
                    zip.closeEntry();
                }
            }
            assertThat(ArrayReader.open(file + ":y").name()).isEqualTo(file + ":y");
            assertThat(readAll(ArrayReader.open(file + ":x"), 7)).containsOnly(0).hasSize(24);
            assertThatThrownBy(() -> ArrayReader.open(file.toString())).hasMessageContaining("there are 2 arrays");
        }
    }

    @Test
    void whatIsNoArrayIsNamed() throws IOException {
        refuse("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", 4, "big-endian (>f4); save .astype('<f4')");
        refuse("{'descr': '|V2', 'fortran_order': False, 'shape': (1,)}", 2, "as NumPy stores bfloat16");
        refuse("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 4, "of the type '|O', wanted plain numbers");
        refuse("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", 8, "Fortran order");
        refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "is no array of numbers");
        refuse("{'descr': '<f4', 'shape': (1,)}", 4, "is no array of numbers");
        refuse("{'descr': (1,), 'fortran_order': False, 'shape': (1,)}", 4, "is no array of numbers");
        refuse("{'descr': '<f4', 'fortran_order': False, 'shape': '1'}", 4, "is no array of numbers");
        refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4, "is no array of numbers");
        refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4, "is impossible");
        refuse("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}", 4, "is impossible");
        refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7,
                "F32 [2] takes 73 bytes with its header, the file has 72");
        refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, "the file has 74");
        for (byte[] bytes : new byte[][]{{}, latin("\u0093NUMPY"), latin("\u0093NUMPY\4\0"),
            latin("\u0093NUMPY\1\0v"), latin("\u0093NUMPY\2\0\u00ff\u00ff\u00ff\u00ff"), latin("PK\3\4"),
            latin("{}")}) {
            Path file = file("bad.npy", bytes);
            assertThatThrownBy(() -> ArrayReader.open(file.toString())).isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file.toString());
        }
        assertThatThrownBy(() -> ArrayReader.open(folder.resolve("none").toString()))
                .hasMessage(folder.resolve("none") + ": there is no such file; check the path");
        assertThatThrownBy(() -> ArrayReader.open(folder.toString())).hasMessageContaining("this is no file");
        Path named = file("named.npy", latin(OF_NUMPY));
        assertThatThrownBy(() -> ArrayReader.open(named + ":x")).hasMessageContaining("has no name, got 'x'");
    }

    private void refuse(String dictionary, int dataBytes, String message) throws IOException {
        Path file = file("bad.npy", npy(dictionary, dataBytes));
        assertThatThrownBy(() -> ArrayReader.open(file.toString())).isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file + ": ").hasMessageContaining(message);
    }

    @Test
    void aStreamThatEndsEarlyOrGoesOnIsRefused() throws IOException {
        String dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
        assertThatThrownBy(() -> readAll(ArrayReader.stream("in", new ByteArrayInputStream(npy(dictionary, 7))), 8))
                .hasMessage("in: the data of F32 [2] ends 1 bytes early; write it again");
        assertThatThrownBy(() -> readAll(ArrayReader.stream("in", new ByteArrayInputStream(npy(dictionary, 9))), 8))
                .hasMessage("in: more follows after the data of F32 [2]; write one array alone");
    }

    @Test
    void brokenHeadersAreRefusedOrReadButNeverAnythingElse() throws IOException {
        SplittableRandom random = new SplittableRandom(Tensors.SEED);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = latin(OF_NUMPY);
            for (int change = random.nextInt(1, 4); change > 0; change--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try {
                NpyHeader.read("x", new ByteArrayInputStream(bytes));
            } catch (CheckpointException refused) {
                assertThat(refused).as("change %d, seed %d", i, Tensors.SEED).hasMessageStartingWith("x: ");
            }
        }
    }

    @Test
    void whatIsNotCommittedLeavesNothing() throws IOException {
        Spec spec = new Spec("x", DType.F32, Shape.of(2));
        Path file = file("old.npy", new byte[]{1, 2, 3});
        try (ArrayWriter writer = ArrayWriter.create(file, List.of(spec), true)) {
            writer.write("x", Tensors.zeros(DType.F32, 1).data());
            assertThatThrownBy(writer::commit).isInstanceOf(IllegalStateException.class)
                    .hasMessage("array 'x' is incomplete: 4 of its 8 bytes were written");
            assertThatThrownBy(() -> writer.write("x", Tensors.zeros(DType.F32, 2).data()))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
        assertThat(file).hasBinaryContent(new byte[]{1, 2, 3});
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void outputsThatCannotBeAreNamed() throws IOException {
        Spec spec = new Spec("x", DType.F32, Shape.of(2));
        Path old = file("old.npy", new byte[1]);
        cannot(old, List.of(spec), false, "the output exists; name another file, or replace it with --overwrite");
        cannot(Files.createDirectory(folder.resolve("d.npy")), List.of(spec), true, "the output is no file");
        cannot(folder.resolve("no/a.npy"), List.of(spec), false, "does not exist; make it or name another");
        cannot(folder.resolve("a.npy"), List.of(spec, new Spec("y", DType.F32, Shape.of(2))), false,
                "a .npy file holds one array, wanted 2");
        cannot(folder.resolve("a.txt"), List.of(spec), false, "ends in .npy or .safetensors");
        cannot(folder.resolve("a.npy"), List.of(new Spec("x", DType.I8, Shape.of(1L << 55))), false,
                "the disk has only");
    }

    private static void cannot(Path file, List<Spec> specs, boolean overwrite, String message) {
        assertThatThrownBy(() -> ArrayWriter.create(file, specs, overwrite)).isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file.toString()).hasMessageContaining(message);
    }
}
