package dev.fusor.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Text that appears under its name when it is complete, or not at all. */
final class TextFile {
    private TextFile() {}

    static void write(Path file, CharSequence text) throws IOException {
        Path folder = file.toAbsolutePath().getParent();
        Path staging = folder.resolve("." + file.getFileName() + ".fusor-" + Long.toHexString(System.nanoTime()));
        try {
            Files.writeString(staging, text);
            Files.move(staging, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(staging);
        }
    }
}
