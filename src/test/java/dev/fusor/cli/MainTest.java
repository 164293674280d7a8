package dev.fusor.cli;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

class MainTest {
    @Test
    void theVersionNamesFusorAndJava() {
        CommandLineRun run = CommandLineRun.of("--version");

        assertThat(run.status()).isZero();
        assertThat(run.out()).startsWith("fusor ").contains(" on Java 25");
        assertThat(run.err()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"merge", "align", "spec", "path", "barrier", "inspect", "diff", "ensemble", "doctor",
        "examples"})
    void everyCommandHelps(String command) {
        CommandLineRun run = CommandLineRun.of(command, "--help");

        assertThat(run.status()).isZero();
        assertThat(run.out()).startsWith("Usage: fusor " + command);
        assertThat(run.err()).isEmpty();
        assertThat(CommandLineRun.of("--help").out()).contains("  " + command);
    }

    @Test
    void noCommandIsBadUsage() {
        CommandLineRun run = CommandLineRun.of();

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).startsWith("fusor: a command is wanted: ").contains("merge", "inspect", "diff", "doctor");
    }

    @Test
    void anUnknownCommandIsBadUsage() {
        CommandLineRun run = CommandLineRun.of("fuse");

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).isEqualTo("fusor: Unmatched argument at index 0: 'fuse'\nTry 'fusor --help'.\n");
        assertThat(run.out()).isEmpty();
    }

    @Test
    void aMissingArgumentIsBadUsage() {
        CommandLineRun run = CommandLineRun.of("inspect");

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).isEqualTo(
                "fusor: Missing required parameter: 'PATH'\nTry 'fusor inspect --help'.\n");
    }

    @Test
    void anUnknownOptionIsBadUsage() {
        CommandLineRun run = CommandLineRun.of("doctor", "--jason");

        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err()).startsWith("fusor: Unknown option: '--jason'");
    }
}
