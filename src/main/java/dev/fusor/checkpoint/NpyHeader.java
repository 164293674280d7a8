package dev.fusor.checkpoint;

import dev.fusor.tensor.DType;
import dev.fusor.tensor.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The header of a NumPy array file, of the versions 1 to 3 of the format: a magic number, a length, and the Python literal of a
 * dictionary of element type, order and shape.
 */
record NpyHeader(DType dtype, Shape shape) {
    static final byte[] MAGIC = "\u0093NUMPY".getBytes(StandardCharsets.ISO_8859_1);

    /** As NumPy aligns the data. */
    private static final int ALIGNMENT = 64;
    /** More than any array of numbers needs: a longer header is of a structure, or broken. */
    private static final int MOST_BYTES = 1 << 14;

    private static final Pattern FIELD = Pattern.compile(
            "\\s*'(descr|fortran_order|shape)'\\s*:\\s*('[^']*'|True|False|\\(([0-9]+(, ?[0-9]+)*)?,?\\))\\s*(,|$)");
    private static final Map<String, DType> TYPES = Map.ofEntries(Map.entry("|b1", DType.BOOL),
            Map.entry("|u1", DType.U8), Map.entry("|i1", DType.I8), Map.entry("<u2", DType.U16),
            Map.entry("<i2", DType.I16), Map.entry("<u4", DType.U32), Map.entry("<i4", DType.I32),
            Map.entry("<u8", DType.U64), Map.entry("<i8", DType.I64), Map.entry("<f2", DType.F16),
            Map.entry("<f4", DType.F32), Map.entry("<f8", DType.F64), Map.entry("<c8", DType.C64));

    /** Reads a header and no byte of the data behind it; {@code where} names the file in messages. */
    static NpyHeader read(String where, InputStream in) throws IOException {
        byte[] start = in.readNBytes(MAGIC.length + 2);
        if (start.length < MAGIC.length + 2 || !Arrays.equals(start, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw fault(where, "it does not begin as a NumPy array does; write it with numpy.save");
        }
        int version = start[MAGIC.length];
        if (version < 1 || version > 3) {
            throw fault(where, "version %d of the NumPy format is unknown, wanted 1 to 3", version);
        }
        int width = version == 1 ? Short.BYTES : Integer.BYTES;
        byte[] length = Arrays.copyOf(in.readNBytes(width), Integer.BYTES);
        int bytes = ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getInt();
        if (bytes < 0 || bytes > MOST_BYTES) {
            throw fault(where,
                    "its header takes %d bytes, wanted at most %d: an array of numbers is wanted, not a structure",
                    Integer.toUnsignedLong(bytes), MOST_BYTES);
        }
        byte[] text = in.readNBytes(bytes);
        if (text.length < bytes) {
            throw fault(where, "it ends inside its header; write it again");
        }
        return parse(where, new String(text, StandardCharsets.UTF_8).strip());
    }

    private static NpyHeader parse(String where, String text) throws CheckpointException {
        Map<String, String> fields = new HashMap<>();
        boolean braces = text.startsWith("{") && text.endsWith("}");
        String inside = braces ? text.substring(1, text.length() - 1).strip() : "";
        Matcher field = FIELD.matcher(inside);
        int end = 0;
        while (end < inside.length() && field.region(end, inside.length()).lookingAt()
                && fields.put(field.group(1), field.group(2)) == null) {
            end = field.end();
        }
        String descr = fields.getOrDefault("descr", "");
        if (end < inside.length() || fields.size() != 3 || !descr.startsWith("'")
                || !fields.get("shape").startsWith("(") || !fields.get("fortran_order").matches("True|False")) {
            throw fault(where,
                    "its header is no array of numbers: %s; wanted descr, fortran_order and shape, as numpy.save "
                            + "writes them",
                    Names.quote(text));
        }
        DType dtype = type(where, descr.substring(1, descr.length() - 1));
        Shape shape = shape(where, fields.get("shape"), dtype);
        if (fields.get("fortran_order").equals("True") && shape.rank() > 1) {
            throw fault(where, "its columns lie together (Fortran order); save numpy.ascontiguousarray of it");
        }
        return new NpyHeader(dtype, shape);
    }

    private static Shape shape(String where, String tuple, DType dtype) throws CheckpointException {
        try {
            String[] words = tuple.replaceAll("[() ]", "").split(",");
            Shape shape = Shape
                    .of(Arrays.stream(words).filter(word -> !word.isEmpty()).mapToLong(Long::parseLong).toArray());
            dtype.byteSize(shape.elements());
            return shape;
        } catch (IllegalArgumentException e) {
            throw fault(where, "its shape %s is impossible; write it again", tuple);
        }
    }

    private static DType type(String where, String descr) throws CheckpointException {
        DType type = TYPES.get(descr.startsWith("=") ? "<" + descr.substring(1) : descr);
        if (type != null) {
            return type;
        }
        if (descr.startsWith(">")) {
            throw fault(where, "its numbers are big-endian (%s); save .astype('<%s') of it", descr, descr.substring(1));
        }
        if (descr.matches("[|<]V2")) {
            throw fault(where,
                    "its elements are 2 bytes of no type, as NumPy stores bfloat16; save it as float32, or in "
                            + "a safetensors file");
        }
        throw fault(where, "its elements are of the type %s, wanted plain numbers; save it as float32",
                Names.quote(descr));
    }

    private static CheckpointException fault(String where, String format, Object... arguments) {
        return new CheckpointException(where + ": " + format.formatted(arguments));
    }

    /** {@return the header as bytes, of version 1} */
    byte[] bytes() {
        String descr = TYPES.entrySet().stream().filter(entry -> entry.getValue() == dtype).findFirst().orElseThrow(
                () -> new IllegalArgumentException("NumPy has no type for " + dtype)).getKey();
        StringBuilder extents = new StringBuilder();
        for (int axis = 0; axis < shape.rank(); axis++) {
            extents.append(axis == 0 ? "" : ", ").append(shape.extent(axis));
        }
        String dictionary = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }".formatted(descr,
                shape.rank() == 1 ? extents + "," : extents);
        int fixed = MAGIC.length + 2 + Short.BYTES;
        int size = Math.ceilDiv(fixed + dictionary.length() + 1, ALIGNMENT) * ALIGNMENT;
        byte[] header = new byte[size];
        Arrays.fill(header, (byte) ' ');
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).put(MAGIC).put((byte) 1).put((byte) 0)
                .putShort((short) (size - fixed)).put(dictionary.getBytes(StandardCharsets.US_ASCII));
        header[size - 1] = '\n';
        return header;
    }
}
