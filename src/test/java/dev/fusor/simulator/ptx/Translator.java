package dev.fusor.simulator.ptx;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** PTX to one C++ translation unit that exports {@code fusor_module}, for {@code g++ -std=c++20 -O1 -ffp-contract=off}. */
public final class Translator {
    /** The C++, and the SHA-256 of the PTX by which the simulated driver finds what is built of it. */
    public record Translation(String sha256, String code) {}

    private Translator() {}

    /**
     * @param ptx as it is given to the driver, to the byte
     * @param name what reports call the module where the PTX names no source file
     * @throws PtxException naming the first thing that is not supported, and its line
     */
    public static Translation translate(byte[] ptx, String name) {
        return translate(ptx, name, parse(ptx));
    }

    /**
     * One kernel of a module, as if the module had no other: they may take minutes to compile.
     *
     * @param ptx as it is given to the driver, to the byte
     * @param entry the kernel
     * @throws PtxException naming the first thing that is not supported, and its line
     */
    public static Translation translateOnly(byte[] ptx, String entry) {
        return translate(ptx, entry, parse(ptx).only(entry));
    }

    private static PtxModule parse(byte[] ptx) {
        return Parser.parse(new String(ptx, StandardCharsets.UTF_8));
    }

    private static Translation translate(byte[] ptx, String name, PtxModule module) {
        String sha256 = sha256(ptx);
        return new Translation(sha256, new ModuleWriter(module, name, sha256).write());
    }

    /** In lower-case hexadecimal digits. */
    public static String sha256(byte[] ptx) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(ptx));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
