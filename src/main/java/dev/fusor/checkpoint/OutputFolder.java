package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * The final name of a checkpoint, or of a folder of them, to be written.
 *
 * @param path absolute, its links followed
 * @param mark how a file's name ends by which a folder is known that may be overwritten
 */
record OutputFolder(Path path, boolean overwrite, String mark) {
    /** The mark of a checkpoint. */
    static final String SAFETENSORS = ".safetensors";

    static OutputFolder of(Path named, boolean overwrite, String mark) throws IOException {
        OutputFolder output = new OutputFolder(resolve(named), overwrite, mark);
        output.checkReplaceable();
        return output;
    }

    private static Path resolve(Path named) throws IOException {
        Path absolute = named.toAbsolutePath();
        if (Files.exists(absolute)) {
            Path real = absolute.toRealPath();
            if (real.getParent() == null) {
                throw CheckpointException.at(named, "a root folder cannot be the output; name a folder inside it");
            }
            return real;
        }
        if (Files.isSymbolicLink(absolute)) {
            throw CheckpointException.at(named, "the output is a link to nothing; delete it or name another folder");
        }
        Path parent = absolute.getParent();
        if (!Files.isDirectory(parent)) {
            throw CheckpointException.at(named, "the parent %s %s; name an output in a folder that exists", parent,
                    Files.exists(parent) ? "is not a folder" : "does not exist");
        }
        return parent.toRealPath().resolve(absolute.getFileName());
    }

    /** Checks that there is nothing of that name, or nothing in it, or a checkpoint that may be overwritten. */
    void checkReplaceable() throws IOException {
        if (!Files.exists(path)) {
            return;
        }
        if (!Files.isDirectory(path)) {
            throw CheckpointException.at(path, "the output is an existing file, wanted the name of a folder");
        }
        List<Path> children = children();
        if (children.isEmpty()) {
            return;
        }
        if (!overwrite) {
            throw CheckpointException.at(path,
                    "the output exists and is not empty; name another folder, or replace it with --overwrite");
        }
        if (children.stream().noneMatch(child -> child.toString().endsWith(mark))) {
            throw CheckpointException.at(path,
                    "the output exists and holds no %s file, so it is not deleted even with --overwrite; name another folder",
                    mark);
        }
    }

    private List<Path> children() throws CheckpointException {
        try (Stream<Path> children = Files.list(path)) {
            return children.toList();
        } catch (IOException e) {
            throw CheckpointException.at(path, e, "the output cannot be read (%s); check its permissions", e);
        }
    }

    /** Checks that the disk has room, before hours go into what cannot be kept. */
    void checkSpace(long wanted) throws CheckpointException {
        long free;
        try {
            FileStore store = Files.getFileStore(path.getParent());
            free = store.getTotalSpace() == 0 ? Long.MAX_VALUE : store.getUsableSpace();
        } catch (IOException e) {
            // Some containers and network disks do not tell; a disk that is full will.
            return;
        }
        if (free < wanted) {
            throw CheckpointException.at(path, "the output takes %d bytes, but the disk has only %d free; "
                    + "free some space or name a folder on another disk", wanted, free);
        }
    }
}
