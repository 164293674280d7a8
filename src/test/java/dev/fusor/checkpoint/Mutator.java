package dev.fusor.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Damages bytes in the ways that readers of JSON and of offsets get wrong. */
final class Mutator {
    private static final List<String> TOKENS = List.of("{", "}", "[", "]", "\"", ":", ",", "null", "true", "-1", "0",
            "1e9",
            "1.5", "9223372036854775807", "18446744073709551616", "\\ud800", "\\u0000", "\"dtype\"", "\"shape\":[2]",
            "\"data_offsets\":[0,1]", "__metadata__", "\"a\":{}", "F16", "../s.safetensors", "/", "\u00ff", "  ", "\0");

    private final Random random;

    Mutator(Random random) {
        this.random = random;
    }

    byte[] mutate(byte[] original, List<byte[]> others) {
        byte[] bytes = original;
        for (int count = random.nextInt(3); count >= 0; count--) {
            bytes = once(bytes, others.get(random.nextInt(others.size())));
        }
        // Damage behind the length is only reached where the length fits.
        return bytes.length >= 8 && random.nextInt(3) > 0 && bytes[7] == 0 ? refit(bytes, original) : bytes;
    }

    private byte[] once(byte[] bytes, byte[] other) {
        int at = random.nextInt(bytes.length + 1);
        int length = random.nextInt(Math.min(bytes.length - at, 20) + 1);
        return switch (random.nextInt(8)) {
            case 0 -> replace(bytes, at, Math.min(1, bytes.length - at), new byte[]{(byte) random.nextInt(256)});
            case 1 -> replace(bytes, at, 0, TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8));
            case 2 ->
                replace(bytes, at, length, TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8));
            case 3 -> replace(bytes, at, length, new byte[0]);
            case 4 -> replace(bytes, at, 0, Arrays.copyOfRange(bytes, at, at + length));
            case 5 -> Arrays.copyOf(bytes, at);
            case 6 -> replace(bytes, at, length, Arrays.copyOf(other, random.nextInt(other.length + 1)));
            default -> changeDigit(bytes);
        };
    }

    private byte[] changeDigit(byte[] bytes) {
        byte[] copy = bytes.clone();
        for (int tries = 0; tries < 50 && copy.length > 0; tries++) {
            int at = random.nextInt(copy.length);
            if (Character.isDigit(copy[at])) {
                copy[at] = (byte) ('0' + random.nextInt(10));
                return copy;
            }
        }
        return copy;
    }

    private static byte[] replace(byte[] bytes, int at, int length, byte[] by) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(bytes, 0, at);
        out.writeBytes(by);
        out.write(bytes, at + length, bytes.length - at - length);
        return out.toByteArray();
    }

    /** {@return the bytes with the length of the header changed by as much as the file grew} */
    private static byte[] refit(byte[] bytes, byte[] original) {
        long length = ByteBuffer.wrap(original).order(ByteOrder.LITTLE_ENDIAN).getLong();
        byte[] copy = bytes.clone();
        ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN).putLong(length + copy.length - original.length);
        return copy;
    }
}
