package dev.fusor.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** A hidden folder beside its final name, which takes that name when all of it is on disk. */
final class StagingFolder {
    private static final SecureRandom RANDOM = new SecureRandom();

    private final OutputFolder output;
    private final Path path;

    private StagingFolder(OutputFolder output, Path path) {
        this.output = output;
        this.path = path;
    }

    static StagingFolder create(OutputFolder output) throws CheckpointException {
        Path path = hidden(output.path());
        try {
            return new StagingFolder(output, Files.createDirectory(path));
        } catch (IOException e) {
            throw WriteFailure.of(path, "the folder cannot be made", e);
        }
    }

    /** {@return a new hidden name beside another} */
    static Path hidden(Path path) {
        byte[] random = new byte[8];
        RANDOM.nextBytes(random);
        return path.resolveSibling(".%s.fusor-%s".formatted(path.getFileName(), HexFormat.of().formatHex(random)));
    }

    Path path() {
        return path;
    }

    /** Puts everything on disk and gives it its final name; a failure leaves what had that name before. */
    void publish() throws IOException {
        try {
            sync();
            output.checkReplaceable();
            if (Files.exists(output.path())) {
                replace();
            } else {
                Files.move(path, output.path(), StandardCopyOption.ATOMIC_MOVE);
                syncFolder(output.path().getParent());
            }
        } catch (CheckpointException e) {
            throw e;
        } catch (IOException e) {
            throw WriteFailure.of(output.path(), "the finished checkpoint cannot be put in place", e);
        }
    }

    private void replace() throws IOException {
        Path old = path.resolveSibling(path.getFileName() + ".old");
        Files.move(output.path(), old, StandardCopyOption.ATOMIC_MOVE);
        try {
            Files.move(path, output.path(), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            Files.move(old, output.path(), StandardCopyOption.ATOMIC_MOVE);
            throw e;
        }
        syncFolder(output.path().getParent());
        try {
            delete(old);
        } catch (IOException e) {
            throw CheckpointException.at(old, e,
                    "the new checkpoint is complete in %s, but the old one, moved here, cannot be deleted (%s); delete it",
                    output.path(), e);
        }
    }

    private void sync() throws IOException {
        for (Path each : childrenFirst(path)) {
            if (Files.isDirectory(each)) {
                syncFolder(each);
            } else if (Files.isRegularFile(each)) {
                sync(each, isPosix(each) ? StandardOpenOption.READ : StandardOpenOption.WRITE);
            }
        }
    }

    private static void sync(Path path, StandardOpenOption access) throws IOException {
        try (FileChannel channel = FileChannel.open(path, access)) {
            channel.force(true);
        }
    }

    private static boolean isPosix(Path path) {
        return path.getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    static void syncFolder(Path folder) throws IOException {
        // Windows cannot open a folder as a file, and makes names last by itself.
        if (isPosix(folder)) {
            sync(folder, StandardOpenOption.READ);
        }
    }

    void delete() throws CheckpointException {
        try {
            while (Files.exists(path)) {
                try {
                    delete(path);
                } catch (NoSuchFileException e) {
                    continue; // a writer within it deletes its own, as the JVM ends
                }
            }
        } catch (IOException e) {
            throw CheckpointException.at(path, e, "this unfinished output cannot be deleted (%s); delete it", e);
        }
    }

    private static void delete(Path folder) throws IOException {
        for (Path each : childrenFirst(folder)) {
            Files.deleteIfExists(each);
        }
    }

    /** {@return all that is in a folder and the folder itself, last; links are not followed} */
    private static List<Path> childrenFirst(Path folder) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.sorted(Comparator.reverseOrder()).toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }
}
