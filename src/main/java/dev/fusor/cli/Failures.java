package dev.fusor.cli;

import dev.fusor.merge.MergeException;
import dev.fusor.recipe.RecipeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Turns what went wrong into one sentence and an exit status. */
final class Failures {
    private Failures() {}

    static int handle(Exception e, CommandLine command, ParseResult arguments) {
        PrintWriter err = command.getErr();
        switch (e) {
            case RecipeException _,UsageException _ -> {
                err.println("fusor: " + e.getMessage());
                return 2;
            }
            case MergeException merge -> err.println("fusor: " + merge.getMessage());
            case UncheckedIOException io -> err.println("fusor: " + sentence(io.getCause()));
            case IOException io -> err.println("fusor: " + sentence(io));
            default -> {
                err.println("fusor: internal error: " + e + "; set FUSOR_DEBUG=1 to see where, and please report it");
            }
        }
        if (System.getenv("FUSOR_DEBUG") != null) {
            e.printStackTrace(err);
        }
        return command.getCommandSpec().exitCodeOnExecutionException();
    }

    /** Those errors of the JVM that have a cause outside of it. */
    static int handle(Error e, CommandLine command) {
        command.getErr().println(e instanceof OutOfMemoryError
                ? "fusor: the heap of %s is too small; set FUSOR_HEAP, for example to 1g"
                        .formatted(Sizes.words(Runtime.getRuntime().maxMemory()))
                : "fusor: a file changed while it was read (%s); let nothing write to the inputs"
                        .formatted(e.getMessage()));
        if (System.getenv("FUSOR_DEBUG") != null) {
            e.printStackTrace(command.getErr());
        }
        return 1;
    }

    private static String sentence(IOException e) {
        return switch (e) {
            case NoSuchFileException missing -> missing.getFile() + " does not exist; check the path";
            case AccessDeniedException denied -> "no rights to " + denied.getFile() + "; check its permissions";
            case FileSystemException other when other.getReason() != null -> other.getFile() + ": " + other.getReason();
            default -> e.getMessage();
        };
    }
}
