package dev.fusor.cli;

import dev.fusor.merge.MergeException;
import dev.fusor.recipe.RecipeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

import static org.assertj.core.api.Assertions.assertThat;

class FailuresTest {
    private final StringWriter err = new StringWriter();
    private final CommandLine command = Main.commandLine().setErr(new PrintWriter(err, true));

    private void fails(Exception e, int status, String sentence) {
        assertThat(Failures.handle(e, command, null)).isEqualTo(status);
        assertThat(err).hasToString("fusor: " + sentence + "\n");
    }

    @Test
    void aBadRecipeIsBadUsage() {
        fails(new RecipeException("a.yml", "is empty"), 2, "a.yml: is empty");
    }

    @Test
    void aMergeThatCannotBeDoneIsAFailure() {
        fails(new MergeException("too little memory"), 1, "too little memory");
    }

    @Test
    void aMissingFileIsOneSentence() {
        fails(new NoSuchFileException("/a/b"), 1, "/a/b does not exist; check the path");
    }

    @Test
    void missingRightsAreOneSentence() {
        fails(new AccessDeniedException("/a/b"), 1, "no rights to /a/b; check its permissions");
    }

    @Test
    void aFullDiskIsNamedWithItsFile() {
        fails(new FileSystemException("/a/b", null, "No space left on device"), 1, "/a/b: No space left on device");
    }

    @Test
    void aFailureInsideATaskIsTheSameSentence() {
        fails(new UncheckedIOException(new IOException("/a/b: gone")), 1, "/a/b: gone");
    }

    @Test
    void anythingElseIsAnInternalErrorOfOneLine() {
        fails(new IllegalStateException("nobody thought of this"), 1,
                "internal error: java.lang.IllegalStateException: nobody thought of this; set FUSOR_DEBUG=1 to see where, and please report it");
    }

    @Test
    void aSmallHeapSaysHowToGetALargerOne() {
        assertThat(Failures.handle(new OutOfMemoryError(), command)).isEqualTo(1);
        assertThat(err.toString()).startsWith("fusor: the heap of ").endsWith("set FUSOR_HEAP, for example to 1g\n");
    }

    @Test
    void aFileThatShrankUnderAMapSaysSo() {
        assertThat(Failures.handle(new InternalError("a fault"), command)).isEqualTo(1);
        assertThat(err).hasToString(
                "fusor: a file changed while it was read (a fault); let nothing write to the inputs\n");
    }
}
