package dev.fusor.checkpoint;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;

/** What the system says when it cannot write, as a sentence with a remedy. */
final class WriteFailure {
    private WriteFailure() {}

    static CheckpointException of(Path where, String what, IOException cause) {
        String said = String.valueOf(cause.getMessage());
        String remedy;
        if (said.contains("No space left")) {
            remedy = "the disk is full; free some space or name a folder on another disk";
        } else if (said.contains("quota")) {
            remedy = "the disk quota is used up; free some space or name a folder on another disk";
        } else if (said.contains("Read-only file system")) {
            remedy = "the file system is read-only; name a folder on another one";
        } else if (cause instanceof AccessDeniedException) {
            remedy = "permission denied; name a folder that you may write to";
        } else if (cause instanceof ClosedByInterruptException) {
            remedy = "the thread was interrupted; start again";
        } else {
            remedy = cause + "; name another folder";
        }
        return CheckpointException.at(where, cause, "%s: %s", what, remedy);
    }
}
